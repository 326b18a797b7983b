use super::*;

fn check(ty: &AlgebraicType, value: impl Into<AlgebraicValue>, expected: [&str; 3]) {
    let value = value.into();
    for (style, expected) in [Style::Plain, Style::Console, Style::Postgres]
        .into_iter()
        .zip(expected)
    {
        let text = value_to_satn(&Typespace::default(), ty, &value, style).unwrap();
        assert_eq!(text, expected, "{style:?}");
    }
}

#[test]
fn a_row() {
    let ty = AlgebraicType::product([
        ("id", AlgebraicType::identity()),
        ("t", AlgebraicType::timestamp()),
        ("n", AlgebraicType::String),
        ("bytes", AlgebraicType::bytes()),
    ]);
    let value = AlgebraicValue::Product(vec![
        Identity::from_u256(U256::ONE).into(),
        Timestamp::from_micros(5).into(),
        "x".into(),
        vec![1u8, 2].into(),
    ]);
    let one = format!("0x{:064x}", 1);
    check(
        &ty,
        value,
        [
            "(id = (__identity__ = 1), t = (__timestamp_micros_since_unix_epoch__ = 5), \
             n = \"x\", bytes = 0x0102)",
            &format!(
                "(id = {one}, t = 1970-01-01T00:00:00.000005+00:00, n = \"x\", bytes = 0x0102)"
            ),
            &format!(
                "{{\"id\": \"{one}\", \"t\": \"1970-01-01T00:00:00.000005+00:00\", \"n\": \"x\", \
                 \"bytes\": \"0x0102\"}}"
            ),
        ],
    );
}

#[test]
fn sums_and_arrays() {
    let ty = AlgebraicType::option(AlgebraicType::array(AlgebraicType::U16));
    let list = AlgebraicValue::array([1u16.into(), 2u16.into()]);
    check(
        &ty,
        AlgebraicValue::sum(0, list),
        ["(some = [1, 2])", "(some = [1, 2])", "{\"some\": [1, 2]}"],
    );
    check(
        &ty,
        None::<u8>,
        ["(none = ())", "(none = ())", "{\"none\": {}}"],
    );
    let tuple = AlgebraicType::tuple([AlgebraicType::F64]);
    check(
        &tuple,
        AlgebraicValue::Product(vec![1.0f64.into()]),
        ["(0 = 1)", "(col_0 = 1)", "{\"col_0\": 1}"],
    );
    let mut nameless = SumType::named([("a", AlgebraicType::U8)]);
    nameless.variants[0].name = None;
    let plain = value_to_satn(
        &Typespace::default(),
        &AlgebraicType::Sum(nameless),
        &AlgebraicValue::sum(0, 3u8.into()),
        Style::Plain,
    );
    assert_eq!(plain.as_deref(), Ok("( = 3)"));
}

#[test]
fn special_types() {
    check(
        &AlgebraicType::time_duration(),
        TimeDuration::from_micros(1_500_000),
        [
            "(__time_duration_micros__ = 1500000)",
            "+1.500000",
            "\"PT1.5S\"",
        ],
    );
    check(
        &AlgebraicType::uuid(),
        Uuid(1),
        [
            "(__uuid__ = 1)",
            "\"00000000-0000-0000-0000-000000000001\"",
            "\"00000000-0000-0000-0000-000000000001\"",
        ],
    );
    let id = format!("0x{:032x}", 7);
    check(
        &AlgebraicType::connection_id(),
        ConnectionId(7),
        ["(__connection_id__ = 7)", &id, &format!("\"{id}\"")],
    );
}

#[test]
fn special_types_keep_their_field_name_inside_sums_and_arrays() {
    check(
        &AlgebraicType::array(AlgebraicType::uuid()),
        AlgebraicValue::array([Uuid(0).into()]),
        [
            "[(__uuid__ = 0)]",
            "[(__uuid__ = \"00000000-0000-0000-0000-000000000000\")]",
            "[{\"__uuid__\": \"00000000-0000-0000-0000-000000000000\"}]",
        ],
    );
    check(
        &AlgebraicType::schedule_at(),
        crate::ScheduleAt::Interval(TimeDuration::from_micros(1)),
        [
            "(Interval = (__time_duration_micros__ = 1))",
            "(Interval = (__time_duration_micros__ = +0.000001))",
            "{\"Interval\": {\"__time_duration_micros__\": \"PT0.000001S\"}}",
        ],
    );
}

use super::*;
use crate::*;

const ALL: [Flavour; 4] = [
    Flavour::Native,
    Flavour::TypedValue,
    Flavour::Row,
    Flavour::Untyped,
];

fn write(ty: &AlgebraicType, value: &AlgebraicValue, flavour: Flavour) -> String {
    value_to_json_text(&Typespace::default(), ty, value, flavour).unwrap()
}

fn read(ty: &AlgebraicType, text: &str) -> Result<AlgebraicValue, JsonError> {
    value_from_json_text(&Typespace::default(), ty, text)
}

/// The value looks so in all four flavours, and is read back from each.
fn check(ty: &AlgebraicType, value: impl Into<AlgebraicValue>, expected: [&str; 4]) {
    let value = value.into();
    for (flavour, expected) in ALL.into_iter().zip(expected) {
        assert_eq!(write(ty, &value, flavour), expected, "{flavour:?}");
        assert_eq!(read(ty, expected), Ok(value.clone()), "{expected}");
    }
}

fn refused(ty: &AlgebraicType, text: &str) -> String {
    match read(ty, text) {
        Ok(value) => panic!("{text} was read as {value:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn scalars() {
    let check = |ty: AlgebraicType, value: AlgebraicValue, text: &str| {
        check(&ty, value, [text; 4]);
    };
    check(AlgebraicType::Bool, true.into(), "true");
    check(AlgebraicType::I8, (-8i8).into(), "-8");
    check(AlgebraicType::U64, u64::MAX.into(), "18446744073709551615");
    let least = "-170141183460469231731687303715884105728";
    check(AlgebraicType::I128, i128::MIN.into(), least);
    let most = "340282366920938463463374607431768211455";
    check(AlgebraicType::U128, u128::MAX.into(), most);
    check(AlgebraicType::U256, U256::from(5u8).into(), "\"0x5\"");
    check(AlgebraicType::U256, U256::ZERO.into(), "\"0x0\"");
    check(AlgebraicType::I256, I256::from(-6i8).into(), "\"-0x6\"");
    let least = format!("\"-0x8{}\"", "0".repeat(63));
    check(AlgebraicType::I256, I256::MIN.into(), &least);
    check(AlgebraicType::F32, 0.1f32.into(), "0.1");
    check(AlgebraicType::F64, (-0.0f64).into(), "-0.0");
    check(AlgebraicType::F64, 1e300f64.into(), "1e300");
    check(
        AlgebraicType::F64,
        f64::MIN_POSITIVE.into(),
        "2.2250738585072014e-308",
    );
    check(
        AlgebraicType::String,
        "a\"\\\n\u{1}\u{e9}".into(),
        "\"a\\\"\\\\\\n\\u0001\u{e9}\"",
    );
    check(AlgebraicType::bytes(), vec![1u8, 0xab].into(), "\"01ab\"");
    let numbers = AlgebraicValue::array([1u16.into(), 2u16.into()]);
    check(AlgebraicType::array(AlgebraicType::U16), numbers, "[1,2]");
}

#[test]
fn floats_without_a_json_form_are_null() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(
            write(&AlgebraicType::F64, &number.into(), Flavour::Row),
            "null"
        );
    }
    refused(&AlgebraicType::F64, "null");
    refused(&AlgebraicType::F64, "1e999");
    assert_eq!(read(&AlgebraicType::F32, "1e300"), Ok(f32::INFINITY.into()));
    assert_eq!(
        read(&AlgebraicType::F32, "16777217"),
        Ok(16_777_216f32.into())
    );
    assert_eq!(read(&AlgebraicType::F64, " 7 "), Ok(7f64.into()));
}

#[test]
fn scalars_are_not_coerced() {
    let cases = [
        (AlgebraicType::Bool, &["1", "\"true\"", "null", "truex"][..]),
        (
            AlgebraicType::U8,
            &["256", "-1", "1.0", "1e1", "\"1\"", "01", "+1", "", "- 1"],
        ),
        (AlgebraicType::I64, &["9223372036854775808"]),
        (
            AlgebraicType::U128,
            &["340282366920938463463374607431768211456", "1.0"],
        ),
        (
            AlgebraicType::U256,
            &[
                "5", "\"5\"", "\"-0x5\"", "\"0x\"", "\"0xg\"", "\"0x+5\"", "\"0X5\"",
            ],
        ),
        (
            AlgebraicType::F64,
            &["\"1\"", "1.", ".5", "NaN", "1e", "0x1"],
        ),
        (
            AlgebraicType::String,
            &[
                "5",
                "\"",
                "\"\\x\"",
                "\"\\ud800\"",
                "\"\\ud800\\u0041\"",
                "\"\t\"",
                "\"\\u12",
            ],
        ),
        (
            AlgebraicType::bytes(),
            &["\"0x01\"", "\"1\"", "[256]", "\"gg\"", "[1,]"],
        ),
    ];
    for (ty, texts) in cases {
        for text in texts {
            refused(&ty, text);
        }
    }
    let too_low = format!("\"-0x8{}1\"", "0".repeat(62));
    refused(&AlgebraicType::I256, &too_low);
    refused(&AlgebraicType::I256, &format!("\"0x8{}\"", "0".repeat(63)));
    assert_eq!(
        read(&AlgebraicType::bytes(), "[1, 171]"),
        Ok(vec![1u8, 0xab].into())
    );
    let text = "\"\\u00e9\\ud83c\\udf4c\\/\"";
    assert_eq!(
        read(&AlgebraicType::String, text),
        Ok("\u{e9}\u{1f34c}/".into())
    );
}

#[test]
fn products() {
    let ty = AlgebraicType::product([("a", AlgebraicType::U8), ("b", AlgebraicType::String)]);
    let value = AlgebraicValue::Product(vec![1u8.into(), "x".into()]);
    let object = r#"{"a":1,"b":"x"}"#;
    check(&ty, value.clone(), [object, object, object, r#"[1,"x"]"#]);
    assert_eq!(read(&ty, r#" { "b" : "x" , "a" : 1 } "#), Ok(value));
    check(
        &AlgebraicType::unit(),
        AlgebraicValue::unit(),
        ["[]", "{}", "{}", "[]"],
    );

    let starts = |text: &str, expected: &str| {
        let error = refused(&ty, text);
        assert!(error.starts_with(expected), "{error}");
    };
    starts(r#"{"a":1}"#, "missing field `b` at line 1 column 8");
    starts(r#"{"a":1,"a":1}"#, "duplicate field `a`");
    starts(
        "[1]",
        "invalid length 1, expected product type <product> with 2 elements",
    );
    starts(
        "{\n\"x\":1}",
        "unknown field `x`, expected one of `a`, `b` at line 2 column 4",
    );
    for text in [
        r#"[1,"x",2]"#,
        r#"{"a":1,"b":"x","c":1}"#,
        "null",
        "1",
        "[1,\"x\"]]",
        "[1 \"x\"]",
    ] {
        refused(&ty, text);
    }
    let tuple = AlgebraicType::tuple([AlgebraicType::U8]);
    let value = AlgebraicValue::Product(vec![1u8.into()]);
    assert_eq!(write(&tuple, &value, Flavour::Native), "[1]");
    assert_eq!(
        value_to_json_text(&Typespace::default(), &tuple, &value, Flavour::TypedValue),
        Err(WriteJsonError::Unnamed)
    );
}

#[test]
fn sums() {
    let ty = AlgebraicType::sum([("a", AlgebraicType::unit()), ("1", AlgebraicType::U8)]);
    let a = AlgebraicValue::sum(0, AlgebraicValue::unit());
    check(
        &ty,
        a.clone(),
        [r#"{"a":[]}"#, r#"{"a":{}}"#, "[0,{}]", "[0,[]]"],
    );
    let one = AlgebraicValue::sum(1, 7u8.into());
    for text in ["[1,7]", r#"["1",7]"#, r#"{"1":7}"#] {
        assert_eq!(read(&ty, text), Ok(one.clone()), "{text}");
    }
    assert_eq!(read(&ty, r#"["a",{}]"#), Ok(a));
    let unknown = refused(&ty, r#"{"x":1}"#);
    assert!(
        unknown.starts_with("unknown variant `x`, expected one of `a`, `1`"),
        "{unknown}"
    );
    for text in [
        "{}",
        "[]",
        "[1]",
        "[1,7,8]",
        r#"{"1":7,"1":7}"#,
        "\"a\"",
        "null",
        "[2,7]",
        "[-1,7]",
        "[1.0,7]",
        "[256,7]",
    ] {
        refused(&ty, text);
    }
    let nameless = AlgebraicType::Sum(SumType {
        variants: vec![SumTypeVariant {
            name: None,
            algebraic_type: AlgebraicType::U8,
        }],
    });
    assert_eq!(
        write(
            &nameless,
            &AlgebraicValue::sum(0, 7u8.into()),
            Flavour::TypedValue
        ),
        "[0,7]"
    );
}

#[test]
fn options() {
    let ty = AlgebraicType::option(AlgebraicType::U8);
    check(
        &ty,
        Some(5u8),
        [r#"{"some":5}"#, r#"{"some":5}"#, "[0,5]", "[0,5]"],
    );
    check(
        &ty,
        None::<u8>,
        [r#"{"none":[]}"#, r#"{"none":{}}"#, "[1,{}]", "[1,[]]"],
    );
    assert_eq!(read(&ty, "null"), Ok(None::<u8>.into()));
    assert_eq!(read(&ty, r#"{"0":5}"#), Ok(Some(5u8).into()));
    refused(&ty, "5");
}

#[test]
fn special_types() {
    let check = |ty: AlgebraicType, value: AlgebraicValue, typed: &str, also: &str| {
        assert_eq!(write(&ty, &value, Flavour::TypedValue), typed);
        assert_eq!(read(&ty, typed), Ok(value.clone()));
        assert_eq!(read(&ty, also), Ok(value));
    };
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    check(
        AlgebraicType::identity(),
        Identity::from_hex(hex).unwrap().into(),
        r#"{"__identity__":"0x102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}"#,
        r#"["0x102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"]"#,
    );
    check(
        AlgebraicType::connection_id(),
        ConnectionId::from_hex(&hex[..32]).unwrap().into(),
        r#"{"__connection_id__":5233100606242806050955395731361295}"#,
        "[5233100606242806050955395731361295]",
    );
    check(
        AlgebraicType::timestamp(),
        Timestamp::from_micros(1_700_000_000_123_456).into(),
        r#"{"__timestamp_micros_since_unix_epoch__":1700000000123456}"#,
        "[1700000000123456]",
    );
    check(
        AlgebraicType::time_duration(),
        TimeDuration::from_micros(-1_500_000).into(),
        r#"{"__time_duration_micros__":-1500000}"#,
        "[-1500000]",
    );
    check(
        AlgebraicType::uuid(),
        Uuid(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10).into(),
        r#"{"__uuid__":1339673755198158349044581307228491536}"#,
        "[1339673755198158349044581307228491536]",
    );
    check(
        AlgebraicType::schedule_at(),
        ScheduleAt::Interval(TimeDuration::from_micros(10_000_000)).into(),
        r#"{"Interval":{"__time_duration_micros__":10000000}}"#,
        r#"{"Interval":[10000000]}"#,
    );
    let hash = AlgebraicValue::from(Hash::of(b"hello"));
    check(
        AlgebraicType::U256,
        hash,
        "\"0xc8ea6da3a7099a312781949c7b51d9567b2872344f17c34bedc2850695ff8a1c\"",
        "\"0xc8ea6da3a7099a312781949c7b51d9567b2872344f17c34bedc2850695ff8a1c\"",
    );
}

#[test]
fn function_arguments() {
    let typespace = Typespace::default();
    let parameters = ProductType::named([("a", AlgebraicType::U8), ("b", AlgebraicType::Bool)]);
    let args = |text| product_args_from_json(&typespace, &parameters, "f", text);
    assert_eq!(args("[1,true]"), Ok(vec![1, 1]));
    assert_eq!(args(r#"{"b":true,"a":1}"#), Ok(vec![1, 1]));
    let error = |text| args(text).unwrap_err().to_string();
    assert!(
        error("[1]").starts_with("invalid length 1, expected reducer args for f with 2 elements")
    );
    assert!(error("{\"a\":1}").starts_with("missing reducer argument `b`"));
    assert!(error("{\"c\":1}").starts_with("unknown reducer argument `c`"));
    for text in ["", "[1,true,2]", "[1,true] x", "1"] {
        assert!(args(text).is_err(), "{text}");
    }
}

#[test]
fn deep_texts_are_refused() {
    let typespace = Typespace {
        types: vec![AlgebraicType::array(AlgebraicType::reference(0))],
    };
    let ty = AlgebraicType::reference(0);
    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    let mut out = vec![];
    assert_eq!(
        json_to_bsatn(&typespace, &ty, &nested(128), &mut out),
        Ok(())
    );
    assert!(json_to_bsatn(&typespace, &ty, &nested(129), &mut out).is_err());
    assert!(json_to_bsatn(&typespace, &ty, &nested(1_000_000), &mut out).is_err());
}

#[test]
fn types_as_json() {
    let check = |ty: AlgebraicType, expected: &str| {
        assert_eq!(type_to_json(&ty).to_string(), expected);
    };
    check(AlgebraicType::U8, r#"{"U8":[]}"#);
    check(AlgebraicType::reference(7), r#"{"Ref":7}"#);
    check(AlgebraicType::bytes(), r#"{"Array":{"U8":[]}}"#);
    check(AlgebraicType::String, r#"{"String":[]}"#);
    let mut product = ProductType::named([("a", AlgebraicType::U8)]);
    product.elements.push(ProductTypeElement {
        name: None,
        algebraic_type: AlgebraicType::String,
    });
    check(
        AlgebraicType::Product(product),
        concat!(
            r#"{"Product":{"elements":[{"name":{"some":"a"},"algebraic_type":{"U8":[]}},"#,
            r#"{"name":{"none":[]},"algebraic_type":{"String":[]}}]}}"#
        ),
    );
    check(
        AlgebraicType::option(AlgebraicType::U8),
        concat!(
            r#"{"Sum":{"variants":[{"name":{"some":"some"},"algebraic_type":{"U8":[]}},"#,
            r#"{"name":{"some":"none"},"algebraic_type":{"Product":{"elements":[]}}}]}}"#
        ),
    );
    let typespace = Typespace {
        types: vec![AlgebraicType::U8],
    };
    assert_eq!(
        typespace_to_json(&typespace).to_string(),
        r#"{"types":[{"U8":[]}]}"#
    );
}

#[test]
fn generic_json_values_work_too() {
    let typespace = Typespace::default();
    let ty = AlgebraicType::tuple([AlgebraicType::U128, AlgebraicType::F64]);
    let value = AlgebraicValue::Product(vec![u128::MAX.into(), 0.1f64.into()]);
    let json = value_to_json(&typespace, &ty, &value, Flavour::Untyped).unwrap();
    assert_eq!(value_from_json(&typespace, &ty, &json), Ok(value));
}

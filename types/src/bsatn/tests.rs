use super::*;
use crate::*;
use std::fmt::Debug;

/// The value encodes to these hex bytes and comes back from them.
fn check<T: Encode + for<'a> Decode<'a> + PartialEq + Debug>(value: T, expected: &str) {
    let bytes = to_vec(&value);
    assert_eq!(hex::encode(&bytes), expected);
    assert_eq!(from_slice_exact::<T>(&bytes), Ok(value));
}

fn error<'a, T: Decode<'a> + Debug>(bytes: &'a [u8]) -> String {
    from_slice_exact::<T>(bytes).unwrap_err().to_string()
}

#[test]
fn encodes_numbers() {
    check(true, "01");
    check(false, "00");
    check(-1i8, "ff");
    check(255u8, "ff");
    check(-2i16, "feff");
    check(0x1234u16, "3412");
    check(-3i32, "fdffffff");
    check(0xdead_beefu32, "efbeadde");
    check(-4i64, "fcffffffffffffff");
    check((1u64 << 63) + 1, "0100000000000080");
    check(-5i128, "fbffffffffffffffffffffffffffffff");
    check(1u128 << 100, "00000000000000000000000010000000");
    let counting: [u8; 32] = std::array::from_fn(|i| u8::try_from(i + 1).unwrap());
    check(
        U256::from_be_bytes(counting),
        "201f1e1d1c1b1a191817161514131211100f0e0d0c0b0a090807060504030201",
    );
    check(I256::MIN, &("00".repeat(31) + "80"));
    check(1.5f32, "0000c03f");
    check(-0.0f32, "00000080");
    check(0.1f32, "cdcccc3d");
    check(1.5f64, "000000000000f83f");
    check(0.1f64, "9a9999999999b93f");
    assert_eq!(hex::encode(&to_vec(&f64::NAN)), "000000000000f87f");
}

#[test]
fn encodes_compounds() {
    check("h\u{e9}y".to_owned(), "0400000068c3a979");
    check(vec![1u8, 2, 255], "030000000102ff");
    check(vec![1u16, 2], "0200000001000200");
    check(
        vec!["a".to_owned(), "bc".to_owned()],
        "020000000100000061020000006263",
    );
    check(vec![vec![1u8], vec![]], "02000000010000000100000000");
    check((7u8, Box::<str>::from("hi")), "07020000006869");
    check(Some(5u8), "0005");
    check(None::<u8>, "01");
    check(Some(None::<u8>), "0001");
    check(Ok::<u8, String>(5), "0005");
    check(Err::<u8, String>("e".into()), "010100000065");
    check([1u8, 2], "020000000102");
    check((), "");
}

#[test]
fn borrows_from_the_input() {
    let bytes = to_vec(&("text", &b"bytes"[..]));
    let (text, raw): (&str, &[u8]) = from_slice_exact(&bytes).unwrap();
    assert_eq!(text, "text");
    assert_eq!(raw, b"bytes");
}

crate::bsatn_enum! {
    #[derive(Debug, PartialEq)]
    enum Letter {
        A,
        B(u32),
        C(String),
        D { x: u8, y: Option<Box<Letter>> },
    }
}

crate::bsatn_struct! {
    #[derive(Debug, PartialEq)]
    struct Pair<'a> {
        left: &'a str,
        right: Vec<Letter>,
    }
}

#[test]
fn macros_define_wire_types() {
    check(Letter::A, "00");
    check(Letter::B(9), "0109000000");
    check(Letter::C("q".into()), "020100000071");
    let inner = Some(Box::new(Letter::A));
    check(Letter::D { x: 1, y: inner }, "03010000");
    let pair = Pair {
        left: "l",
        right: vec![Letter::A, Letter::B(1)],
    };
    let bytes = to_vec(&pair);
    assert_eq!(from_slice_exact(&bytes), Ok(pair));
    assert_eq!(error::<Letter>(&[4]), "unknown tag 0x4 for sum type Letter");
}

#[test]
fn a_recursive_wire_type_stops_at_the_depth_limit() {
    let mut bytes = vec![];
    for _ in 0..1_000_000 {
        bytes.extend_from_slice(&[3, 0, 0]);
    }
    assert!(matches!(
        from_slice::<Letter>(&bytes),
        Err(DecodeError::TooDeep { .. })
    ));
}

#[test]
fn encodes_native_types() {
    let counting: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    check(
        Identity::from_be_bytes(counting),
        "1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100",
    );
    let id = ConnectionId::from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
    check(id, "0f0e0d0c0b0a09080706050403020100");
    check(
        Timestamp::from_micros(1_700_000_000_123_456),
        "40222018240a0600",
    );
    check(TimeDuration::from_micros(-1_500_000), "a01ce9ffffffffff");
    check(
        ScheduleAt::Interval(TimeDuration::from_micros(10_000_000)),
        "008096980000000000",
    );
    check(
        ScheduleAt::Time(Timestamp::from_micros(1)),
        "010100000000000000",
    );
    check(
        Uuid(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        "100f0e0d0c0b0a090807060504030201",
    );
    check(Hash::of(b"hello"), &Hash::of(b"hello").to_hex());
}

#[test]
fn encodes_types() {
    let u8_type = || AlgebraicType::U8;
    check(AlgebraicType::reference(7), "0007000000");
    check(AlgebraicType::never(), "0100000000");
    check(AlgebraicType::unit(), "0200000000");
    check(
        AlgebraicType::product([("a", u8_type())]),
        "020100000000010000006107",
    );
    check(
        AlgebraicType::tuple([u8_type(), AlgebraicType::String]),
        "020200000001070104",
    );
    check(
        AlgebraicType::sum([("x", AlgebraicType::unit()), ("y", AlgebraicType::U32)]),
        "010200000000010000007802000000000001000000790b",
    );
    check(AlgebraicType::bytes(), "0307");
    check(
        AlgebraicType::array(AlgebraicType::reference(0)),
        "030000000000",
    );
    check(AlgebraicType::String, "04");
    check(AlgebraicType::F64, "13");
    check(
        AlgebraicType::option(u8_type()),
        "01020000000004000000736f6d650700040000006e6f6e650200000000",
    );
    check(
        AlgebraicType::result(u8_type(), AlgebraicType::String),
        "010200000000020000006f6b07000300000065727204",
    );
}

#[test]
fn encodes_special_types() {
    let timestamp = "020100000000250000005f5f74696d657374616d705f6d6963726f735f73696e63655f75\
                     6e69785f65706f63685f5f0c";
    let duration = "020100000000180000005f5f74696d655f6475726174696f6e5f6d6963726f735f5f0c";
    check(
        AlgebraicType::identity(),
        "0201000000000c0000005f5f6964656e746974795f5f11",
    );
    check(
        AlgebraicType::connection_id(),
        "020100000000110000005f5f636f6e6e656374696f6e5f69645f5f0f",
    );
    check(AlgebraicType::timestamp(), timestamp);
    check(AlgebraicType::time_duration(), duration);
    check(
        AlgebraicType::uuid(),
        "020100000000080000005f5f757569645f5f0f",
    );
    check(
        AlgebraicType::schedule_at(),
        &format!("01020000000008000000496e74657276616c{duration}000400000054696d65{timestamp}"),
    );
}

#[test]
fn errors_say_what_is_missing() {
    assert_eq!(
        error::<u32>(&[1, 2]),
        "data too short for u32: Expected 4, given 2"
    );
    assert_eq!(
        error::<String>(&[5, 0, 0, 0, 1]),
        "data too short for [u8]: Expected 5, given 1"
    );
    assert_eq!(
        error::<I256>(&[1]),
        "data too short for i256: Expected 32, given 1"
    );
    assert_eq!(error::<String>(&[1, 0, 0, 0, 0xff]), "invalid utf8");
    assert_eq!(
        error::<bool>(&[2]),
        "byte 2 not valid as `bool` (must be 0 or 1)"
    );
    assert_eq!(
        error::<u64>(&[0; 9]),
        "unexpected data length: Expected 8, given 9"
    );
    assert_eq!(
        error::<[u8; 1]>(&[2, 0, 0, 0, 1, 1]),
        "too many elements for array"
    );
    assert_eq!(
        error::<[u8; 2]>(&[1, 0, 0, 0, 1]),
        "too few elements for array"
    );
}

/// Both the building and the skipping decoder refuse these bytes, with the same error.
fn refused(ty: &AlgebraicType, bytes: &[u8]) -> DecodeError {
    let typespace = Typespace::default();
    let decoded = decode_value(&typespace, ty, &mut Reader::new(bytes)).unwrap_err();
    let skipped = skip_value(&typespace, ty, &mut Reader::new(bytes)).unwrap_err();
    assert_eq!(decoded, skipped);
    decoded
}

#[test]
fn values_of_run_time_types_are_checked() {
    let sum = AlgebraicType::option(AlgebraicType::U8);
    assert_eq!(
        refused(&sum, &[2]).to_string(),
        "unknown tag 0x2 for sum type <unknown>"
    );
    let floats = AlgebraicType::array(AlgebraicType::F32);
    assert!(matches!(
        refused(&AlgebraicType::array(AlgebraicType::Bool), &[1, 0, 0, 0, 7]),
        DecodeError::InvalidBool { .. }
    ));
    let typespace = Typespace::default();
    let mut reader = Reader::new(&[2, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(skip_value(&typespace, &floats, &mut reader).is_err());
}

#[test]
fn hostile_types_and_values_are_refused_quickly() {
    let arrays = vec![3; 100_000];
    assert!(matches!(
        from_slice::<AlgebraicType>(&arrays),
        Err(DecodeError::TooDeep { .. })
    ));
    let units = AlgebraicType::array(AlgebraicType::unit());
    assert!(matches!(
        refused(&units, &u32::MAX.to_le_bytes()),
        DecodeError::TooMany { .. }
    ));
    assert!(from_slice::<Vec<()>>(&u32::MAX.to_le_bytes()).is_err());
    assert!(from_slice::<Vec<u64>>(&u32::MAX.to_le_bytes()).is_err());
    let mut too_many = vec![1];
    too_many.extend_from_slice(&257u32.to_le_bytes());
    too_many.extend_from_slice(&[1, 4].repeat(257));
    assert!(matches!(
        from_slice::<AlgebraicType>(&too_many),
        Err(DecodeError::TooMany { given: 257, .. })
    ));
}

#[test]
fn a_typespace_that_doubles_at_each_step_costs_a_bounded_effort() {
    let double =
        |n| AlgebraicType::tuple([AlgebraicType::reference(n), AlgebraicType::reference(n)]);
    let mut types: Vec<_> = (1..60).map(double).collect();
    types.push(AlgebraicType::unit());
    let typespace = Typespace { types };
    let ty = AlgebraicType::reference(0);
    let mut reader = Reader::new(&[]);
    let error = skip_value(&typespace, &ty, &mut reader).unwrap_err();
    assert!(matches!(error, DecodeError::TooMany { .. }));
    assert_eq!(typespace.resolve(&ty), Err(ResolveError::TooLarge));
}

#[test]
fn references_are_followed() {
    let typespace = Typespace {
        types: vec![
            AlgebraicType::reference(1),
            AlgebraicType::option(AlgebraicType::reference(0)),
            AlgebraicType::reference(2),
            AlgebraicType::reference(9),
        ],
    };
    let list = AlgebraicType::reference(0);
    let value = decode_value(&typespace, &list, &mut Reader::new(&[0, 0, 1])).unwrap();
    let mut bytes = vec![];
    encode_value(&value, &mut bytes);
    assert_eq!(bytes, [0, 0, 1]);
    let deep = vec![0; 10_000];
    assert!(matches!(
        decode_value(&typespace, &list, &mut Reader::new(&deep)),
        Err(DecodeError::TooDeep { .. })
    ));
    for (index, bad) in [(2, 2), (3, 9), (7, 7)] {
        let ty = AlgebraicType::reference(index);
        assert_eq!(
            skip_value(&typespace, &ty, &mut Reader::new(&[])),
            Err(DecodeError::BadRef(bad))
        );
    }
}

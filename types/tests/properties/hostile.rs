//! No decoder panics or allocates without bound on bytes and texts from outside.

use super::generate::{case, text_of};
use proptest::collection::vec;
use proptest::prelude::*;
use spacetime_types::bsatn::{self, Reader};
use spacetime_types::names::{camel_case, check_identifier, pascal_case, snake_case};
use spacetime_types::{
    AlgebraicType, ConnectionId, Hash, Identity, Layout, Timestamp, Typespace, Uuid, json, satn,
};

/// JSON-like soup: the characters that matter, in any order.
fn json_soup() -> impl Strategy<Value = String> {
    let pieces = vec![
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "d800", "null", "true", "0x1", "-", "1",
        "0", ".5", "e9", " ", "\"a\"", "\"some\"", "\"none\"", "\u{e9}",
    ];
    vec(proptest::sample::select(pieces), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn bytes_as_values(case in case(), bytes in vec(any::<u8>(), 0..64)) {
        let decoded = bsatn::decode_value(&case.typespace, &case.ty, &mut Reader::new(&bytes));
        let mut reader = Reader::new(&bytes);
        let skipped = bsatn::skip_value(&case.typespace, &case.ty, &mut reader);
        prop_assert_eq!(decoded.as_ref().err(), skipped.as_ref().err());
        if let Ok(value) = decoded {
            // What was read is what is written, except that nothing else is remembered.
            prop_assert_eq!(bsatn::to_vec(&value), reader.consumed_since(0));
        }
        let mut out = String::new();
        let mut reader = Reader::new(&bytes);
        let flavour = json::Flavour::Untyped;
        let written =
            json::write_bsatn(&case.typespace, &case.ty, &mut reader, flavour, &mut out);
        prop_assert_eq!(written.is_ok(), skipped.is_ok());
        let mut reader = Reader::new(&bytes);
        let style = satn::Style::Console;
        let written = satn::write_bsatn(&case.typespace, &case.ty, &mut reader, style, &mut out);
        prop_assert_eq!(written.err(), skipped.err());
    }

    #[test]
    fn bytes_as_types(bytes in vec(0u8..20, 0..200)) {
        if let Ok(ty) = bsatn::from_slice::<AlgebraicType>(&bytes) {
            prop_assert_eq!(bsatn::from_slice_exact(&bsatn::to_vec(&ty)), Ok(ty.clone()));
            let _ = (ty.to_string(), ty.is_valid_use(), Layout::of(&ty));
            let typespace = Typespace { types: vec![ty.clone()] };
            let _ = typespace.resolve(&ty);
            let _ = bsatn::skip_value(&typespace, &ty, &mut Reader::new(&bytes));
            let _ = bsatn::decode_value(&typespace, &ty, &mut Reader::new(&bytes));
        }
        let _ = bsatn::from_slice::<Typespace>(&bytes);
    }

    #[test]
    fn texts_as_values(case in case(), text in json_soup()) {
        let _ = json::value_from_json_text(&case.typespace, &case.ty, &text);
    }

    #[test]
    fn json_is_read_as_strictly_as_elsewhere(text in json_soup()) {
        let strict: Result<serde_json::Value, _> = serde_json::from_str(&text);
        for ty in [AlgebraicType::String, AlgebraicType::F64, AlgebraicType::Bool] {
            let ours = json::value_from_json_text(&Typespace::default(), &ty, &text);
            let expected = strict.as_ref().is_ok_and(|value| match ty {
                AlgebraicType::String => value.is_string(),
                AlgebraicType::F64 => value.as_f64().is_some_and(f64::is_finite),
                _ => value.is_boolean(),
            });
            prop_assert_eq!(ours.is_ok(), expected, "{} as {}", text, ty);
        }
    }

    #[test]
    fn texts_as_everything_else(text in text_of(0..70)) {
        let _ = Identity::from_hex(&text);
        let _ = ConnectionId::from_hex(&text);
        let _ = Hash::from_hex(&text);
        let _ = Timestamp::parse(&text);
        let _ = Uuid::parse(&text);
        let _ = check_identifier(&text);
        let snake = snake_case(&text);
        prop_assert_eq!(snake_case(&snake), snake.clone());
        let _ = (camel_case(&text), pascal_case(&text));
    }

    #[test]
    fn strings_survive_json(text in text_of(0..40)) {
        let mut out = String::new();
        json::push_string(&text, &mut out);
        let read: String = serde_json::from_str(&out).unwrap();
        prop_assert_eq!(&read, &text);
        let ours = json::value_from_json_text(
            &Typespace::default(), &AlgebraicType::String, &out,
        );
        prop_assert_eq!(ours, Ok(text.as_str().into()));
    }

    #[test]
    fn floats_survive_json(number in any::<f64>()) {
        let ty = AlgebraicType::F64;
        let typespace = Typespace::default();
        let flavour = json::Flavour::Row;
        let text = json::value_to_json_text(&typespace, &ty, &number.into(), flavour).unwrap();
        if number.is_finite() {
            let read = json::value_from_json_text(&typespace, &ty, &text).unwrap();
            prop_assert_eq!(bsatn::to_vec(&read), bsatn::to_vec(&number));
        }
    }
}

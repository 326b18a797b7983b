use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: i64 = 1_700_000_000;

fn parse(payload: &Value) -> Result<Claims, ClaimsError> {
    Claims::from_json(payload.to_string().as_bytes(), NOW)
}

/// A valid payload with one claim replaced, or removed where `value` is null.
fn with(claim: &str, value: Value) -> Value {
    let mut payload = json!({"sub": "alice", "iss": "localhost", "iat": NOW});
    payload[claim] = value;
    payload
}

#[test]
fn the_identity_follows_from_issuer_and_subject() {
    let claims = parse(&with("exp", Value::Null)).expect("valid");
    let expect = "c20035600353a2e93544d898c6ed0eac323e200c0468300f22958f8b472a265d";
    assert_eq!(claims.identity.to_string(), expect);
    assert!(parse(&with("hex_identity", expect.into())).is_ok());
    let other = expect.replace("5d", "5e");
    let error = parse(&with("hex_identity", other.into())).expect_err("another identity");
    assert!(
        matches!(error, ClaimsError::IdentityMismatch { .. }),
        "{error}"
    );
    assert!(parse(&with("hex_identity", 5.into())).is_err());
}

#[test]
fn issuer_and_subject_are_required_and_bounded() {
    for claim in ["iss", "sub"] {
        assert!(parse(&with(claim, Value::Null)).is_err());
        assert!(parse(&with(claim, "".into())).is_err());
        assert!(parse(&with(claim, 7.into())).is_err());
        assert!(parse(&with(claim, "x".repeat(129).into())).is_err());
        assert!(parse(&with(claim, "x".repeat(128).into())).is_ok());
    }
    assert_eq!(
        parse(&with("iss", "a|b".into())),
        Err(ClaimsError::AmbiguousIssuer)
    );
    assert!(parse(&with("sub", "a|b".into())).is_ok());
}

#[test]
fn times_are_whole_seconds_with_some_leeway() {
    assert!(parse(&with("iat", Value::Null)).is_err());
    assert!(parse(&with("iat", json!(1.5))).is_err());
    assert!(parse(&with("iat", "1".into())).is_err());
    assert!(parse(&with("exp", json!(1.5))).is_err());
    assert!(parse(&with("exp", (NOW - LEEWAY_S).into())).is_ok());
    assert_eq!(
        parse(&with("exp", (NOW - LEEWAY_S - 1).into())),
        Err(ClaimsError::Expired)
    );
    assert!(parse(&with("exp", i64::MAX.into())).is_ok());
    assert_eq!(
        parse(&with("exp", i64::MIN.into())),
        Err(ClaimsError::Expired)
    );
    assert!(parse(&with("nbf", (NOW + LEEWAY_S).into())).is_ok());
    assert_eq!(
        parse(&with("nbf", (NOW + LEEWAY_S + 1).into())),
        Err(ClaimsError::NotYetValid)
    );
}

#[test]
fn the_audience_is_a_text_or_a_list_of_texts() {
    assert!(parse(&with("aud", "a".into())).is_ok());
    assert!(parse(&with("aud", json!(["a", "b"]))).is_ok());
    assert!(parse(&with("aud", json!([1]))).is_err());
    assert!(parse(&with("aud", json!({}))).is_err());
}

#[test]
fn claims_are_written_in_the_servers_order_with_the_others_behind() {
    let payload =
        json!({"email": "a@b", "aud": ["x"], "sub": "alice", "iss": "localhost", "iat": 5});
    let claims = parse(&payload).expect("valid");
    let text = Value::Object(claims.to_json()).to_string();
    assert_eq!(
        text,
        r#"{"hex_identity":"c20035600353a2e93544d898c6ed0eac323e200c0468300f22958f8b472a265d","#
            .to_owned()
            + r#""sub":"alice","iss":"localhost","aud":["x"],"iat":5,"exp":null,"email":"a@b"}"#
    );
    assert_eq!(Claims::from_json(text.as_bytes(), NOW), Ok(claims));
}

proptest! {
    #[test]
    fn random_payloads_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = Claims::from_json(&bytes, NOW);
    }
}

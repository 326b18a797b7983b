use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: i64 = 1_700_000_000;

fn authority() -> Authority {
    Authority::new(&KeyPair::generate(), &[]).expect("an authority")
}

/// A token of any algorithm over any payload.
fn token(algorithm: Algorithm, key: &EncodingKey, issuer: &str) -> String {
    let payload = json!({"sub": "alice", "iss": issuer, "iat": NOW});
    jsonwebtoken::encode(&Header::new(algorithm), &payload, key).expect("a token")
}

#[test]
fn issues_what_it_verifies() {
    let authority = authority();
    let issued = authority.issue_new(NOW);
    assert!(
        issued
            .token()
            .starts_with("eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.")
    );
    let verified = authority
        .verify(issued.token(), NOW + 1_000_000_000)
        .expect("no expiry");
    assert_eq!(verified.identity(), issued.identity());
    assert_eq!(verified.claims(), issued.claims());
    assert_eq!(issued.claims().issuer, "localhost");
    let payload = payload_of(issued.token()).expect("a payload");
    let keys: Vec<String> = serde_json::from_str::<serde_json::Map<_, _>>(&payload)
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    assert_eq!(keys, ["hex_identity", "sub", "iss", "aud", "iat", "exp"]);
    assert_ne!(authority.issue_new(NOW).identity(), issued.identity());
}

#[test]
fn websocket_tokens_keep_the_identity_and_expire() {
    let authority = authority();
    let session = authority.issue_new(NOW);
    let short = authority.issue_for_websocket(&session, NOW + 5);
    assert_eq!(short.identity(), session.identity());
    assert_eq!(short.claims().expires_at, Some(NOW + 65));
    assert!(authority.verify(short.token(), NOW + 65).is_ok());
    let late = authority.verify(short.token(), NOW + 65 + 61);
    assert_eq!(
        late.expect_err("expired").to_string(),
        "Invalid token: ExpiredSignature"
    );
}

#[test]
fn a_token_of_another_server_is_refused() {
    let foreign = authority().issue_new(NOW);
    let error = authority()
        .verify(foreign.token(), NOW)
        .expect_err("another key");
    assert_eq!(error.to_string(), "Invalid token: InvalidSignature");
}

#[test]
fn the_public_key_is_no_symmetric_secret() {
    let keys = KeyPair::generate();
    let authority = Authority::new(&keys, &[]).expect("an authority");
    let secret = EncodingKey::from_secret(keys.public_pem().as_bytes());
    for issuer in ["localhost", "https://elsewhere.example"] {
        let forged = token(Algorithm::HS256, &secret, issuer);
        assert!(authority.verify(&forged, NOW).is_err(), "{issuer}");
    }
}

#[test]
fn a_token_without_algorithm_is_refused() {
    let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"alice","iss":"localhost","iat":1}"#);
    for algorithm in ["none", "None", "HS256", "ES384"] {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"JWT","alg":"{algorithm}"}}"#));
        assert!(
            authority()
                .verify(&format!("{header}.{payload}."), NOW)
                .is_err()
        );
    }
}

#[test]
fn trusted_issuers_verify_with_their_own_keys_only() {
    let theirs = KeyPair::generate();
    let issuer = "https://accounts.example.com".to_owned();
    let public_pems = vec![
        KeyPair::generate().public_pem().into(),
        theirs.public_pem().into(),
    ];
    let trusted = [TrustedIssuer {
        issuer: issuer.clone(),
        public_pems,
    }];
    let authority = Authority::new(&KeyPair::generate(), &trusted).expect("an authority");
    let key = EncodingKey::from_ec_pem(theirs.private_pem().as_bytes()).expect("a key");
    let session = authority
        .verify(&token(Algorithm::ES256, &key, &issuer), NOW)
        .expect("trusted");
    assert_eq!(session.identity(), Identity::from_claims(&issuer, "alice"));
    // Signed again for a WebSocket it is accepted by our own key and keeps the identity.
    let short = authority.issue_for_websocket(&session, NOW);
    let again = authority
        .verify(short.token(), NOW)
        .expect("our own signature");
    assert_eq!(again.identity(), session.identity());
    // Their key does not speak for this server, nor for anyone else.
    assert!(
        authority
            .verify(&token(Algorithm::ES256, &key, "localhost"), NOW)
            .is_err()
    );
    let other = authority.verify(&token(Algorithm::ES256, &key, "https://x.example"), NOW);
    assert!(matches!(other, Err(VerifyError::UnknownIssuer(_))));
}

#[test]
fn keys_that_are_no_keys_are_refused_at_start() {
    let trusted = [TrustedIssuer {
        issuer: "a".into(),
        public_pems: vec!["nonsense".into()],
    }];
    let error = Authority::new(&KeyPair::generate(), &trusted).expect_err("not a key");
    assert!(
        matches!(error, AuthorityError::TrustedKey { position: 0, .. }),
        "{error}"
    );
    let own = [TrustedIssuer {
        issuer: OWN_ISSUER.into(),
        public_pems: vec![],
    }];
    assert!(matches!(
        Authority::new(&KeyPair::generate(), &own),
        Err(AuthorityError::OwnIssuer)
    ));
}

#[test]
fn a_changed_token_is_refused() {
    let authority = authority();
    let token = authority.issue_new(NOW).token().to_owned();
    for position in (0..token.len()).step_by(7) {
        let mut changed = token.clone().into_bytes();
        changed[position] = if changed[position] == b'A' {
            b'B'
        } else {
            b'A'
        };
        let changed = String::from_utf8(changed).expect("text");
        assert!(
            authority.verify(&changed, NOW).is_err(),
            "position {position}"
        );
    }
    assert_eq!(
        authority
            .verify(&"a".repeat(TOKEN_LEN_MAX + 1), NOW)
            .expect_err("too long"),
        VerifyError::TooLong
    );
}

#[test]
fn neither_errors_nor_debug_forms_show_the_token() {
    let authority = authority();
    let session = authority.issue_new(NOW);
    assert!(!format!("{session:?} {authority:?}").contains(session.token()));
}

proptest! {
    #[test]
    fn random_text_never_panics(text in "[A-Za-z0-9._-]{0,80}") {
        prop_assert!(authority().verify(&text, NOW).is_err());
    }
}

//! What is known about the caller of a reducer.

use std::cell::OnceCell;

use super::claims::{self, Claims};
use crate::sys::{host, read_source};
use crate::types::{ConnectionId, Identity};

/// How the caller proved who they are. The token's claims are asked for when they are needed.
#[derive(Debug)]
pub struct AuthCtx {
    /// Whose claims to ask for; none for a call that the database made itself.
    connection: Option<ConnectionId>,
    jwt: OnceCell<Option<JwtClaims>>,
}

/// The claims of a token.
#[derive(Debug)]
pub struct JwtClaims {
    payload: String,
    claims: OnceCell<Claims>,
}

impl AuthCtx {
    /// Of a call that the database made itself.
    pub fn internal() -> Self {
        AuthCtx::of(None)
    }

    /// Of a caller with these claims, given as JSON.
    pub fn from_jwt_payload(payload: String) -> Self {
        let claims = JwtClaims {
            payload,
            claims: OnceCell::new(),
        };
        AuthCtx {
            connection: Some(ConnectionId::ZERO),
            jwt: OnceCell::from(Some(claims)),
        }
    }

    pub(crate) fn of(connection: Option<ConnectionId>) -> Self {
        AuthCtx {
            connection,
            jwt: OnceCell::new(),
        }
    }

    /// Whether the database made the call itself: a schedule, or a call without a connection.
    pub fn is_internal(&self) -> bool {
        self.connection.is_none()
    }

    /// Whether the caller has a token.
    pub fn has_jwt(&self) -> bool {
        self.jwt().is_some()
    }

    /// The claims of the caller's token.
    pub fn jwt(&self) -> Option<&JwtClaims> {
        self.jwt.get_or_init(|| load(self.connection?)).as_ref()
    }
}

fn load(connection: ConnectionId) -> Option<JwtClaims> {
    let source = host::get_jwt(&connection.as_le_byte_array());
    let source = source.unwrap_or_else(|errno| errno.unexpected());
    if source == 0 {
        return None;
    }
    let payload = String::from_utf8(read_source(source)).expect("claims are UTF-8");
    Some(JwtClaims {
        payload,
        claims: OnceCell::new(),
    })
}

impl JwtClaims {
    fn claims(&self) -> &Claims {
        self.claims
            .get_or_init(|| claims::parse(&self.payload).expect("claims are a JSON object"))
    }

    /// Whom the token is about.
    pub fn subject(&self) -> &str {
        let subject = self.claims().subject.as_deref();
        subject.expect("the token has no claim `sub`")
    }

    /// Who made it.
    pub fn issuer(&self) -> &str {
        let issuer = self.claims().issuer.as_deref();
        issuer.expect("the token has no claim `iss`")
    }

    /// For whom it was made.
    pub fn audience(&self) -> &[String] {
        &self.claims().audience
    }

    /// The identity that follows from the issuer and the subject.
    pub fn identity(&self) -> Identity {
        Identity::from_claims(self.issuer(), self.subject())
    }

    /// All claims, as JSON.
    pub fn raw_payload(&self) -> &str {
        &self.payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_call_has_no_token() {
        let auth = AuthCtx::internal();
        assert!(auth.is_internal());
        assert!(!auth.has_jwt());
    }

    #[test]
    fn claims_give_an_identity() {
        let payload = r#"{"iss":"http://localhost","sub":"alice","aud":"x"}"#;
        let auth = AuthCtx::from_jwt_payload(payload.to_owned());
        let jwt = auth.jwt().unwrap();
        assert!(!auth.is_internal());
        assert_eq!(jwt.raw_payload(), payload);
        assert_eq!(jwt.audience(), ["x"]);
        assert_eq!(
            jwt.identity(),
            Identity::from_claims("http://localhost", "alice")
        );
    }
}

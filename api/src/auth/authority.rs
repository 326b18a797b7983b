//! Signs tokens with the server's key and verifies tokens of this server and of trusted issuers.
//!
//! Invariants
//!   * The server's own key is tried first and whatever the issuer, because tokens of other
//!     issuers that this server signed again keep their issuer.
//!   * A key verifies with one algorithm, fixed when the key is loaded: ES256 for P-256 keys,
//!     RS256 for RSA keys. Symmetric keys do not exist here.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use spacetime_types::Identity;
use uuid::Uuid;

use super::claims::{Claims, ClaimsError};
use super::keys::KeyPair;
use super::session::Session;

/// Longest token that is looked at.
const TOKEN_LEN_MAX: usize = 16 * 1024;

/// How long a token for opening a WebSocket is valid.
const WEBSOCKET_TOKEN_S: i64 = 60;

/// The issuer of this server's own identities.
pub const OWN_ISSUER: &str = "localhost";

/// Issues and verifies tokens.
pub struct Authority {
    signing: EncodingKey,
    own: VerifyingKey,
    public_pem: String,
    trusted: Vec<(String, Vec<VerifyingKey>)>,
}

/// An issuer whose tokens are accepted, with its public keys in PEM form (P-256 or RSA).
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    pub issuer: String,
    pub public_pems: Vec<String>,
}

/// Why an authority cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The library does not take the server's key. It was checked when it was loaded.
    #[error("the server's key cannot be used: {0}")]
    OwnKey(jsonwebtoken::errors::Error),
    /// Correct the key in the configuration: P-256 or RSA public keys in PEM form.
    #[error("key {position} of the issuer {issuer} is neither a P-256 nor an RSA public key")]
    TrustedKey { issuer: String, position: usize },
    /// Remove the entry: this server signs for it.
    #[error("the issuer {OWN_ISSUER} is this server itself and cannot be trusted with other keys")]
    OwnIssuer,
}

/// Why a token is refused. The texts are shown to the client and do not contain the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("Invalid token: too long")]
    TooLong,
    #[error("Invalid token: {0}")]
    Invalid(String),
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    #[error("Issuer `{0}` is not trusted by this server")]
    UnknownIssuer(String),
}

/// A public key and the one algorithm that it is used with.
struct VerifyingKey {
    key: DecodingKey,
    algorithm: Algorithm,
}

impl VerifyingKey {
    fn from_pem(pem: &str) -> Option<VerifyingKey> {
        let ec = |key| VerifyingKey {
            key,
            algorithm: Algorithm::ES256,
        };
        let rsa = |key| VerifyingKey {
            key,
            algorithm: Algorithm::RS256,
        };
        // The library takes any curve as "EC"; only P-256 goes with ES256.
        if pem.parse::<p256::PublicKey>().is_ok() {
            return DecodingKey::from_ec_pem(pem.as_bytes()).ok().map(ec);
        }
        DecodingKey::from_rsa_pem(pem.as_bytes()).ok().map(rsa)
    }

    /// Verifies the signature and nothing else.
    fn check(&self, token: &str) -> Result<(), VerifyError> {
        let mut rules = Validation::new(self.algorithm);
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        rules.validate_aud = false;
        jsonwebtoken::decode::<serde::de::IgnoredAny>(token, &self.key, &rules)
            .map(|_| ())
            .map_err(|error| VerifyError::Invalid(format!("{:?}", error.kind())))
    }
}

impl Authority {
    /// An authority with the server's own keys and any number of other issuers'.
    pub fn new(keys: &KeyPair, trusted: &[TrustedIssuer]) -> Result<Authority, AuthorityError> {
        let signing = EncodingKey::from_ec_pem(keys.private_pem().as_bytes())
            .map_err(AuthorityError::OwnKey)?;
        let key = DecodingKey::from_ec_pem(keys.public_pem().as_bytes())
            .map_err(AuthorityError::OwnKey)?;
        let own = VerifyingKey {
            key,
            algorithm: Algorithm::ES256,
        };
        let mut others = Vec::with_capacity(trusted.len());
        for TrustedIssuer {
            issuer,
            public_pems,
        } in trusted
        {
            if issuer == OWN_ISSUER {
                return Err(AuthorityError::OwnIssuer);
            }
            let mut keys = Vec::with_capacity(public_pems.len());
            for (position, pem) in public_pems.iter().enumerate() {
                keys.push(VerifyingKey::from_pem(pem).ok_or_else(|| {
                    AuthorityError::TrustedKey {
                        issuer: issuer.clone(),
                        position,
                    }
                })?);
            }
            others.push((issuer.clone(), keys));
        }
        let public_pem = keys.public_pem().to_owned();
        Ok(Authority {
            signing,
            own,
            public_pem,
            trusted: others,
        })
    }

    /// The public key as SPKI PEM.
    #[must_use]
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// Verifies a token at the time `now` (seconds since the epoch).
    pub fn verify(&self, token: &str, now: i64) -> Result<Session, VerifyError> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(VerifyError::TooLong);
        }
        let payload = payload_of(token)?;
        if let Err(error) = self.own.check(token) {
            self.check_as_foreign(token, &payload, error)?;
        }
        let claims = Claims::from_json(payload.as_bytes(), now)?;
        Ok(Session::new(claims, token, &payload))
    }

    /// Verifies the signature of a token that this server did not sign.
    fn check_as_foreign(
        &self,
        token: &str,
        payload: &str,
        own_error: VerifyError,
    ) -> Result<(), VerifyError> {
        let unverified: serde_json::Value =
            serde_json::from_str(payload).map_err(|_| ClaimsError::NotAnObject)?;
        let Some(issuer) = unverified.get("iss").and_then(serde_json::Value::as_str) else {
            return Err(ClaimsError::BadClaim("iss").into());
        };
        if issuer == OWN_ISSUER {
            return Err(own_error);
        }
        let Some((_, keys)) = self.trusted.iter().find(|(trusted, _)| trusted == issuer) else {
            return Err(VerifyError::UnknownIssuer(
                issuer.chars().take(128).collect(),
            ));
        };
        let mut last = own_error;
        for key in keys {
            match key.check(token) {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A new identity with a token that does not expire.
    #[must_use]
    pub fn issue_new(&self, now: i64) -> Session {
        let subject = Uuid::new_v4().to_string();
        let claims = Claims {
            identity: Identity::from_claims(OWN_ISSUER, &subject),
            issuer: OWN_ISSUER.to_owned(),
            subject,
            audience: Some(serde_json::json!(["spacetimedb"])),
            issued_at: now,
            expires_at: None,
            others: serde_json::Map::new(),
        };
        self.sign(claims)
    }

    /// A short-lived token for the same identity, to be put into a WebSocket's address.
    #[must_use]
    pub fn issue_for_websocket(&self, session: &Session, now: i64) -> Session {
        let mut claims = session.claims().clone();
        claims.issued_at = now;
        claims.expires_at = Some(now.saturating_add(WEBSOCKET_TOKEN_S));
        self.sign(claims)
    }

    fn sign(&self, claims: Claims) -> Session {
        let payload = claims.to_json();
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &payload, &self.signing)
            .unwrap_or_else(|error| panic!("a JSON object can be signed: {error}"));
        let payload = serde_json::Value::Object(payload).to_string();
        Session::new(claims, &token, &payload)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trusted: Vec<&str> = self
            .trusted
            .iter()
            .map(|(issuer, _)| issuer.as_str())
            .collect();
        f.debug_struct("Authority")
            .field("trusted", &trusted)
            .finish_non_exhaustive()
    }
}

/// The payload's JSON text. The library verifies it, but keeps the text to itself.
fn payload_of(token: &str) -> Result<String, VerifyError> {
    let malformed = || VerifyError::Invalid("InvalidToken".to_owned());
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next(), parts.next(), parts.next());
    if parts.next().is_some() {
        return Err(malformed());
    }
    let payload = URL_SAFE_NO_PAD
        .decode(payload.ok_or_else(malformed)?)
        .map_err(|_| malformed())?;
    String::from_utf8(payload).map_err(|_| malformed())
}

#[cfg(test)]
mod tests;

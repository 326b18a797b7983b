//! What a token says, and the rules that every accepted token keeps.

use serde_json::{Map, Value};
use spacetime_types::Identity;

/// Longest issuer or subject, in bytes.
const NAME_LEN_MAX: usize = 128;

/// Clocks may differ by this many seconds.
const LEEWAY_S: i64 = 60;

/// The checked payload of a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    pub identity: Identity,
    pub issuer: String,
    pub subject: String,
    /// The audience as it was given: a text, a list, or absent.
    pub audience: Option<Value>,
    pub issued_at: i64,
    pub expires_at: Option<i64>,
    /// Claims that mean nothing to us; they are kept when a token is signed again.
    pub others: Map<String, Value>,
}

/// Why a payload is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    #[error("Invalid token: the payload is not a JSON object")]
    NotAnObject,
    #[error("Invalid token: `{0}` is missing or has the wrong type")]
    BadClaim(&'static str),
    #[error("{what} is empty")]
    Empty { what: &'static str },
    #[error("{what} too long: {len} bytes, at most {NAME_LEN_MAX} are allowed")]
    TooLong { what: &'static str, len: usize },
    #[error("Issuer contains `|`, which would make identities ambiguous")]
    AmbiguousIssuer,
    #[error("Invalid token: ExpiredSignature")]
    Expired,
    #[error("Invalid token: ImmatureSignature")]
    NotYetValid,
    #[error("Identity mismatch: the token claims {claimed}, its issuer and subject give {derived}")]
    IdentityMismatch { claimed: String, derived: String },
}

impl Claims {
    /// Checks a token's payload at the time `now` (seconds since the epoch). The signature was
    /// verified before.
    pub fn from_json(payload: &[u8], now: i64) -> Result<Claims, ClaimsError> {
        let mut others: Map<String, Value> =
            serde_json::from_slice(payload).map_err(|_| ClaimsError::NotAnObject)?;
        let issuer = take_name(&mut others, "iss", "Issuer")?;
        let subject = take_name(&mut others, "sub", "Subject")?;
        if issuer.contains('|') {
            return Err(ClaimsError::AmbiguousIssuer);
        }
        let issued_at = take_seconds(&mut others, "iat")?.ok_or(ClaimsError::BadClaim("iat"))?;
        let expires_at = take_seconds(&mut others, "exp")?;
        if expires_at.is_some_and(|end| end.saturating_add(LEEWAY_S) < now) {
            return Err(ClaimsError::Expired);
        }
        // `nbf` stays among the others: it has to survive a new signature.
        let not_before = seconds(others.get("nbf"), "nbf")?;
        if not_before.is_some_and(|start| start.saturating_sub(LEEWAY_S) > now) {
            return Err(ClaimsError::NotYetValid);
        }
        let audience = others.remove("aud").filter(|audience| !audience.is_null());
        if !audience.as_ref().is_none_or(is_audience) {
            return Err(ClaimsError::BadClaim("aud"));
        }
        let identity = Identity::from_claims(&issuer, &subject);
        match others.remove("hex_identity") {
            None | Some(Value::Null) => {}
            Some(Value::String(claimed)) if claimed == identity.to_string() => {}
            Some(Value::String(claimed)) => {
                let derived = identity.to_string();
                return Err(ClaimsError::IdentityMismatch { claimed, derived });
            }
            Some(_) => return Err(ClaimsError::BadClaim("hex_identity")),
        }
        Ok(Claims {
            identity,
            issuer,
            subject,
            audience,
            issued_at,
            expires_at,
            others,
        })
    }

    /// The payload in the order in which this server writes it.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let mut payload = Map::new();
        payload.insert("hex_identity".into(), self.identity.to_string().into());
        payload.insert("sub".into(), self.subject.as_str().into());
        payload.insert("iss".into(), self.issuer.as_str().into());
        let audience = self
            .audience
            .clone()
            .unwrap_or_else(|| Value::Array(Vec::new()));
        payload.insert("aud".into(), audience);
        payload.insert("iat".into(), self.issued_at.into());
        payload.insert(
            "exp".into(),
            self.expires_at.map_or(Value::Null, Value::from),
        );
        for (name, value) in &self.others {
            payload.insert(name.clone(), value.clone());
        }
        payload
    }
}

fn take_name(
    claims: &mut Map<String, Value>,
    claim: &'static str,
    what: &'static str,
) -> Result<String, ClaimsError> {
    let Some(Value::String(name)) = claims.remove(claim) else {
        return Err(ClaimsError::BadClaim(claim));
    };
    match name.len() {
        0 => Err(ClaimsError::Empty { what }),
        len if len > NAME_LEN_MAX => Err(ClaimsError::TooLong { what, len }),
        _ => Ok(name),
    }
}

fn take_seconds(
    claims: &mut Map<String, Value>,
    claim: &'static str,
) -> Result<Option<i64>, ClaimsError> {
    seconds(claims.remove(claim).as_ref(), claim)
}

/// Whole seconds; absent and null are the same, a fraction is refused.
fn seconds(value: Option<&Value>, claim: &'static str) -> Result<Option<i64>, ClaimsError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or(ClaimsError::BadClaim(claim)),
    }
}

fn is_audience(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(names) => names.iter().all(Value::is_string),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

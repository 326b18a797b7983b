//! One authenticated caller, and where its token stands in a request.

use std::fmt;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use spacetime_types::{ConnectionId, Identity};

use super::claims::Claims;

/// A caller whose token was verified or has just been made.
#[derive(Clone)]
pub struct Session {
    claims: Claims,
    token: Box<str>,
    payload: Arc<str>,
}

impl Session {
    pub(super) fn new(claims: Claims, token: &str, payload: &str) -> Session {
        Session {
            claims,
            token: token.into(),
            payload: payload.into(),
        }
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.claims.identity
    }

    /// The token that proves it. Never log it.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What the token says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The caller as the host wants it, under a connection id.
    #[must_use]
    pub fn caller(&self, connection_id: ConnectionId) -> spacetime_host::Caller {
        spacetime_host::Caller {
            identity: self.identity(),
            connection_id,
            claims_json: Arc::clone(&self.payload),
        }
    }
}

impl fmt::Debug for Session {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("identity", &self.identity())
            .finish_non_exhaustive()
    }
}

/// What a request brings to prove who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials<'a> {
    Missing,
    Token(&'a str),
    /// There is an `Authorization` header, but it does not hold a token.
    Malformed,
}

/// Finds the token: the header wins over the query parameter.
#[must_use]
pub fn credentials<'a>(headers: &'a HeaderMap, query_token: Option<&'a str>) -> Credentials<'a> {
    match headers.get(AUTHORIZATION) {
        Some(value) => match value.to_str().ok().and_then(bearer) {
            Some(token) => Credentials::Token(token),
            None => Credentials::Malformed,
        },
        None => query_token.map_or(Credentials::Missing, Credentials::Token),
    }
}

/// The token behind the scheme's name, which may be written in any case.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: Option<&str>, query: Option<&str>, expect: &Credentials<'_>) {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().expect("a header value"));
        }
        assert_eq!(
            credentials(&headers, query),
            *expect,
            "{header:?} {query:?}"
        );
    }

    #[test]
    fn the_header_wins_over_the_query() {
        check(None, None, &Credentials::Missing);
        check(None, Some("q"), &Credentials::Token("q"));
        check(Some("Bearer h"), Some("q"), &Credentials::Token("h"));
        check(Some("bearer h"), None, &Credentials::Token("h"));
    }

    #[test]
    fn a_header_without_a_token_is_malformed_even_beside_a_query_token() {
        check(Some("Bearer"), None, &Credentials::Malformed);
        check(Some("Bearer "), Some("q"), &Credentials::Malformed);
        check(Some("Basic dTpw"), Some("q"), &Credentials::Malformed);
        check(Some("eyJ0eXAi"), None, &Credentials::Malformed);
    }
}

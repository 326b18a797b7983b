//! Where a connection goes, and what it asks for.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use crate::ConnectionId;
use crate::error::InternalError;
use crate::wire::frame::Compression;

/// Where a connection goes, and what it asks for.
#[derive(Clone, Debug)]
pub(in crate::connection) struct Target {
    pub(in crate::connection) uri: Uri,
    pub(in crate::connection) database: String,
    pub(in crate::connection) token: Option<Arc<str>>,
    /// Trusted beside the usual ones, as PEM. In web pages the browser knows whom to trust.
    #[cfg(not(target_arch = "wasm32"))]
    pub(in crate::connection) certificates: Option<Arc<[u8]>>,
    pub(in crate::connection) compression: Compression,
    pub(in crate::connection) confirmed: Option<bool>,
    pub(in crate::connection) connection_id: Option<ConnectionId>,
    /// A connection on which nothing has come for so long is asked whether it is alive, and given
    /// up when nothing has come for as long again.
    pub(in crate::connection) silence_max: Duration,
    /// Whether the server has ever let this client in.
    pub(in crate::connection) has_connected: bool,
}

impl Target {
    /// Whether the connection is to be encrypted. Without a scheme it is not.
    pub(super) fn is_secure(&self) -> Result<bool, InternalError> {
        match self.uri.scheme_str() {
            None | Some("http" | "ws") => Ok(false),
            Some("https" | "wss") => Ok(true),
            Some(other) => Err(InternalError::new(format!(
                "{}: the scheme {other} is none of http, https, ws and wss",
                self.uri
            ))),
        }
    }

    /// Agrees on who this client is: what it said itself, if anything. The server may answer that
    /// with a token that does not last.
    pub(super) fn settle_token(&mut self, welcome: &mut Arc<str>) {
        match &self.token {
            Some(token) => *welcome = token.clone(),
            None => self.token = Some(welcome.clone()),
        }
    }

    /// The start of an address on the server, by one of these schemes.
    fn base(&self, plain: &str, secure: &str) -> Result<String, InternalError> {
        let scheme = if self.is_secure()? { secure } else { plain };
        let authority = self.uri.authority().ok_or_else(|| {
            InternalError::new(format!("{}: there is no host in this address", self.uri))
        })?;
        let path = self.uri.path().trim_end_matches('/');
        Ok(format!("{scheme}://{authority}{path}/v1/"))
    }

    /// Where the server gives a token for an address, which others may see.
    #[cfg(any(target_arch = "wasm32", test))]
    pub(super) fn token_url(&self) -> Result<String, InternalError> {
        Ok(self.base("http", "https")? + "identity/websocket-token")
    }

    /// Where the server says whether there is the database.
    #[cfg(any(target_arch = "wasm32", test))]
    pub(super) fn database_url(&self) -> Result<String, InternalError> {
        let mut url = self.base("http", "https")? + "database/";
        push_escaped(&mut url, &self.database);
        Ok(url)
    }

    /// The address of a socket that sees the database.
    pub(super) fn url(&self) -> Result<String, InternalError> {
        let mut url = self.base("ws", "wss")? + "database/";
        push_escaped(&mut url, &self.database);
        let _ = write!(url, "/subscribe?compression={}", self.compression.name());
        if let Some(id) = self.connection_id {
            let _ = write!(url, "&connection_id={}", id.to_hex());
        }
        if let Some(confirmed) = self.confirmed {
            let _ = write!(url, "&confirmed={confirmed}");
        }
        Ok(url)
    }
}

/// Appends a part of a path.
pub(super) fn push_escaped(url: &mut String, part: &str) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str, database: &str) -> Target {
        Target {
            uri: uri.parse().unwrap(),
            database: database.to_owned(),
            token: None,
            certificates: None,
            compression: Compression::Gzip,
            confirmed: Some(true),
            connection_id: Some(ConnectionId(0x0f)),
            silence_max: Duration::from_secs(30),
            has_connected: false,
        }
    }

    fn url(uri: &str, database: &str) -> String {
        let url = target(uri, database).url();
        url.unwrap_or_else(|error| error.to_string())
    }

    const QUERY: &str =
        "subscribe?compression=Gzip&connection_id=0000000000000000000000000000000f&confirmed=true";

    #[test]
    fn schemes_and_prefixes() {
        for (uri, start) in [
            ("http://127.0.0.1:3000", "ws://127.0.0.1:3000"),
            ("ws://localhost:3000/", "ws://localhost:3000"),
            ("https://example.com/db/", "wss://example.com/db"),
            ("localhost:3000", "ws://localhost:3000"),
        ] {
            assert_eq!(
                url(uri, "chat"),
                format!("{start}/v1/database/chat/{QUERY}")
            );
        }
        assert!(url("ftp://example.com", "chat").contains("the scheme ftp"));
    }

    #[test]
    fn addresses_beside_the_socket() {
        let target = target("wss://example.com/db/", "a b");
        let base = "https://example.com/db/v1";
        assert_eq!(
            target.token_url().unwrap(),
            format!("{base}/identity/websocket-token")
        );
        assert_eq!(
            target.database_url().unwrap(),
            format!("{base}/database/a%20b")
        );
    }

    #[test]
    fn the_own_token_stays() {
        let mut target = target("http://a", "chat");
        let mut welcome: Arc<str> = "first".into();
        target.settle_token(&mut welcome);
        let mut welcome: Arc<str> = "short-lived".into();
        target.settle_token(&mut welcome);
        assert_eq!(
            (target.token.as_deref(), &*welcome),
            (Some("first"), "first")
        );
    }

    #[test]
    fn names_are_escaped() {
        let escaped = url("http://a", "x/../?y");
        assert_eq!(escaped, format!("ws://a/v1/database/x%2F..%2F%3Fy/{QUERY}"));
    }
}

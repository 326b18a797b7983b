//! What a client asks for when it opens a connection: protocol version, compression, and the
//! other options of the request line.

use axum::http::HeaderMap;
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;

/// Protocol versions, the server's favourite first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// v2 messages, several to a frame.
    V3,
    /// One message a frame.
    V2,
    /// The messages of 1.x clients in BSATN.
    V1,
    /// The same in JSON, in text frames.
    V1Json,
}

impl Protocol {
    const PREFERRED: [Protocol; 4] = [Protocol::V3, Protocol::V2, Protocol::V1, Protocol::V1Json];

    /// The subprotocol's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Protocol::V3 => "v3.bsatn.spacetimedb",
            Protocol::V2 => "v2.bsatn.spacetimedb",
            Protocol::V1 => "v1.bsatn.spacetimedb",
            Protocol::V1Json => "v1.json.spacetimedb",
        }
    }

    /// Whether messages wait for durability if the client does not say.
    #[must_use]
    pub fn confirmed_by_default(self) -> bool {
        !self.is_v1()
    }

    /// Whether the messages are those of version 1.
    #[must_use]
    pub fn is_v1(self) -> bool {
        matches!(self, Protocol::V1 | Protocol::V1Json)
    }

    /// The best protocol among those that the request offers, in the server's order.
    #[must_use]
    pub fn select(headers: &HeaderMap) -> Option<Protocol> {
        let offered = |protocol: Protocol| {
            headers
                .get_all(SEC_WEBSOCKET_PROTOCOL)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .any(|name| name.trim() == protocol.name())
        };
        Self::PREFERRED
            .into_iter()
            .find(|protocol| offered(*protocol))
    }
}

/// What the server may compress large payloads with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    None,
    #[default]
    Brotli,
    Gzip,
}

impl Compression {
    /// The value of the `compression` parameter, case-sensitive.
    #[must_use]
    pub fn parse(text: &str) -> Option<Compression> {
        match text {
            "None" => Some(Compression::None),
            "Brotli" => Some(Compression::Brotli),
            "Gzip" => Some(Compression::Gzip),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expect: Option<Protocol>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                SEC_WEBSOCKET_PROTOCOL,
                line.parse().expect("a header value"),
            );
        }
        assert_eq!(Protocol::select(&headers), expect, "{lines:?}");
    }

    #[test]
    fn the_servers_order_decides() {
        check(&["v2.bsatn.spacetimedb"], Some(Protocol::V2));
        check(
            &["v1.bsatn.spacetimedb, v2.bsatn.spacetimedb"],
            Some(Protocol::V2),
        );
        check(
            &["v2.bsatn.spacetimedb,v3.bsatn.spacetimedb"],
            Some(Protocol::V3),
        );
        check(
            &["v1.bsatn.spacetimedb", "v3.bsatn.spacetimedb"],
            Some(Protocol::V3),
        );
        check(&["v1.bsatn.spacetimedb"], Some(Protocol::V1));
        check(&["v1.json.spacetimedb"], Some(Protocol::V1Json));
        check(
            &["v1.json.spacetimedb, v1.bsatn.spacetimedb"],
            Some(Protocol::V1),
        );
    }

    #[test]
    fn unknown_protocols_select_nothing() {
        check(&[], None);
        check(&["v4.bsatn.spacetimedb", "chat"], None);
        check(&["V2.bsatn.spacetimedb"], None);
    }
}

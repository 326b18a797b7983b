//! What clients ask for in text frames: the messages of protocol v1 in JSON.

use bytes::Bytes;
use serde::Deserialize;
use spacetime_host::{CallArgs, QuerySetId};
use spacetime_types::hex;

use super::client_message::ClientMessage;

/// Why a text frame is not a message.
#[derive(Debug, thiserror::Error)]
pub enum DecodeJsonError {
    #[error("the text is not a v1 client message: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`message_id` is not a hex string")]
    MessageId,
    #[error("`flags` is {0}, which has no meaning")]
    Flags(u8),
}

#[derive(Debug, Deserialize)]
struct Id {
    id: u32,
}

#[derive(Debug, Deserialize)]
enum Text {
    CallReducer {
        reducer: Box<str>,
        args: String,
        request_id: u32,
        #[serde(default)]
        flags: u8,
    },
    Subscribe {
        query_strings: Vec<Box<str>>,
        request_id: u32,
    },
    OneOffQuery {
        message_id: String,
        query_string: Box<str>,
    },
    SubscribeSingle {
        query: Box<str>,
        request_id: u32,
        query_id: Id,
    },
    SubscribeMulti {
        query_strings: Vec<Box<str>>,
        request_id: u32,
        query_id: Id,
    },
    Unsubscribe {
        request_id: u32,
        query_id: Id,
    },
    UnsubscribeMulti {
        request_id: u32,
        query_id: Id,
    },
    CallProcedure {
        procedure: Box<str>,
        args: String,
        request_id: u32,
        #[serde(default)]
        flags: u8,
    },
}

/// Reads the message of a text frame.
pub fn decode_json(text: &str) -> Result<ClientMessage, DecodeJsonError> {
    Ok(match serde_json::from_str(text)? {
        Text::CallReducer {
            reducer,
            args,
            request_id,
            flags,
        } => ClientMessage::CallReducer {
            request_id,
            reducer,
            args: CallArgs::Json(args.into()),
            quiet: checked(flags, 1)? == 1,
        },
        Text::CallProcedure {
            procedure,
            args,
            request_id,
            flags,
        } => {
            checked(flags, 0)?;
            ClientMessage::CallProcedure {
                request_id,
                procedure,
                args: CallArgs::Json(args.into()),
            }
        }
        Text::Subscribe {
            query_strings,
            request_id,
        } => subscribe(request_id, QuerySetId::Legacy, query_strings),
        Text::SubscribeSingle {
            query,
            request_id,
            query_id,
        } => subscribe(request_id, QuerySetId::Single(query_id.id), vec![query]),
        Text::SubscribeMulti {
            query_strings,
            request_id,
            query_id,
        } => subscribe(request_id, QuerySetId::Multi(query_id.id), query_strings),
        Text::Unsubscribe {
            request_id,
            query_id,
        } => unsubscribe(request_id, QuerySetId::Single(query_id.id)),
        Text::UnsubscribeMulti {
            request_id,
            query_id,
        } => unsubscribe(request_id, QuerySetId::Multi(query_id.id)),
        Text::OneOffQuery {
            message_id,
            query_string,
        } => {
            let id = hex::decode(&message_id).map_err(|_| DecodeJsonError::MessageId)?;
            ClientMessage::OneOff {
                message_id: Bytes::from(id),
                query: query_string,
            }
        }
    })
}

fn subscribe(request_id: u32, query_set: QuerySetId, queries: Vec<Box<str>>) -> ClientMessage {
    ClientMessage::Subscribe {
        request_id,
        query_set,
        queries,
    }
}

fn unsubscribe(request_id: u32, query_set: QuerySetId) -> ClientMessage {
    ClientMessage::Unsubscribe {
        request_id,
        query_set,
        send_dropped: true,
    }
}

fn checked(flags: u8, max: u8) -> Result<u8, DecodeJsonError> {
    match flags <= max {
        true => Ok(flags),
        false => Err(DecodeJsonError::Flags(flags)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::client_message::decode_v1;
    use crate::ws::test_bytes::unhex;

    fn debug(message: &ClientMessage) -> String {
        format!("{message:?}")
    }

    /// Messages without arguments mean the same in both forms: the examples of the specification.
    #[test]
    fn text_and_bytes_say_the_same() {
        for (text, bytes) in [
            (
                r#"{"Subscribe":{"query_strings":["SELECT * FROM user"],"request_id":1}}"#,
                "01010000001200000053454c454354202a2046524f4d207573657201000000",
            ),
            (
                r#"{"OneOffQuery":{"message_id":"0102","query_string":"SELECT * FROM user"}}"#,
                "020200000001021200000053454c454354202a2046524f4d2075736572",
            ),
            (
                r#"{"SubscribeSingle":{"query":"SELECT * FROM user","request_id":1,
                    "query_id":{"id":7}}}"#,
                "031200000053454c454354202a2046524f4d20757365720100000007000000",
            ),
            (
                r#"{"SubscribeMulti":{"query_strings":["SELECT * FROM user"],"request_id":1,
                    "query_id":{"id":7}}}"#,
                "04010000001200000053454c454354202a2046524f4d20757365720100000007000000",
            ),
            (
                r#"{"Unsubscribe":{"request_id":2,"query_id":{"id":7}}}"#,
                "050200000007000000",
            ),
            (
                r#"{"UnsubscribeMulti":{"request_id":2,"query_id":{"id":7}}}"#,
                "060200000007000000",
            ),
        ] {
            let from_text = decode_json(text).expect(text);
            let from_bytes = decode_v1(&unhex(bytes)).expect(bytes);
            assert_eq!(debug(&from_text), debug(&from_bytes));
        }
    }

    #[test]
    fn calls_carry_their_arguments_as_text() {
        let text =
            r#"{"CallReducer":{"reducer":"add","args":"[\"bob\",30]","request_id":4,"flags":1}}"#;
        match decode_json(text) {
            Ok(ClientMessage::CallReducer {
                request_id: 4,
                reducer,
                args: CallArgs::Json(args),
                quiet: true,
            }) => assert_eq!((&*reducer, &args[..]), ("add", &b"[\"bob\",30]"[..])),
            other => panic!("{other:?}"),
        }
        let text = r#"{"CallProcedure":{"procedure":"ret","args":"[]","request_id":5,"flags":0}}"#;
        assert!(matches!(
            decode_json(text),
            Ok(ClientMessage::CallProcedure { request_id: 5, .. })
        ));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"Nonsense":{}}"#,
            r#"{"Unsubscribe":{"request_id":-1,"query_id":{"id":7}}}"#,
            r#"{"Unsubscribe":{"request_id":4294967296,"query_id":{"id":7}}}"#,
            r#"{"OneOffQuery":{"message_id":"0g","query_string":"q"}}"#,
            r#"{"CallReducer":{"reducer":"a","args":"[]","request_id":4,"flags":2}}"#,
            r#"{"CallProcedure":{"procedure":"a","args":"[]","request_id":4,"flags":1}}"#,
        ] {
            assert!(decode_json(text).is_err(), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(decode_json(&deep).is_err());
    }
}

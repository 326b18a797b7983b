//! The few messages of the v2 and v3 protocols that a load needs: calls of reducers and their
//! results.
//!
//! Not here: subscriptions. A load has none, so a result that carries rows is refused.

use spacetime_types::bsatn::{self, DecodeError, Encode, Reader};

const CALL_REDUCER: u8 = 3;
const INITIAL_CONNECTION: u8 = 0;
const REDUCER_RESULT: u8 = 6;
const UNCOMPRESSED: u8 = 0;

/// Which protocol to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// One message a frame.
    V2,
    /// As many messages a frame as are ready.
    V3,
}

impl Protocol {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V2 => "v2.bsatn.spacetimedb",
            Self::V3 => "v3.bsatn.spacetimedb",
        }
    }
}

/// Why the server's message cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("the server's message is damaged: {0}")]
    Decode(#[from] DecodeError),
    #[error("the server compressed a message (tag {0}), which it was asked not to do")]
    Compressed(u8),
    #[error("the server sent a message with tag {0}, which no load asks for")]
    Unexpected(u8),
    #[error("a result has the unknown outcome {0}")]
    UnknownOutcome(u8),
    #[error("a result carries rows, though this client has no subscription")]
    Rows,
}

/// A message of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ServerMessage<'a> {
    /// The connection is ready.
    InitialConnection,
    /// A call is done.
    ReducerResult {
        request_id: u32,
        /// What went wrong; `None`: committed.
        error: Option<CallError<'a>>,
    },
}

/// Why a call did not commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CallError<'a> {
    /// BSATN of what the reducer returned.
    Returned(&'a [u8]),
    /// The server's own words.
    Internal(&'a str),
}

impl std::fmt::Display for CallError<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Returned(value) => match Reader::new(value).str() {
                Ok(text) => f.write_str(text),
                Err(_) => write!(f, "an error value of {} bytes", value.len()),
            },
            Self::Internal(text) => f.write_str(text),
        }
    }
}

/// Appends a call.
pub(crate) fn write_call(request_id: u32, reducer: &str, args: &[u8], out: &mut Vec<u8>) {
    out.push(CALL_REDUCER);
    request_id.encode(out);
    out.push(0);
    reducer.encode(out);
    bsatn::encode_len(args.len(), out);
    out.extend_from_slice(args);
}

/// Hands every message of one WebSocket message to `take`, in order.
pub(crate) fn read_payload<E: From<MessageError>>(
    payload: &[u8],
    mut take: impl FnMut(ServerMessage<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = Reader::new(payload);
    let tag = reader.u8().map_err(MessageError::from)?;
    if tag != UNCOMPRESSED {
        return Err(MessageError::Compressed(tag).into());
    }
    while !reader.rest().is_empty() {
        take(read_message(&mut reader)?)?;
    }
    Ok(())
}

fn read_message<'a>(reader: &mut Reader<'a>) -> Result<ServerMessage<'a>, MessageError> {
    match reader.u8()? {
        INITIAL_CONNECTION => {
            reader.take(32 + 16)?;
            reader.str()?;
            Ok(ServerMessage::InitialConnection)
        }
        REDUCER_RESULT => {
            let request_id = reader.u32()?;
            reader.take(8)?;
            let error = match reader.u8()? {
                0 => {
                    reader.bytes()?;
                    if reader.u32()? != 0 {
                        return Err(MessageError::Rows);
                    }
                    None
                }
                1 => None,
                2 => Some(CallError::Returned(reader.bytes()?)),
                3 => Some(CallError::Internal(reader.str()?)),
                outcome => return Err(MessageError::UnknownOutcome(outcome)),
            };
            Ok(ServerMessage::ReducerResult { request_id, error })
        }
        tag => Err(MessageError::Unexpected(tag)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "060400000040222018240a0600000000000000000000";
    const OK_EMPTY: &str = "060400000040222018240a060001";
    const ERR: &str = "060400000040222018240a06000206000000020000006e6f";
    const INTERNAL: &str = "060400000040222018240a0600030100000078";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<char> = hex.chars().collect();
        let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
        digits
            .chunks(2)
            .map(byte)
            .collect::<Result<_, _>>()
            .unwrap()
    }

    /// The messages in a payload that holds `parts`, as text.
    fn read(parts: &[&str]) -> Result<Vec<String>, MessageError> {
        let mut found = Vec::new();
        let payload = bytes(&parts.concat());
        read_payload(&payload, |message| -> Result<(), MessageError> {
            found.push(match message {
                ServerMessage::InitialConnection => "initial".to_owned(),
                ServerMessage::ReducerResult { request_id, error } => {
                    let error = error.map_or("ok".to_owned(), |error| error.to_string());
                    format!("{request_id} {error}")
                }
            });
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn a_call_is_written_as_the_protocol_says() {
        let mut out = Vec::new();
        write_call(4, "add", b"\x03\x00\x00\x00bob\x1e", &mut out);
        let expect = "030400000000030000006164640800000003000000626f621e";
        assert_eq!(out, bytes(expect));
    }

    #[test]
    fn every_outcome_is_read_also_several_in_one_payload() {
        assert_eq!(
            read(&["00", OK, OK_EMPTY, ERR, INTERNAL, OK]).unwrap(),
            ["4 ok", "4 ok", "4 no", "4 x", "4 ok"]
        );
    }

    #[test]
    fn the_first_message_is_read() {
        let identity = "5d262a478b8f95220f3068040c203e32ac0eedc698d84435e9a25303603500c2";
        let connection = "0f0e0d0c0b0a09080706050403020100";
        let initial = ["00", "00", identity, connection, "03000000746f6b"];
        assert_eq!(read(&initial).unwrap(), ["initial"]);
    }

    #[test]
    fn what_a_load_cannot_use_is_refused() {
        let check = |parts: &[&str], expect: MessageError| assert_eq!(read(parts), Err(expect));
        check(&["01", OK], MessageError::Compressed(1));
        check(&["00", "04"], MessageError::Unexpected(4));
        let head = "060400000040222018240a0600";
        check(&["00", head, "04"], MessageError::UnknownOutcome(4));
        check(&["00", head, "000000000001000000"], MessageError::Rows);
        assert!(matches!(read(&["00", head]), Err(MessageError::Decode(_))));
        assert!(matches!(read(&[""]), Err(MessageError::Decode(_))));
    }
}

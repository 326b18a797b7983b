//! The end of a connection in words: a code and a reason that fits a close frame.

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes};

/// Longest reason that a close frame can carry.
const REASON_LEN_MAX: usize = 123;

/// The close codes in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum CloseCode {
    Away = 1001,
    Protocol = 1002,
    Unsupported = 1003,
    Policy = 1008,
    TooBig = 1009,
    TryLater = 1013,
}

/// Why the server ends a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Close {
    code: CloseCode,
    reason: Box<str>,
}

impl Close {
    /// The reason is cut to what a close frame can carry.
    pub(super) fn new(code: CloseCode, reason: &str) -> Close {
        Close {
            code,
            reason: cut(reason).into(),
        }
    }

    pub(super) fn into_message(self) -> Message {
        let reason = Utf8Bytes::from(&*self.reason);
        Message::Close(Some(CloseFrame {
            code: self.code as u16,
            reason,
        }))
    }
}

/// The longest beginning of `text` that fits and ends between characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(REASON_LEN_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"x".repeat(200)).len(), 123);
        let umlauts = "\u{e4}".repeat(100);
        assert_eq!(cut(&umlauts).len(), 122);
        assert_eq!(cut(""), "");
    }
}

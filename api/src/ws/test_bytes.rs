//! Bytes as hex, for the tests.

use bytes::Bytes;

/// The bytes that hex digits stand for.
pub(crate) fn unhex(text: &str) -> Bytes {
    spacetime_types::hex::decode(text)
        .expect("hex digits")
        .into()
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    spacetime_types::hex::encode(bytes)
}

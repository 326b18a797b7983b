//! Bytes as hexadecimal digits.

use std::fmt;

/// The digits of so many bytes, in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HexString<const N: usize> {
    digits: [[u8; 2]; N],
}

/// The text is not so many hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseHexError {
    digits: usize,
}

impl fmt::Display for ParseHexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} hexadecimal digits", self.digits)
    }
}

impl std::error::Error for ParseHexError {}

/// The digits of these bytes, in their order.
pub const fn encode<const N: usize>(bytes: &[u8; N]) -> HexString<N> {
    HexString::new(*bytes)
}

const DIGITS: [u8; 16] = *b"0123456789abcdef";

impl<const N: usize> HexString<N> {
    /// The digits of these bytes, in their order.
    pub const fn new(bytes: [u8; N]) -> Self {
        let mut digits = [[0; 2]; N];
        let mut place = 0;
        while place < N {
            let (high, low) = (bytes[place] >> 4, bytes[place] & 15);
            digits[place] = [DIGITS[high as usize], DIGITS[low as usize]];
            place += 1;
        }
        HexString { digits }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("digits are ASCII")
    }

    /// The digits as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.digits.as_flattened()
    }
}

impl<const N: usize> std::ops::Deref for HexString<N> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> AsRef<str> for HexString<N> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> AsRef<[u8]> for HexString<N> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<const N: usize> From<HexString<N>> for String {
    fn from(hex: HexString<N>) -> String {
        hex.as_str().to_owned()
    }
}

impl<const N: usize> fmt::Display for HexString<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl<const N: usize> fmt::Debug for HexString<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads exactly `N` bytes; `0x` may stand before them.
pub(crate) fn parse<const N: usize>(text: &[u8]) -> Result<[u8; N], ParseHexError> {
    let error = ParseHexError { digits: N * 2 };
    let digits = text.strip_prefix(b"0x").unwrap_or(text);
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return Err(error);
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |digit: &u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            b'A'..=b'F' => Ok(digit - b'A' + 10),
            _ => Err(error),
        };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Ok(bytes)
}

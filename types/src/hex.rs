//! Bytes as hex digits.

use crate::ParseHexError;

/// Two lower-case digits per byte.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    push(bytes, &mut out);
    out
}

/// Appends two lower-case digits per byte.
pub fn push(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Reads pairs of digits of either case.
pub fn decode(text: &str) -> Result<Vec<u8>, ParseHexError> {
    if let Some((position, character)) = text
        .char_indices()
        .find(|(_, character)| !character.is_ascii_hexdigit())
    {
        return Err(ParseHexError::Digit {
            character,
            position,
        });
    }
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return Err(ParseHexError::Length {
            expected: text.len() + 1,
            given: text.len(),
        });
    }
    Ok(pairs
        .iter()
        .map(|[high, low]| (digit(*high) << 4) | digit(*low))
        .collect())
}

/// Reads exactly `N` bytes.
pub fn decode_array<const N: usize>(text: &str) -> Result<[u8; N], ParseHexError> {
    if text.len() != N * 2 {
        return Err(ParseHexError::Length {
            expected: N * 2,
            given: text.len(),
        });
    }
    let bytes = decode(text)?;
    let wrong_len = |bytes: Vec<u8>| ParseHexError::Length {
        expected: N * 2,
        given: bytes.len() * 2,
    };
    bytes.try_into().map_err(wrong_len)
}

fn digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => unreachable!("only hex digits are passed"),
    }
}

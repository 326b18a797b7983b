//! Decimal and hexadecimal texts to integers, in time bounded by the text's length.
//!
//! A huge exponent is decided without computing the power: the value is zero, not an integer, or
//! out of range.

use spacetime_types::U256;

/// Digits that a 256-bit integer can have.
const DIGITS_MAX: i64 = 78;

/// An integer's sign and magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Integer {
    pub negative: bool,
    pub magnitude: U256,
}

/// The parts of a decimal number's text.
struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

/// Splits `[sign] digits [. digits] [e [sign] digits]`; at least one digit is needed. `_` may stand
/// between digits.
fn split(text: &str) -> Option<Decimal<'_>> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], parse_exponent(&unsigned[at + 1..])?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |part: &str| {
        !part.starts_with('_')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    if !is_digits(whole) || !is_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    Some(Decimal {
        negative,
        whole,
        fraction,
        exponent,
    })
}

/// Saturates: beyond some hundreds every exponent means the same to us.
fn parse_exponent(text: &str) -> Option<i64> {
    const SATURATED: i64 = 1_000_000_000_000;
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut value: i64 = 0;
    for byte in digits.bytes() {
        value = (value * 10 + i64::from(byte - b'0')).min(SATURATED);
    }
    Some(if negative { -value } else { value })
}

/// The integer that a decimal text denotes; `None` when it is no number, has a fractional part or
/// needs more than 256 bits.
pub(crate) fn parse_decimal_integer(text: &str) -> Option<Integer> {
    let decimal = split(text)?;
    let digits = || {
        let all = decimal.whole.bytes().chain(decimal.fraction.bytes());
        all.filter(|byte| *byte != b'_').map(|byte| byte - b'0')
    };
    let fraction_len = decimal
        .fraction
        .bytes()
        .filter(|byte| *byte != b'_')
        .count();
    let significant: Vec<u8> = digits().skip_while(|digit| *digit == 0).collect();
    let trailing = significant
        .iter()
        .rev()
        .take_while(|digit| **digit == 0)
        .count();
    let significant = &significant[..significant.len() - trailing];
    if significant.is_empty() {
        return Some(Integer {
            negative: false,
            magnitude: U256::ZERO,
        });
    }
    let scale =
        decimal.exponent + i64::try_from(trailing).ok()? - i64::try_from(fraction_len).ok()?;
    let len = i64::try_from(significant.len()).ok()?;
    if scale < 0 || len + scale > DIGITS_MAX {
        return None;
    }
    let zeros = std::iter::repeat_n(0, usize::try_from(scale).ok()?);
    let mut magnitude = U256::ZERO;
    for digit in significant.iter().copied().chain(zeros) {
        magnitude = magnitude
            .checked_mul(U256::new(10))?
            .checked_add(U256::new(u128::from(digit)))?;
    }
    Some(Integer {
        negative: decimal.negative,
        magnitude,
    })
}

/// The unsigned integer of hex digits; `None` when there are none, or more than 256 bits.
pub(crate) fn parse_hex_integer(digits: &str) -> Option<U256> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some(U256::ZERO);
    }
    if significant.len() > 64 {
        return None;
    }
    U256::from_str_radix(significant, 16).ok()
}

/// The text of a decimal number without digit separators, fit for the standard float parsers;
/// `None` for anything else, also infinities and NaN.
pub(crate) fn float_text(text: &str) -> Option<String> {
    split(text)?;
    Some(text.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use spacetime_types::U256;

    use super::{float_text, parse_decimal_integer, parse_hex_integer};

    fn check(text: &str, expected: Option<i128>) {
        let found = parse_decimal_integer(text).map(|integer| {
            let magnitude = i128::try_from(integer.magnitude).expect("small");
            if integer.negative {
                -magnitude
            } else {
                magnitude
            }
        });
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn decimals_are_integers_when_their_value_is_one() {
        for (text, value) in [
            ("127", 127),
            ("-5", -5),
            ("+10", 10),
            ("01", 1),
            ("1.", 1),
            (".1e1", 1),
            ("1e+0", 1),
            ("1000e-3", 1),
            ("4294967295.0", 4_294_967_295),
            ("1_0", 10),
            ("-0", 0),
            ("0e99999999999999999999", 0),
            ("0.000e-99999999999999999999", 0),
        ] {
            check(text, Some(value));
        }
        for text in [
            "",
            "-",
            ".",
            "e1",
            "1e",
            "1e+",
            "1.5",
            "1e-3",
            " 1",
            "1 ",
            "--1",
            "1.2.3",
            "abc",
            "_1",
            "1e1_0",
            "1e10000000000",
            "1e-10000000000",
            "1e78",
            "0x10",
            "inf",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn the_largest_integers_have_256_bits() {
        let largest = U256::MAX.to_string();
        let found = parse_decimal_integer(&largest).map(|integer| integer.magnitude);
        assert_eq!(found, Some(U256::MAX));
        let larger = format!("{}6", &largest[..largest.len() - 1]);
        assert_eq!(parse_decimal_integer(&larger), None);
        assert_eq!(parse_hex_integer(&"f".repeat(64)), Some(U256::MAX));
        assert_eq!(parse_hex_integer(&"0".repeat(100)), Some(U256::ZERO));
        assert_eq!(parse_hex_integer(&format!("1{}", "0".repeat(64))), None);
        assert_eq!(parse_hex_integer(""), None);
    }

    #[test]
    fn floats_are_numbers_only() {
        for text in ["NaN", "inf", "-inf", "infinity", "", "1e"] {
            assert_eq!(float_text(text), None, "{text}");
        }
        assert_eq!(float_text("-.25").as_deref(), Some("-.25"));
    }
}

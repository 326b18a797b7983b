//! A literal's text and the type it meets, to a BSATN value.
//!
//! In filters the kind of the literal hardly matters: its text is read as the wanted type. In
//! values of INSERT and UPDATE a string is only for strings and for the types that can be written
//! in no other way.

use spacetime_types::names::camel_case;
use spacetime_types::{AlgebraicType, SumType, Timestamp, U256, Uuid, hex};

use crate::ast::Literal;
use crate::column_kind::ColumnKind;
use crate::error::SqlError;
use crate::number::{Integer, float_text, parse_decimal_integer, parse_hex_integer};

/// Where the literal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Filter,
    Value,
}

/// The literal as BSATN of `ty`.
pub(crate) fn literal_bsatn(
    literal: &Literal,
    ty: &AlgebraicType,
    place: Place,
) -> Result<Vec<u8>, SqlError> {
    let kind = ColumnKind::of(ty);
    if let Literal::Bool(value) = literal {
        return match kind {
            Some(ColumnKind::Bool) => Ok(vec![u8::from(*value)]),
            _ => Err(unexpected("Bool", ty)),
        };
    }
    if place == Place::Value
        && matches!(literal, Literal::Str(_))
        && !matches!(
            kind,
            Some(ColumnKind::Str | ColumnKind::Timestamp | ColumnKind::Uuid | ColumnKind::Enum)
        )
    {
        return Err(unexpected("String", ty));
    }
    let value = match ty {
        AlgebraicType::Sum(sum) if kind == Some(ColumnKind::Enum) => variant(literal, sum),
        _ => kind.and_then(|kind| parse_as(literal, kind)),
    };
    value.ok_or_else(|| SqlError::Literal {
        text: shown(literal),
        type_name: ty.to_string(),
    })
}

fn unexpected(found: &str, wanted: &AlgebraicType) -> SqlError {
    SqlError::UnexpectedType {
        found: found.to_owned(),
        wanted: wanted.to_string(),
    }
}

fn shown(literal: &Literal) -> String {
    const SHOWN_MAX: usize = 200;
    let text = literal.to_string();
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// The value of an unsigned integer literal, as LIMIT and SET take it.
pub(crate) fn parse_u64(text: &str) -> Option<u64> {
    let integer = parse_decimal_integer(text)?;
    if integer.negative {
        return None;
    }
    u64::try_from(integer.magnitude).ok()
}

fn parse_as(literal: &Literal, kind: ColumnKind) -> Option<Vec<u8>> {
    let text = match literal {
        Literal::Bool(_) => return None,
        Literal::Number(text) | Literal::Hex(text) | Literal::Str(text) => text.as_str(),
    };
    match kind {
        ColumnKind::Bool => None,
        ColumnKind::Unsigned(width) => integer_bsatn(integer(literal)?, width, false),
        ColumnKind::Signed(width) => integer_bsatn(integer(literal)?, width, true),
        ColumnKind::F32 => float(literal).map(|value: f32| (value + 0.0).to_le_bytes().to_vec()),
        ColumnKind::F64 => float(literal).map(|value: f64| (value + 0.0).to_le_bytes().to_vec()),
        ColumnKind::Str => length_prefixed(text.as_bytes()),
        ColumnKind::Bytes => length_prefixed(&hex_bytes(text)?),
        ColumnKind::Identity => reversed_hex(text, 32),
        ColumnKind::ConnectionId => reversed_hex(text, 16),
        ColumnKind::Timestamp => match literal {
            Literal::Str(text) => {
                let timestamp = Timestamp::parse(text).ok()?;
                Some(timestamp.micros.to_le_bytes().to_vec())
            }
            _ => None,
        },
        ColumnKind::Uuid => Uuid::parse(text)
            .ok()
            .map(|uuid| uuid.0.to_le_bytes().to_vec()),
        // Its names are in the type.
        ColumnKind::Enum => None,
    }
}

/// A variant's place, by its name in the schema, or as the module's source writes it.
fn variant(literal: &Literal, sum: &SumType) -> Option<Vec<u8>> {
    let Literal::Str(text) = literal else {
        return None;
    };
    let place_of = |name: &str| {
        let mut variants = sum.variants.iter();
        variants.position(|variant| variant.name.as_deref() == Some(name))
    };
    let place = place_of(text).or_else(|| place_of(&camel_case(text)))?;
    Some(vec![u8::try_from(place).ok()?])
}

fn integer(literal: &Literal) -> Option<Integer> {
    match literal {
        Literal::Hex(digits) => Some(Integer {
            negative: false,
            magnitude: parse_hex_integer(digits)?,
        }),
        // Digit separators are only possible inside a string.
        Literal::Number(text) | Literal::Str(text) => parse_decimal_integer(text),
        Literal::Bool(_) => None,
    }
}

/// Range check and two's complement of `width` bytes.
fn integer_bsatn(integer: Integer, width: usize, signed: bool) -> Option<Vec<u8>> {
    let bits = u32::try_from(width * 8).ok()?;
    let all_ones = U256::MAX >> (256 - bits);
    let limit = match (signed, integer.negative) {
        (false, false) => all_ones,
        (false, true) => U256::ZERO,
        (true, false) => all_ones >> 1_u32,
        (true, true) => (all_ones >> 1_u32) + U256::ONE,
    };
    if integer.magnitude > limit {
        return None;
    }
    let value = if integer.negative {
        U256::ZERO.wrapping_sub(integer.magnitude)
    } else {
        integer.magnitude
    };
    Some(value.to_le_bytes()[..width].to_vec())
}

/// The nearest float; too large becomes infinite. Adding zero afterwards makes `-0.0` positive.
fn float<F: std::str::FromStr>(literal: &Literal) -> Option<F> {
    match literal {
        Literal::Number(text) | Literal::Str(text) => float_text(text)?.parse().ok(),
        Literal::Hex(_) | Literal::Bool(_) => None,
    }
}

/// A string or byte array.
pub(crate) fn length_prefixed(bytes: &[u8]) -> Option<Vec<u8>> {
    let len = u32::try_from(bytes.len()).ok()?;
    let mut out = Vec::with_capacity(4 + bytes.len());
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
    Some(out)
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()
}

/// Exactly `len` bytes of big-endian hex, as the little-endian number that BSATN stores.
fn reversed_hex(text: &str, len: usize) -> Option<Vec<u8>> {
    let mut bytes = hex_bytes(text)?;
    bytes.reverse();
    (bytes.len() == len).then_some(bytes)
}

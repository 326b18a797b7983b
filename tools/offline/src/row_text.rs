//! Rows as text: for people, as JSON, as cells of CSV and SQL.

use std::fmt::Write as _;

use spacetime_types::bsatn::{Decode, Reader};
use spacetime_types::json::{self, Flavour};
use spacetime_types::{
    AlgebraicType, ConnectionId, Identity, ProductTypeElement, TimeDuration, Timestamp, Typespace,
    Uuid, hex, satn,
};

use crate::schemas::TableShape;

/// Appends a row as a JSON object. Sums are objects with the variant's name, bytes are hex.
pub fn push_json(shape: &TableShape, row: &[u8], out: &mut String) {
    out.push('{');
    for (n, (element, range)) in columns(shape, row).enumerate() {
        if n > 0 {
            out.push(',');
        }
        json::push_string(element.name.as_deref().unwrap_or("?"), out);
        out.push(':');
        push_json_value(&element.algebraic_type, range, out);
    }
    out.push('}');
}

/// Appends one value as JSON. Identities, times and the like are text, as people write them.
pub fn push_json_value(ty: &AlgebraicType, bytes: &[u8], out: &mut String) {
    if let Some(text) = special_text(ty, bytes) {
        json::push_string(&text, out);
        return;
    }
    // An option of an option has two kinds of nothing, which `null` could not tell apart.
    if let Some(some) = ty.as_option().filter(|some| some.as_option().is_none()) {
        match bytes.split_first() {
            Some((0, inner)) => push_json_value(some, inner, out),
            _ => out.push_str("null"),
        }
        return;
    }
    let before = out.len();
    let typespace = Typespace::default();
    for flavour in [Flavour::Native, Flavour::Untyped] {
        let mut reader = Reader::new(bytes);
        if json::write_bsatn(&typespace, ty, &mut reader, flavour, out).is_ok() {
            return;
        }
        // Products with and without names mixed have no form with names.
        out.truncate(before);
    }
    // Valid rows always have a form; this is for the reader's sake.
    json::push_string(&format!("0x{}", hex::encode(bytes)), out);
}

/// One value as text for people.
#[must_use]
pub fn console_text(ty: &AlgebraicType, bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut reader = Reader::new(bytes);
    let style = satn::Style::Console;
    let typespace = Typespace::default();
    match satn::write_bsatn(&typespace, ty, &mut reader, style, &mut out) {
        Ok(()) => out,
        Err(_) => format!("0x{}", hex::encode(bytes)),
    }
}

/// A value of a special type in its usual notation.
#[must_use]
pub fn special_text(ty: &AlgebraicType, bytes: &[u8]) -> Option<String> {
    let mut reader = Reader::new(bytes);
    let mut text = String::new();
    if ty.is_identity() {
        write!(text, "0x{}", Identity::decode(&mut reader).ok()?).ok()?;
    } else if ty.is_connection_id() {
        write!(text, "0x{}", ConnectionId::decode(&mut reader).ok()?).ok()?;
    } else if ty.is_timestamp() {
        write!(text, "{}", Timestamp::decode(&mut reader).ok()?).ok()?;
    } else if ty.is_time_duration() {
        write!(text, "{}", TimeDuration::decode(&mut reader).ok()?).ok()?;
    } else if ty.is_uuid() {
        write!(text, "{}", Uuid::decode(&mut reader).ok()?).ok()?;
    } else {
        return None;
    }
    Some(text)
}

/// The columns of a valid row, with their bytes.
pub(crate) fn columns<'a>(
    shape: &'a TableShape,
    row: &'a [u8],
) -> impl Iterator<Item = (&'a ProductTypeElement, &'a [u8])> {
    let ranges = shape.columns_of(row);
    let elements = shape.row_type.elements.iter();
    elements
        .zip(ranges)
        .map(|(element, range)| (element, row.get(range).unwrap_or_default()))
}

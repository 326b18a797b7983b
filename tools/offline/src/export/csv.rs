//! Comma-separated values, as RFC 4180 has them.

use std::io::{self, Write};

use spacetime_types::{AlgebraicType, hex};

use crate::row_text::{self, columns};
use crate::schemas::TableShape;

/// Writes the line of column names.
pub(super) fn write_head(shape: &TableShape, out: &mut dyn Write) -> io::Result<()> {
    let mut line = String::new();
    for (n, name) in shape.column_names().enumerate() {
        if n > 0 {
            line.push(',');
        }
        push_cell(name, &mut line);
    }
    line.push('\n');
    out.write_all(line.as_bytes())
}

/// Appends the cells of a row, without the line end.
pub(super) fn push_row(shape: &TableShape, row: &[u8], line: &mut String) {
    for (n, (element, bytes)) in columns(shape, row).enumerate() {
        if n > 0 {
            line.push(',');
        }
        if let Some(text) = cell_text(&element.algebraic_type, bytes) {
            push_cell(&text, line);
        }
    }
}

/// A value as the text of a cell. Nothing is an empty cell, unlike the empty text, which has
/// quotes.
fn cell_text(ty: &AlgebraicType, bytes: &[u8]) -> Option<String> {
    if let Some(text) = row_text::special_text(ty, bytes) {
        return Some(text);
    }
    if let Some(some) = ty.as_option() {
        return match bytes.split_first() {
            Some((0, inner)) => cell_text(some, inner),
            _ => None,
        };
    }
    let behind_len = || bytes.get(4..).unwrap_or_default();
    if matches!(ty, AlgebraicType::String) {
        return Some(String::from_utf8_lossy(behind_len()).into_owned());
    }
    if ty.is_bytes() {
        return Some(hex::encode(behind_len()));
    }
    let mut out = String::new();
    row_text::push_json_value(ty, bytes, &mut out);
    let inner = out.strip_prefix('"').and_then(|out| out.strip_suffix('"'));
    match inner.filter(|inner| !inner.contains(['"', '\\'])) {
        // Wide numbers are quoted in JSON; here nothing is gained by that.
        Some(inner) => Some(inner.to_owned()),
        None => Some(out),
    }
}

fn push_cell(text: &str, line: &mut String) {
    if !text.is_empty() && !text.contains([',', '"', '\n', '\r']) {
        line.push_str(text);
        return;
    }
    line.push('"');
    line.push_str(&text.replace('"', "\"\""));
    line.push('"');
}

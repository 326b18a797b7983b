//! SQL statements that SQLite and PostgreSQL understand.

use std::io::{self, Write};

use spacetime_types::{AlgebraicType, hex};

use crate::row_text::{self, columns};
use crate::schemas::TableShape;

/// Writes `CREATE TABLE`.
pub(super) fn write_head(shape: &TableShape, out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::from("CREATE TABLE ");
    push_name(&shape.name, &mut text);
    text.push_str(" (");
    for (n, element) in shape.row_type.elements.iter().enumerate() {
        text.push_str(if n > 0 { ", " } else { "" });
        push_name(element.name.as_deref().unwrap_or("?"), &mut text);
        text.push(' ');
        let (column_type, nullable) = match element.algebraic_type.as_option() {
            Some(some) => (column_type(some), true),
            None => (column_type(&element.algebraic_type), false),
        };
        text.push_str(column_type);
        let is_key = shape.primary_key.is_some_and(|key| usize::from(key.0) == n);
        text.push_str(if nullable { "" } else { " NOT NULL" });
        text.push_str(if is_key { " PRIMARY KEY" } else { "" });
    }
    text.push_str(");\n");
    out.write_all(text.as_bytes())
}

/// Appends an `INSERT` of a row, without the line end.
pub(super) fn push_row(shape: &TableShape, row: &[u8], line: &mut String) {
    line.push_str("INSERT INTO ");
    push_name(&shape.name, line);
    line.push_str(" VALUES (");
    for (n, (element, bytes)) in columns(shape, row).enumerate() {
        line.push_str(if n > 0 { ", " } else { "" });
        push_value(&element.algebraic_type, bytes, line);
    }
    line.push_str(");");
}

fn column_type(ty: &AlgebraicType) -> &'static str {
    match ty {
        AlgebraicType::Bool => "BOOLEAN",
        AlgebraicType::I8 | AlgebraicType::U8 | AlgebraicType::I16 => "SMALLINT",
        AlgebraicType::U16 | AlgebraicType::I32 => "INTEGER",
        AlgebraicType::U32 | AlgebraicType::I64 => "BIGINT",
        AlgebraicType::U64
        | AlgebraicType::I128
        | AlgebraicType::U128
        | AlgebraicType::I256
        | AlgebraicType::U256 => "NUMERIC",
        AlgebraicType::F32 => "REAL",
        AlgebraicType::F64 => "DOUBLE PRECISION",
        ty if ty.is_bytes() => "TEXT",
        ty if ty.is_timestamp() => "TIMESTAMP",
        _ => "TEXT",
    }
}

fn push_value(ty: &AlgebraicType, bytes: &[u8], line: &mut String) {
    if let Some(text) = row_text::special_text(ty, bytes) {
        push_text(&text, line);
        return;
    }
    let behind_len = || bytes.get(4..).unwrap_or_default();
    match ty {
        _ if ty.as_option().is_some() => match (ty.as_option(), bytes.split_first()) {
            (Some(some), Some((0, inner))) => push_value(some, inner, line),
            _ => line.push_str("NULL"),
        },
        AlgebraicType::String => push_text(&String::from_utf8_lossy(behind_len()), line),
        AlgebraicType::Bool => line.push_str(if bytes == [1] { "TRUE" } else { "FALSE" }),
        _ if ty.is_bytes() => push_text(&format!("0x{}", hex::encode(behind_len())), line),
        AlgebraicType::I256 | AlgebraicType::U256 => {
            // Decimal, unlike JSON.
            line.push_str(&row_text::console_text(ty, bytes));
        }
        AlgebraicType::F32 | AlgebraicType::F64 => {
            let text = row_text::console_text(ty, bytes);
            match text.parse::<f64>().is_ok_and(f64::is_finite) {
                true => line.push_str(&text),
                false => push_text(&text, line),
            }
        }
        _ => {
            let mut text = String::new();
            row_text::push_json_value(ty, bytes, &mut text);
            match is_number(ty) {
                true => line.push_str(&text),
                false => push_text(&text, line),
            }
        }
    }
}

fn is_number(ty: &AlgebraicType) -> bool {
    ty.is_integer()
}

fn push_name(name: &str, out: &mut String) {
    out.push('"');
    out.push_str(&name.replace('"', "\"\""));
    out.push('"');
}

/// A text literal. Neither database takes a zero byte in one.
fn push_text(text: &str, out: &mut String) {
    out.push('\'');
    out.push_str(&text.replace('\'', "''").replace('\0', "\u{fffd}"));
    out.push('\'');
}

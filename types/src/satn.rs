//! SATN: values as text for people, as shown by the SQL console.
//!
//! Strings are quoted but not escaped, so the text cannot be read back. Arrays always have brackets
//! and commas, which the original console leaves out.

#[cfg(test)]
mod tests;

use crate::bsatn::{self, Decode, DecodeError, Reader};
use crate::{
    AlgebraicType, AlgebraicValue, ConnectionId, I256, Identity, ProductType, SumType,
    TimeDuration, Timestamp, Typespace, U256, Uuid, hex,
};
use std::fmt::Write;

/// How products, sums and special types look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Names and values, special types like any other product.
    Plain,
    /// The SQL console: special types in their usual notation.
    Console,
    /// The PostgreSQL wire: like JSON, with special types in quotes.
    Postgres,
}

impl Style {
    /// Open and close of products and sums, and what stands between a name and its value.
    fn marks(self) -> (char, char, &'static str) {
        match self {
            Style::Plain | Style::Console => ('(', ')', " = "),
            Style::Postgres => ('{', '}', ": "),
        }
    }
}

/// Reads a value of type `ty` and appends its text. On an error `out` holds a part of it.
pub fn write_bsatn(
    typespace: &Typespace,
    ty: &AlgebraicType,
    reader: &mut Reader<'_>,
    style: Style,
    out: &mut String,
) -> Result<(), DecodeError> {
    let mut writer = Writer {
        typespace,
        style,
        out,
    };
    writer.value(ty, Place::Field, reader)
}

/// The text of `value`, which must be of type `ty`.
pub fn value_to_satn(
    typespace: &Typespace,
    ty: &AlgebraicType,
    value: &AlgebraicValue,
    style: Style,
) -> Result<String, DecodeError> {
    let bytes = bsatn::to_vec(value);
    let mut reader = Reader::new(&bytes);
    let mut out = String::new();
    write_bsatn(typespace, ty, &mut reader, style, &mut out)?;
    reader.finish()?;
    Ok(out)
}

/// Where a value stands. The console shows a special type without its field name if it is a column
/// or a field, and with it inside sums and arrays and behind references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Field,
    Inside,
}

struct Writer<'t, 'o> {
    typespace: &'t Typespace,
    style: Style,
    out: &'o mut String,
}

impl<'t> Writer<'t, '_> {
    fn value(
        &mut self,
        ty: &'t AlgebraicType,
        place: Place,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let typespace = self.typespace;
        match ty {
            AlgebraicType::Ref(_) => {
                let target = typespace.follow(ty)?;
                return reader.nested(|reader| self.value(target, Place::Inside, reader));
            }
            AlgebraicType::Sum(sum) => return reader.nested(|reader| self.sum(sum, reader)),
            AlgebraicType::Product(product) => {
                return reader.nested(|reader| self.product(product, place, reader));
            }
            AlgebraicType::Array(element) => {
                return reader.nested(|reader| self.array(element, reader));
            }
            AlgebraicType::String => {
                let text = reader.str()?;
                self.display(format_args!("\"{text}\""));
            }
            AlgebraicType::Bool => self.display(bool::decode(reader)?),
            AlgebraicType::I8 => self.display(i8::decode(reader)?),
            AlgebraicType::U8 => self.display(u8::decode(reader)?),
            AlgebraicType::I16 => self.display(i16::decode(reader)?),
            AlgebraicType::U16 => self.display(u16::decode(reader)?),
            AlgebraicType::I32 => self.display(i32::decode(reader)?),
            AlgebraicType::U32 => self.display(u32::decode(reader)?),
            AlgebraicType::I64 => self.display(i64::decode(reader)?),
            AlgebraicType::U64 => self.display(u64::decode(reader)?),
            AlgebraicType::I128 => self.display(i128::decode(reader)?),
            AlgebraicType::U128 => self.display(u128::decode(reader)?),
            AlgebraicType::I256 => self.display(I256::decode(reader)?),
            AlgebraicType::U256 => self.display(U256::decode(reader)?),
            AlgebraicType::F32 => self.display(f32::decode(reader)?),
            AlgebraicType::F64 => self.display(f64::decode(reader)?),
        }
        Ok(())
    }

    fn display(&mut self, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// In quotes on the PostgreSQL wire, without them in the console.
    fn display_special(&mut self, value: impl std::fmt::Display) {
        match self.style {
            Style::Postgres => self.display(format_args!("\"{value}\"")),
            Style::Plain | Style::Console => self.display(value),
        }
    }

    fn array(
        &mut self,
        element: &'t AlgebraicType,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let typespace = self.typespace;
        let element = typespace.follow(element)?;
        if matches!(element, AlgebraicType::U8) {
            let digits = hex::encode(reader.bytes()?);
            self.display_special(format_args!("0x{digits}"));
            return Ok(());
        }
        let count = reader.len()?;
        self.out.push('[');
        for index in 0..count {
            if index > 0 {
                self.out.push_str(", ");
            }
            let start = reader.offset();
            self.value(element, Place::Inside, reader)?;
            bsatn::check_empty_elements(count, reader.offset() - start)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn product(
        &mut self,
        ty: &'t ProductType,
        place: Place,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let special = self.style != Style::Plain && ty.is_special();
        if special && place == Place::Field {
            return self.special(ty, reader);
        }
        let (open, close, _) = self.style.marks();
        self.out.push(open);
        for (index, element) in ty.elements.iter().enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            match &element.name {
                Some(name) => self.name(name),
                None => self.missing_name(index),
            }
            if special {
                self.special(ty, reader)?;
            } else {
                self.value(&element.algebraic_type, Place::Field, reader)?;
            }
        }
        self.out.push(close);
        Ok(())
    }

    /// Writes a special product in its own notation.
    fn special(&mut self, ty: &ProductType, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        if ty.is_identity() {
            self.display_special(format_args!("0x{}", Identity::decode(reader)?));
        } else if ty.is_connection_id() {
            self.display_special(format_args!("0x{}", ConnectionId::decode(reader)?));
        } else if ty.is_timestamp() {
            self.display_special(Timestamp::decode(reader)?);
        } else if ty.is_time_duration() {
            let duration = TimeDuration::decode(reader)?;
            match self.style {
                Style::Postgres => self.display_special(duration.to_iso8601()),
                Style::Plain | Style::Console => self.display(duration),
            }
        } else {
            assert!(ty.is_uuid(), "the caller passes a special product");
            let uuid = Uuid::decode(reader)?;
            self.display(format_args!("\"{uuid}\""));
        }
        Ok(())
    }

    /// The name of an element or variant, and the mark after it.
    fn name(&mut self, name: impl std::fmt::Display) {
        let (_, _, is) = self.style.marks();
        match self.style {
            Style::Postgres => self.display(format_args!("\"{name}\"{is}")),
            Style::Plain | Style::Console => self.display(format_args!("{name}{is}")),
        }
    }

    fn missing_name(&mut self, index: usize) {
        match self.style {
            Style::Plain => self.name(index),
            Style::Console | Style::Postgres => self.name(format_args!("col_{index}")),
        }
    }

    fn sum(&mut self, ty: &'t SumType, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let offset = reader.offset();
        let tag = reader.u8()?;
        let Some(variant) = ty.variants.get(usize::from(tag)) else {
            return Err(DecodeError::InvalidTag {
                offset,
                tag,
                type_name: "<unknown>",
            });
        };
        let (open, close, _) = self.style.marks();
        self.out.push(open);
        match &variant.name {
            Some(name) => self.name(name),
            None if self.style == Style::Plain => self.name(""),
            None => self.missing_name(usize::from(tag)),
        }
        self.value(&variant.algebraic_type, Place::Inside, reader)?;
        self.out.push(close);
        Ok(())
    }
}

//! BSATN to JSON text, guided by a type. Rows go straight from stored bytes to the text.

use crate::bsatn::{self, Decode, DecodeError, Reader};
use crate::{AlgebraicType, AlgebraicValue, I256, ProductType, SumType, Typespace, U256, hex};
use std::fmt::Write;

/// How products and sums look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// The server's own structures: objects, tuples and units as arrays, sums by name.
    Native,
    /// A value with its type: objects, units as `{}`, sums by name.
    TypedValue,
    /// A stored row: objects, units as `{}`, sums as `[tag, payload]`.
    Row,
    /// A bare value: arrays, sums as `[tag, payload]`.
    Untyped,
}

/// Why a value has no JSON form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteJsonError {
    /// The bytes are not a value of the type.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Objects need names, and the type has none here.
    #[error("an unnamed element of a product has no JSON form as a field")]
    Unnamed,
    /// The text could not be read as a generic JSON value, for example because it is too deep.
    #[error("{0}")]
    Generic(String),
}

/// Reads a value of type `ty` and appends its JSON text. On an error `out` holds a part of it.
pub fn write_bsatn(
    typespace: &Typespace,
    ty: &AlgebraicType,
    reader: &mut Reader<'_>,
    flavour: Flavour,
    out: &mut String,
) -> Result<(), WriteJsonError> {
    let mut writer = Writer {
        typespace,
        flavour,
        out,
    };
    writer.value(ty, reader)
}

/// The JSON text of `value`, which must be of type `ty`.
pub fn value_to_json_text(
    typespace: &Typespace,
    ty: &AlgebraicType,
    value: &AlgebraicValue,
    flavour: Flavour,
) -> Result<String, WriteJsonError> {
    let bytes = bsatn::to_vec(value);
    let mut reader = Reader::new(&bytes);
    let mut out = String::new();
    write_bsatn(typespace, ty, &mut reader, flavour, &mut out)?;
    reader.finish()?;
    Ok(out)
}

/// The JSON form of `value`, which must be of type `ty`.
pub fn value_to_json(
    typespace: &Typespace,
    ty: &AlgebraicType,
    value: &AlgebraicValue,
    flavour: Flavour,
) -> Result<serde_json::Value, WriteJsonError> {
    let text = value_to_json_text(typespace, ty, value, flavour)?;
    serde_json::from_str(&text).map_err(|error| WriteJsonError::Generic(error.to_string()))
}

struct Writer<'t, 'o> {
    typespace: &'t Typespace,
    flavour: Flavour,
    out: &'o mut String,
}

impl<'t> Writer<'t, '_> {
    fn value(
        &mut self,
        ty: &'t AlgebraicType,
        reader: &mut Reader<'_>,
    ) -> Result<(), WriteJsonError> {
        let typespace = self.typespace;
        match ty {
            AlgebraicType::Ref(_) => {
                let target = typespace.follow(ty)?;
                return nested(reader, |reader| self.value(target, reader));
            }
            AlgebraicType::Sum(sum) => return nested(reader, |reader| self.sum(sum, reader)),
            AlgebraicType::Product(product) => {
                return nested(reader, |reader| self.product(product, reader));
            }
            AlgebraicType::Array(element) => {
                return nested(reader, |reader| self.array(element, reader));
            }
            AlgebraicType::String => push_string(reader.str()?, self.out),
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
            AlgebraicType::I256 => {
                let number = I256::decode(reader)?;
                let sign = if number.is_negative() { "-" } else { "" };
                self.display(format_args!("\"{sign}{:#x}\"", number.unsigned_abs()));
            }
            AlgebraicType::U256 => {
                let number = U256::decode(reader)?;
                self.display(format_args!("\"{number:#x}\""));
            }
            AlgebraicType::F32 => {
                let number = f32::decode(reader)?;
                self.float(number.is_finite(), number);
            }
            AlgebraicType::F64 => {
                let number = f64::decode(reader)?;
                self.float(number.is_finite(), number);
            }
        }
        Ok(())
    }

    fn display(&mut self, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// The debug form is the shortest that reads back the same, with an exponent if it is large.
    fn float(&mut self, is_finite: bool, number: impl std::fmt::Debug) {
        if is_finite {
            self.display(format_args!("{number:?}"));
        } else {
            self.out.push_str("null");
        }
    }

    fn array(
        &mut self,
        element: &'t AlgebraicType,
        reader: &mut Reader<'_>,
    ) -> Result<(), WriteJsonError> {
        let typespace = self.typespace;
        let element = typespace.follow(element)?;
        if matches!(element, AlgebraicType::U8) {
            self.out.push('"');
            hex::push(reader.bytes()?, self.out);
            self.out.push('"');
            return Ok(());
        }
        let count = reader.len()?;
        self.out.push('[');
        for index in 0..count {
            if index > 0 {
                self.out.push(',');
            }
            let start = reader.offset();
            self.value(element, reader)?;
            bsatn::check_empty_elements(count, reader.offset() - start)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn product(
        &mut self,
        ty: &'t ProductType,
        reader: &mut Reader<'_>,
    ) -> Result<(), WriteJsonError> {
        let is_tuple = || ty.elements.iter().all(|element| element.name.is_none());
        let as_array = match self.flavour {
            Flavour::Untyped => true,
            Flavour::Native => is_tuple(),
            Flavour::TypedValue | Flavour::Row => false,
        };
        self.out.push(if as_array { '[' } else { '{' });
        for (index, element) in ty.elements.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            if !as_array {
                let name = element.name.as_deref().ok_or(WriteJsonError::Unnamed)?;
                push_string(name, self.out);
                self.out.push(':');
            }
            self.value(&element.algebraic_type, reader)?;
        }
        self.out.push(if as_array { ']' } else { '}' });
        Ok(())
    }

    fn sum(&mut self, ty: &'t SumType, reader: &mut Reader<'_>) -> Result<(), WriteJsonError> {
        let offset = reader.offset();
        let tag = reader.u8()?;
        let Some(variant) = ty.variants.get(usize::from(tag)) else {
            return Err(WriteJsonError::Decode(DecodeError::InvalidTag {
                offset,
                tag,
                type_name: "<unknown>",
            }));
        };
        let by_name = matches!(self.flavour, Flavour::Native | Flavour::TypedValue);
        match &variant.name {
            Some(name) if by_name => {
                self.out.push('{');
                push_string(name, self.out);
                self.out.push(':');
                self.value(&variant.algebraic_type, reader)?;
                self.out.push('}');
            }
            _ => {
                self.out.push('[');
                self.display(tag);
                self.out.push(',');
                self.value(&variant.algebraic_type, reader)?;
                self.out.push(']');
            }
        }
        Ok(())
    }
}

/// [`Reader::nested`] for functions with our error.
fn nested<'a>(
    reader: &mut Reader<'a>,
    write: impl FnOnce(&mut Reader<'a>) -> Result<(), WriteJsonError>,
) -> Result<(), WriteJsonError> {
    reader.nested(|reader| Ok(write(reader)))?
}

/// Appends a JSON string literal.
pub fn push_string(text: &str, out: &mut String) {
    out.push('"');
    let mut plain_start = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[plain_start..index]);
        if escape.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
        plain_start = index + 1;
    }
    out.push_str(&text[plain_start..]);
    out.push('"');
}

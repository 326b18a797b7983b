//! JSON text to BSATN, guided by a type.

use super::lexer::Lexer;
use crate::bsatn::{self, Encode, Reader, encode_len};
use crate::{AlgebraicType, AlgebraicValue, I256, ProductType, SumType, Typespace, U256, hex};
use std::ops::Range;

/// Why a JSON text is not a value of the type. The sender must correct the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at line {line} column {column}")]
pub struct JsonError {
    /// What is wrong.
    pub message: String,
    /// From 1.
    pub line: usize,
    /// In bytes, from 1.
    pub column: usize,
}

/// Reads a JSON text as a value of type `ty` and appends its BSATN form. On an error `out` holds
/// a part of it.
pub fn json_to_bsatn(
    typespace: &Typespace,
    ty: &AlgebraicType,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    let mut parser = Parser {
        typespace,
        lexer: Lexer::new(text),
    };
    parser.value(ty, out)?;
    parser.lexer.finish()
}

/// Reads the arguments of `function`: an array, or an object by parameter name. Returns BSATN.
pub fn product_args_from_json(
    typespace: &Typespace,
    parameters: &ProductType,
    function: &str,
    text: &str,
) -> Result<Vec<u8>, JsonError> {
    let mut parser = Parser {
        typespace,
        lexer: Lexer::new(text),
    };
    let mut out = Vec::new();
    let words = Words {
        field: "reducer argument",
        whole: &format!("reducer args for {function}"),
    };
    parser.product(parameters, words, &mut out)?;
    parser.lexer.finish()?;
    Ok(out)
}

/// Reads a JSON text as a value of type `ty`.
pub fn value_from_json_text(
    typespace: &Typespace,
    ty: &AlgebraicType,
    text: &str,
) -> Result<AlgebraicValue, JsonError> {
    let mut bytes = Vec::new();
    json_to_bsatn(typespace, ty, text, &mut bytes)?;
    bsatn::decode_value(typespace, ty, &mut Reader::new(&bytes)).map_err(|error| JsonError {
        message: error.to_string(),
        line: 1,
        column: 1,
    })
}

/// Reads a JSON value that was parsed already. Lines and columns in errors are those of its
/// compact form.
pub fn value_from_json(
    typespace: &Typespace,
    ty: &AlgebraicType,
    json: &serde_json::Value,
) -> Result<AlgebraicValue, JsonError> {
    value_from_json_text(typespace, ty, &json.to_string())
}

/// How errors call a product and its parts.
#[derive(Clone, Copy)]
struct Words<'a> {
    field: &'a str,
    whole: &'a str,
}

const PRODUCT_WORDS: Words<'static> = Words {
    field: "field",
    whole: "product type <product>",
};

struct Parser<'a> {
    typespace: &'a Typespace,
    lexer: Lexer<'a>,
}

impl<'a> Parser<'a> {
    fn value(&mut self, ty: &'a AlgebraicType, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let typespace = self.typespace;
        let ty = match typespace.follow(ty) {
            Ok(ty) => ty,
            Err(error) => return Err(self.lexer.error(error.to_string())),
        };
        match ty {
            AlgebraicType::Ref(_) => unreachable!("references were followed"),
            AlgebraicType::Sum(sum) => self.sum(sum, out),
            AlgebraicType::Product(product) => self.product(product, PRODUCT_WORDS, out),
            AlgebraicType::Array(element) => self.array(element, out),
            AlgebraicType::String => {
                self.lexer.string()?.as_ref().encode(out);
                Ok(())
            }
            AlgebraicType::Bool => self.bool(out),
            AlgebraicType::I8 => self.integer::<i8>("i8", out),
            AlgebraicType::U8 => self.integer::<u8>("u8", out),
            AlgebraicType::I16 => self.integer::<i16>("i16", out),
            AlgebraicType::U16 => self.integer::<u16>("u16", out),
            AlgebraicType::I32 => self.integer::<i32>("i32", out),
            AlgebraicType::U32 => self.integer::<u32>("u32", out),
            AlgebraicType::I64 => self.integer::<i64>("i64", out),
            AlgebraicType::U64 => self.integer::<u64>("u64", out),
            AlgebraicType::I128 => self.integer::<i128>("i128", out),
            AlgebraicType::U128 => self.integer::<u128>("u128", out),
            AlgebraicType::I256 => self.hex_integer(i256_from_hex, "i256", out),
            AlgebraicType::U256 => self.hex_integer(u256_from_hex, "u256", out),
            AlgebraicType::F32 => {
                let (number, integer) = self.float()?;
                // An integer is rounded once, not by way of a double.
                #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
                let number = integer.map_or(number as f32, |integer| integer as f32);
                number.encode(out);
                Ok(())
            }
            AlgebraicType::F64 => {
                self.float()?.0.encode(out);
                Ok(())
            }
        }
    }

    fn bool(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let value = self.lexer.eat_word("true");
        if !value && !self.lexer.eat_word("false") {
            return Err(self.lexer.unexpected("a boolean"));
        }
        value.encode(out);
        Ok(())
    }

    fn integer<T: std::str::FromStr + Encode>(
        &mut self,
        name: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        let text = self.lexer.number()?;
        match text.parse::<T>() {
            Ok(number) => {
                number.encode(out);
                Ok(())
            }
            Err(_) => Err(self
                .lexer
                .error(format!("invalid value: `{text}`, expected {name}"))),
        }
    }

    fn hex_integer<T: Encode>(
        &mut self,
        parse: fn(&str) -> Option<T>,
        name: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        let text = self.lexer.string()?;
        match parse(&text) {
            Some(number) => {
                number.encode(out);
                Ok(())
            }
            None => Err(self.lexer.error(format!(
                "invalid value: string {text:?}, expected {name} as hex digits after `0x`"
            ))),
        }
    }

    /// The number, and the same exactly if it is written as a 64-bit integer.
    fn float(&mut self) -> Result<(f64, Option<i128>), JsonError> {
        let text = self.lexer.number()?;
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                let integer = text.parse::<i128>().ok();
                let fits = |integer: &i128| {
                    u64::try_from(*integer).is_ok() || i64::try_from(*integer).is_ok()
                };
                Ok((number, integer.filter(fits).filter(|integer| *integer != 0)))
            }
            _ => Err(self.lexer.error("number out of range")),
        }
    }

    fn array(&mut self, element: &'a AlgebraicType, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let is_bytes = matches!(self.typespace.follow(element), Ok(AlgebraicType::U8));
        if is_bytes && self.lexer.peek() == Some(b'"') {
            let text = self.lexer.string()?;
            return match hex::decode(&text) {
                Ok(bytes) => {
                    bytes.encode(out);
                    Ok(())
                }
                Err(error) => Err(self.lexer.error(error.to_string())),
            };
        }
        self.lexer.expect(b'[')?;
        self.lexer.enter()?;
        let count_at = out.len();
        encode_len(0, out);
        let mut count = 0_u32;
        if !self.lexer.eat(b']') {
            loop {
                self.value(element, out)?;
                count = count
                    .checked_add(1)
                    .ok_or_else(|| self.lexer.error("array too long"))?;
                if self.lexer.eat(b']') {
                    break;
                }
                self.lexer.expect(b',')?;
            }
        }
        self.lexer.leave();
        out[count_at..count_at + 4].copy_from_slice(&count.to_le_bytes());
        Ok(())
    }

    fn product(
        &mut self,
        ty: &'a ProductType,
        words: Words<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        if self.lexer.eat(b'[') {
            self.lexer.enter()?;
            self.product_elements(ty, words, out)?;
        } else if self.lexer.eat(b'{') {
            self.lexer.enter()?;
            self.product_fields(ty, words, out)?;
        } else {
            let expected = format!("{} with {} elements", words.whole, ty.elements.len());
            return Err(self.lexer.unexpected(&expected));
        }
        self.lexer.leave();
        Ok(())
    }

    fn product_elements(
        &mut self,
        ty: &'a ProductType,
        words: Words<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        for (index, element) in ty.elements.iter().enumerate() {
            if self.lexer.peek() == Some(b']') {
                return Err(self.lexer.error(format!(
                    "invalid length {index}, expected {} with {} elements",
                    words.whole,
                    ty.elements.len()
                )));
            }
            if index > 0 {
                self.lexer.expect(b',')?;
            }
            self.value(&element.algebraic_type, out)?;
        }
        self.lexer.expect(b']')
    }

    /// Fields may come in any order, so each is encoded aside unless it comes in its turn.
    fn product_fields(
        &mut self,
        ty: &'a ProductType,
        words: Words<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        let mut ranges: Vec<Option<Range<usize>>> = vec![None; ty.elements.len()];
        let mut aside = Vec::new();
        if !self.lexer.eat(b'}') {
            loop {
                let index = self.field_name(ty, words)?;
                if ranges[index].is_some() {
                    let name = ty.elements[index].name.as_deref().unwrap_or_default();
                    return Err(self
                        .lexer
                        .error(format!("duplicate {} `{name}`", words.field)));
                }
                let start = aside.len();
                self.value(&ty.elements[index].algebraic_type, &mut aside)?;
                ranges[index] = Some(start..aside.len());
                if self.lexer.eat(b'}') {
                    break;
                }
                self.lexer.expect(b',')?;
            }
        }
        for (element, range) in ty.elements.iter().zip(ranges) {
            let Some(range) = range else {
                let name = element.name.as_deref().unwrap_or("<unnamed>");
                return Err(self
                    .lexer
                    .error(format!("missing {} `{name}`", words.field)));
            };
            out.extend_from_slice(&aside[range]);
        }
        Ok(())
    }

    fn field_name(&mut self, ty: &ProductType, words: Words<'_>) -> Result<usize, JsonError> {
        let name = self.lexer.string()?;
        let Some(index) = ty.index_of(&name) else {
            let names = ty.elements.iter().map(|element| element.name.as_deref());
            return Err(self.lexer.error(format!(
                "unknown {} `{name}`, {}",
                words.field,
                expected_one_of(names)
            )));
        };
        self.lexer.expect(b':')?;
        Ok(index)
    }

    fn sum(&mut self, ty: &'a SumType, out: &mut Vec<u8>) -> Result<(), JsonError> {
        if ty.as_option().is_some() && self.lexer.eat_word("null") {
            out.push(1);
            return Ok(());
        }
        let (separator, end) = match self.lexer.peek() {
            Some(b'{') => (b':', b'}'),
            Some(b'[') => (b',', b']'),
            _ => return Err(self.lexer.unexpected("a sum type")),
        };
        let is_array = end == b']';
        self.lexer.expect(if is_array { b'[' } else { b'{' })?;
        self.lexer.enter()?;
        let tag = self.tag(ty, is_array)?;
        self.lexer.expect(separator)?;
        out.push(tag);
        // `tag` has just been looked up.
        self.value(&ty.variants[usize::from(tag)].algebraic_type, out)?;
        self.lexer.expect(end)?;
        self.lexer.leave();
        Ok(())
    }

    /// A tag as a number or in decimal digits, or the name of a variant. What reads as a tag is
    /// one, even if a variant is called so.
    fn tag(&mut self, ty: &SumType, numbers_allowed: bool) -> Result<u8, JsonError> {
        let name = if numbers_allowed && self.lexer.peek() != Some(b'"') {
            self.lexer.number()?.into()
        } else {
            self.lexer.string()?
        };
        let tag = match name.parse::<u8>() {
            Ok(tag) => Some(tag),
            Err(_) => ty
                .variants
                .iter()
                .position(|variant| variant.name.as_deref() == Some(&*name))
                .and_then(|index| u8::try_from(index).ok()),
        };
        match tag {
            Some(tag) if usize::from(tag) < ty.variants.len() => Ok(tag),
            _ => {
                let names = ty.variants.iter().map(|variant| variant.name.as_deref());
                Err(self.lexer.error(format!(
                    "unknown variant `{name}`, {}",
                    expected_one_of(names)
                )))
            }
        }
    }
}

fn expected_one_of<'n>(names: impl Iterator<Item = Option<&'n str>>) -> String {
    let names: Vec<String> = names
        .flatten()
        .take(100)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.as_slice() {
        [] => "there are none".to_owned(),
        [only] => format!("expected {only}"),
        _ => format!("expected one of {}", names.join(", ")),
    }
}

fn u256_from_hex(text: &str) -> Option<U256> {
    let digits = text.strip_prefix("0x")?;
    // The parser would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    U256::from_str_radix(digits, 16).ok()
}

fn i256_from_hex(text: &str) -> Option<I256> {
    let Some(positive) = text.strip_prefix('-') else {
        return I256::try_from(u256_from_hex(text)?).ok();
    };
    let magnitude = u256_from_hex(positive)?;
    if magnitude > I256::MIN.unsigned_abs() {
        return None;
    }
    Some(magnitude.as_i256().wrapping_neg())
}

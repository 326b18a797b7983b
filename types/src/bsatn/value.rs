//! BSATN of values whose type is known only at run time.
//!
//! `skip_value` accepts exactly the bytes that `decode_value` accepts, without building anything.

use super::impls::check_empty_elements;
use super::{Decode, DecodeError, Encode, Reader, encode_len};
use crate::{AlgebraicType, AlgebraicValue, ArrayValue, F32, F64, SumType, SumValue, Typespace};

/// Most elements reserved before any of them was read.
const RESERVE_COUNT_MAX: usize = 1024;

/// Appends the BSATN form of `value`.
pub fn encode_value(value: &AlgebraicValue, out: &mut Vec<u8>) {
    match value {
        AlgebraicValue::Sum(sum) => {
            out.push(sum.tag);
            encode_value(&sum.value, out);
        }
        AlgebraicValue::Product(elements) => {
            for element in elements {
                encode_value(element, out);
            }
        }
        AlgebraicValue::Array(ArrayValue::Bytes(bytes)) => bytes.encode(out),
        AlgebraicValue::Array(ArrayValue::Values(values)) => {
            encode_len(values.len(), out);
            for element in values {
                encode_value(element, out);
            }
        }
        AlgebraicValue::String(text) => text.encode(out),
        AlgebraicValue::Bool(bit) => bit.encode(out),
        AlgebraicValue::I8(number) => number.encode(out),
        AlgebraicValue::U8(number) => number.encode(out),
        AlgebraicValue::I16(number) => number.encode(out),
        AlgebraicValue::U16(number) => number.encode(out),
        AlgebraicValue::I32(number) => number.encode(out),
        AlgebraicValue::U32(number) => number.encode(out),
        AlgebraicValue::I64(number) => number.encode(out),
        AlgebraicValue::U64(number) => number.encode(out),
        AlgebraicValue::I128(number) => number.encode(out),
        AlgebraicValue::U128(number) => number.encode(out),
        AlgebraicValue::I256(number) => number.encode(out),
        AlgebraicValue::U256(number) => number.encode(out),
        AlgebraicValue::F32(number) => number.0.encode(out),
        AlgebraicValue::F64(number) => number.0.encode(out),
    }
}

impl Encode for AlgebraicValue {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_value(self, out);
    }
}

/// Reads a value of type `ty`, whose references point into `typespace`.
pub fn decode_value(
    typespace: &Typespace,
    ty: &AlgebraicType,
    reader: &mut Reader<'_>,
) -> Result<AlgebraicValue, DecodeError> {
    Ok(match ty {
        AlgebraicType::Ref(_) => {
            let target = typespace.follow(ty)?;
            return reader.nested(|reader| decode_value(typespace, target, reader));
        }
        AlgebraicType::Sum(sum) => return decode_sum(typespace, sum, reader),
        AlgebraicType::Product(product) => {
            return reader.nested(|reader| {
                let types = product
                    .elements
                    .iter()
                    .map(|element| &element.algebraic_type);
                let elements: Result<_, _> = types
                    .map(|ty| decode_value(typespace, ty, reader))
                    .collect();
                elements.map(AlgebraicValue::Product)
            });
        }
        AlgebraicType::Array(element) => return decode_array(typespace, element, reader),
        AlgebraicType::String => AlgebraicValue::String(Decode::decode(reader)?),
        AlgebraicType::Bool => AlgebraicValue::Bool(Decode::decode(reader)?),
        AlgebraicType::I8 => AlgebraicValue::I8(Decode::decode(reader)?),
        AlgebraicType::U8 => AlgebraicValue::U8(Decode::decode(reader)?),
        AlgebraicType::I16 => AlgebraicValue::I16(Decode::decode(reader)?),
        AlgebraicType::U16 => AlgebraicValue::U16(Decode::decode(reader)?),
        AlgebraicType::I32 => AlgebraicValue::I32(Decode::decode(reader)?),
        AlgebraicType::U32 => AlgebraicValue::U32(Decode::decode(reader)?),
        AlgebraicType::I64 => AlgebraicValue::I64(Decode::decode(reader)?),
        AlgebraicType::U64 => AlgebraicValue::U64(Decode::decode(reader)?),
        AlgebraicType::I128 => AlgebraicValue::I128(Decode::decode(reader)?),
        AlgebraicType::U128 => AlgebraicValue::U128(Decode::decode(reader)?),
        AlgebraicType::I256 => AlgebraicValue::I256(Decode::decode(reader)?),
        AlgebraicType::U256 => AlgebraicValue::U256(Decode::decode(reader)?),
        AlgebraicType::F32 => AlgebraicValue::F32(F32(Decode::decode(reader)?)),
        AlgebraicType::F64 => AlgebraicValue::F64(F64(Decode::decode(reader)?)),
    })
}

fn decode_sum(
    typespace: &Typespace,
    sum: &SumType,
    reader: &mut Reader<'_>,
) -> Result<AlgebraicValue, DecodeError> {
    let (tag, payload) = decode_tag(sum, reader)?;
    let value = reader.nested(|reader| decode_value(typespace, payload, reader))?;
    Ok(AlgebraicValue::Sum(SumValue {
        tag,
        value: Box::new(value),
    }))
}

#[inline]
fn decode_tag<'t>(
    sum: &'t SumType,
    reader: &mut Reader<'_>,
) -> Result<(u8, &'t AlgebraicType), DecodeError> {
    let offset = reader.offset();
    let tag = reader.u8()?;
    match sum.variants.get(usize::from(tag)) {
        Some(variant) => Ok((tag, &variant.algebraic_type)),
        None => Err(DecodeError::InvalidTag {
            offset,
            tag,
            type_name: "<unknown>",
        }),
    }
}

fn decode_array(
    typespace: &Typespace,
    element: &AlgebraicType,
    reader: &mut Reader<'_>,
) -> Result<AlgebraicValue, DecodeError> {
    let element = typespace.follow(element)?;
    if matches!(element, AlgebraicType::U8) {
        let bytes = Decode::decode(reader)?;
        return Ok(AlgebraicValue::Array(ArrayValue::Bytes(bytes)));
    }
    reader.nested(|reader| {
        let count = reader.len()?;
        let reserve = count.min(reader.rest().len()).min(RESERVE_COUNT_MAX);
        let mut values = Vec::with_capacity(reserve);
        let start = reader.offset();
        for index in 0..count {
            values.push(decode_value(typespace, element, reader)?);
            if index == 0 {
                check_empty_elements(count, reader.offset() - start)?;
            }
        }
        Ok(AlgebraicValue::Array(ArrayValue::Values(values)))
    })
}

/// Moves the cursor past a value of type `ty`, checking it as [`decode_value`] does.
pub fn skip_value(
    typespace: &Typespace,
    ty: &AlgebraicType,
    reader: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    match ty {
        AlgebraicType::Ref(_) => {
            let target = typespace.follow(ty)?;
            reader.nested(|reader| skip_value(typespace, target, reader))
        }
        AlgebraicType::Sum(sum) => {
            let (_, payload) = decode_tag(sum, reader)?;
            reader.nested(|reader| skip_value(typespace, payload, reader))
        }
        AlgebraicType::Product(product) => reader.nested(|reader| {
            for element in &product.elements {
                skip_value(typespace, &element.algebraic_type, reader)?;
            }
            Ok(())
        }),
        AlgebraicType::Array(element) => skip_array(typespace, element, reader),
        AlgebraicType::String => reader.str().map(drop),
        AlgebraicType::Bool => bool::decode(reader).map(drop),
        AlgebraicType::I8 => reader.array::<1>("i8").map(drop),
        AlgebraicType::U8 => reader.array::<1>("u8").map(drop),
        AlgebraicType::I16 => reader.array::<2>("i16").map(drop),
        AlgebraicType::U16 => reader.array::<2>("u16").map(drop),
        AlgebraicType::I32 => reader.array::<4>("i32").map(drop),
        AlgebraicType::U32 | AlgebraicType::F32 => reader.array::<4>("u32").map(drop),
        AlgebraicType::I64 => reader.array::<8>("i64").map(drop),
        AlgebraicType::U64 | AlgebraicType::F64 => reader.array::<8>("u64").map(drop),
        AlgebraicType::I128 => reader.array::<16>("i128").map(drop),
        AlgebraicType::U128 => reader.array::<16>("u128").map(drop),
        AlgebraicType::I256 => reader.array::<32>("i256").map(drop),
        AlgebraicType::U256 => reader.array::<32>("u256").map(drop),
    }
}

fn skip_array(
    typespace: &Typespace,
    element: &AlgebraicType,
    reader: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    let element = typespace.follow(element)?;
    if matches!(element, AlgebraicType::U8) {
        return reader.bytes().map(drop);
    }
    reader.nested(|reader| {
        let count = reader.len()?;
        if let Some(len) = plain_len(element) {
            let whole_count = count.min(reader.rest().len() / len);
            reader.take(whole_count * len)?;
            // A missing element is reported like any other number that is cut off.
            return match whole_count < count {
                true => skip_value(typespace, element, reader),
                false => Ok(()),
            };
        }
        let start = reader.offset();
        for index in 0..count {
            skip_value(typespace, element, reader)?;
            if index == 0 {
                check_empty_elements(count, reader.offset() - start)?;
            }
        }
        Ok(())
    })
}

/// Encoded length of a primitive for which every bit pattern is valid.
fn plain_len(ty: &AlgebraicType) -> Option<usize> {
    Some(match ty {
        AlgebraicType::I8 => 1,
        AlgebraicType::I16 | AlgebraicType::U16 => 2,
        AlgebraicType::I32 | AlgebraicType::U32 | AlgebraicType::F32 => 4,
        AlgebraicType::I64 | AlgebraicType::U64 | AlgebraicType::F64 => 8,
        AlgebraicType::I128 | AlgebraicType::U128 => 16,
        AlgebraicType::I256 | AlgebraicType::U256 => 32,
        _ => return None,
    })
}

//! Values whose types are not known when the module is compiled.
//!
//! Not on the way of any row: rows are encoded as the structs that they are.

use ethnum::{I256, U256};

use crate::bsatn::{Serialize, write_len};

/// A value of any type.
#[derive(Clone, Debug, PartialEq)]
pub enum AlgebraicValue {
    /// One of several variants.
    Sum(SumValue),
    /// Several values at once.
    Product(ProductValue),
    /// Any number of values of one type.
    Array(ArrayValue),
    /// UTF-8 text.
    String(Box<str>),
    /// True or false.
    Bool(bool),
    /// A signed byte.
    I8(i8),
    /// A byte.
    U8(u8),
    /// 16 bits, signed.
    I16(i16),
    /// 16 bits.
    U16(u16),
    /// 32 bits, signed.
    I32(i32),
    /// 32 bits.
    U32(u32),
    /// 64 bits, signed.
    I64(i64),
    /// 64 bits.
    U64(u64),
    /// 128 bits, signed.
    I128(i128),
    /// 128 bits.
    U128(u128),
    /// 256 bits, signed.
    I256(Box<I256>),
    /// 256 bits.
    U256(Box<U256>),
    /// Single precision.
    F32(f32),
    /// Double precision.
    F64(f64),
}

/// A variant, by its place, and what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct SumValue {
    /// The place among the variants.
    pub tag: u8,
    /// What it holds.
    pub value: Box<AlgebraicValue>,
}

/// The fields of a struct, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProductValue {
    /// Their values.
    pub elements: Box<[AlgebraicValue]>,
}

/// The elements of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArrayValue {
    /// Their values, all of one type.
    pub elements: Box<[AlgebraicValue]>,
}

impl Serialize for AlgebraicValue {
    fn serialize(&self, out: &mut Vec<u8>) {
        match self {
            AlgebraicValue::Sum(sum) => {
                out.push(sum.tag);
                sum.value.serialize(out);
            }
            AlgebraicValue::Product(product) => {
                AlgebraicValue::serialize_elements(&product.elements, out);
            }
            AlgebraicValue::Array(array) => {
                write_len(array.elements.len(), out);
                AlgebraicValue::serialize_elements(&array.elements, out);
            }
            AlgebraicValue::String(text) => text.serialize(out),
            AlgebraicValue::Bool(value) => value.serialize(out),
            AlgebraicValue::I8(value) => value.serialize(out),
            AlgebraicValue::U8(value) => value.serialize(out),
            AlgebraicValue::I16(value) => value.serialize(out),
            AlgebraicValue::U16(value) => value.serialize(out),
            AlgebraicValue::I32(value) => value.serialize(out),
            AlgebraicValue::U32(value) => value.serialize(out),
            AlgebraicValue::I64(value) => value.serialize(out),
            AlgebraicValue::U64(value) => value.serialize(out),
            AlgebraicValue::I128(value) => value.serialize(out),
            AlgebraicValue::U128(value) => value.serialize(out),
            AlgebraicValue::I256(value) => value.serialize(out),
            AlgebraicValue::U256(value) => value.serialize(out),
            AlgebraicValue::F32(value) => value.serialize(out),
            AlgebraicValue::F64(value) => value.serialize(out),
        }
    }
}

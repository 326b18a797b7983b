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

impl SumValue {
    /// A variant that holds something.
    pub fn new(tag: u8, value: impl Into<AlgebraicValue>) -> Self {
        SumValue {
            tag,
            value: Box::new(value.into()),
        }
    }

    /// A variant that holds nothing.
    pub fn new_simple(tag: u8) -> Self {
        SumValue::new(tag, AlgebraicValue::unit())
    }
}

impl AlgebraicValue {
    /// A struct without fields.
    pub fn unit() -> Self {
        AlgebraicValue::product([])
    }

    /// A struct.
    pub fn product(elements: impl Into<ProductValue>) -> Self {
        AlgebraicValue::Product(elements.into())
    }

    /// A variant of an enum.
    pub fn sum(tag: u8, value: Self) -> Self {
        AlgebraicValue::Sum(SumValue::new(tag, value))
    }

    /// A variant that holds nothing.
    pub fn enum_simple(tag: u8) -> Self {
        AlgebraicValue::Sum(SumValue::new_simple(tag))
    }
}

/// Named like variants, for what are variants in Rust.
#[allow(non_snake_case)]
impl AlgebraicValue {
    /// A value that is there.
    pub fn OptionSome(value: Self) -> Self {
        AlgebraicValue::sum(0, value)
    }

    /// A value that is not there.
    pub fn OptionNone() -> Self {
        AlgebraicValue::enum_simple(1)
    }

    /// A value instead of an error.
    pub fn ResultOk(value: Self) -> Self {
        AlgebraicValue::sum(0, value)
    }

    /// An error instead of a value.
    pub fn ResultErr(error: Self) -> Self {
        AlgebraicValue::sum(1, error)
    }

    /// A list of bytes.
    pub fn Bytes(bytes: Box<[u8]>) -> Self {
        let elements = bytes.into_iter().map(AlgebraicValue::U8).collect();
        AlgebraicValue::Array(ArrayValue { elements })
    }
}

impl<const N: usize> From<[AlgebraicValue; N]> for ProductValue {
    fn from(elements: [AlgebraicValue; N]) -> Self {
        ProductValue {
            elements: elements.into(),
        }
    }
}

impl FromIterator<AlgebraicValue> for ProductValue {
    fn from_iter<I: IntoIterator<Item = AlgebraicValue>>(elements: I) -> Self {
        ProductValue {
            elements: elements.into_iter().collect(),
        }
    }
}

macro_rules! values {
    ($($type:ty: |$value:ident| $made:expr;)*) => {$(
        impl From<$type> for AlgebraicValue {
            fn from($value: $type) -> Self {
                $made
            }
        }
    )*};
}

values! {
    bool: |value| AlgebraicValue::Bool(value);
    i8: |value| AlgebraicValue::I8(value);
    u8: |value| AlgebraicValue::U8(value);
    i16: |value| AlgebraicValue::I16(value);
    u16: |value| AlgebraicValue::U16(value);
    i32: |value| AlgebraicValue::I32(value);
    u32: |value| AlgebraicValue::U32(value);
    i64: |value| AlgebraicValue::I64(value);
    u64: |value| AlgebraicValue::U64(value);
    i128: |value| AlgebraicValue::I128(value);
    u128: |value| AlgebraicValue::U128(value);
    I256: |value| AlgebraicValue::I256(Box::new(value));
    U256: |value| AlgebraicValue::U256(Box::new(value));
    f32: |value| AlgebraicValue::F32(value);
    f64: |value| AlgebraicValue::F64(value);
    &str: |value| AlgebraicValue::String(value.into());
    Box<str>: |value| AlgebraicValue::String(value);
    String: |value| AlgebraicValue::String(value.into());
    Box<[u8]>: |value| AlgebraicValue::Bytes(value);
    SumValue: |value| AlgebraicValue::Sum(value);
    ProductValue: |value| AlgebraicValue::Product(value);
    ArrayValue: |value| AlgebraicValue::Array(value);
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

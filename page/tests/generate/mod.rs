//! Random types and values of them, with their BSATN written independently of the crates under
//! test.
#![allow(dead_code)]

use proptest::prelude::*;
use spacetime_types::{
    AlgebraicType, AlgebraicValue, ArrayValue, F32, F64, ProductType, ProductTypeElement, SumType,
    SumTypeVariant, SumValue,
};

pub fn product(types: Vec<AlgebraicType>) -> ProductType {
    let elements = types.into_iter().map(|algebraic_type| ProductTypeElement {
        name: None,
        algebraic_type,
    });
    ProductType {
        elements: elements.collect(),
    }
}

pub fn sum(types: Vec<AlgebraicType>) -> AlgebraicType {
    let variants = types.into_iter().map(|algebraic_type| SumTypeVariant {
        name: None,
        algebraic_type,
    });
    AlgebraicType::Sum(SumType {
        variants: variants.collect(),
    })
}

pub fn unit() -> AlgebraicType {
    AlgebraicType::Product(ProductType::default())
}

pub fn option(some: AlgebraicType) -> AlgebraicType {
    sum(vec![some, unit()])
}

pub fn bytes() -> AlgebraicType {
    AlgebraicType::Array(Box::new(AlgebraicType::U8))
}

/// Types of columns. Every one has values.
pub fn any_type() -> impl Strategy<Value = AlgebraicType> {
    use AlgebraicType as T;
    let leaf = prop_oneof![
        Just(T::Bool),
        Just(T::I8),
        Just(T::U8),
        Just(T::I16),
        Just(T::U16),
        Just(T::I32),
        Just(T::U32),
        Just(T::I64),
        Just(T::U64),
        Just(T::I128),
        Just(T::U128),
        Just(T::I256),
        Just(T::U256),
        Just(T::F32),
        Just(T::F64),
        Just(T::String),
        Just(bytes()),
        Just(unit()),
        Just(sum(vec![unit(), unit(), unit()])),
    ];
    leaf.prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|element| T::Array(Box::new(element))),
            inner.clone().prop_map(option),
            prop::collection::vec(inner.clone(), 1..4).prop_map(sum),
            prop::collection::vec(inner, 0..4).prop_map(|types| T::Product(product(types))),
        ]
    })
}

/// Numbers that are close to each other and to the edges.
fn edgy<T: Arbitrary + Clone + std::fmt::Debug + 'static>(edges: Vec<T>) -> BoxedStrategy<T> {
    prop_oneof![2 => prop::sample::select(edges), 1 => any::<T>()].boxed()
}

macro_rules! integer {
    ($variant:ident, $int:ty) => {
        edgy::<$int>(vec![
            0,
            1,
            2,
            <$int>::MAX,
            <$int>::MIN,
            <$int>::MAX - 1,
            <$int>::MIN + 1,
        ])
        .prop_map(AlgebraicValue::$variant)
        .boxed()
    };
}

fn wide() -> impl Strategy<Value = (u128, u128)> {
    let half = || edgy::<u128>(vec![0, 1, u128::MAX, 1 << 127]);
    (half(), half())
}

/// Values of a type. Strings and arrays have up to `len_max` elements.
pub fn value_of(value_type: &AlgebraicType, len_max: usize) -> BoxedStrategy<AlgebraicValue> {
    use AlgebraicType as T;
    match value_type {
        T::Ref(_) => unreachable!("types are generated without references"),
        T::Bool => any::<bool>().prop_map(AlgebraicValue::Bool).boxed(),
        T::I8 => integer!(I8, i8),
        T::U8 => integer!(U8, u8),
        T::I16 => integer!(I16, i16),
        T::U16 => integer!(U16, u16),
        T::I32 => integer!(I32, i32),
        T::U32 => integer!(U32, u32),
        T::I64 => integer!(I64, i64),
        T::U64 => integer!(U64, u64),
        T::I128 => integer!(I128, i128),
        T::U128 => integer!(U128, u128),
        T::I256 => wide()
            .prop_map(|(high, low)| {
                AlgebraicValue::I256(ethnum::I256::from_words(
                    high.cast_signed(),
                    low.cast_signed(),
                ))
            })
            .boxed(),
        T::U256 => wide()
            .prop_map(|(high, low)| AlgebraicValue::U256(ethnum::U256::from_words(high, low)))
            .boxed(),
        T::F32 => {
            let odd = [
                0.0,
                -0.0,
                1.0,
                -1.0,
                f32::NAN,
                -f32::NAN,
                f32::INFINITY,
                -f32::INFINITY,
            ];
            let bits = edgy::<u32>(odd.iter().map(|float| float.to_bits()).collect());
            bits.prop_map(|bits| AlgebraicValue::F32(F32(f32::from_bits(bits))))
                .boxed()
        }
        T::F64 => {
            let odd = [
                0.0,
                -0.0,
                1.0,
                -1.0,
                f64::NAN,
                -f64::NAN,
                f64::INFINITY,
                -f64::INFINITY,
            ];
            let bits = edgy::<u64>(odd.iter().map(|float| float.to_bits()).collect());
            bits.prop_map(|bits| AlgebraicValue::F64(F64(f64::from_bits(bits))))
                .boxed()
        }
        T::String => {
            let chars = prop::sample::select(vec!['\0', '\u{1}', 'a', 'b', '\u{7f}', '\u{e9}']);
            prop::collection::vec(chars, 0..=len_max)
                .prop_map(|chars| {
                    AlgebraicValue::String(chars.into_iter().collect::<String>().into())
                })
                .boxed()
        }
        T::Array(element) if **element == T::U8 => {
            let byte = edgy::<u8>(vec![0, 1, 0xff, 0xfe]);
            prop::collection::vec(byte, 0..=len_max)
                .prop_map(|bytes| AlgebraicValue::Array(ArrayValue::Bytes(bytes.into())))
                .boxed()
        }
        T::Array(element) => {
            prop::collection::vec(value_of(element, len_max.min(3)), 0..=len_max.min(6))
                .prop_map(|values| AlgebraicValue::Array(ArrayValue::Values(values)))
                .boxed()
        }
        T::Product(product) => {
            let elements = product.elements.iter();
            let values: Vec<_> = elements
                .map(|element| value_of(&element.algebraic_type, len_max))
                .collect();
            values.prop_map(AlgebraicValue::Product).boxed()
        }
        T::Sum(sum) => {
            let variants = sum.variants.iter().enumerate().map(|(tag, variant)| {
                let tag = u8::try_from(tag).unwrap();
                let payload = value_of(&variant.algebraic_type, len_max);
                let value = payload.prop_map(move |value| {
                    let value = Box::new(value);
                    AlgebraicValue::Sum(SumValue { tag, value })
                });
                (1, value.boxed())
            });
            proptest::strategy::Union::new_weighted(variants.collect()).boxed()
        }
    }
}

/// A row type and rows of it.
pub fn rows(
    columns: std::ops::Range<usize>,
    count: std::ops::Range<usize>,
    len_max: usize,
) -> impl Strategy<Value = (ProductType, Vec<AlgebraicValue>)> {
    prop::collection::vec(any_type(), columns).prop_flat_map(move |types| {
        let row_type = product(types);
        let value = value_of(&AlgebraicType::Product(row_type.clone()), len_max);
        (Just(row_type), prop::collection::vec(value, count.clone()))
    })
}

/// Appends the BSATN of a value.
pub fn write(value: &AlgebraicValue, out: &mut Vec<u8>) {
    use AlgebraicValue as V;
    let count = |len: usize| u32::try_from(len).unwrap().to_le_bytes();
    match value {
        V::Sum(sum) => {
            out.push(sum.tag);
            write(&sum.value, out);
        }
        V::Product(values) => values.iter().for_each(|value| write(value, out)),
        V::Array(ArrayValue::Bytes(bytes)) => {
            out.extend(count(bytes.len()));
            out.extend_from_slice(bytes);
        }
        V::Array(ArrayValue::Values(values)) => {
            out.extend(count(values.len()));
            values.iter().for_each(|value| write(value, out));
        }
        V::String(text) => {
            out.extend(count(text.len()));
            out.extend_from_slice(text.as_bytes());
        }
        V::Bool(value) => out.push(u8::from(*value)),
        V::I8(value) => out.extend(value.to_le_bytes()),
        V::U8(value) => out.extend(value.to_le_bytes()),
        V::I16(value) => out.extend(value.to_le_bytes()),
        V::U16(value) => out.extend(value.to_le_bytes()),
        V::I32(value) => out.extend(value.to_le_bytes()),
        V::U32(value) => out.extend(value.to_le_bytes()),
        V::I64(value) => out.extend(value.to_le_bytes()),
        V::U64(value) => out.extend(value.to_le_bytes()),
        V::I128(value) => out.extend(value.to_le_bytes()),
        V::U128(value) => out.extend(value.to_le_bytes()),
        V::I256(value) => out.extend(value.to_le_bytes()),
        V::U256(value) => out.extend(value.to_le_bytes()),
        V::F32(value) => out.extend(value.0.to_bits().to_le_bytes()),
        V::F64(value) => out.extend(value.0.to_bits().to_le_bytes()),
    }
}

pub fn bsatn(value: &AlgebraicValue) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

/// The values of the columns of a row.
pub fn columns(row: &AlgebraicValue) -> &[AlgebraicValue] {
    match row {
        AlgebraicValue::Product(values) => values,
        other => unreachable!("{other:?} is not a row"),
    }
}

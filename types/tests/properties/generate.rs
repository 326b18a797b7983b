//! Random types with values of them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use spacetime_types::bsatn;
use spacetime_types::{
    AlgebraicType, AlgebraicValue, ArrayValue, I256, ProductType, ProductTypeElement, SumType,
    SumTypeVariant, Typespace, U256,
};
use std::ops::Range;

/// A type, what its references mean, and two values of it.
#[derive(Clone, Debug)]
pub struct Case {
    pub typespace: Typespace,
    pub ty: AlgebraicType,
    pub value: AlgebraicValue,
    pub other: AlgebraicValue,
}

pub fn text_of(len: Range<usize>) -> BoxedStrategy<String> {
    let character = prop_oneof![
        any::<char>(),
        proptest::char::range(' ', '~'),
        select(vec!['"', '\\', '\n', '|']),
    ];
    vec(character, len)
        .prop_map(|characters| characters.into_iter().collect())
        .boxed()
}

fn name() -> impl Strategy<Value = Option<Box<str>>> {
    let names = select(vec![
        "a", "b", "c", "d", "some", "x y", "0", "none", "\u{e9}",
    ]);
    proptest::option::weighted(0.9, names.prop_map(Box::from))
}

/// Names that do not repeat; repeated ones cannot be read back from JSON.
fn names(count: usize) -> impl Strategy<Value = Vec<Option<Box<str>>>> {
    vec(name(), count).prop_map(|mut names| {
        for index in 1..names.len() {
            if names[index].is_some() && names[..index].contains(&names[index]) {
                names[index] = Some(format!("n{index}").into());
            }
        }
        names
    })
}

fn leaf(ref_count: u32) -> BoxedStrategy<AlgebraicType> {
    use AlgebraicType as Ty;
    let primitives = vec![
        Ty::String,
        Ty::Bool,
        Ty::I8,
        Ty::U8,
        Ty::I16,
        Ty::U16,
        Ty::I32,
        Ty::U32,
        Ty::I64,
        Ty::U64,
        Ty::I128,
        Ty::U128,
        Ty::I256,
        Ty::U256,
        Ty::F32,
        Ty::F64,
    ];
    let special = vec![
        Ty::unit(),
        Ty::bytes(),
        Ty::identity(),
        Ty::connection_id(),
        Ty::timestamp(),
        Ty::time_duration(),
        Ty::uuid(),
        Ty::schedule_at(),
        Ty::plain_enum(["a", "b", "c"]),
    ];
    if ref_count == 0 {
        return prop_oneof![3 => select(primitives), 1 => select(special)].boxed();
    }
    let reference = (0..ref_count).prop_map(Ty::reference);
    prop_oneof![3 => select(primitives), 1 => select(special), 1 => reference].boxed()
}

fn types(ref_count: u32) -> BoxedStrategy<AlgebraicType> {
    leaf(ref_count)
        .prop_recursive(3, 24, 4, |inner| {
            let product = vec(inner.clone(), 0..4).prop_flat_map(|types| {
                names(types.len()).prop_map(move |names| {
                    let parts = names.into_iter().zip(types.clone());
                    let element = |(name, algebraic_type)| ProductTypeElement {
                        name,
                        algebraic_type,
                    };
                    AlgebraicType::Product(ProductType {
                        elements: parts.map(element).collect(),
                    })
                })
            });
            let sum = vec(inner.clone(), 1..4).prop_flat_map(|types| {
                names(types.len()).prop_map(move |names| {
                    let parts = names.into_iter().zip(types.clone());
                    let variant = |(name, algebraic_type)| SumTypeVariant {
                        name,
                        algebraic_type,
                    };
                    AlgebraicType::Sum(SumType {
                        variants: parts.map(variant).collect(),
                    })
                })
            });
            prop_oneof![
                3 => product,
                2 => sum,
                1 => inner.clone().prop_map(AlgebraicType::array),
                1 => inner.clone().prop_map(AlgebraicType::option),
                1 => (inner.clone(), inner).prop_map(|(ok, err)| AlgebraicType::result(ok, err)),
            ]
        })
        .boxed()
}

/// Floats whose text does not depend on when an exponent is used.
fn floats() -> impl Strategy<Value = f64> {
    let tame = any::<i16>().prop_map(|number| f64::from(number) / 8.0);
    let odd = select(vec![
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        0.0,
        0.1,
    ]);
    prop_oneof![3 => tame, 1 => odd]
}

fn values(typespace: &Typespace, ty: &AlgebraicType) -> BoxedStrategy<AlgebraicValue> {
    use AlgebraicValue as Value;
    match typespace.follow(ty).unwrap() {
        AlgebraicType::Ref(_) => unreachable!("references were followed"),
        AlgebraicType::Sum(sum) => {
            let variants: Vec<_> = sum.variants.iter().enumerate().collect();
            let payload = |(tag, variant): &(usize, &SumTypeVariant)| {
                let tag = u8::try_from(*tag).unwrap();
                values(typespace, &variant.algebraic_type)
                    .prop_map(move |value| Value::sum(tag, value))
                    .boxed()
            };
            proptest::strategy::Union::new(variants.iter().map(payload)).boxed()
        }
        // The official crate panics while printing times of the years after 262142.
        ty if ty.is_timestamp() => (-8_000_000_000_000_000_000i64..8_000_000_000_000_000_000)
            .prop_map(|micros| Value::Product(vec![micros.into()]))
            .boxed(),
        AlgebraicType::Product(product) => {
            let elements: Vec<_> = product
                .elements
                .iter()
                .map(|element| values(typespace, &element.algebraic_type))
                .collect();
            elements.prop_map(Value::Product).boxed()
        }
        AlgebraicType::Array(element) => match typespace.follow(element).unwrap() {
            AlgebraicType::U8 => vec(any::<u8>(), 0..5).prop_map(Value::from).boxed(),
            element => vec(values(typespace, element), 0..4)
                .prop_map(|values| Value::Array(ArrayValue::Values(values)))
                .boxed(),
        },
        AlgebraicType::String => text_of(0..8).prop_map(Value::from).boxed(),
        AlgebraicType::Bool => any::<bool>().prop_map(Value::from).boxed(),
        AlgebraicType::I8 => any::<i8>().prop_map(Value::from).boxed(),
        AlgebraicType::U8 => any::<u8>().prop_map(Value::from).boxed(),
        AlgebraicType::I16 => any::<i16>().prop_map(Value::from).boxed(),
        AlgebraicType::U16 => any::<u16>().prop_map(Value::from).boxed(),
        AlgebraicType::I32 => any::<i32>().prop_map(Value::from).boxed(),
        AlgebraicType::U32 => any::<u32>().prop_map(Value::from).boxed(),
        AlgebraicType::I64 => any::<i64>().prop_map(Value::from).boxed(),
        AlgebraicType::U64 => any::<u64>().prop_map(Value::from).boxed(),
        AlgebraicType::I128 => any::<i128>().prop_map(Value::from).boxed(),
        AlgebraicType::U128 => any::<u128>().prop_map(Value::from).boxed(),
        AlgebraicType::I256 => (any::<i128>(), any::<u128>())
            .prop_map(|(high, low)| Value::from(I256::from_words(high, low.cast_signed())))
            .boxed(),
        AlgebraicType::U256 => (any::<u128>(), any::<u128>())
            .prop_map(|(high, low)| Value::from(U256::from_words(high, low)))
            .boxed(),
        #[allow(clippy::cast_possible_truncation)]
        AlgebraicType::F32 => floats()
            .prop_map(|number| Value::from(number as f32))
            .boxed(),
        AlgebraicType::F64 => floats().prop_map(Value::from).boxed(),
    }
}

pub fn case() -> impl Strategy<Value = Case> {
    (types(0), types(1), types(2)).prop_flat_map(|(first, second, ty)| {
        let typespace = Typespace {
            types: vec![first, second],
        };
        let value = values(&typespace, &ty);
        (value.clone(), value).prop_map(move |(value, other)| Case {
            typespace: typespace.clone(),
            ty: ty.clone(),
            value,
            other,
        })
    })
}

/// The bytes of a value, cut off, extended or with one byte changed.
pub fn mutated_bytes() -> impl Strategy<Value = (Case, Vec<u8>)> {
    let mutation = (0..4, any::<proptest::sample::Index>(), any::<u8>());
    (case(), mutation).prop_map(|(case, (kind, index, byte))| {
        let mut bytes = bsatn::to_vec(&case.value);
        if bytes.is_empty() || kind == 0 {
            bytes.push(byte);
        } else if kind == 1 {
            bytes.truncate(index.index(bytes.len()));
        } else {
            let index = index.index(bytes.len());
            bytes[index] = byte % 8;
        }
        (case, bytes)
    })
}

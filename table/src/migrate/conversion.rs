//! Converting values to types that hold all old values: explicit migrations only.
//!
//! A type converts to a wider integer or float, to an option of itself, to an enum with more
//! variants; and so do the parts of options, enums, records and arrays.

use spacetime_types::bsatn::{DecodeError, Reader, decode_value, encode_value};
use spacetime_types::{
    AlgebraicType, AlgebraicValue, ArrayValue, F64, I256, SumValue, Typespace, U256,
};

/// Whether every value of `from` has a counterpart in `to`.
pub(super) fn can_convert(from: &AlgebraicType, to: &AlgebraicType) -> bool {
    if from == to {
        return true;
    }
    if let Some(to) = to.as_option() {
        return can_convert(from.as_option().unwrap_or(from), to);
    }
    match (from, to) {
        (AlgebraicType::Sum(old), AlgebraicType::Sum(new)) => {
            let mut pairs = old.variants.iter().zip(&new.variants);
            old.variants.len() <= new.variants.len()
                && pairs.all(|(old, new)| {
                    old.name == new.name && can_convert(&old.algebraic_type, &new.algebraic_type)
                })
        }
        (AlgebraicType::Product(old), AlgebraicType::Product(new)) => {
            let mut pairs = old.elements.iter().zip(&new.elements);
            old.elements.len() == new.elements.len()
                && pairs.all(|(old, new)| {
                    old.name == new.name && can_convert(&old.algebraic_type, &new.algebraic_type)
                })
        }
        (AlgebraicType::Array(old), AlgebraicType::Array(new)) => can_convert(old, new),
        (AlgebraicType::F32, AlgebraicType::F64) => true,
        _ => match (integer(from), integer(to)) {
            (Some((false, from)), Some((true, to))) => from < to,
            (Some((from_signed, from)), Some((to_signed, to))) => {
                from_signed == to_signed && from <= to
            }
            _ => false,
        },
    }
}

/// Whether an integer type is signed, and its bits.
fn integer(ty: &AlgebraicType) -> Option<(bool, u16)> {
    Some(match ty {
        AlgebraicType::I8 => (true, 8),
        AlgebraicType::U8 => (false, 8),
        AlgebraicType::I16 => (true, 16),
        AlgebraicType::U16 => (false, 16),
        AlgebraicType::I32 => (true, 32),
        AlgebraicType::U32 => (false, 32),
        AlgebraicType::I64 => (true, 64),
        AlgebraicType::U64 => (false, 64),
        AlgebraicType::I128 => (true, 128),
        AlgebraicType::U128 => (false, 128),
        AlgebraicType::I256 => (true, 256),
        AlgebraicType::U256 => (false, 256),
        _ => return None,
    })
}

/// Appends the counterpart of a stored value. The types convert.
pub(super) fn convert_bsatn(
    value: &[u8],
    from: &AlgebraicType,
    to: &AlgebraicType,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let value = decode_value(&Typespace::default(), from, &mut Reader::new(value))?;
    encode_value(&convert(value, from, to), out);
    Ok(())
}

/// The counterpart of a value. Depth is that of the types.
fn convert(value: AlgebraicValue, from: &AlgebraicType, to: &AlgebraicType) -> AlgebraicValue {
    if from == to {
        return value;
    }
    if let (Some(some), None) = (to.as_option(), from.as_option()) {
        return AlgebraicValue::sum(0, convert(value, from, some));
    }
    match (value, from, to) {
        (AlgebraicValue::Sum(sum), AlgebraicType::Sum(old), AlgebraicType::Sum(new)) => {
            let tag = usize::from(sum.tag);
            let (old, new) = (&old.variants[tag], &new.variants[tag]);
            let value = convert(*sum.value, &old.algebraic_type, &new.algebraic_type);
            AlgebraicValue::Sum(SumValue {
                tag: sum.tag,
                value: Box::new(value),
            })
        }
        (
            AlgebraicValue::Product(fields),
            AlgebraicType::Product(old),
            AlgebraicType::Product(new),
        ) => {
            let types = old.elements.iter().zip(&new.elements);
            let fields = fields.into_iter().zip(types).map(|(field, (old, new))| {
                convert(field, &old.algebraic_type, &new.algebraic_type)
            });
            AlgebraicValue::Product(fields.collect())
        }
        (AlgebraicValue::Array(array), AlgebraicType::Array(old), AlgebraicType::Array(new)) => {
            let values = match array {
                ArrayValue::Values(values) => values,
                ArrayValue::Bytes(bytes) => {
                    bytes.iter().map(|byte| AlgebraicValue::U8(*byte)).collect()
                }
            };
            AlgebraicValue::array(values.into_iter().map(|value| convert(value, old, new)))
        }
        (AlgebraicValue::F32(value), _, AlgebraicType::F64) => {
            AlgebraicValue::F64(F64(value.0.into()))
        }
        (value, _, to) => {
            let integer = value
                .as_integer()
                .and_then(|value| integer_value(value, to));
            integer.unwrap_or_else(|| panic!("{from} converts to {to}"))
        }
    }
}

/// An integer as a value of a type that holds it.
fn integer_value(value: I256, to: &AlgebraicType) -> Option<AlgebraicValue> {
    Some(match to {
        AlgebraicType::I16 => AlgebraicValue::I16(value.try_into().ok()?),
        AlgebraicType::U16 => AlgebraicValue::U16(value.try_into().ok()?),
        AlgebraicType::I32 => AlgebraicValue::I32(value.try_into().ok()?),
        AlgebraicType::U32 => AlgebraicValue::U32(value.try_into().ok()?),
        AlgebraicType::I64 => AlgebraicValue::I64(value.try_into().ok()?),
        AlgebraicType::U64 => AlgebraicValue::U64(value.try_into().ok()?),
        AlgebraicType::I128 => AlgebraicValue::I128(value.try_into().ok()?),
        AlgebraicType::U128 => AlgebraicValue::U128(value.try_into().ok()?),
        AlgebraicType::I256 => AlgebraicValue::I256(value),
        AlgebraicType::U256 => AlgebraicValue::U256(U256::try_from(value).ok()?),
        _ => return None,
    })
}

//! Which types a module may use, and which values belong to a type.
//!
//! These functions follow the nesting of a decoded type, which `bsatn` has bounded.

use crate::bsatn::DEPTH_MAX;
use crate::{AlgebraicType, AlgebraicValue, ArrayValue, Typespace};

impl AlgebraicType {
    /// Whether a module may use this type in place. Other inline products and sums must be
    /// declared in the typespace and used through a reference, so that clients can name them.
    #[must_use]
    pub fn is_valid_use(&self) -> bool {
        match self {
            AlgebraicType::Array(element) => element.is_valid_use(),
            AlgebraicType::Product(product) => self.is_unit() || product.is_special(),
            AlgebraicType::Sum(sum) => {
                if let Some(some) = sum.as_option() {
                    some.is_valid_use()
                } else if let Some((ok, err)) = sum.as_result() {
                    ok.is_valid_use() && err.is_valid_use()
                } else {
                    self.is_never() || sum.is_schedule_at()
                }
            }
            _ => true,
        }
    }

    /// Whether a module may declare this type: a product or sum that is not special and whose
    /// parts are valid uses.
    #[must_use]
    pub fn is_valid_definition(&self) -> bool {
        if self.is_special() {
            return false;
        }
        match self {
            AlgebraicType::Product(product) => {
                let mut elements = product.elements.iter();
                elements.all(|element| element.algebraic_type.is_valid_use())
            }
            AlgebraicType::Sum(sum) => {
                let mut variants = sum.variants.iter();
                variants.all(|variant| variant.algebraic_type.is_valid_use())
            }
            _ => false,
        }
    }
}

impl AlgebraicValue {
    /// Whether this is a value of type `ty`, whose references point into `typespace`. A value
    /// that is nested deeper than a decoder would go belongs to no type.
    #[must_use]
    pub fn has_type(&self, typespace: &Typespace, ty: &AlgebraicType) -> bool {
        has_type(self, typespace, ty, DEPTH_MAX)
    }
}

fn has_type(
    value: &AlgebraicValue,
    typespace: &Typespace,
    ty: &AlgebraicType,
    left: usize,
) -> bool {
    let Ok(ty) = typespace.follow(ty) else {
        return false;
    };
    let Some(left) = left.checked_sub(1) else {
        return false;
    };
    match (value, ty) {
        (AlgebraicValue::Sum(value), AlgebraicType::Sum(ty)) => ty
            .variants
            .get(usize::from(value.tag))
            .is_some_and(|variant| {
                has_type(&value.value, typespace, &variant.algebraic_type, left)
            }),
        (AlgebraicValue::Product(values), AlgebraicType::Product(ty)) => {
            values.len() == ty.elements.len()
                && values.iter().zip(&ty.elements).all(|(value, element)| {
                    has_type(value, typespace, &element.algebraic_type, left)
                })
        }
        (AlgebraicValue::Array(array), AlgebraicType::Array(element)) => match array {
            ArrayValue::Bytes(_) => {
                matches!(typespace.follow(element), Ok(AlgebraicType::U8))
            }
            ArrayValue::Values(values) => {
                !matches!(typespace.follow(element), Ok(AlgebraicType::U8))
                    && values
                        .iter()
                        .all(|value| has_type(value, typespace, element, left))
            }
        },
        (AlgebraicValue::String(_), AlgebraicType::String)
        | (AlgebraicValue::Bool(_), AlgebraicType::Bool)
        | (AlgebraicValue::I8(_), AlgebraicType::I8)
        | (AlgebraicValue::U8(_), AlgebraicType::U8)
        | (AlgebraicValue::I16(_), AlgebraicType::I16)
        | (AlgebraicValue::U16(_), AlgebraicType::U16)
        | (AlgebraicValue::I32(_), AlgebraicType::I32)
        | (AlgebraicValue::U32(_), AlgebraicType::U32)
        | (AlgebraicValue::I64(_), AlgebraicType::I64)
        | (AlgebraicValue::U64(_), AlgebraicType::U64)
        | (AlgebraicValue::I128(_), AlgebraicType::I128)
        | (AlgebraicValue::U128(_), AlgebraicType::U128)
        | (AlgebraicValue::I256(_), AlgebraicType::I256)
        | (AlgebraicValue::U256(_), AlgebraicType::U256)
        | (AlgebraicValue::F32(_), AlgebraicType::F32)
        | (AlgebraicValue::F64(_), AlgebraicType::F64) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_uses() {
        let inline = || AlgebraicType::product([("a", AlgebraicType::U8)]);
        let fine = [
            AlgebraicType::U8,
            AlgebraicType::String,
            AlgebraicType::reference(3),
            AlgebraicType::array(AlgebraicType::reference(3)),
            AlgebraicType::option(AlgebraicType::bytes()),
            AlgebraicType::result(AlgebraicType::U8, AlgebraicType::unit()),
            AlgebraicType::schedule_at(),
            AlgebraicType::never(),
            AlgebraicType::unit(),
            AlgebraicType::identity(),
            AlgebraicType::connection_id(),
            AlgebraicType::timestamp(),
            AlgebraicType::time_duration(),
            AlgebraicType::uuid(),
        ];
        for ty in fine {
            assert!(ty.is_valid_use(), "{ty}");
        }
        let refused = [
            inline(),
            AlgebraicType::array(inline()),
            AlgebraicType::option(inline()),
            AlgebraicType::result(AlgebraicType::U8, inline()),
            AlgebraicType::plain_enum(["a"]),
            AlgebraicType::product([("__identity__", AlgebraicType::U128)]),
        ];
        for ty in refused {
            assert!(!ty.is_valid_use(), "{ty}");
        }
    }

    #[test]
    fn valid_definitions() {
        let inline = AlgebraicType::product([("a", AlgebraicType::U8)]);
        assert!(inline.is_valid_definition());
        assert!(AlgebraicType::plain_enum(["a", "b"]).is_valid_definition());
        assert!(AlgebraicType::unit().is_valid_definition());
        assert!(!AlgebraicType::product([("i", inline)]).is_valid_definition());
        assert!(!AlgebraicType::U8.is_valid_definition());
        assert!(!AlgebraicType::identity().is_valid_definition());
        assert!(!AlgebraicType::option(AlgebraicType::U8).is_valid_definition());
        assert!(!AlgebraicType::schedule_at().is_valid_definition());
    }

    #[test]
    fn values_have_types() {
        let typespace = Typespace {
            types: vec![AlgebraicType::U8, AlgebraicType::reference(1)],
        };
        let byte = AlgebraicType::reference(0);
        let pair = AlgebraicType::tuple([byte.clone(), AlgebraicType::option(byte.clone())]);
        let value = |tag| {
            AlgebraicValue::Product(vec![
                AlgebraicValue::from(1u8),
                AlgebraicValue::sum(tag, AlgebraicValue::from(2u8)),
            ])
        };
        assert!(value(0).has_type(&typespace, &pair));
        assert!(!value(1).has_type(&typespace, &pair));
        assert!(!value(2).has_type(&typespace, &pair));
        assert!(!AlgebraicValue::Product(vec![]).has_type(&typespace, &pair));
        let bytes = AlgebraicValue::from(vec![1u8]);
        assert!(bytes.has_type(&typespace, &AlgebraicType::array(byte)));
        assert!(!bytes.has_type(&typespace, &AlgebraicType::array(AlgebraicType::Bool)));
        assert!(!bytes.has_type(&typespace, &AlgebraicType::reference(1)));
    }
}

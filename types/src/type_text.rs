//! The text form of types, as it appears in errors and migration plans.

use crate::{AlgebraicType, ProductType, SumType};
use std::fmt::{Display, Formatter, Result};

impl Display for AlgebraicType {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            AlgebraicType::Ref(type_ref) => type_ref.fmt(f),
            AlgebraicType::Sum(sum) => sum.fmt(f),
            AlgebraicType::Product(product) => product.fmt(f),
            AlgebraicType::Array(element) => write!(f, "Array<{element}>"),
            // The names of the other kinds are those of the enum.
            primitive => write!(f, "{primitive:?}"),
        }
    }
}

impl Display for ProductType {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("(")?;
        for (index, element) in self.elements.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            match &element.name {
                Some(name) => write!(f, "{name}: ")?,
                None => write!(f, "{index}: ")?,
            }
            element.algebraic_type.fmt(f)?;
        }
        f.write_str(")")
    }
}

impl Display for SumType {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.variants.is_empty() {
            return f.write_str("(|)");
        }
        f.write_str("(")?;
        for (index, variant) in self.variants.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            if let Some(name) = &variant.name {
                write!(f, "{name}: ")?;
            }
            variant.algebraic_type.fmt(f)?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ty: &AlgebraicType, expected: &str) {
        assert_eq!(ty.to_string(), expected);
    }

    #[test]
    fn prints_types() {
        let u8_type = AlgebraicType::U8;
        check(&u8_type, "U8");
        check(&AlgebraicType::String, "String");
        check(&AlgebraicType::reference(7), "&7");
        check(&AlgebraicType::array(AlgebraicType::F32), "Array<F32>");
        check(&AlgebraicType::unit(), "()");
        check(&AlgebraicType::never(), "(|)");
        check(
            &AlgebraicType::option(u8_type.clone()),
            "(some: U8 | none: ())",
        );
        check(
            &AlgebraicType::tuple([u8_type, AlgebraicType::String]),
            "(0: U8, 1: String)",
        );
        check(
            &AlgebraicType::schedule_at(),
            "(Interval: (__time_duration_micros__: I64) | \
             Time: (__timestamp_micros_since_unix_epoch__: I64))",
        );
    }
}

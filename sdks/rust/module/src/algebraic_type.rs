//! Types as data: what a module says about its tables and functions.

use crate::bsatn::{Serialize, write_len};

/// A type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlgebraicType {
    /// A named type, by its place in the module's list of types.
    Ref(AlgebraicTypeRef),
    /// One of several variants.
    Sum(SumType),
    /// Several values at once.
    Product(ProductType),
    /// Any number of values of one type.
    Array(ArrayType),
    /// UTF-8 text.
    String,
    /// True or false.
    Bool,
    /// A signed byte.
    I8,
    /// A byte.
    U8,
    /// 16 bits, signed.
    I16,
    /// 16 bits.
    U16,
    /// 32 bits, signed.
    I32,
    /// 32 bits.
    U32,
    /// 64 bits, signed.
    I64,
    /// 64 bits.
    U64,
    /// 128 bits, signed.
    I128,
    /// 128 bits.
    U128,
    /// 256 bits, signed.
    I256,
    /// 256 bits.
    U256,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// A place in the module's list of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlgebraicTypeRef(pub u32);

/// The type of lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArrayType {
    /// What they hold.
    pub elem_ty: Box<AlgebraicType>,
}

/// The type of structs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductType {
    /// The fields, in order.
    pub elements: Vec<ProductTypeElement>,
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductTypeElement {
    /// Its name.
    pub name: Option<String>,
    /// Its type.
    pub algebraic_type: AlgebraicType,
}

/// The type of enums.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SumType {
    /// The variants, in order: the place is the tag.
    pub variants: Vec<SumTypeVariant>,
}

/// A variant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SumTypeVariant {
    /// Its name.
    pub name: Option<String>,
    /// What it holds.
    pub algebraic_type: AlgebraicType,
}

impl AlgebraicType {
    /// A struct without fields.
    pub fn unit() -> Self {
        AlgebraicType::Product(ProductType::default())
    }

    /// A list.
    pub fn array(elem_ty: AlgebraicType) -> Self {
        AlgebraicType::Array(ArrayType {
            elem_ty: Box::new(elem_ty),
        })
    }

    /// A struct.
    pub fn product<'a>(fields: impl IntoIterator<Item = (&'a str, AlgebraicType)>) -> Self {
        let elements = fields
            .into_iter()
            .map(|(name, algebraic_type)| ProductTypeElement {
                name: Some(name.to_owned()),
                algebraic_type,
            });
        AlgebraicType::Product(ProductType {
            elements: elements.collect(),
        })
    }

    /// An enum.
    pub fn sum<'a>(variants: impl IntoIterator<Item = (&'a str, AlgebraicType)>) -> Self {
        let variants = variants
            .into_iter()
            .map(|(name, algebraic_type)| SumTypeVariant {
                name: Some(name.to_owned()),
                algebraic_type,
            });
        AlgebraicType::Sum(SumType {
            variants: variants.collect(),
        })
    }

    /// A value that may be absent.
    pub fn option(some: AlgebraicType) -> Self {
        AlgebraicType::sum([("some", some), ("none", AlgebraicType::unit())])
    }

    /// A value, or an error instead of it.
    pub fn result(ok: AlgebraicType, err: AlgebraicType) -> Self {
        AlgebraicType::sum([("ok", ok), ("err", err)])
    }

    fn tag(&self) -> u8 {
        match self {
            AlgebraicType::Ref(_) => 0,
            AlgebraicType::Sum(_) => 1,
            AlgebraicType::Product(_) => 2,
            AlgebraicType::Array(_) => 3,
            AlgebraicType::String => 4,
            AlgebraicType::Bool => 5,
            AlgebraicType::I8 => 6,
            AlgebraicType::U8 => 7,
            AlgebraicType::I16 => 8,
            AlgebraicType::U16 => 9,
            AlgebraicType::I32 => 10,
            AlgebraicType::U32 => 11,
            AlgebraicType::I64 => 12,
            AlgebraicType::U64 => 13,
            AlgebraicType::I128 => 14,
            AlgebraicType::U128 => 15,
            AlgebraicType::I256 => 16,
            AlgebraicType::U256 => 17,
            AlgebraicType::F32 => 18,
            AlgebraicType::F64 => 19,
        }
    }
}

impl Serialize for AlgebraicType {
    fn serialize(&self, out: &mut Vec<u8>) {
        out.push(self.tag());
        match self {
            AlgebraicType::Ref(AlgebraicTypeRef(place)) => place.serialize(out),
            AlgebraicType::Sum(sum) => {
                write_len(sum.variants.len(), out);
                for variant in &sum.variants {
                    variant.name.serialize(out);
                    variant.algebraic_type.serialize(out);
                }
            }
            AlgebraicType::Product(product) => product.serialize(out),
            AlgebraicType::Array(array) => array.elem_ty.serialize(out),
            _ => {}
        }
    }
}

impl Serialize for ProductType {
    fn serialize(&self, out: &mut Vec<u8>) {
        write_len(self.elements.len(), out);
        for element in &self.elements {
            element.name.serialize(out);
            element.algebraic_type.serialize(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bsatn::to_vec;

    fn check(algebraic_type: &AlgebraicType, hex: &str) {
        let bytes = to_vec(algebraic_type).unwrap();
        let found: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, hex, "{algebraic_type:?}");
    }

    #[test]
    fn types_as_bytes() {
        check(&AlgebraicType::Ref(AlgebraicTypeRef(7)), "0007000000");
        check(&AlgebraicType::sum([]), "0100000000");
        check(&AlgebraicType::unit(), "0200000000");
        check(
            &AlgebraicType::product([("a", AlgebraicType::U8)]),
            "020100000000010000006107",
        );
        check(
            &AlgebraicType::sum([("x", AlgebraicType::unit()), ("y", AlgebraicType::U32)]),
            "010200000000010000007802000000000001000000790b",
        );
        check(&AlgebraicType::array(AlgebraicType::U8), "0307");
        check(
            &AlgebraicType::option(AlgebraicType::U8),
            "01020000000004000000736f6d650700040000006e6f6e650200000000",
        );
        check(
            &AlgebraicType::result(AlgebraicType::U8, AlgebraicType::String),
            "010200000000020000006f6b07000300000065727204",
        );
        check(&AlgebraicType::String, "04");
        check(&AlgebraicType::F64, "13");
    }
}

//! The shape of data: a small structural type system of sums, products, arrays and primitives.

/// Index of a type in a [`Typespace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeRef(pub u32);

impl std::fmt::Display for TypeRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "&{}", self.0)
    }
}

/// A structural type. Equality follows kinds, names, order and inner types; a `Ref` equals only a
/// `Ref` of the same number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AlgebraicType {
    Ref(TypeRef),
    Sum(SumType),
    Product(ProductType),
    Array(Box<AlgebraicType>),
    String,
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    I128,
    U128,
    I256,
    U256,
    F32,
    F64,
}

/// A record or tuple.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProductType {
    pub elements: Vec<ProductTypeElement>,
}

/// One field of a product.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProductTypeElement {
    pub name: Option<Box<str>>,
    pub algebraic_type: AlgebraicType,
}

/// A tagged union. The tag is the variant's position and fits a byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SumType {
    pub variants: Vec<SumTypeVariant>,
}

/// One variant of a sum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SumTypeVariant {
    pub name: Option<Box<str>>,
    pub algebraic_type: AlgebraicType,
}

/// The types that `Ref`s point into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typespace {
    pub types: Vec<AlgebraicType>,
}

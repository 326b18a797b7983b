//! Values of [`AlgebraicType`](crate::AlgebraicType)s.
//!
//! Invariants
//!   * Ordering and equality of floats are total: `-0.0 == 0.0`, all NaNs are equal and greatest.
//!     `Hash` agrees with that equality.
//!   * An `Array<U8>` is always [`ArrayValue::Bytes`], any other array [`ArrayValue::Values`].

use ethnum::{I256, U256};

/// A value tree. It mirrors its type and carries no names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlgebraicValue {
    Sum(SumValue),
    Product(Vec<AlgebraicValue>),
    Array(ArrayValue),
    String(Box<str>),
    Bool(bool),
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
    I256(I256),
    U256(U256),
    F32(F32),
    F64(F64),
}

/// A variant's tag and payload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SumValue {
    pub tag: u8,
    pub value: Box<AlgebraicValue>,
}

/// Elements of an array; bytes are kept packed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArrayValue {
    Bytes(Box<[u8]>),
    Values(Vec<AlgebraicValue>),
}

macro_rules! total_float {
    ($name:ident, $float:ty, $bits:ty) => {
        /// A float with a total order: `-0.0 == 0.0`, every NaN is equal to every other and
        /// greater than all numbers. The bits are kept as they are.
        #[derive(Clone, Copy, Debug)]
        pub struct $name(pub $float);

        impl $name {
            /// The bits of the representative of this value's equality class.
            fn canonical_bits(self) -> $bits {
                if self.0.is_nan() {
                    <$float>::NAN.to_bits()
                } else if self.0 == 0.0 {
                    0
                } else {
                    self.0.to_bits()
                }
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.canonical_bits() == other.canonical_bits()
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.0
                    .partial_cmp(&other.0)
                    .unwrap_or_else(|| self.0.is_nan().cmp(&other.0.is_nan()))
            }
        }

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.canonical_bits().hash(state);
            }
        }
    };
}

total_float!(F32, f32, u32);
total_float!(F64, f64, u64);

//! Algebraic types and values, their two encodings (BSATN and SATS-JSON), identities,
//! time, names, and module definitions.
//!
//! Everything here is a plain value: no I/O, no clock, no randomness.

mod algebraic_type;
mod algebraic_value;
pub mod bsatn;
mod ids;

pub use algebraic_type::{
    AlgebraicType, ProductType, ProductTypeElement, SumType, SumTypeVariant, TypeRef, Typespace,
};
pub use algebraic_value::{AlgebraicValue, ArrayValue, F32, F64, SumValue};
pub use ids::{ColId, ConstraintId, IndexId, SequenceId, TableId, TxOffset};

//! SATS-JSON: one input grammar, and output flavours that differ in how products and sums look.
//!
//! Invariants
//!   * Reading goes straight from text to BSATN, because a generic JSON value would lose repeated
//!     fields and large numbers.
//!   * Input nests at most [`DEPTH_MAX`](crate::bsatn::DEPTH_MAX) levels, and text after the value
//!     is refused.
//!   * NaN and the infinities are written as `null` and cannot be read back.
//!
//! Not here: the plain-hex form of identities in fields of the HTTP API.

mod lexer;
mod read;
mod type_form;
mod write;

#[cfg(test)]
mod tests;

pub use read::{
    JsonError, json_to_bsatn, product_args_from_json, value_from_json, value_from_json_text,
};
pub use type_form::{type_to_json, typespace_to_json};
pub use write::{
    Flavour, WriteJsonError, push_string, value_to_json, value_to_json_text, write_bsatn,
};

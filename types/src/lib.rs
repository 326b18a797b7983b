//! Algebraic types and values, their two encodings (BSATN and SATS-JSON), identities,
//! time, names, and module definitions.
//!
//! Everything here is a plain value: no I/O, no clock, no randomness.
//!
//! ```
//! use spacetime_types::bsatn::{self, Reader};
//! use spacetime_types::{AlgebraicType, Identity, Typespace, json, satn};
//!
//! spacetime_types::bsatn_struct! {
//!     struct Player {
//!         owner: Identity,
//!         name: Option<String>,
//!     }
//! }
//!
//! let owner = Identity::from_claims("http://localhost", "alice");
//! let row = bsatn::to_vec(&Player { owner, name: Some("Alice".to_owned()) });
//!
//! // The same row, seen through its run-time type.
//! let ty = AlgebraicType::product([
//!     ("owner", AlgebraicType::identity()),
//!     ("name", AlgebraicType::option(AlgebraicType::String)),
//! ]);
//! let typespace = Typespace::default();
//! let mut text = String::new();
//! satn::write_bsatn(
//!     &typespace, &ty, &mut Reader::new(&row), satn::Style::Console, &mut text,
//! )?;
//! assert_eq!(text, format!("(owner = 0x{owner}, name = (some = \"Alice\"))"));
//!
//! let mut from_json = Vec::new();
//! let text = format!(r#"{{"name": {{"some": "Alice"}}, "owner": ["0x{owner}"]}}"#);
//! json::json_to_bsatn(&typespace, &ty, &text, &mut from_json)?;
//! assert_eq!(from_json, row);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod algebraic_type;
mod algebraic_value;
pub mod bsatn;
mod hash;
pub mod hex;
mod identity;
mod ids;
pub mod json;
mod layout;
pub mod module_def;
pub mod names;
pub mod satn;
pub mod special_types;
mod timestamp;
mod timestamp_text;
mod type_rules;
mod type_text;
mod typespace;
mod uuid;
mod value_conversion;

pub use algebraic_type::{
    AlgebraicType, ProductType, ProductTypeElement, SumType, SumTypeVariant, TypeRef, Typespace,
};
pub use algebraic_value::{AlgebraicValue, ArrayValue, F32, F64, SumValue};
pub use ethnum::{I256, U256};
pub use hash::Hash;
pub use identity::{ConnectionId, Identity, ParseHexError};
pub use ids::{ColId, ConstraintId, IndexId, SequenceId, TableId, TxOffset};
pub use layout::Layout;
pub use timestamp::{ScheduleAt, TimeDuration, Timestamp};
pub use timestamp_text::ParseTimestampError;
pub use typespace::{RESOLVED_NODE_COUNT_MAX, ResolveError};
pub use uuid::{ParseUuidError, TimestampBeforeEpoch, Uuid, UuidVersion};

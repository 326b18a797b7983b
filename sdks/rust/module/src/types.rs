//! The types that the database gives a meaning to, and modules use by name.

mod connection_id;
mod digest;
mod hash;
mod hex;
mod identity;
mod ids;
mod keccak;
mod schedule_at;
mod time_text;
mod timestamp;
mod uuid;
mod value;

pub use connection_id::ConnectionId;
pub use hash::{HASH_SIZE, Hash, hash_bytes};
pub use hex::{HexString, ParseHexError, encode as encode_hex};
pub use identity::Identity;
pub use ids::{ArgId, ColId, ConstraintId, IndexId, ScheduleId, SequenceId, TableId, ViewId};
pub use schedule_at::ScheduleAt;
pub use time_text::ParseTimestampError;
pub use timestamp::{TimeDuration, Timestamp};
pub use uuid::{ParseUuidError, Uuid, Version};
pub use value::{AlgebraicValue, ArrayValue, ProductValue, SumValue};

/// The codec and the description of a type that is one number with a reserved name.
macro_rules! one_number {
    ($type:ident, $name:literal, $number:ident, $field:tt) => {
        impl $crate::bsatn::Serialize for $type {
            #[inline]
            fn serialize(&self, out: &mut Vec<u8>) {
                self.$field.serialize(out);
            }
        }

        impl<'de> $crate::bsatn::Deserialize<'de> for $type {
            #[inline]
            fn deserialize(
                reader: &mut $crate::bsatn::Reader<'de>,
            ) -> Result<Self, $crate::bsatn::DecodeError> {
                Ok($type {
                    $field: $crate::bsatn::Deserialize::deserialize(reader)?,
                })
            }
        }

        impl $crate::spacetime_type::SpacetimeType for $type {
            fn make_type(
                _: &mut $crate::spacetime_type::TypeBuilder,
            ) -> $crate::algebraic_type::AlgebraicType {
                $crate::algebraic_type::AlgebraicType::product([(
                    $name,
                    $crate::algebraic_type::AlgebraicType::$number,
                )])
            }
        }
    };
}
pub(crate) use one_number;

//! The numbers by which the database knows its own parts.

use crate::algebraic_type::AlgebraicType;
use crate::bsatn::{DecodeError, Deserialize, Reader, Serialize};
use crate::spacetime_type::{SpacetimeType, TypeBuilder};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($number:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $number);

        impl $name {
            /// Zero: not an id that the database gives out.
            pub const SENTINEL: Self = $name(0);

            /// Whether it is that.
            pub fn is_sentinel(self) -> bool {
                self == Self::SENTINEL
            }

            /// The number, as an index.
            pub const fn idx(self) -> usize {
                #[allow(clippy::cast_possible_truncation)]
                let index = self.0 as usize;
                index
            }
        }

        impl From<$number> for $name {
            fn from(number: $number) -> Self {
                $name(number)
            }
        }

        impl From<$name> for $number {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Serialize for $name {
            fn serialize(&self, out: &mut Vec<u8>) {
                self.0.serialize(out);
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
                Deserialize::deserialize(reader).map($name)
            }
        }

        impl SpacetimeType for $name {
            fn make_type(types: &mut TypeBuilder) -> AlgebraicType {
                <$number>::make_type(types)
            }
        }
    )*};
}

ids! {
    /// A table.
    TableId(u32);
    /// An index.
    IndexId(u32);
    /// A sequence.
    SequenceId(u32);
    /// A constraint.
    ConstraintId(u32);
    /// A schedule.
    ScheduleId(u32);
    /// A view.
    ViewId(u32);
    /// The arguments of a view.
    ArgId(u64);
    /// A column, by its place in the table.
    ColId(u16);
}

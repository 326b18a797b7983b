//! Numbers that name things inside one database.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($number:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $number);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl crate::bsatn::Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
            }
        }

        impl<'a> crate::bsatn::Decode<'a> for $name {
            fn decode(
                reader: &mut crate::bsatn::Reader<'a>,
            ) -> Result<Self, crate::bsatn::DecodeError> {
                crate::bsatn::Decode::decode(reader).map($name)
            }
        }
    };
}

id!(/// A table; ids below 4096 are the system's.
    TableId(u32));
id!(/// A column's position in its table.
    ColId(u16));
id!(/// An index.
    IndexId(u32));
id!(/// A constraint.
    ConstraintId(u32));
id!(/// A sequence.
    SequenceId(u32));
id!(/// Position of a transaction in a database's history, from 0, without gaps.
    TxOffset(u64));

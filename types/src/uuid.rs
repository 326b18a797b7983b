//! UUIDs as 128-bit numbers.

use crate::bsatn::{Decode, DecodeError, Encode, Reader};

/// The big-endian reading of the 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub u128);

impl Encode for Uuid {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl<'a> Decode<'a> for Uuid {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Decode::decode(reader).map(Uuid)
    }
}

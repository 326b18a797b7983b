//! BSATN: the bytes of values, as they cross between the module and the host.
//!
//! Invariants
//!   * Little-endian, nothing aligned, nothing described: the type says what the bytes are.
//!   * A decoder never reads past its bytes, and never reserves memory for more elements than
//!     there are bytes left to hold them.
//!
//! Not here: the types themselves as data (see `algebraic_type`).

mod impls;
mod reader;

pub use reader::{DecodeError, Reader};

/// A value that can be written.
pub trait Serialize {
    /// Appends the bytes of the value.
    fn serialize(&self, out: &mut Vec<u8>);

    /// Appends the bytes of all elements, without their number. Bytes override it.
    #[doc(hidden)]
    fn serialize_elements(elements: &[Self], out: &mut Vec<u8>)
    where
        Self: Sized,
    {
        for element in elements {
            element.serialize(out);
        }
    }
}

/// A value that can be read.
pub trait Deserialize<'de>: Sized {
    /// Reads one value.
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError>;

    /// Reads so many elements. Bytes override it.
    #[doc(hidden)]
    fn deserialize_elements(
        count: usize,
        reader: &mut Reader<'de>,
    ) -> Result<Vec<Self>, DecodeError> {
        reader.check_count(count)?;
        let mut elements = Vec::with_capacity(count.min(ELEMENTS_RESERVED_MAX));
        for _ in 0..count {
            elements.push(Self::deserialize(reader)?);
        }
        Ok(elements)
    }
}

/// More room than this is made only as elements arrive.
const ELEMENTS_RESERVED_MAX: usize = 4096;

/// A value that can be read and keeps nothing of the bytes.
pub trait DeserializeOwned: for<'de> Deserialize<'de> {}

impl<T: for<'de> Deserialize<'de>> DeserializeOwned for T {}

/// The bytes of a value.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    value.serialize(&mut out);
    Ok(out)
}

/// A value from its bytes. Bytes after it are ignored.
pub fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, DecodeError> {
    T::deserialize(&mut Reader::new(bytes))
}

/// Appends the bytes of a value.
pub fn to_writer<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), EncodeError> {
    value.serialize(out);
    Ok(())
}

/// Never happens; [`to_vec`] has an error for the sake of code that expects one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {}

impl std::fmt::Display for EncodeError {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {}
    }
}

impl std::error::Error for EncodeError {}

/// Appends a number of elements or bytes.
pub(crate) fn write_len(len: usize, out: &mut Vec<u8>) {
    let len = u32::try_from(len).expect("a text or list is longer than BSATN allows: 2^32 - 1");
    out.extend_from_slice(&len.to_le_bytes());
}

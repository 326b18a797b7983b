//! The codec of Rust's own types.

use std::borrow::Cow;
use std::ops::Bound;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use ethnum::{I256, U256};
use smallvec::{Array, SmallVec};

use super::{DecodeError, Deserialize, Reader, Serialize, write_len};

macro_rules! numbers {
    ($($type:ty: $name:literal),*) => {$(
        impl Serialize for $type {
            #[inline]
            fn serialize(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }

        impl<'de> Deserialize<'de> for $type {
            #[inline]
            fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
                Ok(<$type>::from_le_bytes(reader.array($name)?))
            }
        }
    )*};
}

numbers!(
    i8: "i8", i16: "i16", u16: "u16", i32: "i32", u32: "u32", i64: "i64", u64: "u64",
    i128: "i128", u128: "u128", I256: "i256", U256: "u256", f32: "f32", f64: "f64"
);

/// Bytes have a faster way in lists.
impl Serialize for u8 {
    #[inline]
    fn serialize(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    #[inline]
    fn serialize_elements(elements: &[Self], out: &mut Vec<u8>) {
        out.extend_from_slice(elements);
    }
}

impl<'de> Deserialize<'de> for u8 {
    #[inline]
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        reader.tag()
    }

    #[inline]
    fn deserialize_elements(
        count: usize,
        reader: &mut Reader<'de>,
    ) -> Result<Vec<Self>, DecodeError> {
        Ok(reader.take(count, "[u8]")?.to_vec())
    }
}

impl Serialize for bool {
    #[inline]
    fn serialize(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl<'de> Deserialize<'de> for bool {
    #[inline]
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        match reader.tag()? {
            0 => Ok(false),
            1 => Ok(true),
            byte => Err(DecodeError::InvalidBool(byte)),
        }
    }
}

impl Serialize for str {
    #[inline]
    fn serialize(&self, out: &mut Vec<u8>) {
        write_len(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
}

impl<'de> Deserialize<'de> for &'de str {
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        let len = reader.read_len()?;
        let bytes = reader.take(len, "[u8]")?;
        std::str::from_utf8(bytes).map_err(|_| DecodeError::InvalidUtf8)
    }
}

impl Serialize for String {
    #[inline]
    fn serialize(&self, out: &mut Vec<u8>) {
        self.as_str().serialize(out);
    }
}

impl<'de> Deserialize<'de> for String {
    #[inline]
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        <&str>::deserialize(reader).map(str::to_owned)
    }
}

impl<T: Serialize> Serialize for [T] {
    #[inline]
    fn serialize(&self, out: &mut Vec<u8>) {
        write_len(self.len(), out);
        T::serialize_elements(self, out);
    }
}

impl<T: Serialize> Serialize for Vec<T> {
    #[inline]
    fn serialize(&self, out: &mut Vec<u8>) {
        self.as_slice().serialize(out);
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Vec<T> {
    #[inline]
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        let count = reader.read_len()?;
        T::deserialize_elements(count, reader)
    }
}

impl<A: Array<Item: Serialize>> Serialize for SmallVec<A> {
    #[inline]
    fn serialize(&self, out: &mut Vec<u8>) {
        self.as_slice().serialize(out);
    }
}

impl<'de, A: Array<Item: Deserialize<'de>>> Deserialize<'de> for SmallVec<A> {
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        let count = reader.read_len()?;
        reader.check_count(count)?;
        // Room for more than is inside of it is made as elements arrive.
        let mut elements = SmallVec::new();
        for _ in 0..count {
            elements.push(A::Item::deserialize(reader)?);
        }
        Ok(elements)
    }
}

impl<T: Serialize, const N: usize> Serialize for [T; N] {
    fn serialize(&self, out: &mut Vec<u8>) {
        self.as_slice().serialize(out);
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for [T; N] {
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        let elements = Vec::<T>::deserialize(reader)?;
        let wrong = DecodeError::ArrayLength {
            expected: N,
            given: elements.len(),
        };
        elements.try_into().map_err(|_| wrong)
    }
}

#[cfg(feature = "bytestring")]
impl Serialize for bytestring::ByteString {
    fn serialize(&self, out: &mut Vec<u8>) {
        (**self).serialize(out);
    }
}

#[cfg(feature = "bytestring")]
impl<'de> Deserialize<'de> for bytestring::ByteString {
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        <&str>::deserialize(reader).map(Self::from)
    }
}

impl<'de> Deserialize<'de> for &'de [u8] {
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        let len = reader.read_len()?;
        reader.take(len, "[u8]")
    }
}

impl<'de> Deserialize<'de> for Cow<'de, str> {
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        Deserialize::deserialize(reader).map(Cow::Borrowed)
    }
}

impl<'de> Deserialize<'de> for Cow<'de, [u8]> {
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        Deserialize::deserialize(reader).map(Cow::Borrowed)
    }
}

impl<T: Serialize> Serialize for Bound<T> {
    fn serialize(&self, out: &mut Vec<u8>) {
        let (tag, value) = match self {
            Bound::Included(value) => (0, Some(value)),
            Bound::Excluded(value) => (1, Some(value)),
            Bound::Unbounded => (2, None),
        };
        out.push(tag);
        if let Some(value) = value {
            value.serialize(out);
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bound<T> {
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        match reader.tag()? {
            0 => T::deserialize(reader).map(Bound::Included),
            1 => T::deserialize(reader).map(Bound::Excluded),
            2 => Ok(Bound::Unbounded),
            tag => Err(DecodeError::InvalidTag {
                tag,
                sum_name: Some("Bound"),
            }),
        }
    }
}

impl Serialize for Bytes {
    fn serialize(&self, out: &mut Vec<u8>) {
        self.as_ref().serialize(out);
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        Vec::<u8>::deserialize(reader).map(Bytes::from)
    }
}

impl<T: Serialize + ?Sized> Serialize for &T {
    #[inline]
    fn serialize(&self, out: &mut Vec<u8>) {
        (**self).serialize(out);
    }
}

macro_rules! pointers {
    ($($pointer:ident),*) => {$(
        impl<T: Serialize + ?Sized> Serialize for $pointer<T> {
            #[inline]
            fn serialize(&self, out: &mut Vec<u8>) {
                (**self).serialize(out);
            }
        }

        impl<'de, T: Deserialize<'de>> Deserialize<'de> for $pointer<T> {
            fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
                T::deserialize(reader).map($pointer::new)
            }
        }

        impl<'de> Deserialize<'de> for $pointer<str> {
            fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
                String::deserialize(reader).map($pointer::from)
            }
        }

        impl<'de, T: Deserialize<'de>> Deserialize<'de> for $pointer<[T]> {
            fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
                Vec::<T>::deserialize(reader).map($pointer::from)
            }
        }
    )*};
}

pointers!(Box, Rc, Arc);

impl<T: Serialize> Serialize for Option<T> {
    #[inline]
    fn serialize(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => {
                out.push(0);
                value.serialize(out);
            }
            None => out.push(1),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Option<T> {
    #[inline]
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        match reader.tag()? {
            0 => T::deserialize(reader).map(Some),
            1 => Ok(None),
            tag => Err(DecodeError::InvalidTag {
                tag,
                sum_name: Some("Option"),
            }),
        }
    }
}

impl<T: Serialize, E: Serialize> Serialize for Result<T, E> {
    #[inline]
    fn serialize(&self, out: &mut Vec<u8>) {
        match self {
            Ok(value) => {
                out.push(0);
                value.serialize(out);
            }
            Err(error) => {
                out.push(1);
                error.serialize(out);
            }
        }
    }
}

impl<'de, T: Deserialize<'de>, E: Deserialize<'de>> Deserialize<'de> for Result<T, E> {
    #[inline]
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        match reader.tag()? {
            0 => T::deserialize(reader).map(Ok),
            1 => E::deserialize(reader).map(Err),
            tag => Err(DecodeError::InvalidTag {
                tag,
                sum_name: Some("Result"),
            }),
        }
    }
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),*);)*) => {$(
        impl<$($name: Serialize),*> Serialize for ($($name,)*) {
            fn serialize(&self, out: &mut Vec<u8>) {
                let _ = &out;
                $(self.$index.serialize(out);)*
            }
        }

        impl<'de, $($name: Deserialize<'de>),*> Deserialize<'de> for ($($name,)*) {
            fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
                let _ = &reader;
                Ok(($($name::deserialize(reader)?,)*))
            }
        }
    )*};
}

tuples! {
    ();
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
}

//! BSATN of Rust's own types.
//!
//! `Vec<u8>`, `Box<[u8]>` and `&[u8]` are all `Array<U8>`; `Option` is the sum `some | none`,
//! `Result` the sum `ok | err`; tuples are products; `[T; N]` is an array whose count is checked.

use super::{Decode, DecodeError, EMPTY_ELEMENT_COUNT_MAX, Encode, Reader, encode_len};
use ethnum::{I256, U256};

/// Up-front reservation of an array, in elements. Longer arrays grow as their bytes arrive.
const RESERVE_COUNT_MAX: usize = 4096;

pub(super) fn decode_elements_one_by_one<'a, T: Decode<'a>>(
    reader: &mut Reader<'a>,
    count: usize,
) -> Result<Vec<T>, DecodeError> {
    let mut elements = Vec::with_capacity(count.min(reader.rest().len()).min(RESERVE_COUNT_MAX));
    let start = reader.offset();
    for index in 0..count {
        elements.push(reader.nested(T::decode)?);
        if index == 0 {
            check_empty_elements(count, reader.offset() - start)?;
        }
    }
    Ok(elements)
}

/// Whether an element takes bytes depends on its type alone, so the first one tells.
pub(crate) fn check_empty_elements(count: usize, first_len: usize) -> Result<(), DecodeError> {
    if first_len == 0 && count > EMPTY_ELEMENT_COUNT_MAX {
        return Err(DecodeError::TooMany {
            what: "elements without bytes",
            given: count,
            max: EMPTY_ELEMENT_COUNT_MAX,
        });
    }
    Ok(())
}

macro_rules! number {
    ($($number:ident),*) => {$(
        impl Encode for $number {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }

        impl<'a> Decode<'a> for $number {
            #[inline]
            fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                reader.array(stringify!($number)).map(<$number>::from_le_bytes)
            }
        }
    )*};
}

number!(i8, i16, u16, i32, u32, i64, u64, i128, u128);

impl Encode for u8 {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    #[inline]
    fn encode_elements(elements: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(elements);
    }
}

impl<'a> Decode<'a> for u8 {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.u8()
    }

    #[inline]
    fn decode_elements(reader: &mut Reader<'a>, count: usize) -> Result<Vec<u8>, DecodeError> {
        reader.take(count).map(<[u8]>::to_vec)
    }
}

macro_rules! converted_number {
    ($($number:ident as $name:literal),*) => {$(
        impl Encode for $number {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }

        impl<'a> Decode<'a> for $number {
            #[inline]
            fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                reader.array($name).map($number::from_le_bytes)
            }
        }
    )*};
}

// The errors name the integer that carries the bits of a float.
converted_number!(I256 as "i256", U256 as "u256", f32 as "u32", f64 as "u64");

impl Encode for bool {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl<'a> Decode<'a> for bool {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        match reader.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            byte => Err(DecodeError::InvalidBool { offset, byte }),
        }
    }
}

impl Encode for str {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        encode_len(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
}

impl Encode for String {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_str().encode(out);
    }
}

impl<'a> Decode<'a> for &'a str {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.str()
    }
}

impl<'a> Decode<'a> for String {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.str().map(str::to_owned)
    }
}

impl<'a> Decode<'a> for Box<str> {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.str().map(Box::from)
    }
}

impl<'a> Decode<'a> for std::sync::Arc<str> {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.str().map(std::sync::Arc::from)
    }
}

impl<T: Encode> Encode for [T] {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        encode_len(self.len(), out);
        T::encode_elements(self, out);
    }
}

impl<T: Encode> Encode for Vec<T> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_slice().encode(out);
    }
}

impl<T: Encode, const N: usize> Encode for [T; N] {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_slice().encode(out);
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Vec<T> {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = reader.len()?;
        T::decode_elements(reader, count)
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Box<[T]> {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Vec::decode(reader).map(Vec::into_boxed_slice)
    }
}

impl<'a, T: Decode<'a>, const N: usize> Decode<'a> for [T; N] {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let given = reader.len()?;
        if given != N {
            return Err(DecodeError::ArrayLen { expected: N, given });
        }
        let elements = T::decode_elements(reader, N)?;
        elements
            .try_into()
            .map_err(|_| DecodeError::ArrayLen { expected: N, given })
    }
}

impl<'a> Decode<'a> for &'a [u8] {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.bytes()
    }
}

macro_rules! pointer {
    ($($pointer:ty),*) => {$(
        impl<T: Encode + ?Sized> Encode for $pointer {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                (**self).encode(out);
            }
        }
    )*};
}

pointer!(&T, Box<T>, std::sync::Arc<T>);

impl<'a, T: Decode<'a>> Decode<'a> for Box<T> {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.nested(T::decode).map(Box::new)
    }
}

impl<T: Encode> Encode for Option<T> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => {
                out.push(0);
                value.encode(out);
            }
            None => out.push(1),
        }
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Option<T> {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        match reader.u8()? {
            0 => T::decode(reader).map(Some),
            1 => Ok(None),
            tag => Err(DecodeError::InvalidTag {
                offset,
                tag,
                type_name: "Option",
            }),
        }
    }
}

impl<T: Encode, E: Encode> Encode for Result<T, E> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Ok(value) => {
                out.push(0);
                value.encode(out);
            }
            Err(error) => {
                out.push(1);
                error.encode(out);
            }
        }
    }
}

impl<'a, T: Decode<'a>, E: Decode<'a>> Decode<'a> for Result<T, E> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        match reader.u8()? {
            0 => T::decode(reader).map(Ok),
            1 => E::decode(reader).map(Err),
            tag => Err(DecodeError::InvalidTag {
                offset,
                tag,
                type_name: "Result",
            }),
        }
    }
}

impl Encode for std::convert::Infallible {
    fn encode(&self, _out: &mut Vec<u8>) {
        match *self {}
    }
}

impl<'a> Decode<'a> for std::convert::Infallible {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        let tag = reader.u8()?;
        Err(DecodeError::InvalidTag {
            offset,
            tag,
            type_name: "never",
        })
    }
}

macro_rules! tuple {
    ($($name:ident $index:tt),*) => {
        impl<$($name: Encode),*> Encode for ($($name,)*) {
            #[inline]
            #[allow(unused_variables)]
            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$index.encode(out);)*
            }
        }

        impl<'a, $($name: Decode<'a>),*> Decode<'a> for ($($name,)*) {
            #[inline]
            #[allow(unused_variables, clippy::unused_unit)]
            fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                Ok(($($name::decode(reader)?,)*))
            }
        }
    };
}

tuple!();
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);

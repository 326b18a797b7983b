//! The column types that occur in system tables, as Rust types.

use std::sync::Arc;

use spacetime_types::bsatn::{Decode, DecodeError, Encode, Reader, encode_len};
use spacetime_types::{
    AlgebraicType, ColId, ConnectionId, ConstraintId, Hash, Identity, IndexId, ProductType,
    SequenceId, SumType, SumTypeVariant, TableId,
};

use crate::schema::{ScheduleId, ViewId};

/// A Rust type that is a column of a system table.
pub(crate) trait Field: Sized {
    fn column_type() -> AlgebraicType;
    fn write(&self, out: &mut Vec<u8>);
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

macro_rules! numbers {
    ($($number:ty => $kind:ident),* $(,)?) => {
        $(
            impl Field for $number {
                fn column_type() -> AlgebraicType {
                    AlgebraicType::$kind
                }

                fn write(&self, out: &mut Vec<u8>) {
                    out.extend_from_slice(&self.to_le_bytes());
                }

                fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                    let mut bytes = [0; size_of::<$number>()];
                    bytes.copy_from_slice(reader.take(size_of::<$number>())?);
                    Ok(<$number>::from_le_bytes(bytes))
                }
            }
        )*
    };
}

numbers!(
    u8 => U8, u16 => U16, u32 => U32, u64 => U64, u128 => U128,
    i8 => I8, i16 => I16, i32 => I32, i64 => I64, i128 => I128,
    f32 => F32, f64 => F64,
);

macro_rules! ids {
    ($($id:ident($number:ty)),* $(,)?) => {
        $(
            impl Field for $id {
                fn column_type() -> AlgebraicType {
                    <$number>::column_type()
                }

                fn write(&self, out: &mut Vec<u8>) {
                    self.0.write(out);
                }

                fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                    <$number>::read(reader).map($id)
                }
            }
        )*
    };
}

ids!(
    TableId(u32),
    ColId(u16),
    IndexId(u32),
    ConstraintId(u32),
    SequenceId(u32),
    ScheduleId(u32),
    ViewId(u32),
);

/// Built-in tables hold these as plain numbers, without the wrapping product.
macro_rules! plain_numbers {
    ($($wrapper:ident => $kind:ident),* $(,)?) => {
        $(
            impl Field for $wrapper {
                fn column_type() -> AlgebraicType {
                    AlgebraicType::$kind
                }

                fn write(&self, out: &mut Vec<u8>) {
                    self.encode(out);
                }

                fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                    <$wrapper>::decode(reader)
                }
            }
        )*
    };
}

plain_numbers!(Identity => U256, Hash => U256, ConnectionId => U128);

impl Field for bool {
    fn column_type() -> AlgebraicType {
        AlgebraicType::Bool
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        match u8::read(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            byte => Err(DecodeError::InvalidBool { offset, byte }),
        }
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    encode_len(bytes.len(), out);
    out.extend_from_slice(bytes);
}

impl Field for Arc<str> {
    fn column_type() -> AlgebraicType {
        AlgebraicType::String
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self.as_bytes(), out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.str().map(Arc::from)
    }
}

impl Field for Vec<u8> {
    fn column_type() -> AlgebraicType {
        AlgebraicType::Array(Box::new(AlgebraicType::U8))
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.bytes().map(<[u8]>::to_vec)
    }
}

impl Field for Vec<ColId> {
    fn column_type() -> AlgebraicType {
        AlgebraicType::Array(Box::new(AlgebraicType::U16))
    }

    fn write(&self, out: &mut Vec<u8>) {
        encode_len(self.len(), out);
        for column in self {
            column.write(out);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = u32::read(reader)?;
        // Grows only with bytes that are there, whatever the length says.
        let mut columns = Vec::new();
        for _ in 0..len {
            columns.push(ColId::read(reader)?);
        }
        Ok(columns)
    }
}

impl<T: Field> Field for Option<T> {
    fn column_type() -> AlgebraicType {
        sum(vec![
            ("some", T::column_type()),
            ("none", AlgebraicType::Product(ProductType::default())),
        ])
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => {
                out.push(0);
                value.write(out);
            }
            None => out.push(1),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match read_tag(reader, 2, "Option")? {
            0 => T::read(reader).map(Some),
            _ => Ok(None),
        }
    }
}

/// A sum type from names and payloads.
pub(crate) fn sum(variants: Vec<(&str, AlgebraicType)>) -> AlgebraicType {
    let variants = variants
        .into_iter()
        .map(|(name, algebraic_type)| SumTypeVariant {
            name: Some(name.into()),
            algebraic_type,
        })
        .collect();
    AlgebraicType::Sum(SumType { variants })
}

/// Reads a tag below `count`.
pub(crate) fn read_tag(
    reader: &mut Reader<'_>,
    count: u8,
    type_name: &'static str,
) -> Result<u8, DecodeError> {
    let offset = reader.offset();
    let tag = u8::read(reader)?;
    if tag < count {
        Ok(tag)
    } else {
        Err(DecodeError::InvalidTag {
            offset,
            tag,
            type_name,
        })
    }
}

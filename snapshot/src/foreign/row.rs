//! Rows as SpacetimeDB stores them, to BSATN.
//!
//! Columns lie as in C: each at a multiple of its alignment. A sum is its tag, then, at its
//! alignment, the payload. Strings and arrays are references of four bytes: length, granule.
//! What lies between columns is stale and is not looked at.

use std::path::Path;

use spacetime_types::bsatn::{self, DEPTH_MAX, Reader};
use spacetime_types::{AlgebraicType, Layout, ProductType, Typespace};

use super::page::{Granules, Page, VarObject};
use crate::error::{DamageKind, SnapshotError};
use crate::object::ObjectHash;

/// Why rows of a type cannot be stored in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowTypeError {
    /// Resolve the type first.
    #[error("the row type contains a reference to another type")]
    Reference,
    /// No such type can have been declared.
    #[error("the row type is nested more than {DEPTH_MAX} deep")]
    TooDeep,
    /// Rows are at most as large as a page.
    #[error("a row of this type does not fit a page")]
    TooLarge,
}

/// How to read the rows of one type.
#[derive(Debug)]
pub(super) struct RowPlan {
    columns: Vec<Field>,
    row_size: u16,
}

#[derive(Debug)]
struct Field {
    /// From the beginning of what it is a part of.
    offset: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// So many bytes, which are their BSATN.
    Bytes(usize),
    Bool,
    String,
    /// The type of the array itself.
    Array(AlgebraicType),
    Product(Vec<Field>),
    Sum {
        payload: usize,
        variants: Vec<Kind>,
    },
}

/// Why a row could not be read.
pub(super) enum RowError {
    Invalid(&'static str),
    Snapshot(SnapshotError),
}

impl From<&'static str> for RowError {
    fn from(what: &'static str) -> Self {
        RowError::Invalid(what)
    }
}

impl RowError {
    pub(super) fn at(self, path: &Path, position: u64) -> SnapshotError {
        match self {
            RowError::Invalid(what) => {
                SnapshotError::damaged(path, position, DamageKind::Invalid(what))
            }
            RowError::Snapshot(error) => error,
        }
    }
}

fn fields(product: &ProductType, depth: usize) -> Result<Vec<Field>, RowTypeError> {
    let mut end = 0_usize;
    let mut fields = Vec::with_capacity(product.elements.len());
    for element in &product.elements {
        let ty = &element.algebraic_type;
        let kind = kind(ty, depth)?;
        let layout = Layout::of(ty).ok_or(RowTypeError::Reference)?;
        let offset = end.next_multiple_of(layout.align);
        end = offset + layout.size;
        fields.push(Field { offset, kind });
    }
    Ok(fields)
}

fn kind(ty: &AlgebraicType, depth: usize) -> Result<Kind, RowTypeError> {
    if depth == DEPTH_MAX {
        return Err(RowTypeError::TooDeep);
    }
    Ok(match ty {
        AlgebraicType::Ref(_) => return Err(RowTypeError::Reference),
        AlgebraicType::Bool => Kind::Bool,
        AlgebraicType::String => Kind::String,
        AlgebraicType::Array(element) => {
            kind(element, depth + 1)?;
            Kind::Array(ty.clone())
        }
        AlgebraicType::Product(product) => Kind::Product(fields(product, depth + 1)?),
        AlgebraicType::Sum(sum) => {
            let variants = sum.variants.iter();
            let variants = variants.map(|variant| kind(&variant.algebraic_type, depth + 1));
            Kind::Sum {
                variants: variants.collect::<Result<_, _>>()?,
                payload: Layout::of(ty).ok_or(RowTypeError::Reference)?.align,
            }
        }
        AlgebraicType::I8
        | AlgebraicType::U8
        | AlgebraicType::I16
        | AlgebraicType::U16
        | AlgebraicType::I32
        | AlgebraicType::U32
        | AlgebraicType::I64
        | AlgebraicType::U64
        | AlgebraicType::I128
        | AlgebraicType::U128
        | AlgebraicType::I256
        | AlgebraicType::U256
        | AlgebraicType::F32
        | AlgebraicType::F64 => Kind::Bytes(Layout::of(ty).ok_or(RowTypeError::Reference)?.size),
    })
}

type Blobs<'a> = &'a dyn Fn(ObjectHash) -> Result<Vec<u8>, SnapshotError>;

/// What the columns of one row are read from.
struct Source<'a, 'p> {
    page: &'a Page<'p>,
    row: &'a [u8],
    granules: &'a mut Granules,
    blobs: Blobs<'a>,
}

impl RowPlan {
    pub(super) fn new(row_type: &ProductType) -> Result<Self, RowTypeError> {
        let columns = fields(row_type, 0)?;
        let row_size = Layout::row_size(row_type).ok_or(RowTypeError::Reference)?;
        match u16::try_from(row_size) {
            Ok(row_size) if row_size <= super::page::DATA_LEN => Ok(RowPlan { columns, row_size }),
            _ => Err(RowTypeError::TooLarge),
        }
    }

    /// At least 2, and even.
    pub(super) fn row_size(&self) -> u16 {
        self.row_size
    }

    /// Appends the row in a slot, as BSATN.
    pub(super) fn read(
        &self,
        page: &Page<'_>,
        slot: u16,
        granules: &mut Granules,
        blobs: Blobs<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        let mut source = Source {
            page,
            row: page.row(slot),
            granules,
            blobs,
        };
        source.read_fields(&self.columns, 0, out)
    }
}

impl Source<'_, '_> {
    fn take(&self, at: usize, len: usize) -> Result<&[u8], RowError> {
        let end = at.checked_add(len);
        let bytes = end.and_then(|end| self.row.get(at..end));
        bytes.ok_or(RowError::Invalid("a column lies beyond the row"))
    }

    fn read_fields(
        &mut self,
        fields: &[Field],
        at: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        fields
            .iter()
            .try_for_each(|field| self.read_value(&field.kind, at + field.offset, out))
    }

    fn read_value(&mut self, kind: &Kind, at: usize, out: &mut Vec<u8>) -> Result<(), RowError> {
        match kind {
            Kind::Bytes(len) => out.extend_from_slice(self.take(at, *len)?),
            Kind::Bool => match self.take(at, 1)? {
                [bit @ (0 | 1)] => out.push(*bit),
                _ => return Err("a bool is neither 0 nor 1".into()),
            },
            Kind::String => {
                let len_at = out.len();
                out.extend_from_slice(&[0; 4]);
                self.read_object(at, out)?;
                let (len, text) = out[len_at..].split_at_mut(4);
                let text_len = u32::try_from(text.len());
                let text_len = text_len.map_err(|_| "a string is too long")?;
                len.copy_from_slice(&text_len.to_le_bytes());
                std::str::from_utf8(text).map_err(|_| "a string is not UTF-8")?;
            }
            Kind::Array(ty) => {
                let begin = out.len();
                self.read_object(at, out)?;
                let mut reader = Reader::new(&out[begin..]);
                bsatn::skip_value(&Typespace::default(), ty, &mut reader)
                    .map_err(|_| "an array is not of its type")?;
                if !reader.rest().is_empty() {
                    return Err("bytes follow an array".into());
                }
            }
            Kind::Product(fields) => self.read_fields(fields, at, out)?,
            Kind::Sum { payload, variants } => {
                let tag = self.take(at, 1)?.first().copied().unwrap_or(u8::MAX);
                let variant = variants.get(usize::from(tag));
                let variant = variant.ok_or("a tag without a variant")?;
                out.push(tag);
                self.read_value(variant, at + payload, out)?;
            }
        }
        Ok(())
    }

    fn read_object(&mut self, at: usize, out: &mut Vec<u8>) -> Result<(), RowError> {
        let reference = self.take(at, 4)?.first_chunk().copied();
        let reference = reference.ok_or("a column lies beyond the row")?;
        match self.granules.read(self.page, reference, out)? {
            VarObject::Inline => Ok(()),
            VarObject::Blob(hash) => {
                let bytes = (self.blobs)(hash).map_err(RowError::Snapshot)?;
                out.extend_from_slice(&bytes);
                Ok(())
            }
        }
    }
}

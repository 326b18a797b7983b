//! A type compiled into a form that BSATN bytes are checked and measured with.
//!
//! Adjacent parts in which every bit pattern is valid (integers, floats) melt into one run, so
//! that a row of numbers is checked by its length alone.
//!
//! Invariants
//!   * Nesting is at most `DEPTH_MAX`, so walking a value cannot exhaust the stack.
//!   * Only `Plain(0)` has size zero; counts of such elements are bounded by
//!     [`ZERO_SIZED_COUNT_MAX`], so that a few bytes cannot cost much time.

use crate::LayoutError;
use crate::layout::put_len;
use spacetime_types::bsatn::DEPTH_MAX;
use spacetime_types::{AlgebraicType, ProductType, SumType};

/// Most elements of an array whose elements take no bytes.
pub const ZERO_SIZED_COUNT_MAX: u32 = 65_536;

/// Why bytes are not a value of the expected type. Offsets count from the start of the bytes given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The value ends before its type does.
    #[error("data too short at offset {offset}: Expected {expected}, given {given}")]
    TooShort {
        offset: usize,
        expected: usize,
        given: usize,
    },
    /// A value of fixed length was given with another, or bytes are left after the value.
    #[error("unexpected data length: Expected {expected}, given {given}")]
    WrongLength { expected: usize, given: usize },
    #[error("byte {byte} at offset {offset} not valid as `bool` (must be 0 or 1)")]
    InvalidBool { offset: usize, byte: u8 },
    #[error("unknown tag {tag:#x} at offset {offset} for a sum type of {variants} variants")]
    InvalidTag {
        offset: usize,
        tag: u8,
        variants: usize,
    },
    #[error("invalid utf8 in the string at offset {offset}")]
    InvalidUtf8 { offset: usize },
    /// See [`ZERO_SIZED_COUNT_MAX`].
    #[error(
        "array of {count} elements without content at offset {offset}; \
         at most {ZERO_SIZED_COUNT_MAX} are allowed"
    )]
    TooManyElements { offset: usize, count: u32 },
}

/// A compiled type: checks and measures the BSATN of its values.
#[derive(Clone, Debug)]
pub struct ValueShape(Shape);

#[derive(Clone, Debug)]
enum Shape {
    /// So many bytes, each of any value.
    Plain(usize),
    Bool,
    String,
    /// Elements of so many bytes, each of any value.
    PlainArray(usize),
    Array {
        element: Box<Shape>,
        element_len_min: usize,
    },
    Product(Box<[Shape]>),
    Sum(Box<[Shape]>),
}

impl ValueShape {
    /// Compiles a type without references.
    pub fn new(value_type: &AlgebraicType) -> Result<ValueShape, LayoutError> {
        Shape::new(value_type, 0).map(ValueShape)
    }

    /// Compiles a product of columns.
    pub fn of_product(product: &ProductType) -> Result<ValueShape, LayoutError> {
        Shape::product(product, 0).map(ValueShape)
    }

    /// Checks the value that starts at `at` and returns where it ends.
    #[inline]
    pub fn check(&self, bytes: &[u8], at: usize) -> Result<usize, RowError> {
        self.0.check(bytes, at)
    }

    /// Checks that the bytes are one value, whole.
    #[inline]
    pub fn check_all(&self, bytes: &[u8]) -> Result<(), RowError> {
        let wrong_length = |expected| RowError::WrongLength {
            expected,
            given: bytes.len(),
        };
        if let Shape::Plain(len) = self.0 {
            return if bytes.len() == len {
                Ok(())
            } else {
                Err(wrong_length(len))
            };
        }
        if let Some(len) = self.fixed_len().filter(|&len| len != bytes.len()) {
            return Err(wrong_length(len));
        }
        match self.0.check(bytes, 0)? {
            end if end == bytes.len() => Ok(()),
            end => Err(wrong_length(end)),
        }
    }

    /// Where the value at `at` ends. The value must be valid; this checks nothing.
    #[must_use]
    #[inline]
    pub fn skip(&self, bytes: &[u8], at: usize) -> usize {
        self.0.skip(bytes, at)
    }

    /// Whether any bytes of the right length are a value.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self.0, Shape::Plain(_))
    }

    /// The length that every value has, if all have the same.
    #[must_use]
    pub fn fixed_len(&self) -> Option<usize> {
        self.0.fixed_len()
    }

    /// Appends a description that is different for different shapes.
    pub(crate) fn describe(&self, out: &mut Vec<u8>) {
        self.0.describe(out);
    }

    /// For a sum whose payloads are all of fixed length: the length of the value by its tag.
    pub(crate) fn lens_by_tag(&self) -> Option<Vec<usize>> {
        match &self.0 {
            Shape::Sum(variants) => variants
                .iter()
                .map(|payload| payload.fixed_len().map(|len| len + 1))
                .collect(),
            _ => None,
        }
    }

    /// The size of an element, for strings and arrays of plain elements.
    pub(crate) fn element_len(&self) -> Option<usize> {
        match self.0 {
            Shape::String => Some(1),
            Shape::PlainArray(len) if len > 0 => Some(len),
            _ => None,
        }
    }

    /// A short value that is likely to be common: the empty array, the last variant without
    /// payload (`none`). Empty if there is no such value.
    pub(crate) fn common_value(&self) -> Vec<u8> {
        match &self.0 {
            Shape::Array { .. } | Shape::PlainArray(_) => vec![0; 4],
            Shape::Sum(variants) => (0..=u8::MAX)
                .zip(variants)
                .filter(|(_, payload)| payload.fixed_len() == Some(0))
                .map(|(tag, _)| vec![tag])
                .next_back()
                .unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

impl Shape {
    fn new(value_type: &AlgebraicType, depth: usize) -> Result<Shape, LayoutError> {
        if depth > DEPTH_MAX {
            return Err(LayoutError::TooDeep);
        }
        use AlgebraicType as T;
        Ok(match value_type {
            T::Ref(type_ref) => return Err(LayoutError::UnresolvedRef(type_ref.0)),
            T::Sum(sum) => Shape::sum(sum, depth)?,
            T::Product(product) => Shape::product(product, depth)?,
            T::Array(element) => match Shape::new(element, depth + 1)? {
                Shape::Plain(len) => Shape::PlainArray(len),
                element => Shape::Array {
                    element_len_min: element.len_min(),
                    element: Box::new(element),
                },
            },
            T::String => Shape::String,
            T::Bool => Shape::Bool,
            T::I8 | T::U8 => Shape::Plain(1),
            T::I16 | T::U16 => Shape::Plain(2),
            T::I32 | T::U32 | T::F32 => Shape::Plain(4),
            T::I64 | T::U64 | T::F64 => Shape::Plain(8),
            T::I128 | T::U128 => Shape::Plain(16),
            T::I256 | T::U256 => Shape::Plain(32),
        })
    }

    fn sum(sum: &SumType, depth: usize) -> Result<Shape, LayoutError> {
        if sum.variants.len() > 256 {
            return Err(LayoutError::TooManyVariants(sum.variants.len()));
        }
        let payloads = sum
            .variants
            .iter()
            .map(|variant| Shape::new(&variant.algebraic_type, depth + 1));
        Ok(Shape::Sum(payloads.collect::<Result<_, _>>()?))
    }

    fn product(product: &ProductType, depth: usize) -> Result<Shape, LayoutError> {
        let mut parts = Vec::new();
        for element in &product.elements {
            match Shape::new(&element.algebraic_type, depth + 1)? {
                Shape::Product(inner) => parts.extend(inner),
                part => parts.push(part),
            }
        }
        let mut merged: Vec<Shape> = Vec::with_capacity(parts.len());
        for part in parts {
            match (merged.last_mut(), part) {
                (Some(Shape::Plain(run)), Shape::Plain(len)) => *run += len,
                (_, part) => merged.push(part),
            }
        }
        Ok(match merged.len() {
            0 => Shape::Plain(0),
            1 => merged.swap_remove(0),
            _ => Shape::Product(merged.into_boxed_slice()),
        })
    }

    fn describe(&self, out: &mut Vec<u8>) {
        match self {
            Shape::Plain(len) => {
                out.push(0);
                put_len(*len, out);
            }
            Shape::Bool => out.push(1),
            Shape::String => out.push(2),
            Shape::PlainArray(len) => {
                out.push(3);
                put_len(*len, out);
            }
            Shape::Array { element, .. } => {
                out.push(4);
                element.describe(out);
            }
            Shape::Product(parts) => describe_parts(5, parts, out),
            Shape::Sum(variants) => describe_parts(6, variants, out),
        }
    }

    fn fixed_len(&self) -> Option<usize> {
        match self {
            Shape::Plain(len) => Some(*len),
            Shape::Bool => Some(1),
            Shape::String | Shape::PlainArray(_) | Shape::Array { .. } => None,
            Shape::Product(parts) => parts.iter().map(Shape::fixed_len).sum(),
            Shape::Sum(variants) => {
                let mut lens = variants.iter().map(Shape::fixed_len);
                let first = lens.next().unwrap_or(Some(0))?;
                lens.all(|len| len == Some(first)).then_some(first + 1)
            }
        }
    }

    fn len_min(&self) -> usize {
        match self {
            Shape::Plain(len) => *len,
            Shape::Bool => 1,
            Shape::String | Shape::PlainArray(_) | Shape::Array { .. } => 4,
            Shape::Product(parts) => parts.iter().map(Shape::len_min).sum(),
            Shape::Sum(variants) => 1 + variants.iter().map(Shape::len_min).min().unwrap_or(0),
        }
    }

    fn check(&self, bytes: &[u8], at: usize) -> Result<usize, RowError> {
        match self {
            Shape::Plain(len) => end_of(bytes, at, *len),
            Shape::Bool => match byte_at(bytes, at)? {
                0 | 1 => Ok(at + 1),
                byte => Err(RowError::InvalidBool { offset: at, byte }),
            },
            Shape::String => {
                let start = at + 4;
                let end = end_of(bytes, start, to_usize(count_at(bytes, at)?))?;
                match std::str::from_utf8(&bytes[start..end]) {
                    Ok(_) => Ok(end),
                    Err(_) => Err(RowError::InvalidUtf8 { offset: at }),
                }
            }
            Shape::PlainArray(element_len) => {
                let count = count_at(bytes, at)?;
                if *element_len == 0 && count > ZERO_SIZED_COUNT_MAX {
                    return Err(RowError::TooManyElements { offset: at, count });
                }
                end_of(bytes, at + 4, to_usize(count).saturating_mul(*element_len))
            }
            Shape::Array {
                element,
                element_len_min,
            } => {
                let count = count_at(bytes, at)?;
                // Refuses a count that the bytes cannot hold before walking any of them.
                end_of(
                    bytes,
                    at + 4,
                    to_usize(count).saturating_mul(*element_len_min),
                )?;
                (0..count).try_fold(at + 4, |at, _| element.check(bytes, at))
            }
            Shape::Product(parts) => parts.iter().try_fold(at, |at, part| part.check(bytes, at)),
            Shape::Sum(variants) => {
                let tag = byte_at(bytes, at)?;
                match variants.get(usize::from(tag)) {
                    Some(payload) => payload.check(bytes, at + 1),
                    None => Err(RowError::InvalidTag {
                        offset: at,
                        tag,
                        variants: variants.len(),
                    }),
                }
            }
        }
    }

    fn skip(&self, bytes: &[u8], at: usize) -> usize {
        match self {
            Shape::Plain(len) => at + len,
            Shape::Bool => at + 1,
            Shape::String => at + 4 + valid_count_at(bytes, at),
            Shape::PlainArray(element_len) => at + 4 + valid_count_at(bytes, at) * element_len,
            Shape::Array { element, .. } => {
                (0..valid_count_at(bytes, at)).fold(at + 4, |at, _| element.skip(bytes, at))
            }
            Shape::Product(parts) => parts.iter().fold(at, |at, part| part.skip(bytes, at)),
            Shape::Sum(variants) => variants[usize::from(bytes[at])].skip(bytes, at + 1),
        }
    }
}

fn describe_parts(tag: u8, parts: &[Shape], out: &mut Vec<u8>) {
    out.push(tag);
    put_len(parts.len(), out);
    for part in parts {
        part.describe(out);
    }
}

#[inline]
fn end_of(bytes: &[u8], at: usize, len: usize) -> Result<usize, RowError> {
    let left = bytes.len().saturating_sub(at);
    if left < len {
        return Err(RowError::TooShort {
            offset: at,
            expected: len,
            given: left,
        });
    }
    Ok(at + len)
}

#[inline]
fn byte_at(bytes: &[u8], at: usize) -> Result<u8, RowError> {
    bytes.get(at).copied().ok_or(RowError::TooShort {
        offset: at,
        expected: 1,
        given: 0,
    })
}

#[inline]
fn count_at(bytes: &[u8], at: usize) -> Result<u32, RowError> {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(count) => Ok(u32::from_le_bytes(*count)),
        None => end_of(bytes, at, 4).map(|_| 0),
    }
}

/// The count at `at` of a value known to be valid.
#[inline]
fn valid_count_at(bytes: &[u8], at: usize) -> usize {
    let count = bytes[at..].first_chunk().copied().unwrap_or_default();
    to_usize(u32::from_le_bytes(count))
}

const _: () = assert!(usize::BITS >= 32, "lengths are 32-bit numbers");

#[inline]
fn to_usize(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

//! From the BSATN of columns to keys whose byte order is the order of the values.
//!
//! ```text
//!   unsigned, bool    big-endian
//!   signed            big-endian, sign bit flipped
//!   float             big-endian bits; negative: all flipped, else: sign bit flipped;
//!                     first -0 becomes +0, and every NaN the one that sorts last
//!   string, bytes     00 as 00 ff, end as 00 00; as the end of the key: the bare bytes
//!   array             01 before each element, 00 at the end
//!   product           its elements
//!   sum               tag, payload
//! ```
//!
//! Invariants
//!   * No form of a column is a proper prefix of another form of the same column, unless the
//!     column ends the key. So keys of several columns compare column by column.
//!   * Keys of columns of fixed length have one length, and are held as numbers when short.

use crate::key::{Key, KeyBytes, KeyRange};
use smallvec::SmallVec;
use spacetime_page::{LayoutError, RowError, ValueShape};
use spacetime_types::AlgebraicType;
use std::ops::Bound;

/// Why there can be no index on columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyShapeError {
    #[error("an index needs at least one column")]
    NoColumns,
    #[error("a column cannot be indexed: {0}")]
    Column(#[from] LayoutError),
}

/// Why bytes are not a key, or not the bounds of a range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("index key: {0}")]
    Value(#[from] RowError),
    #[error("index key: {given} bytes given, the values end after {used}")]
    TrailingBytes { used: usize, given: usize },
    #[error("{elems} prefix columns and a bound given for an index of {columns} columns")]
    PrefixTooLong { elems: usize, columns: usize },
}

/// How the keys of one index are made.
#[derive(Clone, Debug)]
pub struct KeyShape {
    columns: Box<[Column]>,
    /// The length of every key, if all have the same.
    pub(crate) width: Option<usize>,
    /// The key is one unsigned number of at most 64 bits, or the tag of an enum.
    pub(crate) is_small_number: bool,
    /// The key is one integer of this many bytes, at most 8, and this sign bit.
    single: Option<(usize, u64)>,
}

#[derive(Clone, Debug)]
struct Column {
    shape: ValueShape,
    order: Order,
}

/// A type, as far as the order of its values goes.
#[derive(Clone, Debug)]
enum Order {
    Unsigned(usize),
    Signed(usize),
    F32,
    F64,
    Bytes,
    Array(Box<Order>),
    Product(Box<[Order]>),
    Sum(Box<[Order]>),
}

type Buffer = SmallVec<[u8; 64]>;

impl KeyShape {
    /// Keys of these columns, in this order. The types must be resolved.
    pub fn new(column_types: &[AlgebraicType]) -> Result<KeyShape, KeyShapeError> {
        if column_types.is_empty() {
            return Err(KeyShapeError::NoColumns);
        }
        let column = |column_type| -> Result<Column, LayoutError> {
            // Compiling the shape refuses references and deep nesting first.
            let shape = ValueShape::new(column_type)?;
            Ok(Column {
                order: Order::new(column_type),
                shape,
            })
        };
        let columns: Box<[Column]> = column_types.iter().map(column).collect::<Result<_, _>>()?;
        let single = match &*columns {
            [only] => match only.order {
                Order::Unsigned(len) if len <= 8 => Some((len, 0)),
                Order::Signed(len) if len <= 8 => Some((len, 1 << (len * 8 - 1))),
                _ => None,
            },
            _ => None,
        };
        Ok(KeyShape {
            width: columns.iter().map(|column| column.shape.fixed_len()).sum(),
            is_small_number: match column_types {
                [AlgebraicType::Sum(_)] => columns[0].shape.fixed_len() == Some(1),
                [AlgebraicType::U8 | AlgebraicType::U16] => true,
                [AlgebraicType::U32 | AlgebraicType::U64] => true,
                _ => false,
            },
            single,
            columns,
        })
    }

    /// Number of columns.
    #[must_use]
    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// Makes the key of a row from the valid BSATN of its columns, in index order.
    #[inline]
    pub fn encode(&self, columns: &[&[u8]], out: &mut Key) {
        assert!(
            columns.len() == self.columns.len(),
            "one value for each index column"
        );
        if let Some((len, sign)) = self.single {
            *out = Key::U64(le_number(&columns[0][..len]) ^ sign);
            return;
        }
        let mut buffer = Buffer::new();
        let last = self.columns.len() - 1;
        for (index, (column, bsatn)) in self.columns.iter().zip(columns).enumerate() {
            let end = column.order.put(bsatn, 0, index == last, &mut buffer);
            assert!(end == bsatn.len(), "index column was not validated");
        }
        match out {
            // Reused, as long keys are allocated.
            Key::Bytes(bytes) if !self.is_number() => {
                bytes.clear();
                bytes.extend_from_slice(&buffer);
            }
            out => *out = self.pack(&buffer),
        }
    }

    /// Whether keys are held as numbers.
    fn is_number(&self) -> bool {
        self.width.is_some_and(|width| width <= 32)
    }

    /// Makes a key from values given by a module or a client: the BSATN of the columns,
    /// concatenated in index order. Everything must be there, and nothing else.
    #[inline]
    pub fn encode_bsatn_point(&self, concatenated: &[u8]) -> Result<Key, KeyError> {
        if let (Some((len, sign)), true) = (self.single, self.columns[0].shape.is_plain())
            && concatenated.len() == len
        {
            return Ok(Key::U64(le_number(concatenated) ^ sign));
        }
        let mut buffer = Buffer::new();
        let used = self.put_columns(concatenated, self.columns.len(), &mut buffer)?;
        refuse_rest(used, concatenated)?;
        Ok(self.pack(&buffer))
    }

    /// Makes a range from values given by a module or a client: the first `prefix_elems` columns
    /// fixed, bounds for the next, the rest free. Bounds that are the wrong way round make an
    /// empty range.
    pub fn range(
        &self,
        prefix_bsatn: &[u8],
        prefix_elems: usize,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> Result<KeyRange, KeyError> {
        if prefix_elems >= self.columns.len() {
            return Err(KeyError::PrefixTooLong {
                elems: prefix_elems,
                columns: self.columns.len(),
            });
        }
        let mut prefix = Buffer::new();
        if prefix_elems > 0 {
            let used = self.put_columns(prefix_bsatn, prefix_elems, &mut prefix)?;
            refuse_rest(used, prefix_bsatn)?;
        }
        let with_bound = |value: &[u8]| self.put_bound(&prefix, prefix_elems, value);
        let start = try_map_bound(start, with_bound)?;
        let end = try_map_bound(end, with_bound)?;
        let is_last = prefix_elems + 1 == self.columns.len();
        let is_point = match (&start, &end) {
            (Bound::Included(start), Bound::Included(end)) => is_last && start == end,
            _ => false,
        };
        Ok(match self.width {
            Some(width) => self.fixed_range(width, &prefix, start, end, is_point),
            None if is_last => KeyRange {
                start: map_bound(start_after_prefix(&prefix, start), |bytes| {
                    self.pack(&bytes)
                }),
                end: map_bound(end_within_prefix(&prefix, end), |bytes| self.pack(&bytes)),
                is_point,
            },
            None => self.prefix_range(&prefix, start, end),
        })
    }

    /// Bounds on keys of one length: the free columns are filled with the least or greatest bytes.
    fn fixed_range(
        &self,
        width: usize,
        prefix: &Buffer,
        start: Bound<Buffer>,
        end: Bound<Buffer>,
        is_point: bool,
    ) -> KeyRange {
        let filled = |mut bytes: Buffer, byte: u8| {
            assert!(bytes.len() <= width, "key longer than its columns");
            bytes.resize(width, byte);
            self.pack(&bytes)
        };
        KeyRange {
            start: match start {
                Bound::Included(bytes) => Bound::Included(filled(bytes, 0)),
                Bound::Excluded(bytes) => Bound::Excluded(filled(bytes, 0xff)),
                Bound::Unbounded => Bound::Included(filled(prefix.clone(), 0)),
            },
            end: match end {
                Bound::Included(bytes) => Bound::Included(filled(bytes, 0xff)),
                Bound::Excluded(bytes) => Bound::Excluded(filled(bytes, 0)),
                Bound::Unbounded => Bound::Included(filled(prefix.clone(), 0xff)),
            },
            is_point,
        }
    }

    /// Bounds on keys of variable length that go on after the bounded column.
    fn prefix_range(&self, prefix: &Buffer, start: Bound<Buffer>, end: Bound<Buffer>) -> KeyRange {
        let start = match start {
            Bound::Excluded(bytes) => match after_all_with_prefix(&bytes) {
                Some(next) => Bound::Included(next),
                None => {
                    // Nothing sorts after the keys that begin like this.
                    let key = self.pack(&bytes);
                    return KeyRange {
                        start: Bound::Excluded(key.clone()),
                        end: Bound::Excluded(key),
                        is_point: false,
                    };
                }
            },
            start => start_after_prefix(prefix, start),
        };
        let end = match end {
            Bound::Included(bytes) => {
                after_all_with_prefix(&bytes).map_or(Bound::Unbounded, Bound::Excluded)
            }
            end => end_within_prefix(prefix, end),
        };
        KeyRange {
            start: map_bound(start, |bytes| self.pack(&bytes)),
            end: map_bound(end, |bytes| self.pack(&bytes)),
            is_point: false,
        }
    }

    /// Checks and appends the first columns; returns how many bytes they took.
    fn put_columns(
        &self,
        bsatn: &[u8],
        count: usize,
        buffer: &mut Buffer,
    ) -> Result<usize, KeyError> {
        let mut at = 0;
        for (index, column) in self.columns[..count].iter().enumerate() {
            let end = column.shape.check(bsatn, at)?;
            column
                .order
                .put(bsatn, at, index + 1 == self.columns.len(), buffer);
            at = end;
        }
        Ok(at)
    }

    /// The prefix with the value of a bound appended. Bytes after the value are ignored if the
    /// index has but one column, as the ABI has it.
    fn put_bound(&self, prefix: &Buffer, col: usize, value: &[u8]) -> Result<Buffer, KeyError> {
        let column = &self.columns[col];
        let used = column.shape.check(value, 0)?;
        if self.columns.len() > 1 {
            refuse_rest(used, value)?;
        }
        let mut buffer = prefix.clone();
        column
            .order
            .put(value, 0, col + 1 == self.columns.len(), &mut buffer);
        Ok(buffer)
    }

    /// The key with these bytes.
    #[inline]
    fn pack(&self, bytes: &[u8]) -> Key {
        match self.width {
            Some(width @ 0..=32) => {
                assert!(bytes.len() == width, "key of a wrong length");
                let mut all = [0; 32];
                all[32 - width..].copy_from_slice(bytes);
                let (words, _) = all.as_chunks::<8>();
                let word = |index: usize| u64::from_be_bytes(words[index]);
                match width {
                    0..=8 => Key::U64(word(3)),
                    9..=16 => Key::U128(u128::from(word(2)) << 64 | u128::from(word(3))),
                    _ => Key::U256([word(0), word(1), word(2), word(3)]),
                }
            }
            _ => Key::Bytes(KeyBytes::from_slice(bytes)),
        }
    }
}

fn refuse_rest(used: usize, bytes: &[u8]) -> Result<(), KeyError> {
    match bytes.len() {
        given if given == used => Ok(()),
        given => Err(KeyError::TrailingBytes { used, given }),
    }
}

fn start_after_prefix(prefix: &Buffer, start: Bound<Buffer>) -> Bound<Buffer> {
    match start {
        Bound::Unbounded if !prefix.is_empty() => Bound::Included(prefix.clone()),
        start => start,
    }
}

fn end_within_prefix(prefix: &Buffer, end: Bound<Buffer>) -> Bound<Buffer> {
    match end {
        Bound::Unbounded => after_all_with_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded),
        end => end,
    }
}

/// The least bytes that sort after everything that begins with these; `None` if nothing does.
fn after_all_with_prefix(bytes: &Buffer) -> Option<Buffer> {
    let last = bytes.iter().rposition(|&byte| byte != 0xff)?;
    let mut next = Buffer::from_slice(&bytes[..=last]);
    next[last] += 1;
    Some(next)
}

fn map_bound<A, B>(bound: Bound<A>, map: impl FnOnce(A) -> B) -> Bound<B> {
    match bound {
        Bound::Included(value) => Bound::Included(map(value)),
        Bound::Excluded(value) => Bound::Excluded(map(value)),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn try_map_bound<A, B, E>(
    bound: Bound<A>,
    map: impl FnOnce(A) -> Result<B, E>,
) -> Result<Bound<B>, E> {
    Ok(match bound {
        Bound::Included(value) => Bound::Included(map(value)?),
        Bound::Excluded(value) => Bound::Excluded(map(value)?),
        Bound::Unbounded => Bound::Unbounded,
    })
}

/// A little-endian number of at most 8 bytes.
#[inline]
fn le_number(bytes: &[u8]) -> u64 {
    match bytes.try_into() {
        Ok(word) => u64::from_le_bytes(word),
        Err(_) => {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        }
    }
}

impl Order {
    /// The type has no references, and its depth was checked.
    fn new(value_type: &AlgebraicType) -> Order {
        use AlgebraicType as T;
        match value_type {
            T::Ref(_) => Order::Sum(Box::default()),
            T::Sum(sum) => {
                let payloads = sum.variants.iter().map(|variant| &variant.algebraic_type);
                Order::Sum(payloads.map(Order::new).collect())
            }
            T::Product(product) => {
                let elements = product
                    .elements
                    .iter()
                    .map(|element| &element.algebraic_type);
                match elements.map(Order::new).collect::<Vec<_>>() {
                    mut only if only.len() == 1 => only.swap_remove(0),
                    elements => Order::Product(elements.into()),
                }
            }
            T::Array(element) if **element == T::U8 => Order::Bytes,
            T::Array(element) => Order::Array(Box::new(Order::new(element))),
            T::String => Order::Bytes,
            T::Bool | T::U8 => Order::Unsigned(1),
            T::U16 => Order::Unsigned(2),
            T::U32 => Order::Unsigned(4),
            T::U64 => Order::Unsigned(8),
            T::U128 => Order::Unsigned(16),
            T::U256 => Order::Unsigned(32),
            T::I8 => Order::Signed(1),
            T::I16 => Order::Signed(2),
            T::I32 => Order::Signed(4),
            T::I64 => Order::Signed(8),
            T::I128 => Order::Signed(16),
            T::I256 => Order::Signed(32),
            T::F32 => Order::F32,
            T::F64 => Order::F64,
        }
    }

    /// Appends the form of the valid value at `at`; returns where the value ends.
    fn put(&self, bsatn: &[u8], at: usize, ends_key: bool, out: &mut Buffer) -> usize {
        match self {
            Order::Unsigned(len) => {
                out.extend(bsatn[at..at + len].iter().rev().copied());
                at + len
            }
            Order::Signed(len) => {
                let start = out.len();
                out.extend(bsatn[at..at + len].iter().rev().copied());
                out[start] ^= 0x80;
                at + len
            }
            Order::F32 => {
                let bits = u32::from_le_bytes(read(bsatn, at));
                out.extend(f32_rank(f32::from_bits(bits)).to_be_bytes());
                at + 4
            }
            Order::F64 => {
                let bits = u64::from_le_bytes(read(bsatn, at));
                out.extend(f64_rank(f64::from_bits(bits)).to_be_bytes());
                at + 8
            }
            Order::Bytes => {
                let (start, end) = (at + 4, at + 4 + count(bsatn, at));
                put_bytes(&bsatn[start..end], ends_key, out);
                end
            }
            Order::Array(element) => {
                let mut end = at + 4;
                for _ in 0..count(bsatn, at) {
                    out.push(1);
                    end = element.put(bsatn, end, false, out);
                }
                out.push(0);
                end
            }
            Order::Product(elements) => {
                let mut end = at;
                for (index, element) in elements.iter().enumerate() {
                    end = element.put(bsatn, end, ends_key && index + 1 == elements.len(), out);
                }
                end
            }
            Order::Sum(variants) => {
                let tag = bsatn[at];
                out.push(tag);
                variants[usize::from(tag)].put(bsatn, at + 1, ends_key, out)
            }
        }
    }
}

fn put_bytes(bytes: &[u8], ends_key: bool, out: &mut Buffer) {
    if ends_key {
        out.extend_from_slice(bytes);
        return;
    }
    let mut parts = bytes.split(|&byte| byte == 0);
    out.extend_from_slice(parts.next().unwrap_or_default());
    for part in parts {
        out.extend_from_slice(&[0, 0xff]);
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&[0, 0]);
}

fn read<const N: usize>(bsatn: &[u8], at: usize) -> [u8; N] {
    bsatn[at..].first_chunk().copied().unwrap_or([0; N])
}

fn count(bsatn: &[u8], at: usize) -> usize {
    usize::try_from(u32::from_le_bytes(read(bsatn, at))).unwrap_or(usize::MAX)
}

/// A number that sorts as the float does, with `-0.0` as `0.0` and all NaNs greatest.
fn f32_rank(float: f32) -> u32 {
    if float.is_nan() {
        return u32::MAX;
    }
    match (if float == 0.0 { 0.0 } else { float }).to_bits() {
        bits if bits >> 31 == 1 => !bits,
        bits => bits | 1 << 31,
    }
}

/// See [`f32_rank`].
fn f64_rank(float: f64) -> u64 {
    if float.is_nan() {
        return u64::MAX;
    }
    match (if float == 0.0 { 0.0 } else { float }).to_bits() {
        bits if bits >> 63 == 1 => !bits,
        bits => bits | 1 << 63,
    }
}

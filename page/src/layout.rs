//! How the rows of one type are laid out in a slot.
//!
//! A slot holds one cell per column, in column order and without padding:
//!
//! ```text
//!   fixed column      its BSATN
//!   small sum         its BSATN, filled up with zeros to the longest variant
//!   other column      u16: bytes in the row's object; BLOB_MARK: 32 bytes there name a blob
//!   (only if there are columns of the last kind, at the end of the slot)
//!                     u16: offset of the row's object in the page, 0 if it has none
//! ```
//!
//! The row's object is the columns of the last kind, one after another. Strings and arrays of
//! plain elements leave out their length (the cell has it); a common short value such as the
//! empty array or `none` is stored as nothing at all.
//!
//! Invariants
//!   * How a row is stored depends on the row alone, never on the state of a page. So a removed
//!     row fits again where it was.
//!   * A row without columns of the second and third kind is its own BSATN.

use crate::page::PAGE_SIZE;
use crate::shape::{RowError, ValueShape};
use smallvec::SmallVec;
use spacetime_types::ProductType;
use std::ops::Range;

/// Longest payload of a sum that is kept in the slot.
const SUM_PAYLOAD_MAX: usize = 32;

/// Longest stored column that stays in the page; longer ones go to the blob store.
pub(crate) const COLUMN_LEN_MAX: usize = PAGE_SIZE / 8;

/// Longest object of a row, unless it has very many columns. Longer ones have their largest
/// columns moved to the blob store. A quarter of a page bounds what a page can waste at its end.
pub(crate) const OBJECT_LEN_MAX: usize = PAGE_SIZE / 4;

/// Length of a blob's name.
pub(crate) const BLOB_NAME_LEN: usize = 32;

/// The cell of a column that is in the blob store.
pub(crate) const BLOB_MARK: u16 = u16::MAX;

const _: () = assert!(COLUMN_LEN_MAX < BLOB_MARK as usize);
const _: () = assert!(OBJECT_LEN_MAX < PAGE_SIZE && COLUMN_LEN_MAX <= OBJECT_LEN_MAX);
const _: () = assert!(SUM_PAYLOAD_MAX < 255, "lengths by tag are bytes");

/// Why rows of a type cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Resolve references before asking for a layout.
    #[error("type reference &{0} is not resolved")]
    UnresolvedRef(u32),
    #[error("type nested deeper than {} levels", spacetime_types::bsatn::DEPTH_MAX)]
    TooDeep,
    #[error("sum type with {0} variants; a tag distinguishes at most 256")]
    TooManyVariants(usize),
    /// Split the table, or put columns together into arrays.
    #[error("a row can take {bytes} bytes of a page, which has {PAGE_SIZE}")]
    TooWide { bytes: usize },
}

/// Tells apart layouts that place bytes differently in page images.
pub type LayoutFingerprint = [u8; 16];

/// Goes into every fingerprint. To be raised when the same types come to be stored differently.
const LAYOUT_VERSION: &[u8] = b"rows and page images, version 1";

/// The layout of the rows of one type.
#[derive(Debug)]
pub struct RowLayout {
    /// The whole row, for checking.
    row: ValueShape,
    columns: Box<[Column]>,
    /// The cells in order, with neighbouring fixed columns merged.
    pub(crate) cells: Box<[Cell]>,
    fixed_bsatn_len: Option<usize>,
    pub(crate) slot_size: usize,
    pub(crate) slot_bits: u32,
    pub(crate) slots_max: u32,
    /// Where in the slot the offset of the row's object is; `None` without variable columns.
    pub(crate) object_cell: Option<usize>,
    /// The slot is the BSATN of the row.
    pub(crate) is_bsatn: bool,
}

#[derive(Debug)]
struct Column {
    shape: ValueShape,
    /// The last column at or before this one that starts at a known place of the BSATN.
    anchor: usize,
    anchor_offset: usize,
    cell: Cell,
}

/// A part of the slot.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// Where it starts in the slot.
    pub(crate) slot_offset: usize,
    pub(crate) kind: CellKind,
}

#[derive(Clone, Debug)]
pub(crate) enum CellKind {
    Fixed { len: usize },
    SmallSum { len_by_tag: Box<[u8]> },
    Variable(Box<VariableCell>),
}

/// A column whose bytes are in the row's object.
#[derive(Clone, Debug)]
pub(crate) struct VariableCell {
    pub(crate) shape: ValueShape,
    /// For strings and arrays of plain elements: the element's length. The count is not stored.
    pub(crate) element_len: Option<usize>,
    /// The value stored as nothing; empty if there is none.
    pub(crate) common_value: Box<[u8]>,
}

impl CellKind {
    fn new(shape: &ValueShape) -> CellKind {
        if let Some(len) = shape.fixed_len() {
            return CellKind::Fixed { len };
        }
        let lens = shape.lens_by_tag().unwrap_or_default();
        let longest = lens.iter().copied().max().unwrap_or(usize::MAX);
        if longest <= SUM_PAYLOAD_MAX + 1 {
            let lens = lens
                .into_iter()
                .map(|len| u8::try_from(len).unwrap_or(u8::MAX));
            return CellKind::SmallSum {
                len_by_tag: lens.collect(),
            };
        }
        CellKind::Variable(Box::new(VariableCell {
            element_len: shape.element_len(),
            common_value: shape.common_value().into_boxed_slice(),
            shape: shape.clone(),
        }))
    }

    /// Bytes in the slot.
    pub(crate) fn slot_len(&self) -> usize {
        match self {
            CellKind::Fixed { len } => *len,
            CellKind::SmallSum { len_by_tag } => {
                usize::from(len_by_tag.iter().copied().max().unwrap_or(0))
            }
            CellKind::Variable(_) => 2,
        }
    }
}

impl VariableCell {
    /// The part of a column's BSATN that is stored.
    #[inline]
    pub(crate) fn stored<'a>(&self, bsatn: &'a [u8]) -> &'a [u8] {
        if self.element_len.is_some() {
            &bsatn[4..]
        } else if *bsatn == *self.common_value {
            &[]
        } else {
            bsatn
        }
    }

    /// Appends the BSATN of a column, given what is stored of it.
    #[inline]
    pub(crate) fn restore(&self, stored: &[u8], out: &mut Vec<u8>) {
        if let Some(element_len) = self.element_len {
            let count = u32::try_from(stored.len() / element_len);
            assert!(count.is_ok(), "stored column longer than its count allows");
            out.extend_from_slice(&count.unwrap_or(0).to_le_bytes());
            out.extend_from_slice(stored);
        } else if stored.is_empty() {
            out.extend_from_slice(&self.common_value);
        } else {
            out.extend_from_slice(stored);
        }
    }
}

impl RowLayout {
    /// Lays out rows of a type without references.
    pub fn new(row_type: &ProductType) -> Result<RowLayout, LayoutError> {
        let row = ValueShape::of_product(row_type)?;
        let mut columns: Vec<Column> = Vec::with_capacity(row_type.elements.len());
        let mut slot_offset = 0;
        let (mut anchor, mut anchor_offset) = (0, 0);
        for (index, element) in row_type.elements.iter().enumerate() {
            let shape = ValueShape::new(&element.algebraic_type)?;
            let kind = CellKind::new(&shape);
            let slot_len = kind.slot_len();
            let cell = Cell { slot_offset, kind };
            columns.push(Column {
                cell,
                anchor,
                anchor_offset,
                shape,
            });
            slot_offset += slot_len;
            if let (Some(len), true) = (columns[index].shape.fixed_len(), anchor == index) {
                (anchor, anchor_offset) = (index + 1, anchor_offset + len);
            }
        }
        let kinds = || columns.iter().map(|column| &column.cell.kind);
        let variable_count = kinds()
            .filter(|kind| matches!(kind, CellKind::Variable(_)))
            .count();
        let is_bsatn = kinds().all(|kind| matches!(kind, CellKind::Fixed { .. }));
        let slot_size = (slot_offset + 2 * usize::from(variable_count > 0)).max(1);

        // With every variable column in the blob store, any row must fit an empty page.
        let bytes = slot_size + variable_count * BLOB_NAME_LEN;
        if bytes > PAGE_SIZE {
            return Err(LayoutError::TooWide { bytes });
        }
        let slots_max = u32::try_from(PAGE_SIZE / slot_size).unwrap_or(u32::MAX);
        assert!((1..=1 << 16).contains(&slots_max));
        Ok(RowLayout {
            fixed_bsatn_len: row.fixed_len(),
            row,
            cells: merge_cells(&columns),
            columns: columns.into_boxed_slice(),
            slot_size,
            slot_bits: slots_max.next_power_of_two().trailing_zeros(),
            slots_max,
            object_cell: (variable_count > 0).then_some(slot_offset),
            is_bsatn,
        })
    }

    /// Number of columns.
    #[must_use]
    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// The length of every row's BSATN, if all have the same.
    #[must_use]
    pub fn fixed_bsatn_len(&self) -> Option<usize> {
        self.fixed_bsatn_len
    }

    /// Equal only for layouts under which page images mean the same rows.
    #[must_use]
    pub fn fingerprint(&self) -> LayoutFingerprint {
        let mut described = LAYOUT_VERSION.to_vec();
        for limit in [PAGE_SIZE, COLUMN_LEN_MAX, OBJECT_LEN_MAX, SUM_PAYLOAD_MAX] {
            put_len(limit, &mut described);
        }
        put_len(self.columns.len(), &mut described);
        for column in &self.columns {
            column.shape.describe(&mut described);
        }
        let mut fingerprint = LayoutFingerprint::default();
        fingerprint.copy_from_slice(&blake3::hash(&described).as_bytes()[..16]);
        fingerprint
    }

    /// Whether any bytes of the right length are a row.
    pub(crate) fn is_plain(&self) -> bool {
        self.row.is_plain()
    }

    /// Bytes a row takes in a page, without its variable-length columns.
    #[must_use]
    pub fn slot_size(&self) -> usize {
        self.slot_size
    }

    /// Checks that the bytes are exactly one row.
    #[inline]
    pub fn validate(&self, row: &[u8]) -> Result<(), RowError> {
        self.row.check_all(row)
    }

    /// The length of the row at the start of the bytes, which is checked. More may follow it.
    pub fn row_len(&self, bytes: &[u8]) -> Result<usize, RowError> {
        self.row.check(bytes, 0)
    }

    /// The length of the valid row at the start of the bytes. More may follow it.
    #[must_use]
    #[inline]
    pub fn valid_row_len(&self, bytes: &[u8]) -> usize {
        self.fixed_bsatn_len
            .unwrap_or_else(|| self.row.skip(bytes, 0))
    }

    /// The length of so many rows at the start of the bytes, which are checked. A wrong row is
    /// told with where it begins.
    pub fn rows_len(&self, bytes: &[u8], count: u64) -> Result<usize, (usize, RowError)> {
        if let (true, Some(len)) = (self.row.is_plain(), self.fixed_bsatn_len)
            && let Some(len) = usize::try_from(count).ok().and_then(|n| n.checked_mul(len))
            && len <= bytes.len()
        {
            return Ok(len);
        }
        let mut at = 0;
        for _ in 0..count {
            let row = self.row.check(bytes, at);
            at = row.map_err(|error| (at, error))?;
        }
        Ok(at)
    }

    /// Whether rows are stored as they are, all of one length that is not 0: many can be stored
    /// at once.
    #[must_use]
    pub fn stores_rows_as_they_are(&self) -> bool {
        self.is_bsatn && self.fixed_bsatn_len > Some(0)
    }

    /// Where a column is in the BSATN of a valid row.
    #[must_use]
    #[inline]
    pub fn column_range(&self, row: &[u8], col: usize) -> Range<usize> {
        let column = &self.columns[col];
        let start = self.columns[column.anchor..col]
            .iter()
            .fold(column.anchor_offset, |at, before| {
                before.shape.skip(row, at)
            });
        start..column.shape.skip(row, start)
    }

    /// Where all columns are in the BSATN of a valid row. Replaces what is in `out`.
    pub fn column_ranges(&self, row: &[u8], out: &mut SmallVec<[Range<usize>; 16]>) {
        out.clear();
        let mut start = 0;
        for column in &self.columns {
            let end = column.shape.skip(row, start);
            out.push(start..end);
            start = end;
        }
    }

    /// The cell of one column.
    pub(crate) fn column_cell(&self, col: usize) -> &Cell {
        &self.columns[col].cell
    }
}

/// Appends a length in a form that does not depend on the machine.
pub(crate) fn put_len(len: usize, out: &mut Vec<u8>) {
    let len = u64::try_from(len).unwrap_or(u64::MAX);
    out.extend_from_slice(&len.to_le_bytes());
}

fn merge_cells(columns: &[Column]) -> Box<[Cell]> {
    let mut cells: Vec<Cell> = Vec::with_capacity(columns.len());
    for column in columns {
        let last = cells.last_mut().map(|cell| &mut cell.kind);
        match (last, &column.cell.kind) {
            (Some(CellKind::Fixed { len: run }), CellKind::Fixed { len }) => *run += len,
            _ => cells.push(column.cell.clone()),
        }
    }
    cells.into_boxed_slice()
}

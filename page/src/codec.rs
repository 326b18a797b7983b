//! Between the BSATN of a row and what a slot and an object hold of it.
//!
//! Rows given here are valid; everything indexes accordingly.

use crate::blob::{BlobName, BlobStore};
use crate::layout::{
    BLOB_MARK, BLOB_NAME_LEN, COLUMN_LEN_MAX, Cell, CellKind, OBJECT_LEN_MAX, RowLayout,
    VariableCell,
};
use crate::page::{read_u16, stored_len, write_u16};
use smallvec::SmallVec;

/// What becomes of the variable columns of one row.
pub(crate) struct ObjectPlan<'a> {
    parts: SmallVec<[Part<'a>; 8]>,
    /// Bytes of the object.
    pub(crate) len: usize,
}

struct Part<'a> {
    bsatn_len: usize,
    stored: &'a [u8],
    in_blob: bool,
}

impl<'a> ObjectPlan<'a> {
    /// Decides which columns go to the blob store, from the row alone.
    #[inline]
    pub(crate) fn new(layout: &RowLayout, row: &'a [u8]) -> ObjectPlan<'a> {
        let mut parts = SmallVec::new();
        let (mut at, mut len) = (0, 0);
        for cell in &layout.cells {
            let CellKind::Variable(variable) = &cell.kind else {
                at += plain_len(&cell.kind, row, at);
                continue;
            };
            let end = variable.shape.skip(row, at);
            let stored = variable.stored(&row[at..end]);
            let in_blob = stored.len() > COLUMN_LEN_MAX;
            len += if in_blob { BLOB_NAME_LEN } else { stored.len() };
            parts.push(Part {
                bsatn_len: end - at,
                stored,
                in_blob,
            });
            at = end;
        }
        assert!(at == row.len(), "the row was not validated");
        let mut plan = ObjectPlan { parts, len };
        if plan.len > OBJECT_LEN_MAX {
            plan.move_largest_to_blobs();
        }
        plan
    }

    /// Moves columns out, largest first, until the object is short enough or nothing is gained.
    #[cold]
    fn move_largest_to_blobs(&mut self) {
        let mut by_len: Vec<usize> = (0..self.parts.len()).collect();
        by_len.sort_by_key(|&part| std::cmp::Reverse(self.parts[part].stored.len()));
        for part in by_len {
            let part = &mut self.parts[part];
            if self.len <= OBJECT_LEN_MAX || part.stored.len() <= BLOB_NAME_LEN {
                break;
            }
            if !part.in_blob {
                part.in_blob = true;
                self.len -= part.stored.len() - BLOB_NAME_LEN;
            }
        }
    }
}

impl ObjectPlan<'_> {
    /// Fills an empty slot and its object, which starts at `object_offset` in the page.
    #[inline]
    pub(crate) fn write(
        &self,
        layout: &RowLayout,
        row: &[u8],
        (slot, object): (&mut [u8], &mut [u8]),
        object_offset: usize,
        blobs: &mut BlobStore,
    ) {
        let (mut at, mut object_at) = (0, 0);
        let mut parts = self.parts.iter();
        for cell in &layout.cells {
            let CellKind::Variable(_) = &cell.kind else {
                let len = plain_len(&cell.kind, row, at);
                slot[cell.slot_offset..][..len].copy_from_slice(&row[at..at + len]);
                at += len;
                continue;
            };
            let Some(part) = parts.next() else { break };
            at += part.bsatn_len;
            if part.in_blob {
                let name = blobs.insert(part.stored);
                object[object_at..][..BLOB_NAME_LEN].copy_from_slice(&name);
                object_at += BLOB_NAME_LEN;
                slot[cell.slot_offset..][..2].copy_from_slice(&BLOB_MARK.to_le_bytes());
            } else {
                object[object_at..][..part.stored.len()].copy_from_slice(part.stored);
                object_at += part.stored.len();
                write_u16(slot, cell.slot_offset, part.stored.len());
            }
        }
        assert!(at == row.len() && object_at == object.len());
        if let (Some(cell), false) = (layout.object_cell, object.is_empty()) {
            write_u16(slot, cell, object_offset);
        }
    }
}

/// Appends the BSATN of a row.
#[inline]
pub(crate) fn read_row<'a>(
    layout: &RowLayout,
    slot: &[u8],
    mut object: &'a [u8],
    blobs: &'a BlobStore,
    out: &mut Vec<u8>,
) {
    for cell in &layout.cells {
        read_cell(cell, slot, &mut object, blobs, out);
    }
}

/// Appends the BSATN of one column.
#[inline]
pub(crate) fn read_column<'a>(
    layout: &RowLayout,
    col: usize,
    slot: &[u8],
    mut object: &'a [u8],
    blobs: &'a BlobStore,
    out: &mut Vec<u8>,
) {
    let cell = layout.column_cell(col);
    if let CellKind::Variable(_) = cell.kind {
        for before in layout
            .cells
            .iter()
            .filter(|c| c.slot_offset < cell.slot_offset)
        {
            if let CellKind::Variable(_) = before.kind {
                object = &object[stored_len(read_u16(slot, before.slot_offset))..];
            }
        }
    }
    read_cell(cell, slot, &mut object, blobs, out);
}

#[inline]
fn read_cell<'a>(
    cell: &Cell,
    slot: &[u8],
    object: &mut &'a [u8],
    blobs: &'a BlobStore,
    out: &mut Vec<u8>,
) {
    match &cell.kind {
        CellKind::Fixed { len } => out.extend_from_slice(&slot[cell.slot_offset..][..*len]),
        CellKind::SmallSum { len_by_tag } => {
            let bytes = &slot[cell.slot_offset..];
            out.extend_from_slice(&bytes[..usize::from(len_by_tag[usize::from(bytes[0])])]);
        }
        CellKind::Variable(variable) => {
            variable.restore(stored(cell, slot, object, blobs), out);
        }
    }
}

/// Whether the stored row is this one, bit for bit.
#[inline]
pub(crate) fn row_eq<'a>(
    layout: &RowLayout,
    slot: &[u8],
    mut object: &'a [u8],
    blobs: &'a BlobStore,
    row: &[u8],
) -> bool {
    let mut at = 0;
    for cell in &layout.cells {
        let (len, equal) = match &cell.kind {
            CellKind::Variable(variable) => {
                let bsatn = &row[at..variable.shape.skip(row, at)];
                let stored = stored(cell, slot, &mut object, blobs);
                (bsatn.len(), column_eq(variable, stored, bsatn))
            }
            kind => {
                let len = plain_len(kind, row, at);
                (len, slot[cell.slot_offset..][..len] == row[at..at + len])
            }
        };
        if !equal {
            return false;
        }
        at += len;
    }
    assert!(at == row.len(), "the row was not validated");
    true
}

#[inline]
fn column_eq(variable: &VariableCell, stored: &[u8], bsatn: &[u8]) -> bool {
    variable.stored(bsatn) == stored
}

/// Takes what is stored of a column from the front of the rest of the object.
#[inline]
fn stored<'a>(cell: &Cell, slot: &[u8], object: &mut &'a [u8], blobs: &'a BlobStore) -> &'a [u8] {
    let mark = read_u16(slot, cell.slot_offset);
    let (part, rest) = object.split_at(stored_len(mark));
    *object = rest;
    if mark == BLOB_MARK {
        blobs.get(name_of(part))
    } else {
        part
    }
}

/// Whether a valid row is stored just like this: with its columns in the cells of the slot, the
/// object, and this many blobs.
pub(crate) fn is_stored_as(
    layout: &RowLayout,
    row: &[u8],
    slot: &[u8],
    object: &[u8],
    blob_count: usize,
) -> bool {
    let plan = ObjectPlan::new(layout, row);
    let variable = layout
        .cells
        .iter()
        .filter(|cell| matches!(cell.kind, CellKind::Variable(_)));
    let cells_agree = variable.zip(&plan.parts).all(|(cell, part)| {
        let mark = read_u16(slot, cell.slot_offset);
        if part.in_blob {
            mark == BLOB_MARK
        } else {
            usize::from(mark) == part.stored.len()
        }
    });
    let blobs = plan.parts.iter().filter(|part| part.in_blob);
    cells_agree && plan.len == object.len() && blobs.count() == blob_count
}

/// Calls `visit` with the blobs of a row.
#[inline]
pub(crate) fn for_each_blob(
    layout: &RowLayout,
    slot: &[u8],
    mut object: &[u8],
    mut visit: impl FnMut(&BlobName),
) {
    for cell in &layout.cells {
        if let CellKind::Variable(_) = cell.kind {
            let mark = read_u16(slot, cell.slot_offset);
            let (part, rest) = object.split_at(stored_len(mark));
            if mark == BLOB_MARK {
                visit(name_of(part));
            }
            object = rest;
        }
    }
}

#[inline]
fn name_of(part: &[u8]) -> &BlobName {
    let name = part.first_chunk();
    assert!(
        name.is_some(),
        "a blob's name is {BLOB_NAME_LEN} bytes long"
    );
    name.unwrap_or(&[0; BLOB_NAME_LEN])
}

/// The length of the BSATN at `at` of a column that is kept in the slot.
#[inline]
fn plain_len(kind: &CellKind, row: &[u8], at: usize) -> usize {
    match kind {
        CellKind::Fixed { len } => *len,
        CellKind::SmallSum { len_by_tag } => usize::from(len_by_tag[usize::from(row[at])]),
        CellKind::Variable(_) => 0,
    }
}

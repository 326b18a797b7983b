//! Writing a record.

use spacetime_types::TableId;

use super::{HAS_INPUTS, HAS_MUTATIONS, HAS_OUTPUTS, Inputs, REDUCER_NAME_BYTES_MAX, write_varint};

/// Rows of one table, in whatever shape the caller keeps them.
pub trait RowSet {
    fn table(&self) -> TableId;

    fn row_count(&self) -> usize;

    /// Appends the BSATN of exactly `row_count` rows.
    fn write_rows(&self, out: &mut Vec<u8>);
}

/// Rows that already lie back to back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows<'a> {
    pub table: TableId,
    pub row_count: usize,
    pub bytes: &'a [u8],
}

impl RowSet for Rows<'_> {
    fn table(&self) -> TableId {
        self.table
    }

    fn row_count(&self) -> usize {
        self.row_count
    }

    fn write_rows(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes);
    }
}

/// The net row changes of a transaction. Each list ascends by table.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a, R> {
    pub inserts: &'a [R],
    pub deletes: &'a [R],
    /// Tables that had rows before and have none after; they are in no other list.
    pub truncates: &'a [TableId],
}

/// Appends one record to `out`. A server writes `changes` always, even if empty.
///
/// # Panics
/// If a list does not ascend by table: replay would meet rows before their table.
pub fn encode<R: RowSet>(
    inputs: Option<Inputs<'_>>,
    outputs: Option<&str>,
    changes: Option<Changes<'_, R>>,
    out: &mut Vec<u8>,
) {
    let mut flags = 0;
    flags |= if inputs.is_some() { HAS_INPUTS } else { 0 };
    flags |= if outputs.is_some() { HAS_OUTPUTS } else { 0 };
    flags |= if changes.is_some() { HAS_MUTATIONS } else { 0 };
    out.push(flags);
    if let Some(inputs) = inputs {
        encode_inputs(inputs, out);
    }
    if let Some(outputs) = outputs {
        write_short_text(outputs, out);
    }
    if let Some(changes) = changes {
        encode_row_sets(changes.inserts, out);
        encode_row_sets(changes.deletes, out);
        write_varint(changes.truncates.len() as u64, out);
        let ascending = changes.truncates.is_sorted_by(|a, b| a < b);
        assert!(ascending, "truncates ascend by table");
        for table in changes.truncates {
            out.extend_from_slice(&table.0.to_le_bytes());
        }
    }
}

fn encode_inputs(inputs: Inputs<'_>, out: &mut Vec<u8>) {
    let len_at = out.len();
    out.extend_from_slice(&[0; 4]);
    write_short_text(inputs.reducer, out);
    out.extend_from_slice(inputs.arguments);
    let len = u32::try_from(out.len() - len_at - 4);
    let len = len.expect("the arguments of a call are far below 4 GiB");
    out[len_at..len_at + 4].copy_from_slice(&len.to_le_bytes());
}

fn write_short_text(text: &str, out: &mut Vec<u8>) {
    let kept = text.floor_char_boundary(REDUCER_NAME_BYTES_MAX);
    out.push(u8::try_from(kept).expect("cut to 255 bytes"));
    out.extend_from_slice(&text.as_bytes()[..kept]);
}

fn encode_row_sets<R: RowSet>(sets: &[R], out: &mut Vec<u8>) {
    let ascending = sets.is_sorted_by(|a, b| a.table() < b.table());
    assert!(ascending, "changes ascend by table");
    write_varint(sets.len() as u64, out);
    for set in sets {
        out.extend_from_slice(&set.table().0.to_le_bytes());
        write_varint(set.row_count() as u64, out);
        set.write_rows(out);
    }
}

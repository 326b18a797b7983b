//! BsatnRowList: a size hint and the rows' BSATN one after the other.
//!
//! Rows that all have the same non-zero length of at most 65535 bytes get the hint `FixedSize`,
//! any others the start of each row. An empty list is `RowOffsets` without offsets.

use spacetime_table::RowList;

use super::wire::{write_bytes, write_len, write_u64};

const TAG_FIXED_SIZE: u8 = 0;
const TAG_ROW_OFFSETS: u8 = 1;

/// The bytes of a list without rows.
pub(super) const EMPTY: [u8; 9] = [TAG_ROW_OFFSETS, 0, 0, 0, 0, 0, 0, 0, 0];

/// Appends `rows`.
pub(super) fn write_row_list(out: &mut Vec<u8>, rows: &RowList) {
    match shared_len(rows) {
        Some(row_len) => {
            out.push(TAG_FIXED_SIZE);
            out.extend_from_slice(&row_len.to_le_bytes());
        }
        None => {
            out.push(TAG_ROW_OFFSETS);
            write_len(out, rows.len());
            let mut start = 0u64;
            for row in rows.iter() {
                write_u64(out, start);
                start += row.len() as u64;
            }
        }
    }
    write_bytes(out, rows.bytes());
}

/// How many bytes [`write_row_list`] appends at most.
pub(super) fn row_list_len_max(rows: &RowList) -> usize {
    EMPTY.len() + 8 * rows.len() + rows.bytes().len()
}

/// The length that all rows have, if it can be a size hint.
fn shared_len(rows: &RowList) -> Option<u16> {
    let len = rows.iter().next()?.len();
    let hint = u16::try_from(len).ok().filter(|hint| *hint > 0)?;
    let shared = rows.fixed_row_len().is_some() || rows.iter().all(|row| row.len() == len);
    shared.then_some(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::test_bytes::hex;

    fn check(rows: &[&[u8]], expect: &str) {
        let mut out = Vec::new();
        write_row_list(&mut out, &RowList::from_rows(rows.iter().copied()));
        assert_eq!(hex(&out), expect);
    }

    #[test]
    fn rows_of_one_length_get_a_fixed_size() {
        check(
            &[&[1, 0, 0, 0], &[2, 0, 0, 0]],
            "000400080000000100000002000000",
        );
    }

    #[test]
    fn rows_of_different_lengths_get_offsets() {
        check(
            &[b"a", b"bcd"],
            "01020000000000000000000000010000000000000004000000\
             61626364",
        );
    }

    #[test]
    fn rows_without_bytes_get_offsets() {
        check(
            &[b"", b""],
            "01020000000000000000000000000000000000000000000000",
        );
    }

    #[test]
    fn a_row_too_long_for_the_hint_gets_offsets() {
        let row = vec![7; 65536];
        let mut out = Vec::new();
        write_row_list(&mut out, &RowList::from_fixed(row.into(), 65536, 1));
        assert_eq!(out[0], TAG_ROW_OFFSETS);
        assert_eq!(out.len(), 1 + 4 + 8 + 4 + 65536);
    }

    #[test]
    fn no_rows() {
        check(&[], &hex(&EMPTY));
        let mut out = Vec::new();
        write_row_list(&mut out, &RowList::from_fixed(Vec::new().into(), 4, 0));
        assert_eq!(out, EMPTY);
    }
}

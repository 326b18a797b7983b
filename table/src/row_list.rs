//! Many rows in one buffer.
//!
//! Invariants
//!   * The rows lie back to back in order and fill `bytes` exactly, so a whole list can be copied
//!     or sent without looking at single rows.
//!   * A list never changes. Clones share the bytes.

use std::sync::Arc;

use bytes::Bytes;

/// Rows as BSATN, back to back.
#[derive(Clone, Debug)]
pub struct RowList {
    bytes: Bytes,
    len: usize,
    ends: RowEnds,
}

#[derive(Clone, Debug)]
enum RowEnds {
    /// Every row has this length.
    Fixed(usize),
    /// End of each row.
    Each(Arc<[usize]>),
}

impl Default for RowList {
    fn default() -> Self {
        RowList {
            bytes: Bytes::new(),
            len: 0,
            ends: RowEnds::Fixed(0),
        }
    }
}

impl RowList {
    /// `len` rows of `row_len` bytes each.
    #[must_use]
    pub fn from_fixed(bytes: Bytes, row_len: usize, len: usize) -> Self {
        assert_eq!(
            Some(bytes.len()),
            row_len.checked_mul(len),
            "fixed rows fill their buffer"
        );
        RowList {
            bytes,
            len,
            ends: RowEnds::Fixed(row_len),
        }
    }

    /// Rows ending at `ends`.
    #[must_use]
    pub fn from_ends(bytes: Bytes, ends: Arc<[usize]>) -> Self {
        assert_eq!(
            bytes.len(),
            ends.last().copied().unwrap_or(0),
            "rows fill their buffer"
        );
        RowList {
            bytes,
            len: ends.len(),
            ends: RowEnds::Each(ends),
        }
    }

    /// Copies rows into a list.
    pub fn from_rows<'a>(rows: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut builder = RowListBuilder::new(None);
        for row in rows {
            builder.push(row);
        }
        builder.finish()
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All rows, back to back.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The length of every row, if it is known to be the same by the row type.
    #[must_use]
    pub fn fixed_row_len(&self) -> Option<usize> {
        match self.ends {
            RowEnds::Fixed(len) => Some(len),
            RowEnds::Each(_) => None,
        }
    }

    fn range(&self, position: usize) -> std::ops::Range<usize> {
        match &self.ends {
            RowEnds::Fixed(len) => position * len..(position + 1) * len,
            RowEnds::Each(ends) => {
                let start = position.checked_sub(1).map_or(0, |before| ends[before]);
                start..ends[position]
            }
        }
    }

    /// One row, sharing the buffer.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<Bytes> {
        (position < self.len).then(|| self.bytes.slice(self.range(position)))
    }

    /// One row.
    #[must_use]
    pub fn row(&self, position: usize) -> Option<&[u8]> {
        (position < self.len).then(|| &self.bytes[self.range(position)])
    }

    /// The rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + '_ {
        (0..self.len).map(|position| &self.bytes[self.range(position)])
    }

    /// Where each row starts in [`RowList::bytes`].
    pub fn starts(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        (0..self.len).map(|position| self.range(position).start)
    }
}

/// Collects rows into a [`RowList`].
#[derive(Debug, Default)]
pub struct RowListBuilder {
    bytes: Vec<u8>,
    len: usize,
    fixed: Option<usize>,
    ends: Vec<usize>,
}

impl RowListBuilder {
    /// `fixed` is the length that every row will have, if the row type says so.
    #[must_use]
    pub fn new(fixed: Option<usize>) -> Self {
        RowListBuilder {
            fixed,
            ..RowListBuilder::default()
        }
    }

    /// Appends a row.
    pub fn push(&mut self, row: &[u8]) {
        self.push_with(|bytes| bytes.extend_from_slice(row));
    }

    /// Appends the bytes that `write` appends as one row.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.len += 1;
        match self.fixed {
            Some(fixed) => {
                assert_eq!(
                    self.bytes.len() - start,
                    fixed,
                    "a fixed row has its length"
                );
            }
            None => self.ends.push(self.bytes.len()),
        }
    }

    /// Number of rows so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no row was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes so far.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The list.
    #[must_use]
    pub fn finish(self) -> RowList {
        match self.fixed {
            Some(fixed) => RowList::from_fixed(self.bytes.into(), fixed, self.len),
            None => RowList::from_ends(self.bytes.into(), self.ends.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_in_order_whether_fixed_or_not() {
        let mut fixed = RowListBuilder::new(Some(2));
        fixed.push(b"ab");
        fixed.push(b"cd");
        let fixed = fixed.finish();
        let each = RowList::from_rows([b"ab".as_slice(), b"cd"]);
        for list in [&fixed, &each] {
            assert_eq!(list.len(), 2);
            assert_eq!(list.iter().collect::<Vec<_>>(), [b"ab", b"cd"]);
            assert_eq!(list.starts().collect::<Vec<_>>(), [0, 2]);
            assert_eq!(list.get(1).as_deref(), Some(b"cd".as_slice()));
            assert_eq!(list.row(2), None);
        }
        assert_eq!(fixed.fixed_row_len(), Some(2));
        assert_eq!(each.fixed_row_len(), None);
    }

    #[test]
    fn rows_without_bytes_are_counted() {
        let mut builder = RowListBuilder::new(Some(0));
        builder.push(b"");
        let list = builder.finish();
        assert_eq!((list.len(), list.bytes().len()), (1, 0));
        assert_eq!(list.iter().count(), 1);
        assert!(RowList::default().is_empty());
    }
}

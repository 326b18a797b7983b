//! Rows that came from a log and are in no index yet.
//!
//! Invariants
//!   * Rows are told apart by the record that they came with: those of earlier records must not
//!     conflict with anything, those of this one may take the key of a row that is deleted later
//!     in it.
//!   * Rows that lie one after another take one entry together.
//!
//! Not here: entering them into an index (see `table`).

use spacetime_page::RowPtr;

/// Rows in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    /// First place and number of rows from there on.
    runs: Vec<(RowPtr, u32)>,
    len: u64,
    /// How many are of earlier records.
    earlier: u64,
    /// The record that the others came with.
    record: u64,
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all rows, and keeps the memory of a few.
    pub fn clear(&mut self) {
        const KEPT_MAX: usize = 1_024;
        self.runs.clear();
        self.runs.shrink_to(KEPT_MAX);
        (self.len, self.earlier, self.record) = (0, 0, 0);
    }

    /// Number of rows.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Adds rows that lie one after another.
    #[inline]
    pub fn push(&mut self, record: u64, first: RowPtr, count: u32) {
        assert!(record >= self.record, "records come in order");
        if self.record != record {
            self.earlier = self.len;
            self.record = record;
        }
        self.len += u64::from(count);
        if let Some((start, len)) = self.runs.last_mut()
            && start.0.checked_add(*len) == Some(first.0)
        {
            *len += count;
            return;
        }
        self.runs.push((first, count));
    }

    /// Number of rows of records before `record`.
    pub fn earlier_than(&self, record: u64) -> u64 {
        if self.record == record {
            self.earlier
        } else {
            self.len
        }
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = RowPtr> + '_ {
        let runs = self.runs.iter();
        runs.flat_map(|(start, len)| (0..*len).map(|nth| RowPtr(start.0 + nth)))
    }
}

#[cfg(test)]
mod tests {
    use super::Pending;
    use spacetime_page::RowPtr;

    #[test]
    fn keeps_rows_in_order_and_tells_records_apart() {
        let mut pending = Pending::default();
        assert!(pending.is_empty());
        pending.push(1, RowPtr(5), 2);
        pending.push(1, RowPtr(7), 1);
        assert_eq!(pending.earlier_than(1), 0);
        assert_eq!(pending.earlier_than(2), 3);
        pending.push(4, RowPtr(8), 1);
        pending.push(4, RowPtr(2), 1);
        assert_eq!(pending.earlier_than(4), 3);
        assert_eq!(pending.earlier_than(5), 5);
        let rows: Vec<u32> = pending.iter().map(|ptr| ptr.0).collect();
        assert_eq!(rows, [5, 6, 7, 8, 2]);
        assert_eq!(pending.runs.len(), 2);
        assert_eq!(pending.len(), 5);
        pending.clear();
        assert!(pending.is_empty());
        assert_eq!(pending.iter().count(), 0);
        pending.push(4, RowPtr(9), 1);
        assert_eq!((pending.earlier_than(4), pending.earlier_than(5)), (0, 1));
    }
}

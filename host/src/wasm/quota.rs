//! What the module of one database may use: time, memory, tables, instances.
//!
//! Invariant: `used` of a quota is the sum of the linear memories of all live instances that share
//! it, never more than the limit. An instance takes back what it has used when it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use spacetime_table::Datastore;
use wasmtime::ResourceLimiter;

use super::engine::ticks_of;

/// Procedures that run at once on machines with few cores: most of them wait, not compute.
const PROCEDURES_MIN: usize = 16;

/// Elements of one table of functions or references, and tables of one instance.
const TABLE_ELEMENTS_MAX: usize = 1_000_000;
const TABLES_MAX: usize = 16;

/// Bytes of rows that a module may write before the memory of all rows is looked at again.
const ROW_BYTES_UNSEEN_MAX: usize = 1 << 20;

/// What one call of a module may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Wall-clock time of one call.
    pub call_time_max: Duration,
    /// The same of `init` and of the start of an instance.
    pub init_time_max: Duration,
    /// The same of one run of a view, which holds up whoever changed what it reads.
    pub view_time_max: Duration,
    /// Calls of reducers that take longer are logged.
    pub slow_call: Duration,
    /// Linear memory of one instance.
    pub memory_bytes_max: usize,
    /// Linear memory of all instances of one database together.
    pub memory_bytes_total_max: usize,
    /// Rows, large values and indexes of one database; beyond them nobody writes more.
    pub row_bytes_max: usize,
    /// Time that one procedure or HTTP handler may compute; waiting does not count.
    pub procedure_time_max: Duration,
    /// Procedures and HTTP handlers of one database that run at once.
    pub procedures_max: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        CallLimits {
            call_time_max: Duration::from_secs(10),
            init_time_max: Duration::from_secs(60),
            view_time_max: Duration::from_secs(1),
            slow_call: Duration::from_secs(1),
            memory_bytes_max: 1 << 30,
            memory_bytes_total_max: 4 << 30,
            row_bytes_max: usize::MAX,
            procedure_time_max: Duration::from_secs(60),
            procedures_max: std::thread::available_parallelism()
                .map_or(1, usize::from)
                .max(PROCEDURES_MIN),
        }
    }
}

impl CallLimits {
    /// The time of a view's run in ticks of the engine's epoch.
    pub(super) fn view_deadline_ticks(&self) -> u64 {
        ticks_of(self.view_time_max)
    }

    /// The time in which an instance must have started, in the same ticks.
    pub(super) fn start_deadline_ticks(&self) -> u64 {
        ticks_of(self.init_time_max.max(self.call_time_max))
    }
}

/// The limits of one database, and the memory that its instances have.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    pub(crate) limits: CallLimits,
    used: Arc<AtomicUsize>,
    /// Bytes of rows that were written since the memory of all rows was looked at.
    written: Arc<AtomicUsize>,
}

impl Quota {
    pub(crate) fn new(limits: CallLimits) -> Quota {
        Quota {
            limits,
            used: Arc::default(),
            written: Arc::default(),
        }
    }

    /// Linear memory that all instances have now, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// For an instance that is about to be made.
    pub(super) fn share(&self) -> MemoryShare {
        MemoryShare {
            quota: self.clone(),
            own: 0,
            last_growth: 0,
            refused: None,
        }
    }

    /// A row of so many bytes was written. `row_bytes` tells the memory of all rows; it is asked
    /// once for every [`ROW_BYTES_UNSEEN_MAX`] that were written, or always beyond the limit.
    fn note_written(
        &self,
        bytes: usize,
        row_bytes: impl FnOnce() -> usize,
    ) -> Result<(), TooManyRows> {
        let max = self.limits.row_bytes_max;
        if max == usize::MAX {
            return Ok(());
        }
        let written = self.written.fetch_add(bytes, Ordering::Relaxed);
        if written.saturating_add(bytes) < ROW_BYTES_UNSEEN_MAX {
            return Ok(());
        }
        if row_bytes() > max {
            self.written.store(ROW_BYTES_UNSEEN_MAX, Ordering::Relaxed);
            return Err(TooManyRows(max));
        }
        self.written.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// What [`Quota::check_rows`] compares; nothing if there is no limit.
    pub(crate) fn bytes_of(&self, rows: &Datastore) -> usize {
        match self.limits.row_bytes_max {
            usize::MAX => 0,
            _ => rows.counted_bytes(),
        }
    }

    /// What was written otherwise than by the module has made `before` bytes `after`. Writing less
    /// is always possible.
    pub(crate) fn check_rows(&self, before: usize, after: usize) -> Result<(), TooManyRows> {
        let max = self.limits.row_bytes_max;
        match after > max && after > before {
            true => Err(TooManyRows(max)),
            false => Ok(()),
        }
    }

    fn take(&self, bytes: usize) -> bool {
        let max = self.limits.memory_bytes_total_max;
        let add = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= max);
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        taken.is_ok()
    }

    fn give_back(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, Ordering::Relaxed);
        assert!(
            before >= bytes,
            "{bytes} bytes were given back, {before} taken"
        );
    }
}

/// No more rows may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the rows of this database, with their indexes, have more than {0} bytes: delete some, whole \
     pages of them, or raise `row-memory-limit`"
)]
pub(crate) struct TooManyRows(usize);

/// Why an instance did not get more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("an instance of this database may have {0} bytes of memory at most")]
    Instance(usize),
    #[error("all instances of this database together may have {0} bytes of memory at most")]
    Database(usize),
    #[error("a table may have {TABLE_ELEMENTS_MAX} elements at most")]
    Table,
}

/// The memory of one instance.
#[derive(Debug)]
pub(super) struct MemoryShare {
    quota: Quota,
    own: usize,
    /// What the last growth took, in case that it fails.
    last_growth: usize,
    /// The last refusal since it was asked for.
    refused: Option<Refused>,
}

impl MemoryShare {
    /// See [`Quota::note_written`].
    pub(super) fn note_written(
        &self,
        bytes: usize,
        row_bytes: impl FnOnce() -> usize,
    ) -> Result<(), TooManyRows> {
        self.quota.note_written(bytes, row_bytes)
    }

    /// Why the module did not get memory lately, if that was so: it mostly ends in a trap that
    /// says nothing about memory.
    pub(super) fn take_refusal(&mut self) -> Option<Refused> {
        self.refused.take()
    }
}

impl ResourceLimiter for MemoryShare {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let limits = self.quota.limits;
        let growth = desired.saturating_sub(current);
        self.last_growth = 0;
        if desired > limits.memory_bytes_max {
            self.refused = Some(Refused::Instance(limits.memory_bytes_max));
            return Ok(false);
        }
        if !self.quota.take(growth) {
            self.refused = Some(Refused::Database(limits.memory_bytes_total_max));
            return Ok(false);
        }
        self.own += growth;
        self.last_growth = growth;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        let growth = std::mem::take(&mut self.last_growth);
        self.own -= growth;
        self.quota.give_back(growth);
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = desired <= TABLE_ELEMENTS_MAX;
        if !fits {
            self.refused = Some(Refused::Table);
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        1
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.quota.give_back(self.own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(one: usize, all: usize) -> Quota {
        Quota::new(CallLimits {
            memory_bytes_max: one,
            memory_bytes_total_max: all,
            ..CallLimits::default()
        })
    }

    fn grows(share: &mut MemoryShare, from: usize, to: usize) -> bool {
        share.memory_growing(from, to, None).expect("no error")
    }

    #[test]
    fn an_instance_and_all_together_have_a_bound() {
        let quota = quota(100, 150);
        let mut first = quota.share();
        assert!(grows(&mut first, 0, 100));
        assert_eq!(first.take_refusal(), None);
        assert!(!grows(&mut first, 100, 101));
        assert_eq!(first.take_refusal(), Some(Refused::Instance(100)));
        let mut second = quota.share();
        assert!(grows(&mut second, 0, 50));
        assert!(!grows(&mut second, 50, 51));
        assert_eq!(second.take_refusal(), Some(Refused::Database(150)));
        assert_eq!(second.take_refusal(), None);
        assert_eq!(quota.memory_bytes(), 150);
        drop(first);
        assert_eq!(quota.memory_bytes(), 50);
        assert!(grows(&mut second, 50, 100));
        drop(second);
        assert_eq!(quota.memory_bytes(), 0);
    }

    #[test]
    fn a_growth_that_the_system_refused_does_not_count() {
        let quota = quota(100, 100);
        let mut share = quota.share();
        assert!(grows(&mut share, 0, 40));
        assert!(grows(&mut share, 40, 90));
        let failed = || wasmtime::Error::msg("no pages");
        share.memory_grow_failed(failed()).expect("no error");
        assert_eq!(quota.memory_bytes(), 40);
        // A refusal of ours comes back in the same way, and took nothing.
        assert!(!grows(&mut share, 40, 101));
        share.memory_grow_failed(failed()).expect("no error");
        assert_eq!(quota.memory_bytes(), 40);
    }

    #[test]
    fn rows_have_a_bound_that_is_looked_at_now_and_then() {
        let quota = Quota::new(CallLimits {
            row_bytes_max: 5 << 20,
            ..CallLimits::default()
        });
        let half = ROW_BYTES_UNSEEN_MAX / 2;
        let never = || unreachable!("not looked at");
        assert_eq!(quota.note_written(half, never), Ok(()));
        assert_eq!(quota.note_written(half, || 5 << 20), Ok(()));
        assert_eq!(quota.note_written(half, never), Ok(()));
        let refused = Err(TooManyRows(5 << 20));
        assert_eq!(quota.note_written(half, || (5 << 20) + 1), refused);
        assert_eq!(quota.note_written(1, || (5 << 20) + 1), refused);
        assert_eq!(quota.note_written(1, || 100), Ok(()));
        assert_eq!(quota.note_written(1, never), Ok(()));
        let max = 5 << 20;
        assert_eq!(quota.check_rows(0, max), Ok(()));
        assert_eq!(quota.check_rows(max, max + 1), refused);
        assert_eq!(quota.check_rows(max + 2, max + 1), Ok(()), "it is less");
        let unlimited = Quota::new(CallLimits::default());
        assert_eq!(unlimited.note_written(usize::MAX, never), Ok(()));
    }

    #[test]
    fn tables_have_a_bound() {
        let mut share = quota(1, 1).share();
        assert!(
            share
                .table_growing(0, TABLE_ELEMENTS_MAX, None)
                .expect("no error")
        );
        let more = share.table_growing(0, TABLE_ELEMENTS_MAX + 1, None);
        assert!(!more.expect("no error"));
        assert_eq!(share.take_refusal(), Some(Refused::Table));
    }
}

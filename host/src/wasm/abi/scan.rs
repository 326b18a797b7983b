//! Scans and the row iterators that they return.
//!
//! Invariants
//!   * An iterator is a snapshot: it holds the rows as they were when the scan was made, so a
//!     guest may write while it iterates.
//!   * Rows are handed out in whole chunks; a chunk ends at a row boundary, past
//!     [`CHUNK_BYTES_MIN`].
//!   * A scan is made only while the rows that other open iterators hold are not too many.

use std::collections::VecDeque;
use std::ops::Bound;

use spacetime_table::{Datastore, RowPtr};
use spacetime_types::{IndexId, TableId};
use wasmtime::{Caller, Linker};

use super::guest_memory::{Fault, GuestMemory};
use super::{EXHAUSTED, Env, Stop, errno, finish, split};
use crate::planted::{self, Bug};
use crate::wasm::engine::Deadline;

/// A chunk is closed once it is longer than this.
const CHUNK_BYTES_MIN: usize = 32 * 1024;

/// Most iterators that a call may have open.
const ITERATORS_MAX: usize = 16 * 1024;

/// Bytes of rows in open iterators with which a call may make one more scan. Each is a copy.
const OPEN_BYTES_MAX: usize = 1 << 30;

/// Rows of a scan that have not been handed out yet.
#[derive(Debug, Default)]
struct RowIterator {
    rows: Vec<u8>,
    /// Offset in `rows` of the first byte not handed out.
    start: usize,
    /// Ends of the chunks that are left.
    chunk_ends: VecDeque<usize>,
}

impl RowIterator {
    fn collect(
        database: &Datastore,
        table: TableId,
        rows: impl Iterator<Item = RowPtr>,
        (mut buffer, deadline): (Vec<u8>, &Deadline),
    ) -> Result<RowIterator, Stop> {
        buffer.clear();
        let mut chunk_ends = VecDeque::new();
        let mut chunk_start = 0;
        for row in rows {
            database.read_row(table, row, &mut buffer);
            if buffer.len() - chunk_start > CHUNK_BYTES_MIN {
                chunk_start = buffer.len();
                chunk_ends.push_back(chunk_start);
                deadline.check().map_err(Stop::Trap)?;
            }
        }
        if buffer.len() > chunk_start {
            chunk_ends.push_back(buffer.len());
        }
        Ok(RowIterator {
            rows: buffer,
            start: 0,
            chunk_ends,
        })
    }

    /// The bytes of as many whole chunks as fit.
    fn take_chunks(&mut self, capacity: usize) -> std::ops::Range<usize> {
        let start = self.start;
        while let Some(&end) = self.chunk_ends.front() {
            if end - start > capacity {
                break;
            }
            self.start = end;
            self.chunk_ends.pop_front();
        }
        start..self.start
    }
}

/// The iterators that a call has open.
#[derive(Debug, Default)]
pub(in crate::wasm) struct RowIterators {
    slots: Vec<Option<RowIterator>>,
    free: Vec<usize>,
    /// A buffer of an iterator that ended, for the next one.
    spare: Vec<u8>,
    /// What the buffers of the open ones hold.
    open_bytes: usize,
}

/// A spare buffer larger than this is given back.
const SPARE_BYTES_MAX: usize = 1 << 20;

impl RowIterators {
    pub(in crate::wasm) fn clear(&mut self) {
        self.slots.clear();
        self.free.clear();
        self.open_bytes = 0;
    }

    /// The buffer for another scan, if there may be one.
    fn take_buffer(&mut self) -> Result<Vec<u8>, Stop> {
        if self.open_bytes > OPEN_BYTES_MAX {
            let held = self.open_bytes;
            return Err(Stop::Trap(wasmtime::Error::msg(format!(
                "the module's open row iterators hold {held} bytes, more than {OPEN_BYTES_MAX}"
            ))));
        }
        Ok(std::mem::take(&mut self.spare))
    }

    fn add(&mut self, iterator: RowIterator) -> Result<u32, Stop> {
        self.open_bytes += iterator.rows.capacity();
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(iterator);
                slot
            }
            None if self.slots.len() >= ITERATORS_MAX => {
                return Err(Stop::Trap(wasmtime::Error::msg(format!(
                    "the module has {ITERATORS_MAX} row iterators open"
                ))));
            }
            None => {
                self.slots.push(Some(iterator));
                self.slots.len() - 1
            }
        };
        Ok(u32::try_from(slot + 1).expect("at most ITERATORS_MAX slots"))
    }

    fn get_mut(&mut self, handle: u32) -> Result<(usize, &mut RowIterator), Stop> {
        let slot = usize::try_from(handle)
            .ok()
            .and_then(|handle| handle.checked_sub(1));
        slot.and_then(|slot| Some((slot, self.slots.get_mut(slot)?.as_mut()?)))
            .ok_or(Stop::Errno(errno::NO_SUCH_ITER))
    }

    fn remove(&mut self, slot: usize) {
        if let Some(iterator) = self.slots[slot].take() {
            self.open_bytes -= iterator.rows.capacity();
            self.free.push(slot);
            if iterator.rows.capacity() <= SPARE_BYTES_MAX {
                self.spare = iterator.rows;
            }
        }
    }
}

pub(super) fn link(linker: &mut Linker<Env>) -> wasmtime::Result<()> {
    linker
        .func_wrap("spacetime_10.0", "datastore_table_scan_bsatn", table_scan)?
        .func_wrap(
            "spacetime_10.0",
            "datastore_index_scan_range_bsatn",
            index_scan_range,
        )?
        .func_wrap(
            "spacetime_10.0",
            "datastore_btree_scan_bsatn",
            index_scan_range,
        )?
        .func_wrap(
            "spacetime_10.4",
            "datastore_index_scan_point_bsatn",
            index_scan_point,
        )?
        .func_wrap("spacetime_10.0", "row_iter_bsatn_advance", row_iter_advance)?
        .func_wrap("spacetime_10.0", "row_iter_bsatn_close", row_iter_close)?;
    Ok(())
}

fn table_scan(mut caller: Caller<'_, Env>, table: u32, out: u32) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let table = TableId(table);
        let buffer = env.iterators.take_buffer()?;
        let database = env.database()?;
        let rows = database
            .scan(table)
            .ok_or(Stop::Errno(errno::NO_SUCH_TABLE))?;
        let rows = rows.take(env.rows_seen(table)?);
        let iterator = RowIterator::collect(database, table, rows, (buffer, &env.deadline))?;
        env.note_table(table);
        memory.write_u32(out, env.iterators.add(iterator)?)?;
        Ok(0)
    })())
}

fn index_scan_point(
    mut caller: Caller<'_, Env>,
    index: u32,
    point: u32,
    point_len: u32,
    out: u32,
) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let buffer = env.iterators.take_buffer()?;
        let database = env.database()?;
        let (index, point) = (IndexId(index), memory.bytes(point, point_len)?);
        let (table, rows) = database.index_point(index, point)?;
        let rows = rows.take(env.rows_seen(table)?);
        let iterator = RowIterator::collect(database, table, rows, (buffer, &env.deadline))?;
        if let Some(reads) = &mut env.reads {
            let key = database_of(&env.database)?.point_key(index, point)?;
            reads.add_key(table, index, key);
        }
        memory.write_u32(out, env.iterators.add(iterator)?)?;
        Ok(0)
    })())
}

/// The leading columns that a range fixes, with their values, if it asks for nothing else.
fn equal_columns(
    prefix: &[u8],
    prefix_elems: usize,
    start: Bound<&[u8]>,
    end: Bound<&[u8]>,
) -> Option<(usize, Box<[u8]>)> {
    match (start, end) {
        (Bound::Unbounded, Bound::Unbounded) if prefix_elems > 0 => {
            Some((prefix_elems, prefix.into()))
        }
        (Bound::Included(start), Bound::Included(end)) if start == end => {
            Some((prefix_elems + 1, [prefix, start].concat().into()))
        }
        _ => None,
    }
}

/// The database beside what else of the environment is borrowed.
fn database_of(database: &Option<Box<Datastore>>) -> Result<&Datastore, Stop> {
    database
        .as_deref()
        .ok_or(Stop::Errno(errno::NOT_IN_TRANSACTION))
}

/// The parameters of a range scan as they come from the guest.
pub(super) struct RangeParams {
    pub(super) prefix: (u32, u32),
    pub(super) prefix_elems: u32,
    pub(super) start: (u32, u32),
    pub(super) end: (u32, u32),
}

/// A range whose parts are checked slices of the guest's memory.
pub(super) struct Range<'a> {
    pub(super) prefix: &'a [u8],
    pub(super) prefix_elems: usize,
    pub(super) start: Bound<&'a [u8]>,
    pub(super) end: Bound<&'a [u8]>,
}

impl RangeParams {
    pub(super) fn read<'a>(&self, memory: &'a GuestMemory<'_>) -> Result<Range<'a>, Stop> {
        let prefix_elems = u16::try_from(self.prefix_elems)
            .map_err(|_| Fault::PrefixTooLong(self.prefix_elems))?;
        // With no prefix columns the pointer means nothing.
        let prefix = match prefix_elems {
            0 => &[],
            _ => memory.bytes(self.prefix.0, self.prefix.1)?,
        };
        Ok(Range {
            prefix,
            prefix_elems: usize::from(prefix_elems),
            start: bound(memory.bytes(self.start.0, self.start.1)?)?,
            end: bound(memory.bytes(self.end.0, self.end.1)?)?,
        })
    }
}

fn bound(bytes: &[u8]) -> Result<Bound<&[u8]>, Stop> {
    match bytes.split_first() {
        Some((0, value)) => Ok(Bound::Included(value)),
        Some((1, value)) if planted::is_on(Bug::RangeTakesEndIn) => Ok(Bound::Included(value)),
        Some((1, value)) => Ok(Bound::Excluded(value)),
        Some((2, [])) => Ok(Bound::Unbounded),
        _ => Err(Stop::Errno(errno::BSATN_DECODE_ERROR)),
    }
}

#[expect(clippy::too_many_arguments, reason = "the ABI's signature")]
fn index_scan_range(
    mut caller: Caller<'_, Env>,
    index: u32,
    prefix: u32,
    prefix_len: u32,
    prefix_elems: u32,
    start: u32,
    start_len: u32,
    end: u32,
    end_len: u32,
    out: u32,
) -> wasmtime::Result<i32> {
    let params = RangeParams {
        prefix: (prefix, prefix_len),
        prefix_elems,
        start: (start, start_len),
        end: (end, end_len),
    };
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let buffer = env.iterators.take_buffer()?;
        let database = env.database()?;
        let (index, range) = (IndexId(index), params.read(&memory)?);
        let Range {
            prefix,
            prefix_elems,
            start,
            end,
        } = range;
        let (table, rows) = database.index_range(index, prefix, prefix_elems, start, end)?;
        let rows = rows.take(env.rows_seen(table)?);
        let iterator = RowIterator::collect(database, table, rows, (buffer, &env.deadline))?;
        if let Some(reads) = &mut env.reads {
            let database = database_of(&env.database)?;
            let equal = equal_columns(prefix, prefix_elems, start, end);
            match equal.filter(|(columns, _)| database.has_exact_prefix(index, *columns)) {
                Some((columns, bytes)) => reads.add_prefix(table, index, columns, bytes),
                None => {
                    let keys = database.range_keys(index, prefix, prefix_elems, start, end)?;
                    reads.add_range(table, index, keys);
                }
            }
        }
        memory.write_u32(out, env.iterators.add(iterator)?)?;
        Ok(0)
    })())
}

fn row_iter_advance(
    mut caller: Caller<'_, Env>,
    handle: u32,
    buffer: u32,
    buffer_len: u32,
) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let (slot, iterator) = env.iterators.get_mut(handle)?;
        let capacity = memory.read_u32(buffer_len)?;
        let target = memory.bytes_mut(buffer, capacity)?;
        let taken = iterator.take_chunks(target.len());
        if taken.is_empty()
            && let Some(end) = iterator.chunk_ends.front()
        {
            let needed = u32::try_from(end - iterator.start).unwrap_or(u32::MAX);
            memory.write_u32(buffer_len, needed)?;
            return Err(Stop::Errno(errno::BUFFER_TOO_SMALL));
        }
        let rows = &iterator.rows[taken];
        target[..rows.len()].copy_from_slice(rows);
        let written = u32::try_from(rows.len()).expect("no more than the capacity, a u32");
        let exhausted = iterator.chunk_ends.is_empty();
        memory.write_u32(buffer_len, written)?;
        if exhausted {
            if !planted::is_on(Bug::IteratorsStay) {
                env.iterators.remove(slot);
            }
            return Ok(EXHAUSTED);
        }
        Ok(0)
    })())
}

fn row_iter_close(mut caller: Caller<'_, Env>, handle: u32) -> wasmtime::Result<i32> {
    finish((|| {
        let (_, env) = split(&mut caller)?;
        let (slot, _) = env.iterators.get_mut(handle)?;
        env.iterators.remove(slot);
        Ok(0)
    })())
}

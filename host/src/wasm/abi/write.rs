//! Inserts, updates and deletes.

use smallvec::SmallVec;
use spacetime_table::error::WriteError;
use spacetime_table::{RowPtr, TableSchema};
use spacetime_types::{IndexId, TableId};
use wasmtime::{Caller, Linker};

use super::guest_memory::GuestMemory;
use super::scan::RangeParams;
use super::{Env, Stop, errno, finish, split};
use crate::planted::{self, Bug};

impl From<WriteError> for Stop {
    fn from(error: WriteError) -> Self {
        Stop::Errno(match error {
            WriteError::NoSuchTable(_) => errno::NO_SUCH_TABLE,
            WriteError::NoSuchIndex { .. } => errno::NO_SUCH_INDEX,
            WriteError::InvalidRow { .. } => errno::BSATN_DECODE_ERROR,
            WriteError::UniqueViolation { .. } => errno::UNIQUE_ALREADY_EXISTS,
            WriteError::IndexNotUnique(_) => errno::INDEX_NOT_UNIQUE,
            WriteError::NoSuchRow { .. } => errno::NO_SUCH_ROW,
            WriteError::AutoIncOverflow { .. } => errno::AUTO_INC_OVERFLOW,
            WriteError::Protected(_) => errno::TRANSACTION_IS_READ_ONLY,
            WriteError::SequenceExhausted(_) | WriteError::NoRoom { .. } => {
                errno::HOST_CALL_FAILURE
            }
        })
    }
}

pub(super) fn link(linker: &mut Linker<Env>) -> wasmtime::Result<()> {
    linker
        .func_wrap("spacetime_10.0", "datastore_insert_bsatn", insert)?
        .func_wrap("spacetime_10.0", "datastore_update_bsatn", update)?
        .func_wrap(
            "spacetime_10.0",
            "datastore_delete_by_index_scan_range_bsatn",
            delete_by_index_range,
        )?
        .func_wrap(
            "spacetime_10.0",
            "datastore_delete_by_btree_scan_bsatn",
            delete_by_index_range,
        )?
        .func_wrap(
            "spacetime_10.4",
            "datastore_delete_by_index_scan_point_bsatn",
            delete_by_index_point,
        )?
        .func_wrap(
            "spacetime_10.0",
            "datastore_delete_all_by_eq_bsatn",
            delete_all_by_eq,
        )?
        .func_wrap("spacetime_10.5", "datastore_clear", clear)?;
    Ok(())
}

/// Writes the generated columns over the start of the row and their length over the row's.
fn write_back(
    memory: &mut GuestMemory<'_>,
    row: u32,
    row_len: u32,
    generated: &[u8],
) -> Result<i32, Stop> {
    if !generated.is_empty() && !planted::is_on(Bug::GeneratedNotWritten) {
        memory.write(row, generated)?;
    }
    memory.write_u32(
        row_len,
        u32::try_from(generated.len()).expect("no longer than the row"),
    )?;
    Ok(0)
}

fn insert(
    mut caller: Caller<'_, Env>,
    table: u32,
    row: u32,
    row_len: u32,
) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let len = memory.read_u32(row_len)?;
        let database = env.database_mut()?;
        let inserted = database.insert(TableId(table), memory.bytes(row, len)?)?;
        note_written(env, len)?;
        write_back(&mut memory, row, row_len, &inserted.generated)
    })())
}

/// Ends the call if the database has more rows than it may. Nobody ignores that.
fn note_written(env: &Env, len: u32) -> Result<(), Stop> {
    let row_bytes = || env.database.as_ref().map_or(0, |rows| rows.counted_bytes());
    let bytes = usize::try_from(len).unwrap_or(usize::MAX);
    let noted = env.memory_share.note_written(bytes, row_bytes);
    noted.map_err(|error| Stop::Trap(wasmtime::Error::new(error)))
}

fn update(
    mut caller: Caller<'_, Env>,
    table: u32,
    index: u32,
    row: u32,
    row_len: u32,
) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let len = memory.read_u32(row_len)?;
        let database = env.database_mut()?;
        let updated = database.update(TableId(table), IndexId(index), memory.bytes(row, len)?)?;
        note_written(env, len)?;
        write_back(&mut memory, row, row_len, &updated.generated)
    })())
}

/// Rows found before anything is deleted: a scan must not see its own deletes.
type Found = SmallVec<[RowPtr; 8]>;

/// Rows between two looks at the time.
const ROWS_UNSEEN_MAX: u32 = 4096;

/// Stops the call at some rows if its time is used up.
fn check_now_and_then(env: &Env, row: u32) -> Result<(), Stop> {
    if row.is_multiple_of(ROWS_UNSEEN_MAX) {
        env.deadline.check().map_err(Stop::Trap)?;
    }
    Ok(())
}

fn delete_found(env: &mut Env, table: TableId, found: &Found) -> Result<u32, Stop> {
    for (nth, row) in (1..).zip(found) {
        env.database_mut()?.delete(table, *row)?;
        check_now_and_then(env, nth)?;
    }
    Ok(u32::try_from(found.len()).unwrap_or(u32::MAX))
}

/// The rows of a list, one after the other, up to where it is malformed. They are not kept: there
/// may be as many as there are bytes.
fn listed<'a>(
    schema: &'a TableSchema,
    list: &'a [u8],
) -> Result<impl Iterator<Item = Result<&'a [u8], Stop>>, Stop> {
    let malformed = || Stop::Errno(errno::BSATN_DECODE_ERROR);
    let (count, mut rest) = list.split_first_chunk::<4>().ok_or_else(malformed)?;
    let mut left = u32::from_le_bytes(*count);
    Ok(std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let Ok(len) = schema.layout.row_len(rest) else {
            left = 0;
            return Some(Err(malformed()));
        };
        let (row, behind) = rest.split_at(len);
        rest = behind;
        if row.is_empty() {
            // Rows of no bytes are all equal: the first one does it, and a count of 2^32 of them
            // must not keep the host busy.
            left = 0;
        }
        Some(Ok(row))
    }))
}

fn delete_by_index_point(
    mut caller: Caller<'_, Env>,
    index: u32,
    point: u32,
    point_len: u32,
    out: u32,
) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let database = env.database_mut()?;
        let (table, rows) =
            database.index_point(IndexId(index), memory.bytes(point, point_len)?)?;
        let found: Found = rows.collect();
        let deleted = delete_found(env, table, &found)?;
        memory.write_u32(out, deleted)?;
        Ok(0)
    })())
}

#[expect(clippy::too_many_arguments, reason = "the ABI's signature")]
fn delete_by_index_range(
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
        let database = env.database_mut()?;
        let range = params.read(&memory)?;
        let (table, rows) = database.index_range(
            IndexId(index),
            range.prefix,
            range.prefix_elems,
            range.start,
            range.end,
        )?;
        let found: Found = rows.collect();
        let deleted = delete_found(env, table, &found)?;
        memory.write_u32(out, deleted)?;
        Ok(0)
    })())
}

fn delete_all_by_eq(
    mut caller: Caller<'_, Env>,
    table: u32,
    relation: u32,
    relation_len: u32,
    out: u32,
) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let database = env.database_mut()?;
        let table = TableId(table);
        let schema = database
            .schema(table)
            .ok_or(Stop::Errno(errno::NO_SUCH_TABLE))?
            .clone();
        let relation = memory.bytes(relation, relation_len)?;
        // All are looked at before one is deleted: a list that is malformed deletes nothing.
        for (nth, row) in (1..).zip(listed(&schema, relation)?) {
            row?;
            check_now_and_then(env, nth)?;
        }
        let mut deleted = 0u32;
        for (nth, row) in (1..).zip(listed(&schema, relation)?) {
            let database = env.database_mut()?;
            let was_there = database.delete_eq(table, row?)?;
            deleted += u32::from(was_there || planted::is_on(Bug::DeletesMiscounted));
            check_now_and_then(env, nth)?;
        }
        memory.write_u32(out, deleted)?;
        Ok(0)
    })())
}

fn clear(mut caller: Caller<'_, Env>, table: u32, out: u32) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let cleared = env.database_mut()?.clear(TableId(table))?;
        memory.write_u64(out, cleared)?;
        Ok(0)
    })())
}

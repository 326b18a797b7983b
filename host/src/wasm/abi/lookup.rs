//! From names to ids, and row counts.

use spacetime_types::TableId;
use wasmtime::{Caller, Linker};

use super::{Env, Stop, errno, finish, split};

pub(super) fn link(linker: &mut Linker<Env>) -> wasmtime::Result<()> {
    linker
        .func_wrap("spacetime_10.0", "table_id_from_name", table_id_from_name)?
        .func_wrap("spacetime_10.0", "index_id_from_name", index_id_from_name)?
        .func_wrap(
            "spacetime_10.0",
            "datastore_table_row_count",
            datastore_table_row_count,
        )?;
    Ok(())
}

fn table_id_from_name(
    mut caller: Caller<'_, Env>,
    name: u32,
    name_len: u32,
    out: u32,
) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let database = env.database()?;
        let id = database
            .table_id(memory.name(name, name_len)?)
            .ok_or(Stop::Errno(errno::NO_SUCH_TABLE))?;
        memory.write_u32(out, id.0)?;
        Ok(0)
    })())
}

fn index_id_from_name(
    mut caller: Caller<'_, Env>,
    name: u32,
    name_len: u32,
    out: u32,
) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let database = env.database()?;
        let id = database
            .index_id(memory.name(name, name_len)?)
            .ok_or(Stop::Errno(errno::NO_SUCH_INDEX))?;
        memory.write_u32(out, id.0)?;
        Ok(0)
    })())
}

fn datastore_table_row_count(
    mut caller: Caller<'_, Env>,
    table: u32,
    out: u32,
) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let table = TableId(table);
        let count = env
            .database()?
            .row_count(table)
            .ok_or(Stop::Errno(errno::NO_SUCH_TABLE))?;
        let seen = u64::try_from(env.rows_seen(table)?).unwrap_or(u64::MAX);
        let count = count.min(seen);
        env.note_table(table);
        memory.write_u64(out, count)?;
        Ok(0)
    })())
}

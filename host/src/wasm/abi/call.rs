//! Calls about the call itself: the database's identity, the caller's claims, calls queued for
//! later, and what only procedures may do.
//!
//! Functions of modules run as reducers here, so the procedure calls give the answers that the
//! ABI defines for reducers: a second transaction would block, a reducer's transaction is not the
//! guest's to end, and sleeping or fetching inside a transaction traps.

use bytes::Bytes;
use spacetime_table::system::ST_CONNECTION_CREDENTIALS;
use wasmtime::{Caller, Linker};

use super::{Env, Stop, errno, finish, split};
use crate::wasm::env::{IMMEDIATE_CALLS_MAX, ImmediateCall};

pub(super) fn link(linker: &mut Linker<Env>) -> wasmtime::Result<()> {
    linker
        .func_wrap("spacetime_10.0", "identity", identity)?
        .func_wrap(
            "spacetime_10.0",
            "volatile_nonatomic_schedule_immediate",
            volatile_nonatomic_schedule_immediate,
        )?
        .func_wrap("spacetime_10.2", "get_jwt", get_jwt)?
        .func_wrap(
            "spacetime_10.3",
            "procedure_start_mut_tx",
            procedure_start_mut_tx,
        )?
        .func_wrap(
            "spacetime_10.3",
            "procedure_commit_mut_tx",
            procedure_end_mut_tx,
        )?
        .func_wrap(
            "spacetime_10.3",
            "procedure_abort_mut_tx",
            procedure_end_mut_tx,
        )?
        .func_wrap(
            "spacetime_10.3",
            "procedure_sleep_until",
            procedure_sleep_until,
        )?
        .func_wrap(
            "spacetime_10.3",
            "procedure_http_request",
            procedure_http_request,
        )?;
    Ok(())
}

fn identity(mut caller: Caller<'_, Env>, out: u32) -> wasmtime::Result<()> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        memory.write(out, &env.database_identity.to_le_bytes())?;
        Ok(0)
    })())
    .map(|_| ())
}

fn get_jwt(mut caller: Caller<'_, Env>, connection_id: u32, out: u32) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let connection_id = u128::from_le_bytes(memory.array(connection_id)?);
        let connection_id = spacetime_types::ConnectionId(connection_id);
        env.note_table(ST_CONNECTION_CREDENTIALS);
        let claims = crate::session_rows::credentials(env.database()?, connection_id);
        let source = match claims {
            Some(claims) => env.sources.add(Bytes::copy_from_slice(claims.as_bytes())),
            None => 0,
        };
        memory.write_u32(out, source)?;
        Ok(0)
    })())
}

fn volatile_nonatomic_schedule_immediate(
    mut caller: Caller<'_, Env>,
    name: u32,
    name_len: u32,
    args: u32,
    args_len: u32,
) -> wasmtime::Result<()> {
    finish((|| {
        let (memory, env) = split(&mut caller)?;
        if env.reads.is_some() {
            return Err(Stop::Trap(wasmtime::Error::msg(
                "a view can queue no calls",
            )));
        }
        let reducer = memory.name(name, name_len)?.into();
        let args = Bytes::copy_from_slice(memory.bytes(args, args_len)?);
        if env.immediate.len() >= IMMEDIATE_CALLS_MAX {
            return Err(Stop::Trap(wasmtime::Error::msg(format!(
                "the module queued {IMMEDIATE_CALLS_MAX} immediate calls from one function"
            ))));
        }
        env.immediate.push(ImmediateCall { reducer, args });
        Ok(0)
    })())
    .map(|_| ())
}

fn procedure_start_mut_tx(mut caller: Caller<'_, Env>, _out: u32) -> wasmtime::Result<i32> {
    finish((|| {
        let (_, env) = split(&mut caller)?;
        env.database()?;
        Err(Stop::Errno(errno::WOULD_BLOCK_TRANSACTION))
    })())
}

fn procedure_end_mut_tx(_caller: Caller<'_, Env>) -> wasmtime::Result<i32> {
    finish(Err(Stop::Errno(errno::TRANSACTION_NOT_ANONYMOUS)))
}

fn procedure_sleep_until(_caller: Caller<'_, Env>, _wake_micros: i64) -> wasmtime::Result<i64> {
    Err(wasmtime::Error::msg(
        "only a procedure may sleep, and not inside a transaction",
    ))
}

fn procedure_http_request(
    _caller: Caller<'_, Env>,
    _request: u32,
    _request_len: u32,
    _body: u32,
    _body_len: u32,
    _out: u32,
) -> wasmtime::Result<i32> {
    Err(wasmtime::Error::msg(
        "only a procedure may send HTTP requests",
    ))
}

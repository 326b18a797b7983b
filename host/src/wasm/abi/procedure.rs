//! What only procedures and HTTP handlers may do: transactions of their own, sleeping, and HTTP
//! requests.
//!
//! Invariants
//!   * A transaction that a procedure opened is ended by it, or undone when its call ends.
//!   * Nothing here waits while a transaction is open: the database's writer waits for it.
//!   * Time spent waiting does not count towards the call's limit.

use std::time::Duration;

use bytes::Bytes;
use spacetime_types::Timestamp;
use spacetime_types::bsatn;
use wasmtime::{AsContextMut, Caller, Linker};

use super::{Env, Stop, errno, finish, split};
use crate::module_http::HttpRequest;
use crate::procedures::ProcedureContext;
use crate::wasm::engine::ticks_of;
use crate::wasm::env::set_deadline;

pub(super) fn link(linker: &mut Linker<Env>) -> wasmtime::Result<()> {
    const MINOR: &str = "spacetime_10.3";
    linker
        .func_wrap(MINOR, "procedure_start_mut_tx", procedure_start_mut_tx)?
        .func_wrap(MINOR, "procedure_commit_mut_tx", procedure_commit_mut_tx)?
        .func_wrap(MINOR, "procedure_abort_mut_tx", procedure_abort_mut_tx)?
        .func_wrap(MINOR, "procedure_sleep_until", procedure_sleep_until)?
        .func_wrap(MINOR, "procedure_http_request", procedure_http_request)?;
    Ok(())
}

fn trap(error: impl std::error::Error + Send + Sync + 'static) -> Stop {
    Stop::Trap(wasmtime::Error::new(error))
}

/// From here on the procedure may compute for as long as is left of its time.
fn restart_clock(caller: &mut Caller<'_, Env>) {
    let left = caller.data().procedure.as_ref();
    let left = left.map_or(Duration::ZERO, ProcedureContext::time_left);
    set_deadline(caller.as_context_mut(), ticks_of(left));
}

fn procedure_start_mut_tx(mut caller: Caller<'_, Env>, out: u32) -> wasmtime::Result<i32> {
    let started = start(&mut caller);
    restart_clock_of_procedure(&mut caller);
    finish(started.and_then(|timestamp| {
        let (mut memory, _) = split(&mut caller)?;
        memory.write(out, &timestamp.micros.to_le_bytes())?;
        Ok(0)
    }))
}

/// Reducers and views keep the deadline that they began with.
fn restart_clock_of_procedure(caller: &mut Caller<'_, Env>) {
    if caller.data().procedure.is_some() {
        restart_clock(caller);
    }
}

fn start(caller: &mut Caller<'_, Env>) -> Result<Timestamp, Stop> {
    let env = caller.data_mut();
    if env.database.is_some() {
        return Err(Stop::Errno(errno::WOULD_BLOCK_TRANSACTION));
    }
    let Some(procedure) = &mut env.procedure else {
        return Err(Stop::Errno(errno::NOT_IN_TRANSACTION));
    };
    let begun = procedure.waiting(|procedure| procedure.surroundings.writer.begin());
    let (rows, timestamp, open) = begun.map_err(trap)?;
    procedure.open = Some(open);
    env.database = Some(rows);
    if let (Some(point), Some(function)) = (&procedure.surroundings.panic_point, &env.function) {
        point.pass(function);
    }
    Ok(timestamp)
}

fn procedure_commit_mut_tx(mut caller: Caller<'_, Env>) -> wasmtime::Result<i32> {
    let ended = end(caller.data_mut(), true);
    restart_clock_of_procedure(&mut caller);
    finish(ended)
}

fn procedure_abort_mut_tx(mut caller: Caller<'_, Env>) -> wasmtime::Result<i32> {
    let ended = end(caller.data_mut(), false);
    restart_clock_of_procedure(&mut caller);
    finish(ended)
}

fn end(env: &mut Env, commit: bool) -> Result<i32, Stop> {
    let not_ours = Stop::Errno(errno::TRANSACTION_NOT_ANONYMOUS);
    let Some(procedure) = &mut env.procedure else {
        return Err(not_ours);
    };
    let open = procedure.open.take().ok_or(not_ours)?;
    let rows = env.database.take();
    let rows = rows.expect("the rows are here while a transaction is open");
    let immediate = std::mem::take(&mut env.immediate);
    procedure.waiting(|_| match commit {
        true => open.commit(rows, immediate).map_err(trap),
        false => {
            open.abort(rows, immediate);
            Ok(())
        }
    })?;
    Ok(0)
}

fn procedure_sleep_until(mut caller: Caller<'_, Env>, wake_micros: i64) -> wasmtime::Result<i64> {
    let env = caller.data_mut();
    let Some(procedure) = env.procedure.as_mut().filter(|_| env.database.is_none()) else {
        return Err(wasmtime::Error::msg(
            "only a procedure may sleep, and not inside a transaction",
        ));
    };
    let time = procedure.surroundings.time.clone();
    let wake = Timestamp::from_micros(wake_micros);
    if wake > time.now() {
        let slept = procedure.block_on(time.sleep_until(wake));
        slept.map_err(wasmtime::Error::new)?;
        restart_clock(&mut caller);
    }
    Ok(time.now().micros)
}

fn procedure_http_request(
    mut caller: Caller<'_, Env>,
    request: u32,
    request_len: u32,
    body: u32,
    body_len: u32,
    out: u32,
) -> wasmtime::Result<i32> {
    let answered = fetch(&mut caller, (request, request_len), (body, body_len));
    restart_clock_of_procedure(&mut caller);
    finish(answered.and_then(|answered| {
        let (mut memory, env) = split(&mut caller)?;
        match answered {
            Ok((response, body)) => {
                let head = env.sources.add_asked(response)?;
                let body = env.sources.add_asked(body)?;
                let handles = [head.to_le_bytes(), body.to_le_bytes()].concat();
                memory.write(out, &handles)?;
                Ok(0)
            }
            Err(message) => {
                let message = bsatn::to_vec(message.as_str()).into();
                let message = env.sources.add_asked(message)?;
                memory.write_u32(out, message)?;
                Err(Stop::Errno(errno::HTTP_ERROR))
            }
        }
    }))
}

type Range = (u32, u32);

/// The response's BSATN and its body, or what went wrong.
fn fetch(
    caller: &mut Caller<'_, Env>,
    request: Range,
    body: Range,
) -> Result<Result<(Bytes, Bytes), String>, Stop> {
    let (memory, env) = split(caller)?;
    let Some(procedure) = &mut env.procedure else {
        let text = "only a procedure may send HTTP requests";
        return Err(Stop::Trap(wasmtime::Error::msg(text)));
    };
    let request = bsatn::from_slice_exact::<HttpRequest>(memory.bytes(request.0, request.1)?)
        .map_err(|_| Stop::Errno(errno::BSATN_DECODE_ERROR))?;
    let body = Bytes::copy_from_slice(memory.bytes(body.0, body.1)?);
    let Some(http) = procedure.surroundings.http.clone() else {
        return Ok(Err("outbound HTTP is switched off on this server".into()));
    };
    if env.database.is_some() {
        return Err(Stop::Errno(errno::WOULD_BLOCK_TRANSACTION));
    }
    let outcome = procedure.block_on(http.send(request, body)).map_err(trap)?;
    Ok(outcome.map(|(response, body)| (bsatn::to_vec(&response).into(), body)))
}

//! Calls about the call itself: the database's identity, the caller's claims, and calls queued for
//! later.

use std::sync::Arc;

use bytes::Bytes;
use spacetime_table::system::ST_CONNECTION_CREDENTIALS;
use wasmtime::{Caller, Linker};

use super::{Env, Stop, finish, split};
use crate::wasm::env::{IMMEDIATE_BYTES_MAX, IMMEDIATE_CALLS_MAX, ImmediateCall};

pub(super) fn link(linker: &mut Linker<Env>) -> wasmtime::Result<()> {
    linker
        .func_wrap("spacetime_10.0", "identity", identity)?
        .func_wrap(
            "spacetime_10.0",
            "volatile_nonatomic_schedule_immediate",
            volatile_nonatomic_schedule_immediate,
        )?
        .func_wrap("spacetime_10.2", "get_jwt", get_jwt)?;
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
        let claims = match &env.procedure {
            Some(procedure) => procedure
                .claims
                .as_ref()
                .filter(|(connection, _)| *connection == connection_id)
                .map(|(_, claims)| Arc::clone(claims)),
            None => crate::session_rows::credentials(env.database()?, connection_id),
        };
        let source = match claims {
            Some(claims) => {
                let claims = Bytes::copy_from_slice(claims.as_bytes());
                env.sources.add_asked(claims)?
            }
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
        let reducer = memory.name(name, name_len)?;
        let args = memory.bytes(args, args_len)?;
        let queued: usize = env.immediate.iter().map(ImmediateCall::bytes).sum();
        let bytes = queued.saturating_add(reducer.len() + args.len());
        if env.immediate.len() >= IMMEDIATE_CALLS_MAX || bytes > IMMEDIATE_BYTES_MAX {
            return Err(Stop::Trap(wasmtime::Error::msg(format!(
                "the module queued more than {IMMEDIATE_CALLS_MAX} immediate calls from one \
                 function, or with more than {IMMEDIATE_BYTES_MAX} bytes of arguments"
            ))));
        }
        env.immediate.push(ImmediateCall {
            reducer: reducer.into(),
            args: Bytes::copy_from_slice(args),
        });
        Ok(0)
    })())
    .map(|_| ())
}

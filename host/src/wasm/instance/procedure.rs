//! Calls that begin outside any transaction: procedures and HTTP handlers.

use std::sync::Arc;

use bytes::Bytes;
use spacetime_types::Timestamp;
use wasmtime::TypedFunc;

use super::{CallEnd, CallReducerFn, Instance, ReducerInvocation, trapped, words_of};
use crate::module_log::{Level, Record};
use crate::procedures::ProcedureContext;
use crate::wasm::engine::ticks_of;
use crate::wasm::env::set_deadline;

/// Most bytes that a procedure may return, or a handler as its body.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

type CallHandlerFn = TypedFunc<(u32, i64, u32, u32, u32, u32), u32>;

/// Why a procedure or handler gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProcedureFailure {
    #[error("the module does not export `{0}`")]
    MissingExport(&'static str),
    #[error("it returned {0}, which is not a result")]
    BadReturn(u32),
    #[error("its answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    #[error("it was stopped")]
    Trapped { out_of_time: bool },
}

/// One call of an HTTP handler.
#[derive(Clone, Debug)]
pub struct HandlerInvocation {
    pub id: u32,
    pub name: Arc<str>,
    pub timestamp: Timestamp,
    /// BSATN of the request.
    pub request: Bytes,
    pub body: Bytes,
}

/// What a handler wrote: BSATN of the response, and the body.
#[derive(Clone, Debug)]
pub struct HandlerAnswer {
    pub response: Vec<u8>,
    pub body: Vec<u8>,
}

impl Instance {
    /// Calls a procedure: the bytes that it returned.
    pub fn call_procedure(
        &mut self,
        invocation: &ReducerInvocation,
        context: ProcedureContext,
    ) -> Result<Vec<u8>, ProcedureFailure> {
        const EXPORT: &str = "__call_procedure__";
        let function: CallReducerFn = self.export(EXPORT)?;
        self.begin_procedure(&invocation.name, context);
        let env = self.store.data_mut();
        let args = env.sources.add(invocation.args.clone());
        let sink = env.sinks.add(ANSWER_BYTES_MAX);
        let sender = words_of(&invocation.sender.to_le_bytes());
        let connection = words_of(&invocation.connection_id.0.to_le_bytes());
        let result = function.call(
            &mut self.store,
            (
                invocation.id,
                sender[0],
                sender[1],
                sender[2],
                sender[3],
                connection[0],
                connection[1],
                invocation.timestamp.micros,
                args,
                sink,
            ),
        );
        let [answer] = self.end_procedure(result, [sink])?;
        Ok(answer)
    }

    /// Calls an HTTP handler.
    pub fn call_http_handler(
        &mut self,
        invocation: &HandlerInvocation,
        context: ProcedureContext,
    ) -> Result<HandlerAnswer, ProcedureFailure> {
        const EXPORT: &str = "__call_http_handler__";
        let function: CallHandlerFn = self.export(EXPORT)?;
        self.begin_procedure(&invocation.name, context);
        let env = self.store.data_mut();
        let request = env.sources.add(invocation.request.clone());
        let body = env.sources.add(invocation.body.clone());
        let response_sink = env.sinks.add(ANSWER_BYTES_MAX);
        let body_sink = env.sinks.add(ANSWER_BYTES_MAX);
        let micros = invocation.timestamp.micros;
        let result = function.call(
            &mut self.store,
            (
                invocation.id,
                micros,
                request,
                body,
                response_sink,
                body_sink,
            ),
        );
        let [response, body] = self.end_procedure(result, [response_sink, body_sink])?;
        Ok(HandlerAnswer { response, body })
    }

    fn export<Params, Results>(
        &mut self,
        name: &'static str,
    ) -> Result<TypedFunc<Params, Results>, ProcedureFailure>
    where
        Params: wasmtime::WasmParams,
        Results: wasmtime::WasmResults,
    {
        self.exports
            .get_typed_func(&mut self.store, name)
            .map_err(|_| ProcedureFailure::MissingExport(name))
    }

    fn begin_procedure(&mut self, name: &Arc<str>, context: ProcedureContext) {
        let ticks = ticks_of(context.time_left());
        let env = self.store.data_mut();
        assert!(env.database.is_none(), "rows are bound between calls");
        env.function = Some(Arc::clone(name));
        env.procedure = Some(context);
        set_deadline(&mut self.store, ticks);
    }

    /// Undoes a transaction that was left open, and takes what the call wrote.
    fn end_procedure<const SINKS: usize>(
        &mut self,
        result: wasmtime::Result<u32>,
        sinks: [u32; SINKS],
    ) -> Result<[Vec<u8>; SINKS], ProcedureFailure> {
        let env = self.store.data_mut();
        let open = env.procedure.take().and_then(|procedure| procedure.open);
        if let (Some(open), Some(rows)) = (open, env.database.take()) {
            let name = env.function.as_deref().unwrap_or_default();
            let message = format!("aborting dangling anonymous transaction in procedure {name}");
            env.log.append(&Record::host(Level::Error, &message));
            open.abort(rows, std::mem::take(&mut env.immediate));
        }
        let is_too_large = sinks.iter().any(|sink| env.sinks.overflowed(*sink));
        let written = sinks.map(|sink| env.sinks.take(sink));
        let ended = match result {
            Ok(0) if is_too_large => Err(ProcedureFailure::TooLarge),
            Ok(0) => Ok(written),
            Ok(code) => Err(ProcedureFailure::BadReturn(code)),
            Err(error) => {
                let end = trapped(env, &error);
                let out_of_time = matches!(end, CallEnd::Trapped { out_of_time: true });
                Err(ProcedureFailure::Trapped { out_of_time })
            }
        };
        env.end_call();
        ended
    }
}

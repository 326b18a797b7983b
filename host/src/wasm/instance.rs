//! One instance of a module: made, described once, then called.
//!
//! Invariant: `__describe_module__` has run exactly once on every instance before any call; guests
//! build their function tables in it.

mod procedure;

pub use procedure::{HandlerInvocation, ProcedureFailure};

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use spacetime_table::Datastore;
use spacetime_types::{ConnectionId, Identity, Timestamp};
use wasmtime::{Store, Trap, TypedFunc};

use super::engine::ticks_of;
use super::env::{Env, ImmediateCall, set_deadline};
use super::program::Program;
use super::quota::{CallLimits, Quota};
use super::trace;
use super::view::{CallAnonymousViewFn, CallViewFn};
use crate::module_log::{Level, ModuleLog, Record};

/// Largest module description, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 64 * 1024 * 1024;

type CallReducerFn = TypedFunc<(u32, u64, u64, u64, u64, u64, u64, i64, u32, u32), u32>;

/// Why an instance could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateInstanceError {
    #[error("failed to instantiate the module: {0:#}")]
    Instantiate(wasmtime::Error),
    #[error("the module needs more memory than it may have: {0}")]
    Memory(Box<str>),
    #[error("initialiser `{function}` failed: {cause:#}")]
    Initialise {
        function: String,
        cause: wasmtime::Error,
    },
    #[error("setup failed: {0}")]
    Setup(String),
    #[error("the module's description has more than {DESCRIPTION_BYTES_MAX} bytes")]
    DescriptionTooLarge,
}

/// One reducer call.
#[derive(Clone, Debug)]
pub struct ReducerInvocation {
    pub id: u32,
    pub name: Arc<str>,
    pub sender: Identity,
    pub connection_id: ConnectionId,
    pub timestamp: Timestamp,
    pub args: Bytes,
    /// Longest time that it may take; procedures have a time of their own.
    pub time_max: Duration,
}

/// How a call of the module ended.
#[derive(Debug)]
pub enum CallEnd {
    /// The function returned 0.
    Returned,
    /// The function returned an error: its message.
    UserError(Box<str>),
    /// The function broke its contract; the instance is still good.
    BadReturn(u32),
    /// The function was stopped; the instance must not be used again.
    Trapped { out_of_time: bool },
}

/// A live instance.
pub struct Instance {
    pub(super) store: Store<Env>,
    exports: wasmtime::Instance,
    call_reducer: CallReducerFn,
    pub(super) call_view: Option<CallViewFn>,
    pub(super) call_anonymous_view: Option<CallAnonymousViewFn>,
    pub(super) limits: CallLimits,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Instance {
    /// Makes an instance and returns the module's description with it.
    pub fn create(
        program: &Program,
        database: Identity,
        log: &Arc<ModuleLog>,
        quota: &Quota,
    ) -> Result<(Instance, Vec<u8>), CreateInstanceError> {
        let (limits, linked) = (quota.limits, &program.linked);
        let ticks = program.engine.ticks().clone();
        let env = Env::new(database, Arc::clone(log), quota.share(), ticks);
        let mut store = Store::new(program.engine.engine(), env);
        store.limiter(|env| &mut env.memory_share);
        store.epoch_deadline_trap();
        set_deadline(&mut store, limits.start_deadline_ticks());
        let instance = linked.instance_pre.instantiate(&mut store);
        let instance =
            instance.map_err(|cause| match store.data_mut().memory_share.take_refusal() {
                Some(refused) => CreateInstanceError::Memory(refused.to_string().into()),
                None => CreateInstanceError::Instantiate(cause),
            })?;
        store.data_mut().memory = instance.get_memory(&mut store, "memory");

        if linked.has_initialize {
            run_plain(&mut store, &instance, "_initialize")?;
        }
        for name in &linked.preinits {
            run_plain(&mut store, &instance, name)?;
        }
        if linked.has_setup {
            run_setup(&mut store, &instance)?;
        }
        let description = describe(&mut store, &instance)?;
        let call_reducer = instance
            .get_typed_func(&mut store, "__call_reducer__")
            .map_err(CreateInstanceError::Instantiate)?;
        let call_view = instance.get_typed_func(&mut store, "__call_view__").ok();
        let call_anonymous_view = instance
            .get_typed_func(&mut store, "__call_view_anon__")
            .ok();
        Ok((
            Instance {
                store,
                exports: instance,
                call_reducer,
                call_view,
                call_anonymous_view,
                limits,
            },
            description,
        ))
    }

    /// Calls a reducer inside the database's open transaction. Committing or rolling back is the
    /// caller's business.
    pub fn call_reducer(
        &mut self,
        invocation: &ReducerInvocation,
        database: Box<Datastore>,
    ) -> (CallEnd, Box<Datastore>) {
        let env = self.store.data_mut();
        assert!(
            env.database.is_none(),
            "a database is bound to the instance between calls"
        );
        env.database = Some(database);
        env.function = Some(Arc::clone(&invocation.name));
        let args = env.sources.add(invocation.args.clone());
        let error_sink = env.sinks.add(crate::limits::ERROR_MESSAGE_BYTES_MAX);
        set_deadline(&mut self.store, ticks_of(invocation.time_max));

        let sender = words_of(&invocation.sender.to_le_bytes());
        let connection = words_of(&invocation.connection_id.0.to_le_bytes());
        let result = self.call_reducer.call(
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
                error_sink,
            ),
        );

        let env = self.store.data_mut();
        let message = env.sinks.take(error_sink);
        let end = match result {
            Ok(0) => CallEnd::Returned,
            Ok(1) => CallEnd::UserError(String::from_utf8_lossy(&message).into()),
            Ok(code) => CallEnd::BadReturn(code),
            Err(error) => trapped(env, &error),
        };
        env.end_call();
        let database = env.database.take();
        (
            end,
            database.expect("the database that this call was given is still bound"),
        )
    }

    /// Calls that the module asked for during the last call.
    pub fn take_immediate_calls(&mut self) -> Vec<ImmediateCall> {
        std::mem::take(&mut self.store.data_mut().immediate)
    }
}

pub(super) fn words_of<const BYTES: usize>(bytes: &[u8; BYTES]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(chunk.try_into().expect("chunks of exactly eight bytes"));
    }
    words
}

/// Records the trap in the module's log: a guest without a panic hook says nothing itself.
pub(super) fn trapped(env: &mut Env, error: &wasmtime::Error) -> CallEnd {
    let trap = error.downcast_ref::<Trap>().copied();
    let out_of_time = trap == Some(Trap::Interrupt);
    let refused = env.memory_share.take_refusal();
    // A panic of the guest says more than the trap that it ends in.
    let is_told = env.has_panicked && trap == Some(Trap::UnreachableCodeReached);
    if is_told && refused.is_none() {
        return CallEnd::Trapped { out_of_time };
    }
    let mut message = match trap {
        Some(Trap::Interrupt) => "the time limit of the call is used up".to_owned(),
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    if let Some(refused) = refused {
        message.push_str(&format!("; it had asked for more memory before: {refused}"));
    }
    env.log.append(&Record {
        level: Level::Panic,
        target: None,
        filename: None,
        line_number: None,
        function: env.function.as_deref(),
        message: &message,
        trace: &trace::frames_of(error),
    });
    CallEnd::Trapped { out_of_time }
}

fn run_plain(
    store: &mut Store<Env>,
    instance: &wasmtime::Instance,
    name: &str,
) -> Result<(), CreateInstanceError> {
    instance
        .get_typed_func::<(), ()>(&mut *store, name)
        .and_then(|function| function.call(&mut *store, ()))
        .map_err(|cause| CreateInstanceError::Initialise {
            function: name.to_owned(),
            cause,
        })
}

fn run_setup(
    store: &mut Store<Env>,
    instance: &wasmtime::Instance,
) -> Result<(), CreateInstanceError> {
    let sink = store
        .data_mut()
        .sinks
        .add(crate::limits::ERROR_MESSAGE_BYTES_MAX);
    let result = instance
        .get_typed_func::<u32, u32>(&mut *store, "__setup__")
        .and_then(|function| function.call(&mut *store, sink))
        .map_err(|cause| CreateInstanceError::Initialise {
            function: "__setup__".into(),
            cause,
        })?;
    let message = store.data_mut().sinks.take(sink);
    store.data_mut().end_call();
    match result {
        0 => Ok(()),
        _ => Err(CreateInstanceError::Setup(
            String::from_utf8_lossy(&message).into_owned(),
        )),
    }
}

fn describe(
    store: &mut Store<Env>,
    instance: &wasmtime::Instance,
) -> Result<Vec<u8>, CreateInstanceError> {
    let sink = store.data_mut().sinks.add(DESCRIPTION_BYTES_MAX);
    instance
        .get_typed_func::<u32, ()>(&mut *store, "__describe_module__")
        .and_then(|function| function.call(&mut *store, sink))
        .map_err(|cause| CreateInstanceError::Initialise {
            function: "__describe_module__".into(),
            cause,
        })?;
    let overflowed = store.data().sinks.overflowed(sink);
    let description = store.data_mut().sinks.take(sink);
    store.data_mut().end_call();
    if overflowed {
        return Err(CreateInstanceError::DescriptionTooLarge);
    }
    Ok(description)
}

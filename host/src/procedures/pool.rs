//! The instances of one module that run procedures and HTTP handlers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use spacetime_types::bsatn;
use spacetime_types::module_def::{HttpMethod, MethodOrAny, ModuleDef, Visibility};
use spacetime_types::{AlgebraicType, ConnectionId, Identity, ProductType, Timestamp, Typespace};
use tokio::sync::Semaphore;

use super::context::{ProcedureContext, Surroundings};
use crate::limits::{PROCEDURE_WAIT_MAX, PROCEDURES_WAITING_MAX};
use crate::module_http::{HttpRequest, HttpResponse};
use crate::module_log::{Level, ModuleLog, Record};
use crate::publish::PreparedModule;
use crate::wasm::{
    HandlerInvocation, ImmediateCall, Instance, ProcedureFailure, Program, Quota, ReducerInvocation,
};

/// A procedure as calls need it.
#[derive(Debug)]
pub(crate) struct Procedure {
    pub(crate) id: u32,
    pub(crate) name: Arc<str>,
    pub(crate) params: ProductType,
    pub(crate) return_type: AlgebraicType,
    pub(crate) typespace: Arc<Typespace>,
    pub(crate) is_private: bool,
}

/// Why a call gave no answer. The module's log has the details.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProcedureError {
    #[error("too many procedures wait for their turn on this database; try again later")]
    Overloaded,
    #[error("no instance was free for {0:?}; try again later")]
    WaitedTooLong(std::time::Duration),
    #[error("The instance encountered a fatal error.")]
    Fatal,
    #[error("the time limit of the call is used up")]
    OutOfTime,
    /// It has no form that the caller could read.
    #[error("the value that it returned: {0}")]
    Value(Box<str>),
}

/// What a procedure is called with.
#[derive(Debug)]
pub(crate) struct ProcedureCall {
    pub(crate) procedure: Arc<Procedure>,
    pub(crate) sender: Identity,
    pub(crate) connection_id: ConnectionId,
    pub(crate) timestamp: Timestamp,
    pub(crate) args: Bytes,
    /// The claims of the sender's token.
    pub(crate) claims: Option<Arc<str>>,
}

/// The answer of a call, and calls that it asked for.
type Answer<T> = (Result<T, ProcedureError>, Vec<ImmediateCall>);

/// A route of the module: its handler's id and name.
type Route = (MethodOrAny, Box<str>, u32, Arc<str>);

/// The instances of one module beside the one of the writer thread.
#[derive(Debug)]
pub(crate) struct ProcedurePool {
    program: Program,
    database: Identity,
    log: Arc<ModuleLog>,
    quota: Quota,
    surroundings: Surroundings,
    procedures: FxHashMap<Box<str>, Arc<Procedure>>,
    routes: Vec<Route>,
    idle: Mutex<Vec<Instance>>,
    running: Semaphore,
    waiting: AtomicUsize,
}

impl ProcedurePool {
    pub(crate) fn new(
        prepared: &PreparedModule,
        database: Identity,
        log: Arc<ModuleLog>,
        quota: Quota,
        surroundings: Surroundings,
    ) -> Arc<ProcedurePool> {
        Arc::new(ProcedurePool {
            program: prepared.program.clone(),
            database,
            log,
            surroundings,
            procedures: procedures_by_name(&prepared.definition),
            routes: routes_of(&prepared.definition),
            idle: Mutex::default(),
            running: Semaphore::new(quota.limits.procedures_max.max(1)),
            quota,
            waiting: AtomicUsize::new(0),
        })
    }

    pub(crate) fn procedure(&self, name: &str) -> Option<Arc<Procedure>> {
        self.procedures.get(name).map(Arc::clone)
    }

    /// The handler of the first route that matches: its id and name.
    pub(crate) fn route(&self, method: &HttpMethod, path: &str) -> Option<(u32, Arc<str>)> {
        let matches = |(methods, route_path, ..): &&Route| {
            &**route_path == path
                && match methods {
                    MethodOrAny::Any => true,
                    MethodOrAny::Method(one) => one == method,
                }
        };
        let (_, _, id, name) = self.routes.iter().find(matches)?;
        Some((*id, Arc::clone(name)))
    }

    /// Runs a procedure: the BSATN of its return value.
    pub(crate) async fn call(self: Arc<Self>, call: ProcedureCall) -> Answer<Bytes> {
        let claims = call.claims.map(|claims| (call.connection_id, claims));
        let invocation = ReducerInvocation {
            id: call.procedure.id,
            name: Arc::clone(&call.procedure.name),
            sender: call.sender,
            connection_id: call.connection_id,
            timestamp: call.timestamp,
            args: call.args,
            time_max: self.quota.limits.procedure_time_max,
        };
        let procedure = call.procedure;
        self.run(claims, move |pool, instance, context| {
            let value = pool.ended(
                &procedure.name,
                instance.call_procedure(&invocation, context),
            );
            let value = value?;
            let typespace = &procedure.typespace;
            let mut reader = bsatn::Reader::new(&value);
            let checked = bsatn::skip_value(typespace, &procedure.return_type, &mut reader)
                .and_then(|()| reader.finish());
            match checked {
                Ok(()) => Ok(Bytes::from(value)),
                Err(error) => {
                    let message = format!("the return value does not decode: {error}");
                    Err(pool.broken(&procedure.name, &message))
                }
            }
        })
        .await
    }

    /// Runs an HTTP handler.
    pub(crate) async fn call_handler(
        self: Arc<Self>,
        id: u32,
        name: Arc<str>,
        timestamp: Timestamp,
        request: HttpRequest,
        body: Bytes,
    ) -> Answer<(HttpResponse, Bytes)> {
        self.run(None, move |pool, instance, context| {
            let invocation = HandlerInvocation {
                id,
                name: Arc::clone(&name),
                timestamp,
                request: bsatn::to_vec(&request).into(),
                body,
            };
            let answer = pool.ended(&name, instance.call_http_handler(&invocation, context))?;
            match bsatn::from_slice_exact::<HttpResponse>(&answer.response) {
                Ok(response) => Ok((response, Bytes::from(answer.body))),
                Err(error) => {
                    let message = format!("the response does not decode: {error}");
                    Err(pool.broken(&name, &message))
                }
            }
        })
        .await
    }

    /// Waits for a turn, then calls on a thread that may wait.
    async fn run<T: Send + 'static>(
        self: Arc<Self>,
        claims: Option<(ConnectionId, Arc<str>)>,
        call: impl FnOnce(&Self, &mut Instance, ProcedureContext) -> Result<T, ProcedureError>
        + Send
        + 'static,
    ) -> Answer<T> {
        let _turn = match self.turn().await {
            Ok(turn) => turn,
            Err(error) => return (Err(error), Vec::new()),
        };
        let pool = Arc::clone(&self);
        let task = self.surroundings.runtime.spawn_blocking(move || {
            let mut instance = match pool.take_instance() {
                Ok(instance) => instance,
                Err(error) => return (Err(error), Vec::new()),
            };
            let context = ProcedureContext::new(pool.surroundings.clone(), claims);
            let answer = call(&pool, &mut instance, context);
            let immediate = instance.take_immediate_calls();
            if answer.is_ok() {
                pool.idle.lock().push(instance);
            }
            (answer, immediate)
        });
        task.await
            .unwrap_or_else(|_panicked| (Err(ProcedureError::Fatal), Vec::new()))
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, ProcedureError> {
        if let Ok(permit) = self.running.try_acquire() {
            return Ok(permit);
        }
        let waiting = Waiting::among(&self.waiting)?;
        let acquired = tokio::time::timeout(PROCEDURE_WAIT_MAX, self.running.acquire()).await;
        drop(waiting);
        match acquired {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(ProcedureError::WaitedTooLong(PROCEDURE_WAIT_MAX)),
        }
    }

    fn take_instance(&self) -> Result<Instance, ProcedureError> {
        if let Some(instance) = self.idle.lock().pop() {
            return Ok(instance);
        }
        match Instance::create(&self.program, self.database, &self.log, &self.quota) {
            Ok((instance, _description)) => Ok(instance),
            Err(error) => {
                self.log
                    .append(&Record::host(Level::Error, &error.to_string()));
                Err(ProcedureError::Fatal)
            }
        }
    }

    fn ended<T>(
        &self,
        name: &str,
        result: Result<T, ProcedureFailure>,
    ) -> Result<T, ProcedureError> {
        result.map_err(|failure| match failure {
            // A trap has its own record.
            ProcedureFailure::Trapped { out_of_time: true } => ProcedureError::OutOfTime,
            ProcedureFailure::Trapped { out_of_time: false } => ProcedureError::Fatal,
            failure => self.broken(name, &failure.to_string()),
        })
    }

    fn broken(&self, name: &str, message: &str) -> ProcedureError {
        self.log
            .append(&Record::host_for(Level::Error, name, message));
        ProcedureError::Fatal
    }
}

/// One of those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(count: &'a AtomicUsize) -> Result<Self, ProcedureError> {
        // Counted first: `Waiting` takes it back when it is dropped.
        let before = count.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(count);
        if before >= PROCEDURES_WAITING_MAX {
            return Err(ProcedureError::Overloaded);
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn procedures_by_name(definition: &ModuleDef) -> FxHashMap<Box<str>, Arc<Procedure>> {
    let by_name = |scoped: spacetime_types::module_def::Scoped<
        '_,
        spacetime_types::module_def::ProcedureDef,
    >| {
        let name = scoped.full_name();
        let procedure = Procedure {
            id: scoped.id,
            name: (&*name).into(),
            params: scoped.params.clone(),
            return_type: scoped.return_type.clone(),
            typespace: Arc::new(scoped.module.typespace().clone()),
            is_private: scoped.visibility == Visibility::Private,
        };
        (name, Arc::new(procedure))
    };
    definition.all_procedures().map(by_name).collect()
}

/// The routes of the module itself: those of its submodules are not mounted.
fn routes_of(definition: &ModuleDef) -> Vec<Route> {
    let routes = definition.http_routes().iter();
    let with_handler = routes.filter_map(|route| {
        let mut handlers = definition.http_handlers().iter();
        let handler = handlers.find(|handler| handler.name == route.handler)?;
        Some((
            route.method.clone(),
            (&*route.path).into(),
            handler.id,
            Arc::from(&*handler.name),
        ))
    });
    with_handler.collect()
}

//! The module under test: which program it is, what to do with a recorded call, and calling it.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use spacetime_table::Datastore;
use spacetime_table::system::{ST_MODULE, StModule, SystemRow};
use spacetime_types::bsatn::{self, Reader};
use spacetime_types::module_def::Lifecycle;
use spacetime_types::{ConnectionId, Identity};
use tokio::sync::broadcast::{self, error::TryRecvError};

use super::record::{Call, Record};
use super::{ReplayOptions, StepError};
use crate::module::{LiveModule, Reducer, prepare_module};
use crate::module_log::ModuleLog;
use crate::publish::PreparedModule;
use crate::wasm::{CallEnd, CompileOptions, Quota, ReducerInvocation, WasmEngine};

/// `st_module.program_kind` of WebAssembly.
const WASM: u8 = 0;

/// Names under which transactions of clients are logged that run a lifecycle reducer, if the
/// module has one for it. The second is what other versions write.
const CONNECTED: [&str; 2] = ["call_identity_connected", "__identity_connected__"];
/// Names of transactions without a reducer.
const WITHOUT_REDUCER: [&str; 2] = ["__identity_disconnected__", "__update__"];
/// Name of SQL statements; a module may have a reducer of that name too.
const SQL: &str = "sql";

/// What to do with a transaction.
#[derive(Debug)]
pub(super) enum Plan {
    /// No reducer ran in it: its rows are taken from the log.
    Apply,
    Run(Arc<Reducer>),
    /// The module cannot be called like that any more.
    Impossible(Box<str>),
}

/// Runs the calls.
pub(super) struct Runner {
    engine: Arc<WasmEngine>,
    log: Arc<ModuleLog>,
    records: broadcast::Receiver<Bytes>,
    quota: Quota,
    /// The program to try instead of those in the log.
    instead: Option<Bytes>,
    prepared: Option<PreparedModule>,
    module: Option<LiveModule>,
    database: Identity,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("module", &self.module)
            .finish_non_exhaustive()
    }
}

impl Runner {
    pub(super) fn new(options: &ReplayOptions) -> Result<Runner, wasmtime::Error> {
        let log = Arc::new(ModuleLog::unwritten());
        let (_, records) = log.tail(Some(0), None);
        Ok(Runner {
            engine: WasmEngine::new(&CompileOptions::default(), None)?,
            log,
            records,
            quota: Quota::new(options.call_limits),
            instead: options.program.clone(),
            prepared: None,
            module: None,
            database: Identity::ZERO,
        })
    }

    pub(super) fn database(&self) -> Identity {
        self.database
    }

    /// Takes up the program that a record puts in place, if it does.
    pub(super) fn follow(&mut self, record: &Record) -> Result<(), StepError> {
        match record.inserted(ST_MODULE).last().map(StModule::decode) {
            Some(Ok(row)) => self.load(Some(row)),
            Some(Err(_)) => Err(StepError::Recorded {
                what: "insertion",
                table: ST_MODULE,
                why: "it does not describe a program",
            }),
            None => Ok(()),
        }
    }

    /// The program that is in place.
    pub(super) fn program_in(datastore: &Datastore) -> Option<StModule> {
        let row = datastore.system_rows::<StModule>().next();
        row.map(|(_, row)| row)
    }

    /// Takes a program up, or the one to try instead of it.
    pub(super) fn load(&mut self, program: Option<StModule>) -> Result<(), StepError> {
        let Some(row) = program else { return Ok(()) };
        self.database = row.database_identity;
        if self.instead.is_none() || self.prepared.is_none() {
            let program = match &self.instead {
                Some(program) => program.clone(),
                None if row.program_kind != WASM => {
                    return Err(StepError::ProgramKind(row.program_kind));
                }
                None => row.program_bytes.into(),
            };
            let (engine, log) = (&self.engine, &self.log);
            let prepared = prepare_module(engine, program, self.database, log, &self.quota)?;
            self.prepared = Some(prepared);
        }
        self.start_over();
        Ok(())
    }

    /// The next call finds a fresh instance.
    pub(super) fn start_over(&mut self) {
        self.module = self.prepared.as_ref().map(|prepared| {
            LiveModule::new(prepared, self.database, Arc::clone(&self.log), &self.quota)
        });
    }

    /// What to do with a record's call.
    pub(super) fn plan(&self, call: Option<&Call>) -> Plan {
        let (Some(call), Some(module)) = (call, &self.module) else {
            return Plan::Apply;
        };
        let name = &*call.reducer;
        if WITHOUT_REDUCER.contains(&name) {
            return Plan::Apply;
        }
        if CONNECTED.contains(&name) {
            let reducer = module.lifecycle(Lifecycle::OnConnect);
            return reducer.map_or(Plan::Apply, Plan::Run);
        }
        let Some(reducer) = module.reducer(name) else {
            let is_procedure = module.definition().procedure(name).is_some();
            let is_sql = name == SQL && call.connection_id == ConnectionId::ZERO;
            return match is_procedure || is_sql {
                true => Plan::Apply,
                false => Plan::Impossible(format!("the module has no reducer `{name}`").into()),
            };
        };
        match check_args(reducer, &call.args) {
            Ok(()) => Plan::Run(Arc::clone(reducer)),
            Err(error) => {
                let text = format!("the recorded arguments do not fit the reducer: {error}");
                Plan::Impossible(text.into())
            }
        }
    }

    /// Calls a reducer inside the open transaction; gives the error message if it fails.
    pub(super) fn call(
        &mut self,
        reducer: &Reducer,
        call: &Call,
        datastore: Box<Datastore>,
    ) -> (Box<Datastore>, Result<(), Box<str>>) {
        self.take_last_complaint();
        let Some(module) = &mut self.module else {
            return (datastore, Err("there is no module".into()));
        };
        if let Err(error) = module.prepare() {
            return (datastore, Err(error.to_string().into()));
        }
        let invocation = ReducerInvocation {
            id: reducer.id,
            name: Arc::clone(&reducer.name),
            sender: call.caller,
            connection_id: call.connection_id,
            timestamp: call.timestamp,
            args: call.args.clone(),
            time_max: module.time_max(reducer),
        };
        // Calls that it asks for are in the log too, if they were made.
        let (end, datastore, _immediate) = module.call(&invocation, datastore);
        let result = match end {
            CallEnd::Returned => Ok(()),
            CallEnd::UserError(message) => Err(message),
            CallEnd::BadReturn(code) => {
                Err(format!("the reducer returned {code}, which is not a result").into())
            }
            CallEnd::Trapped { .. } => {
                let complaint = self.take_last_complaint();
                Err(complaint.unwrap_or_else(|| "the reducer trapped".into()))
            }
        };
        (datastore, result)
    }

    /// What the module, or the host about it, said last that was an error or a panic.
    fn take_last_complaint(&mut self) -> Option<Box<str>> {
        #[derive(Deserialize)]
        struct Said {
            level: Box<str>,
            message: Box<str>,
        }
        let mut complaint = None;
        loop {
            match self.records.try_recv() {
                Ok(line) => {
                    let said = serde_json::from_slice::<Said>(&line).ok();
                    let said = said.filter(|said| matches!(&*said.level, "Error" | "Panic"));
                    // The panic message of the module says more than the trap that follows.
                    if complaint.is_none() {
                        complaint = said.map(|said| said.message);
                    }
                }
                Err(TryRecvError::Lagged(_)) => complaint = None,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return complaint,
            }
        }
    }
}

/// A module must never see bytes that do not decode.
fn check_args(reducer: &Reducer, args: &[u8]) -> Result<(), bsatn::DecodeError> {
    let mut reader = Reader::new(args);
    for param in &reducer.params.elements {
        bsatn::skip_value(&reducer.typespace, &param.algebraic_type, &mut reader)?;
    }
    reader.finish()
}

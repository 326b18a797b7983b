//! The module that a database runs: its program, its definition, and the live instance.
//!
//! Invariant: the instance is there whenever a call can begin; one that trapped is thrown away and
//! the next call makes a new one from the same program.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use spacetime_table::Datastore;
use spacetime_types::module_def::{Lifecycle, ModuleDef, Visibility};
use spacetime_types::{Hash, Identity, ProductType, Typespace};

use crate::module_log::ModuleLog;
use crate::publish::{PreparedModule, PublishError};
use crate::views::ReadSet;
use crate::wasm::{
    CallEnd, CreateInstanceError, ImmediateCall, Instance, Program, Quota, ReducerInvocation,
    ViewEnd, ViewInvocation, WasmEngine,
};

/// A reducer as calls need it.
#[derive(Debug)]
pub(crate) struct Reducer {
    pub(crate) id: u32,
    pub(crate) name: Arc<str>,
    pub(crate) params: ProductType,
    pub(crate) typespace: Arc<Typespace>,
    pub(crate) lifecycle: Option<Lifecycle>,
    pub(crate) is_private: bool,
}

/// A view as calls need it.
#[derive(Debug)]
pub(crate) struct View {
    /// Counts the views with a sender, or those without.
    pub(crate) id: u32,
    pub(crate) name: Arc<str>,
    pub(crate) is_anonymous: bool,
}

/// The module in place.
#[derive(Debug)]
pub(crate) struct LiveModule {
    program: Program,
    definition: Arc<ModuleDef>,
    reducers: FxHashMap<Box<str>, Arc<Reducer>>,
    views: FxHashMap<Box<str>, Arc<View>>,
    instance: Option<Instance>,
    quota: Quota,
    log: Arc<ModuleLog>,
    database: Identity,
}

impl LiveModule {
    pub(crate) fn new(
        prepared: &PreparedModule,
        database: Identity,
        log: Arc<ModuleLog>,
        quota: &Quota,
    ) -> LiveModule {
        LiveModule {
            program: prepared.program.clone(),
            definition: Arc::clone(&prepared.definition),
            reducers: reducers_by_name(&prepared.definition),
            views: views_by_name(&prepared.definition),
            instance: None,
            quota: quota.clone(),
            log,
            database,
        }
    }

    pub(crate) fn definition(&self) -> &Arc<ModuleDef> {
        &self.definition
    }

    pub(crate) fn reducer(&self, name: &str) -> Option<&Arc<Reducer>> {
        self.reducers.get(name)
    }

    /// The view whose backing table has this name.
    pub(crate) fn view(&self, name: &str) -> Option<&Arc<View>> {
        self.views.get(name)
    }

    /// The reducer bound to a lifecycle event, if the module has one.
    pub(crate) fn lifecycle(&self, event: Lifecycle) -> Option<Arc<Reducer>> {
        let reducer = self.definition.lifecycle_reducer(event)?;
        self.reducers.get(&*reducer.name).cloned()
    }

    /// Whether it wants to know who comes and goes.
    pub(crate) fn greets_clients(&self) -> bool {
        [Lifecycle::OnConnect, Lifecycle::OnDisconnect]
            .into_iter()
            .any(|event| self.definition.lifecycle_reducer(event).is_some())
    }

    /// How long a call of a reducer may take.
    pub(crate) fn time_max(&self, reducer: &Reducer) -> Duration {
        let limits = &self.quota.limits;
        match reducer.lifecycle {
            Some(Lifecycle::Init) => limits.init_time_max.max(limits.call_time_max),
            _ => limits.call_time_max,
        }
    }

    /// Makes sure that there is an instance.
    pub(crate) fn prepare(&mut self) -> Result<(), CreateInstanceError> {
        if self.instance.is_none() {
            let (instance, _) =
                Instance::create(&self.program, self.database, &self.log, &self.quota)?;
            self.instance = Some(instance);
        }
        Ok(())
    }

    /// Calls a reducer. `prepare` must have succeeded before.
    pub(crate) fn call(
        &mut self,
        invocation: &ReducerInvocation,
        database: Box<Datastore>,
    ) -> (CallEnd, Box<Datastore>, Vec<ImmediateCall>) {
        let instance = self.instance.as_mut().expect("`prepare` made an instance");
        let (end, database) = instance.call_reducer(invocation, database);
        let immediate = instance.take_immediate_calls();
        if matches!(end, CallEnd::Trapped { .. }) {
            self.instance = None;
        }
        (end, database, immediate)
    }

    /// Calls a view. `prepare` must have succeeded before.
    pub(crate) fn call_view(
        &mut self,
        invocation: &ViewInvocation,
        database: Box<Datastore>,
    ) -> (ViewEnd, ReadSet, Box<Datastore>) {
        let instance = self.instance.as_mut().expect("`prepare` made an instance");
        let called = instance.call_view(invocation, database);
        if matches!(called.end, ViewEnd::Trapped { .. }) {
            self.instance = None;
        }
        (called.end, called.reads, called.database)
    }
}

fn views_by_name(definition: &ModuleDef) -> FxHashMap<Box<str>, Arc<View>> {
    let views = definition.all_views().map(|scoped| {
        let name = scoped.full_name();
        let view = View {
            id: scoped.call_index,
            name: (&*name).into(),
            is_anonymous: scoped.is_anonymous,
        };
        (name, Arc::new(view))
    });
    views.collect()
}

fn reducers_by_name(definition: &ModuleDef) -> FxHashMap<Box<str>, Arc<Reducer>> {
    let mut typespaces: FxHashMap<Box<str>, Arc<Typespace>> = FxHashMap::default();
    let mut reducers = FxHashMap::default();
    for scoped in definition.all_reducers() {
        let namespace: Box<str> = scoped.module.namespace().into();
        let typespace = typespaces
            .entry(namespace)
            .or_insert_with(|| Arc::new(scoped.module.typespace().clone()));
        let name = scoped.full_name();
        let reducer = Reducer {
            id: scoped.id,
            name: (&*name).into(),
            params: scoped.params.clone(),
            typespace: Arc::clone(typespace),
            lifecycle: scoped.lifecycle,
            is_private: scoped.visibility == Visibility::Private,
        };
        reducers.insert(name, Arc::new(reducer));
    }
    reducers
}

/// Compiles a module, starts it once and reads its description. Takes long and runs foreign code:
/// call it on a thread that may wait.
pub(crate) fn prepare_module(
    engine: &Arc<WasmEngine>,
    bytes: Bytes,
    database: Identity,
    log: &Arc<ModuleLog>,
    quota: &Quota,
) -> Result<PreparedModule, PublishError> {
    let program = Program::load(engine, &bytes)?;
    describe_module(program, bytes, database, log, quota)
}

/// The same for one that is compiled: runs foreign code.
pub(crate) fn describe_module(
    program: Program,
    bytes: Bytes,
    database: Identity,
    log: &Arc<ModuleLog>,
    quota: &Quota,
) -> Result<PreparedModule, PublishError> {
    let (_, description) = Instance::create(&program, database, log, quota)?;
    let invalid = |error: String| PublishError::Definition(error.into());
    let definition =
        ModuleDef::from_bsatn(&description).map_err(|error| invalid(error.to_string()))?;
    Ok(PreparedModule {
        program,
        hash: Hash::of(&bytes),
        bytes,
        definition: Arc::new(definition),
    })
}

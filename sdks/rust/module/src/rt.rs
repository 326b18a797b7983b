//! What the macros' code and the exports use: the list of the module's functions.
//!
//! Invariants
//!   * Functions are numbered in the order in which they are registered. The host registers them
//!     by running the exports `__preinit__...` in the order of their names, in every instance the
//!     same.
//!   * No borrow of the list is held while a function of the module runs: a procedure's commit
//!     makes the host call views.

use std::cell::RefCell;

use crate::algebraic_type::AlgebraicType;
use crate::bsatn::{DeserializeOwned, Reader, Serialize};
use crate::context::{AnonymousViewContext, ProcedureContext, ReducerContext, ViewContext};
use crate::definition::{Definition, Kind, Renamed};
pub use crate::definition::{Parameter, make_type_of};
use crate::spacetime_type::SpacetimeType;
use crate::sys::{read_source, write_sink};
use crate::table::{Table, TableInternal};
use crate::types::{ConnectionId, Identity, Timestamp};
use crate::{CaseConversionPolicy, Filter};

mod functions;
mod views;

pub use crate::query_builder::write_variant;
#[cfg(feature = "unstable")]
pub use functions::HandlerContextArgument;
pub use functions::{
    Argument, FnInfo, IntoReducerResult, ProcedureContextArgument, ReducerContextArgument,
    ScheduledFunction, assert_schedule_at, assert_schedule_id, assert_scheduled, column_checks,
    default_bytes, encode_result, fill_generated,
};
pub use views::{ViewContextArgument, ViewKeyColumn, ViewReturn, call_query_view, query_type};

/// What a reducer returned: the text of its error.
pub type ReducerOutcome = Result<(), String>;

/// Decodes the arguments and runs a reducer.
pub type ReducerFn = fn(&ReducerContext, &mut Reader<'_>) -> ReducerOutcome;

/// Decodes the arguments, runs a procedure, and encodes its result.
pub type ProcedureFn = fn(&mut ProcedureContext, &mut Reader<'_>) -> Vec<u8>;

/// Runs a view and encodes its rows, or its query.
pub type ViewFn = fn(&ViewContext) -> Vec<u8>;

/// The same for a view without a caller.
pub type AnonymousViewFn = fn(&AnonymousViewContext) -> Vec<u8>;

/// Runs an HTTP handler.
#[cfg(feature = "unstable")]
pub type HandlerFn =
    fn(&mut crate::http::HandlerContext, crate::http::Request) -> crate::http::Response;

#[derive(Debug, Default)]
struct Module {
    definition: Definition,
    reducers: Vec<ReducerFn>,
    procedures: Vec<ProcedureFn>,
    views: Vec<ViewFn>,
    anonymous_views: Vec<AnonymousViewFn>,
    #[cfg(feature = "unstable")]
    handlers: Vec<HandlerFn>,
}

thread_local! {
    static MODULE: RefCell<Option<Module>> = const { RefCell::new(None) };
}

fn with_module<T>(body: impl FnOnce(&mut Module) -> T) -> T {
    MODULE.with_borrow_mut(|module| body(module.get_or_insert_default()))
}

/// When the database itself calls a reducer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Once, when it is created.
    Init,
    /// When a client has connected.
    OnConnect,
    /// When a client is gone.
    OnDisconnect,
}

/// What the macros know about a reducer or procedure.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// The name in the program.
    pub name: &'static str,
    /// The name to call it by, if it was given.
    pub canonical_name: Option<&'static str>,
    /// The parameters after the context.
    pub parameters: &'static [Parameter],
}

const PRIVATE: u8 = 0;
const CLIENT_CALLABLE: u8 = 1;

/// Adds a table.
pub fn register_table<T: Table>() {
    with_module(|module| module.definition.table(&<T as TableInternal>::DEFINITION));
}

/// Adds a reducer.
pub fn register_reducer(function: &Function, lifecycle: Option<Lifecycle>, call: ReducerFn) {
    with_module(|module| {
        module.reducers.push(call);
        let definition = &mut module.definition;
        let parameters = definition.describe_parameters(function.parameters);
        if let Some(lifecycle) = lifecycle {
            let out = definition.entry(Kind::LifeCycleReducers);
            out.push(lifecycle as u8);
            function.name.serialize(out);
        }
        let out = definition.entry(Kind::Reducers);
        function.name.serialize(out);
        out.extend_from_slice(&parameters);
        out.push(if lifecycle.is_some() {
            PRIVATE
        } else {
            CLIENT_CALLABLE
        });
        AlgebraicType::unit().serialize(out);
        AlgebraicType::String.serialize(out);
        definition.rename(Renamed::Function, function.name, function.canonical_name);
    });
}

/// Adds a procedure.
pub fn register_procedure<R: SpacetimeType>(function: &Function, call: ProcedureFn) {
    with_module(|module| {
        module.procedures.push(call);
        let definition = &mut module.definition;
        let parameters = definition.describe_parameters(function.parameters);
        let result = definition.describe(("", R::make_type));
        let out = definition.entry(Kind::Procedures);
        function.name.serialize(out);
        out.extend_from_slice(&parameters);
        out.extend_from_slice(&result);
        out.push(CLIENT_CALLABLE);
        definition.rename(Renamed::Function, function.name, function.canonical_name);
    });
}

/// What the macros know about a view.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The name in the program.
    pub name: &'static str,
    /// The name to store it under, if it was given.
    pub canonical_name: Option<&'static str>,
    /// The column that tells its rows apart, if one was named.
    pub primary_key: Option<&'static str>,
    /// What it returns.
    pub result: fn(&mut crate::spacetime_type::TypeBuilder) -> AlgebraicType,
}

/// A view's function; those with and without a caller are counted apart.
#[derive(Clone, Copy, Debug)]
pub enum AnyViewFn {
    /// With a caller.
    Sender(ViewFn),
    /// Without.
    Anonymous(AnonymousViewFn),
}

/// Adds a view.
pub fn register_view(view: &View, call: AnyViewFn) {
    with_module(|module| {
        let (index, is_anonymous) = match call {
            AnyViewFn::Sender(call) => {
                module.views.push(call);
                (module.views.len() - 1, false)
            }
            AnyViewFn::Anonymous(call) => {
                module.anonymous_views.push(call);
                (module.anonymous_views.len() - 1, true)
            }
        };
        let definition = &mut module.definition;
        let result = definition.describe(("", view.result));
        let out = definition.entry(Kind::Views);
        view.name.serialize(out);
        crate::bsatn::write_len(index, out);
        true.serialize(out);
        is_anonymous.serialize(out);
        // No parameters.
        crate::bsatn::write_len(0, out);
        out.extend_from_slice(&result);
        definition.rename(Renamed::Function, view.name, view.canonical_name);
        if let Some(column) = view.primary_key {
            let out = definition.entry(Kind::ViewPrimaryKeys);
            view.name.serialize(out);
            [column].serialize(out);
        }
    });
}

/// Adds a rule that hides rows.
pub fn register_row_level_security(filter: &Filter) {
    let Filter::Sql(sql) = filter;
    with_module(|module| sql.serialize(module.definition.entry(Kind::RowLevelSecurity)));
}

/// Says how names are converted.
pub fn register_case_conversion_policy(policy: CaseConversionPolicy) {
    with_module(|module| {
        let out = module.definition.entry(Kind::CaseConversionPolicy);
        out.push(policy as u8);
    });
}

/// Adds an HTTP handler.
#[cfg(feature = "unstable")]
pub fn register_http_handler(name: &'static str, call: HandlerFn) {
    with_module(|module| {
        module.handlers.push(call);
        name.serialize(module.definition.entry(Kind::HttpHandlers));
    });
}

/// Adds the routes of a router.
#[cfg(feature = "unstable")]
pub fn register_http_router(router: crate::http::Router) {
    with_module(|module| {
        for route in router.into_routes() {
            let out = module.definition.entry(Kind::HttpRoutes);
            route.handler.serialize(out);
            route.method.serialize(out);
            route.path.serialize(out);
        }
    });
}

/// The module's description.
#[doc(hidden)]
pub fn describe() -> Vec<u8> {
    with_module(|module| module.definition.to_bytes())
}

/// Forgets everything that was registered on this thread: for tests.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub fn reset() {
    MODULE.with_borrow_mut(|module| *module = None);
}

/// Who calls, and when, as the host passes it.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    sender: Identity,
    connection_id: Option<ConnectionId>,
    timestamp: Timestamp,
}

fn identity_of(words: [u64; 4]) -> Identity {
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *chunk = word.to_le_bytes();
    }
    Identity::from_byte_array(bytes)
}

impl Caller {
    /// From the words of the arguments, low ones first.
    pub fn new(sender: [u64; 4], [low, high]: [u64; 2], timestamp: i64) -> Self {
        let connection_id = ConnectionId::from_u128(u128::from(high) << 64 | u128::from(low));
        Caller {
            sender: identity_of(sender),
            connection_id: connection_id.none_if_zero(),
            timestamp: Timestamp::from_micros_since_unix_epoch(timestamp),
        }
    }
}

const SUCCESS: i32 = 0;
const FAILURE: i32 = 1;
/// A view's result with a header before it.
const VIEW_RESULT: i32 = 2;

fn function<F: Copy>(what: &str, id: u32, functions: impl FnOnce(&Module) -> &Vec<F>) -> F {
    let found = with_module(|module| {
        let index = usize::try_from(id).ok()?;
        functions(module).get(index).copied()
    });
    found.unwrap_or_else(|| panic!("there is no {what} with the number {id}"))
}

/// Runs a reducer; the text of its error goes to a sink.
pub fn call_reducer(id: u32, caller: Caller, arguments: u32, error: u32) -> i32 {
    let call = function("reducer", id, |module| &module.reducers);
    let bytes = read_source(arguments);
    let context = ReducerContext::new(caller.sender, caller.connection_id, caller.timestamp);
    match call(&context, &mut Reader::new(&bytes)) {
        Ok(()) => SUCCESS,
        Err(text) => {
            write_sink(error, text.as_bytes());
            FAILURE
        }
    }
}

/// Runs a procedure; its result goes to a sink.
pub fn call_procedure(id: u32, caller: Caller, arguments: u32, result: u32) -> i32 {
    let call = function("procedure", id, |module| &module.procedures);
    let bytes = read_source(arguments);
    let (sender, connection) = (caller.sender, caller.connection_id);
    let mut context = ProcedureContext::new(sender, connection, caller.timestamp);
    write_sink(result, &call(&mut context, &mut Reader::new(&bytes)));
    SUCCESS
}

/// Runs a view; its rows or its query go to a sink.
pub fn call_view(id: u32, sender: [u64; 4], sink: u32) -> i32 {
    let call = function("view", id, |module| &module.views);
    write_sink(sink, &call(&ViewContext::new(identity_of(sender))));
    VIEW_RESULT
}

/// The same for a view without a caller.
pub fn call_anonymous_view(id: u32, sink: u32) -> i32 {
    let call = function("view", id, |module| &module.anonymous_views);
    write_sink(sink, &call(&AnonymousViewContext::new()));
    VIEW_RESULT
}

/// Answers a request; the sinks get the head of the response and its body.
#[cfg(feature = "unstable")]
pub fn call_http_handler(
    id: u32,
    timestamp: i64,
    [request, body]: [u32; 2],
    [response_sink, body_sink]: [u32; 2],
) -> i32 {
    let call = function("HTTP handler", id, |module| &module.handlers);
    let request = crate::http::decode_request(&read_source(request), read_source(body))
        .unwrap_or_else(|error| panic!("the host sent a bad request: {error}"));
    let timestamp = Timestamp::from_micros_since_unix_epoch(timestamp);
    let mut context = crate::http::HandlerContext::new(timestamp);
    let (head, body) = crate::http::encode_response(call(&mut context, request));
    write_sink(response_sink, &head);
    write_sink(body_sink, body.as_ref());
    SUCCESS
}

/// Decodes one argument of a function.
pub fn argument<T: Argument>(reader: &mut Reader<'_>, function: &str, name: &str) -> T {
    match decode::<T>(reader) {
        Ok(value) => value,
        Err(error) => panic!("the argument `{name}` of `{function}` cannot be read: {error}"),
    }
}

fn decode<T: DeserializeOwned>(reader: &mut Reader<'_>) -> Result<T, crate::bsatn::DecodeError> {
    T::deserialize(reader)
}

/// Queues a call by the database itself.
#[cfg(feature = "unstable")]
pub fn schedule_immediate<F: FnInfo>(arguments: &[u8]) {
    crate::sys::host::volatile_nonatomic_schedule_immediate(F::NAME, arguments);
}

/// The context of a call by the database itself: for tests.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub fn test_context() -> ReducerContext {
    ReducerContext::new(Identity::ZERO, None, Timestamp::UNIX_EPOCH)
}

//! What generated bindings implement: the types of one module, tied together.
//!
//! Not here: what a program uses of them (`db_context`, `table`).

use std::fmt::Debug;

use crate::cache::ClientCache;
use crate::callbacks::DbCallbacks;
use crate::connection::DbContextImpl;
use crate::db_context::DbContext;
use crate::error::{Error, Result};
use crate::event::{Event, ReducerEvent};
use crate::sats::bsatn::EncodeError;
use crate::subscription::{OnEndedCallback, SubscriptionHandleImpl};
use crate::wire::v2;

/// Anything that belongs to a module.
pub trait InModule {
    /// That module.
    type Module: SpacetimeModule;
}

/// The types of a module.
pub trait SpacetimeModule: Sized + Debug + Send + Sync + 'static {
    /// The connection.
    type DbConnection: DbConnection<Module = Self>;
    /// What callbacks of rows get.
    type EventContext: EventContext<Module = Self, Event = Event<Self::Reducer>>;
    /// What callbacks of reducers get.
    type ReducerEventContext: ReducerEventContext
        + AbstractEventContext<Module = Self, Event = ReducerEvent<Self::Reducer>>;
    /// What callbacks of procedures get.
    type ProcedureEventContext: ProcedureEventContext<Module = Self, Event = ()>;
    /// What callbacks of subscriptions get.
    type SubscriptionEventContext: SubscriptionEventContext<Module = Self, Event = ()>;
    /// What callbacks of errors get.
    type ErrorContext: ErrorContext<Module = Self, Event = Option<Error>>;
    /// A call of any reducer.
    type Reducer: Reducer<Module = Self>;
    /// `ctx.db`.
    type DbView: InModule<Module = Self> + Send + 'static;
    /// `ctx.reducers`.
    type Reducers: InModule<Module = Self> + Send + 'static;
    /// `ctx.procedures`.
    type Procedures: InModule<Module = Self> + Send + 'static;
    /// Rows that came and went.
    type DbUpdate: DbUpdate<Module = Self>;
    /// What that changed.
    type AppliedDiff<'r>: AppliedDiff<'r, Module = Self>;
    /// A subscription.
    type SubscriptionHandle: SubscriptionHandle<Module = Self>;
    /// What `add_query` gives.
    type QueryBuilder: Default + Send + 'static;

    /// Makes the cache's tables, with their indexes.
    fn register_tables(cache: &mut ClientCache<Self>);

    /// All tables and views, as the server knows them.
    const ALL_TABLE_NAMES: &'static [&'static str];
}

/// The connection of a module.
pub trait DbConnection: InModule + DbContext + Send + 'static {
    /// Another handle on the same connection.
    fn new(imp: DbContextImpl<Self::Module>) -> Self;
}

/// What a callback gets: the connection, and what has happened.
pub trait AbstractEventContext: InModule + DbContext + Send + 'static {
    /// What has happened.
    type Event;

    /// What has happened.
    fn event(&self) -> &Self::Event;

    /// Another handle on the same connection.
    fn new(imp: DbContextImpl<Self::Module>, event: Self::Event) -> Self;
}

/// What callbacks of rows get.
pub trait EventContext: AbstractEventContext {}

/// What callbacks of reducers get.
pub trait ReducerEventContext: AbstractEventContext {}

/// What callbacks of procedures get.
pub trait ProcedureEventContext: AbstractEventContext {}

/// What callbacks of subscriptions get.
pub trait SubscriptionEventContext: AbstractEventContext {}

/// What callbacks of errors get.
pub trait ErrorContext: AbstractEventContext {}

/// A call of any reducer of a module.
pub trait Reducer: InModule + Clone + Debug + Send + 'static {
    /// As the server knows it.
    fn reducer_name(&self) -> &'static str;

    /// The product of the arguments.
    fn args_bsatn(&self) -> std::result::Result<Vec<u8>, EncodeError>;
}

/// Rows of any table that came and went.
pub trait DbUpdate:
    TryFrom<v2::TransactionUpdate, Error = Error> + InModule + Send + 'static
{
    /// Changes the cache, and says what that changed.
    fn apply_to_client_cache(
        &self,
        cache: &mut ClientCache<Self::Module>,
    ) -> <Self::Module as SpacetimeModule>::AppliedDiff<'_>;

    /// Rows that came.
    fn parse_initial_rows(raw: v2::QueryRows) -> Result<Self>
    where
        Self: Sized;

    /// Rows that went.
    fn parse_unsubscribe_rows(raw: v2::QueryRows) -> Result<Self>
    where
        Self: Sized;
}

/// What an update changed in the cache.
pub trait AppliedDiff<'r>: InModule {
    /// Runs the callbacks of all rows that it changed.
    fn invoke_row_callbacks(
        &self,
        event: &<Self::Module as SpacetimeModule>::EventContext,
        callbacks: &mut DbCallbacks<Self::Module>,
    );
}

/// A subscription. Dropping it does not end it.
pub trait SubscriptionHandle: InModule + Clone + Send + 'static {
    /// Another handle on the same subscription.
    fn new(imp: SubscriptionHandleImpl<Self::Module>) -> Self;

    /// Whether it is over, by an error or because the program wanted it.
    fn is_ended(&self) -> bool;

    /// Whether its rows have come, and it is neither over nor about to be.
    fn is_active(&self) -> bool;

    /// Ends it, and runs `on_end` when its rows are gone.
    fn unsubscribe_then(self, on_end: OnEndedCallback<Self::Module>) -> Result<()>;

    /// Ends it.
    fn unsubscribe(self) -> Result<()>;
}

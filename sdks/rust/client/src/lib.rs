//! The Rust client SDK: a live copy of the rows that a program subscribes to, callbacks for their
//! changes, and calls of reducers and procedures.
//!
//! A program needs bindings, which `spacetime generate --lang rust` writes from a module. They
//! give it `DbConnection`, an accessor for each table, and a method for each reducer:
//!
//! ```ignore
//! let conn = DbConnection::builder()
//!     .with_uri("http://127.0.0.1:3000")
//!     .with_database_name("chat")
//!     .build()?;
//! conn.db.message().on_insert(|_, message| println!("{}", message.text));
//! conn.subscription_builder().subscribe("SELECT * FROM message");
//! conn.run_threaded();
//! conn.reducers.send_message("hello".to_owned())?;
//! ```
//!
//! Nothing happens unless the connection is driven: by `run_threaded`, `run_async`, or
//! `frame_tick` once a frame. Callbacks run on the thread that drives.
//!
//! In web pages (`wasm32-unknown-unknown`, with the feature `browser`) `build` is a future, and
//! `run_background_task` takes the place of `run_threaded`.
//!
//! Bindings made for the crate `spacetimedb-sdk` compile against this one, if the dependency is
//! renamed: `spacetimedb-sdk = { package = "spacetime-client", .. }`.

#[cfg(all(target_arch = "wasm32", not(feature = "browser")))]
compile_error!("for web pages, say so: spacetime-client = { features = [\"browser\"], .. }");

mod cache;
mod callbacks;
mod connection;
mod event_reply;
mod module;
mod subscription;
mod update;

#[doc(hidden)]
pub mod query_builder;
#[doc(hidden)]
pub mod sats;
#[doc(hidden)]
pub mod wire;

pub mod credentials;
pub mod db_context;
pub mod error;
pub mod event;
pub mod table;
#[doc(hidden)]
pub mod unstable;

pub use connection::{DbConnectionBuilder, Reconnect};
pub use db_context::DbContext;
pub use error::{Error, Result};
pub use event::{Event, ReducerEvent, Status};
pub use event_reply::{ReplyCallback, procedure_reply, reply};
pub use module::SubscriptionHandle;
pub use sats::{ConnectionId, Identity, ScheduleAt, TimeDuration, Timestamp, Uuid, i256, u256};
pub use subscription::IntoQueries;
pub use table::{
    EventTable, Table, TableAccessor, TableLike, TableWithPrimaryKey, WithDelete, WithInsert,
    WithUpdate,
};
pub use wire::frame::Compression;

/// What generated bindings name. Programs have no use for it.
#[doc(hidden)]
pub mod __codegen {
    pub use crate::query_builder as __query_builder;
    pub use crate::sats as __lib;
    pub use crate::sats as __sats;
    pub use crate::wire as __ws;
    pub use http;
    pub use log;

    pub use crate::cache::{ClientCache, TableAppliedDiff};
    pub use crate::callbacks::{CallbackId, DbCallbacks};
    pub use crate::connection::{
        DbConnectionBuilder, DbContextImpl, IndexHandle, TableHandle, UniqueConstraintHandle,
    };
    pub use crate::db_context::DbContext;
    pub use crate::error::{Error, InternalError, Result};
    pub use crate::event::{Event, ReducerEvent};
    pub use crate::module::{
        AbstractEventContext, AppliedDiff, DbConnection, DbUpdate, ErrorContext, EventContext,
        InModule, ProcedureEventContext, Reducer, ReducerEventContext, SpacetimeModule,
        SubscriptionEventContext, SubscriptionHandle,
    };
    pub use crate::query_builder::{QueryBuilder, QueryTableAccessor};
    pub use crate::sats::{ConnectionId, Identity, ScheduleAt, TimeDuration, Timestamp, Uuid};
    pub use crate::subscription::{OnEndedCallback, SubscriptionBuilder, SubscriptionHandleImpl};
    pub use crate::table::{
        EventTable, Table, TableAccessor, TableLike, TableWithPrimaryKey, WithDelete, WithInsert,
        WithUpdate,
    };
    pub use crate::update::{
        TableUpdate, parse_row_list_as_deletes, parse_row_list_as_inserts,
        transaction_update_iter_table_updates,
    };
}

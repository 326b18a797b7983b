//! The library for modules: programs that run inside the database.
//!
//! ```no_run
//! use spacetimedb::{ReducerContext, Table, reducer, table};
//!
//! #[table(accessor = person, public)]
//! pub struct Person {
//!     #[primary_key]
//!     #[auto_inc]
//!     id: u64,
//!     name: String,
//! }
//!
//! #[reducer]
//! pub fn add(ctx: &ReducerContext, name: String) -> Result<(), String> {
//!     if name.is_empty() {
//!         return Err("a person has a name".to_owned());
//!     }
//!     ctx.db.person().insert(Person { id: 0, name });
//!     Ok(())
//! }
//! # fn main() {}
//! ```
//!
//! Modules written for the crate `spacetimedb` 2.10 compile with this one, under its name:
//!
//! ```toml
//! spacetimedb = { package = "spacetime-module", version = "..." }
//! ```
//!
//! Invariants
//!   * Names, call signatures and what is sent to the host are those of that crate.
//!   * All unsafe code is in `sys/wasm.rs`.

#![cfg_attr(not(target_arch = "wasm32"), deny(unsafe_code))]

mod algebraic_type;
mod bsatn;
mod context;
mod definition;
mod errno;
mod filterable;
pub mod http;
mod logger;
#[doc(hidden)]
pub mod query_builder;
#[doc(hidden)]
pub mod rt;
mod scratch;
mod spacetime_type;
pub mod sys;
#[doc(hidden)]
pub mod table;
mod types;

pub use bsatn::{Deserialize, DeserializeOwned, Serialize};
#[allow(deprecated)]
pub use context::DbContext;
pub use context::{
    AnonymousViewContext, AuthCtx, CtxDbRead, CtxDbWrite, CtxWithHttp, CtxWithSender,
    CtxWithSenderAuth, CtxWithTimestamp, CtxWithTxManagement, JwtClaims, Local, LocalReadOnly,
    ProcedureContext, QueryBuilder, ReducerContext, TxContext, ViewContext,
};
#[cfg(feature = "rand")]
pub use context::{CtxWithRng, StdbRng};
pub use errno::Errno;
pub use filterable::FilterableValue;
#[doc(hidden)]
pub use filterable::{DirectIndexKey, SequenceValue};
pub use log;
pub use logger::log_stopwatch;
pub use query_builder::{Query, RawQuery};
#[cfg(feature = "rand")]
pub use rand08 as rand;
#[doc(hidden)]
pub use spacetime_module_macros::__TableRow;
#[cfg(feature = "unstable")]
pub use spacetime_module_macros::client_visibility_filter;
pub use spacetime_module_macros::{
    Deserialize, Serialize, SpacetimeType, duration, procedure, reducer, settings, table, view,
};
pub use spacetime_type::SpacetimeType;
pub use table::{
    AutoIncOverflow, PointIndex, PointIndexReadOnly, RangedIndex, RangedIndexReadOnly, Table,
    TryInsertError, TryUpdateError, UniqueColumn, UniqueColumnReadOnly, UniqueConstraintViolation,
};
pub use types::{
    AlgebraicValue, ConnectionId, Identity, ScheduleAt, TableId, TimeDuration, Timestamp, Uuid,
};

/// What a reducer may return if it can fail.
pub type ReducerResult = Result<(), Box<str>>;

/// What a procedure returns, encoded.
pub type ProcedureResult = Vec<u8>;

/// How the names in the program become those that clients see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaseConversionPolicy {
    /// Not at all.
    None = 0,
    /// Tables, columns and functions in snake case, types in Pascal case.
    #[default]
    SnakeCase = 1,
}

/// A rule that hides rows from clients.
#[cfg_attr(not(feature = "unstable"), doc(hidden))]
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Filter {
    /// A query: a client sees the rows that it gives.
    Sql(&'static str),
}

impl Filter {
    /// The query's text.
    pub fn sql_text(&self) -> &'static str {
        let Filter::Sql(sql) = self;
        sql
    }
}

/// Types as data, and the encoding of values.
pub mod sats {
    pub use crate::algebraic_type::{
        AlgebraicType, AlgebraicTypeRef, ArrayType, ProductType, ProductTypeElement, SumType,
        SumTypeVariant,
    };
    pub use crate::bsatn::{Deserialize, DeserializeOwned, Serialize};
    pub use crate::spacetime_type::{SpacetimeType, TypeBuilder};
    pub use crate::types::{
        AlgebraicValue, ArrayValue, ConnectionId, Hash, Identity, ProductValue, ScheduleAt,
        SumValue, TimeDuration, Timestamp, Uuid,
    };
    pub use ethnum::{I256 as i256, U256 as u256};
    pub use spacetime_module_macros::{Deserialize, Serialize, SpacetimeType};

    /// The encoding of values.
    pub mod bsatn {
        pub use crate::bsatn::{DecodeError, EncodeError, Reader, from_slice, to_vec, to_writer};
    }

    /// Writing values.
    pub mod ser {
        pub use crate::bsatn::Serialize;
    }

    /// Reading values.
    pub mod de {
        pub use crate::bsatn::{Deserialize, DeserializeOwned};
    }

    /// Points in time.
    pub mod timestamp {
        pub use crate::types::{ParseTimestampError, Timestamp};
    }

    /// Spans of time.
    pub mod time_duration {
        pub use crate::types::TimeDuration;
    }

    /// Hashes.
    pub mod hash {
        pub use crate::types::{HASH_SIZE, Hash, hash_bytes};
    }

    /// Bytes as hexadecimal digits.
    pub mod hex {
        pub use crate::types::{HexString, encode_hex as encode};
    }

    /// UUIDs.
    pub mod uuid {
        pub use crate::types::{ParseUuidError, Uuid, Version};
    }
}

/// The types that clients and modules share.
///
/// `#[sats(crate = ...)]` may name it: what the derives need is here too.
pub mod spacetimedb_lib {
    pub use crate::bsatn::{Deserialize, DeserializeOwned, Serialize};
    #[doc(hidden)]
    pub use crate::filterable::DirectIndexKey;
    pub use crate::filterable::FilterableValue;
    #[doc(hidden)]
    pub use crate::query_builder;
    #[doc(hidden)]
    pub use crate::rt;
    pub use crate::sats::hash::{self, hash_bytes};
    pub use crate::sats::{
        self, AlgebraicType, ProductType, ProductTypeElement, ProductValue, SpacetimeType, SumType,
        bsatn, de, ser,
    };
    pub use crate::types::{
        AlgebraicValue, ArgId, ColId, ConnectionId, ConstraintId, Hash, HexString, Identity,
        IndexId, ParseHexError, ScheduleAt, ScheduleId, SequenceId, TableId, TimeDuration,
        Timestamp, Uuid, ViewId,
    };

    /// Identities.
    pub mod identity {
        pub use crate::types::Identity;
    }

    /// Connections.
    pub mod connection_id {
        pub use crate::types::ConnectionId;
    }

    /// When scheduled functions run.
    pub mod scheduler {
        pub use crate::types::ScheduleAt;
    }
}

/// Queues a call of a reducer or procedure, soon and by the database itself. It is made even if
/// this transaction is undone, and forgotten if the server stops before: a timer table is neither.
///
/// ```ignore
/// volatile_nonatomic_schedule_immediate!(reducer(argument, other));
/// ```
#[cfg(feature = "unstable")]
#[macro_export]
macro_rules! volatile_nonatomic_schedule_immediate {
    ($function:ident $($rest:tt)*) => {
        $crate::__schedule_immediate!([$function] $($rest)*)
    };
}

#[doc(hidden)]
#[cfg(feature = "unstable")]
#[macro_export]
macro_rules! __schedule_immediate {
    ([$($path:tt)*] :: $next:ident $($rest:tt)*) => {
        $crate::__schedule_immediate!([$($path)* :: $next] $($rest)*)
    };
    ([$($path:tt)*] ($($argument:expr),* $(,)?)) => {{
        let mut bytes = ::std::vec::Vec::<u8>::new();
        $($crate::Serialize::serialize(&$argument, &mut bytes);)*
        $crate::rt::schedule_immediate::<$($path)*>(&bytes);
        // Never called: the compiler checks the arguments against the function's parameters.
        #[allow(unreachable_code)]
        if false {
            let context = ::std::unreachable!();
            let _ = $($path)*(context $(, $argument)*);
        }
    }};
}

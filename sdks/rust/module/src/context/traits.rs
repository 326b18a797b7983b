//! What contexts have in common, for functions that take several of them.

use super::{
    AnonymousViewContext, AuthCtx, Local, LocalReadOnly, ProcedureContext, ReducerContext,
    TxContext, ViewContext,
};
use crate::http::{HandlerContext, HttpClient};
use crate::types::{Identity, Timestamp};

/// A context that can read the database.
pub trait CtxDbRead {
    /// The database, for reading through indexes.
    fn db_read_only(&self) -> &LocalReadOnly;
}

/// A context that can write to the database.
pub trait CtxDbWrite: CtxDbRead {
    /// The database.
    fn db(&self) -> &Local;
}

/// A context with a caller.
pub trait CtxWithSender {
    /// Who calls.
    fn sender(&self) -> Identity;
}

/// A context with a time.
pub trait CtxWithTimestamp {
    /// When the call began.
    fn timestamp(&self) -> Timestamp;
}

/// A context that knows how the caller proved who they are.
pub trait CtxWithSenderAuth {
    /// How the caller proved who they are.
    fn sender_auth(&self) -> &AuthCtx;
}

/// A context that opens transactions.
pub trait CtxWithTxManagement {
    /// Runs `body` in a transaction and commits it.
    fn with_tx<T>(&mut self, body: impl Fn(&TxContext) -> T) -> T;

    /// Runs `body` in a transaction, which an error undoes.
    fn try_with_tx<T, E>(&mut self, body: impl Fn(&TxContext) -> Result<T, E>) -> Result<T, E>;
}

/// A context with random numbers.
#[cfg(feature = "rand")]
pub trait CtxWithRng {
    /// The random numbers of this call.
    fn rng(&self) -> &super::StdbRng;

    /// A random value.
    fn random<T>(&self) -> T
    where
        rand08::distributions::Standard: rand08::distributions::Distribution<T>;
}

/// A context that can send requests to other servers.
pub trait CtxWithHttp {
    /// Requests to other servers.
    fn http(&self) -> &HttpClient;
}

/// A context with a database.
#[deprecated = "use `CtxDbRead` and `CtxDbWrite`"]
pub trait DbContext {
    /// `Local` or `LocalReadOnly`.
    type DbView;

    /// The database.
    fn db(&self) -> &Self::DbView;

    /// The database, for reading through indexes.
    fn db_read_only(&self) -> &LocalReadOnly;
}

static READ_ONLY: LocalReadOnly = LocalReadOnly {};

macro_rules! databases {
    ($($context:ty: $view:ty;)*) => {$(
        impl CtxDbRead for $context {
            fn db_read_only(&self) -> &LocalReadOnly {
                &READ_ONLY
            }
        }

        #[allow(deprecated)]
        impl DbContext for $context {
            type DbView = $view;

            fn db(&self) -> &$view {
                &self.db
            }

            fn db_read_only(&self) -> &LocalReadOnly {
                &READ_ONLY
            }
        }
    )*};
}

databases! {
    ReducerContext: Local;
    TxContext: Local;
    ViewContext: LocalReadOnly;
    AnonymousViewContext: LocalReadOnly;
}

macro_rules! methods {
    ($trait:ident, $method:ident() -> $result:ty:
        $($context:ty => |$this:ident| $value:expr;)*) => {
        $(impl $trait for $context {
            fn $method(&self) -> $result {
                let $this = self;
                $value
            }
        })*
    };
}

methods! { CtxDbWrite, db() -> &Local:
    ReducerContext => |ctx| &ctx.db;
    TxContext => |ctx| &ctx.db;
}

methods! { CtxWithSender, sender() -> Identity:
    ReducerContext => |ctx| ReducerContext::sender(ctx);
    TxContext => |ctx| ReducerContext::sender(ctx);
    ViewContext => |ctx| ViewContext::sender(ctx);
    ProcedureContext => |ctx| ProcedureContext::sender(ctx);
}

methods! { CtxWithTimestamp, timestamp() -> Timestamp:
    ReducerContext => |ctx| ctx.timestamp;
    TxContext => |ctx| ctx.timestamp;
    ProcedureContext => |ctx| ctx.timestamp;
    HandlerContext => |ctx| ctx.timestamp;
}

methods! { CtxWithSenderAuth, sender_auth() -> &AuthCtx:
    ReducerContext => |ctx| ReducerContext::sender_auth(ctx);
    TxContext => |ctx| ReducerContext::sender_auth(ctx);
}

methods! { CtxWithHttp, http() -> &HttpClient:
    ProcedureContext => |ctx| &ctx.http;
    HandlerContext => |ctx| &ctx.http;
}

macro_rules! transactions {
    ($($context:ty),*) => {$(
        impl CtxWithTxManagement for $context {
            fn with_tx<T>(&mut self, body: impl Fn(&TxContext) -> T) -> T {
                <$context>::with_tx(self, body)
            }

            fn try_with_tx<T, E>(
                &mut self,
                body: impl Fn(&TxContext) -> Result<T, E>,
            ) -> Result<T, E> {
                <$context>::try_with_tx(self, body)
            }
        }
    )*};
}

transactions!(ProcedureContext, HandlerContext);

#[cfg(feature = "rand")]
macro_rules! randomness {
    ($($context:ty: $inherent:ty),*) => {$(
        impl CtxWithRng for $context {
            fn rng(&self) -> &super::StdbRng {
                <$inherent>::rng(self)
            }

            fn random<T>(&self) -> T
            where
                rand08::distributions::Standard: rand08::distributions::Distribution<T>,
            {
                <$inherent>::random(self)
            }
        }
    )*};
}

#[cfg(feature = "rand")]
randomness!(
    ReducerContext: ReducerContext, TxContext: ReducerContext, ProcedureContext: ProcedureContext,
    HandlerContext: HandlerContext
);

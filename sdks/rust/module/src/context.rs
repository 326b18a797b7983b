//! What a function of the module is given by its caller: the database, the caller, the time.

mod auth;
mod claims;
mod procedure;
mod reducer;
#[cfg(feature = "rand")]
mod rng;
mod traits;
mod view;

pub use auth::{AuthCtx, JwtClaims};
pub use procedure::{ProcedureContext, TxContext};
pub(crate) use procedure::{commit_or_retry, with_tx};
pub use reducer::ReducerContext;
#[cfg(feature = "rand")]
pub use rng::StdbRng;
#[cfg(feature = "rand")]
pub use traits::CtxWithRng;
#[allow(deprecated)]
pub use traits::DbContext;
pub use traits::{
    CtxDbRead, CtxDbWrite, CtxWithHttp, CtxWithSender, CtxWithSenderAuth, CtxWithTimestamp,
    CtxWithTxManagement,
};
pub use view::{AnonymousViewContext, ViewContext};

use crate::sys::host;
use crate::types::Identity;

/// The database, for reading and writing. Its tables are methods, which the attribute `table`
/// makes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Local {}

/// The database, for reading through indexes.
#[derive(Debug)]
#[non_exhaustive]
pub struct LocalReadOnly {}

/// The tables as the beginning of queries.
#[derive(Debug)]
#[non_exhaustive]
pub struct QueryBuilder {}

fn database_identity() -> Identity {
    Identity::from_byte_array(host::identity())
}

/// The methods of contexts that draw random numbers.
#[cfg(feature = "rand")]
macro_rules! random_methods {
    ($context:ty) => {
        // Handlers are not public without the feature `unstable`.
        #[allow(dead_code)]
        impl $context {
            /// The random numbers of this call. They follow from its time.
            pub fn rng(&self) -> &$crate::context::StdbRng {
                self.chance.rng(self.timestamp)
            }

            /// A random value.
            pub fn random<T>(&self) -> T
            where
                rand08::distributions::Standard: rand08::distributions::Distribution<T>,
            {
                rand08::Rng::r#gen(&mut self.rng())
            }

            /// A random UUID.
            pub fn new_uuid_v4(&self) -> anyhow::Result<$crate::types::Uuid> {
                let mut bytes = [0; 16];
                rand08::RngCore::fill_bytes(&mut self.rng(), &mut bytes);
                Ok($crate::types::Uuid::from_random_bytes_v4(bytes))
            }

            /// A UUID that is ordered by the call's time, and within the call.
            pub fn new_uuid_v7(&self) -> anyhow::Result<$crate::types::Uuid> {
                let mut bytes = [0; 4];
                rand08::RngCore::fill_bytes(&mut self.rng(), &mut bytes);
                let counter = self.chance.uuid_counter();
                $crate::types::Uuid::from_counter_v7(counter, self.timestamp, &bytes)
            }
        }
    };
}
#[cfg(feature = "rand")]
pub(crate) use random_methods;

/// What a call has drawn so far.
#[cfg(feature = "rand")]
pub(crate) use rng::Chance;

/// Without random numbers there is nothing to keep.
#[cfg(not(feature = "rand"))]
#[derive(Debug, Default)]
pub(crate) struct Chance {}

//! How a database of a test is made.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use spacetime_host::{CallLimits, EmbedError, OutboundHttp};
use spacetime_types::{Identity, Timestamp};

use crate::database::{ISSUER, TestDatabase};
use crate::http::{FakeNetwork, HttpAnswer, HttpQuestion};
use crate::modules::{WasmError, build_module, read};

/// Where time starts: the first of January 2026, in UTC.
const START_MICROS: i64 = 1_767_225_600_000_000;

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Wasm(#[from] WasmError),
    /// The module does not run here, or its `init` failed.
    #[error(transparent)]
    Module(#[from] EmbedError),
}

/// Settings of a database, before it is made.
#[derive(Clone, Debug)]
pub struct Builder {
    pub(crate) seed: u64,
    pub(crate) start: Timestamp,
    pub(crate) owner: Identity,
    pub(crate) limits: CallLimits,
    pub(crate) network: Option<Arc<dyn OutboundHttp>>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            seed: 0,
            start: Timestamp::from_micros(START_MICROS),
            owner: Identity::from_claims(ISSUER, "owner"),
            limits: CallLimits::default(),
            network: None,
        }
    }
}

impl Builder {
    /// Another seed gives the module other random numbers, and connections other ids.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Builder {
        self.seed = seed;
        self
    }

    /// When time starts.
    #[must_use]
    pub fn start(mut self, start: Timestamp) -> Builder {
        self.start = start;
        self
    }

    /// Whose database it is. Without this, that of the name `owner`.
    #[must_use]
    pub fn owner(mut self, owner: Identity) -> Builder {
        self.owner = owner;
        self
    }

    /// What calls may take, in real time and memory.
    #[must_use]
    pub fn limits(mut self, limits: CallLimits) -> Builder {
        self.limits = limits;
        self
    }

    /// How long a reducer may take, in real time.
    #[must_use]
    pub fn call_time_max(mut self, max: Duration) -> Builder {
        self.limits.call_time_max = max;
        self
    }

    /// Answers the HTTP requests that the module's procedures send. Without this they fail, as on a
    /// server that does not allow them.
    #[must_use]
    pub fn http(
        mut self,
        answer: impl Fn(&HttpQuestion) -> Result<HttpAnswer, String> + Send + Sync + 'static,
    ) -> Builder {
        self.network = Some(Arc::new(FakeNetwork(Arc::new(answer))));
        self
    }

    /// A database with the module in this `.wasm` file.
    pub fn from_wasm(self, path: impl AsRef<Path>) -> Result<TestDatabase, OpenError> {
        self.from_bytes(read(path.as_ref())?)
    }

    /// A database with the module in this folder, which is built first.
    pub fn from_folder(self, folder: impl AsRef<Path>) -> Result<TestDatabase, OpenError> {
        self.from_bytes(build_module(folder)?)
    }

    /// A database with this module, the bytes of a `.wasm` file.
    pub fn from_bytes(self, program: impl Into<Bytes>) -> Result<TestDatabase, OpenError> {
        Ok(TestDatabase::create(self, program.into())?)
    }

    /// Random numbers of modules come from the time, so a seed is a time of day.
    pub(crate) fn start_with_seed(&self) -> Timestamp {
        const DAY_MICROS: u64 = 24 * 3600 * 1_000_000;
        let shift = i64::try_from(self.seed % DAY_MICROS).unwrap_or(0);
        Timestamp::from_micros(self.start.micros.saturating_add(shift))
    }
}

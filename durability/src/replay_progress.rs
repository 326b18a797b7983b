//! Telling how far the replay of a log is.
//!
//! Not here: what is shown, and how often.

use std::fmt;
use std::sync::Arc;

use spacetime_commitlog::{Replayed, StorageError};

/// How far a replay is. The bytes in all are those of files, so they are a little more than those
/// of the records, and less where segments are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replaying {
    pub replayed: Replayed,
    pub bytes_in_all: u64,
}

type Tell = dyn Fn(&Replaying) + Send + Sync;

/// To be called after each commit.
pub(crate) type AfterCommit = Box<dyn FnMut(&Replayed)>;

/// Called between two commits of a replay; nobody by default.
#[derive(Clone, Default)]
pub struct ReplayProgress(Option<Arc<Tell>>);

impl fmt::Debug for ReplayProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.0.is_some() { "told" } else { "not told" };
        f.debug_tuple("ReplayProgress").field(&what).finish()
    }
}

impl ReplayProgress {
    /// Calls `tell`, which should return soon.
    pub fn new(tell: impl Fn(&Replaying) + Send + Sync + 'static) -> Self {
        ReplayProgress(Some(Arc::new(tell)))
    }

    /// Whether nobody is told.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.0.is_none()
    }

    /// What is to be called after each commit. The bytes in all are asked for only if somebody
    /// listens.
    pub(crate) fn start(
        &self,
        bytes_in_all: impl FnOnce() -> Result<u64, StorageError>,
    ) -> Result<AfterCommit, StorageError> {
        const BYTES_BETWEEN: u64 = 1 << 20;
        let tell = self.0.clone();
        let bytes_in_all = match &tell {
            Some(_) => bytes_in_all()?,
            None => 0,
        };
        let mut told = 0;
        Ok(Box::new(move |replayed: &Replayed| {
            if let Some(tell) = &tell
                && replayed.record_bytes >= told + BYTES_BETWEEN
            {
                told = replayed.record_bytes;
                tell(&Replaying {
                    replayed: *replayed,
                    bytes_in_all,
                });
            }
        }))
    }
}

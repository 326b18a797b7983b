//! Bugs that can be switched on, in builds with the feature `planted-bugs` only: whoever claims
//! to catch such bugs must catch these.

/// A mistake at the place where it could really be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedBug {
    /// The manifest appears before the pack is on disk.
    ManifestBeforePackSync,
    /// The directory is not synced after the manifest was renamed.
    NoDirSyncAfterManifest,
    /// Retention removes a pack that a remaining snapshot needs.
    RetentionRemovesNeededPack,
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use super::PlantedBug;
    use std::sync::atomic::{AtomicU8, Ordering};

    static PLANTED: AtomicU8 = AtomicU8::new(0);

    /// Switches one bug on, or all of them off, for the whole process.
    pub fn plant(bug: Option<PlantedBug>) {
        PLANTED.store(bug.map_or(0, |bug| bug as u8 + 1), Ordering::SeqCst);
    }

    pub(crate) fn is_planted(bug: PlantedBug) -> bool {
        PLANTED.load(Ordering::SeqCst) == bug as u8 + 1
    }
}

#[cfg(feature = "planted-bugs")]
pub use switch::plant;

#[cfg(feature = "planted-bugs")]
pub(crate) use switch::is_planted;

#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn is_planted(_: PlantedBug) -> bool {
    false
}

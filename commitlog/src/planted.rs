//! Defects that can be switched on at run time, to prove that the tests would find them.
//!
//! Without the feature `planted-bugs` they do not exist: whether one is on is then a constant.
//! The switch is one for the whole process: tests that use it have a process of their own.

/// One defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// A commit is written, but not synced.
    SkipDataSync,
    /// The directory is not synced when a segment is created.
    SkipDirSyncOnCreate,
    /// Nothing is synced when a compressed segment takes the place of the original.
    SkipSyncOnCompress,
    /// A commit counts as durable when it was written.
    AcknowledgeBeforeSync,
    /// One transaction too many counts as durable.
    AcknowledgeWrongOffset,
    /// Commits are read whatever their checksum says.
    IgnoreChecksum,
    /// A commit that comes after a gap is read as if it came where it is.
    AcceptOffsetGap,
    /// A bad place in the last segment counts as a torn end, whatever follows it.
    CutMiddleRecord,
    /// The last commit of a sealed segment is stepped over when it is read.
    DropLastRecordOfSegment,
    /// The segment that holds the first wanted transaction is removed with those before it.
    RetentionTooEager,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 10] = [
        Bug::SkipDataSync,
        Bug::SkipDirSyncOnCreate,
        Bug::SkipSyncOnCompress,
        Bug::AcknowledgeBeforeSync,
        Bug::AcknowledgeWrongOffset,
        Bug::IgnoreChecksum,
        Bug::AcceptOffsetGap,
        Bug::CutMiddleRecord,
        Bug::DropLastRecordOfSegment,
        Bug::RetentionTooEager,
    ];

    /// The name under which a simulation switches it on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Bug::SkipDataSync => "skip-data-sync",
            Bug::SkipDirSyncOnCreate => "skip-dir-sync-on-create",
            Bug::SkipSyncOnCompress => "skip-sync-on-compress",
            Bug::AcknowledgeBeforeSync => "acknowledge-before-sync",
            Bug::AcknowledgeWrongOffset => "acknowledge-wrong-offset",
            Bug::IgnoreChecksum => "ignore-checksum",
            Bug::AcceptOffsetGap => "accept-offset-gap",
            Bug::CutMiddleRecord => "cut-middle-record",
            Bug::DropLastRecordOfSegment => "drop-last-record-of-segment",
            Bug::RetentionTooEager => "retention-too-eager",
        }
    }

    /// The defect of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Bug> {
        Bug::ALL.into_iter().find(|bug| bug.name() == name)
    }
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Bug;

    const NONE: u8 = u8::MAX;
    static ACTIVE: AtomicU8 = AtomicU8::new(NONE);

    /// Switches one defect on, or all off.
    pub fn switch(bug: Option<Bug>) {
        ACTIVE.store(bug.map_or(NONE, |bug| bug as u8), Ordering::SeqCst);
    }

    /// True if this defect is switched on.
    pub fn is_on(bug: Bug) -> bool {
        ACTIVE.load(Ordering::SeqCst) == bug as u8
    }
}

#[cfg(feature = "planted-bugs")]
pub use switch::{is_on, switch};

/// True if this defect is switched on.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub const fn is_on(_: Bug) -> bool {
    false
}

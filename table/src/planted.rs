//! Defects that can be switched on at run time, to prove that the tests would find them.
//!
//! Without the feature `planted-bugs` they do not exist: whether one is on is then a constant.
//! The switch is one for the whole process: tests that use it have a process of their own.

/// One defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// A row whose deletion is undone does not come back into the last index of its table.
    IndexNotUndone,
    /// A row is not checked against the keys of rows that the same transaction inserted.
    UniqueSkippedInTransaction,
    /// After a restart the sequences of users' tables start from the beginning.
    SequenceReused,
    /// The row of a sequence that an undone transaction moved on is not written again.
    SequenceRowLost,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 4] = [
        Bug::IndexNotUndone,
        Bug::UniqueSkippedInTransaction,
        Bug::SequenceReused,
        Bug::SequenceRowLost,
    ];

    /// The name under which a simulation switches it on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Bug::IndexNotUndone => "index-not-undone",
            Bug::UniqueSkippedInTransaction => "unique-skipped-in-transaction",
            Bug::SequenceReused => "sequence-reused",
            Bug::SequenceRowLost => "sequence-row-lost",
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
    #[must_use]
    pub fn is_on(bug: Bug) -> bool {
        ACTIVE.load(Ordering::SeqCst) == bug as u8
    }
}

#[cfg(feature = "planted-bugs")]
pub use switch::{is_on, switch};

/// True if this defect is switched on.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
#[inline]
pub const fn is_on(_: Bug) -> bool {
    false
}

//! Defects that can be switched on at run time, to prove that the tests would find them.
//!
//! Without the feature `planted-bugs` they do not exist: whether one is on is then a constant.
//! The switch is one for the whole process: tests that use it have a process of their own.

/// One defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// The row of a scheduled call that failed stays and is never due again.
    FailedRowStays,
    /// The next run of an interval is counted from the end of the last one.
    IntervalDrifts,
    /// The runs that an interval has missed are made up for.
    MissedRunsMadeUp,
    /// A row that is put in with a time that is over is not due.
    PastTimesForgotten,
    /// Generated columns are not written back into the row of the module.
    GeneratedNotWritten,
    /// A range takes its end in, also if it says that it does not.
    RangeTakesEndIn,
    /// Rows of a list to delete are counted whether they were there or not.
    DeletesMiscounted,
    /// A view may write.
    ViewsWrite,
    /// A row iterator that was read to its end can be read once more.
    IteratorsStay,
}

/// Those that histories of schedules show.
pub const SCHEDULE_BUGS: [Bug; 4] = [
    Bug::FailedRowStays,
    Bug::IntervalDrifts,
    Bug::MissedRunsMadeUp,
    Bug::PastTimesForgotten,
];

/// Those that the module's calls show.
pub const IMPORT_BUGS: [Bug; 5] = [
    Bug::GeneratedNotWritten,
    Bug::RangeTakesEndIn,
    Bug::DeletesMiscounted,
    Bug::ViewsWrite,
    Bug::IteratorsStay,
];

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

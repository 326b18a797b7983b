//! Defects that can be switched on at run time, to prove that the tests would find them.
//!
//! Without the feature `planted-bugs` they do not exist: whether one is on is then a constant.
//! The switch is one for the whole process: tests that use it have a process of their own.

/// One defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// The update of a join leaves out what deleted rows took away.
    JoinDeleteMissed,
    /// The conditions of a join, other than the equality it joins by, do not apply to updates.
    JoinFilterLost,
    /// When one of several subscribers leaves a query, the others get no updates any more.
    UnsubscribeDropsShared,
    /// The first update of a query repeats the transaction before the query's first rows.
    FirstUpdateOverlaps,
    /// The last visibility rule is not applied.
    VisibilityRuleLost,
    /// When rows of an order's first ones go, those that follow do not come.
    TopNotRefilled,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 6] = [
        Bug::JoinDeleteMissed,
        Bug::JoinFilterLost,
        Bug::UnsubscribeDropsShared,
        Bug::FirstUpdateOverlaps,
        Bug::VisibilityRuleLost,
        Bug::TopNotRefilled,
    ];

    /// The name under which a test switches it on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Bug::JoinDeleteMissed => "join-delete-missed",
            Bug::JoinFilterLost => "join-filter-lost",
            Bug::UnsubscribeDropsShared => "unsubscribe-drops-shared",
            Bug::FirstUpdateOverlaps => "first-update-overlaps",
            Bug::VisibilityRuleLost => "visibility-rule-lost",
            Bug::TopNotRefilled => "top-not-refilled",
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

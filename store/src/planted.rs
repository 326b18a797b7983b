//! Defects that can be switched on at run time, to prove that the tests would find them.
//!
//! Without the feature `planted-bugs` they do not exist: whether one is on is then a constant.
//! The switch is one for the whole process: tests that use it have a process of their own.

/// One defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// A snapshot is written before its last transaction is durable.
    SnapshotBeforeDurable,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 1] = [Bug::SnapshotBeforeDurable];

    /// The name under which a simulation switches it on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Bug::SnapshotBeforeDurable => "snapshot-before-durable",
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

    /// Whether a defect is switched on.
    pub(crate) fn is_on(bug: Bug) -> bool {
        ACTIVE.load(Ordering::SeqCst) == bug as u8
    }
}

#[cfg(feature = "planted-bugs")]
pub(crate) use switch::is_on;
#[cfg(feature = "planted-bugs")]
pub use switch::switch;

/// Whether a defect is switched on.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn is_on(_bug: Bug) -> bool {
    false
}

//! The planted bugs that clients can notice. Without the feature `planted-bugs` there are none.
//!
//! A bug is on for the whole process, so a test that uses one has a process of its own.

use spacetime_query::planted::Bug;

/// All of them; none in a build without them.
#[must_use]
pub fn all() -> Vec<Bug> {
    match cfg!(feature = "planted-bugs") {
        true => Bug::ALL.to_vec(),
        false => Vec::new(),
    }
}

/// Switches one on, or all off.
pub fn switch(bug: Option<Bug>) {
    #[cfg(feature = "planted-bugs")]
    spacetime_query::planted::switch(bug);
    #[cfg(not(feature = "planted-bugs"))]
    assert!(bug.is_none(), "there is no bug in this build");
}

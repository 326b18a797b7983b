//! Threads whose work can wait: readers, snapshots.

/// How far behind the others: a third of their share of a core that all of them want.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Lets the other threads go first where cores are few. Of no effect but on Linux.
///
/// A reader in a loop beside a writer, on two cores that clients load as well, took up to 38 % of
/// the calls away.
pub fn give_way() {
    // There the call means the calling thread alone, and lowering needs no right.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a thread's priority could not be lowered");
    }
}

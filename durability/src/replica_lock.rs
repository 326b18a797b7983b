//! The lock that keeps a second process away from a replica.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use spacetime_commitlog::storage::{OpenMode, Storage, StorageError, StorageLock};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Name of the lock file in a replica's directory. It stays when the lock is released.
pub const LOCK_FILE: &str = "db.lock";

/// Why the lock was not taken.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Somebody has it; the text is what they wrote into the file.
    Held(String),
    Storage(StorageError),
}

/// Takes the lock of a replica.
pub(crate) fn take(
    storage: &dyn Storage,
    replica_dir: &Path,
) -> Result<Box<dyn StorageLock>, LockError> {
    let path = replica_dir.join(LOCK_FILE);
    match storage.lock(&path, &holder()) {
        Ok(lock) => Ok(lock),
        Err(e) if e.source.kind() == io::ErrorKind::WouldBlock => {
            Err(LockError::Held(read_holder(storage, &path)))
        }
        Err(e) => Err(LockError::Storage(e)),
    }
}

/// What is written into the file, for people.
fn holder() -> String {
    let mut text = format!("pid={}", std::process::id());
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since_epoch.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0));
    let now = OffsetDateTime::from_unix_timestamp(seconds);
    if let Some(now) = now.ok().and_then(|now| now.format(&Rfc3339).ok()) {
        write!(text, ";timestamp_utc={now}").expect("writing to a string cannot fail");
    }
    text
}

fn read_holder(storage: &dyn Storage, path: &Path) -> String {
    let mut bytes = [0; 200];
    let read = storage
        .open(path, OpenMode::Read)
        .and_then(|file| file.read_at(0, &mut bytes));
    match read {
        Ok(len) if len > 0 => String::from_utf8_lossy(&bytes[..len]).into_owned(),
        _ => "unknown".to_owned(),
    }
}

//! What can be wrong with a log, said so that an operator can find the place.

use std::fmt;
use std::path::PathBuf;

use spacetime_types::TxOffset;

use crate::compressed::CompressedDamage;
use crate::segment::HeaderError;
use crate::storage::StorageError;

/// Why a log could not be read. Nothing was changed on disk.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk said no.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The log is not whole. Do not delete anything: restore the file from a backup or a
    /// replica, or export what is readable.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

impl LogError {
    /// Says where the log was being read, if the error is damage that only knows its file.
    pub(crate) fn located(self, at: u64, offset: TxOffset) -> LogError {
        let LogError::Storage(error) = &self else {
            return self;
        };
        match CompressedDamage::of(error) {
            None => self,
            Some(damage) => LogError::Damaged(Damage {
                file: error.path.clone(),
                at,
                offset,
                what: DamageKind::Compressed(damage.clone()),
            }),
        }
    }
}

/// A place where a log is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log is damaged in {} at byte {at}, transaction {offset}: {what}", file.display())]
pub struct Damage {
    pub file: PathBuf,
    /// Byte offset in the file.
    pub at: u64,
    /// The transaction that is expected there.
    pub offset: TxOffset,
    pub what: DamageKind,
}

/// The kinds of [`Damage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The segment does not begin like one.
    Header(HeaderError),
    /// The segment was compressed, and cannot be decompressed. The byte is that of the segment
    /// as it was before.
    Compressed(CompressedDamage),
    /// The file ends within the segment header, and it is not the last one.
    ShortHeader,
    /// No valid commit here, although valid commits follow: not the tail of a crash.
    BadCommit { next_valid: NextValid },
    /// No valid commit here, and a later segment takes up at another transaction.
    BadEnd { next_segment: TxOffset },
    /// A valid commit of another place.
    WrongOffset { found: TxOffset },
    /// The segment's name says one offset, the log before it ends at another.
    Gap { found: TxOffset },
    /// The oldest segment starts after the first wanted transaction.
    StartsLate { first: TxOffset },
    /// The log ends before the first wanted transaction.
    EndsEarly { wanted: TxOffset },
    /// There are bytes behind the last record of a commit.
    SurplusBytes { surplus: usize },
    /// A record is malformed. The text says how.
    Record(String),
}

/// Where a valid commit was found behind a bad place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextValid {
    /// At this byte of the same file.
    At { byte: u64, offset: TxOffset },
    /// The search was given up, as the bytes looked like commits too often.
    Unknown,
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DamageKind::Header(error) => error.fmt(f),
            DamageKind::Compressed(error) => error.fmt(f),
            DamageKind::ShortHeader => f.write_str("the file ends within its header"),
            DamageKind::BadCommit { next_valid } => match next_valid {
                NextValid::At { byte, offset } => write!(
                    f,
                    "no valid commit, but one of transaction {offset} follows at byte {byte}"
                ),
                NextValid::Unknown => f.write_str(
                    "no valid commit, and too much that looks like one to rule out \
                     that some follow",
                ),
            },
            DamageKind::BadEnd { next_segment } => write!(
                f,
                "no valid commit, and the next segment starts at transaction {next_segment}"
            ),
            DamageKind::WrongOffset { found } => {
                write!(f, "a valid commit, but of transaction {found}")
            }
            DamageKind::Gap { found } => write!(
                f,
                "the segment starts at transaction {found}; what is between is missing"
            ),
            DamageKind::StartsLate { first } => write!(
                f,
                "the oldest segment starts at transaction {first}; what is before is missing"
            ),
            DamageKind::EndsEarly { wanted } => write!(
                f,
                "the log ends before transaction {wanted}; what is between is missing"
            ),
            DamageKind::SurplusBytes { surplus } => {
                write!(f, "{surplus} bytes behind the last record of the commit")
            }
            DamageKind::Record(error) => f.write_str(error),
        }
    }
}

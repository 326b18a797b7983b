//! What can go wrong with snapshots, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use spacetime_commitlog::storage::StorageError;
use spacetime_types::{Identity, TxOffset};

use crate::object::ObjectHash;

/// Why an operation on snapshots failed. None of them changes an existing snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The disk said no. Another attempt may succeed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Stored bytes are not what was written. Use an older snapshot; the next one that is taken
    /// does not build upon this one.
    #[error(transparent)]
    Damaged(Box<Damage>),
    /// There is no such snapshot. List the existing ones.
    #[error("there is no snapshot at transaction {tx_offset} in {}", dir.display())]
    NotFound { dir: PathBuf, tx_offset: TxOffset },
    /// A good snapshot of that transaction exists, so there is nothing to do.
    #[error("a snapshot at transaction {tx_offset} exists already in {}", dir.display())]
    AlreadyExists { dir: PathBuf, tx_offset: TxOffset },
    /// The directory holds snapshots of another database.
    #[error(
        "{} holds snapshots of database {found}, not of {expected}",
        dir.display()
    )]
    WrongDatabase {
        dir: PathBuf,
        expected: Identity,
        found: Identity,
    },
    /// Only one snapshot is written at a time. Wait for the other one.
    #[error("another snapshot is being written to {}", dir.display())]
    WriterBusy { dir: PathBuf },
    /// Somebody is copying it. Wait.
    #[error("the snapshot at transaction {tx_offset} is in use")]
    Held { tx_offset: TxOffset },
    /// The writer had an error before. Drop it and begin again.
    #[error("an earlier error ended the writing of this snapshot")]
    WriterFailed,
    /// The caller announced one object and delivered another: its cached hash is wrong.
    #[error("the object announced as {announced} has the content of {found}")]
    WrongContent {
        announced: ObjectHash,
        found: ObjectHash,
    },
    /// An object, or a list, is larger than the format can hold.
    #[error("{what}: {count} is more than a snapshot can hold ({max})")]
    TooLarge {
        what: &'static str,
        count: u64,
        max: u64,
    },
    /// The calls to the writer were not in an order that makes sense.
    #[error("the snapshot was described wrongly: {what}")]
    Misuse { what: &'static str },
}

impl SnapshotError {
    /// True if the stored bytes are bad, as opposed to a disk that did not answer.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, SnapshotError::Damaged(_))
    }

    pub(crate) fn damaged(file: &Path, at: u64, what: DamageKind) -> Self {
        SnapshotError::Damaged(Box::new(Damage {
            file: file.to_owned(),
            at,
            what,
        }))
    }
}

/// A place where stored bytes are wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot is damaged in {} at byte {at}: {what}", file.display())]
pub struct Damage {
    pub file: PathBuf,
    /// Byte offset in the file.
    pub at: u64,
    pub what: DamageKind,
}

/// What is wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// A file that a manifest refers to is not there.
    Missing,
    /// The file is shorter or longer than it should be.
    WrongLength { expected: u64, found: u64 },
    /// The first bytes are not those of such a file.
    NotSuchAFile,
    /// Written by a newer version, or the version number is damaged. Upgrade the server.
    UnknownVersion { found: u32, newest_known: u32 },
    /// The bytes do not match their checksum.
    Checksum,
    /// The file belongs under another name.
    WrongName { belongs_to: u64 },
    /// The file belongs to another database.
    WrongDatabase { found: Identity },
    /// An object's header is not that of the object that should be here.
    WrongObject { expected: ObjectHash },
    /// An object's content does not have the object's hash.
    WrongContent { expected: ObjectHash },
    /// The checksum is right, and yet it makes no sense: the writer was wrong.
    Invalid(&'static str),
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DamageKind::Missing => write!(f, "the file is missing"),
            DamageKind::WrongLength { expected, found } => {
                write!(f, "the file has {found} bytes instead of {expected}")
            }
            DamageKind::NotSuchAFile => write!(f, "not a file of this kind"),
            DamageKind::UnknownVersion {
                found,
                newest_known,
            } => write!(f, "format version {found}; known is {newest_known}"),
            DamageKind::Checksum => write!(f, "the checksum does not match"),
            DamageKind::WrongName { belongs_to } => {
                write!(f, "the content belongs to number {belongs_to}")
            }
            DamageKind::WrongDatabase { found } => {
                write!(f, "the content belongs to database {found}")
            }
            DamageKind::WrongObject { expected } => {
                write!(f, "the header is not that of object {expected}")
            }
            DamageKind::WrongContent { expected } => {
                write!(f, "the content is not that of object {expected}")
            }
            DamageKind::Invalid(what) => write!(f, "{what}"),
        }
    }
}

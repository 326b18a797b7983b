//! What a check found, with the exact place.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Harmless: what a crash leaves, or what another server does differently.
    Note,
    /// Not as any server writes it, but everything can be read.
    Warning,
    /// Something is lost or wrong. A server refuses to open the database, or should.
    Damage,
}

/// The kinds of [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A file name that looks like a segment's and is none.
    Name,
    /// The segment does not begin like one.
    Header,
    /// The file ends within its header.
    ShortHeader,
    /// Bytes that are reserved are used.
    ReservedBytes,
    /// A compressed segment cannot be decompressed.
    Compression,
    /// No valid commit where one must be, and some follow.
    BadCommit,
    /// No valid commit up to the end of a segment, and the next segment starts later.
    BadEnd,
    /// A valid commit of a later transaction.
    WrongOffset,
    /// Transactions are missing between two segments.
    Gap,
    /// Transactions that were there before.
    Overlap,
    /// The log does not start at the first transaction.
    StartsLate,
    /// The end of an interrupted write, which a server cuts off.
    TornTail,
    /// The same in an earlier segment, with everything continued in the next one.
    SealedTail,
    /// Zeros at the end: space that was allocated in advance.
    Preallocated,
    /// A record is malformed.
    Record,
    /// A row does not fit its table.
    Row,
    /// A table that the log does not describe.
    UnknownTable,
    /// Bytes behind the last record of a commit.
    SurplusBytes,
    /// Tables of a record are not in order, or emptied and changed at once.
    Order,
    /// A row that describes the schema is wrong.
    Schema,
    /// An offset index that points elsewhere.
    Index,
    /// The log ends before transactions that were durable.
    EndMissing,
    /// The file with the durable offset is unreadable.
    Watermark,
    /// The transactions cannot be applied to tables.
    Replay,
    /// The tables that result are not consistent.
    Integrity,
    /// The disk said no.
    Io,
}

/// Where readable transactions begin again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resumption {
    pub file: String,
    pub byte: u64,
    pub offset: u64,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub kind: FindingKind,
    /// File name within the log's directory.
    pub file: String,
    /// Byte in the file; of the decompressed content if the segment is compressed.
    pub byte: u64,
    /// The transaction that is expected there.
    pub offset: u64,
    pub text: String,
    /// Where reading goes on, if something was skipped.
    pub resumes: Option<Resumption>,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Damage => "damage",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            severity,
            file,
            byte,
            offset,
            text,
            ..
        } = self;
        write!(
            f,
            "{severity}: {file}, byte {byte}, transaction {offset}: {text}"
        )?;
        if let Some(resumes) = &self.resumes {
            let Resumption { file, byte, offset } = resumes;
            write!(
                f,
                "; readable again from transaction {offset} ({file}, byte {byte})"
            )?;
        }
        Ok(())
    }
}

impl Finding {
    /// A finding that reading does not stop at.
    pub(crate) fn new(
        severity: Severity,
        kind: FindingKind,
        file: &str,
        byte: u64,
        offset: u64,
        text: impl Into<String>,
    ) -> Finding {
        Finding {
            severity,
            kind,
            file: file.to_owned(),
            byte,
            offset,
            text: text.into(),
            resumes: None,
        }
    }
}

impl Severity {
    /// Whether something is lost or wrong.
    #[must_use]
    pub fn is_damage(self) -> bool {
        self == Severity::Damage
    }
}

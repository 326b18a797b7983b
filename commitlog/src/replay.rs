//! Replaying a log into a visitor, record by record.

use std::path::PathBuf;

use spacetime_types::TxOffset;
use spacetime_types::bsatn::Reader;

use crate::damage::{Damage, DamageKind, LogError};
use crate::reader::{Commit, LogReader};
use crate::txdata::{self, TxVisitor, TxdataError};

/// How much was replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    pub commits: u64,
    pub transactions: u64,
    /// Bytes of records, without framing.
    pub record_bytes: u64,
}

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError<E> {
    /// The log cannot be read.
    #[error(transparent)]
    Log(LogError),
    /// A record was readable and the visitor refused it: the log does not belong to the state
    /// that it is replayed into, or one of the two is damaged.
    #[error("cannot apply transaction {offset} ({} at byte {at}): {source}", file.display())]
    Visitor {
        offset: TxOffset,
        file: PathBuf,
        /// Byte in the file at which the visitor stopped reading.
        at: u64,
        source: E,
    },
}

/// Feeds every wanted record of `log` to `visitor`, up to the end of the log.
pub fn replay<V: TxVisitor>(
    log: &mut LogReader,
    visitor: &mut V,
) -> Result<Replayed, ReplayError<V::Error>> {
    let from = log.from();
    let mut replayed = Replayed::default();
    while let Some(commit) = log.next_commit().map_err(ReplayError::Log)? {
        replayed.transactions += replay_commit(&commit, from, visitor)?;
        replayed.commits += 1;
        replayed.record_bytes += commit.records.len() as u64;
    }
    Ok(replayed)
}

/// Feeds the records of one commit to `visitor`; those before `from` are only stepped over.
/// Returns how many were applied.
pub fn replay_commit<V: TxVisitor>(
    commit: &Commit<'_>,
    from: TxOffset,
    visitor: &mut V,
) -> Result<u64, ReplayError<V::Error>> {
    let mut records = Reader::new(commit.records);
    let mut applied = 0;
    for nth in 0..u64::from(commit.header.record_count) {
        let offset = TxOffset(commit.header.start.0 + nth);
        let result = if offset < from {
            txdata::skip(&mut records, visitor)
        } else {
            applied += 1;
            txdata::decode(offset, &mut records, visitor)
        };
        result.map_err(|error| {
            let at = commit.records_at + records.offset() as u64;
            match error {
                TxdataError::Malformed(error) => {
                    damage(commit, at, offset, DamageKind::Record(error.to_string()))
                }
                TxdataError::Visitor(source) => ReplayError::Visitor {
                    offset,
                    file: commit.file.to_owned(),
                    at,
                    source,
                },
            }
        })?;
    }
    let surplus = records.rest().len();
    if surplus > 0 {
        let at = commit.records_at + records.offset() as u64;
        let last = commit.header.start.0 + u64::from(commit.header.record_count) - 1;
        let what = DamageKind::SurplusBytes { surplus };
        return Err(damage(commit, at, TxOffset(last), what));
    }
    Ok(applied)
}

fn damage<E>(commit: &Commit<'_>, at: u64, offset: TxOffset, what: DamageKind) -> ReplayError<E> {
    ReplayError::Log(LogError::Damaged(Damage {
        file: commit.file.to_owned(),
        at,
        offset,
        what,
    }))
}

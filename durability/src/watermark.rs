//! A small file beside the log that remembers how far the log was known to be durable.
//!
//! The log itself cannot say that its end is missing. This file can: a log that ends below the
//! watermark, or is gone although there is a watermark, was damaged and is not opened.
//!
//! Two slots of one sector each, written in turn: magic, sequence number u64, number of durable
//! transactions u64, zeros, CRC-32 of everything before. The valid slot with the larger sequence
//! number counts, so an interrupted write leaves the other slot. One slot is always synced; the
//! other is written over and over without a sync, until it is synced and they change places.
//!
//! Invariants
//!   * The watermark is never above the truth: it is written after the sync it speaks of. So it
//!     refuses no log that a crash can leave.
//!   * A killed process leaves it at the last commit. A power cut may leave it below, as it is
//!     synced now and then, not for every commit. What it misses is guarded by the log itself,
//!     where each commit proves that the ones before it were synced.

use std::path::{Path, PathBuf};

use spacetime_commitlog::storage::{OpenMode, Storage, StorageError, StorageFile};
use spacetime_types::TxOffset;

/// Name of the file in a replica's directory.
pub const WATERMARK_FILE: &str = "durable_offset";

const TEMPORARY_FILE: &str = "durable_offset.new";
const MAGIC: [u8; 8] = *b"stdbmark";
const SLOT_LEN: usize = 512;
const CHECKSUM_AT: usize = SLOT_LEN - 4;

/// Both slots of the file are unreadable. If the log and its snapshots are known to be whole,
/// delete the file; it is written anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the watermark file {} is damaged: no slot has a valid checksum", file.display())]
pub struct DamagedWatermark {
    pub file: PathBuf,
}

/// The watermark file, open for writing.
#[derive(Debug)]
pub(crate) struct Watermark {
    file: Box<dyn StorageFile>,
    /// Of the slot that is synced.
    sequence: u64,
    /// What that slot says.
    synced_end: TxOffset,
    /// What the other slot says, if it was written since.
    noted_end: TxOffset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    sequence: u64,
    durable_end: TxOffset,
}

/// What was read from a watermark file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    sequence: u64,
    /// So many transactions were durable at least.
    pub(crate) durable_end: TxOffset,
}

/// Reads the watermark of a replica. `None` if there is no file.
pub(crate) fn read(
    storage: &dyn Storage,
    replica_dir: &Path,
) -> Result<Result<Option<Found>, DamagedWatermark>, StorageError> {
    let path = replica_dir.join(WATERMARK_FILE);
    let file = match storage.open(&path, OpenMode::Read) {
        Err(e) if e.is_not_found() => return Ok(Ok(None)),
        other => other?,
    };
    let len = usize::try_from(file.byte_len()?).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len.min(2 * SLOT_LEN)];
    file.read_exact_at(0, &mut bytes)?;
    let slots = bytes.as_chunks::<SLOT_LEN>().0.iter();
    let newest = slots.filter_map(decode).max_by_key(|slot| slot.sequence);
    Ok(match newest {
        None => Err(DamagedWatermark { file: path }),
        Some(slot) => Ok(Some(Found {
            sequence: slot.sequence,
            durable_end: slot.durable_end,
        })),
    })
}

/// The offset before which everything was durable, as the watermark of a replica says. `None` if
/// there is no watermark. For tools: opening a replica looks by itself.
pub fn read_watermark(
    storage: &dyn Storage,
    replica_dir: &Path,
) -> Result<Result<Option<TxOffset>, DamagedWatermark>, StorageError> {
    let found = read(storage, replica_dir)?;
    Ok(found.map(|found| found.map(|found| found.durable_end)))
}

impl Watermark {
    /// Opens the watermark that was found, or creates one. `durable_end` is the truth now.
    pub(crate) fn open(
        storage: &dyn Storage,
        replica_dir: &Path,
        found: Option<Found>,
        durable_end: TxOffset,
    ) -> Result<Self, StorageError> {
        let path = replica_dir.join(WATERMARK_FILE);
        if let Some(found) = found {
            assert!(found.durable_end <= durable_end, "refused during recovery");
            let mut watermark = Watermark {
                file: storage.open(&path, OpenMode::ReadWrite)?,
                sequence: found.sequence,
                synced_end: found.durable_end,
                noted_end: found.durable_end,
            };
            // What was found may not be synced yet, and is about to be the slot that must be.
            watermark.file.sync_data()?;
            watermark.sync(durable_end)?;
            return Ok(watermark);
        }
        let temporary = replica_dir.join(TEMPORARY_FILE);
        let file = storage.open(&temporary, OpenMode::CreateOrTruncate)?;
        for sequence in [0, 1] {
            let slot = Slot {
                sequence,
                durable_end,
            };
            file.write_all_at(place(sequence), &encode(slot))?;
        }
        file.sync_data()?;
        drop(file);
        storage.rename(&temporary, &path)?;
        storage.sync_dir(replica_dir)?;
        Ok(Watermark {
            file: storage.open(&path, OpenMode::ReadWrite)?,
            sequence: 1,
            synced_end: durable_end,
            noted_end: durable_end,
        })
    }

    /// How far the file says, whatever happens, that the log is durable.
    pub(crate) fn synced_end(&self) -> TxOffset {
        self.synced_end
    }

    /// Notes that all transactions before `durable_end` are durable, for whoever comes after this
    /// process. Costs a write to memory.
    pub(crate) fn note(&mut self, durable_end: TxOffset) -> Result<(), StorageError> {
        assert!(durable_end >= self.noted_end, "durable stays durable");
        if durable_end == self.noted_end {
            return Ok(());
        }
        let sequence = self.sequence + 1;
        let slot = Slot {
            sequence,
            durable_end,
        };
        self.file.write_all_at(place(sequence), &encode(slot))?;
        self.noted_end = durable_end;
        Ok(())
    }

    /// The same, for whoever comes after a power cut. Costs one sync.
    pub(crate) fn sync(&mut self, durable_end: TxOffset) -> Result<(), StorageError> {
        self.note(durable_end)?;
        if self.synced_end == durable_end {
            return Ok(());
        }
        self.file.sync_data()?;
        self.sequence += 1;
        self.synced_end = durable_end;
        Ok(())
    }
}

fn place(sequence: u64) -> u64 {
    (sequence % 2) * SLOT_LEN as u64
}

fn encode(slot: Slot) -> [u8; SLOT_LEN] {
    let mut bytes = [0; SLOT_LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&slot.sequence.to_le_bytes());
    bytes[16..24].copy_from_slice(&slot.durable_end.0.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..CHECKSUM_AT]);
    bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; SLOT_LEN]) -> Option<Slot> {
    let (covered, checksum) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(covered) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let rest = covered.strip_prefix(&MAGIC)?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (durable_end, _) = rest.split_first_chunk::<8>()?;
    Some(Slot {
        sequence: u64::from_le_bytes(*sequence),
        durable_end: TxOffset(u64::from_le_bytes(*durable_end)),
    })
}

#[cfg(test)]
mod tests;

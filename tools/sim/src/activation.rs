//! How often each kind of fault, and each thing that the simulation exists for, came about.
//!
//! A simulation that injects nothing finds nothing. So every kind has a floor, in occurrences per
//! 1,000 seeds, and a run in which one stays below it fails.

use std::collections::BTreeMap;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    // The disk refuses, or does less than it was asked to.
    NoSpace,
    WriteError,
    ShortWrite,
    Interrupted,
    SyncError,
    SyncDirError,
    ReadError,
    ShortRead,
    OpenError,
    RenameError,
    SetLenError,
    RemoveError,
    AllocateNoSpace,
    /// A sync takes long; transactions pile up meanwhile.
    Stall,
    // The machine goes.
    PowerCut,
    /// In the middle of a write, a sync, a snapshot ...
    PowerCutInside,
    Kill,
    CrashInRecovery,
    SectorsLost,
    LengthsLost,
    EntriesLost,
    // Stored bytes change.
    BitFlip,
    ZeroedBlock,
    StaleBlock,
    MisdirectedBlock,
    DuplicatedBlock,
    Truncation,
    MissingFile,
    SwappedFiles,
    /// Damage of any kind was refused.
    DamageRefused,
    /// Damage of any kind made no difference.
    DamageHarmless,
    /// Damage to the last commits was taken for an interrupted write.
    DamageLikeTorn,
    // What the engine does.
    Commit,
    Rollback,
    RollbackToSavepoint,
    UniqueViolation,
    Truncate,
    TableCreated,
    TableDropped,
    GeneratedValue,
    DurableStep,
    CleanRestart,
    TransactionsLost,
    TornTail,
    SegmentRotated,
    SnapshotTaken,
    SnapshotFailed,
    RecoveredFromSnapshot,
    SnapshotTruth,
    LogRemoved,
    SegmentCompressed,
    PastState,
}

impl Kind {
    /// All kinds, with the least number of times that each must occur in 1,000 seeds.
    pub const FLOORS: [(Kind, u64); 52] = [
        (Kind::NoSpace, 20),
        (Kind::WriteError, 20),
        (Kind::ShortWrite, 50),
        (Kind::Interrupted, 50),
        (Kind::SyncError, 20),
        (Kind::SyncDirError, 20),
        (Kind::ReadError, 20),
        (Kind::ShortRead, 50),
        (Kind::OpenError, 20),
        (Kind::RenameError, 20),
        (Kind::SetLenError, 2),
        (Kind::RemoveError, 2),
        (Kind::AllocateNoSpace, 5),
        (Kind::Stall, 200),
        (Kind::PowerCut, 500),
        (Kind::PowerCutInside, 500),
        (Kind::Kill, 300),
        (Kind::CrashInRecovery, 200),
        (Kind::SectorsLost, 200),
        (Kind::LengthsLost, 200),
        (Kind::EntriesLost, 200),
        (Kind::BitFlip, 200),
        (Kind::ZeroedBlock, 200),
        (Kind::StaleBlock, 100),
        (Kind::MisdirectedBlock, 200),
        (Kind::DuplicatedBlock, 200),
        (Kind::Truncation, 200),
        (Kind::MissingFile, 200),
        (Kind::SwappedFiles, 100),
        (Kind::DamageRefused, 500),
        (Kind::DamageHarmless, 50),
        (Kind::DamageLikeTorn, 5),
        (Kind::Commit, 10_000),
        (Kind::Rollback, 1_000),
        (Kind::RollbackToSavepoint, 500),
        (Kind::UniqueViolation, 1_000),
        (Kind::Truncate, 200),
        (Kind::TableCreated, 200),
        (Kind::TableDropped, 50),
        (Kind::GeneratedValue, 5_000),
        (Kind::DurableStep, 5_000),
        (Kind::CleanRestart, 300),
        (Kind::TransactionsLost, 300),
        (Kind::TornTail, 50),
        (Kind::SegmentRotated, 1_000),
        (Kind::SnapshotTaken, 500),
        (Kind::SnapshotFailed, 10),
        (Kind::RecoveredFromSnapshot, 500),
        (Kind::SnapshotTruth, 200),
        (Kind::LogRemoved, 100),
        (Kind::SegmentCompressed, 100),
        (Kind::PastState, 100),
    ];
}

/// Numbers of occurrences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activations(BTreeMap<Kind, u64>);

impl Activations {
    pub fn count(&mut self, kind: Kind) {
        self.add(kind, 1);
    }

    pub fn add(&mut self, kind: Kind, times: u64) {
        *self.0.entry(kind).or_default() += times;
    }

    pub fn add_all(&mut self, more: &Activations) {
        for (kind, times) in &more.0 {
            self.add(*kind, *times);
        }
    }

    #[must_use]
    pub fn of(&self, kind: Kind) -> u64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    /// The kinds that occurred less often in `seeds` seeds than they must: kind, times, floor.
    #[must_use]
    pub fn below_floor(&self, seeds: u64) -> Vec<(Kind, u64, u64)> {
        let floors = Kind::FLOORS.iter();
        let floors = floors.map(|(kind, floor)| (*kind, self.of(*kind), floor * seeds / 1000));
        floors.filter(|(_, times, floor)| times < floor).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_once() {
        let listed: Vec<Kind> = Kind::FLOORS.iter().map(|(kind, _)| *kind).collect();
        assert!(listed.is_sorted_by(|left, right| left < right));
        assert_eq!(Kind::PastState as usize + 1, listed.len());
    }

    #[test]
    fn an_idle_kind_is_below_its_floor() {
        let mut activations = Activations::default();
        for (kind, floor) in Kind::FLOORS {
            activations.add(kind, floor);
        }
        assert_eq!(activations.below_floor(1000), []);
        activations = Activations::default();
        assert_eq!(activations.below_floor(1000).len(), Kind::FLOORS.len());
        assert_eq!(
            activations.below_floor(1),
            [
                (Kind::Commit, 0, 10),
                (Kind::Rollback, 0, 1),
                (Kind::UniqueViolation, 0, 1),
                (Kind::GeneratedValue, 0, 5),
                (Kind::DurableStep, 0, 5),
                (Kind::SegmentRotated, 0, 1)
            ]
        );
    }
}

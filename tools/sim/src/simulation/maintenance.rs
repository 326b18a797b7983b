//! Snapshots, and what is done with old parts of the log.
//!
//! A snapshot is begun by one action and written by a later one, with transactions in between.

use std::path::Path;

use spacetime_durability::storage::SimStorage;
use spacetime_snapshot::SnapshotError;
use spacetime_store::{SNAPSHOTS_DIR, TakeSnapshotError};

use super::Simulation;
use crate::activation::Kind;
use crate::check::SnapshotTruth;
use crate::disk::TracedDisk;
use crate::replica::{DIRECTORY, Replica, past_state};
use crate::violation::Violation;

impl Simulation {
    pub(super) fn take_snapshot(&mut self) -> Result<(), Violation> {
        if self.model.next() == 0 {
            return Ok(());
        }
        match self.replica().begun_snapshot() {
            None => self.begin_snapshot(),
            Some(offset) => self.write_snapshot(offset),
        }
    }

    fn begin_snapshot(&mut self) -> Result<(), Violation> {
        if !self.replica().is_writable() {
            return Ok(());
        }
        let begun = self.replica().begin_snapshot();
        self.trace.line(format_args!("snapshot begun"));
        begun.map_err(|error| Violation::new("snapshot", error.to_string()))
    }

    fn write_snapshot(&mut self, offset: u64) -> Result<(), Violation> {
        self.trace.line(format_args!("snapshot {offset}"));
        let written = self.replica().write_snapshot();
        let had_reason = self.disk_has_failed();
        let is_durable = offset < self.prefix.acknowledged_end();
        match written {
            Ok(()) => self.activations.count(Kind::SnapshotTaken),
            Err(TakeSnapshotError::NotDurable { .. }) if !is_durable => {}
            Err(TakeSnapshotError::Snapshot(SnapshotError::AlreadyExists { .. })) => {}
            Err(error) if had_reason => {
                self.trace.line(format_args!("no snapshot: {error}"));
                self.activations.count(Kind::SnapshotFailed);
            }
            Err(error) => return Err(Violation::new("snapshot", error.to_string())),
        }
        Ok(())
    }

    /// Whether something that is refused now may be the disk's fault.
    fn disk_has_failed(&mut self) -> bool {
        self.note_faults();
        // A full disk stays full.
        self.has_failed || self.disk.power_is_off()
    }

    /// Compresses a segment. If the disk refuses, the segment stays as it was.
    pub(super) fn maintain(&mut self) -> Result<(), Violation> {
        self.trace.line(format_args!("compress"));
        let compressed = self.replica().compress_segment();
        let had_reason = self.disk_has_failed();
        match compressed {
            Ok(true) => self.activations.count(Kind::SegmentCompressed),
            Ok(false) => {}
            Err(_) if had_reason => {}
            Err(error) => return Err(Violation::new("compression", error.to_string())),
        }
        Ok(())
    }

    /// Counts what recovery had to do.
    pub(super) fn note_recovery(&mut self, replica: &Replica) {
        let segments = replica.segments();
        if segments.len() > 1 {
            self.activations.count(Kind::SegmentRotated);
        }
        if segments.first().is_some_and(|first| *first > 0) {
            self.activations.count(Kind::LogRemoved);
        }
        let recovery = replica.recovery();
        if recovery.snapshot.is_some() {
            self.activations.count(Kind::RecoveredFromSnapshot);
        }
        if recovery
            .log
            .cut
            .as_ref()
            .is_some_and(|tail| !tail.only_zeros)
        {
            self.activations.count(Kind::TornTail);
        }
        self.trace.line(format_args!("recovered: {recovery:?}"));
    }

    /// What a kill would leave now leads to the same state, with and without the snapshots.
    pub(super) fn check_snapshot_truth(&mut self) -> Result<(), Violation> {
        let next = self.prefix.acknowledged_end();
        if next == 0 {
            return Ok(());
        }
        let live = self.model.state_before(next);
        let check = SnapshotTruth { next, live: &live };
        let refused = |error| Violation::new("snapshot truth", error);
        let with = self.open_copy(&self.disk.fork(0)).map_err(refused)?;
        check.judge("snapshot and log", &with)?;
        if self.replica().segments().first() != Some(&0) {
            return Ok(());
        }
        let copy = self.disk.fork(0);
        lose_snapshots(&copy);
        let alone = self.open_copy(&copy).map_err(refused)?;
        check.judge("log alone", &alone)?;
        self.activations.count(Kind::SnapshotTruth);
        Ok(())
    }

    /// The database as it was after some transaction that the model still remembers.
    pub(super) fn check_past(&mut self) -> Result<(), Violation> {
        let end = self.prefix.acknowledged_end();
        let segments = self.replica().segments();
        let first = segments.first().copied().unwrap_or(end);
        if end <= first {
            return Ok(());
        }
        let offset = first + self.random.below(end - first);
        let storage = TracedDisk::shared(&self.disk.fork(0), &self.trace);
        let found = match past_state(&storage, &self.scenario, offset) {
            Ok(found) => found,
            // What is before the oldest snapshot is gone with the log.
            Err(_) if first > 0 => return Ok(()),
            Err(error) => return Err(Violation::new("past", error.to_string())),
        };
        if let Some(difference) = self.model.state_before(offset + 1).difference(&found) {
            let what = format!("the state after transaction {offset} was not {difference}");
            return Err(Violation::new("past", what));
        }
        self.activations.count(Kind::PastState);
        Ok(())
    }
}

fn lose_snapshots(disk: &SimStorage) {
    let directory = Path::new(DIRECTORY).join(SNAPSHOTS_DIR);
    for file in disk.files() {
        if file.starts_with(&directory) {
            disk.lose(&file);
        }
    }
}

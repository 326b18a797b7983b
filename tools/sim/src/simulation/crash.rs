//! Ends of a process, good and bad, and what comes after them.

use spacetime_store::Files;

use super::Simulation;
use crate::activation::Kind;
use crate::replica::Replica;
use crate::violation::Violation;

/// So often is recovery interrupted in a row, at most.
const ATTEMPTS_MAX: u64 = 10;
/// A power cut inside of something comes before one of so many changes.
const CUT_WITHIN: u64 = 30;

impl Simulation {
    /// SIGKILL: the process is gone, the kernel and its caches are not.
    pub(super) fn kill(&mut self) -> Result<(), Violation> {
        self.trace.line(format_args!("kill"));
        self.activations.count(Kind::Kill);
        self.die();
        self.recover()
    }

    pub(super) fn die(&mut self) {
        let disk = self.disk.after_restart();
        // The old disk is dead: whatever the drop would write, it cannot.
        self.replica = None;
        self.use_disk(disk);
    }

    pub(super) fn cut_power(&mut self) -> Result<(), Violation> {
        self.trace.line(format_args!("power cut"));
        self.activations.count(Kind::PowerCut);
        self.lose_power();
        self.recover()
    }

    fn lose_power(&mut self) {
        let disk = self.disk.after_power_cut();
        let counts = self.disk.counts();
        self.replica = None;
        self.activations.add(Kind::SectorsLost, counts.sectors_lost);
        self.activations.add(Kind::LengthsLost, counts.lengths_lost);
        self.activations.add(Kind::EntriesLost, counts.entries_lost);
        self.use_disk(disk);
    }

    /// The power goes in the middle of one of the next operations of the disk.
    pub(super) fn cut_power_inside(&mut self) -> Result<(), Violation> {
        let changes = self.random.below(CUT_WITHIN);
        self.trace
            .line(format_args!("power cut before change {changes}"));
        self.disk.cut_power_before_change(changes);
        self.stalled = 0;
        for _ in 0..2 * CUT_WITHIN {
            match self.random.below(10) {
                0 | 1 => self.take_snapshot()?,
                2 => self.maintain()?,
                3 => self.idle()?,
                4..=6 => self.transaction()?,
                _ => self.write_log()?,
            }
            if self.disk.power_is_off() {
                self.activations.count(Kind::PowerCutInside);
                self.lose_power();
                return self.recover();
            }
        }
        self.cut_power()
    }

    /// SIGTERM: everything is written out. In half of the cases the power goes right after.
    pub(super) fn restart(&mut self) -> Result<(), Violation> {
        self.trace.line(format_args!("restart"));
        self.stalled = 0;
        let committed = self.model.next();
        let replica = self.replica.take().expect("open between two actions");
        replica.close();
        self.note_faults();
        if !self.has_failed {
            // All of it is confirmed by the end in good order.
            self.prefix.acknowledge(committed, &self.model)?;
            self.activations.count(Kind::CleanRestart);
        }
        match self.random.chance(500) {
            true => self.die(),
            false => self.lose_power(),
        }
        self.recover()
    }

    /// Opens the replica. That fails now and then, or is interrupted, and is then tried again.
    pub(super) fn recover(&mut self) -> Result<(), Violation> {
        self.plan_io_fault();
        for attempt in 0..=ATTEMPTS_MAX {
            let is_last = attempt == ATTEMPTS_MAX;
            let with_cut = !is_last && self.families.crashes && self.random.chance(200);
            let faults = &self.scenario.faults;
            let with_fault = !is_last && !faults.is_empty() && self.random.chance(80);
            if with_cut {
                let changes = self.random.below(15);
                self.disk.cut_power_before_change(changes);
            }
            if with_fault {
                self.plan_fault()?;
            }
            let was_refused = self.open()?;
            if with_cut && !was_refused {
                // It was done before its turn came: then right after.
                self.lose_power();
            } else if !was_refused {
                return Ok(());
            }
        }
        unreachable!("nothing goes wrong in the last attempt");
    }

    /// One attempt. True if it failed, and had a reason to.
    fn open(&mut self) -> Result<bool, Violation> {
        let files = match self.prefix.acknowledged_end() {
            0 => Files::MayBeNew,
            _ => Files::Known,
        };
        let opened = Replica::open(&self.storage, &self.scenario, files);
        let refusal = match opened {
            Ok(replica) => {
                let has_failed = self.note_faults();
                let unused = &replica.recovery().unused;
                if let Some(unused) = unused.first().filter(|_| !has_failed) {
                    let (offset, why) = (unused.offset, &unused.why);
                    let what = format!("a crash left a snapshot at {offset} of no use: {why}");
                    return Err(Violation::new("snapshots", what));
                }
                self.opened(replica)?;
                return Ok(false);
            }
            Err(error) => error.to_string(),
        };
        self.trace.line(format_args!("refused: {refusal}"));
        if self.disk.power_is_off() {
            self.activations.count(Kind::CrashInRecovery);
            self.lose_power();
            return Ok(true);
        }
        if self.note_faults() {
            self.die();
            return Ok(true);
        }
        let what = format!("a replica that a crash can leave was refused: {refusal}");
        Err(Violation::new("recovery", what))
    }
}

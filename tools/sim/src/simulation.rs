//! One simulation: a scheduler that picks, one after another, what happens next.
//!
//! Invariants
//!   * There is no thread, no clock and no chance but that of the seed.
//!   * What one action does is over when the next begins; what overlaps in a server (the log
//!     is written while transactions run, a sync takes long) overlaps here because the log is
//!     written by actions of its own. A power cut can come in the middle of any of them.
//!
//! Not here: what to do in a transaction (see `workload`), and what must hold (see `check`).

mod crash;
mod finish;
mod maintenance;

use std::path::PathBuf;
use std::sync::Arc;

use spacetime_commitlog::storage::Storage;
use spacetime_durability::storage::{Fault, SimStorage};
use spacetime_table::Datastore;

use crate::activation::{Activations, Kind};
use crate::check::{Balances, DurablePrefix, RecoveryIsIdempotent, Sequences, check_integrity};
use crate::damage::Earlier;
use crate::disk::TracedDisk;
use crate::model::Model;
use crate::random::Random;
use crate::replica::Replica;
use crate::scenario::{FaultFamilies, IoFault, NullControl, Scenario};
use crate::seed::Settings;
use crate::state::State;
use crate::trace::Trace;
use crate::violation::Violation;
use crate::workload::{ACCOUNT, Done, Target, run_transaction};

/// Longest stall of a sync, in actions.
const STALL_ACTIONS_MAX: u64 = 40;
/// A planned fault comes after so many operations at most.
const FAULT_AFTER_MAX: u64 = 25;

/// The state of a simulation.
#[derive(Debug)]
pub struct Simulation {
    scenario: Scenario,
    families: FaultFamilies,
    null: NullControl,
    io_fault: Option<IoFault>,
    /// How often the replica was to be opened, and was in the end.
    openings: u64,
    random: Random,
    trace: Trace,
    activations: Activations,
    disk: SimStorage,
    storage: Arc<dyn Storage>,
    replica: Option<Replica>,
    model: Model,
    prefix: DurablePrefix,
    sequences: Sequences,
    balances: Balances,
    recovery: RecoveryIsIdempotent,
    /// The fault that waits for its operation, and how many have fired on this disk.
    planned: Option<Fault>,
    faults_seen: u64,
    /// An operation has failed since the replica was opened.
    has_failed: bool,
    /// A sync takes that much longer.
    stalled: u64,
    tables_made: u32,
    /// The commits that this process wrote to the last segment: where each begins, and its first
    /// transaction.
    tail: Vec<(usize, u64)>,
    earlier: Earlier,
}

impl Simulation {
    #[must_use]
    pub fn new(seed: u64, settings: Settings, trace: Trace) -> Self {
        let random = Random::new(seed);
        let (families, scenario) = match settings.io_fault {
            None => {
                let scenario = Scenario::draw(&mut random.fork("scenario"), settings.families);
                (settings.families, scenario)
            }
            Some(_) => (
                FaultFamilies::NONE,
                Scenario::small(&mut random.fork("scenario")),
            ),
        };
        trace.line(format_args!("{scenario:?}"));
        let disk = SimStorage::new(random.fork("disk").next_u64());
        let storage = TracedDisk::shared(&disk, &trace);
        let mut simulation = Simulation {
            scenario,
            families,
            null: settings.null,
            io_fault: settings.io_fault,
            openings: 0,
            random,
            trace,
            activations: Activations::default(),
            storage,
            replica: None,
            model: Model::new(State::of(&Datastore::new())),
            prefix: DurablePrefix::default(),
            sequences: Sequences::default(),
            balances: Balances::default(),
            recovery: RecoveryIsIdempotent::default(),
            planned: None,
            faults_seen: 0,
            has_failed: false,
            stalled: 0,
            tables_made: 0,
            tail: Vec::new(),
            earlier: Earlier::default(),
            disk: disk.clone(),
        };
        simulation.use_disk(disk);
        simulation
    }

    #[must_use]
    pub fn activations(&self) -> &Activations {
        &self.activations
    }

    /// Runs to the end, or to the first broken promise.
    pub fn run(&mut self) -> Result<(), Violation> {
        self.recover()?;
        for _ in 0..self.scenario.actions {
            self.act()?;
        }
        self.finish()
    }

    fn act(&mut self) -> Result<(), Violation> {
        let weights = self.scenario.weights.clone();
        let choices = [
            weights.transaction,
            weights.write_log,
            weights.stall,
            weights.idle,
            weights.snapshot,
            weights.maintain,
            weights.check,
            weights.restart,
            weights.kill,
            weights.power_cut,
            weights.power_cut_inside,
            weights.plan_fault,
            weights.damage,
        ];
        match self.random.weighted(&choices) {
            0 => self.transaction(),
            1 => self.write_log(),
            2 => self.stall(),
            3 => self.idle(),
            4 => self.take_snapshot(),
            5 => self.maintain(),
            6 => self.check_now(),
            7 => self.restart(),
            8 => self.kill(),
            9 => self.cut_power(),
            10 => self.cut_power_inside(),
            11 => self.plan_fault(),
            _ => self.damage_copy(),
        }
    }

    fn replica(&mut self) -> &mut Replica {
        let replica = self.replica.as_mut();
        replica.expect("the replica is open between two actions")
    }

    fn transaction(&mut self) -> Result<(), Violation> {
        let replica = self.replica.as_mut().expect("open between two actions");
        if !replica.is_writable() {
            return Ok(());
        }
        let mut target = Target {
            datastore: replica.datastore_mut(),
            model: &mut self.model,
            sequences: &mut self.sequences,
            balances: &mut self.balances,
            activations: &mut self.activations,
            random: &mut self.random,
            tables_made: &mut self.tables_made,
        };
        let done = run_transaction(&mut target)?;
        if done == Done::Rollback {
            replica.datastore_mut().rollback();
            self.model.rollback_to(0);
            self.sequences.rollback_to(0);
            self.activations.count(Kind::Rollback);
            self.trace.line(format_args!("rollback"));
            return Ok(());
        }
        let before = replica.next();
        let committed = replica.commit();
        let wrong = |what: String| Violation::new("commit", what);
        let committed = committed.map_err(|error| wrong(error.to_string()))?;
        let takes_offset = before < replica.next();
        let checked = self.model.commit(&committed.delta, takes_offset);
        checked.map_err(wrong)?;
        self.sequences.commit(before);
        self.recovery.changed();
        self.activations.count(Kind::Commit);
        let tables = committed.delta.tables.len();
        self.trace
            .line(format_args!("commit {before}: {tables} tables"));
        Ok(())
    }

    /// A sync that takes long is one that does not end: nothing is written meanwhile.
    /// Path and length of the last segment.
    fn last_segment(&self) -> (Option<PathBuf>, usize) {
        let mut files = self.disk.files();
        files.retain(|file| file.to_string_lossy().ends_with(".stdb.log"));
        let last = files.pop();
        let content = last.as_ref().and_then(|last| self.disk.content(last));
        (last, content.map_or(0, |content| content.len()))
    }

    fn stall(&mut self) -> Result<(), Violation> {
        self.stalled = 1 + self.random.below(STALL_ACTIONS_MAX);
        self.activations.count(Kind::Stall);
        self.trace.line(format_args!("stall for {}", self.stalled));
        Ok(())
    }

    fn write_log(&mut self) -> Result<(), Violation> {
        if self.stalled > 0 {
            self.stalled -= 1;
            return Ok(());
        }
        self.trace.line(format_args!("write log"));
        self.write_commit();
        self.after_log_io()
    }

    fn idle(&mut self) -> Result<(), Violation> {
        if self.stalled > 0 {
            return Ok(());
        }
        self.trace.line(format_args!("idle"));
        while self.write_commit() {}
        self.replica().idle();
        self.after_log_io()
    }

    fn write_commit(&mut self) -> bool {
        let start = self.replica().durable_end();
        let (segment, len) = self.last_segment();
        let was_written = self.replica().write_log();
        if start < self.replica().durable_end() {
            self.activations.count(Kind::DurableStep);
            if segment != self.last_segment().0 {
                self.tail.clear();
                self.tail.push((0, start));
            } else {
                self.tail.push((len, start));
            }
        }
        was_written
    }

    /// Takes over what is acknowledged, and sees whether the log has failed, and why.
    fn after_log_io(&mut self) -> Result<(), Violation> {
        self.note_faults();
        let end = self.replica().durable_end();
        if end > self.prefix.acknowledged_end() {
            self.trace.line(format_args!("durable up to {end}"));
        }
        self.prefix.acknowledge(end, &self.model)?;
        let Some(failure) = self.replica().failure() else {
            return Ok(());
        };
        self.trace
            .line(format_args!("the log has failed: {failure}"));
        if self.replica().is_writable() {
            let what = "the log has failed, and the database takes writes".to_owned();
            return Err(Violation::new("failure", what));
        }
        if self.disk.power_is_off() {
            return Ok(());
        }
        if !self.has_failed {
            let what = format!("the log has failed although the disk has not: {failure}");
            return Err(Violation::new("failure", what));
        }
        // Reads go on.
        self.check_now()?;
        match self.random.chance(500) {
            true => self.kill(),
            false => self.cut_power(),
        }
    }

    /// Counts faults that have fired since the last look. True if one of them is an error that
    /// must be reported, not only an inconvenience.
    fn note_faults(&mut self) -> bool {
        let fired = self.disk.counts().faults > self.faults_seen;
        if !fired {
            return false;
        }
        self.faults_seen = self.disk.counts().faults;
        let fault = self
            .planned
            .take()
            .expect("a fault fires once it is planned");
        self.activations.count(kind_of(fault));
        self.trace.line(format_args!("{fault:?} has fired"));
        let is_error = is_error(fault);
        self.has_failed |= is_error;
        is_error
    }

    /// Plans the one fault of a run that has only one, when its time has come.
    fn plan_io_fault(&mut self) {
        let is_second = self.openings == 1;
        let is_due = |io: &IoFault| io.in_recovery == is_second && self.openings < 2;
        if let Some(io) = self.io_fault.filter(is_due) {
            self.disk.fail_nth(io.fault, io.after);
            self.planned = Some(io.fault);
        }
        self.openings += 1;
    }

    fn plan_fault(&mut self) -> Result<(), Violation> {
        if self.planned.is_none() {
            let (mut fault, mut after) = (
                *self.random.pick(&self.scenario.faults),
                self.random.below(FAULT_AFTER_MAX),
            );
            // A file is resized only where a crash has left a torn end: once, in recovery.
            let resizes = self.scenario.faults.contains(&Fault::SetLenError);
            if self.replica.is_none() && resizes && self.random.chance(500) {
                (fault, after) = (Fault::SetLenError, 0);
            }
            self.trace
                .line(format_args!("{fault:?} after {after} operations"));
            self.disk.fail_nth(fault, after);
            self.planned = Some(fault);
        }
        Ok(())
    }

    /// The database as it is now.
    fn check_now(&mut self) -> Result<(), Violation> {
        let state = self.replica().state();
        self.trace.line(format_args!("check {:?}", state.hash()));
        self.prefix.unchanged(&self.model, &state)?;
        self.balances.check(&state)?;
        check_integrity(self.replica().datastore_mut())?;
        // A failed log may hold what nobody was told of.
        let is_running = self.replica().is_writable();
        if is_running && self.random.chance(300) {
            self.check_snapshot_truth()?;
        }
        if is_running && self.random.chance(300) {
            self.check_past()?;
        }
        if self.random.chance(200) {
            self.earlier = Earlier::of(&self.disk);
        }
        Ok(())
    }

    /// From now on everything happens on this disk.
    fn use_disk(&mut self, disk: SimStorage) {
        match self.null {
            NullControl::None => {}
            NullControl::NoFileSyncs => disk.disable_file_syncs(),
            NullControl::NoDirSyncs => disk.disable_dir_syncs(),
        }
        self.storage = TracedDisk::shared(&disk, &self.trace);
        self.disk = disk;
        self.planned = None;
        self.faults_seen = 0;
    }

    /// Takes over a replica that was just opened.
    fn opened(&mut self, mut replica: Replica) -> Result<(), Violation> {
        let next = replica.next();
        let state = replica.state();
        self.trace
            .line(format_args!("opened at {next} with {:?}", state.hash()));
        if next < self.model.next() {
            self.activations.count(Kind::TransactionsLost);
        }
        self.prefix.recovered(next, &mut self.model, &state)?;
        self.sequences.reopened(next);
        let has_accounts = self.model.tables().values().any(|shape| *shape == ACCOUNT);
        if !has_accounts {
            self.balances.forget();
        }
        self.balances.check(&state)?;
        check_integrity(replica.datastore_mut())?;
        self.recovery.opened(next, state.hash())?;
        // What was found is below the watermark.
        self.tail.clear();
        self.note_recovery(&replica);
        self.replica = Some(replica);
        self.stalled = 0;
        self.has_failed = false;
        Ok(())
    }
}

/// What is counted when a fault fires.
#[must_use]
pub fn kind_of(fault: Fault) -> Kind {
    match fault {
        Fault::WriteNoSpace => Kind::NoSpace,
        Fault::WriteError => Kind::WriteError,
        Fault::ShortWrite => Kind::ShortWrite,
        Fault::Interrupted => Kind::Interrupted,
        Fault::SyncError => Kind::SyncError,
        Fault::SyncDirError => Kind::SyncDirError,
        Fault::ReadError => Kind::ReadError,
        Fault::ShortRead => Kind::ShortRead,
        Fault::OpenError => Kind::OpenError,
        Fault::RenameError => Kind::RenameError,
        Fault::SetLenError => Kind::SetLenError,
        Fault::RemoveError => Kind::RemoveError,
        Fault::AllocateNoSpace => Kind::AllocateNoSpace,
    }
}

/// Whether an operation fails, rather than do less than it was asked to.
fn is_error(fault: Fault) -> bool {
    !matches!(
        fault,
        Fault::ShortWrite | Fault::ShortRead | Fault::Interrupted
    )
}

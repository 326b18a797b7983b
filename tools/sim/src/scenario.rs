//! What a seed decides before anything happens: sizes, settings, and which faults there are.
//!
//! Each seed has some of the faults only. All of them together would hide each other: a disk that
//! fails all the time never gets far enough to lose anything.

use crate::random::Random;
use spacetime_durability::storage::Fault;
use spacetime_store::LogRetention;

/// Syncs that do nothing: with them a simulation must find losses, or it finds nothing at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullControl {
    None,
    NoFileSyncs,
    NoDirSyncs,
}

/// Families of faults, for the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultFamilies {
    /// Operations of the disk fail, or do less than they were asked to.
    pub disk: bool,
    /// The power goes, or the process.
    pub crashes: bool,
    /// Stored bytes change.
    pub damage: bool,
}

impl FaultFamilies {
    pub const NONE: FaultFamilies = FaultFamilies {
        disk: false,
        crashes: false,
        damage: false,
    };

    pub const ALL: FaultFamilies = FaultFamilies {
        disk: true,
        crashes: true,
        damage: true,
    };
}

/// The settings of one seed.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Actions until the end.
    pub actions: u64,
    pub segment_bytes_max: u64,
    pub index_interval_bytes: u64,
    pub preallocates: bool,
    pub commit_bytes_max: usize,
    pub commits_per_watermark: u32,
    pub snapshots_kept: usize,
    pub snapshot_on_close: bool,
    pub log_retention: LogRetention,
    /// Operations that fail now and then.
    pub faults: Vec<Fault>,
    pub weights: Weights,
    pub damages: u64,
}

/// How likely each action is.
#[derive(Clone, Debug)]
pub struct Weights {
    pub transaction: u64,
    pub write_log: u64,
    pub stall: u64,
    pub idle: u64,
    pub snapshot: u64,
    pub maintain: u64,
    pub check: u64,
    pub restart: u64,
    pub kill: u64,
    pub power_cut: u64,
    pub power_cut_inside: u64,
    pub plan_fault: u64,
    pub damage: u64,
}

/// One operation that fails, in an otherwise good world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoFault {
    pub fault: Fault,
    /// Operations of its kind that go well before.
    pub after: u64,
    /// Counted from the second opening, rather than from the first.
    pub in_recovery: bool,
}

impl Scenario {
    /// A short run without faults, in which everything there is comes about.
    #[must_use]
    pub fn small(random: &mut Random) -> Scenario {
        let mut scenario = Scenario::draw(random, FaultFamilies::NONE);
        scenario.actions = 80;
        scenario.segment_bytes_max = 2_000;
        scenario.index_interval_bytes = 300;
        scenario.preallocates = true;
        scenario.commit_bytes_max = 1_000;
        scenario.commits_per_watermark = 4;
        scenario.snapshots_kept = 2;
        scenario.snapshot_on_close = true;
        scenario.log_retention = LogRetention::Remove;
        scenario.weights = Weights {
            transaction: 100,
            write_log: 60,
            stall: 0,
            idle: 4,
            snapshot: 12,
            maintain: 8,
            check: 2,
            restart: 0,
            kill: 0,
            power_cut: 0,
            power_cut_inside: 0,
            plan_fault: 0,
            damage: 0,
        };
        scenario
    }

    #[must_use]
    pub fn draw(random: &mut Random, families: FaultFamilies) -> Scenario {
        let crashes = u64::from(families.crashes);
        let mut faults: Vec<Fault> = Fault::ALL.to_vec();
        faults.retain(|_| families.disk && random.chance(400));
        let with_damage = families.damage && random.chance(500);
        Scenario {
            actions: 60 + random.below(400),
            segment_bytes_max: *random.pick(&[600, 2_000, 8_000, 30_000, 200_000]),
            index_interval_bytes: *random.pick(&[0, 300, 4_000]),
            preallocates: random.chance(500),
            commit_bytes_max: *random.pick(&[1, 1_000, 100_000]),
            commits_per_watermark: *random.pick(&[1, 4, 30, u32::MAX]),
            snapshots_kept: *random.pick(&[1, 2, 5]),
            snapshot_on_close: random.chance(300),
            log_retention: *random.pick(&[
                LogRetention::Keep,
                LogRetention::Compress,
                LogRetention::Remove,
                LogRetention::Remove,
            ]),
            weights: Weights {
                transaction: 100,
                write_log: *random.pick(&[10, 40, 120]),
                stall: random.below(4),
                idle: random.below(4),
                snapshot: *random.pick(&[0, 2, 8]),
                maintain: *random.pick(&[0, 2, 8]),
                check: 2,
                restart: random.below(3),
                kill: crashes * random.below(4),
                power_cut: crashes * random.below(4),
                power_cut_inside: crashes * random.below(6),
                plan_fault: if faults.is_empty() { 0 } else { 3 },
                damage: u64::from(with_damage) * 2,
            },
            faults,
            damages: if with_damage { 1 + random.below(8) } else { 0 },
        }
    }
}

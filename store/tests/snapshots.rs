//! The state from a snapshot and the log behind it, that from the log alone and the live one are
//! the same. Damaged snapshots cost time, never data.

mod load;

use std::path::{Path, PathBuf};

use load::{Dump, Load, REPLICA, dump, open, options, path, shared};
use proptest::prelude::*;
use spacetime_durability::storage::{Fault, SimStorage};
use spacetime_durability::{LockedReplica, Options};
use spacetime_store::{
    Apply, Files, LogRetention, OpenStoreError, PastError, TakeSnapshotError, offset_at, open_at,
    open_at_time,
};
use spacetime_table::Datastore;
use spacetime_types::{Timestamp, TxOffset};

/// The state that the log alone leads to.
fn from_log_alone(disk: &SimStorage) -> Dump {
    let options = Options::default();
    let mut datastore = Datastore::new();
    datastore.replay_begin();
    let replica = LockedReplica::lock::<()>(&shared(disk), Path::new(REPLICA), &options);
    let replica = replica.expect("nobody has it open");
    let log = replica.replay(&options, &mut Apply::new(&mut datastore));
    log.expect("a good log");
    datastore.finish_replay().expect("a consistent state");
    assert_eq!(datastore.check_integrity(), Ok(()));
    dump(&datastore)
}

fn files_of(disk: &SimStorage, ending: &str) -> Vec<PathBuf> {
    let snapshots = path("snapshots");
    let files = disk.files().into_iter();
    files
        .filter(|file| file.starts_with(&snapshots) && file.to_string_lossy().ends_with(ending))
        .collect()
}

/// A database with snapshots in the middle of its history.
fn with_snapshots(seed: u64, retention: LogRetention) -> Load {
    let mut load = Load::new(seed, options(retention));
    for _ in 0..4 {
        for _ in 0..12 {
            load.transact();
        }
        load.snapshot();
    }
    for _ in 0..5 {
        load.transact();
    }
    load.write_log();
    load
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Snapshots, restarts, crashes: the state is the same from wherever it is brought back, and
    /// at every transaction of the past.
    #[test]
    fn snapshot_and_log_and_live_agree(
        seed in any::<u64>(),
        steps in prop::collection::vec(0..12u8, 1..60),
        compress in any::<bool>(),
    ) {
        let retention = [LogRetention::Keep, LogRetention::Compress][usize::from(compress)];
        let mut load = Load::new(seed, options(retention));
        for step in steps {
            match step {
                0 => drop(load.snapshot()),
                1 => load.reopen(),
                2 => {
                    // What is durable stays, and the rest was acknowledged to nobody.
                    load.write_log();
                    load.disk = load.disk.after_power_cut();
                    load.open_again().expect("good files");
                }
                3 => load.write_log(),
                _ => load.transact(),
            }
            load.check();
        }
        load.write_log();
        let view = load.store.datastore().view();
        for nth in (0..load.count()).step_by(3) {
            let at = TxOffset(nth);
            let past = open_at(&shared(&load.disk), Path::new(REPLICA), at, &load.options);
            let past = past.expect("it is on disk");
            prop_assert_eq!(past.offset, at);
            prop_assert_eq!(&dump(&past.view), &load.states[usize::try_from(nth).unwrap()]);
        }
        prop_assert_eq!(Some(&dump(&view)), load.states.last());
        load.reopen();
        load.check();
        load.close();
        prop_assert_eq!(Some(&from_log_alone(&load.disk)), load.states.last());
    }

    /// Power cuts at any change that recovery itself makes, over and over.
    #[test]
    fn recovery_can_be_interrupted(
        seed in any::<u64>(),
        cuts in prop::collection::vec(0..12u64, 1..10),
    ) {
        let mut load = with_snapshots(seed, LogRetention::Keep);
        load.disk = load.disk.after_power_cut();
        for cut in cuts {
            load.disk.cut_power_before_change(cut);
            // Whether or not it got through, the disk is as a power cut leaves it.
            drop(open(&load.disk, Files::Known, &load.options));
            load.disk = load.disk.after_power_cut();
        }
        load.open_again().expect("good files");
        load.check();
    }

    /// A flipped bit anywhere in the snapshots: an older snapshot or the log has the state.
    #[test]
    fn damaged_snapshots_cost_no_data(
        seed in 0..50u64,
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<usize>()), 1..6),
    ) {
        let mut load = with_snapshots(seed, LogRetention::Keep);
        load.close();
        let files = [files_of(&load.disk, ".pack"), files_of(&load.disk, ".manifest")].concat();
        for (file, bit) in hits {
            let file: &PathBuf = file.get(&files);
            load.disk.damage(file, |bytes| {
                let bit = bit % (bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            });
        }
        load.open_again().expect("the log has everything");
        load.check();
        // And life goes on, with snapshots that are good.
        load.transact();
        load.snapshot();
        load.reopen();
        load.check();
    }
}

#[test]
fn the_newest_good_snapshot_is_used() {
    let mut load = with_snapshots(1, LogRetention::Keep);
    load.reopen();
    let snapshots = load.store.snapshots().list();
    assert_eq!(snapshots.len(), 2, "older ones were removed");
    assert_eq!(load.store.recovery().snapshot, Some(snapshots[1].tx_offset));
    assert_eq!(load.store.recovery().log.replayed.transactions, 5);
    load.close();
    let manifests = files_of(&load.disk, ".manifest");
    load.disk.damage(&manifests[1], |bytes| bytes[50] ^= 4);
    load.open_again().expect("an older snapshot");
    let recovery = load.store.recovery();
    assert_eq!(recovery.snapshot, Some(snapshots[0].tx_offset));
    assert_eq!(recovery.unused.len(), 1);
    assert_eq!(recovery.unused[0].offset, snapshots[1].tx_offset);
    load.check();
}

#[test]
fn log_that_no_snapshot_needs_goes_and_the_rest_brings_the_state_back() {
    let mut load = with_snapshots(2, LogRetention::Remove);
    load.check();
    load.reopen();
    load.check();
    let too_old = open_at(
        &shared(&load.disk),
        Path::new(REPLICA),
        TxOffset(0),
        &load.options,
    );
    assert!(matches!(too_old, Err(PastError::Log(_))), "{too_old:?}");
    // Without any snapshot the rest of the log is of no use, and that is said.
    load.close();
    for manifest in files_of(&load.disk, ".manifest") {
        load.disk.damage(&manifest, |bytes| bytes[50] ^= 4);
    }
    let refused = load.open_again();
    let Err(OpenStoreError::NoUsableSnapshot { tried, .. }) = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(tried.len(), 2);
}

/// The segments of the log.
fn segments_of(disk: &SimStorage) -> Vec<PathBuf> {
    let log = path("clog");
    let files = disk.files().into_iter();
    files
        .filter(|file| file.starts_with(&log) && file.to_string_lossy().ends_with(".log"))
        .collect()
}

#[test]
fn log_stays_while_the_snapshot_that_would_replace_it_is_damaged() {
    let mut load = Load::new(12, options(LogRetention::Remove));
    let transact = |load: &mut Load| {
        for _ in 0..40 {
            load.transact();
            load.write_log();
        }
    };
    transact(&mut load);
    load.snapshot();
    let first = segments_of(&load.disk).remove(0);
    for pack in files_of(&load.disk, ".pack") {
        load.disk.damage(&pack, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
        });
    }
    transact(&mut load);
    // The second snapshot shares the damaged pack.
    load.snapshot();
    assert!(segments_of(&load.disk).contains(&first));
    assert_eq!(load.store.snapshots().list(), []);
    load.reopen();
    load.check();
    assert_eq!(load.store.recovery().snapshot, None);
    // Two that are good make the log needless.
    transact(&mut load);
    load.snapshot();
    assert!(segments_of(&load.disk).contains(&first));
    transact(&mut load);
    load.snapshot();
    assert!(!segments_of(&load.disk).contains(&first));
    load.reopen();
    load.check();
}

#[test]
fn an_older_snapshot_stays_if_the_one_after_it_is_damaged() {
    let mut load = with_snapshots(13, LogRetention::Remove);
    load.snapshot();
    let [older, newer] = [0, 1].map(|nth| load.store.snapshots().list()[nth].tx_offset);
    let manifest = files_of(&load.disk, ".manifest").remove(1);
    load.disk.damage(&manifest, |bytes| bytes[50] ^= 4);
    for _ in 0..12 {
        load.transact();
    }
    let newest = load.snapshot();
    let listed = load.store.snapshots().list();
    let offsets: Vec<_> = listed.iter().map(|info| info.tx_offset).collect();
    assert_eq!(offsets, [older, newest], "{newer} is damaged");
    load.reopen();
    load.check();
    // The log behind the older one is there.
    load.close();
    let manifest = files_of(&load.disk, ".manifest").remove(1);
    load.disk.damage(&manifest, |bytes| bytes[50] ^= 4);
    load.open_again()
        .expect("the older one and the log behind it");
    load.check();
}

#[test]
fn a_snapshot_without_its_log_is_no_database() {
    for files in [Files::Known, Files::MayBeNew] {
        let mut load = with_snapshots(3, LogRetention::Keep);
        load.close();
        let log = path("clog");
        let gone: Vec<_> = load.disk.files().into_iter().collect();
        for file in gone.iter().filter(|file| file.starts_with(&log)) {
            load.disk.lose(file);
        }
        load.disk.lose(&path("durable_offset"));
        let refused = open(&load.disk, files, &load.options);
        assert!(
            matches!(refused, Err(OpenStoreError::Recover(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn a_log_that_ends_before_a_snapshot_is_refused() {
    let mut load = Load::new(4, options(LogRetention::Keep));
    for _ in 0..10 {
        load.transact();
        load.write_log();
    }
    let disk = load.disk.clone();
    load.snapshot();
    load.close();
    // The last commit rots away, and the watermark with it: only the snapshot still knows.
    let log = path("clog");
    let segment = disk
        .files()
        .into_iter()
        .rev()
        .find(|file| file.starts_with(&log) && file.to_string_lossy().ends_with(".log"));
    let segment = segment.expect("a log");
    disk.damage(&segment, |bytes| {
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes.truncate(end - 20);
    });
    disk.lose(&path("durable_offset"));
    let refused = load.open_again();
    assert!(
        matches!(refused, Err(OpenStoreError::Recover(_))),
        "{refused:?}"
    );
}

#[test]
fn a_snapshot_is_not_written_before_it_is_durable() {
    let mut load = Load::new(5, options(LogRetention::Keep));
    load.transact();
    let job = load
        .store
        .begin_snapshot(load.time())
        .expect("a transaction");
    let early = job.write();
    assert!(
        matches!(early, Err(TakeSnapshotError::NotDurable { .. })),
        "{early:?}"
    );
    let at = job.offset();
    // What is committed in between does not get into it.
    for _ in 0..5 {
        load.transact();
    }
    load.write_log();
    job.write().expect("it is durable now");
    load.disk = load.disk.after_power_cut();
    load.open_again().expect("good files");
    assert_eq!(load.store.recovery().snapshot, Some(at));
    load.check();
}

#[test]
fn a_failing_disk_costs_the_snapshot_only() {
    let kinds = [
        Fault::WriteNoSpace,
        Fault::WriteError,
        Fault::SyncError,
        Fault::SyncDirError,
        Fault::RenameError,
        Fault::OpenError,
    ];
    for kind in kinds {
        let mut load = with_snapshots(6, LogRetention::Keep);
        load.transact();
        let job = load
            .store
            .begin_snapshot(load.time())
            .expect("a transaction");
        load.write_log();
        load.disk.fail_nth(kind, 0);
        let failed = job.write();
        assert!(
            matches!(failed, Err(TakeSnapshotError::Snapshot(_))),
            "{failed:?}"
        );
        load.close();
        load.disk = load.disk.after_restart();
        load.open_again().expect("good files");
        load.check();
        load.transact();
        load.snapshot();
        load.reopen();
        load.check();
    }
}

#[test]
fn the_past_is_found_by_time() {
    let mut load = with_snapshots(7, LogRetention::Keep);
    load.write_log();
    let (disk, dir) = (shared(&load.disk), Path::new(REPLICA));
    let last = TxOffset(load.count() - 1);
    // Three transactions at a time each: 0 0 0 10 10 10 20 ...
    for micros in [0, 5, 10, 19, 20, 100, 145] {
        let time = Timestamp { micros };
        let past = open_at_time(&disk, dir, time, &load.options).expect("a time of the past");
        let expected = u64::try_from(micros / 10 * 3 + 2).unwrap();
        assert_eq!(past.offset, TxOffset(expected));
        let state = &load.states[usize::try_from(expected).unwrap()];
        assert_eq!(&dump(&past.view), state);
    }
    let end = offset_at(&disk, dir, Timestamp { micros: 1 << 40 }, &load.options);
    assert_eq!(end.expect("the end"), last);
    let before = offset_at(&disk, dir, Timestamp { micros: -1 }, &load.options);
    assert!(matches!(before, Err(PastError::BeforeAll(_))));
    let after = open_at(&disk, dir, TxOffset(last.0 + 1), &load.options);
    assert!(matches!(after, Err(PastError::NotReached { .. })));
}

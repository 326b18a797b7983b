//! The power goes before every single operation; any part of what was not synced is lost.
//!
//! `CRASH_IMAGES` is how many images to look at in all, for long runs.

mod history;

use std::path::Path;
use std::sync::Arc;

use history::{append, count, long_life, mix, open, open_from, options, record, two_sessions};
use spacetime_commitlog::{CommitBuffer, LogReader, LogWriter};
use spacetime_durability::storage::{SimStorage, Storage};
use spacetime_types::TxOffset;

const TRANSACTIONS: u64 = 60;
const IMAGES: u64 = 30_000;

/// Images that one sweep looked at, and how many of them broke the promise.
#[derive(Debug, Default)]
struct Sweep {
    images: u64,
    torn_tails: u64,
    refused: u64,
    acknowledged_lost: u64,
    sectors_lost: u64,
    lengths_lost: u64,
    entries_lost: u64,
}

/// A history, and what came of it: what was acknowledged, and from where the log must be whole.
type History = fn(&SimStorage) -> (u64, u64);

const HISTORIES: [History; 2] = [
    |disk| (two_sessions(disk, TRANSACTIONS).0, 0),
    |disk| {
        let life = long_life(disk, TRANSACTIONS);
        (life.acknowledged, life.restore_point)
    },
];

fn sweep(history: History, seeds_per_cut: u64, prepare: impl Fn(&SimStorage)) -> Sweep {
    let mut sweep = Sweep::default();
    for cut in 0.. {
        let mut reached = false;
        for seed in 0..seeds_per_cut {
            let disk = SimStorage::new(mix(cut << 32 | seed));
            prepare(&disk);
            disk.cut_power_before_change(cut);
            let (acknowledged, from) = history(&disk);
            reached |= disk.power_is_off();
            let left = disk.after_power_cut();
            let counts = disk.counts();
            sweep.images += 1;
            sweep.sectors_lost += counts.sectors_lost;
            sweep.lengths_lost += counts.lengths_lost;
            sweep.entries_lost += counts.entries_lost;
            match open_from(&left, from) {
                Err(_) => sweep.refused += 1,
                Ok(opened) => {
                    let next = opened.check_from(from, &format!("cut {cut} seed {seed}"));
                    sweep.acknowledged_lost += u64::from(next < acknowledged);
                    sweep.torn_tails += u64::from(opened.found.cut.is_some());
                }
            }
        }
        if !reached {
            return sweep;
        }
    }
    unreachable!("the workload ends")
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_refused() {
    let images = count("CRASH_IMAGES", IMAGES);
    for history in HISTORIES {
        let whole = SimStorage::new(0);
        history(&whole);
        let sweep = sweep(history, images / 2 / whole.counts().changes + 1, |_| {});
        eprintln!("{sweep:?}");
        assert_eq!(sweep.acknowledged_lost, 0, "{sweep:?}");
        assert_eq!(
            sweep.refused, 0,
            "a legal crash image was refused: {sweep:?}"
        );
        assert!(sweep.images >= images / 2, "{sweep:?}");
        assert!(
            sweep.torn_tails > 200,
            "tails are hardly ever torn: {sweep:?}"
        );
        let lost = [sweep.sectors_lost, sweep.lengths_lost, sweep.entries_lost];
        assert!(
            lost.iter().all(|&count| count > 500),
            "a fault is idle: {sweep:?}"
        );
    }
}

#[test]
fn without_file_syncs_losses_are_seen() {
    for history in HISTORIES {
        let sweep = sweep(history, 4, SimStorage::disable_file_syncs);
        assert!(
            sweep.acknowledged_lost + sweep.refused > sweep.images / 10,
            "{sweep:?}"
        );
    }
}

#[test]
fn without_directory_syncs_losses_are_seen() {
    for history in HISTORIES {
        let sweep = sweep(history, 4, SimStorage::disable_dir_syncs);
        assert!(
            sweep.acknowledged_lost + sweep.refused > sweep.images / 10,
            "{sweep:?}"
        );
    }
}

#[test]
fn recovery_can_be_interrupted_again_and_again() {
    let mut interrupted = 0;
    for seed in 0..3_000 {
        let mut disk = SimStorage::new(seed);
        disk.cut_power_before_change(mix(seed) % 150);
        let (mut acknowledged, _) = two_sessions(&disk, TRANSACTIONS);
        for attempt in 0..5 {
            disk = disk.after_power_cut();
            disk.cut_power_before_change(mix(seed + attempt) % 12);
            match open(&disk) {
                Err(error) => {
                    assert!(
                        disk.power_is_off(),
                        "seed {seed} attempt {attempt}: {error}"
                    );
                    interrupted += 1;
                }
                Ok(mut opened) => {
                    let next = opened.check_prefix(&format!("seed {seed} attempt {attempt}"));
                    assert!(next >= acknowledged, "seed {seed} attempt {attempt}");
                    // What recovery has shown must not go away either.
                    acknowledged = next;
                    let until = next + 10;
                    let _ = append(&mut opened.group_commit, until, &mut acknowledged);
                }
            }
        }
        let opened = open(&disk.after_power_cut()).expect("no power cut is planned");
        let next = opened.check_prefix(&format!("seed {seed}"));
        assert!(next >= acknowledged, "seed {seed}");
    }
    assert!(
        interrupted > 1_000,
        "recovery was interrupted {interrupted} times only"
    );
}

/// Group commit syncs after every commit; the writer must not rely on it.
#[test]
fn a_segment_is_durable_before_the_next_one_begins() {
    for seed in 0..300 {
        let disk = SimStorage::new(seed);
        drop(open(&disk).expect("an empty disk"));
        let shared: Arc<dyn Storage> = Arc::new(disk.clone());
        let dir = Path::new("/replica/clog");
        let mut log = LogReader::open(Arc::clone(&shared), dir, TxOffset(0)).expect("good");
        assert!(log.next_commit().expect("good").is_none());
        let end = log.into_end();
        let mut writer = LogWriter::resume(shared, dir, &end, options().log).expect("good");
        let mut durable = 0;
        for offset in 0..TRANSACTIONS {
            let mut commit = CommitBuffer::new();
            let pushed = commit.push(|out| out.extend_from_slice(&record(offset)));
            pushed.expect("a small record");
            let appended = writer.append(&mut commit).expect("no fault is planned");
            durable = appended.new_segment.map_or(durable, |start| start.0);
        }
        let opened = open(&disk.after_power_cut());
        match opened {
            Ok(opened) => assert!(opened.check_prefix("no sync") >= durable, "seed {seed}"),
            // Unsynced commits of the last segment may survive without those before them.
            Err(error) => assert!(error.to_string().contains("follows at byte"), "{error}"),
        }
        assert!(durable > 0);
    }
}

#[test]
fn a_seed_is_one_trace() {
    for seed in 0..20 {
        let run = || {
            let disk = SimStorage::new(seed);
            disk.cut_power_before_change(seed * 7);
            let acknowledged = two_sessions(&disk, TRANSACTIONS).0;
            let left = disk.after_power_cut();
            let files: Vec<_> = left.files().into_iter().map(|f| left.content(&f)).collect();
            (acknowledged, files, disk.counts())
        };
        assert_eq!(run(), run());
    }
}

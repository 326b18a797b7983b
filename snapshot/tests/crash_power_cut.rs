//! The power goes before every single operation on snapshots; any part of what was not synced is
//! lost. What was finished is there, whole; what was not is not, or whole as well.
//!
//! `SNAPSHOT_SEEDS_PER_CUT` makes the run larger.

mod state;

use spacetime_durability::storage::SimStorage;
use spacetime_types::TxOffset;
use state::sweep::{Expected, Sweep, sweep, two_sessions};
use state::{check_all, mix, open, write};

fn seeds_per_cut() -> u64 {
    let given = std::env::var("SNAPSHOT_SEEDS_PER_CUT").ok();
    given.and_then(|given| given.parse().ok()).unwrap_or(210)
}

#[test]
fn what_was_finished_is_there_and_whole() {
    let sweep = sweep(seeds_per_cut(), |_| {});
    eprintln!("{sweep:?}");
    assert_eq!(sweep.failures(), 0, "{sweep:?}");
    assert!(sweep.images > 95 * seeds_per_cut(), "{sweep:?}");
    assert!(sweep.snapshots_checked > sweep.images / 2, "{sweep:?}");
    assert!(sweep.leftovers_removed > sweep.images / 10, "{sweep:?}");
    let lost = [sweep.sectors_lost, sweep.lengths_lost, sweep.entries_lost];
    assert!(
        lost.iter().all(|&count| count > 5 * seeds_per_cut()),
        "idle: {sweep:?}"
    );
}

#[test]
fn without_file_syncs_losses_are_seen() {
    let sweep = sweep(4, SimStorage::disable_file_syncs);
    assert!(sweep.failures() > sweep.images / 10, "{sweep:?}");
}

#[test]
fn without_directory_syncs_losses_are_seen() {
    let sweep = sweep(4, SimStorage::disable_dir_syncs);
    assert!(sweep.failures() > sweep.images / 10, "{sweep:?}");
}

#[test]
fn cleaning_up_can_be_interrupted_again_and_again() {
    let mut interrupted = 0;
    let mut sweep = Sweep::default();
    for seed in 0..400 {
        let mut disk = SimStorage::new(seed);
        disk.cut_power_before_change(mix(seed) % 150);
        let mut expected = Expected::default();
        let _ = two_sessions(&disk, &mut expected);
        // Whether an unfinished removal took place is seen only now.
        for attempt in 0..6 {
            disk = disk.after_power_cut();
            disk.cut_power_before_change(mix(seed ^ (attempt << 32)) % 20);
            let context = format!("seed {seed} attempt {attempt}");
            let next = 100 + attempt;
            let Ok(repo) = open(&disk) else {
                assert!(disk.power_is_off(), "{context}");
                interrupted += 1;
                continue;
            };
            // On a copy, which has power.
            let copy = open(&disk.fork(seed)).expect("readable");
            let offsets = check_all(&copy, &context);
            let kept = |offset: &u64| offsets.contains(offset);
            assert!(expected.finished.iter().all(kept), "{context}");
            match write(&repo, next) {
                Ok(_) => expected.finished.push(next),
                Err(_) => interrupted += 1,
            }
        }
        sweep.examine(&disk.after_power_cut(), &expected, &format!("seed {seed}"));
    }
    assert_eq!(sweep.failures(), 0, "{sweep:?}");
    assert!(interrupted > 300, "{interrupted}");
}

#[test]
fn a_seed_is_one_trace() {
    for seed in 0..10 {
        let run = || {
            let disk = SimStorage::new(seed);
            disk.cut_power_before_change(seed * 13);
            let _ = two_sessions(&disk, &mut Expected::default());
            let left = disk.after_power_cut();
            let files = left
                .files()
                .into_iter()
                .map(|file| (left.content(&file), file));
            (files.collect::<Vec<_>>(), disk.counts())
        };
        assert_eq!(run(), run());
    }
}

/// The order of the calls, as the head of `writer.rs` promises it.
#[test]
fn a_finished_snapshot_needs_no_further_sync() {
    for seed in 0..200 {
        let disk = SimStorage::new(seed);
        let repo = open(&disk).expect("an empty disk");
        write(&repo, 3).expect("no fault is planned");
        let left = open(&disk.after_power_cut()).expect("readable");
        assert_eq!(check_all(&left, "at once"), [3]);
        assert!(
            left.verify(TxOffset(3))
                .expect("no fault is planned")
                .is_good()
        );
    }
}

//! The n-th operation of a kind fails, for every kind and every n. What was finished stays, what
//! was not does no harm, and when the fault is over, work goes on.

mod state;

use std::collections::BTreeMap;

use spacetime_durability::storage::{Fault, SimStorage};
use state::sweep::{Expected, Sweep, two_sessions};
use state::{check_all, mix, open, write};

/// Runs the workload with one fault; false if the fault did not fire.
fn check(fault: Fault, nth: u64, seed: u64, sweep: &mut Sweep) -> bool {
    let context = format!("{fault:?} {nth} seed {seed}");
    let disk = SimStorage::new(seed);
    disk.fail_nth(fault, nth);
    let mut expected = Expected::default();
    let _ = two_sessions(&disk, &mut expected);
    let fired = disk.counts().faults > 0;
    // The process restarts; then, with the same disk, the machine.
    let disk = disk.after_restart();
    if fault != Fault::WriteNoSpace || !fired {
        let repo = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
        let there = check_all(&repo, &context);
        let kept = |offset: &u64| there.contains(offset);
        assert!(
            expected.finished.iter().all(kept),
            "{context}: {expected:?} {there:?}"
        );
        write(&repo, 50).unwrap_or_else(|error| panic!("{context}: {error}"));
        expected.finished.push(50);
    }
    let before = sweep.failures();
    sweep.examine(&disk.after_power_cut(), &expected, &context);
    assert_eq!(before, sweep.failures(), "{context}: {expected:?}");
    fired
}

#[test]
fn every_fault_at_every_operation() {
    let mut fired = BTreeMap::new();
    let mut sweep = Sweep::default();
    for fault in Fault::ALL {
        for nth in 0.. {
            let mut any = false;
            for seed in 0..3 {
                any |= check(fault, nth, mix(seed), &mut sweep);
            }
            if !any {
                fired.insert(fault, nth);
                break;
            }
        }
    }
    eprintln!("{fired:?}: {sweep:?}");
    assert_eq!(
        sweep.open_failed + sweep.lost + sweep.unusable,
        0,
        "{sweep:?}"
    );
    assert_eq!(sweep.stray_packs, 0, "{sweep:?}");
    // What a snapshot never does cannot fail: it neither changes a file's length nor sets room
    // aside.
    fired.remove(&Fault::SetLenError);
    fired.remove(&Fault::AllocateNoSpace);
    assert!(fired.values().all(|&count| count >= 9), "{fired:?}");
}

/// A fault in one session, and life goes on in the same session.
#[test]
fn a_failed_snapshot_is_followed_by_a_good_one() {
    let faults = [
        Fault::WriteError,
        Fault::SyncError,
        Fault::SyncDirError,
        Fault::RenameError,
        Fault::OpenError,
    ];
    let mut failed = 0;
    for fault in faults {
        for nth in 0..6 {
            let disk = SimStorage::new(nth);
            let repo = open(&disk).expect("an empty disk");
            write(&repo, 1).expect("no fault is planned");
            disk.fail_nth(fault, nth);
            if write(&repo, 2).is_ok() {
                // The fault's turn has not come.
                continue;
            }
            failed += 1;
            assert_eq!(check_all(&repo, "after a fault"), [1]);
            write(&repo, 2).expect("the fault is over");
            assert_eq!(
                check_all(&repo, "after the fault"),
                [1, 2],
                "{fault:?} {nth}"
            );
            let left = open(&disk.after_power_cut()).expect("readable");
            assert!(left.unusable().is_empty(), "{fault:?} {nth}");
            assert_eq!(
                check_all(&left, "after a power cut"),
                [1, 2],
                "{fault:?} {nth}"
            );
        }
    }
    assert!(failed > 8, "{failed}");
}

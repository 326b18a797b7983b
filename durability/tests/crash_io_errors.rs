//! The n-th operation of a kind fails, for every kind and every n.

mod history;

use history::{append, count, long_life, open, open_from, two_sessions};
use spacetime_durability::storage::{Fault, SimStorage};

const TRANSACTIONS: u64 = 40;

/// What was acknowledged, from where the log must be whole, and whether all went well.
type History = fn(&SimStorage) -> (u64, u64, Result<(), String>);

fn hit_an_index(disk: &SimStorage) -> bool {
    let hit = disk.fault_hit().expect("a fault has fired");
    hit.extension().is_some_and(|extension| extension == "ofs")
}

/// Runs the workload with one fault, restarts, writes some more, and cuts the power.
fn check(history: History, fault: Fault, nth: u64, seed: u64) -> bool {
    let context = format!("{fault:?} {nth} seed {seed}");
    let disk = SimStorage::new(seed);
    disk.fail_nth(fault, nth);
    let (mut acknowledged, from, result) = history(&disk);
    if disk.counts().faults == 0 {
        assert_eq!(result, Ok(()), "{context}");
        return false;
    }
    match fault {
        Fault::ShortWrite | Fault::ShortRead | Fault::Interrupted => {
            assert_eq!(
                result,
                Ok(()),
                "{context}: not an error, only an inconvenience"
            );
        }
        // The log goes without its index.
        _ if hit_an_index(&disk) => {}
        _ => assert!(result.is_err(), "{context}: the error was swallowed"),
    }

    let disk = disk.after_restart();
    let mut opened = open_from(&disk, from).unwrap_or_else(|e| panic!("{context}: {e}"));
    let next = opened.check_from(from, &context);
    assert!(next >= acknowledged, "{context}: lost at restart");
    acknowledged = next;
    // What recovery has shown counts as durable, even if nothing is written after it.
    let more = if seed.is_multiple_of(2) { 3 } else { 0 };
    append(&mut opened.group_commit, next + more, &mut acknowledged)
        .unwrap_or_else(|e| panic!("{context}: {e}"));
    drop(opened);

    let left = disk.after_power_cut();
    let opened = open_from(&left, from).unwrap_or_else(|e| panic!("{context}: {e}"));
    let next = opened.check_from(from, &context);
    assert!(next >= acknowledged, "{context}: lost at the power cut");
    true
}

fn every_failing_operation(history: History, idle: &[Fault]) {
    let mut places = 0;
    for fault in Fault::ALL {
        let mut fired = 0;
        for nth in 0.. {
            let mut any_fired = false;
            for seed in 0..count("IO_ERROR_SEEDS", 6) {
                any_fired |= check(history, fault, nth, seed);
            }
            if !any_fired {
                break;
            }
            fired += 1;
        }
        let expected = if idle.contains(&fault) { 0 } else { 2 };
        assert!(fired >= expected, "{fault:?} is idle: {fired} places");
        places += fired;
    }
    eprintln!("{places} failing operations");
}

#[test]
fn every_failing_operation_is_final_and_loses_nothing() {
    let history: History = |disk| {
        let (acknowledged, result) = two_sessions(disk, TRANSACTIONS);
        (acknowledged, 0, result)
    };
    every_failing_operation(history, &[Fault::SetLenError, Fault::RemoveError]);
}

#[test]
fn every_failing_operation_of_compression_and_retention_loses_nothing() {
    let history: History = |disk| {
        let life = long_life(disk, TRANSACTIONS);
        (life.acknowledged, life.restore_point, life.result)
    };
    every_failing_operation(history, &[Fault::SetLenError]);
}

#[test]
fn a_failed_cut_of_a_torn_tail_is_tried_again() {
    let disk = SimStorage::new(0);
    let (acknowledged, _) = two_sessions(&disk, TRANSACTIONS);
    let last = disk
        .files()
        .into_iter()
        .rfind(|f| f.to_string_lossy().ends_with(".stdb.log"));
    let last = last.expect("there are segments");
    disk.damage(&last, |bytes| bytes.extend_from_slice(&[7; 100]));
    let disk = disk.fork(0);
    disk.fail_nth(Fault::SetLenError, 0);
    assert!(open(&disk).is_err());
    let opened = open(&disk).expect("the fault is over");
    assert_eq!(opened.check_prefix("second try"), acknowledged);
    assert_eq!(opened.found.cut.map(|cut| cut.byte_len), Some(100));
}

#[test]
fn after_a_failed_sync_the_writer_refuses_everything() {
    let disk = SimStorage::new(0);
    let mut opened = open(&disk).expect("an empty disk");
    let mut acknowledged = 0;
    append(&mut opened.group_commit, 5, &mut acknowledged).expect("no fault is planned");
    disk.fail_nth(Fault::SyncError, 0);
    let first = append(&mut opened.group_commit, 9, &mut acknowledged);
    assert!(first.is_err());
    assert_eq!(acknowledged, 5);
    let second = append(&mut opened.group_commit, 12, &mut acknowledged);
    let message = second
        .expect_err("the disk is fine again, the log is not")
        .to_string();
    assert!(message.contains("failed write or sync before"), "{message}");
    assert_eq!(acknowledged, 5);
}

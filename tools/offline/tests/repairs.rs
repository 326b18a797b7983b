//! A repaired log opens, holds everything before the damage, and the original is kept.

mod sample;

use std::path::Path;
use std::sync::Arc;

use spacetime_commitlog::SealedSegments;
use spacetime_durability::storage::{SimStorage, Storage};
use spacetime_offline::repair::{Action, plan};
use spacetime_offline::verify::{VerifyOptions, verify};
use spacetime_offline::{NoProgress, OfflineError, state};
use spacetime_types::TxOffset;

use sample::{NEXT, REPLICA, place, position, segment_path};

fn flip(disk: &SimStorage, start: u64, offset: u64) {
    let content = sample::content(disk, start);
    let at = position(&content, offset) + 30;
    assert!(disk.damage(segment_path(start).as_ref(), |bytes| bytes[at] ^= 1));
}

/// Repairs, and checks that exactly what is before `end` is left and works.
fn check_repair(disk: &SimStorage, end: u64) {
    let expected = state_before(end);
    let plan = plan(&place(disk), None, &NoProgress).unwrap();
    assert_eq!(plan.new_end, end);
    assert!(!plan.is_empty() && !plan.damage.is_empty());
    plan.apply().unwrap();
    let report = verify(&place(disk), &VerifyOptions { replay: true }, &NoProgress).unwrap();
    assert!(!report.damaged, "{:?}", report.findings);
    assert_eq!(report.next, Some(end));

    let mut store = sample::open_store(disk).unwrap();
    assert_eq!(store.last_offset().map_or(0, |last| last.0 + 1), end);
    if let Some(expected) = expected {
        assert_eq!(sample::rows(store.datastore(), "player"), expected);
    }
    // It goes on from there.
    store.datastore_mut().begin_tx();
    if let Some(table) = store.datastore().table_id("player") {
        let row = sample::player(0, "new", 0);
        store.datastore_mut().insert(table, &row).unwrap();
        let committed = store.commit(None).unwrap();
        assert_eq!(committed.offset, Some(TxOffset(end)));
    }
    store.close();
    drop(store);
    let report = verify(&place(disk), &VerifyOptions { replay: true }, &NoProgress).unwrap();
    assert!(!report.damaged, "{:?}", report.findings);
}

fn state_before(end: u64) -> Option<Vec<Vec<u8>>> {
    let last = end.checked_sub(1)?;
    let state = state::after(&place(&sample::disk()), last, &NoProgress).unwrap();
    Some(sample::rows(state.datastore(), "player"))
}

#[test]
fn damage_anywhere_is_cut_off() {
    for starts in [&[][..], &[10, 20], &[7]] {
        for offset in [0, 1, 7, 10, 19, 20, 29] {
            let disk = sample::disk_with_segments(starts);
            let start = starts.iter().rev().find(|&&start| start <= offset);
            flip(&disk, start.copied().unwrap_or(0), offset);
            check_repair(&disk, offset);
        }
    }
}

/// Nothing that is left is damaged; a commit is just not there.
#[test]
fn nothing_is_kept_behind_a_missing_commit() {
    for (start, missing) in [(0, 9), (10, 19), (0, 4), (10, 10), (20, 24)] {
        let disk = sample::disk_with_segments(&[10, 20]);
        let content = sample::content(&disk, start);
        let at = position(&content, missing);
        let is_last = [9, 19].contains(&missing);
        let end = if is_last {
            content.len()
        } else {
            position(&content, missing + 1)
        };
        let path = segment_path(start);
        assert!(disk.damage(path.as_ref(), |bytes| drop(bytes.drain(at..end))));
        check_repair(&disk, missing);
    }
}

#[test]
fn nothing_is_kept_behind_a_missing_beginning() {
    let disk = sample::disk_with_segments(&[10, 20]);
    assert!(disk.damage(segment_path(0).as_ref(), |bytes| bytes.truncate(10)));
    assert_eq!(plan(&place(&disk), None, &NoProgress).unwrap().new_end, 0);
    check_repair(&disk, 0);
}

#[test]
fn every_byte_of_the_original_is_kept() {
    let disk = sample::disk_with_segments(&[10, 20]);
    flip(&disk, 10, 14);
    let before: Vec<_> = [0, 10, 20]
        .map(|start| sample::content(&disk, start))
        .into();
    let plan = plan(&place(&disk), None, &NoProgress).unwrap();
    assert_eq!((plan.lost_readable, plan.lost_anyway), (NEXT - 15, 1));
    let actions = plan.actions.clone();
    plan.apply().unwrap();
    assert_eq!(sample::content(&disk, 0), before[0]);
    let kept = |name: &str| disk.content(&Path::new(REPLICA).join(name)).unwrap();
    assert_eq!(
        kept("clog/00000000000000000010.stdb.log.before-repair-1"),
        before[1]
    );
    assert_eq!(
        kept("clog/00000000000000000020.stdb.log.before-repair-1"),
        before[2]
    );
    let is_cut = |action: &Action| matches!(action, Action::Cut { .. });
    assert_eq!(actions.iter().filter(|action| is_cut(action)).count(), 1);

    // A second repair takes another number.
    flip(&disk, 0, 3);
    let second = super_plan(&disk);
    second.apply().unwrap();
    kept("clog/00000000000000000000.stdb.log.before-repair-2");
}

fn super_plan(disk: &SimStorage) -> spacetime_offline::repair::Plan {
    plan(&place(disk), None, &NoProgress).unwrap()
}

#[test]
fn a_whole_log_is_left_alone_unless_it_is_to_end_earlier() {
    let disk = sample::disk_with_segments(&[10]);
    let nothing = super_plan(&disk);
    assert!(nothing.is_empty() && nothing.damage.is_empty());
    let files = disk.files();
    nothing.apply().unwrap();
    assert_eq!(disk.files(), files);

    let plan = plan(&place(&disk), Some(12), &NoProgress).unwrap();
    assert_eq!((plan.new_end, plan.lost_readable), (12, NEXT - 12));
    plan.apply().unwrap();
    let store = sample::open_store(&disk).unwrap();
    assert_eq!(store.last_offset(), Some(TxOffset(11)));
}

#[test]
fn a_missing_end_is_accepted_by_a_repair_only() {
    let disk = sample::disk_with_segments(&[10, 20]);
    assert!(disk.lose(segment_path(20).as_ref()));
    assert!(sample::open_store(&disk).is_err());
    check_repair(&disk, 20);
}

#[test]
fn a_compressed_segment_is_cut_too() {
    let disk = sample::disk_with_segments(&[10, 20]);
    flip(&disk, 10, 17);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    // Compressing does not look at what it compresses, or refuses; either way it is damaged.
    let mut sealed = SealedSegments::new(storage, Path::new(sample::LOG));
    while sealed
        .compress_next_before(TxOffset(20))
        .is_ok_and(|done| done.is_some())
    {}
    check_repair(&disk, 17);
}

#[test]
fn a_running_server_keeps_a_repair_away() {
    let disk = sample::disk();
    let store = sample::open_store(&disk).unwrap();
    let refused = plan(&place(&disk), None, &NoProgress);
    assert!(matches!(refused, Err(OfflineError::InUse { .. })));
    drop(store);
    // And a planned repair keeps a server away.
    let plan = super_plan(&disk);
    assert!(sample::open_store(&disk).is_err());
    drop(plan);
    assert!(sample::open_store(&disk).is_ok());
}

#[test]
fn a_power_cut_in_the_middle_of_a_repair_loses_nothing() {
    for nth in 0..60 {
        let disk = sample::disk_with_segments(&[10, 20]);
        flip(&disk, 10, 14);
        let plan = super_plan(&disk);
        disk.cut_power_before_change(nth);
        let applied = plan.apply();
        let after = disk.after_power_cut();
        let good = verify(&place(&after), &VerifyOptions::default(), &NoProgress).unwrap();
        if applied.is_ok() {
            assert!(!good.damaged, "change {nth}: {:?}", good.findings);
        }
        if good.damaged {
            super_plan(&after).apply().unwrap();
        }
        let store = sample::open_store(&after).unwrap_or_else(|e| panic!("change {nth}: {e}"));
        assert_eq!(store.last_offset(), Some(TxOffset(13)), "change {nth}");
    }
}

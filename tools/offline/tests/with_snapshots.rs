//! Snapshots: listed, checked, restored, exported; and logs whose beginning they replace.

mod sample;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use spacetime_durability::storage::SimStorage;
use spacetime_offline::filter::Filter;
use spacetime_offline::finding::FindingKind;
use spacetime_offline::show::show;
use spacetime_offline::snapshots::{self, Writer};
use spacetime_offline::verify::{VerifyOptions, verify};
use spacetime_offline::{NoProgress, diff, repair, state};
use spacetime_snapshot::{ObjectHash, SnapshotHead, SnapshotRepo};
use spacetime_types::{Identity, Timestamp, TxOffset};

use sample::{NEXT, REPLICA, place, position, segment_path};

/// Writes a snapshot of the state after a transaction, as a server does.
fn take(disk: &SimStorage, offset: u64) {
    let state = state::after(&place(disk), offset, &NoProgress).unwrap();
    let dir = Path::new(REPLICA).join(snapshots::SNAPSHOTS_DIR);
    let repo = SnapshotRepo::open(Arc::new(disk.clone()), &dir).unwrap();
    let view = state.datastore().view();
    let head = SnapshotHead {
        identity: Identity::default(),
        tx_offset: TxOffset(offset),
        taken_at: Timestamp::from_micros(1),
        extra: Vec::new(),
    };
    let mut writer = repo.begin(head).unwrap();
    for blob in view.snapshot_blobs() {
        let name = ObjectHash(*blob.name);
        let write = |out: &mut Vec<u8>| out.extend_from_slice(blob.bytes);
        writer.blob(name, blob.uses, write).unwrap();
    }
    for table in view.snapshot_tables() {
        writer
            .table(table.id(), table.fingerprint(), table.row_count())
            .unwrap();
        for page in table.pages() {
            let hash = ObjectHash(page.hash());
            writer.page(hash, |out| page.write_image(out)).unwrap();
        }
    }
    writer.finish().unwrap();
}

fn disk_with_snapshots(offsets: &[u64]) -> SimStorage {
    let disk = sample::disk_with_segments(&[10, 20]);
    for &offset in offsets {
        take(&disk, offset);
    }
    disk
}

#[test]
fn snapshots_are_listed_checked_and_read() {
    let disk = disk_with_snapshots(&[9, 24]);
    let place = place(&disk);
    let list = snapshots::list(&place).unwrap();
    let offsets: Vec<u64> = list.snapshots.iter().map(|entry| entry.offset).collect();
    assert_eq!(offsets, [9, 24]);
    for entry in &list.snapshots {
        assert_eq!((entry.writer, &entry.problem), (Writer::Native, &None));
        let check = snapshots::verify(&place, entry.offset, true).unwrap();
        assert!(check.damages.is_empty(), "{:?}", check.damages);
        assert_eq!(check.rows, Some(entry.rows));
        let restored = snapshots::state(&place, entry.offset).unwrap();
        // Without the snapshots the log has to say what is in them.
        let plain = sample::place(&sample::disk());
        let replayed = state::after(&plain, entry.offset, &NoProgress).unwrap();
        for table in ["player", "note", "st_column"] {
            let [restored, replayed] =
                [&restored, &replayed].map(|state| sample::rows(state.datastore(), table));
            assert_eq!(restored, replayed, "{table}");
        }
    }
    let tables = snapshots::tables(&place, 24).unwrap();
    let player = tables.iter().find(|table| table.name == "player").unwrap();
    assert_eq!(player.rows, 19);
    snapshots::remove(&place, 9).unwrap();
    assert_eq!(snapshots::list(&place).unwrap().snapshots.len(), 1);
    assert!(snapshots::remove(&place, 9).is_err());
    assert!(snapshots::state(&place, 9).is_err());
}

#[test]
fn damage_in_a_snapshot_is_found_and_the_log_is_used() {
    let whole = disk_with_snapshots(&[9]);
    let files = whole.files();
    let parts = files
        .iter()
        .filter(|file| file.starts_with("/replica/snapshots"));
    for file in parts {
        let len = whole.content(file).unwrap().len();
        for at in (0..len).step_by(len / 40 + 1) {
            let disk = whole.fork(0);
            assert!(disk.damage(file, |bytes| bytes[at] ^= 8));
            let place = place(&disk);
            let list = snapshots::list(&place).unwrap();
            let entry = list.snapshots.first().expect("it is still listed");
            let found = entry.problem.is_some()
                || !snapshots::verify(&place, 9, true)
                    .unwrap()
                    .damages
                    .is_empty();
            assert!(found, "{} at {at}", file.display());
            let state = state::after(&place, 12, &NoProgress).unwrap();
            assert_eq!(sample::rows(state.datastore(), "player").len(), 12);
        }
    }
}

#[test]
fn a_log_that_starts_late_is_read_with_the_tables_of_a_snapshot() {
    let disk = disk_with_snapshots(&[9, 24]);
    assert!(disk.lose(segment_path(0).as_ref()));
    let place = place(&disk);
    let report = verify(&place, &VerifyOptions { replay: true }, &NoProgress).unwrap();
    assert!(!report.damaged, "{:?}", report.findings);
    assert_eq!(report.findings[0].kind, FindingKind::StartsLate);
    assert_eq!((report.first, report.next), (Some(10), Some(NEXT)));
    assert!(report.replay.is_some());
    let mut joined = 0;
    let filter = Filter {
        tables: vec!["player".to_owned()],
        reducers: vec!["join".to_owned()],
        ..Filter::default()
    };
    show(&place, &filter, &NoProgress, &mut |_| {
        joined += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(joined, 11);
    let state = state::after(&place, 15, &NoProgress).unwrap();
    assert_eq!(sample::rows(state.datastore(), "player").len(), 15);
    let changes = diff::between(&place, 12, 15, &NoProgress).unwrap();
    assert_eq!(
        changes.tables[0].added.len() + changes.tables[1].added.len(),
        6
    );
    // What came before the oldest snapshot is gone.
    assert!(state::after(&place, 5, &NoProgress).is_err());
}

#[test]
fn a_repair_sets_snapshots_aside_that_the_log_no_longer_reaches() {
    let disk = disk_with_snapshots(&[9, 24]);
    let at = position(&sample::content(&disk, 10), 14) + 30;
    assert!(disk.damage(segment_path(10).as_ref(), |bytes| bytes[at] ^= 1));
    let plan = repair::plan(&place(&disk), None, &NoProgress).unwrap();
    assert_eq!(plan.new_end, 14);
    plan.apply().unwrap();
    let list = snapshots::list(&place(&disk)).unwrap();
    let offsets: Vec<u64> = list.snapshots.iter().map(|entry| entry.offset).collect();
    assert_eq!(offsets, [9]);
    let kept = Path::new(REPLICA).join("snapshots.before-repair-1");
    let kept: Vec<_> = disk
        .files()
        .into_iter()
        .filter(|file| file.starts_with(&kept))
        .collect();
    assert!(kept.len() >= 2, "{kept:?}");
    let options = VerifyOptions { replay: true };
    let report = verify(&place(&disk), &options, &NoProgress).unwrap();
    assert!(!report.damaged, "{:?}", report.findings);
    sample::open_store(&disk).unwrap();
}

/// Flips a bit in the records of the commit that holds a transaction.
fn flip(disk: &SimStorage, segment: u64, offset: u64) {
    let at = position(&sample::content(disk, segment), offset) + 30;
    assert!(disk.damage(segment_path(segment).as_ref(), |bytes| bytes[at] ^= 1));
}

fn check_begun_behind(disk: &SimStorage, begins: u64) {
    let options = VerifyOptions { replay: true };
    let report = verify(&place(disk), &options, &NoProgress).unwrap();
    assert!(!report.damaged, "{:?}", report.findings);
    assert_eq!((report.first, report.next), (Some(begins), Some(NEXT)));
    let expected = state::after(&place(&sample::disk()), NEXT - 1, &NoProgress).unwrap();
    let store = sample::open_store(disk).unwrap();
    assert_eq!(store.last_offset(), Some(TxOffset(NEXT - 1)));
    for table in ["player", "note"] {
        let [found, expected] =
            [store.datastore(), expected.datastore()].map(|rows| sample::rows(rows, table));
        assert_eq!(found, expected, "{table}");
    }
}

#[test]
fn a_log_can_begin_behind_the_damage_if_a_snapshot_leads_there() {
    // Damage in a segment, what is left of the log, and whether a snapshot has what is lost.
    for (segment, damaged, begins) in [(0, 3, 4), (10, 14, 15), (10, 19, 20), (20, 20, 21)] {
        let disk = disk_with_snapshots(&[9, 24]);
        flip(&disk, segment, damaged);
        let before = sample::content(&disk, segment);
        let plan = repair::plan_behind_snapshot(&place(&disk), &NoProgress).unwrap();
        let plan = plan.expect("a snapshot behind the damage");
        let behind = plan.behind.unwrap();
        let snapshot = if damaged < 10 { 9 } else { 24 };
        assert_eq!((behind.snapshot, behind.log_begins), (snapshot, begins));
        assert_eq!((plan.lost_readable, plan.lost_anyway), (0, 0));
        assert_eq!((plan.new_end, plan.damage.len()), (NEXT, 1));
        plan.apply().unwrap();
        let kept = format!("{}.before-repair-1", segment_path(segment));
        assert_eq!(disk.content(kept.as_ref()), Some(before));
        check_begun_behind(&disk, begins);
    }
}

#[test]
fn a_log_does_not_begin_behind_damage_if_anything_would_be_lost() {
    let plan_of = |disk: &SimStorage| {
        let plan = repair::plan_behind_snapshot(&place(disk), &NoProgress);
        plan.unwrap().map(|plan| plan.behind)
    };
    // Nothing is damaged.
    assert_eq!(plan_of(&disk_with_snapshots(&[9, 24])), None);
    // The damage is behind the last snapshot, or there is none.
    let disk = disk_with_snapshots(&[9, 24]);
    flip(&disk, 20, 26);
    assert_eq!(plan_of(&disk), None);
    let disk = disk_with_snapshots(&[]);
    flip(&disk, 10, 14);
    assert_eq!(plan_of(&disk), None);
    // The snapshot is damaged as well.
    let disk = disk_with_snapshots(&[24]);
    flip(&disk, 10, 14);
    assert!(plan_of(&disk).is_some());
    let files = disk.files();
    let pack = files
        .iter()
        .find(|file| file.extension().is_some_and(|end| end == "pack"));
    assert!(disk.damage(pack.unwrap(), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 8;
    }));
    assert_eq!(plan_of(&disk), None);
    // The end is missing, too.
    let disk = disk_with_snapshots(&[14]);
    flip(&disk, 10, 12);
    assert!(plan_of(&disk).is_some());
    assert!(disk.lose(segment_path(20).as_ref()));
    assert_eq!(plan_of(&disk), None);
}

#[test]
fn a_power_cut_while_the_log_is_begun_anew_loses_nothing() {
    for nth in 0..30 {
        let disk = disk_with_snapshots(&[9, 24]);
        flip(&disk, 10, 14);
        let plan = repair::plan_behind_snapshot(&place(&disk), &NoProgress).unwrap();
        disk.cut_power_before_change(nth);
        let applied = plan.expect("a snapshot behind the damage").apply();
        let after = disk.after_power_cut();
        let report = verify(&place(&after), &VerifyOptions::default(), &NoProgress).unwrap();
        assert!(applied.is_err() || !report.damaged, "change {nth}");
        if report.damaged {
            let plan = repair::plan_behind_snapshot(&place(&after), &NoProgress).unwrap();
            let plan = plan.unwrap_or_else(|| panic!("change {nth}: no way is left"));
            plan.apply().unwrap();
        }
        check_begun_behind(&after, 15);
    }
}

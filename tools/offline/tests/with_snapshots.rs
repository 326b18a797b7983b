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

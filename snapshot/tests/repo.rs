//! What a repository does when nothing goes wrong.

mod state;

use std::path::Path;
use std::sync::Arc;

use spacetime_commitlog::storage::Storage;
use spacetime_durability::storage::SimStorage;
use spacetime_snapshot::{
    ObjectHash, RestorePoints, Retention, SnapshotError, SnapshotHead, SnapshotRepo,
};
use spacetime_types::{Identity, TableId, TimeDuration, TxOffset};
use state::{DIR, check_all, files, head, open, read, state, write, write_state};

fn newest(count: usize) -> Retention {
    Retention {
        newest: count,
        restore_points: None,
    }
}

#[test]
fn what_is_written_is_listed_and_loaded() {
    let disk = SimStorage::new(0);
    let repo = open(&disk).expect("an empty disk");
    assert!(repo.list().is_empty());
    for offset in 0..20 {
        let report = write(&repo, offset).expect("no fault is planned");
        let expected = state(offset);
        let pages = expected.tables.iter().flat_map(|table| &table.pages);
        assert_eq!(report.info.page_count, pages.flatten().count() as u64);
        assert_eq!(report.info.blob_count, 3);
        let objects = report.objects_reused + report.objects_written;
        assert_eq!(report.info.object_count, objects);
    }
    let expected: Vec<u64> = (0..20).collect();
    assert_eq!(check_all(&repo, "same session"), expected);
    let again = open(&disk).expect("good");
    assert_eq!(check_all(&again, "next session"), expected);
    assert_eq!(again.list(), repo.list());
    assert_eq!(again.stats(), repo.stats());
    assert!(again.open_report().removed.is_empty());
    for offset in expected {
        let verified = again.verify(TxOffset(offset)).expect("no fault is planned");
        assert!(verified.is_good());
        assert_eq!(
            verified.object_count,
            again.list()[offset as usize].object_count
        );
    }
}

#[test]
fn what_is_stored_is_not_stored_again() {
    let disk = SimStorage::new(0);
    let repo = SnapshotRepo::open(Arc::new(disk.clone()), Path::new(DIR)).expect("empty");
    let mut same = state(5);
    let first = write_state(&repo, &same).expect("good");
    assert_eq!(first.objects_reused, 0);
    same.offset = 6;
    let mut asked = false;
    let second = write_state(&repo, &same).expect("good");
    assert_eq!(second.objects_written, 0);
    assert_eq!(second.content_bytes_reused, first.content_bytes_written);
    assert_eq!(files(&disk, ".pack").len(), 1);
    // An object that is stored is not even asked for.
    let mut writer = repo.begin(head(7)).expect("good");
    writer.table(TableId(1), [0; 16], 1).expect("good");
    let page = same.tables[0]
        .pages
        .iter()
        .flatten()
        .next()
        .expect("a page");
    let page = ObjectHash::of(page);
    writer.page(page, |_| asked = true).expect("good");
    writer.finish().expect("good");
    assert!(!asked);
}

#[test]
fn nothing_is_visible_before_the_end() {
    let disk = SimStorage::new(0);
    let repo = open(&disk).expect("empty");
    write(&repo, 1).expect("good");
    let before = disk.files();
    let mut writer = repo.begin(head(2)).expect("good");
    writer.table(TableId(1), [0; 16], 1).expect("good");
    for n in 0..20 {
        let page = state::content(1 << 50 | n);
        let hash = ObjectHash::of(&page);
        writer
            .page(hash, |out| out.extend_from_slice(&page))
            .expect("good");
    }
    assert!(
        disk.files().len() > before.len() + 1,
        "packs are being written"
    );
    assert_eq!(repo.list().len(), 1);
    let busy = repo.begin(head(3));
    assert!(matches!(busy, Err(SnapshotError::WriterBusy { .. })));
    drop(writer);
    assert_eq!(disk.files(), before, "what was begun is gone");
    write(&repo, 3).expect("another one can begin");
}

#[test]
fn retention_removes_snapshots_and_packs() {
    let disk = SimStorage::new(0);
    let repo = open(&disk).expect("empty");
    for offset in 0..40 {
        write(&repo, offset).expect("good");
        let removed = repo.retain(&newest(3)).expect("good");
        assert_eq!(removed.snapshots.len(), usize::from(offset >= 3));
        let kept = check_all(&repo, "after retention");
        assert_eq!(
            kept,
            (offset.saturating_sub(2)..=offset).collect::<Vec<_>>()
        );
        let stats = repo.stats();
        let on_disk = files(&disk, ".pack").into_iter();
        let on_disk: usize = on_disk
            .map(|pack| disk.content(&pack).expect("listed").len())
            .sum();
        assert_eq!(stats.pack_bytes, on_disk as u64);
        // Sparse packs go: what is stored is in proportion to what is kept.
        let kept_bytes: u64 = repo.list().iter().map(|info| info.stored_bytes).sum();
        assert!(stats.pack_bytes <= 2 * kept_bytes + 6000, "{stats:?}");
    }
    let packs = files(&disk, ".pack").len() as u64;
    assert_eq!(packs, repo.stats().pack_count);
    assert!(packs < 30, "small packs are merged: {packs}");
}

#[test]
fn restore_points_are_kept() {
    let disk = SimStorage::new(0);
    let repo = open(&disk).expect("empty");
    let policy = Retention {
        newest: 2,
        restore_points: Some(RestorePoints {
            interval: TimeDuration::from_micros(10_000_000),
            count: 3,
        }),
    };
    for offset in 0..48 {
        write(&repo, offset).expect("good");
        repo.retain(&policy).expect("good");
    }
    assert_eq!(check_all(&repo, "restore points"), [29, 39, 46, 47]);
    repo.remove(TxOffset(39)).expect("it is there");
    assert_eq!(check_all(&repo, "one removed"), [29, 46, 47]);
    let gone = repo.remove(TxOffset(39));
    assert!(matches!(gone, Err(SnapshotError::NotFound { .. })));
    let gone = repo.load(TxOffset(39));
    assert!(matches!(gone, Err(SnapshotError::NotFound { .. })));
    assert_eq!(
        check_all(&open(&disk).expect("good"), "reopened"),
        [29, 46, 47]
    );
}

#[test]
fn a_loaded_snapshot_outlives_its_removal() {
    let disk = SimStorage::new(0);
    let repo = open(&disk).expect("empty");
    write(&repo, 1).expect("good");
    let loaded = repo.load(TxOffset(1)).expect("good");
    write(&repo, 30).expect("good");
    repo.retain(&newest(1)).expect("good");
    assert_eq!(repo.list().len(), 1);
    assert_eq!(read(&loaded).expect("still readable"), state(1));
}

#[test]
fn a_pack_is_not_removed_under_a_writer_that_uses_it() {
    let disk = SimStorage::new(0);
    let repo = open(&disk).expect("empty");
    let mut same = state(8);
    write_state(&repo, &same).expect("good");
    let mut writer = repo.begin(head(9)).expect("good");
    for table in &same.tables {
        writer
            .table(TableId(table.id), [5; 16], table.row_count)
            .expect("good");
        for page in &table.pages {
            match page {
                Some(page) => {
                    let bytes = page.clone();
                    let write = |out: &mut Vec<u8>| out.extend_from_slice(&bytes);
                    writer.page(ObjectHash::of(page), write).expect("good");
                }
                None => writer.absent_page().expect("good"),
            }
        }
    }
    repo.remove(TxOffset(8)).expect("good");
    writer.finish().expect("good");
    same.offset = 9;
    same.blobs.clear();
    let loaded = repo.load(TxOffset(9)).expect("its packs are there");
    assert_eq!(read(&loaded).expect("good"), same);
}

#[test]
fn a_snapshot_that_makes_no_sense_can_be_taken_again() {
    let disk = SimStorage::new(0);
    let repo = open(&disk).expect("empty");
    for offset in 1..4 {
        write(&repo, offset).expect("good");
    }
    repo.distrust(TxOffset(3), "its rows are no rows");
    assert_eq!(check_all(&repo, "distrusted"), [1, 2]);
    assert_eq!(repo.unusable()[0].tx_offset, TxOffset(3));
    assert!(repo.retain(&newest(2)).expect("good").snapshots.is_empty());
    write(&repo, 3).expect("it is not there");
    assert_eq!(check_all(&repo, "taken again"), [1, 2, 3]);
    assert!(repo.unusable().is_empty());
}

#[test]
fn what_is_held_stays() {
    let disk = SimStorage::new(0);
    let repo = open(&disk).expect("empty");
    write(&repo, 1).expect("good");
    let hold = repo.hold(TxOffset(1)).expect("it is there");
    let second = repo.hold(TxOffset(1)).expect("it is there");
    let contents = || {
        hold.files()
            .iter()
            .map(|file| disk.content(file))
            .collect::<Vec<_>>()
    };
    let before = contents();
    for offset in 2..12 {
        write(&repo, offset).expect("good");
        repo.retain(&newest(1)).expect("good");
    }
    let held = repo.remove(TxOffset(1));
    assert!(matches!(held, Err(SnapshotError::Held { .. })));
    drop(second);
    assert_eq!(check_all(&repo, "held"), [1, 11]);
    assert_eq!(contents(), before);
    assert!(before.iter().all(Option::is_some));
    drop(hold);
    repo.retain(&newest(1)).expect("good");
    assert_eq!(check_all(&repo, "let go"), [11]);
    assert!(repo.hold(TxOffset(1)).is_err());
}

/// Loads while others are written and removed: each is whole, or gone.
#[test]
fn threads_do_not_disturb_each_other() {
    let disk = SimStorage::new(0);
    let repo = open(&disk).expect("empty");
    write(&repo, 0).expect("good");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for offset in 1..60 {
                write(&repo, offset).expect("good");
                repo.retain(&newest(2)).expect("good");
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut newest = 0;
                let mut loaded = 0;
                while newest < 59 {
                    for info in repo.list() {
                        newest = newest.max(info.tx_offset.0);
                        match repo.load(info.tx_offset) {
                            Ok(snapshot) => {
                                let found = read(&snapshot).expect("loaded");
                                assert_eq!(found, state(info.tx_offset.0));
                                loaded += 1;
                            }
                            Err(SnapshotError::NotFound { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                assert!(loaded > 0);
            });
        }
    });
    assert!(repo.unusable().is_empty());
}

#[test]
fn objects_come_in_the_order_of_the_packs() {
    let disk = SimStorage::new(0);
    let repo = open(&disk).expect("empty");
    for offset in 0..6 {
        write(&repo, offset).expect("good");
    }
    let loaded = repo.load(TxOffset(5)).expect("good");
    let mut seen = 0;
    let mut last = (0, 0);
    let walked: Result<(), SnapshotError> = loaded.for_each_object(|index, bytes| {
        let entry = loaded.manifest().object(index).expect("of this snapshot");
        assert_eq!(ObjectHash::of(bytes), entry.hash);
        assert!(last < (entry.pack, entry.position));
        last = (entry.pack, entry.position);
        seen += 1;
        Ok(())
    });
    walked.expect("good");
    assert_eq!(seen, loaded.manifest().objects.len());
}

#[test]
fn mistakes_of_the_caller_are_errors() {
    let disk = SimStorage::new(0);
    let repo = open(&disk).expect("empty");
    write(&repo, 1).expect("good");
    let again = repo.begin(head(1));
    assert!(matches!(again, Err(SnapshotError::AlreadyExists { .. })));
    let other = SnapshotHead {
        identity: Identity::default(),
        ..head(2)
    };
    let other = repo.begin(other);
    assert!(matches!(other, Err(SnapshotError::WrongDatabase { .. })));
    let mut writer = repo.begin(head(2)).expect("good");
    let early = writer.absent_page();
    assert!(matches!(early, Err(SnapshotError::Misuse { .. })));
    writer.table(TableId(1), [0; 16], 0).expect("good");
    let twice = writer.table(TableId(1), [0; 16], 0);
    assert!(matches!(twice, Err(SnapshotError::Misuse { .. })));
    let wrong = writer.page(ObjectHash([1; 32]), |out| out.push(1));
    assert!(matches!(wrong, Err(SnapshotError::WrongContent { .. })));
    let after = writer.finish();
    assert!(matches!(after, Err(SnapshotError::WriterFailed)));
    assert_eq!(check_all(&repo, "after mistakes"), [1]);
}

#[test]
fn foreign_files_are_left_alone_and_leftovers_are_not() {
    let disk = SimStorage::new(0);
    let repo = open(&disk).expect("empty");
    write(&repo, 1).expect("good");
    let mode = spacetime_commitlog::storage::OpenMode::CreateOrTruncate;
    let leftovers = [
        "00000000000000000007.manifest.tmp",
        "00000000000000000099.pack",
    ];
    let foreign = ["readme", "00000000000000000007.snapshot_bsatn"];
    for name in leftovers.iter().chain(&foreign) {
        disk.open(&Path::new(DIR).join(name), mode)
            .expect("no fault");
    }
    let read_only = SnapshotRepo::open_read_only(Arc::new(disk.clone()), Path::new(DIR));
    assert_eq!(read_only.expect("good").open_report().left, leftovers);
    let reopened = open(&disk).expect("good");
    assert_eq!(reopened.open_report().removed, leftovers);
    let left = disk.files();
    for name in foreign {
        assert!(left.contains(&Path::new(DIR).join(name)));
    }
    assert_eq!(check_all(&reopened, "after cleaning"), [1]);
    // The number of the leftover is not used again.
    write(&reopened, 2).expect("good");
    let packs = files(&disk, ".pack");
    let last = packs.last().expect("some").to_string_lossy();
    assert!(
        last.ends_with("100.pack") || last.ends_with("101.pack"),
        "{last}"
    );
}

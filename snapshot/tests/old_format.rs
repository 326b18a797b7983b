//! Files that earlier versions wrote are opened, and hold what they held. Fixtures are never
//! written again: when the format changes, one is added.

mod state;

use std::path::Path;
use std::sync::Arc;

use spacetime_durability::storage::OsStorage;
use spacetime_snapshot::SnapshotRepo;
use spacetime_types::TxOffset;
use state::{check_all, options, write};

const OFFSETS: [u64; 3] = [2, 3, 7];

#[test]
fn version_1() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version_1");
    let repo = SnapshotRepo::open_read_only(Arc::new(OsStorage), &dir).expect("readable");
    assert!(repo.unusable().is_empty(), "{:?}", repo.unusable());
    assert_eq!(check_all(&repo, "version 1"), OFFSETS);
    for offset in OFFSETS {
        let verified = repo.verify(TxOffset(offset)).expect("readable");
        assert!(verified.is_good());
    }
    let stats = repo.stats();
    assert!(
        stats.unshared_bytes > stats.stored_bytes,
        "some of it is shared"
    );
}

/// What this version writes is what the fixture was made of, but for the compressor's choices.
#[test]
fn version_1_is_what_is_written_now() {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = dir.path().join("snapshots");
    let repo = SnapshotRepo::open_with(Arc::new(OsStorage), &folder, options()).expect("empty");
    for offset in OFFSETS {
        write(&repo, offset).expect("a good disk");
    }
    let names = |dir: &Path| {
        let entries = std::fs::read_dir(dir)
            .expect("there")
            .map(|entry| entry.expect("there"));
        let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    if let Some(kept) = std::env::var_os("SNAPSHOT_KEEP_FOLDER") {
        std::fs::create_dir_all(&kept).expect("a place for them");
        for name in names(&folder) {
            let copied = std::fs::copy(folder.join(&name), Path::new(&kept).join(&name));
            copied.expect("a good disk");
        }
    }
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version_1");
    assert_eq!(names(&folder), names(&fixture));
}

//! Backups of a database whose log begins late, restored to single transactions.

#[cfg(feature = "s3")]
mod s3;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use spacetime_backup::cut::{CutError, cut_after};
use spacetime_backup::restore::restore_files;
use spacetime_backup::stream::{Have, STREAM_FORMAT, StreamFile, StreamHead};
use spacetime_backup::take::{have, newest, take};
use spacetime_backup::verify::verify;
use spacetime_backup::{BackupIndex, Depot, Folder};
use spacetime_commitlog::segment;
use spacetime_durability::storage::{OsStorage, Storage};
use spacetime_store::{Files, LogRetention, Store, StoreOptions};
use spacetime_table::definition::{ColumnDef, TableDef};
use spacetime_types::{AlgebraicType, TableId, TxOffset};

/// Transaction 0 makes the table; transaction `n` inserts the row `n`.
const LAST: u64 = 900;
/// The oldest snapshot that is kept.
const OLDEST: u64 = 500;

fn storage() -> Arc<dyn Storage> {
    Arc::new(OsStorage)
}

fn options() -> StoreOptions {
    let mut options = StoreOptions {
        log_retention: LogRetention::Remove,
        ..StoreOptions::default()
    };
    options.durability.log.segment_bytes_max = 4096;
    // Several transactions a commit, so that cuts go through commits.
    options.durability.commit_bytes_max = 700;
    options
}

fn fill(directory: &Path) {
    let files = Files::MayBeNew;
    let mut store = Store::open_with(&storage(), directory, files, &options(), None).unwrap();
    let columns = vec![ColumnDef::new("n", AlgebraicType::U64)];
    store.datastore_mut().begin_tx();
    let table = store
        .datastore_mut()
        .create_table(&TableDef::new("t", columns));
    let table = table.unwrap();
    store.commit(None).unwrap();
    for n in 1..=LAST {
        store.datastore_mut().begin_tx();
        store
            .datastore_mut()
            .insert(table, &n.to_le_bytes())
            .unwrap();
        store.commit(None).unwrap();
        if n % 300 == 200 {
            store.take_snapshot().unwrap();
        }
    }
    store.close();
}

/// What a server would hand out of a database that is not open.
fn stream(directory: &Path, have: &Have) -> Vec<u8> {
    let mut contents: Vec<(String, Vec<u8>)> = Vec::new();
    let clog = directory.join("clog");
    for start in segment::list(&OsStorage, &clog).unwrap() {
        let file = segment::open(&OsStorage, &segment::path(&clog, start))
            .unwrap()
            .file;
        let mut bytes = vec![0; usize::try_from(file.byte_len().unwrap()).unwrap()];
        file.read_exact_at(0, &mut bytes).unwrap();
        contents.push((format!("clog/{}", segment::file_name(start)), bytes));
    }
    for entry in std::fs::read_dir(directory.join("snapshots")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        contents.push((format!("snapshots/{name}"), std::fs::read(&path).unwrap()));
    }
    let mut body = Vec::new();
    let mut files = Vec::new();
    for (path, bytes) in &contents {
        let known = have.files.get(path).map_or(&[][..], Vec::as_slice);
        let skipped: u64 = known.iter().map(|piece| piece.len).sum();
        let rest = &bytes[usize::try_from(skipped).unwrap()..];
        files.push(StreamFile {
            path: path.clone(),
            skipped_pieces: known.len(),
            len: rest.len() as u64,
        });
        body.extend_from_slice(rest);
    }
    let head = StreamHead {
        format: STREAM_FORMAT,
        database: "d0".into(),
        owner: "e0".into(),
        names: vec!["numbers".into()],
        end: LAST + 1,
        taken_at_micros: 7,
        files,
    };
    let mut stream = head.encode();
    stream.extend(body);
    let sum = blake3::hash(&stream);
    stream.extend_from_slice(sum.as_bytes());
    stream
}

fn backed_up(directory: &Path, depot: &dyn Depot) -> BackupIndex {
    let bytes = stream(directory, &Have::default());
    let taken = take(depot, &bytes[..], &Have::default(), &mut |_, _| ()).unwrap();
    assert_eq!(taken.new_pieces, taken.pieces);
    let previous = newest(depot, "d0").unwrap().expect("it is there now");
    assert_eq!(previous, taken.index);

    // Nothing is sent and nothing is written again.
    let known = have(depot, &previous).unwrap();
    let again = take(
        depot,
        &stream(directory, &known)[..],
        &known,
        &mut |_, _| (),
    )
    .unwrap();
    assert_eq!((again.received_bytes, again.new_pieces), (0, 0));
    assert_eq!(again.index, previous);
    let mut checked = HashSet::new();
    assert!(verify(depot, &previous, &mut checked, &mut |_, _| ()).is_empty());
    previous
}

fn restored(
    depot: &dyn Depot,
    index: &BackupIndex,
    at: u64,
) -> Result<tempfile::TempDir, CutError> {
    let folder = tempfile::tempdir().unwrap();
    restore_files(depot, index, folder.path(), &mut |_, _| ()).unwrap();
    cut_after(&storage(), folder.path(), TxOffset(at))?;
    Ok(folder)
}

/// So many points as `SPACETIME_RESTORE_POINTS` says, from the oldest snapshot on.
fn random_points() -> impl Iterator<Item = u64> {
    let number = |variable: &str| -> u64 {
        let text = std::env::var(variable).ok();
        text.map_or(0, |text| text.parse().expect("a number"))
    };
    let mut random = number("SPACETIME_RESTORE_SEED");
    (0..number("SPACETIME_RESTORE_POINTS")).map(move |_| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        OLDEST + (random >> 33) % (LAST + 1 - OLDEST)
    })
}

#[test]
fn every_kind_of_point_is_reached_exactly() {
    let original = tempfile::tempdir().unwrap();
    let replica = original.path().join("replica");
    fill(&replica);
    let first = segment::list(&OsStorage, &replica.join("clog")).unwrap()[0];
    assert!(first > TxOffset(0), "the beginning of the log was removed");
    let place = tempfile::tempdir().unwrap();
    let depot = Folder::new(place.path().join("backups"));
    let index = backed_up(&replica, &depot);

    let late = OLDEST..=LAST;
    let points = late
        .step_by(37)
        .chain([500, 501, 799, 800, 801, LAST - 1, LAST]);
    for at in points.chain(random_points()) {
        let folder = restored(&depot, &index, at).unwrap_or_else(|error| panic!("{at}: {error}"));
        let mut store = Store::open(&storage(), folder.path(), Files::Known, None).unwrap();
        assert_eq!(store.last_offset(), Some(TxOffset(at)));
        let datastore = store.datastore();
        let mut row = Vec::new();
        let rows = datastore.scan(TableId(4096)).unwrap();
        let mut numbers: Vec<u64> = rows
            .map(|ptr| {
                row.clear();
                datastore.read_row(TableId(4096), ptr, &mut row);
                u64::from_le_bytes(row[..].try_into().unwrap())
            })
            .collect();
        numbers.sort_unstable();
        assert!(
            numbers.into_iter().eq(1..=at),
            "the rows after transaction {at}"
        );
        store.close();
    }
    let early = restored(&depot, &index, first.0 - 1).map(drop);
    assert!(
        matches!(early, Err(CutError::BeginsLate { .. })),
        "{early:?}"
    );
    let beyond = restored(&depot, &index, LAST + 1).map(drop);
    assert!(beyond.is_err());
}

#[test]
fn damage_is_found_and_named() {
    let original = tempfile::tempdir().unwrap();
    let replica = original.path().join("replica");
    fill(&replica);
    let place = tempfile::tempdir().unwrap();
    let depot = Folder::new(place.path().to_owned());
    let index = backed_up(&replica, &depot);
    let piece = &index.files[0].pieces[0];
    let path = place.path().join(piece.key().unwrap());
    let good = std::fs::read(&path).unwrap();
    let content = |object: &[u8]| zstd::bulk::decompress(&object[1..], 1 << 20).ok();
    assert!(content(&good).is_some(), "a log is worth compressing");
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        let bad = verify(&depot, &index, &mut HashSet::new(), &mut |_, _| ());
        let is_named = bad.iter().any(|bad| {
            bad.path == index.files[0].path
                && bad.at == 0
                && bad.error.to_string().contains(&piece.hash)
        });
        // Some bits of a zstd frame can be one or the other: its content is the same.
        let is_harmless = at > 0 && content(&bytes) == content(&good);
        assert!(is_named || is_harmless, "byte {at} of {}", good.len());
    }
    let target = tempfile::tempdir().unwrap();
    std::fs::remove_file(&path).unwrap();
    let refused = restore_files(&depot, &index, target.path(), &mut |_, _| ());
    let text = refused.unwrap_err().to_string();
    assert!(
        text.contains(&index.files[0].path) && text.contains(&piece.hash),
        "{text}"
    );
}

/// Set for the process that reaches the store by the way of the command line.
#[cfg(feature = "s3")]
const S3_PLACE: &str = "SPACETIME_TEST_S3_PLACE";

#[cfg(feature = "s3")]
#[test]
fn backups_go_to_an_s3_store_over_http() {
    if let Ok(place) = std::env::var(S3_PLACE) {
        let original = tempfile::tempdir().unwrap();
        let replica = original.path().join("replica");
        fill(&replica);
        let depot = spacetime_backup::open_depot(&place).unwrap();
        assert_eq!(newest(&*depot, "d0").unwrap(), None);
        let index = backed_up(&replica, &*depot);
        let folder = restored(&*depot, &index, 700).unwrap();
        let mut store = Store::open(&storage(), folder.path(), Files::Known, None).unwrap();
        assert_eq!(store.last_offset(), Some(TxOffset(700)));
        store.close();
        return;
    }
    let server = s3::Server::start();
    // The settings come from the environment, which belongs to a whole process.
    let run = || {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "backups_go_to_an_s3_store_over_http"])
            .env(S3_PLACE, "s3://bucket/some/prefix")
            .env("AWS_ENDPOINT_URL", server.url())
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "nowhere-1")
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret");
        command.output().unwrap()
    };
    let output = run();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    let objects = server.objects();
    assert!(objects.len() > 2, "pieces and an index: {objects:?}");
    let prefixes = ["some/prefix/objects/", "some/prefix/backups/d0/"];
    for prefix in prefixes {
        assert!(
            objects.iter().any(|key| key.starts_with(prefix)),
            "{objects:?}"
        );
    }
    let seen = server.requests();
    for method in ["GET", "PUT", "HEAD", "LIST"] {
        assert!(seen.contains(method), "{seen:?}");
    }
    // A store that refuses is an error, not an absence.
    server.refuse();
    let output = run();
    assert!(!output.status.success());
}

#[cfg(feature = "s3")]
#[test]
fn an_object_store_keeps_backups_like_a_folder() {
    let original = tempfile::tempdir().unwrap();
    let replica = original.path().join("replica");
    fill(&replica);
    let store = Arc::new(object_store::memory::InMemory::new());
    let depot = spacetime_backup::ObjectDepot::over(store, "some/prefix/").unwrap();
    let index = backed_up(&replica, &depot);
    let folder = restored(&depot, &index, 700).unwrap();
    let mut store = Store::open(&storage(), folder.path(), Files::Known, None).unwrap();
    assert_eq!(store.last_offset(), Some(TxOffset(700)));
    store.close();
}

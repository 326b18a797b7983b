//! Snapshots that are not what they should be: refused, with the reason, and never a panic.

use std::sync::Arc;

use proptest::prelude::*;
use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, SequenceDef, TableDef};
use spacetime_table::{
    Datastore, IndexAlgorithm, LayoutFingerprint, ReplayError, RestoreError, RestoredBlob,
    RestoredPage,
};
use spacetime_types::{AlgebraicType, ColId, TableId};

/// A snapshot in memory.
#[derive(Clone)]
struct Snapshot {
    tables: Vec<Pages>,
    blobs: Vec<RestoredBlob>,
}

#[derive(Clone)]
struct Pages {
    id: TableId,
    fingerprint: LayoutFingerprint,
    row_count: u64,
    images: Vec<Vec<u8>>,
}

const KEYED: &str = "keyed";
const BAG: &str = "bag";

fn large(n: u8) -> Vec<u8> {
    let mut row = 9_000u32.to_le_bytes().to_vec();
    row.extend_from_slice(&[n; 9_000]);
    row
}

/// A table with a generated key and one without a key, an event table and large values.
fn database() -> Datastore {
    let mut keyed = TableDef::new(
        KEYED,
        vec![
            ColumnDef::new("id", AlgebraicType::U32),
            ColumnDef::new("ok", AlgebraicType::Bool),
        ],
    );
    keyed.primary_key = Some(ColId(0));
    keyed.indexes = vec![IndexDef {
        name: "keyed_id".into(),
        accessor: None,
        algorithm: IndexAlgorithm::Hash(vec![ColId(0)]),
    }];
    keyed.constraints = vec![ConstraintDef {
        name: "keyed_id_key".into(),
        columns: vec![ColId(0)],
    }];
    keyed.sequences = vec![SequenceDef::new("keyed_id_seq", ColId(0))];
    let bytes = AlgebraicType::Array(Box::new(AlgebraicType::U8));
    let bag = TableDef::new(BAG, vec![ColumnDef::new("bytes", bytes)]);
    let mut event = TableDef::new("event", vec![ColumnDef::new("n", AlgebraicType::U8)]);
    event.is_event = true;
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let [keyed, bag, _] =
        [&keyed, &bag, &event].map(|def| datastore.create_table(def).expect("a definition"));
    for n in 0..40u8 {
        datastore
            .insert(keyed, &[0, 0, 0, 0, n % 2])
            .expect("a row");
        datastore.insert(bag, &large(n % 3)).expect("a row");
        datastore
            .insert(bag, &[1, 0, 0, 0, n])
            .expect("a short row");
    }
    datastore.commit();
    datastore
}

fn snapshot(datastore: &Datastore) -> Snapshot {
    let view = datastore.view();
    let blobs = view.snapshot_blobs().into_iter().map(|blob| RestoredBlob {
        name: *blob.name,
        bytes: Arc::clone(blob.bytes),
        uses: blob.uses,
    });
    let tables = view.snapshot_tables().into_iter().map(|table| Pages {
        id: table.id(),
        fingerprint: table.fingerprint(),
        row_count: table.row_count(),
        images: table
            .pages()
            .map(|page| {
                let mut image = Vec::new();
                page.write_image(&mut image);
                image
            })
            .collect(),
    });
    Snapshot {
        blobs: blobs.collect(),
        tables: tables.collect(),
    }
}

fn restore(snapshot: &Snapshot) -> Result<Datastore, RestoreError> {
    let mut datastore = Datastore::new();
    datastore.restore_begin(snapshot.blobs.clone())?;
    for table in &snapshot.tables {
        datastore.restore_table(table.id, table.fingerprint, table.row_count, &table.images)?;
    }
    datastore.restore_end()?;
    datastore.finish_replay()?;
    Ok(datastore)
}

fn refused(snapshot: &Snapshot) -> RestoreError {
    match restore(snapshot) {
        Ok(_) => panic!("a wrong snapshot was accepted"),
        Err(error) => error,
    }
}

impl Snapshot {
    fn user(&mut self, nth: usize) -> &mut Pages {
        let mut users = self.tables.iter_mut().filter(|table| table.id.0 >= 4096);
        users.nth(nth).expect("a user's table")
    }
}

#[test]
fn a_snapshot_brings_the_database_back() {
    let before = database();
    let mut after = restore(&snapshot(&before)).expect("a right snapshot");
    assert_eq!(after.check_integrity(), Ok(()));
    let keyed = after.table_id(KEYED).expect("the table");
    assert_eq!(after.row_count(keyed), Some(40));
    // The sequence goes on behind what its row allows, as after any restart.
    after.begin_tx();
    let inserted = after.insert(keyed, &[0, 0, 0, 0, 1]).expect("a row");
    assert_eq!(inserted.generated.as_slice(), 4097u32.to_le_bytes());
    let bag = after.table_id(BAG).expect("the table");
    assert_eq!(after.clear(bag), Ok(43));
    after.commit();
    let blobs = after.view().snapshot_blobs().len();
    assert_eq!(blobs, 0, "blobs go with their last user");
}

#[test]
fn pages_can_be_decoded_by_the_caller() {
    let snapshot = snapshot(&database());
    let mut datastore = Datastore::new();
    datastore
        .restore_begin(snapshot.blobs.clone())
        .expect("blobs");
    for table in &snapshot.tables {
        let (layout, blobs) = datastore
            .restore_layout(table.id, table.fingerprint)
            .expect("the table");
        let decode = |image: &Vec<u8>| {
            let page = RestoredPage::decode(&layout, image, blobs).expect("a right image");
            page.with_hash(*blake3::hash(image).as_bytes())
        };
        let pages: Vec<RestoredPage> = table.images.iter().map(decode).collect();
        datastore
            .restore_pages(table.id, table.fingerprint, table.row_count, pages)
            .expect("the table");
    }
    datastore.restore_end().expect("a whole snapshot");
    datastore.finish_replay().expect("a right snapshot");
    assert_eq!(datastore.check_integrity(), Ok(()));
    for (table, given) in datastore
        .view()
        .snapshot_tables()
        .iter()
        .zip(&snapshot.tables)
    {
        let hashes: Vec<_> = table.pages().map(|page| page.hash()).collect();
        let expected = given
            .images
            .iter()
            .map(|image| *blake3::hash(image).as_bytes());
        assert!(expected.eq(hashes), "equal rows have equal images");
    }
}

#[test]
fn wrong_snapshots_are_refused_with_the_reason() {
    let right = snapshot(&database());
    let with = |change: &dyn Fn(&mut Snapshot)| {
        let mut wrong = right.clone();
        change(&mut wrong);
        refused(&wrong)
    };
    let missing = with(&|snapshot| drop(snapshot.tables.pop()));
    assert!(matches!(missing, RestoreError::MissingTable(name) if &*name == BAG));
    let count = with(&|snapshot| snapshot.user(0).row_count += 1);
    assert!(matches!(
        count,
        RestoreError::RowCount {
            expected: 41,
            found: 40,
            ..
        }
    ));
    let lost_page = with(&|snapshot| drop(snapshot.user(1).images.pop()));
    assert!(matches!(lost_page, RestoreError::RowCount { .. }));
    let swapped = with(&|snapshot| {
        let fingerprint = snapshot.user(0).fingerprint;
        snapshot.user(1).fingerprint = fingerprint;
    });
    assert!(matches!(swapped, RestoreError::OtherLayout(name) if &*name == BAG));
    let unknown = with(&|snapshot| snapshot.user(0).id = TableId(9_999));
    assert_eq!(unknown, RestoreError::UnknownTable(TableId(9_999)));
    let twice = with(&|snapshot| {
        let table = snapshot.user(0).clone();
        snapshot.tables.push(table);
    });
    assert!(matches!(twice, RestoreError::OutOfOrder(_)));
    let late = with(&|snapshot| {
        let first = snapshot.tables.remove(0);
        snapshot.tables.push(first);
    });
    // The schema was wanted before the table that holds it had come.
    assert!(matches!(late, RestoreError::Schema(_)), "{late:?}");
}

#[test]
fn rows_that_are_there_twice_are_refused() {
    let right = snapshot(&database());
    for (table, is_known) in [(0, KEYED), (1, BAG)] {
        let mut wrong = right.clone();
        let pages = wrong.user(table);
        let again = pages.images[0].clone();
        pages.row_count += row_count(&again);
        pages.images.push(again);
        if table == 1 {
            wrong.blobs.iter_mut().for_each(|blob| blob.uses *= 2);
        }
        // When the indexes are built, at the end.
        let error = refused(&wrong);
        let RestoreError::Schema(ReplayError::DuplicateRow { table }) = error else {
            panic!("{error:?}");
        };
        assert_eq!(&*table, is_known);
    }
}

#[test]
fn indexes_are_built_in_any_order_on_any_threads() {
    let before = database();
    let mut datastore = Datastore::new();
    let snapshot = snapshot(&before);
    datastore
        .restore_begin(snapshot.blobs.clone())
        .expect("right blobs");
    for table in &snapshot.tables {
        let (id, fingerprint) = (table.id, table.fingerprint);
        let restored = datastore.restore_table(id, fingerprint, table.row_count, &table.images);
        restored.expect("a right snapshot");
    }
    datastore.restore_end().expect("a whole snapshot");
    let mut rows = 0;
    let finished = datastore.finish_replay_with(|jobs| {
        std::thread::scope(|scope| {
            let threads = jobs.into_iter().rev().map(|job| {
                rows += job.rows();
                scope.spawn(|| job.run())
            });
            let threads: Vec<_> = threads.collect();
            let mut done = threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"));
            done.try_for_each(|done| done)
        })
    });
    assert_eq!(finished, Ok(()));
    assert!(rows > 80, "{rows} rows to enter");
    datastore.check_integrity().expect("consistent");
}

/// Rows of an image with fewer than 64 slots.
fn row_count(image: &[u8]) -> u64 {
    let bits = image[4..].first_chunk().expect("a word of bits");
    u64::from(u64::from_le_bytes(*bits).count_ones())
}

#[test]
fn large_values_are_counted() {
    let right = snapshot(&database());
    let mut wrong = right.clone();
    wrong.blobs[0].uses += 1;
    assert!(matches!(
        refused(&wrong),
        RestoreError::BlobUses {
            expected: 2,
            found: 1
        }
    ));
    let mut wrong = right.clone();
    wrong.blobs[0].bytes = (&b"other"[..]).into();
    assert!(matches!(refused(&wrong), RestoreError::Blob(_)));
    let mut wrong = right.clone();
    wrong.blobs.pop();
    assert!(matches!(refused(&wrong), RestoreError::Pages { .. }));
    let mut wrong = right;
    let bytes: Arc<[u8]> = (&b"nobody uses this"[..]).into();
    wrong.blobs.push(RestoredBlob {
        name: *blake3::hash(&bytes).as_bytes(),
        bytes,
        uses: 1,
    });
    assert!(matches!(refused(&wrong), RestoreError::BlobUses { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Whatever is wrong with the pages: an error, or a database that holds together.
    #[test]
    fn damage_never_gives_a_broken_database(
        table in any::<prop::sample::Index>(),
        page in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<u8>()), 1..4),
    ) {
        thread_local! {
            static RIGHT: Snapshot = snapshot(&database());
        }
        let mut wrong = RIGHT.with(Clone::clone);
        let with_pages = wrong.tables.iter_mut().filter(|table| !table.images.is_empty());
        let mut with_pages: Vec<&mut Pages> = with_pages.collect();
        let at = table.index(with_pages.len());
        let images = &mut with_pages[at].images;
        let at = page.index(images.len());
        let image = &mut images[at];
        for (at, kind, byte) in damage {
            let at = at.index(image.len().max(1));
            match (kind, image.get_mut(at)) {
                (0, Some(place)) => *place = byte,
                (1, Some(place)) => *place ^= 1 << (byte % 8),
                (2, _) => image.truncate(at),
                _ => image.insert(at.min(image.len()), byte),
            }
        }
        if let Ok(restored) = restore(&wrong) {
            prop_assert_eq!(restored.check_integrity(), Ok(()));
        }
    }
}

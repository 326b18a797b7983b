//! A database with a known history, written by the real writer to a simulated disk.
//!
//! Tables: `player` (generated u32 key, name, score), `note` (text, option, enum; no key),
//! `passing` (an event table), `old` (dropped on the way).
//!
//! | offset | what |
//! |---|---|
//! | 0 | the tables are created, without a call |
//! | 1 ..= 20 | `join`: player n is inserted, and a note, and a passing event |
//! | 21 | `score`: player 3 gets 30 points |
//! | 22 | `__identity_connected__`, which changes nothing |
//! | 23 | `leave`: player 5 is deleted |
//! | 24 | `forget`: all notes are deleted |
//! | 25 | without a call: the table `old` is dropped, the enum of `note` grows |
//! | 26 ..= 30 | `write`: a note with the new variant |

#![allow(dead_code, reason = "no test file needs everything")]

use std::path::Path;
use std::sync::Arc;

use spacetime_commitlog::segment::{HEADER_LEN, Version, encode_header};
use spacetime_commitlog::storage::{OpenMode, Storage};
use spacetime_commitlog::{CommitBuffer, CommitHeader};
use spacetime_durability::storage::SimStorage;
use spacetime_offline::Place;
use spacetime_store::{CommitInputs, Files, Store};
use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, SequenceDef, TableDef};
use spacetime_table::{Datastore, IndexAlgorithm};
use spacetime_types::{
    AlgebraicType, ColId, ConnectionId, Identity, TableId, Timestamp, TxOffset, bsatn,
};

pub const REPLICA: &str = "/replica";
pub const LOG: &str = "/replica/clog";
/// The transaction after the last one.
pub const NEXT: u64 = 31;
/// Time of the call of transaction `n` is this and `n` seconds.
pub const TIME: i64 = 1_700_000_000_000_000;

/// The disk of the whole history, in one segment.
pub fn disk() -> SimStorage {
    let disk = SimStorage::new(7);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let mut store = Store::open(&storage, REPLICA.as_ref(), Files::MayBeNew, None).unwrap();
    let mut history = History { store: &mut store };
    history.write();
    store.close();
    drop(store);
    disk.fork(1)
}

/// The same with a segment for each of these ranges: `[10, 20]` gives 0.., 10.., 20...
pub fn disk_with_segments(starts: &[u64]) -> SimStorage {
    let disk = disk();
    let whole = content(&disk, 0);
    let mut parts: Vec<(u64, Vec<u8>)> = vec![(0, encode_header().to_vec())];
    for (offset, frame) in frames(&whole) {
        if starts.contains(&offset) {
            parts.push((offset, encode_header().to_vec()));
        }
        parts.last_mut().unwrap().1.extend_from_slice(frame);
    }
    for (start, bytes) in parts {
        write(&disk, &segment_path(start), &bytes);
    }
    disk.fork(1)
}

pub fn place(disk: &SimStorage) -> Place {
    Place::open_on(Arc::new(disk.clone()), REPLICA.as_ref()).unwrap()
}

pub fn segment_path(start: u64) -> String {
    format!("{LOG}/{start:020}.stdb.log")
}

pub fn content(disk: &SimStorage, start: u64) -> Vec<u8> {
    disk.content(segment_path(start).as_ref()).unwrap()
}

pub fn write(disk: &SimStorage, path: &str, bytes: &[u8]) {
    let file = disk
        .open(path.as_ref(), OpenMode::CreateOrTruncate)
        .unwrap();
    file.write_all_at(0, bytes).unwrap();
}

/// The commits of a segment: first offset and frame.
pub fn frames(segment: &[u8]) -> Vec<(u64, &[u8])> {
    let mut frames = Vec::new();
    let mut rest = &segment[HEADER_LEN..];
    while let Some(header) = CommitHeader::decode(Version::V1, rest) {
        let len = usize::try_from(header.frame_len(Version::V1)).unwrap();
        frames.push((header.start.0, &rest[..len]));
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
    frames
}

/// Where the commit of a transaction begins in a segment.
pub fn position(segment: &[u8], offset: u64) -> usize {
    let mut at = HEADER_LEN;
    for (start, frame) in frames(segment) {
        if start == offset {
            return at;
        }
        at += frame.len();
    }
    panic!("no commit of transaction {offset}");
}

/// A commit of these records.
pub fn commit(start: u64, records: &[Vec<u8>]) -> Vec<u8> {
    let mut commit = CommitBuffer::new();
    for record in records {
        commit.push(|out| out.extend_from_slice(record)).unwrap();
    }
    commit.finish(TxOffset(start), 0).bytes.to_vec()
}

/// All rows of a table, sorted.
pub fn rows(datastore: &Datastore, table: &str) -> Vec<Vec<u8>> {
    let id = datastore.table_id(table).unwrap();
    let scan = datastore.scan(id).unwrap();
    let mut rows: Vec<Vec<u8>> = scan
        .map(|ptr| {
            let mut row = Vec::new();
            datastore.read_row(id, ptr, &mut row);
            row
        })
        .collect();
    rows.sort();
    rows
}

pub fn player(id: u32, name: &str, score: i64) -> Vec<u8> {
    [
        bsatn::to_vec(&id),
        bsatn::to_vec(name),
        bsatn::to_vec(&score),
    ]
    .concat()
}

pub fn identity() -> Identity {
    Identity::from_claims("offline", "tester")
}

fn note(text: &str, about: Option<u32>, kind: u8) -> Vec<u8> {
    [bsatn::to_vec(text), bsatn::to_vec(&about), vec![kind]].concat()
}

fn note_columns(kinds: &[&str]) -> Vec<ColumnDef> {
    vec![
        ColumnDef::new("text", AlgebraicType::String),
        ColumnDef::new("about", AlgebraicType::option(AlgebraicType::U32)),
        ColumnDef::new("kind", AlgebraicType::plain_enum(kinds.iter().copied())),
    ]
}

struct History<'a> {
    store: &'a mut Store,
}

impl History<'_> {
    fn write(&mut self) {
        let [player_table, note_table, passing, old] = self.create();
        for n in 1..=20_u32 {
            let name = format!("player {n}");
            self.transact(Some("join"), |data| {
                data.insert(player_table, &player(0, &name, 0)).unwrap();
                let text = format!("welcome, {name}");
                data.insert(note_table, &note(&text, Some(n), 0)).unwrap();
                data.insert(passing, &bsatn::to_vec(&n)).unwrap();
                data.insert(old, &bsatn::to_vec(&n)).unwrap();
            });
        }
        self.transact(Some("score"), |data| {
            assert!(
                data.delete_eq(player_table, &player(3, "player 3", 0))
                    .unwrap()
            );
            data.insert(player_table, &player(3, "player 3", 30))
                .unwrap();
        });
        self.transact(Some("__identity_connected__"), |_| {});
        self.transact(Some("leave"), |data| {
            assert!(
                data.delete_eq(player_table, &player(5, "player 5", 0))
                    .unwrap()
            );
        });
        self.transact(Some("forget"), |data| {
            data.clear(note_table).unwrap();
        });
        self.transact(None, |data| {
            data.drop_table(old).unwrap();
            let columns = note_columns(&["plain", "bold", "red"]);
            data.set_columns(note_table, &columns).unwrap();
        });
        for n in 26..=30_u32 {
            self.transact(Some("write"), |data| {
                let text = format!("it's \"{n}\", \u{fc}");
                data.insert(note_table, &note(&text, None, 2)).unwrap();
            });
        }
        assert_eq!(self.store.last_offset(), Some(TxOffset(NEXT - 1)));
    }

    fn create(&mut self) -> [TableId; 4] {
        let mut ids = [TableId(0); 4];
        let mut player = TableDef::new(
            "player",
            vec![
                ColumnDef::new("id", AlgebraicType::U32),
                ColumnDef::new("name", AlgebraicType::String),
                ColumnDef::new("score", AlgebraicType::I64),
            ],
        );
        player.primary_key = Some(ColId(0));
        player.indexes = vec![IndexDef {
            name: "player_id_idx_btree".into(),
            accessor: None,
            algorithm: IndexAlgorithm::BTree(vec![ColId(0)]),
        }];
        player.constraints = vec![ConstraintDef {
            name: "player_id_key".into(),
            columns: vec![ColId(0)],
        }];
        player.sequences = vec![SequenceDef::new("player_id_seq", ColId(0))];
        let note = TableDef::new("note", note_columns(&["plain", "bold"]));
        let number = || vec![ColumnDef::new("n", AlgebraicType::U32)];
        let mut passing = TableDef::new("passing", number());
        passing.is_event = true;
        let old = TableDef::new("old", number());
        self.transact(None, |data| {
            for (id, def) in ids.iter_mut().zip([player, note, passing, old]) {
                *id = data.create_table(&def).unwrap();
            }
        });
        ids
    }

    /// One transaction, which becomes one commit.
    fn transact(&mut self, reducer: Option<&str>, act: impl FnOnce(&mut Datastore)) {
        let next = self.store.last_offset().map_or(0, |last| last.0 + 1);
        let micros = TIME + i64::try_from(next).unwrap() * 1_000_000;
        let inputs = reducer.map(|reducer| CommitInputs {
            reducer: reducer.into(),
            caller: identity(),
            connection_id: ConnectionId(5),
            timestamp: Timestamp::from_micros(micros),
            args: bsatn::to_vec(&next).into(),
        });
        self.store.datastore_mut().begin_tx();
        act(self.store.datastore_mut());
        let committed = self.store.commit(inputs).unwrap();
        assert_eq!(committed.offset, Some(TxOffset(next)));
        self.store.wait_durable(committed.offset).unwrap();
    }
}

/// Opens the replica as a server does.
pub fn open_store(disk: &SimStorage) -> Result<Store, String> {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    Store::open(&storage, Path::new(REPLICA), Files::Known, None).map_err(|e| e.to_string())
}

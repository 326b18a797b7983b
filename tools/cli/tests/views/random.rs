//! Random writes and subscriptions: after every message each client holds what a model of the
//! views says, and no message comes where nothing changed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::harness::Login;
use crate::harness::websocket::v2::Client;
use crate::{Game, only};

const STEPS: u32 = 150;

/// Views by the number of the set that subscribes to them, with the names that clients get.
const VIEWS: [(u32, &str); 5] = [
    (1, "my_notes"),
    (2, "my_notes_by_query"),
    (3, "my_week"),
    (4, "first_note"),
    (5, "NoteCount"),
];

fn view_of(set: u32) -> &'static str {
    let found = VIEWS.iter().find(|(number, _)| *number == set);
    found.unwrap().1
}

type Cache = BTreeSet<Vec<u8>>;

struct Note {
    author: [u8; 32],
    day: u32,
    text: String,
}

/// What the tables hold.
#[derive(Default)]
struct Model(BTreeMap<u64, Note>);

impl Model {
    fn rows_of(&self, view: &str, reader: &[u8; 32]) -> Cache {
        if view == "NoteCount" {
            let count = u64::try_from(self.0.len()).unwrap();
            return (count > 0)
                .then(|| count.to_le_bytes().to_vec())
                .into_iter()
                .collect();
        }
        let is_seen = |id: u64, note: &Note| match view {
            "first_note" => id == 1,
            "my_week" => note.author == *reader && (7..14).contains(&note.day),
            _ => note.author == *reader,
        };
        let notes = self.0.iter().filter(|(id, note)| is_seen(**id, note));
        notes.map(|(id, note)| row(*id, note)).collect()
    }
}

fn row(id: u64, note: &Note) -> Vec<u8> {
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.extend_from_slice(&note.author);
    bytes.extend_from_slice(&note.day.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(note.text.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(note.text.as_bytes());
    bytes
}

/// A client with what it believes.
struct Reader {
    client: Client,
    caches: BTreeMap<u32, Cache>,
}

impl Reader {
    fn expected(&self, model: &Model) -> BTreeMap<u32, Cache> {
        let rows = |set: &u32| model.rows_of(view_of(*set), &self.client.identity);
        self.caches.keys().map(|set| (*set, rows(set))).collect()
    }

    /// Takes in what a transaction did, if it concerns this client.
    fn follow(&mut self, model: &Model, step: u32) {
        let expected = self.expected(model);
        if expected == self.caches {
            return;
        }
        for change in self.client.next_update() {
            let cache = self.caches.get_mut(&change.set).unwrap();
            for row in &change.deletes {
                assert!(cache.remove(row), "step {step}: {change:?}");
            }
            for row in change.inserts {
                assert!(cache.insert(row), "step {step}: set {}", change.set);
            }
        }
        assert_eq!(self.caches, expected, "step {step}");
    }

    fn toggle(&mut self, set: u32, model: &Model, step: u32) {
        let view = view_of(set);
        let rows = match self.caches.remove(&set) {
            None => {
                let query = format!("SELECT * FROM \"{view}\"");
                let rows = only(self.client.subscribe(set, &[&query]).unwrap());
                self.caches.insert(set, rows.iter().cloned().collect());
                rows
            }
            Some(_) => only(self.client.unsubscribe(set, true).unwrap().unwrap()),
        };
        let expected = model.rows_of(view, &self.client.identity);
        assert_eq!(rows, Vec::from_iter(expected), "step {step}: {view}");
    }
}

/// A plain generator of numbers: the same seed gives the same run.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        u32::try_from(self.0 >> 33).unwrap() % bound
    }

    /// A place in something of this length.
    pub fn index(&mut self, len: usize) -> usize {
        place(self.below(u32::try_from(len).unwrap()))
    }
}

fn place(number: u32) -> usize {
    usize::try_from(number).unwrap()
}

#[test]
fn clients_hold_what_the_model_says() {
    let game = Game::publish("random");
    let logins: Vec<Login> = (0..3).map(|_| game.server.new_login()).collect();
    // Two connections of the first identity share its results.
    let readers = [0, 0, 1, 2].map(|login| Reader {
        client: game.client(&logins[login]),
        caches: BTreeMap::new(),
    });
    let mut readers = Vec::from(readers);
    let mut writers: Vec<Client> = logins.iter().map(|login| game.client(login)).collect();
    let mut model = Model::default();
    let mut numbers = Numbers(20_261_123);
    for step in 0..STEPS {
        let id = 1 + u64::from(numbers.below(5));
        let writer = &mut writers[place(numbers.below(3))];
        match numbers.below(5) {
            0 | 1 => {
                let note = Note {
                    author: writer.identity,
                    day: 5 + numbers.below(12),
                    text: ["a", "b"][place(numbers.below(2))].to_owned(),
                };
                let arguments = (id, note.day, note.text.clone());
                let arguments = spacetime_types::bsatn::to_vec(&arguments);
                assert_eq!(writer.call("write_note", &arguments).changes(), []);
                model.0.insert(id, note);
            }
            2 => {
                assert_eq!(writer.call("erase_note", &id.to_le_bytes()).changes(), []);
                model.0.remove(&id);
            }
            _ => {
                let reader = place(numbers.below(4));
                let set = 1 + numbers.below(5);
                readers[reader].toggle(set, &model, step);
            }
        }
        for reader in &mut readers {
            reader.follow(&model, step);
        }
    }
    let counted = game.rows(&game.owner, "SELECT * FROM note_count");
    assert_eq!(counted.len(), usize::from(!model.0.is_empty()));
    assert!(model.0.is_empty() || counted == [json!([model.0.len()])]);
}

//! The modules under the clients: what can be asked of them, what can be called, and what every
//! query results in.

use spacetime_types::bsatn::{self, Reader};

use super::history::{Query, State, Viewer};
use crate::random::Numbers;

/// A module as the clients use it.
pub struct World {
    pub module: &'static str,
    /// The tables that everything comes from.
    pub tables: &'static [&'static str],
    pub queries: &'static [Query],
    /// A random call, by name and arguments.
    pub call: fn(&mut Numbers) -> (&'static str, Vec<u8>),
    /// A random procedure without arguments.
    pub procedure: Option<&'static str>,
    /// A random statement of the owner.
    pub statement: fn(&mut Numbers) -> String,
    /// A call that nobody else makes, and a part of the row that it inserts.
    pub mark: fn() -> (&'static str, Vec<u8>),
}

pub const MARK: u64 = 0x6d61_726b_6d61_726b;

/// Visibility rules over two tables, and a view that they do not apply to.
pub const VISIBILITY: World = World {
    module: "visibility",
    tables: &["letter", "member", "notice"],
    queries: &[
        Query {
            sql: "SELECT * FROM letter",
            table: "letter",
            rows: |state, viewer| visible(state, viewer, |_| true),
        },
        Query {
            sql: "SELECT * FROM letter WHERE author = :sender",
            table: "letter",
            rows: |state, viewer| visible(state, viewer, |letter| letter.author == viewer.identity),
        },
        Query {
            sql: "SELECT * FROM letter WHERE \"group\" = 2",
            table: "letter",
            rows: |state, viewer| visible(state, viewer, |letter| letter.group == 2),
        },
        Query {
            sql: "SELECT * FROM letter WHERE id < 5 AND text <> 'a'",
            table: "letter",
            rows: |state, viewer| {
                visible(state, viewer, |letter| letter.id < 5 && letter.text != "a")
            },
        },
        Query {
            sql: "SELECT * FROM notice",
            table: "notice",
            rows: |state, _| rows(state, "notice").collect(),
        },
        Query {
            sql: "SELECT letter.* FROM letter JOIN notice ON letter.id = notice.id",
            table: "letter",
            rows: |state, viewer| visible(state, viewer, |letter| is_noticed(state, letter.id)),
        },
        Query {
            sql: "SELECT notice.* FROM letter JOIN notice ON letter.id = notice.id \
                  WHERE letter.\"group\" > 0",
            table: "notice",
            rows: |state, viewer| {
                let letters = visible(state, viewer, |letter| {
                    letter.group > 0 && is_noticed(state, letter.id)
                });
                letters.into_iter().map(|row| row[..8].to_vec()).collect()
            },
        },
        Query {
            sql: "SELECT * FROM every_letter",
            table: "every_letter",
            rows: |state, _| rows(state, "letter").collect(),
        },
        Query {
            sql: "SELECT * FROM every_letter WHERE \"group\" = 1",
            table: "every_letter",
            rows: |state, _| {
                let all = rows(state, "letter");
                all.filter(|row| Letter::read(row).group == 1).collect()
            },
        },
        Query {
            sql: "SELECT * FROM notice ORDER BY id DESC LIMIT 3",
            table: "notice",
            rows: |state, _| {
                let mut all: Vec<Vec<u8>> = rows(state, "notice").collect();
                all.sort_by_key(|row| std::cmp::Reverse(first_number(row)));
                all.truncate(3);
                all
            },
        },
    ],
    call: |numbers| {
        let id = u64::from(numbers.below(10));
        let group = numbers.below(4);
        match numbers.below(20) {
            0..10 => {
                let text = ["a", "b", "c"][number_of(numbers.below(3))].to_owned();
                ("write", bsatn::to_vec(&(id, group, text)))
            }
            10..14 => ("enter", group.to_le_bytes().to_vec()),
            14..16 => ("leave", Vec::new()),
            _ => ("announce", id.to_le_bytes().to_vec()),
        }
    },
    procedure: None,
    statement: |numbers| {
        let id = numbers.below(10);
        match numbers.below(3) {
            0 => format!("DELETE FROM letter WHERE id = {id}"),
            1 => format!("UPDATE letter SET text = 'd' WHERE id = {id}"),
            _ => format!("DELETE FROM notice WHERE id = {id}"),
        }
    },
    mark: || ("announce", MARK.to_le_bytes().to_vec()),
};

/// Views for everybody and views for each caller, by functions and by queries.
pub const VIEWS: World = World {
    module: "views",
    tables: &["player", "score", "note"],
    queries: &[
        Query {
            sql: "SELECT * FROM my_player",
            table: "my_player",
            rows: |state, viewer| {
                let all = rows(state, "player");
                all.filter(|row| row[8..40] == viewer.identity).collect()
            },
        },
        Query {
            sql: "SELECT * FROM ranking",
            table: "ranking",
            rows: |state, _| ranking(state),
        },
        Query {
            sql: "SELECT * FROM veteran",
            table: "veteran",
            rows: |state, _| players(state, |_, level| level >= 10),
        },
        Query {
            sql: "SELECT * FROM player WHERE level < 8",
            table: "player",
            rows: |state, _| players(state, |_, level| level < 8),
        },
        Query {
            sql: "SELECT * FROM writer",
            table: "writer",
            rows: |state, _| {
                players(state, |id, _| {
                    rows(state, "note").any(|row| first_number(&row) == id)
                })
            },
        },
        Query {
            sql: "SELECT * FROM my_notes",
            table: "my_notes",
            rows: |state, viewer| notes(state, |_, author, _| author == viewer.identity),
        },
        Query {
            sql: "SELECT * FROM my_notes_by_query",
            table: "my_notes_by_query",
            rows: |state, viewer| notes(state, |_, author, _| author == viewer.identity),
        },
        Query {
            sql: "SELECT * FROM my_notes WHERE day = 7",
            table: "my_notes",
            rows: |state, viewer| {
                notes(state, |_, author, day| {
                    author == viewer.identity && day == 7
                })
            },
        },
        Query {
            sql: "SELECT * FROM my_week",
            table: "my_week",
            rows: |state, viewer| {
                let in_week = |day| (7..14).contains(&day);
                notes(state, |_, author, day| {
                    author == viewer.identity && in_week(day)
                })
            },
        },
        Query {
            sql: "SELECT * FROM first_note",
            table: "first_note",
            rows: |state, _| notes(state, |id, _, _| id == 1),
        },
        Query {
            sql: "SELECT * FROM \"NoteCount\"",
            table: "NoteCount",
            rows: |state, _| {
                let count = u64::try_from(rows(state, "note").count()).unwrap();
                let row = (count > 0).then(|| count.to_le_bytes().to_vec());
                row.into_iter().collect()
            },
        },
    ],
    call: |numbers| {
        let id = 1 + u64::from(numbers.below(6));
        let text = ["a", "b"][number_of(numbers.below(2))].to_owned();
        match numbers.below(20) {
            0..4 => ("join", bsatn::to_vec(&(text, 4 + numbers.below(10)))),
            4..7 => ("win", i64::from(numbers.below(3)).to_le_bytes().to_vec()),
            7 => ("leave", Vec::new()),
            8..15 => (
                "write_note",
                bsatn::to_vec(&(id, 5 + numbers.below(12), text)),
            ),
            15 => ("write_note_and_fail", id.to_le_bytes().to_vec()),
            _ => ("erase_note", id.to_le_bytes().to_vec()),
        }
    },
    procedure: Some("promote_all"),
    statement: |numbers| {
        let id = 1 + numbers.below(6);
        match numbers.below(3) {
            0 => format!("DELETE FROM note WHERE id = {id}"),
            1 => format!("UPDATE note SET day = 9 WHERE id = {id}"),
            _ => format!("UPDATE player SET level = 6 WHERE id = {id}"),
        }
    },
    mark: || ("write_note", bsatn::to_vec(&(MARK, 0_u32, String::new()))),
};

fn number_of(number: u32) -> usize {
    usize::try_from(number).unwrap()
}

fn rows<'a>(state: &'a State, table: &str) -> impl Iterator<Item = Vec<u8>> + use<'a> {
    state.get(table).into_iter().flatten().cloned()
}

fn first_number(row: &[u8]) -> u64 {
    u64::from_le_bytes(row[..8].try_into().unwrap())
}

struct Letter {
    id: u64,
    author: [u8; 32],
    group: u32,
    text: String,
}

impl Letter {
    fn read(row: &[u8]) -> Letter {
        let mut reader = Reader::new(row);
        Letter {
            id: u64::from_le_bytes(reader.array("id").unwrap()),
            author: reader.array("author").unwrap(),
            group: reader.u32().unwrap(),
            text: reader.str().unwrap().to_owned(),
        }
    }
}

fn is_noticed(state: &State, id: u64) -> bool {
    state
        .get("notice")
        .is_some_and(|rows| rows.contains(&id.to_le_bytes()[..]))
}

/// The letters that rules let through, each as often as they do.
fn visible(state: &State, viewer: Viewer, condition: impl Fn(&Letter) -> bool) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    for row in rows(state, "letter") {
        let letter = Letter::read(&row);
        if !condition(&letter) {
            continue;
        }
        let member = [&viewer.identity[..], &letter.group.to_le_bytes()].concat();
        let members = state.get("member");
        let is_member = members.is_some_and(|rows| rows.contains(&member));
        let times = match viewer.is_owner {
            true => 1,
            false => usize::from(letter.author == viewer.identity) + usize::from(is_member),
        };
        seen.extend(std::iter::repeat_n(row, times));
    }
    seen
}

fn players(state: &State, condition: impl Fn(u64, u32) -> bool) -> Vec<Vec<u8>> {
    let level = |row: &[u8]| u32::from_le_bytes(row[40..44].try_into().unwrap());
    let all = rows(state, "player");
    all.filter(|row| condition(first_number(row), level(row)))
        .collect()
}

fn notes(state: &State, condition: impl Fn(u64, [u8; 32], u32) -> bool) -> Vec<Vec<u8>> {
    let all = rows(state, "note");
    let is_in = |row: &Vec<u8>| {
        let mut reader = Reader::new(row);
        let id = u64::from_le_bytes(reader.array("id").unwrap());
        let author = reader.array("author").unwrap();
        condition(id, author, reader.u32().unwrap())
    };
    all.filter(is_in).collect()
}

/// Names and points of the players who have some. A view has no row twice.
fn ranking(state: &State) -> Vec<Vec<u8>> {
    let mut ranked = Vec::new();
    for score in rows(state, "score") {
        let points = i64::from_le_bytes(score[8..16].try_into().unwrap());
        let player = first_number(&score);
        let found = rows(state, "player").find(|row| first_number(row) == player);
        if let Some(row) = found
            && points >= 1
        {
            let name = Reader::new(&row[44..]).str().unwrap().to_owned();
            ranked.push(bsatn::to_vec(&(name, points)));
        }
    }
    ranked.sort();
    ranked.dedup();
    ranked
}

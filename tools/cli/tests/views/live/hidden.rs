//! Rows that a client may not see leave no trace in what it is told: the same history with and
//! without them gives the same bytes, but for the times.
//!
//! The order of rows is part of the bytes. Not here: how long an answer takes.

use serde_json::Value;
use spacetime_types::bsatn;

use super::{patient_server, setting};
use crate::harness::websocket::v2::{Client, Outcome};
use crate::harness::{Login, Server, module};
use crate::random::Numbers;

const SEEDS: u32 = 2;
const STEPS: u32 = 160;

/// One history, with or without hidden rows.
struct Scene<'a> {
    server: &'a Server,
    database: String,
    owner: &'a Login,
    /// Who watches, who is seen, who is not.
    logins: &'a [Login; 3],
    with_hidden: bool,
}

/// What the scenes differ in, and what they share.
struct Plot {
    module: &'static str,
    /// What the watching client may ask for.
    queries: &'static [&'static str],
    /// A call of somebody whom it can see, of itself, and of the one whom it cannot see.
    seen: fn(&mut Numbers) -> (&'static str, Vec<u8>),
    own: fn(&mut Numbers) -> (&'static str, Vec<u8>),
    hidden: fn(&mut Numbers) -> (&'static str, Vec<u8>),
    /// A statement of the owner about rows that nobody else sees.
    hidden_statement: fn(&mut Numbers) -> String,
}

/// Letters of others in groups that the watching client never enters.
const LETTERS: Plot = Plot {
    module: "visibility",
    queries: &[
        "SELECT * FROM letter",
        "SELECT * FROM letter WHERE author = :sender",
        "SELECT * FROM letter WHERE \"group\" < 60",
        "SELECT * FROM letter WHERE id > 3",
        "SELECT letter.* FROM letter JOIN notice ON letter.id = notice.id",
        "SELECT notice.* FROM letter JOIN notice ON letter.id = notice.id",
        "SELECT * FROM notice",
    ],
    seen: |numbers| {
        let id = u64::from(numbers.below(10));
        match numbers.below(4) {
            0 => ("announce", (id + 5).to_le_bytes().to_vec()),
            _ => letter(numbers, id, 1),
        }
    },
    own: |numbers| {
        let id = 20 + u64::from(numbers.below(10));
        match numbers.below(6) {
            0 => ("leave", Vec::new()),
            1 | 2 => ("enter", (1 + numbers.below(3)).to_le_bytes().to_vec()),
            _ => letter(numbers, id, 1),
        }
    },
    hidden: |numbers| {
        let id = 100 + u64::from(numbers.below(30));
        match numbers.below(6) {
            0 => ("leave", Vec::new()),
            1 => ("enter", numbers.below(60).to_le_bytes().to_vec()),
            _ => letter(numbers, id, 50),
        }
    },
    hidden_statement: |numbers| {
        let id = 100 + numbers.below(30);
        match numbers.below(3) {
            0 => format!("UPDATE letter SET text = 'changed' WHERE id = {id}"),
            _ => format!("DELETE FROM letter WHERE id = {id}"),
        }
    },
};

/// Notes and scores of others, under views for each caller.
const NOTES: Plot = Plot {
    module: "views",
    queries: &[
        "SELECT * FROM my_player",
        "SELECT * FROM my_notes",
        "SELECT * FROM my_notes WHERE day > 6",
        "SELECT * FROM my_notes_by_query",
        "SELECT * FROM my_week",
        "SELECT * FROM first_note",
    ],
    seen: |numbers| match numbers.below(2) {
        0 => (
            "erase_note",
            u64::from(numbers.below(3)).to_le_bytes().to_vec(),
        ),
        _ => note(numbers, 1, 3),
    },
    own: |numbers| match numbers.below(4) {
        0 => ("join", bsatn::to_vec(&("me".to_owned(), numbers.below(4)))),
        1 => (
            "erase_note",
            u64::from(numbers.below(20)).to_le_bytes().to_vec(),
        ),
        _ => note(numbers, 5, 12),
    },
    hidden: |numbers| match numbers.below(6) {
        0 => (
            "join",
            bsatn::to_vec(&("other".to_owned(), numbers.below(20))),
        ),
        1 => ("win", i64::from(numbers.below(5)).to_le_bytes().to_vec()),
        2 => ("leave", Vec::new()),
        _ => note(numbers, 100, 30),
    },
    hidden_statement: |numbers| {
        let id = 100 + numbers.below(30);
        match numbers.below(3) {
            0 => format!("UPDATE note SET day = 9 WHERE id = {id}"),
            _ => format!("DELETE FROM note WHERE id = {id}"),
        }
    },
};

/// In one of three groups from `group` on.
fn letter(numbers: &mut Numbers, id: u64, group: u32) -> (&'static str, Vec<u8>) {
    let group = group + numbers.below(3);
    let text = "text ".repeat(numbers.index(5));
    ("write", bsatn::to_vec(&(id, group, text)))
}

fn note(numbers: &mut Numbers, first: u64, count: u32) -> (&'static str, Vec<u8>) {
    let id = first + u64::from(numbers.below(count));
    let text = "text ".repeat(numbers.index(5));
    (
        "write_note",
        bsatn::to_vec(&(id, 5 + numbers.below(12), text)),
    )
}

/// The client that watches, and the frames that it got.
struct Watcher {
    client: Client,
    requests: u32,
    frames: Vec<Vec<u8>>,
    /// Answers over HTTP.
    answers: Vec<Value>,
}

impl Watcher {
    /// Sends, and reads up to the answer.
    fn ask(&mut self, message: impl FnOnce(u32) -> Vec<u8>) {
        self.requests += 1;
        let request = self.requests;
        self.client.socket.send(message(request));
        loop {
            let mut frame = self.client.socket.next_bytes();
            // Behind the tag of the compression and that of the message.
            let answers = match frame[1] {
                1 | 2 | 5 | 6 => frame[2..6] == request.to_le_bytes(),
                // An error names the request if there is one.
                3 => frame[2] == 0 && frame[3..7] == request.to_le_bytes(),
                _ => false,
            };
            if frame[1] == 6 {
                // The time of the call.
                frame[6..14].fill(0);
            }
            self.frames.push(frame);
            if answers {
                return;
            }
        }
    }
}

impl Scene<'_> {
    fn client(&self, login: usize) -> Client {
        Client::of(self.server, &self.database, &self.logins[login])
    }

    /// Calls as somebody who subscribes to nothing. Failures are part of the history.
    fn call(&self, client: &mut Client, (reducer, arguments): (&'static str, Vec<u8>)) {
        let outcome = client.call(reducer, &arguments);
        if let Outcome::Ok(changes) = outcome {
            assert_eq!(changes, []);
        }
    }

    fn hide(&self, plot: &Plot, client: &mut Client, random: &mut Numbers) {
        if !self.with_hidden {
            return;
        }
        for _ in 0..random.below(4) {
            if random.below(5) == 0 {
                let statement = (plot.hidden_statement)(random);
                let result = self.server.sql(self.owner, &self.database, &statement);
                assert!(result.is_ok(), "{statement}: {result:?}");
            } else {
                self.call(client, (plot.hidden)(random));
            }
        }
    }

    fn play(&self, plot: &Plot, seed: u64) -> Watcher {
        self.server
            .publish(self.owner, &self.database, &module(plot.module));
        let seed = 20_261_123 + 7919 * seed;
        let mut random = Numbers(seed);
        let mut hidden_random = Numbers(seed ^ 0x5555);
        let mut watcher = Watcher {
            client: self.client(0),
            requests: 0,
            frames: Vec::new(),
            answers: Vec::new(),
        };
        let (mut seen, mut hidden) = (self.client(1), self.client(2));
        // Whatever counts rows from here on, the first of them are the same.
        watcher.ask(|request| {
            let (reducer, arguments) = (plot.own)(&mut Numbers(1));
            Client::call_bytes(request, reducer, &arguments)
        });
        if plot.module == "views" {
            let join = bsatn::to_vec(&("me".to_owned(), 1_u32));
            watcher.ask(|request| Client::call_bytes(request, "join", &join));
        }
        let mut sets = Vec::new();
        for step in 0..STEPS {
            self.hide(plot, &mut hidden, &mut hidden_random);
            match random.below(10) {
                0..3 => self.call(&mut seen, (plot.seen)(&mut random)),
                3..6 => {
                    let (reducer, arguments) = (plot.own)(&mut random);
                    watcher.ask(|request| Client::call_bytes(request, reducer, &arguments));
                }
                6 | 7 => {
                    let query = plot.queries[random.index(plot.queries.len())].to_owned();
                    sets.push(step);
                    watcher.ask(|request| bsatn::to_vec(&(0_u8, request, step, vec![query])));
                }
                8 if !sets.is_empty() => {
                    let set = sets.swap_remove(random.index(sets.len()));
                    watcher.ask(|request| bsatn::to_vec(&(1_u8, request, set, 1_u8)));
                }
                _ => self.ask_once(plot, &mut watcher, &mut random),
            }
        }
        // Nothing is on its way behind the last answer.
        for _ in 0..3 {
            self.ask_once(plot, &mut watcher, &mut random);
        }
        watcher
    }

    /// The rows that the watching client may not see, at the end.
    fn hidden_rows(&self, plot: &Plot) -> u64 {
        let table = match plot.module {
            "views" => "note",
            _ => "letter",
        };
        let count = format!("SELECT COUNT(*) AS n FROM {table} WHERE id >= 100");
        let rows = self.server.rows(self.owner, &self.database, &count);
        rows[0][0].as_u64().unwrap()
    }

    /// One query, over the connection and over HTTP.
    fn ask_once(&self, plot: &Plot, watcher: &mut Watcher, random: &mut Numbers) {
        let query = plot.queries[random.index(plot.queries.len())];
        watcher.ask(|request| bsatn::to_vec(&(2_u8, request, query.to_owned())));
        let mut results = self
            .server
            .sql(&self.logins[0], &self.database, query)
            .unwrap();
        for result in &mut results {
            result
                .as_object_mut()
                .unwrap()
                .remove("total_duration_micros");
        }
        watcher.answers.push(Value::Array(results));
    }
}

/// Plays the histories of some seeds, each with and without hidden rows.
fn check(plot: &Plot) {
    let server = patient_server();
    let owner = server.new_login();
    let (mut updates, mut hidden) = (0, 0);
    for seed in 0..u64::from(setting("SPACETIME_HIDDEN_SEEDS", SEEDS)) {
        let logins = [server.new_login(), server.new_login(), server.new_login()];
        let scene = |with_hidden: bool| Scene {
            server: &server,
            database: format!("{}-{seed}-{with_hidden}", plot.module),
            owner: &owner,
            logins: &logins,
            with_hidden,
        };
        let (with, without) = (scene(true), scene(false));
        let (told, plain) = (with.play(plot, seed), without.play(plot, seed));
        for (place, (left, right)) in told.frames.iter().zip(&plain.frames).enumerate() {
            assert_eq!(left, right, "seed {seed}, message {place}");
        }
        assert_eq!(told.frames.len(), plain.frames.len(), "seed {seed}");
        assert_eq!(told.answers, plain.answers, "seed {seed}");
        updates += told.frames.iter().filter(|frame| frame[1] == 4).count();
        hidden += with.hidden_rows(plot);
        assert_eq!(without.hidden_rows(plot), 0, "seed {seed}");
    }
    // There was something to see, and something to hide.
    eprintln!("{}: {updates} updates, {hidden} hidden rows", plot.module);
    assert!(updates > 3, "{updates} updates");
    assert!(hidden > 10, "{hidden} hidden rows");
}

#[test]
fn rows_that_rules_hide_leave_no_trace() {
    check(&LETTERS);
}

#[test]
fn rows_that_views_leave_out_leave_no_trace() {
    check(&NOTES);
}

//! Random clients over real sockets: whatever each of them is told must be true at one transaction
//! after another.
//!
//! Several clients of several identities call, subscribe, end subscriptions, ask, connect again,
//! and do not read for a while, all at the same time, while the owner changes rows with SQL and
//! publishes other programs. What they did and heard is written down, and checked afterwards
//! against the history that the owner's connection saw (`history`).
//!
//! `SPACETIME_LIVE_STEPS` sets the number of steps of each client, `SPACETIME_LIVE_SEED` what they
//! do. Which of them comes first is up to the machine.

mod hidden;
mod history;
mod worlds;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Condvar, Mutex};

use spacetime_types::bsatn;

use self::history::{Follower, Heard, State, Viewer, advance};
use self::worlds::{MARK, VIEWS, VISIBILITY, World};
use crate::harness::websocket::v2::{Client, Event, Outcome};
use crate::harness::websocket::{Options, V2, V3};
use crate::harness::{Login, Server, module};
use crate::random::Numbers;

const CLIENTS: u32 = 8;
/// The first ones; they sometimes do not read until the others are further.
const SLEEPERS: u32 = 2;
const STEPS: u32 = 40;

fn setting(variable: &str, default: u32) -> u32 {
    let text = std::env::var(variable);
    text.map_or(default, |text| text.parse().expect(variable))
}

/// How far the clients are.
#[derive(Default)]
struct Progress {
    /// Steps of those who do not sleep.
    steps: u32,
    /// The programs were published.
    is_published: bool,
    /// Everything that the clients call has been answered.
    done: u32,
    /// The last transaction is there.
    is_last: bool,
    /// Somebody gave up.
    is_over: bool,
}

struct Meeting {
    progress: Mutex<Progress>,
    changed: Condvar,
}

impl Meeting {
    fn note(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap());
        self.changed.notify_all();
    }

    fn wait_until(&self, mut condition: impl FnMut(&Progress) -> bool) {
        let progress = self.progress.lock().unwrap();
        let wait = self
            .changed
            .wait_while(progress, |now| !now.is_over && !condition(now));
        let is_over = wait.unwrap().is_over;
        assert!(!is_over, "another client failed");
    }
}

/// Lets nobody wait for a client that failed.
struct Presence<'a>(&'a Meeting);

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.note(|now| now.is_over = true);
        }
    }
}

/// A server that does not mind if a client neither reads nor answers for long: how long that is
/// depends on the machine.
fn patient_server() -> Server {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let settings = "[websocket]\nidle-timeout = \"600s\"\n";
    std::fs::write(folder.path().join("data/config.toml"), settings).unwrap();
    Server::start_in(folder, &[])
}

/// What an answer is to.
enum Asked {
    Subscribe { set: u32, queries: Vec<usize> },
    Unsubscribe { set: u32 },
    Query(usize),
    Call,
}

struct Actor<'a> {
    server: &'a Server,
    owner: &'a Login,
    login: &'a Login,
    world: &'a World,
    client: Client,
    number: u32,
    random: Numbers,
    requests: u32,
    held: BTreeMap<u32, Vec<usize>>,
    waiting: HashMap<u32, Asked>,
    log: Vec<Heard>,
}

fn open(server: &Server, world: &World, login: &Login, random: &mut Numbers) -> Client {
    let protocol = [V2, V3][random.index(2)];
    let options = Options {
        compression: ["None", "Gzip", "Brotli"][random.index(3)],
        confirmed: random.below(4) == 0,
        ..Options::of(login)
    };
    Client::open(server, world.module, protocol, &options)
}

impl Actor<'_> {
    fn run(&mut self, steps: u32, meeting: &Meeting) {
        let is_sleeper = self.number < SLEEPERS;
        for step in 0..steps {
            if step == steps / 4 * 3 {
                meeting.wait_until(|now| now.is_published);
            }
            self.step();
            if !is_sleeper {
                meeting.note(|now| now.steps += 1);
            } else if self.random.below(4) == 0 {
                self.sleep(steps, meeting);
            }
        }
        self.hear_all();
        meeting.note(|now| now.done += 1);
        meeting.wait_until(|now| now.is_last);
        // Behind the last transaction: nothing else is on its way after the answers.
        for query in 0..self.world.queries.len() {
            self.ask(query);
        }
        self.hear_all();
    }

    /// Asks for something and does not read until the others have gone on.
    fn sleep(&mut self, steps: u32, meeting: &Meeting) {
        let mut messages = Vec::new();
        self.add_requests(&mut messages);
        self.send(messages);
        let most = (CLIENTS - SLEEPERS) * (steps / 4 * 3);
        let mut target = None;
        meeting.wait_until(|now| now.steps >= *target.get_or_insert(most.min(now.steps + 40)));
        self.hear_all();
    }

    fn step(&mut self) {
        match self.random.below(40) {
            0 => {
                self.client = open(self.server, self.world, self.login, &mut self.random);
                self.held.clear();
                self.log.push(Heard::Opened);
            }
            1 | 2 => {
                let statement = (self.world.statement)(&mut self.random);
                let result = self.server.sql(self.owner, self.world.module, &statement);
                assert!(result.is_ok(), "{statement}: {result:?}");
            }
            _ => {
                let mut messages = Vec::new();
                self.add_requests(&mut messages);
                self.send(messages);
                self.hear_all();
            }
        }
    }

    /// Some requests, which are answered in their order.
    fn add_requests(&mut self, messages: &mut Vec<Vec<u8>>) {
        for _ in 0..=self.random.below(4) {
            match self.random.below(20) {
                0..4 => messages.extend(self.subscription()),
                4 | 5 => messages.extend(self.end_of_subscription()),
                6 => {
                    let query = self.random.index(self.world.queries.len());
                    messages.push(self.question(query));
                }
                _ => messages.push(self.call()),
            }
        }
    }

    fn next_request(&mut self, asked: Asked) -> u32 {
        self.requests += 1;
        self.waiting.insert(self.requests, asked);
        self.requests
    }

    fn subscription(&mut self) -> Option<Vec<u8>> {
        let set = 1 + self.random.below(6);
        if self.held.contains_key(&set) {
            return None;
        }
        let count = 1 + self.random.below(2);
        let mut queries: Vec<usize> = (0..count)
            .map(|_| self.random.index(self.world.queries.len()))
            .collect();
        queries.dedup();
        let texts = queries
            .iter()
            .map(|query| self.world.queries[*query].sql.to_owned());
        let texts: Vec<String> = texts.collect();
        self.held.insert(set, queries.clone());
        let request = self.next_request(Asked::Subscribe { set, queries });
        Some(bsatn::to_vec(&(0_u8, request, set, texts)))
    }

    fn end_of_subscription(&mut self) -> Option<Vec<u8>> {
        let sets: Vec<u32> = self.held.keys().copied().collect();
        let set = *sets.get(self.random.index(sets.len().max(1)))?;
        self.held.remove(&set);
        let request = self.next_request(Asked::Unsubscribe { set });
        // With its rows.
        Some(bsatn::to_vec(&(1_u8, request, set, 1_u8)))
    }

    fn question(&mut self, query: usize) -> Vec<u8> {
        let request = self.next_request(Asked::Query(query));
        let text = self.world.queries[query].sql.to_owned();
        bsatn::to_vec(&(2_u8, request, text))
    }

    fn ask(&mut self, query: usize) {
        let message = self.question(query);
        self.send(vec![message]);
    }

    fn call(&mut self) -> Vec<u8> {
        if let Some(procedure) = self.world.procedure
            && self.random.below(30) == 0
        {
            let request = self.next_request(Asked::Call);
            let nothing: Vec<u8> = Vec::new();
            return bsatn::to_vec(&(4_u8, request, 0_u8, procedure.to_owned(), nothing));
        }
        let (reducer, arguments) = (self.world.call)(&mut self.random);
        let request = self.next_request(Asked::Call);
        Client::call_bytes(request, reducer, &arguments)
    }

    /// In one frame, if the protocol has such.
    fn send(&mut self, messages: Vec<Vec<u8>>) {
        if self.client.socket.protocol == V3 && !messages.is_empty() {
            return self.client.socket.send(messages.concat());
        }
        for message in messages {
            self.client.socket.send(message);
        }
    }

    /// Reads until everything is answered.
    fn hear_all(&mut self) {
        while !self.waiting.is_empty() {
            let event = self.client.socket.try_next::<Event>();
            let event = event.unwrap_or_else(|closed| {
                panic!("client {}: {closed:?}\n{}", self.number, self.server.log())
            });
            self.hear(event);
        }
    }

    fn hear(&mut self, event: Event) {
        let mut answer_to = |request: u32| {
            let asked = self.waiting.remove(&request);
            asked.unwrap_or_else(|| panic!("an answer to nothing: {request}"))
        };
        match event {
            Event::Update(changes) => self.log.push(Heard::Changed(changes)),
            Event::Applied {
                request, tables, ..
            } => match answer_to(request) {
                Asked::Subscribe { set, queries } => self.log.push(Heard::Applied {
                    set,
                    queries,
                    rows: tables,
                }),
                _ => panic!("first rows for nothing"),
            },
            Event::Unapplied {
                request, tables, ..
            } => match answer_to(request) {
                Asked::Unsubscribe { set } => self.log.push(Heard::Ended {
                    set,
                    rows: tables.expect("the rows were asked for"),
                }),
                _ => panic!("the end of nothing"),
            },
            Event::OneOff { request, result } => match answer_to(request) {
                Asked::Query(query) => self.log.push(Heard::Answer {
                    query,
                    rows: result.expect("a query that can be answered"),
                }),
                _ => panic!("rows for nothing"),
            },
            Event::Reducer {
                request, outcome, ..
            } => {
                answer_to(request);
                match outcome {
                    Outcome::Ok(changes) if !changes.is_empty() => {
                        self.log.push(Heard::Changed(changes));
                    }
                    _ => {}
                }
            }
            Event::Procedure { request, result } => {
                answer_to(request);
                assert!(result.is_ok(), "{result:?}");
            }
            other => panic!("client {}: {other:?}", self.number),
        }
    }
}

/// The same program with bytes that mean nothing, so that it is another one.
fn other_program(program: &[u8], number: u8) -> Vec<u8> {
    let mut other = program.to_vec();
    // A custom section: its length, its name.
    other.extend_from_slice(&[0, 3, 1, b'x', number]);
    other
}

fn mark_of(changes: &[crate::harness::websocket::v2::Change]) -> bool {
    let mut rows = changes.iter().flat_map(|change| &change.inserts);
    rows.any(|row| row.starts_with(&MARK.to_le_bytes()))
}

/// Everything that the owner's connection is told, up to the last transaction.
fn record(mut client: Client, first: State) -> Vec<State> {
    let mut history = vec![first];
    loop {
        let changes = client.next_update();
        let next = advance(&history[history.len() - 1], &changes);
        history.push(next);
        if mark_of(&changes) {
            return history;
        }
    }
}

struct Told {
    viewer: Viewer,
    log: Vec<Heard>,
}

fn run(world: &World) -> (Vec<State>, Vec<Told>) {
    let server = patient_server();
    let owner = server.new_login();
    let program = module(world.module);
    server.publish(&owner, world.module, &program);
    let others: Vec<Vec<u8>> = (1..=2)
        .map(|number| other_program(&program, number))
        .collect();
    // So that they are compiled before they are needed.
    for (name, program) in ["first-other", "second-other"].iter().zip(&others) {
        server.publish(&owner, name, program);
    }
    let mut recorder = Client::of(&server, world.module, &owner);
    let all = world
        .tables
        .iter()
        .map(|table| format!("SELECT * FROM {table}"));
    let all: Vec<String> = all.collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let first = recorder.subscribe(1, &all).unwrap();
    assert!(first.iter().all(|table| table.rows.is_empty()), "{first:?}");

    let people: Vec<Login> = (0..4).map(|_| server.new_login()).collect();
    let (steps, seed) = (
        setting("SPACETIME_LIVE_STEPS", STEPS),
        setting("SPACETIME_LIVE_SEED", 20_261_123),
    );
    let meeting = Meeting {
        progress: Mutex::default(),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        let recorder = scope.spawn(|| record(recorder, State::new()));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let mut random = Numbers(u64::from(seed) * 1000 + u64::from(number));
                // Some share an identity, and one is the owner.
                let login = match people.get(random.index(5)) {
                    Some(login) if number > 0 => login,
                    _ => &owner,
                };
                let mut actor = Actor {
                    server: &server,
                    owner: &owner,
                    login,
                    world,
                    client: open(&server, world, login, &mut random),
                    number,
                    random,
                    requests: 0,
                    held: BTreeMap::new(),
                    waiting: HashMap::new(),
                    log: Vec::new(),
                };
                let (meeting, owner) = (&meeting, &owner);
                scope.spawn(move || {
                    let _presence = Presence(meeting);
                    actor.run(steps, meeting);
                    let viewer = Viewer {
                        identity: actor.client.identity,
                        is_owner: actor.login.identity == owner.identity,
                    };
                    Told {
                        viewer,
                        log: actor.log,
                    }
                })
            })
            .collect();
        for (part, program) in others.iter().enumerate() {
            let part = u32::try_from(part).unwrap() + 1;
            meeting.wait_until(|now| now.steps >= (CLIENTS - SLEEPERS) * (steps / 4) * part);
            server.publish(&owner, world.module, program);
        }
        meeting.note(|now| now.is_published = true);
        meeting.wait_until(|now| now.done == CLIENTS);
        let mut last = Client::of(&server, world.module, &owner);
        let (reducer, arguments) = (world.mark)();
        last.call(reducer, &arguments).changes();
        meeting.note(|now| now.is_last = true);
        let told = clients.into_iter().map(|client| client.join().unwrap());
        let told = told.collect();
        (recorder.join().unwrap(), told)
    })
}

/// The log without its last update.
fn without_last_update(log: &[Heard]) -> Option<Vec<Heard>> {
    let is_update = |heard: &Heard| matches!(heard, Heard::Changed(_));
    let is_opened = |heard: &Heard| matches!(heard, Heard::Opened);
    let last = log.iter().rposition(is_update)?;
    if log[last..].iter().any(is_opened) {
        return None;
    }
    let mut log = log.to_vec();
    log.remove(last);
    Some(log)
}

/// The log with its last update twice.
fn with_last_update_twice(log: &[Heard]) -> Option<Vec<Heard>> {
    let last = log
        .iter()
        .rposition(|heard| matches!(heard, Heard::Changed(_)))?;
    let mut log = log.to_vec();
    log.insert(last, log[last].clone());
    Some(log)
}

fn check(world: &World) {
    let (history, told) = run(world);
    let (mut updates, mut noticed) = (0, 0);
    for (number, client) in told.iter().enumerate() {
        let follow =
            |log: &[Heard]| Follower::new(&history, world.queries, client.viewer).follow(log);
        if let Err(error) = follow(&client.log) {
            panic!("client {number} of {}: {error}", world.module);
        }
        let changes = client
            .log
            .iter()
            .filter(|heard| matches!(heard, Heard::Changed(_)));
        updates += changes.count();
        // The check can fail: it notices an update that is left out, and one that comes twice.
        let wrong = [
            without_last_update(&client.log),
            with_last_update_twice(&client.log),
        ];
        for log in wrong.into_iter().flatten() {
            assert!(follow(&log).is_err(), "client {number}: nobody noticed");
            noticed += 1;
        }
    }
    let transactions = history.len() - 1;
    eprintln!(
        "{}: {transactions} transactions, {updates} updates",
        world.module
    );
    assert!(transactions > 100, "{transactions} transactions");
    assert!(updates > 200, "{updates} updates");
    assert!(noticed > 4, "{noticed} wrong logs");
}

#[test]
fn clients_under_visibility_rules_are_told_what_is_true() {
    check(&VISIBILITY);
}

#[test]
fn clients_of_views_are_told_what_is_true() {
    check(&VIEWS);
}

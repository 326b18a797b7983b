//! Random use of several clients at once: overlapping subscriptions that come and go, calls,
//! connections that are cut, clients that leave, and a server that is killed.
//!
//! After every message a client's rows have changed by exactly what its callbacks were told. At
//! quiet points they are what the server gives for the queries of the subscriptions, and every
//! call has ended once.
//!
//! `SPACETIME_RANDOM_SECONDS` makes it longer, `SPACETIME_RANDOM_SEED` begins with that seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;
use spacetimedb_sdk::error::InternalError;
use spacetimedb_sdk::{
    Compression, DbContext as _, Error, Result, SubscriptionHandle as _, Table as _,
    TableWithPrimaryKey as _,
};

use super::kitchen_sink::*;
use super::proxy::{Proxy, Way};
use super::reconnect::quick;
use super::server::{Server, own_server};
use super::{PATIENCE, builder};

const DATABASE: &str = "random";
const CLIENTS: usize = 3;
const STEPS: usize = 600;
const KILL_EVERY: usize = 170;
const SETS_MAX: usize = 7;
/// Cuts come after at most so many bytes.
const CUT_BYTES: u64 = 6000;
/// Marks a row that is put in at a quiet point: who has it has everything before it.
const FENCE: &str = "fence";
const FENCE_QUERY: &str = "SELECT * FROM plain WHERE text = 'fence'";

/// Numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn small(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(u64::from(bound))).unwrap()
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }

    fn query(&mut self) -> String {
        let (n, m) = (self.small(6), self.small(6));
        match self.below(9) {
            0 => "SELECT * FROM item".to_owned(),
            1 | 2 => format!("SELECT * FROM item WHERE shelf = {n}"),
            3 => format!("SELECT * FROM item WHERE shelf < {n}"),
            4 => format!("SELECT * FROM item WHERE shelf = {n} OR owner = {m}"),
            5 => format!("SELECT * FROM item WHERE owner = {n} AND row > {m}"),
            6 => "SELECT * FROM plain".to_owned(),
            7 => format!("SELECT * FROM plain WHERE a = {n}"),
            _ => format!("SELECT * FROM plain WHERE a < {n}"),
        }
    }
}

/// Rows as text, by what makes two of them versions of one.
type Rows = BTreeMap<(&'static str, String), String>;

fn item_row(item: &Item) -> String {
    let Item {
        id,
        shelf,
        row,
        name,
        owner,
        label,
    } = item;
    format!("{id} {shelf} {row} {name} {owner} {label}")
}

fn plain_row(plain: &Plain) -> String {
    format!("{} {}", plain.a, plain.text)
}

/// What callbacks have to be told for the rows to change so.
fn changes(before: &Rows, after: &Rows) -> Vec<String> {
    let mut changes = Vec::new();
    for (key, old) in before {
        match after.get(key) {
            None => changes.push(format!("-{old}")),
            Some(new) if new != old => changes.push(format!("{old} > {new}")),
            Some(_) => {}
        }
    }
    let came = after.iter().filter(|(key, _)| !before.contains_key(key));
    changes.extend(came.map(|(_, row)| format!("+{row}")));
    changes.sort();
    changes
}

struct Set {
    handle: SubscriptionHandle,
    queries: Vec<String>,
    is_left: bool,
}

#[derive(Default)]
struct Heard {
    rows: Vec<String>,
    /// Calls without an end.
    open_calls: BTreeSet<u64>,
    calls: u64,
    lost_calls: u64,
    losses: u64,
    is_lost: bool,
    end: Option<Option<Error>>,
}

type Shared = Arc<Mutex<Heard>>;
type Outcome = std::result::Result<std::result::Result<(), String>, InternalError>;

struct Person {
    proxy: Proxy,
    conn: DbConnection,
    heard: Shared,
    /// The rows after the last message.
    rows: Rows,
    sets: Vec<Set>,
}

fn connect(proxy: &Proxy, random: &mut Random, heard: &Shared) -> Result<DbConnection> {
    let compressions = [Compression::None, Compression::Gzip, Compression::Brotli];
    let [lost, back, ended] = [(); 3].map(|()| heard.clone());
    let conn = builder(&proxy.url(), DATABASE)
        .with_compression(compressions[random.index(3)])
        .with_confirmed_reads(random.below(2) == 0)
        .with_reconnect(quick())
        .on_connection_lost(move |_, _| {
            let mut heard = lost.lock();
            heard.is_lost = true;
            heard.losses += 1;
        })
        .on_reconnect(move |_, _, _| back.lock().is_lost = false)
        .on_disconnect(move |_, error| ended.lock().end = Some(error))
        .build()?;
    let log = heard.clone();
    conn.db.item().on_insert(move |_, item| {
        log.lock().rows.push(format!("+{}", item_row(item)));
    });
    let log = heard.clone();
    conn.db.item().on_delete(move |_, item| {
        log.lock().rows.push(format!("-{}", item_row(item)));
    });
    let log = heard.clone();
    conn.db.item().on_update(move |_, old, new| {
        let change = format!("{} > {}", item_row(old), item_row(new));
        log.lock().rows.push(change);
    });
    let log = heard.clone();
    conn.db.plain().on_insert(move |_, plain| {
        log.lock().rows.push(format!("+{}", plain_row(plain)));
    });
    let log = heard.clone();
    conn.db.plain().on_delete(move |_, plain| {
        log.lock().rows.push(format!("-{}", plain_row(plain)));
    });
    Ok(conn)
}

impl Person {
    fn new(server: &Server, random: &mut Random) -> Self {
        let proxy = Proxy::start(&server.address);
        let heard = Shared::default();
        let conn = connect(&proxy, random, &heard).unwrap();
        let mut person = Person {
            proxy,
            conn,
            heard,
            rows: Rows::new(),
            sets: Vec::new(),
        };
        person.drive("the greeting", |person| {
            person.conn.try_identity().is_some()
        });
        person.subscribe(vec![FENCE_QUERY.to_owned()]);
        person
    }

    fn cached(&self) -> Rows {
        let (items, plain) = (self.conn.db.item(), self.conn.db.plain());
        let items = items
            .iter()
            .map(|item| (("item", item.id.to_string()), item_row(&item)));
        let plain = plain
            .iter()
            .map(|plain| (("plain", plain_row(&plain)), plain_row(&plain)));
        items.chain(plain).collect()
    }

    /// Applies one message, and holds the callbacks against the rows. False if there is none.
    fn advance(&mut self) -> bool {
        let Ok(has_come) = self.conn.advance_one_message() else {
            let heard = self.heard.lock();
            assert!(matches!(heard.end, Some(None)), "ended: {:?}", heard.end);
            return false;
        };
        if has_come {
            let after = self.cached();
            let mut told = std::mem::take(&mut self.heard.lock().rows);
            told.sort();
            assert_eq!(told, changes(&self.rows, &after), "callbacks and rows");
            self.rows = after;
        }
        has_come
    }

    fn drive(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "waiting for {what}");
            if !self.advance() {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }

    fn subscribe(&mut self, queries: Vec<String>) {
        let failed = self.heard.clone();
        let handle = self
            .conn
            .subscription_builder()
            .on_error(move |_, error| failed.lock().rows.push(format!("refused: {error}")))
            .subscribe(queries.clone());
        self.sets.push(Set {
            handle,
            queries,
            is_left: false,
        });
    }

    /// Asks for what no server has. Nothing but this set ends.
    fn subscribe_wrongly(&mut self) {
        self.conn
            .subscription_builder()
            .subscribe(["SELECT * FROM item", "SELECT * FROM nonsense"]);
    }

    fn unsubscribe(&mut self, random: &mut Random) {
        // Not the first, which has the fence.
        let at = random.index(self.sets.len());
        let set = &mut self.sets[at];
        if at > 0 && !set.is_left && set.handle.is_active() {
            set.handle.clone().unsubscribe().unwrap();
            set.is_left = true;
        }
    }

    fn call(&mut self, random: &mut Random) {
        let number = {
            let mut heard = self.heard.lock();
            heard.calls += 1;
            let number = heard.calls;
            heard.open_calls.insert(number);
            number
        };
        let heard = self.heard.clone();
        let end = move |_: &ReducerEventContext, outcome: Outcome| {
            let mut heard = heard.lock();
            assert!(heard.open_calls.remove(&number), "a call ended twice");
            heard.lost_calls += u64::from(outcome.is_err());
        };
        let reducers = &self.conn.reducers;
        let (n, m) = (random.small(6), u64::from(random.small(6)));
        let row = i16::try_from(random.small(6)).unwrap();
        let a = i32::try_from(n).unwrap();
        let text = format!("text {m}");
        let label = format!("label {}", random.small(60));
        match random.below(12) {
            0..=3 => reducers.insert_item_then(n, row, "n".to_owned(), m, label, end),
            4 | 5 => match self.conn.db.item().iter().nth(random.index(20)) {
                Some(item) => {
                    let changed = Item {
                        shelf: n,
                        row,
                        ..item
                    };
                    reducers.update_item_then(changed, end)
                }
                None => reducers.fail_then("nothing to change".to_owned(), end),
            },
            6 => reducers.delete_item_by_label_then(label, end),
            7 => reducers.delete_items_by_shelf_range_then(n, n + 1, end),
            8 => reducers.delete_items_by_owner_then(m, end),
            9 | 10 => reducers.insert_plain_then(a, text, end),
            _ => reducers.delete_plain_then(a, text, end),
        }
        .unwrap();
    }

    fn is_settled(&self) -> bool {
        let settled = |set: &Set| match set.is_left {
            true => set.handle.is_ended(),
            false => set.handle.is_active(),
        };
        let heard = self.heard.lock();
        !heard.is_lost && heard.open_calls.is_empty() && self.sets.iter().all(settled)
    }

    /// What the server has for the queries of all sets.
    fn expected(&self, server: &Server) -> Rows {
        let queries: BTreeSet<&String> = self.sets.iter().flat_map(|set| &set.queries).collect();
        let mut rows = Rows::new();
        for query in queries {
            let answer: Value = serde_json::from_str(&server.sql(DATABASE, query)).unwrap();
            for row in answer[0]["rows"].as_array().unwrap() {
                let cells = row.as_array().unwrap().iter();
                let cells: Vec<String> = cells
                    .map(|cell| cell.as_str().map_or(cell.to_string(), str::to_owned))
                    .collect();
                let text = cells.join(" ");
                let key = match cells.len() {
                    2 => ("plain", text.clone()),
                    _ => ("item", cells[0].clone()),
                };
                rows.insert(key, text);
            }
        }
        rows
    }

    /// Everything that was begun comes to its end.
    fn settle(&mut self) {
        for way in [Way::ToServer, Way::ToClient] {
            self.proxy.cut_after(way, usize::MAX);
        }
        self.drive("the end of all requests", Self::is_settled);
        self.sets.retain(|set| !set.is_left);
    }

    /// The rows are the server's.
    fn compare(&mut self, server: &Server, fence: u64) {
        let fence = ("plain", format!("{fence} {FENCE}"));
        self.drive("the fence", |person| person.rows.contains_key(&fence));
        let start = Instant::now();
        loop {
            // A call whose answer was cut off may still run.
            let expected = self.expected(server);
            while self.advance() {}
            if self.rows == expected {
                return;
            }
            let differences = changes(&expected, &self.rows);
            assert!(start.elapsed() < PATIENCE, "wrong rows: {differences:?}");
        }
    }
}

struct World {
    server: Server,
    people: Vec<Person>,
    fence: u64,
    restarts: u64,
    losses: u64,
    calls: u64,
    lost_calls: u64,
    quiet_points: u64,
}

impl World {
    fn quiet_point(&mut self) {
        for person in &mut self.people {
            person.settle();
        }
        let fence = self.fence;
        self.fence += 1;
        let args = |fence: u64| format!("[{fence}, \"{FENCE}\"]");
        if fence > 0 {
            self.server.call(DATABASE, "delete_plain", &args(fence));
        }
        self.server
            .call(DATABASE, "insert_plain", &args(self.fence));
        for person in &mut self.people {
            person.compare(&self.server, self.fence);
        }
        self.quiet_points += 1;
    }

    fn restart(&mut self) {
        self.server.restart();
        for person in &self.people {
            person.proxy.aim(&self.server.address);
        }
        self.restarts += 1;
    }

    fn account(&mut self, at: usize) {
        let heard = self.people[at].heard.lock();
        self.losses += heard.losses;
        self.calls += heard.calls;
        self.lost_calls += heard.lost_calls;
    }

    /// Somebody leaves, and somebody else comes.
    fn replace(&mut self, at: usize, random: &mut Random) {
        let person = &mut self.people[at];
        person.conn.disconnect().unwrap();
        person.drive("the end", |person| person.heard.lock().end.is_some());
        assert!(person.heard.lock().open_calls.is_empty(), "calls have ends");
        self.account(at);
        self.people[at] = Person::new(&self.server, random);
    }

    fn step(&mut self, random: &mut Random) {
        let at = random.index(self.people.len());
        let person = &mut self.people[at];
        match random.below(100) {
            0..=39 => person.call(random),
            40..=51 if person.sets.len() < SETS_MAX => {
                let count = 1 + random.index(3);
                let queries = (0..count).map(|_| random.query()).collect();
                person.subscribe(queries);
            }
            40..=59 => person.unsubscribe(random),
            60 | 61 => person.subscribe_wrongly(),
            62..=69 => {
                let way = [Way::ToServer, Way::ToClient][random.index(2)];
                let bytes = usize::try_from(random.below(CUT_BYTES)).unwrap();
                person.proxy.cut_after(way, bytes);
            }
            70 | 71 => person.proxy.cut(),
            72 if random.below(3) == 0 => {
                for way in [Way::ToServer, Way::ToClient] {
                    person.proxy.cut_after(way, usize::MAX);
                }
                self.replace(at, random);
            }
            73..=76 => self.quiet_point(),
            _ => {
                for _ in 0..random.below(20) {
                    person.advance();
                }
            }
        }
    }
}

fn run(seed: u64) -> Option<World> {
    let mut random = Random(seed);
    let server = own_server()?;
    server.publish(DATABASE, "kitchen_sink");
    let people = (0..CLIENTS)
        .map(|_| Person::new(&server, &mut random))
        .collect();
    let mut world = World {
        server,
        people,
        fence: 0,
        restarts: 0,
        losses: 0,
        calls: 0,
        lost_calls: 0,
        quiet_points: 0,
    };
    for step in 1..=STEPS {
        world.step(&mut random);
        if step % KILL_EVERY == 0 {
            world.restart();
        }
    }
    world.quiet_point();
    for at in 0..world.people.len() {
        world.account(at);
    }
    Some(world)
}

#[test]
fn rows_are_the_servers_whatever_happens() {
    let number = |name: &str| {
        let value = std::env::var(name).ok();
        value.map(|value| value.parse::<u64>().unwrap())
    };
    let first = number("SPACETIME_RANDOM_SEED").unwrap_or(1);
    let time = Duration::from_secs(number("SPACETIME_RANDOM_SECONDS").unwrap_or(0));
    let start = Instant::now();
    for seed in first.. {
        eprintln!("SPACETIME_RANDOM_SEED={seed}");
        let Some(world) = run(seed) else { return };
        eprintln!(
            "{} quiet points, {} calls, {} of them lost, {} connections lost, {} servers killed",
            world.quiet_points, world.calls, world.lost_calls, world.losses, world.restarts
        );
        assert!(world.losses > 0, "nothing was cut");
        if start.elapsed() >= time {
            break;
        }
    }
}

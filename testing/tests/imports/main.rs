//! Every import of the host, called with random arguments, wrong pointers and handles included.
//!
//! In the first part a model says what each call must come to, and what must be in the tables
//! afterwards. In the second part nobody knows, but nothing may happen beyond the call: the
//! database goes on, and others do not notice.
//!
//! `SPACETIME_IMPORTS_SCRIPTS` says how many scripts, `SPACETIME_IMPORTS_SEED` from which seed on;
//! what fails tells its seed.

mod model;
mod random;
mod script;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use spacetime_testing::{Bsatn, CallLimits, Client, TestDatabase, repository_module};

use model::{Item, Memory, Model, Tables, Verdict, Within};
use random::{Random, Writer};
use script::{IMPORTS, Seen, Step, encode};

fn variable(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().expect("a number"))
}

fn scripts() -> u64 {
    variable("SPACETIME_IMPORTS_SCRIPTS", 400)
}

fn first_seed() -> u64 {
    variable("SPACETIME_IMPORTS_SEED", 1)
}

fn open(seed: u64) -> TestDatabase {
    let program = repository_module("imports").expect("it is built");
    let limits = CallLimits {
        call_time_max: Duration::from_secs(2),
        procedure_time_max: Duration::from_secs(2),
        ..CallLimits::default()
    };
    let builder = TestDatabase::builder().seed(seed).limits(limits);
    builder.from_bytes(program).expect("it runs")
}

/// Runs a script; the text of what went wrong.
fn run(db: &TestDatabase, client: &Client, steps: &[Step], within: Within) -> Result<(), String> {
    let script = encode(steps);
    let args = Bsatn::new().with(&script);
    match within {
        Within::Procedure => {
            let called = client.call_procedure("run_procedure", args);
            called.map(drop).map_err(|error| error.to_string())
        }
        Within::Reducer => client.call("run", args).map_err(|error| error.to_string()),
        Within::View => {
            db.sql("DELETE FROM view_script").expect("a table");
            let row = json!({"id": 0, "script": script});
            db.insert("view_script", row).expect("a script");
            let rows = db.sql("SELECT * FROM run_view");
            rows.map(drop).map_err(|error| error.to_string())
        }
    }
}

fn tables(db: &TestDatabase) -> Tables {
    let items = db.rows("item");
    let items = items
        .iter()
        .map(|row| Item::decode(row.bsatn()).expect("an item"));
    let bag = db.rows("bag");
    Tables {
        items: items.map(|item| (item.id, item)).collect(),
        bag: bag.iter().map(|row| row.bsatn().to_vec()).collect(),
    }
}

fn trace(db: &TestDatabase) -> Vec<Seen> {
    let lines = db.take_logs();
    let steps = lines
        .iter()
        .filter(|line| line.target.as_deref() == Some("step"));
    steps.map(|line| Seen::parse(&line.message)).collect()
}

/// Follows a script that was run.
fn follow(
    model: &mut Model,
    memory: &mut Memory,
    steps: &[Step],
    trace: &[Seen],
    ended: &Result<(), String>,
) {
    let mut seen = trace.iter();
    memory.arena.fill(0);
    for (number, step) in steps.iter().enumerate() {
        let (import, args) = match step {
            Step::Poke(at, bytes) => {
                let at = usize::from(*at);
                memory.arena[at..at + bytes.len()].copy_from_slice(bytes);
                continue;
            }
            Step::Call(import, args) => (*import, args),
        };
        let args: Vec<i64> = args.iter().map(|arg| memory.number(*arg)).collect();
        let seen = seen.next();
        let verdict = model.call(import, &args, memory, seen);
        let place = || format!("step {number}, {step:?} with {args:x?}");
        let Some(seen) = seen else {
            assert_eq!(
                verdict,
                Verdict::Trap,
                "{}: the call ended: {ended:?}",
                place()
            );
            assert!(ended.is_err(), "{}: the module logs every call", place());
            *model
                .counts
                .entry((format!("{import:?}"), i64::MIN))
                .or_default() += 1;
            model.end(true);
            return;
        };
        let Verdict::Returns(allowed) = &verdict else {
            panic!(
                "{}: the host took wrong pointers: {}",
                place(),
                seen.returned
            );
        };
        let returned = seen.returned;
        assert!(
            allowed.contains(&returned),
            "{}: {returned}, not {allowed:?}",
            place()
        );
        assert_eq!(memory.arena, seen.arena, "{}: the memory", place());
        *model
            .counts
            .entry((format!("{import:?}"), returned))
            .or_default() += 1;
    }
    assert!(
        seen.next().is_none(),
        "the module did more than it was told"
    );
    assert_eq!(ended.is_err(), model.has_answered, "{ended:?}");
    model.end(false);
}

#[test]
fn every_import_does_what_the_model_says() {
    let counts = follow_scripts(first_seed()..first_seed() + scripts());
    check_activation(&counts);
}

/// Has to have the process for itself: `cargo test ... --test imports -- planted`.
#[cfg(feature = "planted-bugs")]
#[test]
fn every_planted_bug_of_imports_is_caught() {
    use spacetime_host::planted::{IMPORT_BUGS, switch};
    for bug in IMPORT_BUGS {
        switch(Some(bug));
        let followed = std::panic::catch_unwind(|| follow_scripts(1..400));
        switch(None);
        assert!(followed.is_err(), "{bug:?} was not caught");
    }
}

/// Runs scripts after one another, and panics where one does something else than the model says.
/// Returns how often each import ended how.
fn follow_scripts(seeds: std::ops::Range<u64>) -> BTreeMap<(String, i64), u64> {
    let db = open(seeds.start);
    let client = db.connect("client").unwrap();
    let credentials = db.rows("st_connection_credentials");
    let claims = credentials.iter().find(|row| {
        row.get::<spacetime_testing::ConnectionId>("connection_id") == client.connection_id()
    });
    let claims: String = claims.expect("it is connected").get("jwt_payload");
    let mut model = Model::default();
    model.identity = db.database_identity().to_le_bytes();
    model.connection = client.connection_id().0.to_le_bytes();
    model.claims = claims.into_bytes();
    // Where the arena is.
    let mut random = Random(0);
    let mut writer = Writer {
        random: &mut random,
        ids: Vec::new(),
        hostile_percent: 0,
        connection: model.connection,
        steps: Vec::new(),
    };
    writer.prologue();
    run(&db, &client, &writer.steps, Within::Reducer).unwrap();
    let first = trace(&db).pop().expect("the module has logged");
    let mut memory = Memory {
        arena_at: first.arena_at,
        bytes: first.memory_bytes,
        arena: vec![0; first.arena.len()],
    };
    for seed in seeds {
        let within = [
            Within::Procedure,
            Within::Reducer,
            Within::Reducer,
            Within::View,
        ];
        let within = within[seed as usize % within.len()];
        let mut random = Random(seed);
        let mut writer = Writer {
            hostile_percent: if random.chance(40) { 4 } else { 0 },
            ids: model.tables.items.keys().copied().collect(),
            connection: model.connection,
            steps: Vec::new(),
            random: &mut random,
        };
        if within == Within::Procedure {
            writer.steps.push(Step::Call(
                script::Import::StartTx,
                vec![script::Arg::Arena(104)],
            ));
        }
        writer.prologue();
        for _ in 0..30 {
            writer.step();
        }
        let steps = writer.steps;
        model.now = db.now().micros;
        model.begin(within);
        let ended = run(&db, &client, &steps, within);
        let trace = trace(&db);
        let followed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            follow(&mut model, &mut memory, &steps, &trace, &ended);
        }));
        assert!(followed.is_ok(), "SPACETIME_IMPORTS_SEED={seed}");
        assert_eq!(tables(&db), model.tables, "SPACETIME_IMPORTS_SEED={seed}");
    }
    model.counts
}

/// What was never called, or never went well, was not tested.
fn check_activation(counts: &BTreeMap<(String, i64), u64>) {
    if scripts() < 200 {
        return;
    }
    for (import, _) in IMPORTS {
        let name = format!("{import:?}");
        let of_import = counts.iter().filter(|((of, _), _)| *of == name);
        let endings: Vec<i64> = of_import.map(|((_, end), _)| *end).collect();
        let is_good = |end: &i64| *end == 0 || *end == -1 || *end > 100;
        let never_good = ["HttpRequest", "TimerStart"].contains(&&*name);
        assert!(
            endings.iter().any(is_good) || (never_good && !endings.is_empty()),
            "{name} ended with {endings:?} only"
        );
    }
    let errors = [
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        10,
        11,
        12,
        14,
        15,
        17,
        18,
        19,
        i64::MIN,
    ];
    for error in errors {
        let count: u64 = counts
            .iter()
            .filter(|((_, end), _)| *end == error)
            .map(|(_, count)| count)
            .sum();
        assert!(count > 0, "no call ended with {error}");
    }
}

/// Calls that a reducer may not make, and some with arguments that end it.
fn ends_reducers(step: &Step) -> bool {
    use script::Import::{HttpRequest, IndexId, SleepUntil, TableId};
    let Step::Call(import, args) = step else {
        return false;
    };
    let is_too_long = |arg: &script::Arg| matches!(arg, script::Arg::Value(65_536));
    matches!(import, HttpRequest | SleepUntil | TableId | IndexId) || args.iter().any(is_too_long)
}

/// A reducer that is ended by a wrong pointer, after any number of calls.
#[test]
fn a_call_that_breaks_leaves_no_trace_wherever_it_breaks() {
    let db = open(1);
    let client = db.connect("client").unwrap();
    let item = |n: u32| json!({"id": 0, "code": n, "a": n, "b": n, "h": n, "d": n});
    db.insert("item", (0..4).map(item).collect::<Vec<_>>())
        .unwrap();
    db.insert("bag", json!({"x": 1, "s": "a"})).unwrap();
    let watcher = db.connect("watcher").unwrap();
    watcher
        .subscribe(&["SELECT * FROM item", "SELECT * FROM bag"])
        .unwrap();
    let before = tables(&db);
    let null = Step::Call(script::Import::Identity, vec![script::Arg::Value(0)]);
    let mut writes = 0;
    for seed in 0..6 {
        let mut random = Random(seed);
        let mut writer = Writer {
            random: &mut random,
            ids: before.items.keys().copied().collect(),
            hostile_percent: 0,
            connection: client.connection_id().0.to_le_bytes(),
            steps: Vec::new(),
        };
        writer.prologue();
        while writer.steps.len() < 120 {
            let before = writer.steps.len();
            writer.step();
            if writer.steps[before..].iter().any(ends_reducers) {
                writer.steps.truncate(before);
            }
        }
        let steps = writer.steps;
        for len in 0..steps.len() {
            // A write into the arena changes nothing.
            if matches!(steps[len], Step::Poke(..)) {
                continue;
            }
            let mut broken = steps[..len].to_vec();
            broken.push(null.clone());
            let ended = run(&db, &client, &broken, Within::Reducer);
            assert!(ended.is_err(), "seed {seed}, {len} steps: {ended:?}");
        }
        assert_eq!(tables(&db), before, "seed {seed}");
        assert!(watcher.take_changes().is_empty(), "seed {seed}");
        // Without the wrong pointer it would have done something.
        let other = open(1);
        let caller = other.connect("client").unwrap();
        let _ = run(&other, &caller, &steps, Within::Reducer);
        writes += usize::from(tables(&other) != Tables::default());
    }
    assert!(writes > 3, "only {writes} scripts write anything");
    db.restart();
    assert_eq!(tables(&db), before);
}

#[test]
fn whatever_a_module_calls_stays_its_own_problem() {
    let (db, neighbour) = (open(1), open(2));
    let item = json!({"id": 0, "code": 1, "a": 2, "b": 3, "h": 4, "d": 5});
    neighbour.insert("item", item).unwrap();
    let before = tables(&neighbour);
    let mut client = db.connect("client").unwrap();
    let (mut broke, mut survived) = (0, 0);
    for seed in first_seed()..first_seed() + scripts() {
        let mut random = Random(seed);
        let steps = random::chaos(&mut random, 20);
        let within = [Within::Reducer, Within::Procedure, Within::View];
        match run(&db, &client, &steps, within[seed as usize % within.len()]) {
            Ok(()) => survived += 1,
            Err(_) => broke += 1,
        }
        if let Some(reason) = client.closed() {
            panic!("SPACETIME_IMPORTS_SEED={seed}: {reason}\n{}", db.log_text());
        }
        if seed % 10 == 0 {
            db.call("nothing", ()).unwrap_or_else(|error| {
                panic!("SPACETIME_IMPORTS_SEED={seed}: {error}");
            });
            assert_eq!(tables(&neighbour), before, "SPACETIME_IMPORTS_SEED={seed}");
        }
        if seed % 50 == 0 {
            client = db.connect("client").unwrap();
        }
    }
    neighbour.call("nothing", ()).unwrap();
    // The rows are in order: they go to the disk and come back.
    let rows = tables(&db);
    db.restart();
    assert_eq!(tables(&db), rows);
    assert!(broke > 0, "{survived} scripts, and none did harm to itself");
}

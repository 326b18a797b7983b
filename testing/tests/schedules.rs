//! Schedules under a simulated clock and on a simulated disk: random histories of timers, with
//! power cuts, restarts, new versions, a clock that is set forward and back, and machines that
//! sleep. A model says after each step which rows are due when, and which have run.
//!
//! `SPACETIME_SCHEDULE_SEEDS` says how many histories, `SPACETIME_SCHEDULE_SEED` from which seed
//! on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use spacetime_testing::{TestDatabase, Timestamp, repository_module};

/// Timestamps of one moment are told apart by microseconds.
const SLACK: i64 = 1000;
const STEPS: usize = 25;

fn variable(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().expect("a number"))
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Timer {
    text: String,
    every: Option<i64>,
    due: i64,
    succeeds: bool,
}

/// What should be.
#[derive(Debug)]
struct Model {
    /// By row id.
    timers: BTreeMap<u64, Timer>,
    /// The time by which schedules run: that of the machine, unless it was set back.
    now: i64,
    wall: i64,
    /// Runs that the test has not seen yet: text and moment.
    runs: Vec<(String, i64)>,
    activated: BTreeMap<&'static str, u64>,
}

impl Model {
    /// Lets time pass.
    fn pass(&mut self, micros: i64) {
        let end = self.now + micros;
        loop {
            let due = self.timers.iter().map(|(id, timer)| (timer.due, *id));
            let Some((due, id)) = due.min().filter(|(due, _)| *due <= end) else {
                break;
            };
            self.now = due.max(self.now);
            self.run(id);
        }
        self.now = end.max(self.now);
        self.wall += micros;
    }

    fn run(&mut self, id: u64) {
        let timer = self.timers.get_mut(&id).unwrap();
        if timer.succeeds {
            self.runs.push((timer.text.clone(), self.now));
        }
        match timer.every {
            None => {
                self.timers.remove(&id);
            }
            Some(every) => {
                let passed = (self.now - timer.due).max(0);
                timer.due += (passed / every + 1) * every;
            }
        }
    }

    fn set_clock(&mut self, wall: i64) {
        self.wall = wall;
        self.now = self.now.max(wall);
        self.pass(0);
    }

    /// All rows are seen anew: intervals begin again.
    fn reload(&mut self) {
        for timer in self.timers.values_mut() {
            if let Some(every) = timer.every {
                timer.due = self.now + every;
            }
        }
        self.pass(0);
    }
}

struct History {
    db: TestDatabase,
    model: Model,
    /// Two versions of the module.
    programs: [Vec<u8>; 2],
    is_second: bool,
    next_name: u64,
    ticks_seen: u64,
    one_shots: BTreeSet<String>,
}

impl History {
    fn begin(seed: u64) -> History {
        let program = repository_module("kitchen_sink").unwrap().to_vec();
        let db = TestDatabase::builder()
            .seed(seed)
            .from_bytes(program.clone())
            .unwrap();
        // A section that nobody reads makes it another program.
        let mut second = program.clone();
        second.extend([0, 2, 1, b'v']);
        let now = db.now().micros;
        let model = Model {
            timers: BTreeMap::new(),
            now,
            wall: now,
            runs: Vec::new(),
            activated: BTreeMap::new(),
        };
        History {
            db,
            model,
            programs: [program, second],
            is_second: false,
            next_name: 0,
            ticks_seen: 0,
            one_shots: BTreeSet::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.model.activated.entry(what).or_default() += 1;
    }

    fn name(&mut self) -> String {
        self.next_name += 1;
        format!("timer {}", self.next_name)
    }

    /// The model hears of rows that were put in: what it expects, the database has to know.
    fn add(&mut self, text: &str, every: Option<i64>, due: i64, succeeds: bool) {
        let planned = self.db.rows("timer");
        let row = planned.iter().find(|row| row["text"] == text);
        let id = match row {
            Some(row) => row.get("id"),
            // It was due at once and is gone already.
            None => u64::MAX - self.next_name,
        };
        let timer = Timer {
            text: text.to_owned(),
            every,
            due,
            succeeds,
        };
        self.model.timers.insert(id, timer);
        self.model.pass(0);
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(16) {
            0..4 => self.start_one_shot(random),
            4 => self.start_interval(random),
            5 => self.insert_past_the_module(random),
            6..10 => {
                let micros = random.below(4_000_000) as i64;
                self.db.advance(Duration::from_micros(micros as u64));
                self.model.pass(micros);
                self.count("time passes");
            }
            10 => self.set_clock(random),
            11 => {
                self.db.restart();
                self.model.now = self.model.wall;
                self.model.reload();
                self.count("restart");
            }
            12 => {
                // An unchanged module disturbs nobody.
                let is_other = random.below(4) > 0;
                self.is_second ^= is_other;
                let program = self.programs[usize::from(self.is_second)].clone();
                self.db.publish(program).unwrap();
                if is_other {
                    self.model.reload();
                }
                self.count(if is_other {
                    "publish"
                } else {
                    "publish the same"
                });
            }
            13 => {
                self.db.sync();
                self.db.cut_power(random.next());
                self.model.now = self.model.wall;
                self.model.reload();
                self.count("power cut");
            }
            14 => self.cut_power_unsynced(random),
            _ => self.delete_one(random),
        }
    }

    fn start_one_shot(&mut self, random: &mut Random) {
        let text = self.name();
        let delay = if random.below(8) == 0 {
            0
        } else {
            random.below(5000)
        };
        let outcome = ["succeed", "succeed", "fail", "panic"][random.below(4) as usize];
        let due = self.model.now + delay as i64 * 1000;
        self.db
            .call("start_timer", json!([delay, text, {outcome: {}}]))
            .unwrap();
        if outcome == "succeed" {
            self.one_shots.insert(text.clone());
        }
        self.add(&text, None, due, outcome == "succeed");
        self.count("one-shot");
    }

    fn start_interval(&mut self, random: &mut Random) {
        if self
            .model
            .timers
            .values()
            .filter(|timer| timer.every.is_some())
            .count()
            > 2
        {
            self.db.call("stop_timers", ()).unwrap();
            self.model.timers.clear();
            self.count("stop");
            return;
        }
        let text = self.name();
        let every = 100 + random.below(2000);
        self.db
            .call("start_repeating_timer", (every, text.clone()))
            .unwrap();
        let every = every as i64 * 1000;
        let due = self.model.now + every;
        self.add(&text, Some(every), due, true);
        self.count("interval");
    }

    /// Rows count whoever writes them, and also if their time is over.
    fn insert_past_the_module(&mut self, random: &mut Random) {
        let text = self.name();
        let due = self.model.now + random.below(2_000_000) as i64 - 1_000_000;
        let row = json!({
            "id": 0,
            "scheduled_at": {"Time": {"__timestamp_micros_since_unix_epoch__": due}},
            "text": text,
            "outcome": {"succeed": {}},
        });
        self.db.insert("timer", row).unwrap();
        self.one_shots.insert(text.clone());
        self.add(&text, None, due, true);
        self.count("inserted");
    }

    fn set_clock(&mut self, random: &mut Random) {
        let by = random.below(20_000_000) as i64 - 10_000_000;
        let wall = self.model.wall + by;
        self.db.set_clock(Timestamp::from_micros(wall));
        self.model.set_clock(wall);
        self.count(if by > 0 {
            "clock forward"
        } else {
            "clock back"
        });
    }

    fn delete_one(&mut self, random: &mut Random) {
        let ids: Vec<u64> = self.model.timers.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let id = ids[random.below(ids.len() as u64) as usize];
        self.db
            .sql(&format!("DELETE FROM timer WHERE id = {id}"))
            .unwrap();
        let timer = self.model.timers.remove(&id).unwrap();
        self.one_shots.remove(&timer.text);
        self.count("deleted");
    }

    /// What was not on disk may be lost, but nothing happens twice or by half.
    fn cut_power_unsynced(&mut self, random: &mut Random) {
        self.db.cut_power(random.next());
        let ticks = self.ticks();
        let rows: BTreeSet<String> = self.db.rows("timer").column("text").into_iter().collect();
        let mut lost = Vec::new();
        for text in &self.one_shots {
            let runs = ticks.iter().filter(|(_, run, _)| run == text).count();
            let waits = rows.contains(text);
            assert!(runs <= 1, "{text} ran {runs} times");
            assert!(!(waits && runs == 1), "{text} has run and is still planned");
            if !waits && runs == 0 {
                lost.push(text.clone());
            }
        }
        for text in lost {
            self.one_shots.remove(&text);
        }
        // From here on what is there is what counts.
        self.model.now = self.model.wall;
        self.model.runs.clear();
        self.ticks_seen = ticks.iter().map(|(id, ..)| *id).max().unwrap_or(0);
        let known = std::mem::take(&mut self.model.timers);
        for planned in self.db.schedules() {
            let every = planned.every.map(|every| every.as_micros() as i64);
            let text = planned.row["text"].as_str().unwrap().to_owned();
            let older = known.values().find(|timer| timer.text == text);
            let succeeds = planned.row["outcome"].get("succeed").is_some();
            if let (Some(older), None) = (older, every) {
                assert_eq!(
                    planned.due.micros, older.due,
                    "{text} is due when it was due"
                );
            }
            if let Some(every) = every {
                let expected = self.model.now + every;
                assert!(
                    (planned.due.micros - expected).abs() < SLACK,
                    "{text} begins anew"
                );
            }
            let timer = Timer {
                text,
                every,
                due: planned.due.micros,
                succeeds,
            };
            self.model.timers.insert(planned.id, timer);
        }
        self.count("power cut, unsynced");
    }

    /// Id, text and moment of every run that left a trace.
    fn ticks(&self) -> Vec<(u64, String, i64)> {
        let rows = self.db.rows("tick").sorted_by::<u64>("id");
        let tick = |row: &spacetime_testing::Row| {
            let moment: Timestamp = row.get("moment");
            (row.get("id"), row.get("text"), moment.micros)
        };
        rows.iter().map(tick).collect()
    }

    fn check(&mut self) {
        // What has run, each once, at its time.
        let ticks = self.ticks();
        let new = ticks.iter().filter(|(id, ..)| *id > self.ticks_seen);
        let mut found: Vec<(String, i64)> = new
            .map(|(_, text, moment)| (text.clone(), *moment))
            .collect();
        let mut expected = std::mem::take(&mut self.model.runs);
        found.sort();
        expected.sort();
        assert_eq!(
            found.len(),
            expected.len(),
            "{found:?}\nexpected {expected:?}"
        );
        for ((text, moment), (expected_text, expected_moment)) in found.iter().zip(&expected) {
            assert_eq!(text, expected_text);
            assert!(
                (moment - expected_moment).abs() < SLACK,
                "{text}: {moment} {expected_moment}"
            );
        }
        self.ticks_seen = ticks.iter().map(|(id, ..)| *id).max().unwrap_or(0);
        // What is planned, and when.
        let planned = self.db.schedules();
        assert_eq!(
            planned.len(),
            self.model.timers.len(),
            "{planned:?} {:?}",
            self.model.timers
        );
        for row in planned {
            let timer = self.model.timers.get_mut(&row.id).unwrap();
            let due = row.due.micros;
            assert!((due - timer.due).abs() < SLACK, "{timer:?} is due at {due}");
            // When an interval begins is known only now; from then on every run is exact.
            timer.due = due;
        }
    }
}

/// One history; what was done in it, or the panic of what went wrong.
fn run(seed: u64) -> std::thread::Result<BTreeMap<&'static str, u64>> {
    let mut random = Random(seed);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut history = History::begin(seed);
        for _ in 0..STEPS {
            history.step(&mut random);
            history.check();
        }
        history.model.activated
    }))
}

/// Has to have the process for itself: `cargo test ... --test schedules -- planted`.
#[cfg(feature = "planted-bugs")]
#[test]
fn every_planted_bug_of_schedules_is_caught() {
    use spacetime_host::planted::{SCHEDULE_BUGS, switch};
    for bug in SCHEDULE_BUGS {
        switch(Some(bug));
        let caught = (1..40).find(|seed| run(*seed).is_err());
        switch(None);
        assert!(caught.is_some(), "{bug:?} was not caught");
        println!("{bug:?}: seed {caught:?}");
    }
}

#[test]
fn every_due_row_runs_once_at_its_time_whatever_happens() {
    let first = variable("SPACETIME_SCHEDULE_SEED", 1);
    let seeds = variable("SPACETIME_SCHEDULE_SEEDS", 40);
    let mut activated: BTreeMap<&'static str, u64> = BTreeMap::new();
    for seed in first..first + seeds {
        let history = run(seed);
        let counts = history.unwrap_or_else(|_| panic!("SPACETIME_SCHEDULE_SEED={seed}"));
        for (what, count) in counts {
            *activated.entry(what).or_default() += count;
        }
    }
    if seeds >= 40 {
        assert_eq!(
            activated.len(),
            13,
            "not everything was tried: {activated:?}"
        );
    }
}

#[test]
fn an_interval_does_not_drift_in_a_day() {
    let db = TestDatabase::from_bytes(repository_module("kitchen_sink").unwrap()).unwrap();
    db.call("start_repeating_timer", (60_000, "minute"))
        .unwrap();
    let first = db.next_due().unwrap();
    db.advance(Duration::from_secs(24 * 3600));
    let next = db.next_due().unwrap();
    assert_eq!((next.micros - first.micros) % 60_000_000, 0);
    let ticks = db.rows("tick").sorted_by::<u64>("id");
    let moments: Vec<Timestamp> = ticks.column("moment");
    assert!((1439..=1440).contains(&moments.len()), "{}", moments.len());
    for (number, moment) in moments.iter().enumerate() {
        let late = moment.micros - first.micros - number as i64 * 60_000_000;
        assert!((0..SLACK).contains(&late), "run {number} is {late} us late");
    }
}

#[test]
fn runs_that_were_missed_are_left_out() {
    let db = TestDatabase::from_bytes(repository_module("kitchen_sink").unwrap()).unwrap();
    db.call("start_repeating_timer", (1000, "second")).unwrap();
    let first = db.next_due().unwrap().micros;
    // The machine sleeps for a bit more than an hour.
    db.set_clock(Timestamp::from_micros(first + 3_600_300_000));
    assert_eq!(db.count("tick"), 1);
    assert_eq!(db.next_due().unwrap().micros, first + 3_601_000_000);
    // The clock is set back by a day, and nobody waits a day for it.
    db.set_clock(Timestamp::from_micros(first - 86_400_000_000));
    assert_eq!(db.count("tick"), 1);
    db.advance(Duration::from_millis(700));
    assert_eq!(db.count("tick"), 2);
    db.advance(Duration::from_secs(10));
    assert_eq!(db.count("tick"), 12);
}

#[test]
fn a_row_that_is_always_due_keeps_nobody_out() {
    let db = TestDatabase::from_bytes(repository_module("kitchen_sink").unwrap()).unwrap();
    db.call("start_repeating_timer", (0, "always")).unwrap();
    db.advance(Duration::from_micros(100));
    let runs = db.count("tick");
    assert!((50..=110).contains(&runs), "as fast as possible: {runs}");
    db.call("stop_timers", ()).unwrap();
    db.advance(Duration::from_secs(1));
    assert_eq!(db.count("tick"), db.count("tick"));
    assert_eq!(db.next_due(), None);
}

#[test]
fn a_procedure_that_was_begun_is_not_begun_again() {
    let db = TestDatabase::from_bytes(repository_module("procedures").unwrap()).unwrap();
    db.call("plan", ("once", 1000, 0, 60_000)).unwrap();
    db.advance(Duration::from_secs(2));
    let texts = || -> Vec<String> { db.rows("entry").column("text") };
    assert_eq!(texts(), ["begin once"]);
    db.sync();
    db.cut_power(1);
    assert!(db.schedules().is_empty());
    db.advance(Duration::from_secs(600));
    assert_eq!(
        texts(),
        ["begin once"],
        "it has neither ended nor begun again"
    );
}

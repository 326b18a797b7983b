//! Random changes of random modules over their data: the plan is what happens, the rows become
//! what naive code expects, log and snapshot bring the same back, and a power cut at any moment
//! leaves all of a migration or nothing.
//!
//! `MIGRATION_PAIRS` sets how many pairs are tried; `MIGRATION_SEED` where they begin.

mod load;
#[path = "migrations/pair.rs"]
mod pair;

use std::collections::BTreeSet;
use std::sync::Arc;

use load::{Dump, dump, open, options};
use pair::{Module, Random, Rows};
use spacetime_durability::storage::SimStorage;
use spacetime_store::{CommitInputs, Files, LogRetention, Stepper, Store, StoreOptions};
use spacetime_table::migrate::{DatabaseDef, MigrateError, Mode, plan};
use spacetime_types::{ConnectionId, Identity, Timestamp};

const PAIRS: u64 = 500;
const BYTES_MAX: usize = 1 << 24;

fn from_environment(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(default, |text| text.parse().expect("a number"))
}

/// One database on a simulated disk.
struct Run {
    random: Random,
    disk: SimStorage,
    options: StoreOptions,
    store: Store,
    stepper: Stepper,
}

impl Run {
    fn new(seed: u64) -> Run {
        let (disk, options) = (SimStorage::new(seed), options(LogRetention::Keep));
        let (store, stepper) = open(&disk, Files::MayBeNew, &options).expect("a new database");
        Run {
            random: Random(seed),
            disk,
            options,
            store,
            stepper,
        }
    }

    fn commit(&mut self) {
        let inputs = CommitInputs {
            reducer: "__update__".into(),
            caller: Identity::ZERO,
            connection_id: ConnectionId(1),
            timestamp: Timestamp { micros: 0 },
            args: Default::default(),
        };
        self.store.commit(Some(inputs)).expect("the queue takes it");
    }

    fn write_log(&mut self) {
        while self.stepper.step() {}
    }

    fn create(&mut self, definition: &DatabaseDef) {
        self.store.datastore_mut().begin_tx();
        for table in &definition.tables {
            let created = self.store.datastore_mut().create_table(table);
            created.expect("a definition");
        }
        self.commit();
    }

    fn fill(&mut self, module: &Module) {
        let rows = module.rows(&mut self.random);
        self.store.datastore_mut().begin_tx();
        for (table, row) in rows {
            let datastore = self.store.datastore_mut();
            let table = datastore.table_id(&table).expect("a table");
            // Some break a rule; those are not there then.
            let _ = datastore.insert(table, &row);
        }
        self.commit();
    }

    fn rows(&self, module: &Module) -> Rows {
        let datastore = self.store.datastore();
        let tables = module.tables.iter().map(|table| {
            let id = datastore.table_id(&table.name).expect("a table");
            let rows = datastore.scan(id).expect("a table").map(|ptr| {
                let mut row = Vec::new();
                datastore.read_row(id, ptr, &mut row);
                row
            });
            (table.name.clone(), rows.collect::<BTreeSet<_>>())
        });
        tables.collect()
    }

    fn dump(&self) -> Dump {
        dump(self.store.datastore())
    }

    fn snapshot(&mut self) {
        self.write_log();
        let job = self.store.begin_snapshot(Timestamp { micros: 0 });
        let job = job.expect("a transaction");
        // There may be one of this state.
        let _ = job.write();
    }

    /// What a restart finds on `disk`.
    fn found(&self, disk: &SimStorage) -> Dump {
        let opened = open(disk, Files::Known, &self.options);
        let (store, stepper) = opened.expect("good files");
        assert_eq!(store.datastore().check_integrity(), Ok(()));
        let found = dump(store.datastore());
        stepper.close();
        found
    }
}

/// Applies the plan in the open store. True if it was committed.
fn migrate(run: &mut Run, old: &Module, new: &Module, mode: &Mode) -> bool {
    let (from, to) = (Arc::new(old.definition()), Arc::new(new.definition()));
    let is_explicit = matches!(mode, Mode::Explicit(_));
    let plan = plan(&from, &to, mode);
    let is_allowed = match is_explicit {
        true => new.is_explicit(old),
        false => new.is_automatic(old),
    };
    assert_eq!(plan.is_ok(), is_allowed, "{plan:#?}");
    let Ok(plan) = plan else { return false };
    let (before, rows) = (run.dump(), run.rows(old));
    let expected = new.expected(old, &rows);
    run.store.datastore_mut().begin_tx();
    let applied = run.store.datastore_mut().apply_migration(&plan, BYTES_MAX);
    let is_gone = |name: &String| !new.tables.iter().any(|table| table.name == *name);
    let loses_rows = rows
        .iter()
        .any(|(name, rows)| is_gone(name) && !rows.is_empty());
    match &applied {
        Ok(_) => {
            assert!(is_explicit || !loses_rows, "rows were removed");
            run.commit();
            assert_eq!(
                Some(run.rows(new)),
                expected,
                "{}",
                plan.print(Default::default())
            );
        }
        Err(error) => {
            run.store.datastore_mut().rollback();
            assert!(
                run.dump() == before,
                "a refused migration changed something"
            );
            match error {
                MigrateError::HasRows(_) => assert!(!is_explicit && loses_rows),
                MigrateError::Duplicates {
                    groups, examples, ..
                } => {
                    assert_eq!(expected, None, "{error}");
                    assert!(*groups > 0 && !examples.is_empty());
                }
                other => panic!("{other}"),
            }
        }
    }
    assert_eq!(run.store.datastore().check_integrity(), Ok(()));
    if applied.is_ok() {
        check_definition(run, &to);
    }
    applied.is_ok()
}

/// What is stored is the new definition: a plan to itself changes nothing.
fn check_definition(run: &mut Run, definition: &Arc<DatabaseDef>) {
    let same = plan(definition, definition, &Mode::Automatic).expect("nothing changed");
    assert!(same.is_empty());
    run.store.datastore_mut().begin_tx();
    let applied = run.store.datastore_mut().apply_migration(&same, BYTES_MAX);
    run.store.datastore_mut().rollback();
    assert!(applied.is_ok(), "{applied:?}");
}

/// What became of a pair.
#[derive(Debug, Default)]
struct Counts {
    automatic: u64,
    explicit: u64,
    refused: u64,
    lost: u64,
}

fn try_pair(seed: u64, counts: &mut Counts) {
    let mut run = Run::new(seed);
    let old = Module::random(&mut run.random);
    let new = old.changed(&mut run.random);
    run.create(&old.definition());
    run.fill(&old);
    if run.random.below(3) == 0 {
        run.snapshot();
    }
    run.write_log();
    let before = run.dump();
    let is_done = if migrate(&mut run, &old, &new, &Mode::Automatic) {
        counts.automatic += 1;
        true
    } else {
        let done = migrate(&mut run, &old, &new, &Mode::Explicit(new.hints()));
        counts.explicit += u64::from(done);
        done
    };
    if !is_done {
        counts.refused += 1;
        return;
    }
    let after = run.dump();
    // The power goes while the migration is on its way to the disk.
    let cut = u64::try_from(run.random.below(12)).expect("small");
    run.disk.cut_power_before_change(cut);
    run.write_log();
    let disk = run.disk.after_power_cut();
    let left = run.found(&disk);
    assert!(left == before || left == after, "half of a migration");
    counts.lost += u64::from(left == before);
    // If it got through: the same behind a snapshot, and with more rows.
    if left != after {
        return;
    }
    let opened = open(&disk, Files::Known, &run.options);
    let (store, stepper) = opened.expect("good files");
    (run.disk, run.store, run.stepper) = (disk, store, stepper);
    assert!(run.dump() == after, "another restart found something else");
    run.fill(&new);
    run.snapshot();
    run.fill(&new);
    run.write_log();
    let last = run.dump();
    assert!(
        run.found(&run.disk.after_restart()) == last,
        "rows behind a snapshot"
    );
}

#[test]
fn migrations_do_what_they_say_all_or_nothing() {
    let first = from_environment("MIGRATION_SEED", 1);
    let pairs = from_environment("MIGRATION_PAIRS", PAIRS);
    let mut counts = Counts::default();
    for seed in first..first + pairs {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            try_pair(seed, &mut counts);
        }));
        assert!(result.is_ok(), "MIGRATION_SEED={seed} MIGRATION_PAIRS=1");
    }
    eprintln!("{counts:?}");
    if pairs >= 100 {
        let Counts {
            automatic,
            explicit,
            refused,
            lost,
        } = counts;
        let least = pairs / 20;
        for (what, count) in [
            ("automatic", automatic),
            ("explicit", explicit),
            ("refused", refused),
            ("lost", lost),
        ] {
            assert!(count >= least, "only {count} {what}");
        }
    }
}

//! Queries that are stopped, and the guess whether one is worth running somewhere else.

mod fixture;

use std::cell::Cell;
use std::fmt::Write as _;
use std::ops::ControlFlow;

use fixture::{OWNER, build, caller};
use spacetime_query::{
    ExecuteError, Meter, ROWS_BETWEEN_CHECKS, RowSink, SelectPlan, Statement, compile,
    execute_metered,
};
use spacetime_table::Datastore;

const ROWS: u64 = 5000;

/// Two tables with `ROWS` rows each: `n` counts up, `g` is one of ten.
fn datastore() -> Datastore {
    let mut text = String::new();
    for name in ["a", "b"] {
        writeln!(text, "table {name} public: n u64, g u32; pk n; index g").unwrap();
        for n in 0..ROWS {
            writeln!(text, "[{n},{}]", n % 10).unwrap();
        }
    }
    build(&text)
}

fn select(datastore: &Datastore, sql: &str) -> SelectPlan {
    match compile(sql, datastore, &caller(OWNER)) {
        Ok(Statement::Select(select)) => select,
        other => panic!("{sql}: {other:?}"),
    }
}

struct Counted(u64);

impl RowSink for Counted {
    fn row(&mut self, _row: &[u8]) -> ControlFlow<()> {
        self.0 += 1;
        ControlFlow::Continue(())
    }
}

#[test]
fn every_kind_of_plan_can_be_stopped_and_runs_to_its_end_if_it_is_not() {
    let datastore = datastore();
    for (sql, rows) in [
        ("SELECT * FROM a", 5000),
        ("SELECT * FROM a WHERE n <> 7", 4999),
        ("SELECT * FROM a WHERE n >= 1000", 4000),
        ("SELECT COUNT(*) AS c FROM a WHERE n >= 1000", 1),
        ("SELECT COUNT(*) AS c FROM a WHERE n <> 7", 1),
        ("SELECT a.* FROM a JOIN b ON a.n = b.n", 5000),
        (
            "SELECT a.* FROM a JOIN b ON a.g = b.g WHERE a.n < 10 AND b.n <> 3",
            4999,
        ),
        ("SELECT a.n FROM a CROSS JOIN b WHERE a.n = 1", 5000),
    ] {
        let plan = select(&datastore, sql);
        let asked = Cell::new(0);
        let go_on = || {
            asked.set(asked.get() + 1);
            true
        };
        let mut all = Counted(0);
        execute_metered(&plan, &datastore, &mut all, &Meter::new(&go_on)).unwrap();
        assert_eq!(all.0, rows, "{sql}");
        assert!(asked.get() > 0, "{sql}: nobody was asked");

        let mut some = Counted(0);
        let stopped = execute_metered(&plan, &datastore, &mut some, &Meter::new(&|| false));
        assert!(matches!(stopped, Err(ExecuteError::Interrupted)), "{sql}");
        assert!(
            some.0 <= u64::from(ROWS_BETWEEN_CHECKS),
            "{sql}: {}",
            some.0
        );
    }
}

#[test]
fn the_rows_visited_are_known_beforehand() {
    let datastore = datastore();
    for (sql, max, expected) in [
        ("SELECT * FROM a", 5000, Some(5000)),
        ("SELECT * FROM a", 4999, None),
        ("SELECT * FROM a WHERE n = 4", 1, Some(1)),
        ("SELECT * FROM a WHERE n = 4", 0, None),
        ("SELECT * FROM a WHERE n = 4 OR n = 5", 9, Some(2)),
        ("SELECT * FROM a WHERE g = 4", 500, Some(500)),
        ("SELECT * FROM a WHERE g = 4", 499, None),
        ("SELECT * FROM a WHERE g = 4 OR g = 5", 999, None),
        ("SELECT * FROM a WHERE n < 20", 20, Some(20)),
        ("SELECT * FROM a WHERE n < 20", 19, None),
        ("SELECT * FROM a WHERE n = 1 AND n = 2", 1, Some(1)),
        ("SELECT COUNT(*) AS c FROM a", 0, Some(0)),
        ("SELECT COUNT(*) AS c FROM a WHERE n <> 1", 100, None),
        ("SELECT a.* FROM a JOIN b ON a.n = b.n", 1 << 20, None),
        (
            "SELECT a.* FROM a JOIN b ON a.n = b.n",
            ROWS * ROWS,
            Some(ROWS * ROWS),
        ),
    ] {
        let visited = select(&datastore, sql).rows_visited(&datastore, max);
        assert_eq!(visited, expected, "{sql}, at most {max}");
    }
}

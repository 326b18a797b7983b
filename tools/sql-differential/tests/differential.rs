//! Random queries give the same rows in our engine and in SQLite.
//!
//! `SQL_CASES` sets how many databases are tried, each with many queries; a failure names its
//! seed.

use spacetime_query::{Meter, RowBuffer, Statement, compile, execute_explain};
use spacetime_sql_differential::generate::{Query, condition_on, query, rows, table};
use spacetime_sql_differential::random::Random;
use spacetime_sql_differential::{Cell, Pair, Table, caller};

const DATABASES: u64 = 60;
const QUERIES: usize = 40;

fn database(random: &mut Random) -> (Pair, Vec<Table>) {
    let mut pair = Pair::new();
    let mut tables = Vec::new();
    for name in ["t", "u", "v"] {
        let table = table(random, name);
        let count = *random.pick(&[0, 1, 5, 12, 30]);
        let rows = rows(random, &table, count);
        pair.create(&table, &rows);
        tables.push(table);
    }
    (pair, tables)
}

/// Rows as texts that are equal for values that mean the same.
fn shown(rows: &[Vec<Cell>]) -> Vec<String> {
    let cell = |cell: &Cell| match cell {
        Cell::Null => "null".to_owned(),
        // A sum of floats or an average may be exact in one and whole in the other.
        Cell::Int(value) => format!("{value}"),
        Cell::Real(value) => {
            let rounded = (value * 1e6).round() / 1e6;
            format!("{:?}", rounded + 0.0)
        }
        Cell::Text(text) => format!("{text:?}"),
    };
    let row = |row: &Vec<Cell>| row.iter().map(cell).collect::<Vec<_>>().join(", ");
    rows.iter().map(row).collect()
}

fn check(pair: &Pair, query: &Query, seed: u64) {
    let sql = &query.sql;
    let (ours, theirs) = (pair.ask_us(sql), pair.ask_sqlite(sql));
    let theirs = theirs.unwrap_or_else(|error| panic!("seed {seed}: SQLite: {error}: {sql}"));
    let ours = ours.unwrap_or_else(|error| panic!("seed {seed}: {error}: {sql}"));
    let (mut ours, mut theirs) = (shown(&ours), shown(&theirs));
    if !query.is_ordered {
        ours.sort();
        theirs.sort();
    }
    assert_eq!(
        ours,
        theirs,
        "seed {seed}: ours, SQLite: {sql}\n{}",
        plan(pair, sql)
    );
}

/// The plan with what it did.
fn plan(pair: &Pair, sql: &str) -> String {
    let text = format!("EXPLAIN ANALYZE {sql}");
    let Ok(Statement::Explain(explain)) = compile(&text, &pair.ours, &caller()) else {
        panic!("no plan: {sql}");
    };
    let mut lines = RowBuffer::new(None);
    let meter = Meter::unlimited();
    execute_explain(&explain, &pair.ours, &mut lines, &meter, &|| 0).expect("it runs");
    let lines = lines.finish();
    let texts = lines
        .iter()
        .map(|line| String::from_utf8_lossy(&line[4..]).into_owned());
    texts.collect::<Vec<_>>().join("\n")
}

fn databases() -> u64 {
    let wanted = std::env::var("SQL_CASES").ok();
    wanted
        .and_then(|text| text.parse().ok())
        .unwrap_or(DATABASES)
}

#[test]
fn queries_give_the_same_rows() {
    for seed in 0..databases() {
        let mut random = Random(seed);
        let (pair, tables) = database(&mut random);
        for _ in 0..QUERIES {
            let query = query(&mut random, &tables);
            check(&pair, &query, seed);
        }
    }
}

#[test]
fn changes_leave_the_same_rows() {
    for seed in 0..databases() {
        let mut random = Random(seed ^ 0xc0ff_ee00);
        let (mut pair, tables) = database(&mut random);
        for _ in 0..6 {
            let table = random.pick(&tables).clone();
            let condition = condition_on(&mut random, &table);
            let name = &table.name;
            let sql = match random.chance(50) {
                true => format!("DELETE FROM {name} WHERE {condition}"),
                false => format!("UPDATE {name} SET k = 7 WHERE {condition}"),
            };
            let (ours, theirs) = pair.change(&sql);
            assert_eq!(ours, theirs, "seed {seed}: {sql}");
            let all = Query {
                sql: format!("SELECT * FROM {name}"),
                is_ordered: false,
            };
            check(&pair, &all, seed);
        }
    }
}

#[test]
fn plans_say_what_they_did() {
    let mut random = Random(5);
    let (pair, tables) = database(&mut random);
    for _ in 0..50 {
        let query = query(&mut random, &tables);
        let text = plan(&pair, &query.sql);
        assert!(text.contains("Select") && text.contains("actual"), "{text}");
    }
}

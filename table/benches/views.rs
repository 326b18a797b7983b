//! What read views cost: taking one, the first change after it, and a writer beside a reader that
//! scans the whole table again and again.
//!
//! Prints tables. `VIEWS_ROWS=1000,1000000,10000000` sets the sizes; the default is small. Times
//! of the writer are those of its own processor time too, for machines that do other things.
#![allow(clippy::print_stdout)] // It exists to print.

mod tables;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use spacetime_table::{Datastore, ReadView};
use tables::{Keyed, keyed, scattered};

/// Updates in one transaction.
const TX_ROWS: u32 = 10;

/// How long the writer runs.
const RUN: Duration = Duration::from_millis(1_500);

/// How old the reader's view gets.
const VIEW_AGE: Duration = Duration::from_millis(100);

fn main() {
    let sizes = std::env::var("VIEWS_ROWS").unwrap_or_else(|_| "1000,200000".to_owned());
    let sizes: Vec<u32> = sizes
        .split(',')
        .filter_map(|rows| rows.parse().ok())
        .collect();
    println!("     rows   tables   view ns   first change us   next change us");
    for rows in &sizes {
        for tables in [0, 1_000] {
            let mut keyed = filled("b", *rows);
            add_tables(&mut keyed.datastore, tables);
            print_view_costs(&mut keyed, *rows, tables);
        }
    }
    println!();
    println!("     rows  key    beside         updates/s   per cpu s   longest us   cpu us");
    for rows in &sizes {
        for kind in ["b", "h"] {
            let mut keyed = filled(kind, *rows);
            for with_reader in [false, true, false] {
                run_writer(&mut keyed, kind, *rows, with_reader);
            }
        }
    }
}

fn filled(kind: &str, rows: u32) -> Keyed {
    let mut keyed = keyed(kind);
    keyed.datastore.begin_tx();
    for key in 0..rows {
        let row = row(key, 0);
        keyed.datastore.insert(keyed.table, &row).expect("a row");
        if key % 10_000 == 9_999 {
            keyed.datastore.commit();
            keyed.datastore.begin_tx();
        }
    }
    keyed.datastore.commit();
    keyed
}

fn row(key: u32, value: u32) -> [u8; 8] {
    let mut row = [0; 8];
    row[..4].copy_from_slice(&key.to_le_bytes());
    row[4..].copy_from_slice(&value.to_le_bytes());
    row
}

/// Further tables, each with a row.
fn add_tables(datastore: &mut Datastore, count: u32) {
    use spacetime_table::definition::{ColumnDef, TableDef};
    datastore.begin_tx();
    for n in 0..count {
        let column = ColumnDef::new("n", spacetime_types::AlgebraicType::U32);
        let def = TableDef::new(&format!("further_{n}"), vec![column]);
        let table = datastore.create_table(&def).expect("a definition");
        datastore.insert(table, &n.to_le_bytes()).expect("a row");
    }
    datastore.commit();
}

fn update(keyed: &mut Keyed, key: u32, value: u32) {
    let Keyed {
        datastore,
        table,
        index,
    } = keyed;
    datastore
        .update(*table, *index, &row(key, value))
        .expect("a row");
}

fn print_view_costs(keyed: &mut Keyed, rows: u32, tables: u32) {
    let rounds = 200u32;
    let (mut view, mut first, mut next) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for round in 0..rounds {
        let start = Instant::now();
        let taken = black_box(keyed.datastore.view());
        view += start.elapsed();
        for (n, sum) in [(0, &mut first), (1, &mut next)] {
            let start = Instant::now();
            keyed.datastore.begin_tx();
            update(keyed, scattered(round * 7 + n, rows), round + 1);
            black_box(keyed.datastore.commit());
            *sum += start.elapsed();
        }
        drop(taken);
    }
    let micros = |sum: Duration| sum.as_secs_f64() * 1e6 / f64::from(rounds);
    println!(
        "{rows:>9} {tables:>8} {:>9.0} {:>17.1} {:>16.1}",
        micros(view) * 1e3,
        micros(first),
        micros(next)
    );
}

/// The processor time that this thread has had.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(time.tv_sec.unsigned_abs(), nanos)
}

/// Runs the writer for a while, beside a reader that scans a view that is never old.
fn run_writer(keyed: &mut Keyed, kind: &str, rows: u32, with_reader: bool) {
    let shared: Arc<Mutex<ReadView>> = Arc::new(Mutex::new(keyed.datastore.view()));
    let is_over = Arc::new(AtomicBool::new(false));
    let table = keyed.table;
    let reader = with_reader.then(|| {
        let (shared, is_over) = (Arc::clone(&shared), Arc::clone(&is_over));
        std::thread::spawn(move || {
            let mut found = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let view = shared.lock().expect("no panic").clone();
                for ptr in view.scan(table).expect("the table") {
                    found.clear();
                    view.read_row(table, ptr, &mut found);
                    black_box(&found);
                }
            }
        })
    });
    let mut hand_out = with_reader.then_some(&*shared);
    if hand_out.is_none() {
        // Nobody looks: no view is alive.
        *shared.lock().expect("no panic") = Datastore::new().view();
    }
    let (start, cpu_start) = (Instant::now(), cpu_time());
    let (mut viewed, mut updates) = (start, 0u32);
    let (mut longest, mut longest_cpu) = (Duration::ZERO, Duration::ZERO);
    let mut before = (start, cpu_start);
    while before.0 - start < RUN {
        if let Some(shared) = hand_out.as_mut()
            && before.0 - viewed > VIEW_AGE
        {
            *shared.lock().expect("no panic") = keyed.datastore.view();
            viewed = before.0;
        }
        keyed.datastore.begin_tx();
        for _ in 0..TX_ROWS {
            update(keyed, scattered(updates, rows), updates);
            updates += 1;
        }
        black_box(keyed.datastore.commit());
        let after = (Instant::now(), cpu_time());
        longest = longest.max(after.0 - before.0);
        longest_cpu = longest_cpu.max(after.1 - before.1);
        before = after;
    }
    let rate = |time: Duration| f64::from(updates) / time.as_secs_f64();
    println!(
        "{rows:>9}  {kind:<6} {:<12} {:>11.0} {:>11.0} {:>12.0} {:>8.0}",
        if with_reader {
            "a full scan"
        } else {
            "nothing"
        },
        rate(before.0 - start),
        rate(before.1 - cpu_start),
        longest.as_secs_f64() * 1e6,
        longest_cpu.as_secs_f64() * 1e6
    );
    is_over.store(true, Ordering::Relaxed);
    if let Some(reader) = reader {
        reader.join().expect("the reader does not panic");
    }
}

use std::sync::mpsc;

use spacetime_query::{Caller, Statement, compile};
use spacetime_table::definition::{ColumnDef, TableDef};
use spacetime_types::{AlgebraicType, Identity};

use super::*;

const WAIT: Duration = Duration::from_secs(20);

fn limits() -> ReadLimits {
    ReadLimits {
        time: Duration::from_secs(60),
        rows: 1000,
        bytes: 4000,
        slow: Duration::from_secs(60),
        ..ReadLimits::default()
    }
}

fn pool(threads: usize, limits: ReadLimits) -> Arc<ReaderPool> {
    ReaderPool::with_threads(threads, limits, Handle::current()).unwrap()
}

/// A table of `rows` rows of eight bytes.
fn datastore(rows: u64) -> Datastore {
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let columns = vec![ColumnDef::new("n", AlgebraicType::U64)];
    let table = datastore
        .create_table(&TableDef::new("t", columns))
        .unwrap();
    for n in 0..rows {
        datastore.insert(table, &n.to_le_bytes()).unwrap();
    }
    datastore.commit();
    datastore
}

fn select(datastore: &Datastore, sql: &str) -> SelectPlan {
    let caller = Caller {
        identity: Identity::from_be_bytes([1; 32]),
        is_owner: true,
    };
    match compile(sql, datastore, &caller) {
        Ok(Statement::Select(select)) => select,
        other => panic!("{sql}: {other:?}"),
    }
}

#[tokio::test]
async fn a_result_ends_at_its_limits_and_a_set_shares_them() {
    let readers = Readers::new(pool(2, limits()));
    let datastore = datastore(2000);
    let read = |allowance: &mut Allowance, sql: &str| {
        let plan = select(&datastore, sql);
        allowance.select(&plan, Some(8), &datastore, &|| true)
    };
    let mut allowance = readers.allowance();
    assert_eq!(
        read(&mut allowance, "SELECT * FROM t WHERE n < 500")
            .unwrap()
            .len(),
        500
    );
    // The bytes are used up, and stay so.
    for _ in 0..2 {
        let error = read(&mut allowance, "SELECT * FROM t LIMIT 1").unwrap_err();
        assert!(matches!(error, ReadError::TooManyBytes(4000)), "{error}");
    }
    let mut allowance = readers.allowance();
    let error = read(&mut allowance, "SELECT * FROM t").unwrap_err();
    assert!(matches!(error, ReadError::TooManyBytes(4000)), "{error}");
    let roomy = Readers::new(pool(
        2,
        ReadLimits {
            bytes: 1 << 20,
            ..limits()
        },
    ));
    let error = read(&mut roomy.allowance(), "SELECT * FROM t").unwrap_err();
    assert!(matches!(error, ReadError::TooManyRows(1000)), "{error}");
}

#[tokio::test]
async fn what_strangers_ask_has_limits_of_its_own() {
    let readers = Readers::new(pool(
        2,
        ReadLimits {
            visits: 3000,
            first_rows: 10,
            rows: 5000,
            bytes: 1 << 20,
            ..limits()
        },
    ));
    let datastore = datastore(2000);
    let caller = |is_owner| Caller {
        identity: Identity::from_be_bytes([1; 32]),
        is_owner,
    };
    let read = |allowance: &mut Allowance, sql: &str| {
        let plan = select(&datastore, sql);
        allowance.select(&plan, Some(8), &datastore, &|| true)
    };
    let pairs = "SELECT x.n FROM t x CROSS JOIN t y WHERE x.n + y.n = 3";
    let mut stranger = readers.allowance_of(&caller(false));
    assert_eq!(read(&mut stranger, "SELECT * FROM t").unwrap().len(), 2000);
    let error = read(&mut stranger, pairs).unwrap_err();
    assert!(matches!(error, ReadError::TooManyVisits(3000)), "{error}");
    let mut owner = readers.allowance_of(&caller(true));
    assert_eq!(read(&mut owner, pairs).unwrap().len(), 4);
    let error = read(
        &mut readers.first_rows_of(&caller(false)),
        "SELECT * FROM t",
    )
    .unwrap_err();
    assert!(matches!(error, ReadError::TooManyRows(10)), "{error}");
    let mut owner = readers.first_rows_of(&caller(true));
    assert_eq!(read(&mut owner, "SELECT * FROM t").unwrap().len(), 2000);
}

#[tokio::test]
async fn a_query_ends_at_its_deadline_when_nobody_wants_it_and_when_the_database_stops() {
    // A million times a million combinations would take hours.
    let slow = "SELECT COUNT(*) AS c FROM t x CROSS JOIN t y CROSS JOIN t z";
    let datastore = datastore(2000);
    let plan = select(&datastore, slow);
    let short = ReadLimits {
        time: Duration::from_millis(50),
        ..limits()
    };
    let readers = Readers::new(pool(2, short));
    let read = |wanted: &dyn Fn() -> bool| {
        let mut allowance = readers.allowance();
        allowance
            .select(&plan, None, &datastore, wanted)
            .unwrap_err()
    };
    let error = read(&|| true);
    assert_eq!(
        error.to_string(),
        "the query took longer than 50ms and was stopped"
    );
    // The deadline counts from the question: one that waited too long is not begun.
    let mut late = readers.allowance();
    std::thread::sleep(Duration::from_millis(60));
    let one = select(&datastore, "SELECT * FROM t LIMIT 1");
    let error = late.select(&one, None, &datastore, &|| true).unwrap_err();
    assert!(matches!(error, ReadError::TimedOut(_)), "{error}");

    let asked = Cell::new(0);
    let error = read(&|| {
        asked.set(asked.get() + 1);
        asked.get() < 3
    });
    assert!(matches!(error, ReadError::Stopped), "{error}");
    readers.stop();
    assert!(matches!(read(&|| true), ReadError::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_leaves_a_thread_to_others_and_runs_the_rest_in_turn() {
    let pool = pool(3, limits());
    let (greedy, other) = (Readers::new(Arc::clone(&pool)), Readers::new(pool));
    let (done, results) = mpsc::channel();
    let (gate, closed) = mpsc::channel::<()>();
    let closed = Arc::new(parking_lot::Mutex::new(closed));
    let started = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let (done, closed, started) = (done.clone(), Arc::clone(&closed), Arc::clone(&started));
        greedy.run(greedy.reserve().unwrap(), move || {
            started.fetch_add(1, Ordering::SeqCst);
            let _ = closed.lock().recv();
            let _ = done.send("greedy");
        });
    }
    let (other_done, other_result) = mpsc::channel();
    other.run(other.reserve().unwrap(), move || {
        let _ = other_done.send(());
    });
    other_result.recv_timeout(WAIT).unwrap();
    assert!(started.load(Ordering::SeqCst) <= 2);
    drop(gate);
    for _ in 0..10 {
        results.recv_timeout(WAIT).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_room_is_refused_and_a_panic_gives_its_room_back() {
    let readers = Readers::new(pool(2, limits()));
    let rooms: Vec<Room> = (0..READS_WAITING_MAX)
        .map(|_| readers.reserve().unwrap())
        .collect();
    assert!(matches!(readers.reserve(), Err(ReadError::Overloaded)));
    drop(rooms);
    // More panics than threads and than room.
    let (done, results) = mpsc::channel::<()>();
    for _ in 0..4 {
        let done = done.clone();
        readers.run(readers.reserve().unwrap(), move || {
            let _done = done;
            panic!("on purpose: a query that fails");
        });
    }
    drop(done);
    // Ends when every job has ended.
    let ended = results.recv_timeout(WAIT);
    assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
    let (done, results) = mpsc::channel();
    readers.run(readers.reserve().unwrap(), move || {
        let _ = done.send(());
    });
    results.recv_timeout(WAIT).unwrap();
}

// A thread waits here, while others give the permits back.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_panics_takes_no_thread_with_it() {
    let readers = Readers::new(pool(2, limits()));
    for _ in 0..4 {
        let (sender, answer) = mpsc::channel::<()>();
        readers.run(readers.reserve().unwrap(), move || {
            let _gone = sender;
            panic!("planned");
        });
        let end = answer.recv_timeout(WAIT);
        assert_eq!(end, Err(mpsc::RecvTimeoutError::Disconnected));
    }
    let (sender, answer) = mpsc::channel();
    readers.run(readers.reserve().unwrap(), move || sender.send(()).unwrap());
    answer.recv_timeout(WAIT).unwrap();
}

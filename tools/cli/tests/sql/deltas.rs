//! What one transaction delivers to one query, case by case (HS01 to HS26).

use std::collections::BTreeMap;

use serde_json::json;
use spacetime_types::bsatn;

use crate::cases::{Callers, fixture};
use crate::harness::Server;
use crate::harness::websocket::v2::{Change, Client, Event};
use crate::program::{Module, Step, program};

const DATABASE: &str = "deltas";
const CASES: u32 = 1;
const MARKS: u32 = 2;

/// How a case changes the database, in one transaction.
#[derive(Clone, Copy)]
enum Tx {
    Sql(&'static str),
    Call(&'static str),
}

/// Rows by how often they come (positive) or go.
type Net = BTreeMap<Vec<u8>, i64>;

fn t(a: u64, b: u32, c: &str) -> Vec<u8> {
    bsatn::to_vec(&(a, b, c.to_owned()))
}

fn u(x: u64, y: u32) -> Vec<u8> {
    bsatn::to_vec(&(x, y))
}

struct Deltas {
    server: Server,
    callers: Callers,
    client: Client,
    marks: u32,
}

impl Deltas {
    fn new(module: &Module, server: Server, callers: Callers) -> Self {
        server.publish(callers.owner(), DATABASE, &program(module));
        let mut client = Client::of(&server, DATABASE, callers.owner());
        client.subscribe(MARKS, &["SELECT * FROM n"]).unwrap();
        Deltas {
            server,
            callers,
            client,
            marks: 0,
        }
    }

    fn sql(&self, text: &str) {
        let done = self.server.sql(self.callers.owner(), DATABASE, text);
        done.unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
    }

    fn run(&self, tx: Tx) {
        match tx {
            Tx::Sql(text) => self.sql(text),
            Tx::Call(reducer) => {
                let called = self
                    .server
                    .call(self.callers.owner(), DATABASE, reducer, json!([]));
                called.unwrap_or_else(|refusal| panic!("{reducer}: {refusal:?}"));
            }
        }
    }

    /// The updates of everything so far, without the mark that is set behind it.
    fn updates(&mut self) -> Vec<Vec<Change>> {
        self.marks += 1;
        self.sql(&format!("INSERT INTO n (p, q) VALUES ({}, 0)", self.marks));
        let mut updates = Vec::new();
        loop {
            let changes = self.client.next_update();
            if changes.iter().any(|change| change.set == MARKS) {
                return updates;
            }
            updates.push(changes);
        }
    }

    /// Brings the state about, subscribes, runs the transaction, and compares.
    fn check(&mut self, queries: &[&str], state: &[&str], tx: Tx, expected: &[(Vec<u8>, i64)]) {
        let updates = self.told(queries, state, tx);
        assert!(updates.len() <= 1, "{queries:?}: {updates:?}");
        let mut net = Net::new();
        for change in updates.iter().flatten() {
            for (rows, times) in [(&change.inserts, 1), (&change.deletes, -1)] {
                for row in rows {
                    *net.entry(row.clone()).or_default() += times;
                }
            }
        }
        let told: usize = updates
            .iter()
            .flatten()
            .map(|change| change.inserts.len() + change.deletes.len())
            .sum();
        let due: i64 = expected.iter().map(|(_, times)| times.abs()).sum();
        let expected: Net = expected.iter().cloned().collect();
        assert_eq!(net, expected, "{queries:?} after {state:?}");
        // No row both comes and goes.
        assert_eq!(told as i64, due, "{queries:?} after {state:?}");
    }

    fn told(&mut self, queries: &[&str], state: &[&str], tx: Tx) -> Vec<Vec<Change>> {
        for table in ["t", "u"] {
            self.sql(&format!("DELETE FROM {table}"));
        }
        for text in state {
            self.sql(text);
        }
        self.client.subscribe(CASES, queries).unwrap();
        self.run(tx);
        let updates = self.updates();
        self.client.unsubscribe(CASES, false).unwrap();
        updates
    }
}

const T1: &str = "INSERT INTO t (a, b, c) VALUES (1, 1, 'x')";
const U5: &str = "INSERT INTO u (x, y) VALUES (1, 5)";
const U56: &str = "INSERT INTO u (x, y) VALUES (1, 5), (1, 6)";
const OF_ONE: &[&str] = &["SELECT * FROM t WHERE b = 1"];
const JOIN: &[&str] = &["SELECT t.* FROM t JOIN u ON t.a = u.x"];
const OF_U: &[&str] = &["SELECT u.* FROM t JOIN u ON t.a = u.x WHERE t.b = 1"];
const RENAME: Tx = Tx::Sql("UPDATE t SET c = 'y' WHERE a = 1");

fn start() -> (Deltas, Module) {
    let server = Server::start();
    let callers = Callers::new(&server);
    let insert = Step::Insert;
    let delete = Step::Delete;
    let module = fixture("hs", &callers)
        .with_reducer(
            "again",
            vec![delete("t", t(1, 1, "x")), insert("t", t(1, 1, "x"))],
        )
        .with_reducer(
            "pass",
            vec![insert("t", t(1, 1, "x")), delete("t", t(1, 1, "x"))],
        )
        .with_reducer(
            "both_go",
            vec![delete("t", t(1, 1, "x")), delete("u", u(1, 5))],
        )
        .with_reducer(
            "both_come",
            vec![insert("t", t(1, 1, "x")), insert("u", u(1, 5))],
        )
        .with_reducer("exchange", vec![delete("u", u(1, 5)), insert("u", u(1, 7))])
        .with_reducer(
            "exchange_both",
            vec![
                delete("t", t(1, 1, "x")),
                insert("t", t(1, 1, "y")),
                delete("u", u(1, 5)),
                insert("u", u(1, 7)),
            ],
        )
        .with_reducer(
            "rename_and_delete",
            vec![
                delete("t", t(1, 1, "x")),
                insert("t", t(1, 1, "y")),
                delete("u", u(1, 5)),
            ],
        )
        .with_reducer("refuse", vec![insert("t", t(1, 1, "x")), Step::Fail("no")])
        .with_reducer("happen", vec![insert("ev", u(3, 4))]);
    (Deltas::new(&module, server, callers), module)
}

#[test]
fn one_table() {
    let (mut deltas, _) = start();
    let x = || t(1, 1, "x");
    // HS01 to HS05
    deltas.check(OF_ONE, &[T1], RENAME, &[(x(), -1), (t(1, 1, "y"), 1)]);
    let to_two = Tx::Sql("UPDATE t SET b = 2 WHERE a = 1");
    deltas.check(OF_ONE, &[T1], to_two, &[(x(), -1)]);
    let two = "INSERT INTO t (a, b, c) VALUES (1, 2, 'x')";
    let to_one = Tx::Sql("UPDATE t SET b = 1 WHERE a = 1");
    deltas.check(OF_ONE, &[two], to_one, &[(x(), 1)]);
    deltas.check(OF_ONE, &[T1], Tx::Call("again"), &[]);
    deltas.check(OF_ONE, &[], Tx::Call("pass"), &[]);
    // HS19, HS20, HS23
    let either = &["SELECT * FROM t WHERE b = 1 OR b = 2"];
    deltas.check(either, &[T1], to_two, &[(x(), -1), (t(1, 2, "x"), 1)]);
    let six = "INSERT INTO t (a, b, c) VALUES (1, 6, 'x')";
    let to_five = Tx::Sql("UPDATE t SET b = 5 WHERE a = 1");
    let above = &["SELECT * FROM t WHERE b > 5"];
    deltas.check(above, &[six], to_five, &[(t(1, 6, "x"), -1)]);
    let three = "INSERT INTO t (a, b, c) VALUES (1, 1, 'x'), (2, 2, 'y'), (3, 3, 'z')";
    let all_go = [(x(), -1), (t(2, 2, "y"), -1), (t(3, 3, "z"), -1)];
    let clear = Tx::Sql("DELETE FROM t");
    deltas.check(&["SELECT * FROM t"], &[three], clear, &all_go);
    // HS18: an element for each query, under one table.
    let both = &["SELECT * FROM t", "SELECT * FROM t WHERE a = 1"];
    let updates = deltas.told(both, &[], Tx::Sql(T1));
    let [changes] = updates.as_slice() else {
        panic!("{updates:?}");
    };
    let inserts: Vec<_> = changes
        .iter()
        .map(|change| change.inserts.clone())
        .collect();
    assert_eq!(inserts, [[x()], [x()]]);
}

#[test]
fn joins() {
    let (mut deltas, _) = start();
    let (x, y) = (|| t(1, 1, "x"), || t(1, 1, "y"));
    // HS06 to HS14
    deltas.check(JOIN, &[T1], Tx::Sql(U5), &[(x(), 1)]);
    let u6 = Tx::Sql("INSERT INTO u (x, y) VALUES (1, 6)");
    deltas.check(JOIN, &[T1, U5], u6, &[(x(), 1)]);
    let no_u5 = Tx::Sql("DELETE FROM u WHERE y = 5");
    deltas.check(JOIN, &[T1, U56], no_u5, &[(x(), -1)]);
    let no_t = Tx::Sql("DELETE FROM t WHERE a = 1");
    deltas.check(JOIN, &[T1, U56], no_t, &[(x(), -2)]);
    deltas.check(JOIN, &[T1, U5], Tx::Call("both_go"), &[(x(), -1)]);
    deltas.check(JOIN, &[], Tx::Call("both_come"), &[(x(), 1)]);
    deltas.check(JOIN, &[T1, U5], Tx::Call("exchange"), &[]);
    let renamed = [(x(), -1), (y(), 1)];
    deltas.check(JOIN, &[T1, U5], Tx::Call("exchange_both"), &renamed);
    let renamed = [(x(), -2), (y(), 1)];
    deltas.check(JOIN, &[T1, U56], Tx::Call("rename_and_delete"), &renamed);
    // HS15 to HS17
    let two = "INSERT INTO t (a, b, c) VALUES (1, 2, 'x')";
    let to_one = Tx::Sql("UPDATE t SET b = 1 WHERE a = 1");
    deltas.check(OF_U, &[two, U56], to_one, &[(u(1, 5), 1), (u(1, 6), 1)]);
    deltas.check(OF_U, &[T1, U5], RENAME, &[]);
    let itself = &["SELECT p.* FROM t p JOIN t q ON p.a = q.a"];
    deltas.check(itself, &[], Tx::Sql(T1), &[(x(), 1)]);
    // HS25, HS26
    let of_five = &["SELECT t.* FROM t JOIN u ON t.a = u.x WHERE u.y = 5"];
    let to_six = Tx::Sql("UPDATE u SET y = 6 WHERE y = 5");
    deltas.check(of_five, &[T1, U5], to_six, &[(x(), -1)]);
    let own = &["SELECT t.* FROM t JOIN u ON t.a = u.x WHERE t.b = 1"];
    deltas.check(own, &[T1, U56], RENAME, &[(x(), -2), (y(), 2)]);
}

#[test]
fn events_failures_and_another_module() {
    let (mut deltas, mut module) = start();
    // HS21
    let events = deltas.told(&["SELECT * FROM ev"], &[], Tx::Call("happen"));
    assert_eq!(events.len(), 1);
    assert_eq!(events[0][0].events, [u(3, 4)]);
    let later = deltas
        .client
        .subscribe(CASES, &["SELECT * FROM ev"])
        .unwrap();
    assert!(later.iter().all(|rows| rows.rows.is_empty()), "{later:?}");
    deltas.client.unsubscribe(CASES, false).unwrap();
    // HS22
    deltas
        .client
        .subscribe(CASES, &["SELECT * FROM t"])
        .unwrap();
    let called = deltas
        .server
        .call(deltas.callers.owner(), DATABASE, "refuse", json!([]));
    let refused = called.unwrap_err();
    assert!(refused.text.contains("no"), "{refused:?}");
    assert!(deltas.updates().is_empty());
    deltas.client.unsubscribe(CASES, false).unwrap();
    // HS24: the index that the query was planned with goes.
    deltas.sql(T1);
    deltas.client.subscribe(CASES, OF_ONE).unwrap();
    module.tables[0].drop_index("b");
    deltas
        .server
        .publish(deltas.callers.owner(), DATABASE, &program(&module));
    deltas.sql("INSERT INTO t (a, b, c) VALUES (2, 1, 'y')");
    match deltas.client.next() {
        Event::Update(changes) => assert_eq!(changes[0].inserts, [t(2, 1, "y")]),
        other => panic!("{other:?}"),
    }
}

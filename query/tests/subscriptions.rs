//! What subscribers receive, and what is shared between them.

mod fixture;

use fixture::{OWNER, build, caller, change, named};
use spacetime_query::{QueryId, SubscriptionPlan, SubscriptionSet};
use spacetime_table::definition::{ColumnDef, TableDef, ViewDef};
use spacetime_table::system::{StRowLevelSecurity, SystemRow};
use spacetime_table::{Datastore, TableAccess, TxDelta};
use spacetime_types::AlgebraicType;

fn plan(datastore: &Datastore, sql: &str, who: u8) -> SubscriptionPlan {
    SubscriptionPlan::compile(sql, datastore, &caller(who)).expect("a subscription")
}

/// Runs changes in one transaction.
fn transaction(
    datastore: &mut Datastore,
    changes: impl FnOnce(&mut Datastore),
) -> std::sync::Arc<TxDelta> {
    datastore.begin_tx();
    changes(datastore);
    datastore.commit()
}

fn insert(datastore: &mut Datastore, table: &str, row: &[u8]) {
    let table = datastore.table_id(table).expect("the table");
    datastore.insert(table, row).expect("a row");
}

fn row_t(a: u64, b: u32, c: &str) -> Vec<u8> {
    let mut row = [a.to_le_bytes().as_slice(), &b.to_le_bytes()].concat();
    row.extend_from_slice(&u32::try_from(c.len()).unwrap().to_le_bytes());
    row.extend_from_slice(c.as_bytes());
    row
}

#[test]
fn texts_that_mean_the_same_are_one_query() {
    let datastore = named("su");
    let mut set = SubscriptionSet::new();
    let same = [
        "SELECT * FROM t WHERE a = 1 AND b > 2",
        "select \"x\".* from \"t\" as x where ((x.b > 2) and 1.0 = x.a)",
        "SELECT * FROM t WHERE (TRUE = TRUE) AND NOT (b <= 2) AND a = 1",
    ];
    let ids: Vec<QueryId> = (0..3)
        .map(|at| set.add(at, plan(&datastore, same[at], OWNER)))
        .collect();
    assert_eq!((ids[0], ids[0]), (ids[1], ids[2]));
    assert_eq!(set.len(), 1);
    let other = set.add(
        7,
        plan(&datastore, "SELECT * FROM t WHERE a = 1 AND b > 3", OWNER),
    );
    assert_ne!(other, ids[0]);
    let senders = [1, 2].map(|who| {
        set.add(
            usize::from(who),
            plan(&datastore, "SELECT * FROM idn WHERE id = :sender", who),
        )
    });
    assert_ne!(senders[0], senders[1]);
    assert_eq!(set.remove_subscriber(1), [ids[0], senders[0]]);
    assert!(!set.remove(1, ids[0]), "it is gone already");
    assert!(set.plan(senders[0]).is_none(), "nobody wants it");
}

#[test]
fn a_whole_table_shares_the_bytes_of_the_delta() {
    let mut datastore = named("su");
    let mut set = SubscriptionSet::new();
    for subscriber in 0..100 {
        set.add(subscriber, plan(&datastore, "SELECT * FROM t", 1));
    }
    set.add(
        7,
        plan(&datastore, "SELECT * FROM t WHERE a = 5 OR a = 6", 1),
    );
    set.add(8, plan(&datastore, "SELECT * FROM t WHERE b > 5", 1));
    let delta = transaction(&mut datastore, |datastore| {
        insert(datastore, "t", &row_t(1, 1, "one"));
        insert(datastore, "t", &row_t(6, 1, "six"));
    });
    let evaluation = set.evaluate(&delta, &datastore);
    let [whole, some] = evaluation.updates.as_slice() else {
        panic!("two queries changed: {evaluation:?}");
    };
    assert_eq!(
        whole.inserts.bytes().as_ptr(),
        delta.tables[0].inserts.bytes().as_ptr()
    );
    assert_eq!((whole.inserts.len(), whole.subscribers.len()), (2, 100));
    assert_eq!(
        some.inserts.iter().collect::<Vec<_>>(),
        [row_t(6, 1, "six")]
    );
    assert_eq!(*some.subscribers, [7]);
}

#[test]
fn events_are_delivered_and_not_kept() {
    let mut datastore = named("su");
    let mut set = SubscriptionSet::new();
    insert_t(&mut datastore);
    let events = plan(&datastore, "SELECT * FROM ev WHERE e = 1", 1);
    assert!(events.initial_rows(&datastore).expect("rows").is_empty());
    let events = set.add(1, events);
    let joined = "SELECT t.* FROM ev JOIN t ON ev.e = t.a";
    let joined = set.add(1, plan(&datastore, joined, 1));
    let event = |e: u64| [e.to_le_bytes().as_slice(), &7_u32.to_le_bytes()].concat();
    for _ in 0..2 {
        let delta = transaction(&mut datastore, |datastore| {
            insert(datastore, "ev", &event(1));
            insert(datastore, "ev", &event(2));
        });
        let evaluation = set.evaluate(&delta, &datastore);
        let found: Vec<_> = evaluation
            .updates
            .iter()
            .map(|update| update.query)
            .collect();
        assert_eq!(found, [events, joined]);
        let [event_rows, joined_rows] = evaluation.updates.as_slice() else {
            panic!("two updates");
        };
        assert_eq!(event_rows.inserts.iter().collect::<Vec<_>>(), [event(1)]);
        assert_eq!(
            joined_rows.inserts.iter().collect::<Vec<_>>(),
            [row_t(1, 1, "one")]
        );
        assert!(event_rows.deletes.is_empty() && joined_rows.deletes.is_empty());
    }
}

fn insert_t(datastore: &mut Datastore) {
    let sql = "INSERT INTO t (c, b, a) VALUES ('one', 1, 1)";
    assert_eq!(change(datastore, sql).expect("an insert").inserted, 1);
}

#[test]
fn joins_count_their_partners() {
    let mut datastore = named("su");
    let mut set = SubscriptionSet::new();
    insert_t(&mut datastore);
    set.add(
        1,
        plan(&datastore, "SELECT t.* FROM t JOIN u ON t.a = u.x", 1),
    );
    let row_u = |y: u32| [&1_u64.to_le_bytes()[..], &y.to_le_bytes(), &[0; 4]].concat();
    let mut step = |datastore: &mut Datastore, changes: &dyn Fn(&mut Datastore)| {
        let delta = transaction(datastore, |datastore| changes(datastore));
        let evaluation = set.evaluate(&delta, datastore);
        let counts =
            |update: &spacetime_query::QueryUpdate<_>| (update.inserts.len(), update.deletes.len());
        evaluation.updates.first().map(counts)
    };
    assert_eq!(
        step(&mut datastore, &|d| insert(d, "u", &row_u(1))),
        Some((1, 0))
    );
    assert_eq!(
        step(&mut datastore, &|d| insert(d, "u", &row_u(2))),
        Some((1, 0))
    );
    let delete = |d: &mut Datastore, table: &str, row: &[u8]| {
        let table = d.table_id(table).expect("the table");
        assert!(d.delete_eq(table, row).expect("a delete"));
    };
    let replaced = step(&mut datastore, &|d| {
        delete(d, "t", &row_t(1, 1, "one"));
        insert(d, "t", &row_t(1, 1, "uno"));
        delete(d, "u", &row_u(1));
    });
    assert_eq!(replaced, Some((1, 2)));
    let exchanged = step(&mut datastore, &|d| {
        delete(d, "u", &row_u(2));
        insert(d, "u", &row_u(3));
    });
    assert_eq!(exchanged, None);
}

#[test]
fn a_dropped_table_ends_its_queries() {
    let mut datastore = named("su");
    let mut set = SubscriptionSet::new();
    set.add(1, plan(&datastore, "SELECT * FROM n", 1));
    let kept = set.add(1, plan(&datastore, "SELECT * FROM t", 1));
    let table = datastore.table_id("n").expect("the table");
    transaction(&mut datastore, |d| d.drop_table(table).expect("a drop"));
    let failed = set.refresh(&datastore);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].1, [1]);
    assert!(failed[0].2.to_string().starts_with("no such table: `n`"));
    assert_eq!(set.queries_of(1).collect::<Vec<_>>(), [kept]);
}

#[test]
fn a_view_shows_the_rows_of_its_callers_instance() {
    let mut datastore = build("");
    let column = |name: &str, ty: AlgebraicType| ColumnDef::new(name, ty);
    for (name, is_anonymous) in [("mine", false), ("ours", true)] {
        let mut hash = column("arg_hash", AlgebraicType::U256);
        hash.accessor = None;
        let mut def = TableDef::new(name, vec![hash, column("a", AlgebraicType::U8)]);
        def.access = TableAccess::Public;
        def.view = Some(ViewDef {
            is_anonymous,
            params: Vec::new(),
            columns: vec![("a".into(), AlgebraicType::U8)],
        });
        transaction(&mut datastore, |datastore| {
            let table = datastore.create_table(&def).expect("a view");
            for who in [1, 2] {
                let sender = (!is_anonymous).then_some(caller(who).identity);
                let hash = spacetime_query::view_instance(sender);
                let row = [&hash[..], &[who]].concat();
                datastore.insert_system(table, &row).expect("a row");
            }
        });
    }
    let rows = |sql: &str, who: u8| {
        let rows = plan(&datastore, sql, who)
            .initial_rows(&datastore)
            .expect("rows");
        rows.iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    assert_eq!(rows("SELECT * FROM mine", 1), [[1]]);
    assert_eq!(rows("SELECT * FROM mine", 2), [[2]]);
    assert!(rows("SELECT * FROM mine WHERE a = 1", 2).is_empty());
    assert_eq!(rows("SELECT * FROM ours", 2).len(), 2);
    let hidden = SubscriptionPlan::compile(
        "SELECT * FROM mine WHERE arg_hash = 1",
        &datastore,
        &caller(OWNER),
    );
    assert_eq!(
        hidden.expect_err("hidden").to_string(),
        "`arg_hash` is not in scope"
    );
    let refused = change(&mut datastore, "DELETE FROM mine").expect_err("refused");
    assert!(refused.starts_with("`mine` is a view; DML on views is not supported"));
}

/// What a query's update inserts and deletes, as the first columns of `t`.
fn update_of(evaluation: &spacetime_query::Evaluation<u32>, id: QueryId) -> (Vec<u8>, Vec<u8>) {
    let update = evaluation.updates.iter().find(|update| update.query == id);
    let firsts = |rows: &spacetime_table::RowList| rows.iter().map(|row| row[0]).collect();
    update.map_or((Vec::new(), Vec::new()), |update| {
        (firsts(&update.inserts), firsts(&update.deletes))
    })
}

#[test]
fn the_first_rows_of_an_order_follow_those_that_go() {
    let mut datastore = named("su");
    transaction(&mut datastore, |datastore| {
        for a in 1..=100 {
            let b = 200 - u32::try_from(a).unwrap();
            insert(datastore, "t", &row_t(a, b, "row"));
        }
    });
    let mut set = SubscriptionSet::new();
    let top = plan(&datastore, "SELECT * FROM t ORDER BY b LIMIT 2 OFFSET 1", 1);
    let first: Vec<u8> = top
        .initial_rows(&datastore)
        .expect("rows")
        .iter()
        .map(|row| row[0])
        .collect();
    assert_eq!(first, [99, 98]);
    let top = set.add(1_u32, top);
    let delete = |datastore: &mut Datastore, a: u64| {
        let table = datastore.table_id("t").expect("t");
        let b = 200 - u32::try_from(a).unwrap();
        let deleted = datastore
            .delete_eq(table, &row_t(a, b, "row"))
            .expect("a delete");
        assert!(deleted, "row {a} was there");
    };
    let delta = transaction(&mut datastore, |datastore| delete(datastore, 99));
    assert_eq!(
        update_of(&set.evaluate(&delta, &datastore), top),
        (vec![97], vec![99])
    );
    let delta = transaction(&mut datastore, |datastore| delete(datastore, 5));
    assert_eq!(
        update_of(&set.evaluate(&delta, &datastore), top),
        (vec![], vec![])
    );
    // More go than are held beyond the first ones.
    let delta = transaction(&mut datastore, |datastore| {
        (40..=98).for_each(|a| delete(datastore, a));
    });
    assert_eq!(
        update_of(&set.evaluate(&delta, &datastore), top),
        (vec![39, 38], vec![98, 97])
    );
    let delta = transaction(&mut datastore, |datastore| {
        insert(datastore, "t", &row_t(200, 0, "first"));
    });
    assert_eq!(
        update_of(&set.evaluate(&delta, &datastore), top),
        (vec![100], vec![38])
    );
}

#[test]
fn orders_that_cannot_be_live_say_why() {
    let datastore = named("su");
    let refused = [
        ("SELECT * FROM t ORDER BY b", "ORDER BY is not live"),
        ("SELECT * FROM t LIMIT 5", "LIMIT is not live"),
        (
            "SELECT * FROM t ORDER BY b LIMIT 10001",
            "10000 rows at most",
        ),
        (
            "SELECT * FROM ev ORDER BY e LIMIT 1",
            "events have no lasting order",
        ),
        (
            "SELECT t.* FROM t JOIN u ON t.a = u.x ORDER BY u.y LIMIT 1",
            "columns of the returned table only",
        ),
    ];
    for (sql, why) in refused {
        let error = SubscriptionPlan::compile(sql, &datastore, &caller(1)).expect_err(sql);
        assert!(error.to_string().contains(why), "{sql}: {error}");
    }
}

#[test]
fn owners_and_others_do_not_share_what_rules_restrict() {
    let mut datastore = named("su");
    insert_t(&mut datastore);
    transaction(&mut datastore, |datastore| {
        let row = StRowLevelSecurity {
            table_id: datastore.table_id("t").expect("t"),
            sql: "SELECT * FROM t WHERE b > 1000".into(),
        };
        datastore
            .insert_system(StRowLevelSecurity::TABLE, &row.to_bsatn())
            .expect("a rule");
    });
    let mut set = SubscriptionSet::new();
    let text = "SELECT * FROM t";
    let (other, owner) = (plan(&datastore, text, 1), plan(&datastore, text, OWNER));
    assert!(other.initial_rows(&datastore).expect("rows").is_empty());
    assert!(!owner.initial_rows(&datastore).expect("rows").is_empty());
    let (other, owner) = (set.add(1_u32, other), set.add(2, owner));
    assert_ne!(other, owner);
    // A rule that goes changes what the query means.
    transaction(&mut datastore, |datastore| {
        datastore
            .clear_system(StRowLevelSecurity::TABLE)
            .expect("cleared");
    });
    assert!(set.refresh(&datastore).is_empty());
    let hash = |query| set.plan(query).expect("a plan").hash();
    assert_eq!(hash(other), hash(owner), "now they see the same");
}

#[test]
fn joins_by_columns_of_truth_values_use_their_index() {
    let datastore =
        build("table p public: id u64, is_on bool; btree is_on\n[1, true]\n[2, false]\n");
    let joined = "SELECT a.* FROM p a JOIN p b ON a.is_on = b.is_on WHERE b.id = 1";
    let rows = plan(&datastore, joined, 1).initial_rows(&datastore);
    let rows = rows.expect("rows");
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), [1]);
}

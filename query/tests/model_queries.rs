//! Planned queries against the plainest evaluation, and deltas against results from scratch.

mod fixture;

use std::collections::BTreeMap;

use fixture::random::{Filter, Random, RandomTable, decode, filter, row, table};
use fixture::{OWNER, build, caller};
use proptest::prelude::*;
use spacetime_query::{
    RowBuffer, Statement, SubscriptionPlan, SubscriptionSet, compile, execute_select,
};
use spacetime_table::{Datastore, RowList};
use spacetime_types::{AlgebraicType, TableId};

type Bag = BTreeMap<Vec<u8>, i64>;

fn add_all(bag: &mut Bag, rows: &RowList, times: i64) {
    for row in rows.iter() {
        let count = bag.entry(row.to_vec()).or_default();
        *count += times;
        if *count == 0 {
            bag.remove(row);
        }
    }
}

fn select(datastore: &Datastore, sql: &str) -> Vec<Vec<u8>> {
    let compiled = compile(sql, datastore, &caller(OWNER));
    let Ok(Statement::Select(plan)) = compiled else {
        panic!("{sql}: {compiled:?}");
    };
    let mut buffer = RowBuffer::new(None);
    execute_select(&plan, datastore, &mut buffer).expect("the plan runs");
    let mut rows: Vec<Vec<u8>> = buffer.finish().iter().map(<[u8]>::to_vec).collect();
    rows.sort();
    rows
}

fn stored(datastore: &Datastore, table: TableId) -> Vec<Vec<u8>> {
    let pointers = datastore.scan(table).expect("the table");
    let read = pointers.map(|ptr| {
        let mut row = Vec::new();
        datastore.read_row(table, ptr, &mut row);
        row
    });
    read.collect()
}

fn columns<'a>(name: &str, table: &'a RandomTable) -> Vec<(String, &'a str)> {
    let columns = table.types.iter().enumerate();
    columns
        .map(|(at, ty)| (format!("{name}.c{at}"), *ty))
        .collect()
}

/// One table under random filters.
fn check_one_table(seed: u64) {
    let mut random = Random(seed);
    let shape = table(&mut random, "t", None);
    let mut datastore = build(&shape.text);
    let id = datastore.table_id("t").expect("the table");
    datastore.begin_tx();
    for _ in 0..random.below(60) {
        let row = row(&mut random, &shape.types);
        datastore.insert(id, &row).expect("a row");
    }
    if random.chance(80) {
        datastore.commit();
    }
    let rows = stored(&datastore, id);
    let schema = datastore.schema(id).expect("the schema");
    let ty = AlgebraicType::Product(schema.row_type.clone());
    let columns = columns("t", &shape);
    for _ in 0..8 {
        let filter = filter(&mut random, &columns, 3);
        let condition = filter.sql(&columns);
        let mut expected: Vec<Vec<u8>> = rows
            .iter()
            .filter(|row| filter.holds(&decode(row, &ty)))
            .cloned()
            .collect();
        expected.sort();
        let context = format!("seed {seed}: {} WHERE {condition}", shape.text);
        let found = select(&datastore, &format!("SELECT * FROM t WHERE {condition}"));
        assert_eq!(found, expected, "{context}");
        let count = select(
            &datastore,
            &format!("SELECT COUNT(*) AS n FROM t WHERE {condition}"),
        );
        let len = u64::try_from(expected.len()).unwrap();
        assert_eq!(count, [len.to_le_bytes().to_vec()], "{context}");
        let limited = select(
            &datastore,
            &format!("SELECT * FROM t WHERE {condition} LIMIT 3"),
        );
        assert_eq!(limited.len(), expected.len().min(3), "{context}");
        assert!(
            limited.iter().all(|row| expected.contains(row)),
            "{context}"
        );
    }
}

/// A query over one or two tables, with its naive meaning.
struct Query {
    sql: String,
    /// Names of the tables, in order.
    tables: Vec<&'static str>,
    returned: usize,
    filter: Option<Filter>,
}

fn query(random: &mut Random, shapes: &[(&'static str, RandomTable)]) -> Query {
    if random.chance(50) {
        let (name, shape) = random.pick(shapes);
        let columns = columns(name, shape);
        let filter = random.chance(80).then(|| filter(random, &columns, 2));
        let condition = filter
            .as_ref()
            .map(|f| format!(" WHERE {}", f.sql(&columns)));
        return Query {
            sql: format!("SELECT * FROM {name}{}", condition.unwrap_or_default()),
            tables: vec![name],
            returned: 0,
            filter,
        };
    }
    let (left, right) = (random.pick(shapes), random.pick(shapes));
    let mut all = columns("l", &left.1);
    let split = all.len();
    all.extend(columns("r", &right.1));
    // The first columns of all tables have one type.
    let join = Filter::Compare(0, "=", fixture::random::Side::Column(split));
    let (filter, condition) = match random.chance(60) {
        true => {
            let extra = filter(random, &all, 2);
            let condition = format!(" WHERE {}", extra.sql(&all));
            (Filter::And(vec![join, extra]), condition)
        }
        false => (join, String::new()),
    };
    let returned = random.below(2);
    let star = ["l", "r"][returned];
    let (left, right) = (left.0, right.0);
    Query {
        sql: format!("SELECT {star}.* FROM {left} l JOIN {right} r ON l.c0 = r.c0{condition}"),
        tables: vec![left, right],
        returned,
        filter: Some(filter),
    }
}

fn naive(datastore: &Datastore, query: &Query) -> Bag {
    let read = |name: &&str| {
        let id = datastore.table_id(name).expect("the table");
        let schema = datastore.schema(id).expect("the schema");
        let ty = AlgebraicType::Product(schema.row_type.clone());
        let rows = stored(datastore, id).into_iter();
        rows.map(|row| (decode(&row, &ty), row)).collect::<Vec<_>>()
    };
    let tables: Vec<_> = query.tables.iter().map(read).collect();
    let mut bag = Bag::new();
    let holds = |values: &[_]| {
        query
            .filter
            .as_ref()
            .is_none_or(|filter| filter.holds(values))
    };
    for (values, row) in &tables[0] {
        match tables.get(1) {
            None if holds(values) => *bag.entry(row.clone()).or_default() += 1,
            None => {}
            Some(right) => {
                for (more, other) in right {
                    if holds(&[values.clone(), more.clone()].concat()) {
                        let row = [row, other][query.returned].clone();
                        *bag.entry(row).or_default() += 1;
                    }
                }
            }
        }
    }
    bag
}

fn change_at_random(
    random: &mut Random,
    datastore: &mut Datastore,
    shapes: &[(&'static str, RandomTable)],
) {
    for _ in 0..1 + random.below(6) {
        let (name, shape) = random.pick(shapes);
        let id = datastore.table_id(name).expect("the table");
        let rows = stored(datastore, id);
        if rows.is_empty() || random.chance(60) {
            let row = row(random, &shape.types);
            datastore.insert(id, &row).expect("a row");
        } else {
            let victim = random.pick(&rows).clone();
            assert!(
                datastore.delete_eq(id, &victim).expect("a delete"),
                "the row is there"
            );
            if random.chance(30) {
                datastore.insert(id, &victim).expect("the row again");
            }
        }
    }
}

fn check_deltas(seed: u64) {
    let mut random = Random(seed);
    let key = *random.pick(&["u8", "string", "bool", "f64", "i256"]);
    let shapes = [
        ("a", table(&mut random, "a", Some(key))),
        ("b", table(&mut random, "b", Some(key))),
    ];
    let mut datastore = build(&format!("{}\n{}", shapes[0].1.text, shapes[1].1.text));
    datastore.begin_tx();
    for _ in 0..3 {
        change_at_random(&mut random, &mut datastore, &shapes);
    }
    datastore.commit();
    let mut set = SubscriptionSet::new();
    let mut live = Vec::new();
    for subscriber in 0..14_u32 {
        let query = query(&mut random, &shapes);
        // Joins without a usable index are refused; there is nothing to check then.
        let plan = match SubscriptionPlan::compile(&query.sql, &datastore, &caller(OWNER)) {
            Ok(plan) => plan,
            Err(error) => {
                assert_eq!(
                    error.to_string(),
                    "Subscriptions require indexes on join columns"
                );
                continue;
            }
        };
        let mut state = Bag::new();
        add_all(
            &mut state,
            &plan.initial_rows(&datastore).expect("initial rows"),
            1,
        );
        assert_eq!(
            state,
            naive(&datastore, &query),
            "seed {seed}: {}",
            query.sql
        );
        let id = set.add(subscriber, plan);
        live.push((subscriber, id, query, state));
    }
    for _ in 0..12 {
        datastore.begin_tx();
        change_at_random(&mut random, &mut datastore, &shapes);
        let delta = datastore.commit();
        let evaluation = set.evaluate(&delta, &datastore);
        assert!(
            evaluation.failures.is_empty(),
            "seed {seed}: {:?}",
            evaluation.failures
        );
        for update in &evaluation.updates {
            assert!(!update.inserts.is_empty() || !update.deletes.is_empty());
            for (subscriber, id, _, state) in &mut live {
                if *id == update.query {
                    assert!(update.subscribers.contains(subscriber));
                    add_all(state, &update.inserts, 1);
                    add_all(state, &update.deletes, -1);
                }
            }
        }
        for (_, _, query, state) in &live {
            let expected = naive(&datastore, query);
            assert_eq!(*state, expected, "seed {seed}: {}", query.sql);
        }
        if random.chance(20) && !live.is_empty() {
            let (subscriber, id, _, _) = live.swap_remove(random.below(live.len()));
            assert!(set.remove(subscriber, id));
        }
    }
    for (subscriber, ..) in live {
        set.remove_subscriber(subscriber);
    }
    assert!(set.is_empty(), "nobody is left");
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(300)
    })]

    #[test]
    fn plans_find_what_a_full_scan_finds(seed in any::<u64>()) {
        check_one_table(seed);
    }

    #[test]
    fn deltas_keep_results_equal_to_new_ones(seed in any::<u64>()) {
        check_deltas(seed);
    }
}

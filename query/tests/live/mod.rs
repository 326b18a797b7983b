//! Random databases with live queries, each kept by its updates and compared with the plainest
//! evaluation after every transaction.
//!
//! Random: tables and indexes, visibility rules, queries over one to three tables and an event
//! table, whole or the first rows of an order, transactions, and clients that come and leave. One
//! seed is one run.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use spacetime_query::{Caller, QueryId, SubscriptionPlan, SubscriptionSet};
use spacetime_table::system::{StRowLevelSecurity, SystemRow};
use spacetime_table::{Datastore, RowList, TxDelta};
use spacetime_types::{AlgebraicType, AlgebraicValue, Identity, TableId};

use crate::fixture::build;
use crate::fixture::random::{
    Filter, Random, RandomTable, Side, decode, filter, row, sample, table,
};

/// A multiset of rows.
pub type Bag = BTreeMap<Vec<u8>, i64>;

/// The stored tables, and one of events.
const NAMES: [&str; 3] = ["a", "b", "c"];
const EVENTS: &str = "ev";

/// A row as values and as bytes, and how often a caller sees it.
type Visible = (Vec<AlgebraicValue>, Vec<u8>, i64);

const QUERIES: usize = 12;
const TRANSACTIONS: usize = 10;

/// A query, or a rule, with its naive meaning.
#[derive(Clone, Debug)]
struct Query {
    sql: String,
    /// Positions in the list of tables.
    tables: Vec<usize>,
    returned: usize,
    filter: Filter,
    top: Option<Top>,
}

/// ORDER BY columns of the returned table, LIMIT and OFFSET.
#[derive(Clone, Debug)]
struct Top {
    keys: Vec<(usize, bool)>,
    limit: usize,
    offset: usize,
}

/// A client's copy of a query's result.
struct Copy {
    subscriber: u32,
    id: QueryId,
    query: Query,
    is_owner: bool,
    rows: Bag,
}

struct Run {
    random: Random,
    shapes: Vec<(&'static str, RandomTable)>,
    /// The rules of each table.
    rules: Vec<Vec<Query>>,
    datastore: Datastore,
    set: SubscriptionSet<u32>,
    copies: Vec<Copy>,
    next_subscriber: u32,
    checks: usize,
}

/// Runs one seed; the number of comparisons, or what was wrong.
pub fn run(seed: u64) -> Result<usize, String> {
    let mut run = Run::new(seed);
    for _ in 0..QUERIES {
        run.subscribe()?;
    }
    for _ in 0..TRANSACTIONS {
        let events = run.transaction();
        let delta = run.datastore.commit();
        run.apply(&delta)?;
        run.check(&events)?;
        run.come_and_go()?;
    }
    for copy in std::mem::take(&mut run.copies) {
        run.set.remove_subscriber(copy.subscriber);
    }
    match run.set.is_empty() {
        true => Ok(run.checks),
        false => Err("queries are left without subscribers".to_owned()),
    }
}

fn caller(is_owner: bool) -> Caller {
    Caller {
        identity: Identity::from_be_bytes([0xaa; 32]),
        is_owner,
    }
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut random = Random(seed);
        let key = *random.pick(&["u8", "string", "bool", "f64", "i256", "identity"]);
        let names = NAMES.into_iter().chain([EVENTS]);
        let shapes: Vec<_> = names
            .map(|name| (name, table(&mut random, name, Some(key))))
            .collect();
        let text: Vec<String> = shapes.iter().map(|(_, shape)| shape.text.clone()).collect();
        let text = text.join("\n").replace("table ev public", "table ev event");
        let mut run = Run {
            random,
            shapes,
            rules: vec![Vec::new(); NAMES.len() + 1],
            datastore: build(&text),
            set: SubscriptionSet::new(),
            copies: Vec::new(),
            next_subscriber: 0,
            checks: 0,
        };
        run.add_rules();
        run.datastore.begin_tx();
        for _ in 0..12 {
            run.insert();
        }
        run.datastore.commit();
        run
    }

    /// Rules refer to later tables only: there are no circles.
    fn add_rules(&mut self) {
        for table in 0..NAMES.len() {
            let count = [0, 0, 1, 1, 2][self.random.below(5)];
            for number in 0..count {
                let mut tables = vec![table];
                if table + 1 < NAMES.len() && self.random.chance(50) {
                    tables.push(table + 1 + self.random.below(NAMES.len() - table - 1));
                }
                let mut rule = self.query(tables, 0);
                // The texts of rules are a key.
                rule.sql = format!("{} -- {table} {number}", rule.sql);
                let row = StRowLevelSecurity {
                    table_id: self.id(table),
                    sql: rule.sql.as_str().into(),
                };
                self.datastore.begin_tx();
                let added = self
                    .datastore
                    .insert_system(StRowLevelSecurity::TABLE, &row.to_bsatn());
                added.expect("a rule");
                self.datastore.commit();
                self.rules[table].push(rule);
            }
        }
    }

    fn id(&self, table: usize) -> TableId {
        self.datastore
            .table_id(self.shapes[table].0)
            .expect("the table")
    }

    /// A random query over these tables, joined by their first columns.
    fn query(&mut self, tables: Vec<usize>, returned: usize) -> Query {
        let mut columns = Vec::new();
        let mut firsts = Vec::new();
        let mut from = String::new();
        for (position, table) in tables.iter().enumerate() {
            let (name, shape) = &self.shapes[*table];
            firsts.push(columns.len());
            let types = shape.types.iter().enumerate();
            columns.extend(types.map(|(at, ty)| (format!("p{position}.c{at}"), *ty)));
            match position {
                0 => from = format!("{name} p0"),
                _ => {
                    let with = self.random.below(position);
                    from = format!("{from} JOIN {name} p{position} ON p{with}.c0 = p{position}.c0");
                }
            }
        }
        let mut terms = Vec::new();
        for _ in 0..self.random.below(3) {
            terms.push(match self.random.below(3) {
                0 => filter(&mut self.random, &columns, 2),
                1 => comparison(&mut self.random, &columns, &["="]),
                _ => comparison(&mut self.random, &columns, &["<", "<=", ">", ">="]),
            });
        }
        let texts: Vec<String> = terms.iter().map(|term| term.sql(&columns)).collect();
        let condition = match texts.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", texts.join(" AND ")),
        };
        let equal = |first: &usize| Filter::Compare(0, "=", Side::Column(*first));
        terms.extend(firsts.iter().skip(1).map(equal));
        Query {
            sql: format!("SELECT p{returned}.* FROM {from}{condition}"),
            tables,
            returned,
            filter: Filter::And(terms),
            top: None,
        }
    }

    /// Makes a query one of the first rows of an order.
    fn add_order(&mut self, query: &mut Query) {
        let columns = self.shapes[query.tables[query.returned]].1.types.len();
        let mut keys = Vec::new();
        for _ in 0..1 + self.random.below(2) {
            keys.push((self.random.below(columns), self.random.chance(50)));
        }
        let top = Top {
            keys,
            limit: self.random.below(5),
            offset: [0, 0, 0, 1, 3][self.random.below(5)],
        };
        let keys = top.keys.iter().map(|(column, is_descending)| {
            let direction = if *is_descending { " DESC" } else { "" };
            format!("p{}.c{column}{direction}", query.returned)
        });
        let keys = keys.collect::<Vec<_>>().join(", ");
        let (limit, offset) = (top.limit, top.offset);
        query
            .sql
            .push_str(&format!(" ORDER BY {keys} LIMIT {limit} OFFSET {offset}"));
        query.top = Some(top);
    }

    fn random_query(&mut self) -> Query {
        let count = *self.random.pick(&[1, 1, 1, 2, 2, 3]);
        let mut tables: Vec<usize> = (0..count).map(|_| self.random.below(NAMES.len())).collect();
        let has_events = self.random.chance(15) && count < 3;
        if has_events {
            tables[0] = NAMES.len();
        }
        // A row that events deliver beside them is never taken away again.
        let returned = if has_events {
            0
        } else {
            self.random.below(count)
        };
        let mut query = self.query(tables, returned);
        if !has_events && self.random.chance(25) {
            self.add_order(&mut query);
        }
        query
    }

    /// A new client subscribes to a new query or to one that another has.
    fn subscribe(&mut self) -> Result<(), String> {
        let known = self.copies.len();
        let (query, is_owner) = match known > 0 && self.random.chance(30) {
            true => {
                let copy = &self.copies[self.random.below(known)];
                (copy.query.clone(), copy.is_owner)
            }
            false => (self.random_query(), self.random.chance(50)),
        };
        let compiled = SubscriptionPlan::compile(&query.sql, &self.datastore, &caller(is_owner));
        let plan = match compiled {
            Ok(plan) => plan,
            Err(error) if is_refusal(&error.to_string()) => return Ok(()),
            Err(error) => return Err(format!("{}: {error}", query.sql)),
        };
        let first = plan.initial_rows(&self.datastore);
        let first = first.map_err(|error| format!("{}: {error}", query.sql))?;
        let mut rows = Bag::new();
        add_all(&mut rows, &first, 1);
        let subscriber = self.next_subscriber;
        self.next_subscriber += 1;
        let copy = Copy {
            subscriber,
            id: self.set.add(subscriber, plan),
            query,
            is_owner,
            rows,
        };
        let none = Vec::new();
        self.compare(&copy, &copy.rows, &none)?;
        self.copies.push(copy);
        Ok(())
    }

    fn come_and_go(&mut self) -> Result<(), String> {
        if self.random.chance(30) && !self.copies.is_empty() {
            let copy = self
                .copies
                .swap_remove(self.random.below(self.copies.len()));
            if !self.set.remove(copy.subscriber, copy.id) {
                return Err(format!("not subscribed: {}", copy.query.sql));
            }
        }
        match self.random.chance(30) {
            true => self.subscribe(),
            false => Ok(()),
        }
    }

    fn insert(&mut self) {
        let (name, shape) = self.random.pick(&self.shapes[..NAMES.len()]).clone();
        let id = self.datastore.table_id(name).expect("the table");
        let row = row(&mut self.random, &shape.types);
        self.datastore.insert(id, &row).expect("a row");
    }

    /// Changes rows in a transaction that is left open; the events that it raised.
    fn transaction(&mut self) -> Vec<Vec<u8>> {
        self.datastore.begin_tx();
        let mut events: Vec<Vec<u8>> = Vec::new();
        for _ in 0..1 + self.random.below(6) {
            let table = self.random.below(NAMES.len());
            let rows = stored(&self.datastore, self.id(table));
            if rows.is_empty() || self.random.chance(50) {
                self.insert();
                continue;
            }
            let victim = self.random.pick(&rows).clone();
            let id = self.id(table);
            let deleted = self.datastore.delete_eq(id, &victim).expect("a delete");
            assert!(deleted, "the row is there");
            if self.random.chance(30) {
                self.datastore.insert(id, &victim).expect("the row again");
            }
        }
        if self.random.chance(40) {
            let types = self.shapes[NAMES.len()].1.types.clone();
            let event = row(&mut self.random, &types);
            let id = self.id(NAMES.len());
            self.datastore.insert(id, &event).expect("an event");
            events.push(event);
        }
        events
    }

    /// Brings every client's copies forward.
    fn apply(&mut self, delta: &TxDelta) -> Result<(), String> {
        let evaluation = self.set.evaluate(delta, &self.datastore);
        if let Some(failure) = evaluation.failures.first() {
            return Err(format!("{}: {}", failure.plan.sql(), failure.error));
        }
        for update in &evaluation.updates {
            if update.inserts.is_empty() && update.deletes.is_empty() {
                return Err(format!("an empty update of {}", update.plan.sql()));
            }
            for copy in &mut self.copies {
                if copy.id == update.query && update.subscribers.contains(&copy.subscriber) {
                    add_all(&mut copy.rows, &update.inserts, 1);
                    add_all(&mut copy.rows, &update.deletes, -1);
                }
            }
        }
        Ok(())
    }

    fn check(&mut self, events: &[Vec<u8>]) -> Result<(), String> {
        for copy in &self.copies {
            self.compare(copy, &copy.rows, events)?;
        }
        self.checks += self.copies.len();
        for copy in &mut self.copies {
            if copy.query.tables.contains(&NAMES.len()) {
                copy.rows.clear();
            }
        }
        Ok(())
    }

    fn compare(&self, copy: &Copy, rows: &Bag, events: &[Vec<u8>]) -> Result<(), String> {
        let mut expected = self.naive(&copy.query, copy.is_owner, events);
        if let Some(top) = &copy.query.top {
            self.compare_order(copy, top, &expected, rows)?;
            // Which of equals come first is not said anywhere: only that it is always the same.
            expected = self.asked_anew(copy)?;
        }
        match *rows == expected {
            true => Ok(()),
            false => Err(format!(
                "owner {}: {}\n  found {rows:?}\n  not {expected:?}\n  rules {:?}",
                copy.is_owner,
                copy.query.sql,
                self.rules
                    .iter()
                    .flatten()
                    .map(|rule| &rule.sql)
                    .collect::<Vec<_>>()
            )),
        }
    }

    fn asked_anew(&self, copy: &Copy) -> Result<Bag, String> {
        let caller = caller(copy.is_owner);
        let plan = SubscriptionPlan::compile(&copy.query.sql, &self.datastore, &caller);
        let plan = plan.map_err(|error| error.to_string())?;
        let rows = plan.initial_rows(&self.datastore);
        let mut bag = Bag::new();
        add_all(&mut bag, &rows.map_err(|error| error.to_string())?, 1);
        Ok(bag)
    }

    /// Whether `rows` are first rows of `all` in the order.
    fn compare_order(&self, copy: &Copy, top: &Top, all: &Bag, rows: &Bag) -> Result<(), String> {
        let id = self.id(copy.query.tables[copy.query.returned]);
        let schema = self.datastore.schema(id).expect("the schema");
        let ty = AlgebraicType::Product(schema.row_type.clone());
        let sorted = |bag: &Bag| {
            let rows = bag.iter().flat_map(|(row, times)| {
                let values = decode(row, &ty);
                let keys = top
                    .keys
                    .iter()
                    .map(|(column, is_descending)| (values[*column].clone(), *is_descending));
                let keys: Vec<_> = keys.collect();
                std::iter::repeat_n(keys, usize::try_from(*times).unwrap_or(0))
            });
            let mut rows: Vec<_> = rows.collect();
            rows.sort_by(|left, right| {
                let parts = left.iter().zip(right);
                let mut orders = parts.map(|((left, is_descending), (right, _))| {
                    let order = left.cmp(right);
                    if *is_descending {
                        order.reverse()
                    } else {
                        order
                    }
                });
                orders
                    .find(|order| order.is_ne())
                    .unwrap_or(Ordering::Equal)
            });
            rows
        };
        let expected: Vec<_> = sorted(all)
            .into_iter()
            .skip(top.offset)
            .take(top.limit)
            .collect();
        let is_part = rows
            .iter()
            .all(|(row, times)| all.get(row).is_some_and(|all| all >= times));
        match is_part && sorted(rows) == expected {
            true => Ok(()),
            false => Err(format!("{}: {rows:?}\n  of {all:?}", copy.query.sql)),
        }
    }

    /// The rows of a table with how often the caller sees each.
    fn visible(&self, table: usize, is_restricted: bool, events: &[Vec<u8>]) -> Vec<Visible> {
        let id = self.id(table);
        let schema = self.datastore.schema(id).expect("the schema");
        let ty = AlgebraicType::Product(schema.row_type.clone());
        let rows = match table == NAMES.len() {
            true => events.to_vec(),
            false => stored(&self.datastore, id),
        };
        let decoded = rows.into_iter().map(|row| (decode(&row, &ty), row, 1));
        let mut all: Vec<_> = decoded.collect();
        if is_restricted && !self.rules[table].is_empty() {
            let mut times = Bag::new();
            for rule in &self.rules[table] {
                let others = rule.tables.iter().enumerate().map(|(position, other)| {
                    self.visible(*other, position != rule.returned, events)
                });
                let tables: Vec<_> = others.collect();
                combine(&tables, rule, &mut times);
            }
            for (_, row, count) in &mut all {
                *count = times.get(row).copied().unwrap_or(0);
            }
            all.retain(|(_, _, count)| *count > 0);
        }
        all
    }

    fn naive(&self, query: &Query, is_owner: bool, events: &[Vec<u8>]) -> Bag {
        let tables = query.tables.iter();
        let tables: Vec<_> = tables
            .map(|table| self.visible(*table, !is_owner, events))
            .collect();
        let mut bag = Bag::new();
        combine(&tables, query, &mut bag);
        bag
    }
}

/// Adds every combination of rows that satisfies the query.
fn combine(tables: &[Vec<Visible>], query: &Query, bag: &mut Bag) {
    let total: usize = tables.iter().map(Vec::len).product();
    for number in 0..total {
        let mut rest = number;
        let mut values = Vec::new();
        let (mut times, mut returned) = (1, None);
        for (position, rows) in tables.iter().enumerate() {
            let (row, bytes, count) = &rows[rest % rows.len()];
            rest /= rows.len();
            // The joins are by the first columns: most combinations end here.
            if position > 0 && values.first() != row.first() {
                times = 0;
                break;
            }
            values.extend(row.iter().cloned());
            times *= count;
            if position == query.returned {
                returned = Some(bytes);
            }
        }
        if let Some(row) = returned.filter(|_| times > 0 && query.filter.holds(&values)) {
            *bag.entry(row.clone()).or_default() += times;
        }
    }
}

fn comparison(
    random: &mut Random,
    columns: &[(String, &str)],
    operators: &[&'static str],
) -> Filter {
    loop {
        let column = random.below(columns.len());
        let value = sample(random, columns[column].1);
        if value.sql.is_some() {
            return Filter::Compare(
                column,
                operators[random.below(operators.len())],
                Side::Value(value),
            );
        }
    }
}

/// Whether an error only says that a query cannot be live: joins without a usable index, and
/// orders that nothing makes total. There is nothing to check then.
fn is_refusal(error: &str) -> bool {
    error == "Subscriptions require indexes on join columns"
        || error.starts_with("Unsupported SELECT: this ORDER BY is not live: the returned table")
}

fn add_all(bag: &mut Bag, rows: &RowList, times: i64) {
    for row in rows.iter() {
        let count = bag.entry(row.to_vec()).or_default();
        *count += times;
        if *count == 0 {
            bag.remove(row);
        }
    }
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

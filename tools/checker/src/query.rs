//! Random queries, as trees and as text.
//!
//! Invariant: no two queries of a pool mean the same, so that it does not matter which texts a
//! server recognises as one query: it must recognise those of one tree, and no others.
//!
//! Not here: what a query's result is (see `evaluate`).

use std::sync::Arc;

use spacetime_types::Identity;

use crate::evaluate::holds;
use crate::random::Random;
use crate::schema::{Schema, Table};
use crate::state::Row;
use crate::value::{ColumnType, Value};

/// A column of one of the tables in the FROM clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub side: usize,
    pub column: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug)]
pub enum Operand {
    Value(Value),
    Column(Slot),
    Sender,
}

#[derive(Clone, Debug)]
pub enum Filter {
    Compare(Slot, Operator, Operand),
    /// A column that is a truth value.
    Flag(Slot),
    Not(Box<Filter>),
    And(Vec<Filter>),
    Or(Vec<Filter>),
}

/// The first rows of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// Columns, and whether the largest comes first. The last one is a key, so that no two rows are
    /// equal.
    pub order: Vec<(usize, bool)>,
    pub limit: usize,
    pub offset: usize,
}

/// A query of the subscription language.
#[derive(Clone, Debug)]
pub struct Query {
    /// By position in the schema.
    pub tables: Vec<usize>,
    /// For each table but the first: a column of one before it, and its own that is equal.
    pub on: Vec<(Slot, usize)>,
    /// Which of the tables gives the rows.
    pub returned: usize,
    pub filter: Option<Filter>,
    /// Of queries over one table.
    pub top: Option<Top>,
}

/// What the tables of a join are called.
const NAMES: [&str; 3] = ["l", "r", "m"];

impl Query {
    /// All rows of a table.
    #[must_use]
    pub fn whole(table: usize) -> Query {
        Query {
            tables: vec![table],
            on: Vec::new(),
            returned: 0,
            filter: None,
            top: None,
        }
    }

    #[must_use]
    pub fn returned_table(&self) -> usize {
        self.tables[self.returned]
    }

    #[must_use]
    pub fn uses_sender(&self) -> bool {
        self.filter.as_ref().is_some_and(Filter::uses_sender)
    }

    /// The query as text, one of many that mean it.
    #[must_use]
    pub fn sql(&self, schema: &Schema, random: &mut Random) -> String {
        let names: Vec<String> = match self.tables.as_slice() {
            [table] if random.chance(70) => vec![schema.tables[*table].name.clone()],
            [_] => vec!["x".to_owned()],
            tables => tables
                .iter()
                .zip(NAMES)
                .map(|(_, name)| name.to_owned())
                .collect(),
        };
        let is_plain = self.tables.len() == 1 && names[0] != "x";
        let writer = Writer {
            schema,
            query: self,
            names: &names,
            may_omit: self.tables.len() == 1,
        };
        let from: Vec<String> = self
            .tables
            .iter()
            .zip(&names)
            .map(|(table, name)| {
                let table = quoted(&schema.tables[*table].name, random);
                match (is_plain, random.chance(50)) {
                    (true, _) => table,
                    (false, true) => format!("{table} {} {name}", keyword("AS", random)),
                    (false, false) => format!("{table} {name}"),
                }
            })
            .collect();
        let what = match self.tables.len() {
            1 if random.chance(60) => "*".to_owned(),
            _ => format!("{}.*", names[self.returned]),
        };
        let (select, keyword_from) = (keyword("SELECT", random), keyword("FROM", random));
        let blank = if random.chance(90) { " " } else { "\n  " };
        let mut sql = format!("{select} {what}{blank}{keyword_from} {}", from[0]);
        for (position, (earlier, column)) in self.on.iter().enumerate() {
            let side = position + 1;
            let own = Slot {
                side,
                column: *column,
            };
            let mut sides = [*earlier, own];
            if random.chance(30) {
                sides.reverse();
            }
            let [left, right] = sides.map(|slot| writer.column(slot, random));
            let (join, on) = (keyword("JOIN", random), keyword("ON", random));
            sql.push_str(&format!(" {join} {} {on} {left} = {right}", from[side]));
        }
        if let Some(filter) = &self.filter {
            sql.push_str(&format!(" {} ", keyword("WHERE", random)));
            writer.filter(filter, random, &mut sql);
        }
        if let Some(top) = &self.top {
            writer.top(top, random, &mut sql);
        }
        sql
    }
}

impl Filter {
    fn uses_sender(&self) -> bool {
        match self {
            Filter::Compare(_, _, operand) => matches!(operand, Operand::Sender),
            Filter::Flag(_) => false,
            Filter::Not(inner) => inner.uses_sender(),
            Filter::And(terms) | Filter::Or(terms) => terms.iter().any(Filter::uses_sender),
        }
    }
}

fn keyword(word: &str, random: &mut Random) -> String {
    match random.chance(85) {
        true => word.to_owned(),
        false => word.to_lowercase(),
    }
}

fn quoted(name: &str, random: &mut Random) -> String {
    match random.chance(30) {
        true => format!("\"{name}\""),
        false => name.to_owned(),
    }
}

struct Writer<'a> {
    schema: &'a Schema,
    query: &'a Query,
    names: &'a [String],
    may_omit: bool,
}

impl Writer<'_> {
    fn column(&self, slot: Slot, random: &mut Random) -> String {
        let table = &self.schema.tables[self.query.tables[slot.side]];
        let column = quoted(&table.columns[slot.column].name, random);
        match self.may_omit && random.chance(50) {
            true => column,
            false => format!("{}.{column}", self.names[slot.side]),
        }
    }

    fn top(&self, top: &Top, random: &mut Random, out: &mut String) {
        let (order, by) = (keyword("ORDER", random), keyword("BY", random));
        out.push_str(&format!(" {order} {by} "));
        for (position, (column, is_descending)) in top.order.iter().enumerate() {
            if position > 0 {
                out.push_str(", ");
            }
            let slot = Slot {
                side: 0,
                column: *column,
            };
            out.push_str(&self.column(slot, random));
            out.push_str(match (is_descending, random.chance(30)) {
                (true, _) => " DESC",
                (false, true) => " ASC",
                (false, false) => "",
            });
        }
        out.push_str(&format!(" {} {}", keyword("LIMIT", random), top.limit));
        if top.offset > 0 {
            out.push_str(&format!(" {} {}", keyword("OFFSET", random), top.offset));
        }
    }

    fn filter(&self, filter: &Filter, random: &mut Random, out: &mut String) {
        let extra = random.chance(10);
        if extra {
            out.push('(');
        }
        match filter {
            Filter::Compare(slot, operator, operand) => {
                let left = self.column(*slot, random);
                let right = match operand {
                    Operand::Value(value) => value.sql().expect("comparable values have literals"),
                    Operand::Column(slot) => self.column(*slot, random),
                    Operand::Sender => ":sender".to_owned(),
                };
                out.push_str(&match random.chance(15) {
                    true => format!("{right} {} {left}", operator.swapped().sql(random)),
                    false => format!("{left} {} {right}", operator.sql(random)),
                });
            }
            Filter::Flag(slot) => out.push_str(&self.column(*slot, random)),
            Filter::Not(inner) => {
                out.push_str(&format!("{} (", keyword("NOT", random)));
                self.filter(inner, random, out);
                out.push(')');
            }
            Filter::And(terms) => self.terms(terms, "AND", random, out),
            Filter::Or(terms) => self.terms(terms, "OR", random, out),
        }
        if extra {
            out.push(')');
        }
    }

    fn terms(&self, terms: &[Filter], word: &str, random: &mut Random, out: &mut String) {
        // The order of terms does not matter.
        let start = random.index(terms.len());
        for (position, term) in terms
            .iter()
            .cycle()
            .skip(start)
            .take(terms.len())
            .enumerate()
        {
            if position > 0 {
                out.push_str(&format!(" {} ", keyword(word, random)));
            }
            let is_simple = matches!(term, Filter::Compare(..) | Filter::Flag(_));
            if !is_simple {
                out.push('(');
            }
            self.filter(term, random, out);
            if !is_simple {
                out.push(')');
            }
        }
    }
}

impl Operator {
    const ALL: [Operator; 6] = [
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
    ];

    fn sql(self, random: &mut Random) -> &'static str {
        match self {
            Operator::NotEqual if random.chance(50) => "!=",
            other => other.symbol(),
        }
    }

    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Operator::Equal => "=",
            Operator::NotEqual => "<>",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
        }
    }

    /// For the operands the other way round.
    fn swapped(self) -> Operator {
        match self {
            Operator::Less => Operator::Greater,
            Operator::LessOrEqual => Operator::GreaterOrEqual,
            Operator::Greater => Operator::Less,
            Operator::GreaterOrEqual => Operator::LessOrEqual,
            same => same,
        }
    }
}

/// A condition over the given tables.
pub fn random_filter(
    random: &mut Random,
    tables: &[&Table],
    people: &[Identity],
    depth: usize,
) -> Filter {
    if depth > 0 && random.chance(45) {
        let terms = (0..random.between(2, 3))
            .map(|_| random_filter(random, tables, people, depth - 1))
            .collect();
        return match random.below(5) {
            0 => Filter::Not(Box::new(random_filter(random, tables, people, depth - 1))),
            1 | 2 => Filter::Or(terms),
            _ => Filter::And(terms),
        };
    }
    loop {
        let side = random.index(tables.len());
        let column = random.index(tables[side].columns.len());
        let (slot, ty) = (Slot { side, column }, tables[side].columns[column].ty);
        if !ty.is_comparable() {
            continue;
        }
        if ty == ColumnType::Bool && random.chance(30) {
            return Filter::Flag(slot);
        }
        let operator = match random.chance(55) {
            true => Operator::Equal,
            false => *random.pick(&Operator::ALL),
        };
        let operand = match other_column(random, tables, slot) {
            Some(other) if random.chance(10) => Operand::Column(other),
            _ if ty == ColumnType::Identity && random.chance(60) => Operand::Sender,
            // Never a caller written out: that would mean the same as `:sender` for that caller.
            _ if ty == ColumnType::Identity => Operand::Value(stranger(people)),
            _ => Operand::Value(ty.random(tables[side].columns[column].spread, random, people)),
        };
        return Filter::Compare(slot, operator, operand);
    }
}

/// The last of the people: rows are theirs, too, but they never connect.
fn stranger(people: &[Identity]) -> Value {
    Value::Identity(people[people.len() - 1].to_be_bytes())
}

/// The rows that belong to the caller, if rows of the table belong to anybody.
pub fn sender_filter(table: &Table) -> Option<Filter> {
    let mut columns = table.columns.iter();
    let column = columns.position(|column| column.ty == ColumnType::Identity)?;
    let slot = Slot { side: 0, column };
    Some(Filter::Compare(slot, Operator::Equal, Operand::Sender))
}

/// Another column of the same type.
fn other_column(random: &mut Random, tables: &[&Table], slot: Slot) -> Option<Slot> {
    let ty = tables[slot.side].columns[slot.column].ty;
    let mut others = Vec::new();
    for (side, table) in tables.iter().enumerate() {
        for (column, other) in table.columns.iter().enumerate() {
            let other_slot = Slot { side, column };
            if other.ty == ty && other_slot != slot {
                others.push(other_slot);
            }
        }
    }
    (!others.is_empty()).then(|| *random.pick(&others))
}

/// A join, or a query over one table, that a subscription accepts.
fn random_query(random: &mut Random, schema: &Schema, people: &[Identity]) -> Option<Query> {
    let first = random.index(schema.tables.len());
    if random.chance(50) {
        let table = &schema.tables[first];
        let top = random_top(random, table);
        let is_filtered = top.is_none() || random.chance(50);
        return Some(Query {
            filter: is_filtered.then(|| random_filter(random, &[table], people, 2)),
            top,
            ..Query::whole(first)
        });
    }
    let mut tables = vec![first];
    let mut on = Vec::new();
    for _ in 0..if random.chance(25) { 2 } else { 1 } {
        let next = random.index(schema.tables.len());
        let columns = joinable(schema, &tables, next);
        if columns.is_empty() {
            return None;
        }
        on.push(*random.pick(&columns));
        tables.push(next);
    }
    let is_event = |table: &usize| schema.tables[*table].is_event;
    let events: Vec<usize> = (0..tables.len())
        .filter(|side| is_event(&tables[*side]))
        .collect();
    let returned = match events.as_slice() {
        [] => random.index(tables.len()),
        // Rows that join with an event would be told and never be taken back.
        [only] if tables.len() == 2 => *only,
        _ => return None,
    };
    let shapes: Vec<&Table> = tables.iter().map(|table| &schema.tables[*table]).collect();
    let depth = random.index(3);
    let filter = random
        .chance(65)
        .then(|| random_filter(random, &shapes, people, depth));
    Some(Query {
        tables,
        on,
        returned,
        filter,
        top: None,
    })
}

/// An order of a table with a key, sometimes.
fn random_top(random: &mut Random, table: &Table) -> Option<Top> {
    let key = table.primary_key?;
    if table.is_event || !random.chance(40) {
        return None;
    }
    let mut order = Vec::new();
    let columns = 0..table.columns.len();
    let others: Vec<usize> = columns
        .filter(|column| *column != key && table.columns[*column].ty.is_indexable())
        .collect();
    if !others.is_empty() && random.chance(70) {
        order.push((*random.pick(&others), random.chance(50)));
    }
    order.push((key, random.chance(50)));
    Some(Top {
        order,
        limit: random.between(1, 6),
        offset: if random.chance(30) {
            random.between(1, 3)
        } else {
            0
        },
    })
}

/// The pairs of a column of one of the tables and a column of the next one that a subscription may
/// join by.
fn joinable(schema: &Schema, tables: &[usize], next: usize) -> Vec<(Slot, usize)> {
    let right = &schema.tables[next];
    let mut columns = Vec::new();
    for (side, table) in tables.iter().enumerate() {
        let left = &schema.tables[*table];
        for (l, left_column) in left.columns.iter().enumerate() {
            for (r, right_column) in right.columns.iter().enumerate() {
                let is_equal = left_column.ty == right_column.ty && left_column.ty.is_indexable();
                // An event table can only be where a lookup starts from.
                let is_probed = match (left.is_event, right.is_event) {
                    (false, false) => left.is_indexed(l) || right.is_indexed(r),
                    (true, false) => right.is_indexed(r),
                    (false, true) => left.is_indexed(l),
                    (true, true) => false,
                };
                // Joins of many rows by few values have far too many.
                let is_selective = !(left.is_large() || right.is_large())
                    || left_column.spread.max(right_column.spread) >= 40;
                if is_equal && is_probed && is_selective {
                    columns.push((Slot { side, column: l }, r));
                }
            }
        }
    }
    columns
}

/// Queries of which no two mean the same. The first are the whole tables, in order.
pub fn random_pool(
    random: &mut Random,
    schema: &Schema,
    people: &[Identity],
    len: usize,
) -> Vec<Query> {
    let mut pool: Vec<Query> = (0..schema.tables.len()).map(Query::whole).collect();
    for _ in 0..len * 3 {
        if pool.len() >= len {
            break;
        }
        if let Some(query) = random_query(random, schema, people)
            && !pool
                .iter()
                .any(|known| means_the_same(&query, known, random, schema, people))
        {
            pool.push(query);
        }
    }
    pool
}

/// Whether no difference between two queries can be found by trying.
fn means_the_same(
    a: &Query,
    b: &Query,
    random: &mut Random,
    schema: &Schema,
    people: &[Identity],
) -> bool {
    if (&a.tables, a.returned, &a.top) != (&b.tables, b.returned, &b.top) {
        return false;
    }
    let shapes: Vec<&Table> = a
        .tables
        .iter()
        .map(|table| &schema.tables[*table])
        .collect();
    for attempt in 0..120 {
        let joined = if attempt % 2 == 0 { a } else { b };
        let mut rows: Vec<Row> = vec![Row::random(shapes[0], random, people)];
        for (shape, (earlier, own)) in shapes[1..].iter().zip(&joined.on) {
            let mut values = Row::random(shape, random, people).values;
            if random.chance(85) {
                values[*own] = rows[earlier.side].values[earlier.column].clone();
            }
            rows.push(Row::new(shape, values));
        }
        let rows: Vec<&Row> = rows.iter().collect();
        let sender = random.pick(people).to_be_bytes();
        if holds(a, &rows, sender) != holds(b, &rows, sender) {
            return false;
        }
    }
    true
}

/// A text that no subscription accepts, and a part of the error, if that is fixed.
pub fn bad_query(random: &mut Random, schema: &Schema) -> (String, Option<&'static str>) {
    let name = &random.pick(&schema.tables).name;
    match random.below(8) {
        0 => (
            "SELECT * FROM nowhere".to_owned(),
            Some("no such table: `nowhere`"),
        ),
        1 => (format!("SELECT * FROM {name} WHERE"), None),
        2 => (format!("SELECT * FROM {name} WHERE nothing = 1"), None),
        3 => (format!("SELECT c0 FROM {name}"), None),
        4 => (format!("DELETE FROM {name}"), None),
        5 => (String::new(), None),
        6 => (format!("SELECT * FROM {name} WHERE c0 = 'x'"), None),
        _ => (
            format!("SELECT a.* FROM {name} a JOIN {name} b ON a.c0 < b.c0"),
            None,
        ),
    }
}

/// Rows in an order of their own, shared.
pub type Rows = Vec<(Arc<Row>, u32)>;

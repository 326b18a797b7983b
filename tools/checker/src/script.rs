//! Random transactions: what the server is told to do, and what must come of it.

use spacetime_types::Identity;

use crate::evaluate::filter_holds;
use crate::message::CallEnd;
use crate::module::{FAILED, Step};
use crate::query::{Filter, Operand, random_filter};
use crate::random::Random;
use crate::schema::{Schema, Table};
use crate::state::{Row, State};
use crate::value::Value;

/// What the server calls the tables and indexes.
#[derive(Debug)]
pub struct Ids {
    pub tables: Vec<u32>,
    /// By table, then as the table lists them.
    pub indexes: Vec<Vec<u32>>,
}

/// A script for the module's reducer, how the call ends, and the state after it.
#[derive(Debug)]
pub struct Script {
    pub steps: Vec<Step>,
    pub end: CallEnd,
    pub after: State,
}

/// Makes up transactions.
#[derive(Debug)]
pub struct Author<'a> {
    pub schema: &'a Schema,
    pub people: &'a [Identity],
    pub ids: &'a Ids,
}

impl Author<'_> {
    /// Some changes of some of these tables.
    pub fn script(&self, random: &mut Random, before: &State, tables: &[usize]) -> Script {
        let mut state = before.clone();
        let mut steps = Vec::new();
        let mut end = CallEnd::Committed;
        let len = if random.chance(50) {
            1
        } else {
            random.between(2, 8)
        };
        for _ in 0..len {
            let table = *random.pick(tables);
            let (step, is_stopped) = self.step(random, &mut state, table);
            steps.push(step);
            if is_stopped {
                end = CallEnd::Failed(FAILED.into());
                break;
            }
        }
        if end == CallEnd::Committed && random.chance(4) {
            (end, _) = match random.chance(30) {
                true => (CallEnd::Broken("".into()), steps.push(Step::Trap)),
                false => (CallEnd::Failed(FAILED.into()), steps.push(Step::Fail)),
            };
        }
        let after = match end {
            CallEnd::Committed => state,
            _ => before.clone(),
        };
        Script { steps, end, after }
    }

    /// Fills a table.
    pub fn bulk(&self, random: &mut Random, before: &State, table: usize, len: usize) -> Script {
        let mut after = before.clone();
        let mut steps = Vec::new();
        for _ in 0..len {
            let row = Row::random(&self.schema.tables[table], random, self.people);
            steps.push(self.insert(&mut after, table, row, false).0);
        }
        Script {
            steps,
            end: CallEnd::Committed,
            after,
        }
    }

    fn insert(&self, state: &mut State, table: usize, row: Row, must_work: bool) -> (Step, bool) {
        let step = Step::Insert {
            table: self.ids.tables[table],
            row: row.bytes.to_vec(),
            must_work,
        };
        let refused = state.insert(table, row).is_err();
        (step, must_work && refused)
    }

    /// One change, and whether it ends the script.
    fn step(&self, random: &mut Random, state: &mut State, table: usize) -> (Step, bool) {
        let shape = &self.schema.tables[table];
        let must_work = random.chance(10);
        let rows = state.rows(table);
        // Tables stay small, so that most rows meet others.
        let weights = match rows.len() {
            0..8 => [80, 10, 5, 4, 1],
            8..40 => [45, 30, 15, 9, 1],
            _ => [20, 50, 15, 15, 0],
        };
        let new = |random: &mut Random| Row::random(shape, random, self.people);
        let known = |random: &mut Random| match rows.is_empty() {
            true => new(random),
            false => {
                let at = random.index(rows.len());
                let row = rows.values().nth(at).expect("below the length");
                Row::clone(row)
            }
        };
        match random.weighted(&weights) {
            0 => {
                let row = if random.chance(5) {
                    known(random)
                } else {
                    new(random)
                };
                self.insert(state, table, row, must_work)
            }
            1 => {
                let mut gone = vec![known(random)];
                if random.chance(20) {
                    gone.push(known(random));
                }
                if random.chance(10) {
                    gone.push(new(random));
                }
                for row in &gone {
                    state.delete(table, &row.bytes);
                }
                let rows = gone.iter().map(|row| row.bytes.to_vec()).collect();
                let table = self.ids.tables[table];
                (Step::Delete { table, rows }, false)
            }
            2 => {
                let old = known(random);
                let new = new(random);
                self.update(random, state, table, &old, new, must_work)
            }
            3 => {
                let row = known(random);
                self.delete_by_point(random, state, table, &row)
            }
            _ => {
                state.delete_where(table, |_| true);
                let table = self.ids.tables[table];
                (Step::Clear { table }, false)
            }
        }
    }

    /// Through a unique index if there is one, or else a delete and an insert in one.
    fn update(
        &self,
        random: &mut Random,
        state: &mut State,
        table: usize,
        old: &Row,
        new: Row,
        must_work: bool,
    ) -> (Step, bool) {
        let shape = &self.schema.tables[table];
        let unique: Vec<usize> = (0..shape.indexes.len())
            .filter(|index| shape.indexes[*index].is_unique)
            .collect();
        let mut values = new.values;
        if unique.is_empty() {
            return self.insert(state, table, Row::new(shape, values), must_work);
        }
        let index = *random.pick(&unique);
        let key = &shape.indexes[index].columns;
        if random.chance(90) {
            for column in key {
                values[*column] = old.values[*column].clone();
            }
        }
        // Most updates leave most columns as they are.
        for (value, before) in values.iter_mut().zip(&old.values) {
            if random.chance(50) {
                *value = before.clone();
            }
        }
        let row = Row::new(shape, values);
        let step = Step::Update {
            table: self.ids.tables[table],
            index: self.ids.indexes[table][index],
            row: row.bytes.to_vec(),
            must_work,
        };
        let refused = state.update(table, key, row).is_err();
        (step, must_work && refused)
    }

    fn delete_by_point(
        &self,
        random: &mut Random,
        state: &mut State,
        table: usize,
        row: &Row,
    ) -> (Step, bool) {
        let shape = &self.schema.tables[table];
        if shape.indexes.is_empty() {
            state.delete(table, &row.bytes);
            let rows = vec![row.bytes.to_vec()];
            let table = self.ids.tables[table];
            return (Step::Delete { table, rows }, false);
        }
        let index = random.index(shape.indexes.len());
        let columns = &shape.indexes[index].columns;
        let mut point = Vec::new();
        for column in columns {
            row.values[*column].encode(shape.columns[*column].ty, &mut point);
        }
        state.delete_where(table, |other| {
            columns
                .iter()
                .all(|column| other.values[*column] == row.values[*column])
        });
        let index = self.ids.indexes[table][index];
        (Step::DeleteByPoint { index, point }, false)
    }
}

/// A statement that changes rows.
#[derive(Debug)]
pub struct Statement {
    pub sql: String,
    pub kind: StatementKind,
    /// Rows inserted, deleted, updated, and the state after; `None` if it must be refused.
    pub outcome: Option<([u64; 3], State)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementKind {
    Insert,
    Update,
    Delete,
}

impl Author<'_> {
    /// A statement about one of these tables.
    pub fn statement(&self, random: &mut Random, before: &State, tables: &[usize]) -> Statement {
        let table = *random.pick(tables);
        let shape = &self.schema.tables[table];
        let can_insert = shape.columns.iter().all(|column| column.ty.is_comparable());
        match random.weighted(&[if can_insert { 40 } else { 0 }, 35, 25]) {
            0 => self.sql_insert(random, before, table),
            1 => self.sql_update(random, before, table),
            _ => self.sql_delete(random, before, table),
        }
    }

    fn sql_insert(&self, random: &mut Random, before: &State, table: usize) -> Statement {
        let shape = &self.schema.tables[table];
        let len = random.between(1, 3);
        let rows: Vec<Row> = (0..len)
            .map(|_| Row::random(shape, random, self.people))
            .collect();
        let columns: Vec<&str> = shape.columns.iter().map(|c| c.name.as_str()).collect();
        let values: Vec<String> = rows.iter().map(tuple).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES {}",
            shape.name,
            columns.join(", "),
            values.join(", ")
        );
        let mut after = before.clone();
        let mut inserted = 0;
        let mut is_refused = false;
        for row in rows {
            match after.insert(table, row) {
                Ok(is_new) => inserted += u64::from(is_new),
                Err(_) => is_refused = true,
            }
        }
        Statement {
            sql,
            kind: StatementKind::Insert,
            outcome: (!is_refused).then_some(([inserted, 0, 0], after)),
        }
    }

    /// A condition of the owner, and its text. The owner is the first of the people.
    fn condition(&self, random: &mut Random, table: &Table) -> (Option<Filter>, String) {
        if random.chance(5) {
            return (None, String::new());
        }
        let filter = random_filter(random, &[table], self.people, 1);
        let mut text = String::from(" WHERE ");
        plain_filter(&filter, table, &mut text);
        (Some(filter), text)
    }

    fn matches<'f>(&self, filter: Option<&'f Filter>) -> impl Fn(&Row) -> bool + 'f {
        let owner = self.people[crate::model::OWNER].to_be_bytes();
        move |row| filter.is_none_or(|filter| filter_holds(filter, &[row], owner))
    }

    fn sql_delete(&self, random: &mut Random, before: &State, table: usize) -> Statement {
        let shape = &self.schema.tables[table];
        let (filter, condition) = self.condition(random, shape);
        let mut after = before.clone();
        let gone = after.delete_where(table, self.matches(filter.as_ref()));
        Statement {
            sql: format!("DELETE FROM {}{condition}", shape.name),
            kind: StatementKind::Delete,
            outcome: Some(([0, count(gone.len()), 0], after)),
        }
    }

    fn sql_update(&self, random: &mut Random, before: &State, table: usize) -> Statement {
        let shape = &self.schema.tables[table];
        let settable: Vec<usize> = (0..shape.columns.len())
            .filter(|column| shape.columns[*column].ty.is_comparable())
            .collect();
        let column = *random.pick(&settable);
        let definition = &shape.columns[column];
        let value = definition.ty.random(definition.spread, random, self.people);
        let (filter, condition) = self.condition(random, shape);
        let mut after = before.clone();
        let old = after.delete_where(table, self.matches(filter.as_ref()));
        let mut is_refused = false;
        for row in &old {
            let mut values = row.values.clone();
            values[column] = value.clone();
            is_refused |= after.insert(table, Row::new(shape, values)).is_err();
        }
        let literal = value.sql().expect("comparable values have literals");
        Statement {
            sql: format!(
                "UPDATE {} SET {} = {literal}{condition}",
                shape.name, definition.name
            ),
            kind: StatementKind::Update,
            outcome: (!is_refused).then_some(([0, 0, count(old.len())], after)),
        }
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).expect("a length fits 64 bits")
}

fn tuple(row: &Row) -> String {
    let literal = |value: &Value| value.sql().expect("only such tables are chosen");
    let values: Vec<String> = row.values.iter().map(literal).collect();
    format!("({})", values.join(", "))
}

fn plain_filter(filter: &Filter, table: &Table, out: &mut String) {
    let terms = |terms: &[Filter], word: &str, out: &mut String| {
        for (position, term) in terms.iter().enumerate() {
            out.push_str(if position > 0 { word } else { "" });
            out.push('(');
            plain_filter(term, table, out);
            out.push(')');
        }
    };
    match filter {
        Filter::Compare(slot, operator, operand) => {
            let operand = match operand {
                Operand::Value(value) => value.sql().expect("comparable values have literals"),
                Operand::Column(slot) => table.columns[slot.column].name.clone(),
                Operand::Sender => ":sender".to_owned(),
            };
            let (column, operator) = (&table.columns[slot.column].name, operator.symbol());
            out.push_str(&format!("{column} {operator} {operand}"));
        }
        Filter::Flag(slot) => out.push_str(&table.columns[slot.column].name),
        Filter::Not(inner) => {
            out.push_str("NOT (");
            plain_filter(inner, table, out);
            out.push(')');
        }
        Filter::And(list) => terms(list, " AND ", out),
        Filter::Or(list) => terms(list, " OR ", out),
    }
}

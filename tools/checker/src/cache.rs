//! What a client knows: built from its messages alone, then compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use spacetime_host::QuerySetId;

use crate::evaluate::{Bag, add_all};
use crate::message::{
    CacheKey, CallEnd, Delta, Expected, ListedChange, ListedRows, Next, Received, Results,
    cache_key,
};
use crate::module::FAILED;
use crate::schema::Schema;
use crate::state::RowBytes;

type Tables = BTreeMap<Box<str>, Bag>;

/// One client's rows.
#[derive(Debug, Default)]
pub struct Cache {
    sets: BTreeMap<CacheKey, Tables>,
}

/// A change in a form that can be compared: table, event or not, inserts, deletes.
type Plain<'a> = (CacheKey, &'a str, bool, Vec<&'a [u8]>, Vec<&'a [u8]>);

impl Cache {
    /// Takes a message in, after comparing it with the one that must come, and compares the rows
    /// that the client then has with those that it must have.
    pub fn accept(&mut self, schema: &Schema, got: &Received, next: &Next) -> Result<(), String> {
        self.take(schema, got, &next.expected)?;
        self.compare(schema, &next.then)
    }

    fn take(&mut self, schema: &Schema, got: &Received, expected: &Expected) -> Result<(), String> {
        match (got, expected) {
            (
                Received::Applied { request, set, rows },
                Expected::Applied {
                    request: want_request,
                    set: want_set,
                    rows: want_rows,
                },
            ) if (request, set) == (want_request, want_set) => {
                self.take_applied(schema, *set, rows, want_rows)
            }
            (
                Received::Ended { request, set, rows },
                Expected::Ended {
                    request: want_request,
                    set: want_set,
                    rows: want_rows,
                },
            ) if (request, set) == (want_request, want_set) => {
                self.take_ended(schema, *set, rows.as_ref(), want_rows.as_ref())
            }
            (
                Received::Refused {
                    request,
                    set,
                    error,
                },
                Expected::Refused {
                    request: want_request,
                    set: want_set,
                    part,
                },
            ) if (*request, *set) == (Some(*want_request), Some(*want_set)) => match part {
                Some(part) if !error.contains(part) => {
                    Err(format!("the error does not say `{part}`: {error}"))
                }
                _ => Ok(()),
            },
            (Received::Update(changes), Expected::Update(want)) => {
                self.take_changes(schema, changes, want)
            }
            (
                Received::Result {
                    request,
                    end,
                    changes,
                },
                Expected::Result {
                    request: want_request,
                    end: want_end,
                    changes: want,
                },
            ) if same_request(*request, *want_request, want_end) && same_end(end, want_end) => {
                self.take_changes(schema, changes, want)
            }
            (Received::OneOff { id, result }, Expected::OneOff { id: want_id, rows })
                if id == want_id =>
            {
                compare_one_off(schema, result, rows.as_ref())
            }
            _ => Err("another message was due".to_owned()),
        }
    }

    fn take_applied(
        &mut self,
        schema: &Schema,
        set: QuerySetId,
        rows: &ListedRows,
        want: &Results,
    ) -> Result<(), String> {
        same_rows(schema, rows, want)?;
        let key = cache_key(set);
        // A legacy subscription replaces the one before it.
        if set == QuerySetId::Legacy {
            self.sets.remove(&key);
        }
        self.add(key, rows);
        Ok(())
    }

    fn take_ended(
        &mut self,
        schema: &Schema,
        set: QuerySetId,
        rows: Option<&ListedRows>,
        want: Option<&Results>,
    ) -> Result<(), String> {
        match (rows, want) {
            (Some(rows), Some(want)) => {
                same_rows(schema, rows, want)?;
                for (table, rows) in rows {
                    for row in rows {
                        self.remove_row(cache_key(set), table, row)?;
                    }
                }
                Ok(())
            }
            (None, None) => {
                self.sets.remove(&cache_key(set));
                Ok(())
            }
            _ => Err("the dropped rows were asked for and not told, or the reverse".to_owned()),
        }
    }

    fn add(&mut self, key: CacheKey, rows: &ListedRows) {
        let tables = self.sets.entry(key).or_default();
        for (table, rows) in rows {
            let bag = tables.entry(table.clone()).or_default();
            for row in rows {
                *bag.entry(row.as_ref().into()).or_default() += 1;
            }
        }
    }

    fn remove_row(&mut self, key: CacheKey, table: &str, row: &[u8]) -> Result<(), String> {
        let bag = self
            .sets
            .get_mut(&key)
            .and_then(|tables| tables.get_mut(table));
        let bag = bag.ok_or_else(|| format!("a row of {table} went, but the client has none"))?;
        match bag.get_mut(row) {
            None => Err(format!(
                "{row:?} of {table} went, but the client has it not"
            )),
            Some(1) => {
                bag.remove(row);
                Ok(())
            }
            Some(times) => {
                *times -= 1;
                Ok(())
            }
        }
    }

    fn take_changes(
        &mut self,
        schema: &Schema,
        changes: &[ListedChange],
        want: &[(CacheKey, Arc<Delta>)],
    ) -> Result<(), String> {
        check_order(changes)?;
        let mut got: Vec<Plain<'_>> = changes.iter().map(plain_listed).collect();
        let mut want: Vec<Plain<'_>> = want
            .iter()
            .map(|(key, delta)| plain_delta(schema, *key, delta))
            .collect();
        got.sort();
        want.sort();
        if got != want {
            return Err(format!("the changes are {got:?}\n  and should be {want:?}"));
        }
        for change in changes.iter().filter(|change| !change.is_event) {
            let key = change.set.and_then(cache_key);
            for row in &change.deletes {
                self.remove_row(key, &change.table, row)?;
            }
            let rows = vec![(change.table.clone(), change.inserts.clone())];
            self.add(key, &rows);
        }
        Ok(())
    }

    /// Compares what the client holds with the results of its queries.
    pub fn compare(&self, schema: &Schema, then: &[(CacheKey, Results)]) -> Result<(), String> {
        for (key, results) in then {
            let want = by_table(schema, results);
            let mut got: BTreeMap<&str, &Bag> = BTreeMap::new();
            if let Some(tables) = self.sets.get(key) {
                let full = tables.iter().filter(|(_, bag)| !bag.is_empty());
                got.extend(full.map(|(table, bag)| (&**table, bag)));
            }
            let want_refs: BTreeMap<&str, &Bag> =
                want.iter().map(|(table, bag)| (*table, bag)).collect();
            if got != want_refs {
                return Err(format!(
                    "in {key:?} the client holds {got:?}\n  and should hold {want_refs:?}"
                ));
            }
        }
        Ok(())
    }

    /// Compares all that the client holds.
    pub fn compare_all(&self, schema: &Schema, all: &[(CacheKey, Results)]) -> Result<(), String> {
        self.compare(schema, all)?;
        let known = |key: &CacheKey| all.iter().any(|(known, _)| known == key);
        let full = |tables: &Tables| tables.values().any(|bag| !bag.is_empty());
        match self
            .sets
            .iter()
            .find(|(key, tables)| full(tables) && !known(key))
        {
            Some((key, _)) => Err(format!(
                "the client holds rows of {key:?}, which is no set of its"
            )),
            None => Ok(()),
        }
    }
}

fn compare_one_off(
    schema: &Schema,
    result: &Result<ListedRows, Box<str>>,
    rows: Option<&(usize, Arc<Bag>)>,
) -> Result<(), String> {
    match (result, rows) {
        (Ok(got), Some((table, bag))) => same_rows(schema, got, &vec![(*table, Arc::clone(bag))]),
        (Err(_), None) => Ok(()),
        (Err(error), Some(_)) => Err(format!("a good query was refused: {error}")),
        (Ok(_), None) => Err("a bad query was answered".to_owned()),
    }
}

/// v1 says 0 for calls that could not be made.
fn same_request(got: u32, want: u32, end: &CallEnd) -> bool {
    got == want || (got == 0 && matches!(end, CallEnd::Broken(_)))
}

fn same_end(got: &CallEnd, want: &CallEnd) -> bool {
    match (got, want) {
        // The text for a call that broke is the server's own. v1 tells it like the reducer's.
        (CallEnd::Broken(_), CallEnd::Broken(_)) => true,
        (CallEnd::Failed(text), CallEnd::Broken(_)) => &**text != FAILED,
        (got, want) => got == want,
    }
}

fn sorted(rows: &[Box<[u8]>]) -> Vec<&[u8]> {
    let mut rows: Vec<&[u8]> = rows.iter().map(AsRef::as_ref).collect();
    rows.sort_unstable();
    rows
}

fn plain_listed(change: &ListedChange) -> Plain<'_> {
    (
        change.set.and_then(cache_key),
        &change.table,
        change.is_event,
        sorted(&change.inserts),
        sorted(&change.deletes),
    )
}

fn plain_delta<'a>(schema: &'a Schema, key: CacheKey, delta: &'a Delta) -> Plain<'a> {
    let plain = |rows: &'a [RowBytes]| rows.iter().map(AsRef::as_ref).collect();
    (
        key,
        &schema.tables[delta.table].name,
        delta.is_event,
        plain(&delta.inserts),
        plain(&delta.deletes),
    )
}

/// Sets ascending, and the tables of a set by name.
fn check_order(changes: &[ListedChange]) -> Result<(), String> {
    let order = |change: &ListedChange| (change.set, change.table.clone());
    match changes.is_sorted_by_key(order) {
        true => Ok(()),
        false => Err("sets and tables are not in order".to_owned()),
    }
}

fn by_table<'a>(schema: &'a Schema, results: &Results) -> BTreeMap<&'a str, Bag> {
    let mut tables: BTreeMap<&str, Bag> = BTreeMap::new();
    for (table, bag) in results.iter().filter(|(_, bag)| !bag.is_empty()) {
        add_all(tables.entry(&schema.tables[*table].name).or_default(), bag);
    }
    tables
}

fn same_rows(schema: &Schema, got: &ListedRows, want: &Results) -> Result<(), String> {
    let mut bags: BTreeMap<&str, Bag> = BTreeMap::new();
    for (table, rows) in got.iter().filter(|(_, rows)| !rows.is_empty()) {
        let bag = bags.entry(table).or_default();
        for row in rows {
            *bag.entry(row.as_ref().into()).or_default() += 1;
        }
    }
    let want = by_table(schema, want);
    match bags == want {
        true => Ok(()),
        false => Err(format!("the rows are {bags:?}\n  and should be {want:?}")),
    }
}

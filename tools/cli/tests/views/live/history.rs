//! What a client may hold at each transaction, and whether what it was told fits to that.
//!
//! The owner subscribes to all tables in one set, so its messages are the history: one state after
//! another. A client does not know at which of them it is; but it must always be at one, and only
//! go forward. So the checker keeps the offsets at which the client may be. An update leads from
//! each of them to the next one at which the client's queries have other rows; an answer leaves
//! those at which the query has the rows of the answer. If none is left, the client was told
//! something that was never true, or something was left out or came twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::harness::websocket::v2::{Change, Rows};

/// The rows of each base table.
pub type State = BTreeMap<String, BTreeSet<Vec<u8>>>;

/// Rows by table, with the number of times that they occur.
pub type Bag = BTreeMap<(String, Vec<u8>), usize>;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewer {
    pub identity: [u8; 32],
    pub is_owner: bool,
}

/// A query, and what it results in by the plainest means.
pub struct Query {
    pub sql: &'static str,
    /// The name that its rows come under.
    pub table: &'static str,
    pub rows: fn(&State, Viewer) -> Vec<Vec<u8>>,
}

/// What a client did and was told, in order.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A connection, and nothing subscribed to.
    Opened,
    Applied {
        set: u32,
        queries: Vec<usize>,
        rows: Vec<Rows>,
    },
    Ended {
        set: u32,
        rows: Vec<Rows>,
    },
    Changed(Vec<Change>),
    Answer {
        query: usize,
        rows: Vec<Rows>,
    },
}

/// The rows of an answer.
pub fn bag(rows: &[Rows]) -> Bag {
    let mut bag = Bag::new();
    for table in rows {
        for row in &table.rows {
            *bag.entry((table.table.clone(), row.clone())).or_default() += 1;
        }
    }
    bag
}

/// Applies an update of the owner to a state.
pub fn advance(state: &State, changes: &[Change]) -> State {
    let mut next = state.clone();
    for change in changes {
        let rows = next.entry(change.table.clone()).or_default();
        for row in &change.deletes {
            assert!(
                rows.remove(row),
                "a row went that was not there: {change:?}"
            );
        }
    }
    for change in changes {
        let rows = next.entry(change.table.clone()).or_default();
        for row in &change.inserts {
            assert!(rows.insert(row.clone()), "a row came twice: {change:?}");
        }
    }
    next
}

/// Follows one client through the history.
pub struct Follower<'a> {
    history: &'a [State],
    queries: &'a [Query],
    viewer: Viewer,
    held: BTreeMap<u32, Vec<usize>>,
    caches: BTreeMap<u32, Bag>,
    /// The offsets at which the client may be, ascending.
    offsets: Vec<usize>,
    results: HashMap<(usize, usize), Rc<Bag>>,
}

impl<'a> Follower<'a> {
    pub fn new(history: &'a [State], queries: &'a [Query], viewer: Viewer) -> Self {
        Follower {
            history,
            queries,
            viewer,
            held: BTreeMap::new(),
            caches: BTreeMap::new(),
            offsets: vec![0],
            results: HashMap::new(),
        }
    }

    /// Takes in everything. At the end the client must be able to be at the last transaction.
    pub fn follow(mut self, log: &[Heard]) -> Result<(), String> {
        for (place, heard) in log.iter().enumerate() {
            let before = self.offsets.clone();
            let taken = self.take(heard);
            taken.map_err(|error| {
                format!(
                    "{error}\n  message {place} of {}, the client was at one of {before:?}\n  \
                     subscribed to {:?}\n  message: {heard:?}",
                    log.len(),
                    self.held
                )
            })?;
        }
        self.wait_here();
        let last = self.history.len() - 1;
        if self.offsets.last() != Some(&last) {
            let got = &self.caches;
            return Err(format!(
                "the client stops at {:?}, not at {last}\n  with {got:?}",
                self.offsets
            ));
        }
        Ok(())
    }

    fn take(&mut self, heard: &Heard) -> Result<(), String> {
        match heard {
            Heard::Opened => {
                self.wait_here();
                self.held.clear();
                self.caches.clear();
                Ok(())
            }
            Heard::Applied { set, queries, rows } => {
                let rows = bag(rows);
                self.keep_where(queries, &rows)?;
                self.held.insert(*set, queries.clone());
                self.caches.insert(*set, rows);
                Ok(())
            }
            Heard::Ended { set, rows } => {
                self.wait_here();
                self.held.remove(set);
                let held = self.caches.remove(set).ok_or("no such set")?;
                match held == bag(rows) {
                    true => Ok(()),
                    false => Err(format!("the client held {held:?}")),
                }
            }
            Heard::Changed(changes) => self.change(changes),
            Heard::Answer { query, rows } => self.keep_where(&[*query], &bag(rows)),
        }
    }

    /// Leaves the offsets at which these queries have these rows.
    fn keep_where(&mut self, queries: &[usize], rows: &Bag) -> Result<(), String> {
        self.wait_here();
        let mut offsets = std::mem::take(&mut self.offsets);
        let example = offsets.last().copied().unwrap_or(0);
        offsets.retain(|offset| self.result(queries, *offset) == *rows);
        self.offsets = offsets;
        match self.offsets.is_empty() {
            false => Ok(()),
            true => {
                let due = self.result(queries, example);
                Err(format!("at {example} the rows are {due:?}"))
            }
        }
    }

    fn change(&mut self, changes: &[Change]) -> Result<(), String> {
        self.wait_here();
        let before = self.caches.clone();
        self.apply(changes)?;
        let mut next = Vec::new();
        for place in std::mem::take(&mut self.offsets) {
            let after = place + 1;
            if after < self.history.len() && !self.is_at(&before, after) {
                next.push(after);
            }
        }
        let example = next.last().copied();
        let caches = self.caches.clone();
        next.retain(|offset| self.is_at(&caches, *offset));
        self.offsets = next;
        match self.offsets.is_empty() {
            false => Ok(()),
            true => {
                let due = example.map(|offset| self.contents(offset));
                Err(format!(
                    "the client holds {caches:?}\n  at {example:?} it should hold {due:?}"
                ))
            }
        }
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), String> {
        for change in changes {
            let cache = self
                .caches
                .get_mut(&change.set)
                .ok_or("a set that is not held")?;
            for row in &change.deletes {
                let key = (change.table.clone(), row.clone());
                match cache.get_mut(&key) {
                    None => return Err(format!("{key:?} went, and was not there")),
                    Some(1) => drop(cache.remove(&key)),
                    Some(times) => *times -= 1,
                }
            }
            for row in &change.inserts {
                let key = (change.table.clone(), row.clone());
                *cache.entry(key).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Adds the offsets that the client may have come to without being told anything.
    fn wait_here(&mut self) {
        let caches = self.caches.clone();
        let mut reached = BTreeSet::new();
        for start in std::mem::take(&mut self.offsets) {
            let mut offset = start;
            while reached.insert(offset)
                && offset + 1 < self.history.len()
                && self.is_at(&caches, offset + 1)
            {
                offset += 1;
            }
        }
        self.offsets = reached.into_iter().collect();
    }

    fn is_at(&mut self, caches: &BTreeMap<u32, Bag>, offset: usize) -> bool {
        let sets: Vec<(u32, Vec<usize>)> = self.held.clone().into_iter().collect();
        sets.iter()
            .all(|(set, queries)| caches.get(set) == Some(&self.result(queries, offset)))
    }

    fn contents(&mut self, offset: usize) -> BTreeMap<u32, Bag> {
        let sets = self.held.clone().into_iter();
        sets.map(|(set, queries)| (set, self.result(&queries, offset)))
            .collect()
    }

    /// What queries result in together.
    fn result(&mut self, queries: &[usize], offset: usize) -> Bag {
        let mut all = Bag::new();
        for query in queries {
            for (row, times) in self.result_of(*query, offset).iter() {
                *all.entry(row.clone()).or_default() += times;
            }
        }
        all
    }

    fn result_of(&mut self, query: usize, offset: usize) -> Rc<Bag> {
        if let Some(known) = self.results.get(&(query, offset)) {
            return Rc::clone(known);
        }
        let Query { table, rows, .. } = &self.queries[query];
        let mut bag = Bag::new();
        for row in rows(&self.history[offset], self.viewer) {
            *bag.entry(((*table).to_owned(), row)).or_default() += 1;
        }
        let bag = Rc::new(bag);
        self.results.insert((query, offset), Rc::clone(&bag));
        bag
    }
}

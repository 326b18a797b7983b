//! What every client must be told.
//!
//! A query's result after a transaction is found by evaluating it from scratch; what the
//! transaction changed in it is the difference to the result before.

use std::collections::BTreeMap;
use std::sync::Arc;

use spacetime_host::QuerySetId;
use spacetime_types::Identity;

use crate::evaluate::{Bag, add_all, evaluate, minus};
use crate::message::{CacheKey, Delta, Expected, Next, Results, cache_key};
use crate::query::{Query, Rows};
use crate::schema::Schema;
use crate::state::State;

/// Which of the people owns the database.
pub const OWNER: usize = 0;

/// A query as one person sees it: its place in the pool, and the person if that matters.
pub type Instance = (usize, Option<usize>);

/// What a client asks for.
#[derive(Clone, Debug)]
pub enum Item {
    /// A query of the pool, in some words.
    Query(usize, String),
    /// `SELECT * FROM *`.
    All,
    /// A text that is refused.
    Bad(String, Option<&'static str>),
}

impl Item {
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Item::Query(_, text) | Item::Bad(text, _) => text,
            Item::All => "SELECT * FROM *",
        }
    }
}

/// Which rules a client plays by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// v1, with the one set that is replaced as a whole.
    Legacy,
    /// v1, with sets that share rows.
    Shared,
    /// v2 and v3.
    Sets,
}

/// What a client subscribes to.
#[derive(Debug)]
pub struct Subscriptions {
    pub person: usize,
    pub dialect: Dialect,
    pub sets: BTreeMap<QuerySetId, Vec<Instance>>,
}

#[derive(Debug)]
struct Held {
    result: Arc<Bag>,
    holders: usize,
}

/// What a transaction changed, by query.
pub type Changes = BTreeMap<Instance, Arc<Delta>>;

/// The database and the queries that somebody subscribes to.
#[derive(Debug)]
pub struct Model {
    pub schema: Arc<Schema>,
    pub people: Vec<Identity>,
    pub pool: Vec<Query>,
    pub state: State,
    /// Transactions so far that changed something.
    pub offset: u64,
    held: BTreeMap<Instance, Held>,
}

impl Model {
    #[must_use]
    pub fn new(schema: Arc<Schema>, people: Vec<Identity>, pool: Vec<Query>) -> Model {
        Model {
            state: State::new(Arc::clone(&schema)),
            schema,
            people,
            pool,
            offset: 0,
            held: BTreeMap::new(),
        }
    }

    fn instance(&self, query: usize, person: usize) -> Instance {
        let tree = &self.pool[query];
        let is_restricted = person != OWNER && self.schema.is_restricted(tree);
        let is_personal = tree.uses_sender() || is_restricted;
        (query, is_personal.then_some(person))
    }

    fn table_of(&self, instance: Instance) -> usize {
        self.pool[instance.0].returned_table()
    }

    /// A query's result in a state.
    fn result(&self, (query, person): Instance, state: &State) -> Bag {
        let query = &self.pool[query];
        let sender = person.map_or([0; 32], |person| self.people[person].to_be_bytes());
        let tables: Vec<Rows> = query
            .tables
            .iter()
            .map(|table| self.visible(*table, person, state))
            .collect();
        evaluate(query, &tables, sender)
    }

    /// The rows of a table that a person sees, each as often as rules let it through.
    fn visible(&self, table: usize, person: Option<usize>, state: &State) -> Rows {
        let all = state.rows(table);
        let rules = &self.schema.tables[table].rules;
        let viewer = person.filter(|person| *person != OWNER && !rules.is_empty());
        let Some(viewer) = viewer else {
            return all.values().map(|row| (Arc::clone(row), 1)).collect();
        };
        let mut bag = Bag::new();
        for rule in rules {
            let read = rule.query.tables.iter().map(|read| match *read == table {
                // Rules do not apply to the table that they are for.
                true => self.visible(table, None, state),
                false => self.visible(*read, person, state),
            });
            let read: Vec<Rows> = read.collect();
            let sender = self.people[viewer].to_be_bytes();
            add_all(&mut bag, &evaluate(&rule.query, &read, sender));
        }
        let rows = bag.iter();
        rows.filter_map(|(bytes, times)| Some((Arc::clone(all.get(bytes)?), *times)))
            .collect()
    }

    /// Whether a person may read what a query reads.
    #[must_use]
    pub fn may_read(&self, person: usize, query: &Query) -> bool {
        let mut tables = query.tables.iter();
        person == OWNER || tables.all(|table| self.schema.tables[*table].is_public)
    }

    /// Makes the state after a transaction the present one.
    pub fn commit(&mut self, after: State) -> Changes {
        let mut changes = Changes::new();
        let count = self.schema.tables.len();
        let changed: Vec<bool> = (0..count)
            .map(|table| !after.shares(&self.state, table))
            .collect();
        let affected: Vec<Instance> = self
            .held
            .keys()
            .filter(|(query, _)| self.pool[*query].tables.iter().any(|table| changed[*table]))
            .copied()
            .collect();
        for instance in affected {
            let table = self.table_of(instance);
            let is_event = self.schema.tables[table].is_event;
            let result = self.result(instance, &after);
            let Some(held) = self.held.get_mut(&instance) else {
                continue;
            };
            let delta = Delta {
                table,
                is_event,
                inserts: minus(&result, &held.result),
                deletes: minus(&held.result, &result),
            };
            // What happened stays in no result.
            if !is_event {
                held.result = Arc::new(result);
            }
            if !delta.inserts.is_empty() || !delta.deletes.is_empty() {
                changes.insert(instance, Arc::new(delta));
            }
        }
        self.state = after;
        self.state.forget_events();
        self.offset += 1;
        changes
    }

    /// The part of a transaction that a client is told.
    #[must_use]
    pub fn part(&self, client: &Subscriptions, changes: &Changes) -> Vec<(CacheKey, Arc<Delta>)> {
        let mut part = Vec::new();
        let mut told = Vec::new();
        for (set, instances) in &client.sets {
            for instance in instances {
                let Some(delta) = changes.get(instance) else {
                    continue;
                };
                let key = cache_key(*set);
                if key.is_none() {
                    if told.contains(instance) {
                        continue;
                    }
                    told.push(*instance);
                }
                part.push((key, Arc::clone(delta)));
            }
        }
        part
    }

    /// What a client holds once it has been told everything so far: of all its sets, or of those
    /// that a message touched.
    #[must_use]
    pub fn contents(
        &self,
        client: &Subscriptions,
        only: Option<&[CacheKey]>,
    ) -> Vec<(CacheKey, Results)> {
        let mut contents: BTreeMap<CacheKey, Vec<Instance>> = BTreeMap::new();
        for key in only.into_iter().flatten() {
            contents.entry(*key).or_default();
        }
        for (set, instances) in &client.sets {
            let key = cache_key(*set);
            if only.is_some_and(|only| !only.contains(&key)) {
                continue;
            }
            let listed = contents.entry(key).or_default();
            for instance in instances {
                if key.is_some() || !listed.contains(instance) {
                    listed.push(*instance);
                }
            }
        }
        let results = |instances: Vec<Instance>| self.results(&instances);
        contents
            .into_iter()
            .map(|(key, instances)| (key, results(instances)))
            .collect()
    }

    fn results(&self, instances: &[Instance]) -> Results {
        let result = |instance: &Instance| {
            let held = self.held.get(instance);
            let bag = held.map(|held| Arc::clone(&held.result));
            (self.table_of(*instance), bag.unwrap_or_default())
        };
        instances.iter().map(result).collect()
    }

    fn next(&self, expected: Expected, client: &Subscriptions, touched: &[CacheKey]) -> Next {
        Next {
            expected,
            offset: self.offset,
            then: self.contents(client, Some(touched)),
        }
    }

    /// The update that a client must get, if any.
    #[must_use]
    pub fn update(&self, client: &Subscriptions, changes: &Changes) -> Option<Next> {
        let part = self.part(client, changes);
        let touched: Vec<CacheKey> = part.iter().map(|(key, _)| *key).collect();
        (!part.is_empty()).then(|| self.next(Expected::Update(part), client, &touched))
    }

    /// The answer to a client's own call.
    #[must_use]
    pub fn call_result(
        &self,
        client: &Subscriptions,
        request: u32,
        end: crate::message::CallEnd,
        changes: &Changes,
    ) -> Next {
        let changes = self.part(client, changes);
        let touched: Vec<CacheKey> = changes.iter().map(|(key, _)| *key).collect();
        let expected = Expected::Result {
            request,
            end,
            changes,
        };
        self.next(expected, client, &touched)
    }

    /// The queries that items mean, or a part of the error.
    fn compile(
        &self,
        client: &Subscriptions,
        items: &[Item],
    ) -> Result<Vec<Instance>, Option<&'static str>> {
        let mut instances = Vec::new();
        for item in items {
            match item {
                Item::Bad(_, part) => return Err(*part),
                Item::All => {
                    for (position, table) in self.schema.tables.iter().enumerate() {
                        let may_read = table.is_public || client.person == OWNER;
                        if may_read && !table.is_event {
                            instances.push(self.instance(position, client.person));
                        }
                    }
                }
                Item::Query(query, _) => {
                    if !self.may_read(client.person, &self.pool[*query]) {
                        return Err(Some("If the table exists, it may be marked private."));
                    }
                    let is_event = self.schema.tables[self.pool[*query].returned_table()].is_event;
                    if is_event && client.dialect != Dialect::Sets {
                        return Err(Some("requires WebSocket v2"));
                    }
                    instances.push(self.instance(*query, client.person));
                }
            }
        }
        let mut distinct = Vec::with_capacity(instances.len());
        for instance in instances {
            if !distinct.contains(&instance) {
                distinct.push(instance);
            }
        }
        Ok(distinct)
    }

    /// A subscription, and the answer to it.
    pub fn subscribe(
        &mut self,
        client: &mut Subscriptions,
        request: u32,
        set: QuerySetId,
        items: &[Item],
    ) -> Next {
        let refused = |part| Expected::Refused { request, set, part };
        if set != QuerySetId::Legacy && client.sets.contains_key(&set) {
            return self.next(refused(Some("already exists")), client, &[cache_key(set)]);
        }
        let instances = match self.compile(client, items) {
            Ok(instances) => instances,
            Err(part) => return self.next(refused(part), client, &[cache_key(set)]),
        };
        for instance in &instances {
            self.acquire(*instance);
        }
        let sent: Vec<Instance> = instances
            .iter()
            .filter(|instance| cache_key(set).is_some() || !holds(client, **instance))
            .copied()
            .collect();
        self.release_set(client, set);
        client.sets.insert(set, instances);
        let rows = self.results(&sent);
        self.next(
            Expected::Applied { request, set, rows },
            client,
            &[cache_key(set)],
        )
    }

    /// The end of a subscription, and the answer to it.
    pub fn unsubscribe(
        &mut self,
        client: &mut Subscriptions,
        request: u32,
        set: QuerySetId,
        with_rows: bool,
    ) -> Next {
        let key = cache_key(set);
        let Some(instances) = client.sets.get(&set).cloned() else {
            let expected = Expected::Refused {
                request,
                set,
                part: Some("Subscription not found"),
            };
            return self.next(expected, client, &[key]);
        };
        let before = self.results(&instances);
        self.release_set(client, set);
        let dropped = instances.iter().zip(before);
        let dropped = dropped.filter(|(instance, _)| key.is_some() || !holds(client, **instance));
        let rows: Results = dropped.map(|(_, result)| result).collect();
        let expected = Expected::Ended {
            request,
            set,
            rows: with_rows.then_some(rows),
        };
        self.next(expected, client, &[key])
    }

    /// The client is gone.
    pub fn disconnect(&mut self, client: &mut Subscriptions) {
        let sets: Vec<QuerySetId> = client.sets.keys().copied().collect();
        for set in sets {
            self.release_set(client, set);
        }
    }

    /// The answer to a query that is asked once.
    #[must_use]
    pub fn one_off(&self, client: &Subscriptions, id: &[u8], item: &Item) -> Next {
        let rows = match item {
            Item::Query(query, _) if self.may_read(client.person, &self.pool[*query]) => {
                let instance = self.instance(*query, client.person);
                let bag = self.result(instance, &self.state);
                Some((self.table_of(instance), Arc::new(bag)))
            }
            _ => None,
        };
        let id = id.into();
        self.next(Expected::OneOff { id, rows }, client, &[])
    }

    fn acquire(&mut self, instance: Instance) {
        if let Some(held) = self.held.get_mut(&instance) {
            held.holders += 1;
            return;
        }
        let result = Arc::new(self.result(instance, &self.state));
        self.held.insert(instance, Held { result, holders: 1 });
    }

    fn release_set(&mut self, client: &mut Subscriptions, set: QuerySetId) {
        for instance in client.sets.remove(&set).into_iter().flatten() {
            if let Some(held) = self.held.get_mut(&instance) {
                held.holders -= 1;
                if held.holders == 0 {
                    self.held.remove(&instance);
                }
            }
        }
    }
}

/// Whether one of a client's sets that share rows has the query.
fn holds(client: &Subscriptions, instance: Instance) -> bool {
    let mut shared = client
        .sets
        .iter()
        .filter(|(set, _)| cache_key(**set).is_none());
    shared.any(|(_, instances)| instances.contains(&instance))
}

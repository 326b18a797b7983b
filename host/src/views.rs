//! The results of views that are kept: which there are, what each depends on, who uses them.
//!
//! A view's result is kept as rows of its backing table, one *instance* for everybody or one for
//! each sender. This is the bookkeeping; the worker runs the views and writes the rows.
//!
//! Invariants
//!   * A fresh instance's rows are what the view would give now. One that somebody subscribes to is
//!     fresh between any two transactions.
//!   * An instance is in the index of reads exactly while it is fresh; its query, if the function
//!     gave one, is among the queries then.
//!   * An instance without a reader is listed as idle, in the order of the last use.

mod output;
mod read_set;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use spacetime_query::{SubscriptionPlan, SubscriptionSet, view_instance};
use spacetime_table::{Datastore, RowList};
use spacetime_types::{Identity, TableId};

pub(crate) use self::output::{OutputError, ViewOutput, change_rows, replace_rows, stored_row};
pub(crate) use self::read_set::{ReadIndex, ReadSet};

/// How long an instance without a reader is kept.
pub(crate) const IDLE_TIME_MAX: Duration = Duration::from_secs(600);

/// Instances without a reader that are kept at most.
pub(crate) const IDLE_INSTANCES_MAX: usize = 1024;

/// Names an instance. Ids are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InstanceId(u64);

/// Which result of which view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InstanceKey {
    /// The backing table.
    pub(crate) table: TableId,
    /// None for views that are the same for everybody.
    pub(crate) sender: Option<Identity>,
}

impl InstanceKey {
    /// What the hidden column of the instance's rows holds.
    pub(crate) fn hash(&self) -> [u8; 32] {
        view_instance(self.sender)
    }
}

#[derive(Debug)]
struct Instance<R> {
    key: InstanceKey,
    readers: BTreeSet<R>,
    /// What the function's result depends on, while the rows are fresh.
    reads: Option<ReadSet>,
    /// The query that the function gave, if it did, while the rows are fresh.
    query: Option<Arc<SubscriptionPlan>>,
    last_used: Instant,
    /// Its place among the idle ones.
    stamp: u64,
}

/// The kept results of one database's views. `R` names whoever subscribes.
#[derive(Debug)]
pub(crate) struct Views<R> {
    instances: FxHashMap<InstanceId, Instance<R>>,
    by_key: FxHashMap<InstanceKey, InstanceId>,
    by_reader: BTreeMap<R, BTreeSet<InstanceId>>,
    idle: BTreeMap<u64, InstanceId>,
    reads: ReadIndex,
    queries: SubscriptionSet<InstanceId>,
    /// How many of these queries read a table.
    query_tables: FxHashMap<TableId, usize>,
    next: u64,
}

/// What to do about an instance that a transaction affects.
#[derive(Debug)]
pub(crate) enum Refresh {
    /// The function has to run.
    Run,
    /// The function would give the same query, whose result changed.
    Query {
        plan: Arc<SubscriptionPlan>,
        inserts: RowList,
        deletes: RowList,
    },
}

impl<R> Default for Views<R> {
    fn default() -> Self {
        Views {
            instances: FxHashMap::default(),
            by_key: FxHashMap::default(),
            by_reader: BTreeMap::new(),
            idle: BTreeMap::new(),
            reads: ReadIndex::default(),
            queries: SubscriptionSet::of_open_transactions(),
            query_tables: FxHashMap::default(),
            next: 0,
        }
    }
}

impl<R: Copy + Ord> Views<R> {
    /// The instance of that name; a new one is not fresh.
    pub(crate) fn touch(&mut self, key: InstanceKey, now: Instant) -> InstanceId {
        self.next += 1;
        let stamp = self.next;
        let id = *self.by_key.entry(key).or_insert(InstanceId(stamp));
        let instance = self.instances.entry(id).or_insert_with(|| Instance {
            key,
            readers: BTreeSet::new(),
            reads: None,
            query: None,
            last_used: now,
            stamp,
        });
        instance.last_used = now;
        if instance.readers.is_empty() {
            self.idle.remove(&instance.stamp);
            instance.stamp = stamp;
            self.idle.insert(stamp, id);
        }
        id
    }

    pub(crate) fn key(&self, id: InstanceId) -> Option<InstanceKey> {
        self.instances.get(&id).map(|instance| instance.key)
    }

    pub(crate) fn is_fresh(&self, id: InstanceId) -> bool {
        let instance = self.instances.get(&id);
        instance.is_some_and(|instance| instance.reads.is_some())
    }

    /// The rows are up to date and depend on this.
    pub(crate) fn set_fresh(
        &mut self,
        id: InstanceId,
        reads: ReadSet,
        query: Option<Arc<SubscriptionPlan>>,
    ) {
        self.set_stale(id);
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        self.reads.add(id, &reads);
        instance.reads = Some(reads);
        instance.query = query;
        if let Some(query) = &instance.query {
            for table in query.tables() {
                *self.query_tables.entry(table.id).or_default() += 1;
            }
            self.queries.add(id, Arc::clone(query));
        }
    }

    /// The rows are to be computed before they are read again.
    pub(crate) fn set_stale(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        if let Some(reads) = instance.reads.take() {
            self.reads.remove(id, &reads);
        }
        if let Some(query) = instance.query.take() {
            self.queries.remove_subscriber(id);
            for table in query.tables() {
                if let Some(count) = self.query_tables.get_mut(&table.id) {
                    *count -= 1;
                    if *count == 0 {
                        self.query_tables.remove(&table.id);
                    }
                }
            }
        }
    }

    pub(crate) fn add_reader(&mut self, reader: R, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        self.idle.remove(&instance.stamp);
        instance.readers.insert(reader);
        self.by_reader.entry(reader).or_default().insert(id);
    }

    /// Takes a reader from all its instances.
    pub(crate) fn remove_reader(&mut self, reader: R) {
        for id in self.by_reader.remove(&reader).into_iter().flatten() {
            let Some(instance) = self.instances.get_mut(&id) else {
                continue;
            };
            instance.readers.remove(&reader);
            if instance.readers.is_empty() {
                self.next += 1;
                instance.stamp = self.next;
                instance.last_used = Instant::now();
                self.idle.insert(instance.stamp, id);
            }
        }
    }

    pub(crate) fn readers(&self, id: InstanceId) -> Vec<R> {
        let instance = self.instances.get(&id);
        instance.map_or_else(Vec::new, |it| it.readers.iter().copied().collect())
    }

    /// The instances to compute again because of what the open transaction changed. Those without
    /// a reader are only noted as stale.
    pub(crate) fn take_affected(&mut self, datastore: &Datastore) -> Vec<(InstanceId, Refresh)> {
        let mut affected: BTreeMap<InstanceId, Refresh> = BTreeMap::new();
        let by_reads = self.reads.affected(datastore);
        affected.extend(by_reads.into_iter().map(|id| (id, Refresh::Run)));
        self.add_affected_queries(datastore, &mut affected);
        let mut live = Vec::with_capacity(affected.len());
        for (id, refresh) in affected {
            let instance = self.instances.get(&id);
            if instance.is_some_and(|instance| !instance.readers.is_empty()) {
                live.push((id, refresh));
            } else {
                self.set_stale(id);
            }
        }
        live
    }

    fn add_affected_queries(
        &mut self,
        datastore: &Datastore,
        affected: &mut BTreeMap<InstanceId, Refresh>,
    ) {
        if self.query_tables.is_empty() {
            return;
        }
        let delta = datastore.open_delta(|table| self.query_tables.contains_key(&table));
        if delta.is_empty() {
            return;
        }
        let evaluation = self.queries.evaluate(&delta, datastore);
        for failure in evaluation.failures {
            let ids = failure.subscribers.iter();
            affected.extend(ids.map(|id| (*id, Refresh::Run)));
        }
        for update in evaluation.updates {
            for id in update.subscribers.iter() {
                affected.entry(*id).or_insert_with(|| Refresh::Query {
                    plan: Arc::clone(&update.plan),
                    inserts: update.inserts.clone(),
                    deletes: update.deletes.clone(),
                });
            }
        }
    }

    /// Every instance is stale from now on; returns those that have readers.
    pub(crate) fn set_all_stale(&mut self) -> Vec<InstanceId> {
        for id in self.sorted_ids() {
            self.set_stale(id);
        }
        self.followed()
    }

    /// The instances that have readers.
    pub(crate) fn followed(&self) -> Vec<InstanceId> {
        let mut ids = self.sorted_ids();
        ids.retain(|id| !self.readers(*id).is_empty());
        ids
    }

    fn sorted_ids(&self) -> Vec<InstanceId> {
        let mut ids: Vec<InstanceId> = self.instances.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Forgets the instances of which that is true.
    pub(crate) fn remove_those(&mut self, is_gone: impl Fn(InstanceKey) -> bool) {
        for id in self.sorted_ids() {
            if self.key(id).is_some_and(&is_gone) {
                self.remove(id);
            }
        }
    }

    /// Forgets an instance; its rows must go, too.
    pub(crate) fn remove(&mut self, id: InstanceId) {
        self.set_stale(id);
        let Some(instance) = self.instances.remove(&id) else {
            return;
        };
        self.idle.remove(&instance.stamp);
        self.by_key.remove(&instance.key);
        for reader in instance.readers {
            if let Some(ids) = self.by_reader.get_mut(&reader) {
                ids.remove(&id);
            }
        }
    }

    /// The instances that nobody used for long, and the least used ones beyond what is kept.
    pub(crate) fn expired(&self, now: Instant) -> Vec<InstanceId> {
        let beyond = self.idle.len().saturating_sub(IDLE_INSTANCES_MAX);
        let is_old = |id: &InstanceId| {
            let instance = self.instances.get(id);
            instance.is_none_or(|it| now.duration_since(it.last_used) >= IDLE_TIME_MAX)
        };
        let idle = self.idle.values().enumerate();
        idle.take_while(|(place, id)| *place < beyond || is_old(id))
            .map(|(_, id)| *id)
            .collect()
    }

    /// When the oldest idle instance is due to go.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        let oldest = self.instances.get(self.idle.values().next()?)?;
        Some(oldest.last_used + IDLE_TIME_MAX)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }
}

#[cfg(test)]
mod tests;

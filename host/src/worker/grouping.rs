//! From changed queries to what each client is told: clients whose part of a transaction is equal
//! share it.
//!
//! The cost of a transaction is one comparison for each (client, set, query) that it concerns, and
//! one update for each different part.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use spacetime_query::QueryUpdate;

use super::queries::Subscriber;
use crate::outbox::{ClientUpdate, QuerySetId, RowType, TableChange};
use crate::request::ClientId;

/// A client's set and the changed query, as a position among the changes.
type Part = (QuerySetId, usize);

/// Calls `tell` with every client that is concerned, once, in the order of the clients.
pub(super) fn client_updates(
    mut updates: Vec<QueryUpdate<Subscriber>>,
    tell: &mut dyn FnMut(ClientId, &Arc<ClientUpdate>),
) {
    // Within a set, changes are told by table name, and those of one table by query.
    updates.sort_by(|a, b| (&a.table.name, a.query).cmp(&(&b.table.name, b.query)));
    let subscribers = updates.iter().map(|update| update.subscribers.len()).sum();
    let mut parts: Vec<(ClientId, Part)> = Vec::with_capacity(subscribers);
    // Every set is named, also for v1 clients, which are told once: one of the sets may turn out
    // never to have begun (see `outbox`).
    for (position, update) in updates.iter().enumerate() {
        let of_query = update.subscribers.iter();
        parts.extend(of_query.map(|(client, set)| (*client, (*set, position))));
    }
    if updates.len() > 1 {
        // The subscribers of one query are sorted already; the sort makes use of that.
        parts.sort();
    }
    let changes: Vec<Arc<TableChange>> = updates.into_iter().map(change_of).collect();
    let is_shared = parts.first().map(|(client, _)| client) != parts.last().map(|(it, _)| it);
    let mut groups = Groups {
        changes: &changes,
        is_shared,
        last: None,
        others: FxHashMap::default(),
    };
    for part in parts.chunk_by(|a, b| a.0 == b.0) {
        tell(part[0].0, groups.of(part));
    }
}

fn change_of(update: QueryUpdate<Subscriber>) -> Arc<TableChange> {
    Arc::new(TableChange::new(
        update.table.id,
        Arc::clone(&update.table.name),
        update.table.is_event,
        RowType::Query(update.plan),
        update.inserts,
        update.deletes,
    ))
}

/// The different parts of one transaction.
struct Groups<'a> {
    changes: &'a [Arc<TableChange>],
    is_shared: bool,
    /// The part that was asked for last: most often the next client's is the same.
    last: Option<(Vec<Part>, Arc<ClientUpdate>)>,
    others: FxHashMap<Vec<Part>, Arc<ClientUpdate>>,
}

impl Groups<'_> {
    fn of(&mut self, client: &[(ClientId, Part)]) -> &Arc<ClientUpdate> {
        let parts = || client.iter().map(|(_, part)| *part);
        let is_last = self
            .last
            .as_ref()
            .is_some_and(|(known, _)| known.iter().copied().eq(parts()));
        if !is_last {
            let key: Vec<Part> = parts().collect();
            let update = match self.others.remove(&key) {
                Some(update) => update,
                None => self.make(&key),
            };
            if let Some((key, update)) = self.last.replace((key, update)) {
                self.others.insert(key, update);
            }
        }
        match &self.last {
            Some((_, update)) => update,
            None => unreachable!("a part was just put there"),
        }
    }

    fn make(&self, parts: &[Part]) -> Arc<ClientUpdate> {
        let changes = parts
            .iter()
            .map(|(set, position)| (*set, Arc::clone(&self.changes[*position])))
            .collect();
        Arc::new(ClientUpdate::new(changes, self.is_shared))
    }
}

//! What a view looked at while it ran, and the instances that looked at a changed row.
//!
//! Invariants
//!   * Whatever could change a view's result is in its read set: a scan or a count as the whole
//!     table, a look-up by index as its keys, whether or not a row was found.
//!   * Looking for the readers of a changed row costs as many hash look-ups as its table has
//!     indexes that somebody reads by, plus a comparison for each range of them.

use std::collections::BTreeSet;
use std::hash::Hash;

use rustc_hash::{FxHashMap, FxHashSet};
use spacetime_table::{Datastore, Key, KeyRange};
use spacetime_types::{IndexId, TableId};

use super::InstanceId;

/// Keys of one table that are kept apart; a view that looks up more of them reads the whole table.
const KEYS_MAX: usize = 4096;

/// Ranges of one table that are kept apart; more of them are the whole table.
const RANGES_MAX: usize = 32;

/// The parts of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Parts {
    whole: bool,
    keys: FxHashSet<(IndexId, Key)>,
    /// Values of the first columns of an index: their number and BSATN.
    prefixes: FxHashSet<(IndexId, usize, Box<[u8]>)>,
    ranges: Vec<(IndexId, KeyRange)>,
}

impl Parts {
    fn take_whole(&mut self) {
        self.whole = true;
        self.keys = FxHashSet::default();
        self.prefixes = FxHashSet::default();
        self.ranges = Vec::new();
    }
}

/// What one run of a view looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadSet {
    tables: FxHashMap<TableId, Parts>,
}

impl ReadSet {
    pub(crate) fn add_table(&mut self, table: TableId) {
        self.tables.entry(table).or_default().take_whole();
    }

    pub(crate) fn add_key(&mut self, table: TableId, index: IndexId, key: Key) {
        let parts = self.tables.entry(table).or_default();
        if parts.whole {
            return;
        }
        parts.keys.insert((index, key));
        if parts.keys.len() > KEYS_MAX {
            parts.take_whole();
        }
    }

    /// The rows with these values in the first columns of an index.
    pub(crate) fn add_prefix(
        &mut self,
        table: TableId,
        index: IndexId,
        columns: usize,
        bsatn: Box<[u8]>,
    ) {
        let parts = self.tables.entry(table).or_default();
        if parts.whole {
            return;
        }
        parts.prefixes.insert((index, columns, bsatn));
        if parts.prefixes.len() > KEYS_MAX {
            parts.take_whole();
        }
    }

    pub(crate) fn add_range(&mut self, table: TableId, index: IndexId, range: KeyRange) {
        if let Some(key) = range.as_point() {
            self.add_key(table, index, key.clone());
            return;
        }
        let parts = self.tables.entry(table).or_default();
        let known = || parts.ranges.contains(&(index, range.clone()));
        if parts.whole || known() {
            return;
        }
        parts.ranges.push((index, range));
        if parts.ranges.len() > RANGES_MAX {
            parts.take_whole();
        }
    }
}

/// Instances by an index, or by columns of one, and by a value there.
type ByPart<A, B> = FxHashMap<A, FxHashMap<B, BTreeSet<InstanceId>>>;

/// Who reads one table.
#[derive(Debug, Default)]
struct Readers {
    whole: BTreeSet<InstanceId>,
    by_key: ByPart<IndexId, Key>,
    by_prefix: ByPart<(IndexId, usize), Box<[u8]>>,
    ranges: FxHashMap<IndexId, FxHashMap<InstanceId, Vec<KeyRange>>>,
}

impl Readers {
    fn is_empty(&self) -> bool {
        self.whole.is_empty()
            && self.by_key.is_empty()
            && self.by_prefix.is_empty()
            && self.ranges.is_empty()
    }

    fn of_row(&self, datastore: &Datastore, row: &[u8], found: &mut BTreeSet<InstanceId>) {
        for (index, readers) in &self.by_key {
            // Of an index that is gone nothing is known: everybody is asked.
            match datastore.key_of_row(*index, row) {
                Some(key) => found.extend(readers.get(&key).into_iter().flatten()),
                None => found.extend(readers.values().flatten()),
            }
        }
        for ((index, columns), readers) in &self.by_prefix {
            match datastore.prefix_of_row(*index, *columns, row) {
                Some(prefix) => found.extend(readers.get(&*prefix).into_iter().flatten()),
                None => found.extend(readers.values().flatten()),
            }
        }
        for (index, readers) in &self.ranges {
            let key = datastore.key_of_row(*index, row);
            let reads_it = |ranges: &Vec<KeyRange>| match &key {
                Some(key) => ranges.iter().any(|range| range.contains(key)),
                None => true,
            };
            let readers = readers.iter().filter(|(_, ranges)| reads_it(ranges));
            found.extend(readers.map(|(instance, _)| *instance));
        }
    }
}

/// Takes an instance from a map of maps, and what is empty then.
fn take<A: Hash + Eq, B: Hash + Eq>(
    map: &mut ByPart<A, B>,
    outer: &A,
    inner: &B,
    instance: InstanceId,
) {
    let Some(by_inner) = map.get_mut(outer) else {
        return;
    };
    if let Some(instances) = by_inner.get_mut(inner) {
        instances.remove(&instance);
        if instances.is_empty() {
            by_inner.remove(inner);
        }
    }
    if by_inner.is_empty() {
        map.remove(outer);
    }
}

/// The read sets of all instances, found by what they read.
#[derive(Debug, Default)]
pub(crate) struct ReadIndex {
    tables: FxHashMap<TableId, Readers>,
}

impl ReadIndex {
    pub(crate) fn add(&mut self, instance: InstanceId, reads: &ReadSet) {
        for (table, parts) in &reads.tables {
            let readers = self.tables.entry(*table).or_default();
            if parts.whole {
                readers.whole.insert(instance);
                continue;
            }
            for (index, key) in &parts.keys {
                let by_key = readers.by_key.entry(*index).or_default();
                by_key.entry(key.clone()).or_default().insert(instance);
            }
            for (index, columns, prefix) in &parts.prefixes {
                let by_prefix = readers.by_prefix.entry((*index, *columns)).or_default();
                let instances = by_prefix.entry(prefix.clone()).or_default();
                instances.insert(instance);
            }
            for (index, range) in &parts.ranges {
                let ranges = readers.ranges.entry(*index).or_default();
                ranges.entry(instance).or_default().push(range.clone());
            }
        }
    }

    pub(crate) fn remove(&mut self, instance: InstanceId, reads: &ReadSet) {
        for (table, parts) in &reads.tables {
            let Some(readers) = self.tables.get_mut(table) else {
                continue;
            };
            readers.whole.remove(&instance);
            for (index, key) in &parts.keys {
                take(&mut readers.by_key, index, key, instance);
            }
            for (index, columns, prefix) in &parts.prefixes {
                take(
                    &mut readers.by_prefix,
                    &(*index, *columns),
                    prefix,
                    instance,
                );
            }
            for (index, _) in &parts.ranges {
                if let Some(ranges) = readers.ranges.get_mut(index) {
                    ranges.remove(&instance);
                    if ranges.is_empty() {
                        readers.ranges.remove(index);
                    }
                }
            }
            if readers.is_empty() {
                self.tables.remove(table);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Who looked at a row that the open transaction changed.
    pub(crate) fn affected(&self, datastore: &Datastore) -> BTreeSet<InstanceId> {
        let mut found = BTreeSet::new();
        if self.is_empty() {
            return found;
        }
        let mut last = None;
        for changed in datastore.changed_rows() {
            let Some(readers) = self.tables.get(&changed.table) else {
                continue;
            };
            if last != Some(changed.table) {
                found.extend(&readers.whole);
                last = Some(changed.table);
            }
            readers.of_row(datastore, changed.row, &mut found);
        }
        found
    }
}

#[cfg(test)]
mod tests;

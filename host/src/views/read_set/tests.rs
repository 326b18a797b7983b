use std::collections::BTreeSet;
use std::ops::Bound;

use spacetime_table::definition::{ColumnDef, IndexDef, TableDef};
use spacetime_table::{Datastore, IndexAlgorithm};
use spacetime_types::{AlgebraicType, ColId, IndexId, TableId};

use super::{InstanceId, KEYS_MAX, RANGES_MAX, ReadIndex, ReadSet};

/// A table of one number, with an index.
fn table(datastore: &mut Datastore, name: &str) -> (TableId, IndexId) {
    let columns = vec![ColumnDef::new("a", AlgebraicType::U32)];
    let mut def = TableDef::new(name, columns);
    def.indexes.push(IndexDef {
        name: format!("{name}_a").into(),
        accessor: None,
        algorithm: IndexAlgorithm::BTree(vec![ColId(0)]),
    });
    let table = datastore.create_table(&def).unwrap();
    (table, datastore.index_id(&format!("{name}_a")).unwrap())
}

fn ids(ids: &[u64]) -> BTreeSet<InstanceId> {
    ids.iter().copied().map(InstanceId).collect()
}

#[test]
fn a_changed_row_finds_who_looked_at_it() {
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let (t, by_a) = table(&mut datastore, "t");
    let (other, _) = table(&mut datastore, "other");
    datastore.commit();
    let number = |value: u32| value.to_le_bytes();

    let mut of_key = ReadSet::default();
    of_key.add_key(t, by_a, datastore.point_key(by_a, &number(3)).unwrap());
    let mut of_range = ReadSet::default();
    let (start, end) = (number(5), number(8));
    let bounds = (Bound::Included(&start[..]), Bound::Excluded(&end[..]));
    let range = datastore
        .range_keys(by_a, &[], 0, bounds.0, bounds.1)
        .unwrap();
    of_range.add_range(t, by_a, range);
    let mut of_table = ReadSet::default();
    of_table.add_key(t, by_a, datastore.point_key(by_a, &number(3)).unwrap());
    of_table.add_table(t);

    let mut index = ReadIndex::default();
    index.add(InstanceId(1), &of_key);
    index.add(InstanceId(2), &of_range);
    index.add(InstanceId(3), &of_table);
    let mut of_prefix = ReadSet::default();
    of_prefix.add_prefix(t, by_a, 1, number(8).into());
    index.add(InstanceId(4), &of_prefix);
    let affected = |datastore: &mut Datastore, table: TableId, value: u32| {
        datastore.begin_tx();
        datastore.insert(table, &number(value)).unwrap();
        let found = index.affected(datastore);
        datastore.rollback();
        found
    };
    assert_eq!(affected(&mut datastore, t, 3), ids(&[1, 3]));
    assert_eq!(affected(&mut datastore, t, 4), ids(&[3]));
    assert_eq!(affected(&mut datastore, t, 5), ids(&[2, 3]));
    assert_eq!(affected(&mut datastore, t, 8), ids(&[3, 4]));
    assert_eq!(affected(&mut datastore, other, 3), ids(&[]));

    index.remove(InstanceId(1), &of_key);
    index.remove(InstanceId(2), &of_range);
    index.remove(InstanceId(3), &of_table);
    index.remove(InstanceId(4), &of_prefix);
    assert!(index.is_empty());
}

#[test]
fn too_many_parts_are_the_whole_table() {
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let (t, by_a) = table(&mut datastore, "t");
    datastore.commit();
    let mut whole = ReadSet::default();
    whole.add_table(t);
    let mut keys = ReadSet::default();
    let mut ranges = ReadSet::default();
    for value in 0..=u32::try_from(KEYS_MAX).unwrap() {
        assert_ne!(keys, whole, "{value}");
        let bytes = value.to_le_bytes();
        keys.add_key(t, by_a, datastore.point_key(by_a, &bytes).unwrap());
    }
    for value in 0..=u32::try_from(RANGES_MAX).unwrap() {
        assert_ne!(ranges, whole, "{value}");
        let bytes = value.to_le_bytes();
        let start = Bound::Included(&bytes[..]);
        let range = datastore.range_keys(by_a, &[], 0, start, Bound::Unbounded);
        ranges.add_range(t, by_a, range.unwrap());
    }
    assert_eq!(keys, whole);
    assert_eq!(ranges, whole);
}

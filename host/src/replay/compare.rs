//! Telling two effects apart: the recorded one and the one of now.

use std::collections::BTreeMap;
use std::sync::Arc;

use spacetime_table::{Datastore, RowList, TableSchema, TxDelta};
use spacetime_types::bsatn::Reader;
use spacetime_types::json::{Flavour, write_bsatn};
use spacetime_types::{AlgebraicType, TableId, Typespace};

use super::record::{Record, is_system};

/// Some rows as JSON objects, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub count: u64,
    /// The first of them.
    pub shown: Vec<String>,
}

/// Where the changes of one table differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDifference {
    pub table: Arc<str>,
    /// Recorded as inserted, not inserted now.
    pub not_inserted: Rows,
    /// Inserted now, not recorded.
    pub also_inserted: Rows,
    /// Recorded as deleted, not deleted now.
    pub not_deleted: Rows,
    /// Deleted now, not recorded.
    pub also_deleted: Rows,
}

/// The tables whose changes differ, by name. `now` is `None` if there is no effect now.
pub(super) fn differences(
    record: &Record,
    now: Option<&TxDelta>,
    datastore: &Datastore,
    rows_max: usize,
) -> Vec<TableDifference> {
    let none = RowList::default();
    let mut sides: BTreeMap<TableId, [(&RowList, &RowList); 2]> = BTreeMap::new();
    for (id, changed) in record.of_module() {
        let recorded = (&changed.inserts, &changed.deletes);
        sides.insert(id, [recorded, (&none, &none)]);
    }
    let logged = now.into_iter().flat_map(TxDelta::logged_tables);
    for delta in logged.filter(|delta| !is_system(delta.table)) {
        let both = sides.entry(delta.table);
        both.or_insert([(&none, &none); 2])[1] = (&delta.inserts, &delta.deletes);
    }
    let mut found = Vec::new();
    for (id, [recorded, now]) in sides {
        let (not_inserted, also_inserted) = only_in(recorded.0, now.0);
        let (not_deleted, also_deleted) = only_in(recorded.1, now.1);
        let lists = [not_inserted, also_inserted, not_deleted, also_deleted];
        if lists.iter().all(Vec::is_empty) {
            continue;
        }
        let schema = datastore.schema(id);
        let [not_inserted, also_inserted, not_deleted, also_deleted] =
            lists.map(|rows| show(schema, &rows, rows_max));
        found.push(TableDifference {
            table: schema.map_or_else(|| id.to_string().into(), |schema| schema.name.clone()),
            not_inserted,
            also_inserted,
            not_deleted,
            also_deleted,
        });
    }
    found.sort_by(|a, b| a.table.cmp(&b.table));
    found
}

/// The rows that only the left list has, and those that only the right one has. The order of the
/// rows of a transaction means nothing.
fn only_in<'a>(left: &'a RowList, right: &'a RowList) -> (Vec<&'a [u8]>, Vec<&'a [u8]>) {
    if left.len() == right.len() && left.iter().eq(right.iter()) {
        return (Vec::new(), Vec::new());
    }
    let sorted = |list: &'a RowList| {
        let mut rows: Vec<&[u8]> = list.iter().collect();
        rows.sort_unstable();
        rows
    };
    let (left, right) = (sorted(left), sorted(right));
    let (mut only_left, mut only_right) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        match a.cmp(b) {
            std::cmp::Ordering::Less => only_left.extend(left.next()),
            std::cmp::Ordering::Greater => only_right.extend(right.next()),
            std::cmp::Ordering::Equal => {
                left.next();
                right.next();
            }
        }
    }
    only_left.extend(left);
    only_right.extend(right);
    (only_left, only_right)
}

fn show(schema: Option<&Arc<TableSchema>>, rows: &[&[u8]], rows_max: usize) -> Rows {
    let shown = rows.iter().take(rows_max);
    Rows {
        count: u64::try_from(rows.len()).unwrap_or(u64::MAX),
        shown: shown.map(|row| row_text(schema, row)).collect(),
    }
}

/// A row as a JSON object; as a JSON string of hexadecimal digits if it has no such form.
fn row_text(schema: Option<&Arc<TableSchema>>, row: &[u8]) -> String {
    let mut text = String::new();
    if let Some(schema) = schema {
        let row_type = AlgebraicType::Product(schema.row_type.clone());
        let mut reader = Reader::new(row);
        let typespace = Typespace::default();
        if write_bsatn(&typespace, &row_type, &mut reader, Flavour::Row, &mut text).is_ok() {
            return text;
        }
    }
    format!("\"{}\"", spacetime_types::hex::encode(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_compared_as_a_set() {
        let list = |rows: &[&str]| RowList::from_rows(rows.iter().map(|row| row.as_bytes()));
        let check = |left: &[&str], right: &[&str], only_left: &[&str], only_right: &[&str]| {
            let (left, right) = (list(left), list(right));
            let bytes = |rows: &[&str]| -> Vec<Vec<u8>> {
                rows.iter().map(|row| row.as_bytes().to_vec()).collect()
            };
            let (found_left, found_right) = only_in(&left, &right);
            assert_eq!(found_left, bytes(only_left));
            assert_eq!(found_right, bytes(only_right));
        };
        check(&[], &[], &[], &[]);
        check(&["a", "b"], &["b", "a"], &[], &[]);
        check(&["a", "c"], &["b", "c", "d"], &["a"], &["b", "d"]);
        check(&["ab"], &["a", "b"], &["ab"], &["a", "b"]);
        check(&["z"], &[], &["z"], &[]);
    }
}

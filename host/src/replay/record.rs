//! A transaction as the log has it, its rows taken apart by table.

use std::collections::BTreeMap;

use bytes::Bytes;
use spacetime_commitlog::Inputs;
use spacetime_table::system::{
    ST_CLIENT, ST_CONNECTION_CREDENTIALS, ST_MODULE, ST_ROW_LEVEL_SECURITY, ST_SEQUENCE, ST_VAR,
    ST_VIEW_ARG, ST_VIEW_SUB,
};
use spacetime_table::{Datastore, FIRST_USER_ID, RowList, RowListBuilder};
use spacetime_types::{ConnectionId, Identity, TableId, Timestamp, TxOffset};

/// System tables whose rows say nothing about how rows of other tables are stored.
const STATE_TABLES: [TableId; 8] = [
    ST_SEQUENCE,
    ST_MODULE,
    ST_CLIENT,
    ST_VAR,
    ST_ROW_LEVEL_SECURITY,
    ST_CONNECTION_CREDENTIALS,
    ST_VIEW_SUB,
    ST_VIEW_ARG,
];

/// Whether rows of the table describe other tables.
pub(super) fn is_about_schema(table: TableId) -> bool {
    is_system(table) && !STATE_TABLES.contains(&table)
}

pub(super) fn is_system(table: TableId) -> bool {
    table.0 < FIRST_USER_ID
}

/// The call that a transaction came from.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) reducer: Box<str>,
    pub(super) caller: Identity,
    pub(super) connection_id: ConnectionId,
    pub(super) timestamp: Timestamp,
    pub(super) args: Bytes,
}

impl Call {
    /// `None` if the arguments are not those of a call.
    pub(super) fn of(inputs: &Inputs<'_>) -> Option<Call> {
        let call = inputs.call()?;
        Some(Call {
            reducer: inputs.reducer.into(),
            caller: Identity::from_le_bytes(call.caller),
            connection_id: ConnectionId(u128::from_le_bytes(call.connection)),
            timestamp: Timestamp::from_micros(call.timestamp_micros),
            args: Bytes::copy_from_slice(call.arguments),
        })
    }
}

/// Rows of one table in one transaction.
#[derive(Clone, Debug, Default)]
pub(super) struct Changed {
    pub(super) inserts: RowList,
    pub(super) deletes: RowList,
    /// All rows were deleted; until `expand_truncations` they are not in `deletes`.
    pub(super) truncated: bool,
}

/// A transaction of the log.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) offset: TxOffset,
    pub(super) call: Option<Call>,
    pub(super) tables: BTreeMap<TableId, Changed>,
}

impl Record {
    /// The rows that were inserted into a table.
    pub(super) fn inserted(&self, table: TableId) -> impl Iterator<Item = &[u8]> {
        let changed = self.tables.get(&table);
        changed
            .into_iter()
            .flat_map(|changed| changed.inserts.iter())
    }

    /// The changes of the module's own tables.
    pub(super) fn of_module(&self) -> impl Iterator<Item = (TableId, &Changed)> {
        let tables = self.tables.iter().map(|(id, changed)| (*id, changed));
        tables.filter(|(id, _)| !is_system(*id))
    }

    /// Writes the rows of emptied tables out. To be done while they are still there.
    pub(super) fn expand_truncations(&mut self, datastore: &Datastore) {
        let is_emptied =
            |(id, changed): &(&TableId, &mut Changed)| changed.truncated && !is_system(**id);
        for (id, changed) in self.tables.iter_mut().filter(is_emptied) {
            let mut rows = RowListBuilder::new(None);
            for pointer in datastore.scan(*id).into_iter().flatten() {
                rows.push_with(|bytes| datastore.read_row(*id, pointer, bytes));
            }
            changed.deletes = rows.finish();
            changed.truncated = false;
        }
    }

    /// Whether all that the transaction did to the module's tables is deleting one row.
    pub(super) fn only_deletes(&self, table: TableId, row: &[u8]) -> bool {
        let mut changes = self.of_module();
        let only = changes.next().is_some_and(|(id, changed)| {
            id == table
                && changed.inserts.is_empty()
                && changed.deletes.len() == 1
                && changed.deletes.row(0) == Some(row)
        });
        only && changes.next().is_none()
    }
}

/// Collects a record.
#[derive(Debug, Default)]
pub(super) struct RecordBuilder {
    offset: TxOffset,
    call: Option<Call>,
    tables: BTreeMap<TableId, Building>,
}

#[derive(Debug, Default)]
struct Building {
    inserts: RowListBuilder,
    deletes: RowListBuilder,
    truncated: bool,
}

impl RecordBuilder {
    pub(super) fn begin(&mut self, offset: TxOffset) {
        *self = RecordBuilder {
            offset,
            ..RecordBuilder::default()
        };
    }

    pub(super) fn call(&mut self, inputs: &Inputs<'_>) {
        self.call = Call::of(inputs);
    }

    pub(super) fn insert(&mut self, table: TableId, row: &[u8]) {
        self.tables.entry(table).or_default().inserts.push(row);
    }

    pub(super) fn delete(&mut self, table: TableId, row: &[u8]) {
        self.tables.entry(table).or_default().deletes.push(row);
    }

    pub(super) fn truncate(&mut self, table: TableId) {
        self.tables.entry(table).or_default().truncated = true;
    }

    pub(super) fn take(&mut self) -> Record {
        let tables = std::mem::take(&mut self.tables).into_iter();
        Record {
            offset: self.offset,
            call: self.call.take(),
            tables: tables
                .map(|(id, building)| {
                    let changed = Changed {
                        inserts: building.inserts.finish(),
                        deletes: building.deletes.finish(),
                        truncated: building.truncated,
                    };
                    (id, changed)
                })
                .collect(),
        }
    }
}

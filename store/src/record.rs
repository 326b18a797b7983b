//! A committed transaction as a record of the log.

use std::sync::Arc;

use bytes::Bytes;
use spacetime_commitlog::txdata::{self, Call, Changes, Inputs, RowSet};
use spacetime_durability::Record;
use spacetime_table::{RowList, TxDelta};
use spacetime_types::{ConnectionId, Identity, TableId, Timestamp};

/// The call that a transaction came from, for the log.
#[derive(Clone, Debug)]
pub struct CommitInputs {
    pub reducer: Arc<str>,
    pub caller: Identity,
    pub connection_id: ConnectionId,
    pub timestamp: Timestamp,
    pub args: Bytes,
}

/// A transaction on its way to the log; encoded on the durability thread.
pub(crate) struct TxRecord {
    pub(crate) inputs: Option<CommitInputs>,
    pub(crate) delta: Arc<TxDelta>,
}

/// Rows of one table for the log.
struct LoggedRows<'a> {
    table: TableId,
    rows: &'a RowList,
}

impl RowSet for LoggedRows<'_> {
    fn table(&self) -> TableId {
        self.table
    }

    fn row_count(&self) -> usize {
        self.rows.len()
    }

    fn write_rows(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.rows.bytes());
    }
}

impl Record for TxRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        let (mut inserts, mut deletes, mut truncates) = (Vec::new(), Vec::new(), Vec::new());
        for table in self.delta.logged_tables() {
            let rows = |rows| LoggedRows {
                table: table.table,
                rows,
            };
            if table.truncated {
                truncates.push(table.table);
                continue;
            }
            if !table.inserts.is_empty() {
                inserts.push(rows(&table.inserts));
            }
            if !table.deletes.is_empty() {
                deletes.push(rows(&table.deletes));
            }
        }
        let changes = Changes {
            inserts: &inserts,
            deletes: &deletes,
            truncates: &truncates,
        };
        let arguments = self.inputs.as_ref().map(|inputs| {
            let call = Call {
                caller: inputs.caller.to_le_bytes(),
                connection: inputs.connection_id.0.to_le_bytes(),
                timestamp_micros: inputs.timestamp.micros,
                arguments: &inputs.args,
            };
            call.to_bytes()
        });
        let inputs = self
            .inputs
            .as_ref()
            .zip(arguments.as_ref())
            .map(|(inputs, arguments)| Inputs {
                reducer: &inputs.reducer,
                arguments,
            });
        txdata::encode(inputs, None, Some(changes), out);
    }

    fn byte_len(&self) -> usize {
        let args = self.inputs.as_ref().map_or(0, |inputs| inputs.args.len());
        let tables = self.delta.tables.iter();
        let rows: usize = tables
            .map(|table| table.inserts.bytes().len() + table.deletes.bytes().len())
            .sum();
        256 + args + rows
    }
}

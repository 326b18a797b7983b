//! Begin, commit and roll back.

use std::sync::Arc;

use bytes::Bytes;
use spacetime_types::TableId;

use crate::net::{Arenas, net};
use crate::schema::{Persistence, TableSchema};
use crate::transaction::{CatalogueOp, Op, RowOp};
use crate::{Datastore, Savepoint, TableDelta, TxDelta};

impl Datastore {
    /// Opens a transaction. None may be open.
    pub fn begin_tx(&mut self) {
        assert!(!self.tx.is_open, "one transaction at a time");
        assert!(self.replay.is_none(), "no transaction during a replay");
        assert!(self.tx.ops.is_empty(), "the last transaction left nothing");
        self.tx.is_open = true;
        self.tx.number += 1;
    }

    /// Whether a transaction is open.
    #[must_use]
    pub fn in_tx(&self) -> bool {
        self.tx.is_open
    }

    /// Keeps the changes of the open transaction and returns their net effect.
    pub fn commit(&mut self) -> Arc<TxDelta> {
        assert!(self.tx.is_open, "a transaction is open");
        self.tx.is_open = false;
        let ops = std::mem::take(&mut self.tx.ops);
        let arenas = Arenas {
            inserted: Bytes::from(std::mem::take(&mut self.tx.inserted)),
            deleted: Bytes::from(std::mem::take(&mut self.tx.deleted)),
        };
        let mut rows = Vec::with_capacity(ops.len());
        let mut dropped = Vec::new();
        for op in ops {
            match op {
                Op::Row(row) => rows.push(row),
                Op::Catalogue(change) => match *change {
                    CatalogueOp::Dropped(table) => dropped.push(table.schema),
                    // Its large values are held by the new one too.
                    CatalogueOp::Replaced(mut table) => table.clear(&mut self.blobs),
                    _ => {}
                },
                Op::Sequence { .. } => {}
            }
        }
        // Stable, so the changes of a table stay in order.
        rows.sort_by_key(|row| row.table);
        let mut delta = TxDelta::default();
        for ops in rows.chunk_by(|left, right| left.table == right.table) {
            if let Some(table) = self.table_delta(ops, &arenas, &dropped) {
                delta.consumes_offset |= table.schema.persistence() != Persistence::Ephemeral;
                delta.tables.push(table);
            }
        }
        Arc::new(delta)
    }

    /// The net change of one table. Rows of event tables are forgotten.
    fn table_delta(
        &mut self,
        ops: &[RowOp],
        arenas: &Arenas,
        dropped: &[Arc<TableSchema>],
    ) -> Option<TableDelta> {
        let id = ops.first()?.table;
        let (schema, is_empty) = match self.tables.get(&id) {
            Some(table) => (Arc::clone(&table.schema), table.rows.is_empty()),
            None => (dropped_schema(id, dropped), true),
        };
        let (inserts, deletes) = net(ops.to_vec(), arenas, schema.layout.fixed_bsatn_len());
        if schema.is_event
            && let Some(table) = self.tables.get_mut(&id)
        {
            table.clear(&mut self.blobs);
        }
        if inserts.is_empty() && deletes.is_empty() {
            return None;
        }
        Some(TableDelta {
            table: id,
            truncated: inserts.is_empty() && is_empty,
            schema,
            inserts,
            deletes,
        })
    }

    /// Undoes everything that the open transaction did.
    pub fn rollback(&mut self) {
        let start = Savepoint {
            number: self.tx.number,
            ops: 0,
            inserted: 0,
            deleted: 0,
        };
        self.rollback_to(start);
        self.tx.is_open = false;
    }

    /// The present state of the open transaction, to return to.
    #[must_use]
    pub fn savepoint(&mut self) -> Savepoint {
        assert!(self.tx.is_open, "a transaction is open");
        self.tx.savepoint()
    }

    /// Undoes what the open transaction did since a savepoint.
    pub fn rollback_to(&mut self, savepoint: Savepoint) {
        assert!(self.tx.is_open, "a transaction is open");
        assert_eq!(
            savepoint.number, self.tx.number,
            "a savepoint of this transaction"
        );
        assert!(
            savepoint.ops <= self.tx.ops.len(),
            "a savepoint not yet undone"
        );
        while self.tx.ops.len() > savepoint.ops {
            match self.tx.ops.pop() {
                Some(Op::Row(op)) => self.undo_row(op),
                Some(Op::Sequence { sequence, recorded }) => {
                    if let Some(sequence) = self.sequences.get_mut(&sequence) {
                        sequence.recorded = recorded;
                    }
                }
                Some(Op::Catalogue(change)) => self.undo_catalogue(*change),
                None => unreachable!("the length was checked"),
            }
        }
        self.tx.inserted.truncate(savepoint.inserted);
        self.tx.deleted.truncate(savepoint.deleted);
    }

    fn undo_row(&mut self, op: RowOp) {
        let table = self.tables.get_mut(&op.table);
        let table = table.unwrap_or_else(|| panic!("changed table {} is there", op.table));
        let (blobs, keys) = (&mut self.blobs, &mut self.keys);
        if op.is_insert {
            table.remove(op.ptr, &self.tx.inserted[op.range()], blobs, keys);
        } else {
            table.restore(op.ptr, &self.tx.deleted[op.range()], blobs, keys);
        }
    }
}

fn dropped_schema(id: TableId, dropped: &[Arc<TableSchema>]) -> Arc<TableSchema> {
    let schema = dropped.iter().find(|schema| schema.id == id);
    Arc::clone(schema.unwrap_or_else(|| panic!("changed table {id} is there or was dropped")))
}

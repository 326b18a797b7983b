//! What only whoever runs a database in its own process asks of it: what there is to do, and rows
//! put in past the module.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use spacetime_types::ConnectionId;

use super::Worker;
use super::calls::Transaction;
use crate::database::{InsertRowsError, ScheduledRow, Work};
use crate::outbox::ReducerOutcome;

/// Name in the log of a transaction that puts rows in.
const INSERT_ROWS: &str = "__insert_rows__";

impl Worker {
    pub(super) fn work(&mut self) -> Work {
        // Whoever is told that nothing is left to do may look into the clients' outboxes.
        self.hand_out();
        let now = self.clock.current();
        let next_due = self.schedule.next_due();
        let beside = self.shared.beside.load(Ordering::Relaxed);
        Work {
            now,
            is_due: self.schedule.has_immediate() || next_due.is_some_and(|due| due <= now),
            running: beside.saturating_sub(self.shared.time.sleepers()),
            next_due,
        }
    }

    pub(super) fn scheduled_rows(&self) -> Vec<ScheduledRow> {
        let datastore = self.store.datastore();
        let planned = self.schedule.planned(datastore);
        let rows = planned.filter_map(|(due, schema, row_id, row, every)| {
            let function = Arc::clone(&schema.schedule.as_ref()?.function);
            let micros = every.and_then(|every| u64::try_from(every).ok());
            Some(ScheduledRow {
                table: Arc::clone(&schema.name),
                row_id,
                function,
                due,
                every: micros.map(Duration::from_micros),
                row: Bytes::from(row),
            })
        });
        rows.collect()
    }

    pub(super) fn insert_rows(
        &mut self,
        table: &str,
        rows: &[Bytes],
    ) -> Result<(), InsertRowsError> {
        let id = self.store.datastore().table_id(table);
        let id = id.ok_or_else(|| InsertRowsError::NoSuchTable(table.into()))?;
        let transaction = Transaction {
            sender: self.shared.owner,
            connection_id: ConnectionId::default(),
            reducer: None,
            args: Bytes::new(),
            log_name: INSERT_ROWS,
        };
        let ran = self.run_transaction(
            &transaction,
            |datastore| {
                for row in rows {
                    datastore.insert(id, row)?;
                }
                Ok(())
            },
            |_| Ok(()),
        );
        self.publish_delta(ran.delta, None);
        match ran.outcome {
            ReducerOutcome::Committed => Ok(()),
            ReducerOutcome::Failed(text)
            | ReducerOutcome::Refused(text)
            | ReducerOutcome::Fatal(text) => Err(InsertRowsError::Refused(text)),
            ReducerOutcome::OutOfBudget => unreachable!("no module runs here"),
        }
    }
}

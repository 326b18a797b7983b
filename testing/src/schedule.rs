//! What is planned.

use std::sync::Arc;
use std::time::Duration;

use spacetime_host::ScheduledRow;
use spacetime_types::{ProductType, Timestamp};

use crate::rows::Row;

/// A row of a scheduled table, and when it is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheduled {
    pub table: String,
    /// The reducer or procedure that it calls.
    pub function: String,
    /// The row's primary key.
    pub id: u64,
    pub due: Timestamp,
    /// How often it runs; `None` if once.
    pub every: Option<Duration>,
    pub row: Row,
}

impl Scheduled {
    pub(crate) fn new(scheduled: ScheduledRow, columns: &Arc<ProductType>) -> Scheduled {
        Scheduled {
            table: scheduled.table.to_string(),
            function: scheduled.function.to_string(),
            id: scheduled.row_id,
            due: scheduled.due,
            every: scheduled.every,
            row: Row::new(columns, scheduled.row),
        }
    }
}

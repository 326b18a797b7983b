//! Rows that mark tables: `st_scheduled`, `st_event_table`.

use std::sync::Arc;

use spacetime_types::{ColId, TableId};

use super::system_rows;
use crate::schema::ScheduleId;

system_rows! {
    /// A table whose rows are calls to be made later.
    StScheduled in ST_SCHEDULED {
        schedule_id: ScheduleId,
        table_id: TableId,
        /// A reducer or procedure, namespaced.
        reducer_name: Arc<str>,
        /// Not namespaced.
        schedule_name: Arc<str>,
        at_column: ColId,
    }

    /// A table whose rows live only until the transaction ends.
    StEventTable in ST_EVENT_TABLE {
        table_id: TableId,
    }
}

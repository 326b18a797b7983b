//! Rows of `st_row_level_security`.

use std::sync::Arc;

use spacetime_types::TableId;

use super::system_rows;

system_rows! {
    /// A rule that limits which rows of a table clients see.
    StRowLevelSecurity in ST_ROW_LEVEL_SECURITY {
        table_id: TableId,
        /// Verbatim.
        sql: Arc<str>,
    }
}

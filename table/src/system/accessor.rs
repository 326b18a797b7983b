//! Rows that map canonical names to names in the program.

use std::sync::Arc;

use super::system_rows;

system_rows! {
    /// A table's name in the program.
    StTableAccessor in ST_TABLE_ACCESSOR {
        table_name: Arc<str>,
        accessor_name: Arc<str>,
    }

    /// An index's source name.
    StIndexAccessor in ST_INDEX_ACCESSOR {
        index_name: Arc<str>,
        accessor_name: Arc<str>,
    }

    /// A column's name in the program.
    StColumnAccessor in ST_COLUMN_ACCESSOR {
        table_name: Arc<str>,
        col_name: Arc<str>,
        accessor_name: Arc<str>,
    }
}

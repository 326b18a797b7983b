//! The built-in tables that hold the schema and the state of a running database.
//!
//! Their ids, columns and bootstrap rows are part of the file formats: a log deletes and replaces
//! bootstrap rows by whole-row equality, so they must be the same to the byte everywhere.

mod access;
mod accessor;
mod bootstrap;
mod catalogue;
mod client;
mod field;
mod module;
mod schedule;
mod tables;
mod view;

#[cfg(test)]
mod tests;

use spacetime_types::bsatn::DecodeError;
use spacetime_types::{AlgebraicType, IndexId, TableId};

pub use access::StRowLevelSecurity;
pub use accessor::{StColumnAccessor, StIndexAccessor, StTableAccessor};
pub(crate) use bootstrap::bootstrap_rows;
pub use catalogue::{ConstraintData, StColumn, StConstraint, StIndex, StSequence, StTable};
pub use client::{StClient, StConnectionCredentials};
pub use module::{ROW_LIMIT, StModule, StVar, VarValue};
pub use schedule::{StEventTable, StScheduled};
pub(crate) use tables::{
    SYSTEM_SEQUENCE_ALLOCATED, SYSTEM_SEQUENCE_START, SYSTEM_TABLES, row_type_of, system_schema,
};
pub use view::{StView, StViewArg, StViewColumn, StViewParam, StViewSub};

/// `st_table`: one row per table.
pub const ST_TABLE: TableId = TableId(1);
/// `st_column`: one row per column.
pub const ST_COLUMN: TableId = TableId(2);
/// `st_sequence`: one row per sequence, with its persisted position.
pub const ST_SEQUENCE: TableId = TableId(3);
/// `st_index`: one row per index.
pub const ST_INDEX: TableId = TableId(4);
/// `st_constraint`: one row per unique constraint.
pub const ST_CONSTRAINT: TableId = TableId(5);
/// `st_module`: the program, one row.
pub const ST_MODULE: TableId = TableId(6);
/// `st_client`: one row per live connection.
pub const ST_CLIENT: TableId = TableId(7);
/// `st_var`: variables set by SQL.
pub const ST_VAR: TableId = TableId(8);
/// `st_scheduled`: one row per scheduled table.
pub const ST_SCHEDULED: TableId = TableId(9);
/// `st_row_level_security`: one row per rule.
pub const ST_ROW_LEVEL_SECURITY: TableId = TableId(10);
/// `st_connection_credentials`: claims of live connections.
pub const ST_CONNECTION_CREDENTIALS: TableId = TableId(11);
/// `st_view`: one row per view.
pub const ST_VIEW: TableId = TableId(12);
/// `st_view_param`: parameters of views.
pub const ST_VIEW_PARAM: TableId = TableId(13);
/// `st_view_column`: result columns of views.
pub const ST_VIEW_COLUMN: TableId = TableId(14);
/// `st_view_sub`: legacy, never written.
pub const ST_VIEW_SUB: TableId = TableId(15);
/// `st_view_arg`: legacy, never written.
pub const ST_VIEW_ARG: TableId = TableId(16);
/// `st_event_table`: marks event tables.
pub const ST_EVENT_TABLE: TableId = TableId(17);
/// `st_table_accessor`: table names in the program.
pub const ST_TABLE_ACCESSOR: TableId = TableId(18);
/// `st_index_accessor`: source names of indexes.
pub const ST_INDEX_ACCESSOR: TableId = TableId(19);
/// `st_column_accessor`: column names in the program.
pub const ST_COLUMN_ACCESSOR: TableId = TableId(20);

/// The index by which a sequence's row is found.
pub const ST_SEQUENCE_ID_INDEX: IndexId = IndexId(4);

/// A typed row of a system table.
pub trait SystemRow: Sized {
    /// The table that holds such rows.
    const TABLE: TableId;
    /// Names and types of the columns.
    fn columns() -> Vec<(&'static str, AlgebraicType)>;
    /// Appends the row as BSATN.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads a row back; all bytes must be used.
    fn decode(row: &[u8]) -> Result<Self, DecodeError>;

    /// The row as BSATN.
    fn to_bsatn(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

/// Declares row types: the fields are the columns, in order.
macro_rules! system_rows {
    ($($(#[$doc:meta])* $name:ident in $table:ident {
        $($(#[$field_doc:meta])* $field:ident: $field_type:ty,)*
    })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $field_type,)*
            }

            impl $crate::system::SystemRow for $name {
                const TABLE: spacetime_types::TableId = $crate::system::$table;

                fn columns() -> Vec<(&'static str, spacetime_types::AlgebraicType)> {
                    use $crate::system::field::Field;
                    vec![$((stringify!($field), <$field_type>::column_type())),*]
                }

                fn encode(&self, out: &mut Vec<u8>) {
                    $($crate::system::field::Field::write(&self.$field, out);)*
                }

                fn decode(row: &[u8]) -> Result<Self, spacetime_types::bsatn::DecodeError> {
                    let mut reader = spacetime_types::bsatn::Reader::new(row);
                    let decoded = $name {
                        $($field: $crate::system::field::Field::read(&mut reader)?,)*
                    };
                    reader.finish()?;
                    Ok(decoded)
                }
            }
        )*
    };
}
pub(crate) use system_rows;

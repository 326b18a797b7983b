//! What the attribute `table` knows about a table, as constants.

use crate::spacetime_type::NamedType;

/// A table.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct TableDefinition {
    /// The name in the program.
    pub name: &'static str,
    /// The name to store it under, if it was given.
    pub canonical_name: Option<&'static str>,
    /// Whether clients see it.
    pub is_public: bool,
    /// Whether rows are gone with their transaction.
    pub is_event: bool,
    /// The column of the primary key.
    pub primary_key: Option<u16>,
    /// In the order in which they are described.
    pub indexes: &'static [IndexDefinition],
    /// The unique columns, that of the primary key among them.
    pub unique: &'static [u16],
    /// The columns with sequences.
    pub sequences: &'static [u16],
    /// What its rows call, if it is a schedule table.
    pub schedule: Option<ScheduleDefinition>,
    /// The columns with default values, and their encoding.
    pub defaults: &'static [DefaultValue],
    /// The name and the type of a row.
    pub row: NamedType,
}

/// A column, and what writes its default value.
#[doc(hidden)]
pub type DefaultValue = (u16, fn(&mut Vec<u8>));

/// An index.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct IndexDefinition {
    /// The name in the program: the table's, the columns' and the algorithm's.
    pub source_name: &'static str,
    /// The name of the method that gives it.
    pub accessor: &'static str,
    /// The name to store it under, if it was given.
    pub canonical_name: Option<&'static str>,
    /// How it finds rows.
    pub algorithm: IndexAlgorithm,
}

/// How an index finds rows.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub enum IndexAlgorithm {
    /// In the order of these columns.
    BTree(&'static [u16]),
    /// By a hash of these columns.
    Hash(&'static [u16]),
    /// By a number, as a place in a list.
    Direct(u16),
}

/// What the rows of a schedule table call.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct ScheduleDefinition {
    /// The column that says when.
    pub at_column: u16,
    /// The reducer or procedure.
    pub function: &'static str,
}

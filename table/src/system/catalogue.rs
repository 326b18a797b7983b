//! Rows that describe tables: `st_table`, `st_column`, `st_sequence`, `st_index`, `st_constraint`.

use std::sync::Arc;

use spacetime_types::bsatn::{self, DecodeError, Reader};
use spacetime_types::{AlgebraicType, ColId, ConstraintId, IndexId, SequenceId, TableId};

use super::field::{Field, read_tag, sum};
use super::system_rows;
use crate::schema::{IndexAlgorithm, SequenceSchema, TableAccess, TableKind, TableSchema};

system_rows! {
    /// A table.
    StTable in ST_TABLE {
        table_id: TableId,
        table_name: Arc<str>,
        table_type: TableKind,
        table_access: TableAccess,
        /// Holds one column.
        table_primary_key: Option<Vec<ColId>>,
    }

    /// A column.
    StColumn in ST_COLUMN {
        table_id: TableId,
        col_pos: ColId,
        col_name: Arc<str>,
        /// The resolved type as BSATN.
        col_type: Vec<u8>,
    }

    /// A sequence and its persisted position.
    StSequence in ST_SEQUENCE {
        sequence_id: SequenceId,
        sequence_name: Arc<str>,
        table_id: TableId,
        col_pos: ColId,
        increment: i128,
        start: i128,
        min_value: i128,
        max_value: i128,
        /// Values from here on were not handed out yet.
        allocated: i128,
    }

    /// An index. Whether it is unique is not stored.
    StIndex in ST_INDEX {
        index_id: IndexId,
        table_id: TableId,
        index_name: Arc<str>,
        index_algorithm: IndexAlgorithm,
    }

    /// A constraint.
    StConstraint in ST_CONSTRAINT {
        constraint_id: ConstraintId,
        constraint_name: Arc<str>,
        table_id: TableId,
        constraint_data: ConstraintData,
    }
}

/// What a constraint demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConstraintData {
    /// No two rows have equal values in these columns.
    Unique(Vec<ColId>),
}

/// The two words that each of these columns may hold.
macro_rules! words {
    ($($word_type:ident { $($variant:ident = $word:literal),* })*) => {
        $(
            impl Field for $word_type {
                fn column_type() -> AlgebraicType {
                    AlgebraicType::String
                }

                fn write(&self, out: &mut Vec<u8>) {
                    let word = match self {
                        $($word_type::$variant => $word,)*
                    };
                    Arc::<str>::from(word).write(out);
                }

                fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                    match &*Arc::<str>::read(reader)? {
                        $($word => Ok($word_type::$variant),)*
                        other => Err(DecodeError::Other(format!(
                            concat!("unknown ", stringify!($word_type), " {:?}"), other
                        ))),
                    }
                }
            }
        )*
    };
}

words! {
    TableKind { System = "system", User = "user" }
    TableAccess { Public = "public", Private = "private" }
}

const UNUSED_TAG: u8 = 0;

fn unused(what: &str) -> DecodeError {
    DecodeError::Other(format!("{what} has the variant that is never used"))
}

impl Field for IndexAlgorithm {
    fn column_type() -> AlgebraicType {
        sum(vec![
            ("Unused", AlgebraicType::U128),
            ("BTree", Vec::<ColId>::column_type()),
            ("Direct", ColId::column_type()),
            ("Hash", Vec::<ColId>::column_type()),
        ])
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            IndexAlgorithm::BTree(columns) => {
                out.push(1);
                columns.write(out);
            }
            IndexAlgorithm::Direct(column) => {
                out.push(2);
                column.write(out);
            }
            IndexAlgorithm::Hash(columns) => {
                out.push(3);
                columns.write(out);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match read_tag(reader, 4, "IndexAlgorithm")? {
            UNUSED_TAG => Err(unused("index algorithm")),
            1 => Field::read(reader).map(IndexAlgorithm::BTree),
            2 => Field::read(reader).map(IndexAlgorithm::Direct),
            _ => Field::read(reader).map(IndexAlgorithm::Hash),
        }
    }
}

impl Field for ConstraintData {
    fn column_type() -> AlgebraicType {
        sum(vec![
            ("Unused", AlgebraicType::U128),
            ("Unique", Vec::<ColId>::column_type()),
        ])
    }

    fn write(&self, out: &mut Vec<u8>) {
        let ConstraintData::Unique(columns) = self;
        out.push(1);
        columns.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match read_tag(reader, 2, "ConstraintData")? {
            UNUSED_TAG => Err(unused("constraint")),
            _ => Field::read(reader).map(ConstraintData::Unique),
        }
    }
}

impl StTable {
    /// The row that describes a table.
    #[must_use]
    pub fn of(schema: &TableSchema) -> Self {
        StTable {
            table_id: schema.id,
            table_name: schema.name.clone(),
            table_type: schema.kind,
            table_access: schema.access,
            table_primary_key: schema.primary_key.map(|column| vec![column]),
        }
    }
}

impl StColumn {
    /// The rows that describe the columns of a table.
    pub fn of(schema: &TableSchema) -> impl Iterator<Item = Self> + '_ {
        let positions = (0..=u16::MAX).map(ColId);
        positions
            .zip(&schema.columns)
            .map(|(col_pos, column)| StColumn {
                table_id: schema.id,
                col_pos,
                col_name: column.name.clone(),
                col_type: bsatn::to_vec(&column.column_type),
            })
    }
}

impl StSequence {
    /// The row that describes a sequence.
    #[must_use]
    pub fn of(table_id: TableId, sequence: &SequenceSchema, allocated: i128) -> Self {
        StSequence {
            sequence_id: sequence.id,
            sequence_name: sequence.name.clone(),
            table_id,
            col_pos: sequence.column,
            increment: sequence.increment,
            start: sequence.start,
            min_value: sequence.min_value,
            max_value: sequence.max_value,
            allocated,
        }
    }
}

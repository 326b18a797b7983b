//! The kinds of tables that a simulation works on, and random rows for them.
//!
//! Values come from small domains, so that keys collide; texts and blobs reach from empty to
//! several pages of a disk, and blobs are shared between rows.

use spacetime_table::definition::{
    ColumnDef, ConstraintDef, IndexDef, ScheduleDef, SequenceDef, TableDef,
};
use spacetime_table::{IndexAlgorithm, TableAccess};
use spacetime_types::{AlgebraicType, ColId};

use crate::random::Random;

/// A column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    U8,
    U16,
    U32,
    U64,
    I64,
    Text,
    Bytes,
    ScheduleAt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    BTree,
    Hash,
    Direct,
}

#[derive(Clone, Copy, Debug)]
struct Index {
    columns: &'static [u16],
    algorithm: Algorithm,
    is_unique: bool,
}

/// A kind of table.
#[derive(Debug)]
pub struct Shape {
    pub name: &'static str,
    pub columns: &'static [Column],
    indexes: &'static [Index],
    /// Column 0 is filled in when it is 0.
    pub is_generated: bool,
    pub is_event: bool,
    is_schedule: bool,
}

/// Which of [`SHAPES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShapeId(pub usize);

/// Accounts with balances whose sum is constant. Only transfers write to it.
pub const ACCOUNT: ShapeId = ShapeId(0);
/// The first shape of tables that come and go.
pub const FIRST_TEMPORARY: usize = 7;

pub const ACCOUNTS: u32 = 16;
pub const START_BALANCE: i64 = 1000;

const fn index(columns: &'static [u16], algorithm: Algorithm, is_unique: bool) -> Index {
    Index {
        columns,
        algorithm,
        is_unique,
    }
}

const PLAIN: Shape = Shape {
    name: "",
    columns: &[],
    indexes: &[],
    is_generated: false,
    is_event: false,
    is_schedule: false,
};

/// All kinds.
pub static SHAPES: [Shape; 9] = [
    Shape {
        name: "account",
        columns: &[Column::U32, Column::I64],
        indexes: &[
            index(&[0], Algorithm::BTree, true),
            index(&[1], Algorithm::BTree, false),
        ],
        ..PLAIN
    },
    Shape {
        name: "entry",
        columns: &[Column::U64, Column::U32, Column::Text],
        indexes: &[
            index(&[0], Algorithm::BTree, true),
            index(&[1], Algorithm::BTree, false),
            index(&[2], Algorithm::Hash, false),
        ],
        is_generated: true,
        ..PLAIN
    },
    Shape {
        name: "name",
        columns: &[Column::Text, Column::U64, Column::U8],
        indexes: &[
            index(&[0], Algorithm::Hash, true),
            index(&[2, 1], Algorithm::BTree, true),
        ],
        ..PLAIN
    },
    Shape {
        name: "picture",
        columns: &[Column::U16, Column::Bytes],
        indexes: &[index(&[0], Algorithm::Direct, true)],
        ..PLAIN
    },
    Shape {
        name: "job",
        columns: &[Column::U64, Column::ScheduleAt, Column::Text],
        indexes: &[index(&[0], Algorithm::BTree, true)],
        is_generated: true,
        is_schedule: true,
        ..PLAIN
    },
    Shape {
        name: "bag",
        columns: &[Column::U8, Column::U16],
        indexes: &[],
        ..PLAIN
    },
    Shape {
        name: "event",
        columns: &[Column::U32, Column::Text],
        indexes: &[index(&[0], Algorithm::BTree, false)],
        is_event: true,
        ..PLAIN
    },
    Shape {
        name: "temporary_a",
        columns: &[Column::U32, Column::U8, Column::Bytes],
        indexes: &[
            index(&[0], Algorithm::Hash, true),
            index(&[1], Algorithm::Hash, false),
        ],
        is_generated: true,
        ..PLAIN
    },
    Shape {
        name: "temporary_b",
        columns: &[Column::Text, Column::I64],
        indexes: &[index(&[0, 1], Algorithm::BTree, true)],
        ..PLAIN
    },
];

impl ShapeId {
    #[must_use]
    pub fn shape(self) -> &'static Shape {
        &SHAPES[self.0]
    }
}

impl Column {
    fn column_type(self) -> AlgebraicType {
        match self {
            Column::U8 => AlgebraicType::U8,
            Column::U16 => AlgebraicType::U16,
            Column::U32 => AlgebraicType::U32,
            Column::U64 => AlgebraicType::U64,
            Column::I64 => AlgebraicType::I64,
            Column::Text => AlgebraicType::String,
            Column::Bytes => AlgebraicType::Array(Box::new(AlgebraicType::U8)),
            Column::ScheduleAt => AlgebraicType::schedule_at(),
        }
    }

    /// Length of the value at the start of `bytes`.
    fn len(self, bytes: &[u8]) -> usize {
        match self {
            Column::U8 => 1,
            Column::U16 => 2,
            Column::U32 => 4,
            Column::U64 | Column::I64 => 8,
            Column::ScheduleAt => 9,
            Column::Text | Column::Bytes => {
                let len = bytes.first_chunk().copied().map(u32::from_le_bytes);
                let len = len.and_then(|len| usize::try_from(len).ok());
                4 + len.expect("a row that was made here")
            }
        }
    }

    fn write(self, random: &mut Random, out: &mut Vec<u8>) {
        match self {
            Column::U8 => out.push(random.byte() % 6),
            Column::U16 => out.extend(u16::from(random.byte() % 32).to_le_bytes()),
            Column::U32 => out.extend(u32::from(random.byte() % 48).to_le_bytes()),
            Column::U64 => out.extend(u64::from(random.byte() % 24).to_le_bytes()),
            Column::I64 => out.extend((i64::from(random.byte()) - 128).to_le_bytes()),
            Column::Text => write_bytes(&text(random), out),
            Column::Bytes => write_bytes(&blob(random), out),
            Column::ScheduleAt => {
                out.push(random.byte() % 2);
                out.extend((u64::from(random.byte()) * 1_000_000).to_le_bytes());
            }
        }
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(bytes.len()).expect("short texts");
    out.extend(len.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn text(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => Vec::new(),
        1 => b"a\0b".to_vec(),
        2 => "long text ".repeat(20 + random.index(80)).into_bytes(),
        _ => format!("text {}", random.below(40)).into_bytes(),
    }
}

/// The same few contents again and again, most of them too large to lie in a row.
fn blob(random: &mut Random) -> Vec<u8> {
    let len = *random.pick(&[0, 3, 100, 1500, 5000]);
    vec![random.byte() % 3; len]
}

fn col_ids(columns: &[u16]) -> Vec<ColId> {
    columns.iter().copied().map(ColId).collect()
}

impl Shape {
    /// A random row. A generated column is 0.
    pub fn random_row(&self, random: &mut Random) -> Vec<u8> {
        let mut row = Vec::new();
        for (position, column) in self.columns.iter().enumerate() {
            if self.is_generated && position == 0 {
                let len = column.len(&[]);
                row.resize(len, 0);
            } else {
                column.write(random, &mut row);
            }
        }
        row
    }

    /// The same row with other values outside of the first unique key; `None` without such a key.
    pub fn changed_row(&self, row: &[u8], random: &mut Random) -> Option<Vec<u8>> {
        let key = self.unique_keys().next()?;
        let mut changed = Vec::new();
        let mut begin = 0;
        for (position, column) in (0..).zip(self.columns) {
            let end = begin + column.len(&row[begin..]);
            if key.contains(&position) {
                changed.extend_from_slice(&row[begin..end]);
            } else {
                column.write(random, &mut changed);
            }
            begin = end;
        }
        Some(changed)
    }

    /// The columns of each unique index, in the order of the indexes.
    pub fn unique_keys(&self) -> impl Iterator<Item = &'static [u16]> {
        let indexes = self.indexes.iter().filter(|index| index.is_unique);
        indexes.map(|index| index.columns)
    }

    /// The values of some columns of a row, back to back.
    #[must_use]
    pub fn key(&self, columns: &[u16], row: &[u8]) -> Vec<u8> {
        let mut ranges = Vec::new();
        let mut begin = 0;
        for column in self.columns {
            let end = begin + column.len(&row[begin..]);
            ranges.push(begin..end);
            begin = end;
        }
        assert_eq!(begin, row.len(), "a row of this table ends here");
        let ranges = columns.iter().map(|column| &ranges[usize::from(*column)]);
        ranges
            .flat_map(|range| &row[range.clone()])
            .copied()
            .collect()
    }

    /// The table to create, under this name.
    #[must_use]
    pub fn definition(&self, name: &str) -> TableDef {
        let columns = self.columns.iter().enumerate();
        let columns = columns
            .map(|(n, column)| ColumnDef::new(&format!("col_{n}"), column.column_type()))
            .collect();
        let mut def = TableDef::new(name, columns);
        def.access = TableAccess::Public;
        def.is_event = self.is_event;
        for (position, index) in self.indexes.iter().enumerate() {
            let index_name = format!("{name}_{position}_idx");
            let columns = col_ids(index.columns);
            def.indexes.push(IndexDef {
                name: index_name.as_str().into(),
                accessor: Some(index_name.as_str().into()),
                algorithm: match index.algorithm {
                    Algorithm::BTree => IndexAlgorithm::BTree(columns),
                    Algorithm::Hash => IndexAlgorithm::Hash(columns),
                    Algorithm::Direct => IndexAlgorithm::Direct(ColId(index.columns[0])),
                },
            });
            if index.is_unique {
                def.constraints.push(ConstraintDef {
                    name: format!("{name}_{position}_key").into(),
                    columns: col_ids(index.columns),
                });
            }
        }
        if self.is_generated {
            def.primary_key = Some(ColId(0));
            let sequence = SequenceDef::new(&format!("{name}_seq"), ColId(0));
            def.sequences.push(sequence);
        }
        if self.is_schedule {
            def.schedule = Some(ScheduleDef {
                name: format!("{name}_schedule").into(),
                function: "run_job".into(),
                at_column: ColId(1),
            });
        }
        def
    }
}

/// The row of an account.
#[must_use]
pub fn account_row(account: u32, balance: i64) -> Vec<u8> {
    let mut row = account.to_le_bytes().to_vec();
    row.extend(balance.to_le_bytes());
    row
}

/// The balance in the row of an account.
#[must_use]
pub fn balance(row: &[u8]) -> Option<i64> {
    let balance = row.get(4..)?.try_into().ok()?;
    Some(i64::from_le_bytes(balance))
}

//! The tables of the test and their rows, from small domains so that rows and keys collide.

use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, SequenceDef, TableDef};
use spacetime_table::{IndexAlgorithm, TableAccess};
use spacetime_types::{AlgebraicType, AlgebraicValue, ArrayValue, ColId, F32, F64, bsatn};

/// A kind of table.
pub struct Shape {
    pub name: &'static str,
    pub is_event: bool,
    columns: fn() -> Vec<AlgebraicType>,
    /// Columns, kind (`b`tree, `h`ash or `d`irect), unique.
    indexes: &'static [(&'static [u16], char, bool)],
    /// Column 0 is generated when it is 0.
    pub is_generated: bool,
    values: fn(u8, u8) -> Vec<AlgebraicValue>,
}

/// A row as values.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub Vec<AlgebraicValue>);

impl Row {
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for value in &self.0 {
            bsatn::encode_value(value, &mut out);
        }
        out
    }

    pub fn key(&self, columns: &[usize]) -> Vec<AlgebraicValue> {
        columns
            .iter()
            .map(|column| self.0[*column].clone())
            .collect()
    }

    pub fn key_bytes(&self, columns: &[usize]) -> Vec<u8> {
        Row(self.key(columns)).bytes()
    }
}

fn bytes() -> AlgebraicType {
    AlgebraicType::Array(Box::new(AlgebraicType::U8))
}

fn string(text: &str) -> AlgebraicValue {
    AlgebraicValue::String(text.into())
}

/// Strings that test prefixes, zero bytes and long values.
fn text(n: u8) -> AlgebraicValue {
    match n % 5 {
        0 => string(""),
        1 => string("a"),
        2 => string("a\0"),
        3 => string("ab"),
        _ => string(&"long ".repeat(300)),
    }
}

fn blob(n: u8) -> AlgebraicValue {
    let len = [0, 1, 40, 2000][usize::from(n % 4)];
    AlgebraicValue::Array(ArrayValue::Bytes(vec![n / 64; len].into()))
}

const FLOATS: [f32; 6] = [0.0, -0.0, 1.5, -2.0, f32::NAN, f32::INFINITY];

fn float(n: u8) -> f32 {
    let float = FLOATS[usize::from(n) % FLOATS.len()];
    // Another NaN, equal to the first by value but not by bits.
    if float.is_nan() && n > 100 {
        -float
    } else {
        float
    }
}

pub const SHAPES: [Shape; 9] = [
    Shape {
        name: "fixed",
        is_event: false,
        columns: || vec![AlgebraicType::U32, AlgebraicType::I64, AlgebraicType::U8],
        indexes: &[(&[0], 'b', true), (&[1], 'b', false), (&[2, 0], 'b', true)],
        is_generated: false,
        values: |a, b| {
            let (low, high) = (i64::from(b % 7), a % 3);
            vec![
                AlgebraicValue::U32(u32::from(a % 24)),
                AlgebraicValue::I64(low - 3),
                AlgebraicValue::U8(high),
            ]
        },
    },
    Shape {
        name: "person",
        is_event: false,
        columns: || vec![AlgebraicType::U64, AlgebraicType::String, AlgebraicType::U8],
        indexes: &[(&[0], 'b', true), (&[1], 'h', true), (&[2], 'h', false)],
        is_generated: true,
        values: |a, b| {
            let name = format!("name {}", b % 40);
            vec![
                AlgebraicValue::U64(u64::from(a % 12)),
                string(&name),
                AlgebraicValue::U8(b % 3),
            ]
        },
    },
    Shape {
        name: "multi",
        is_event: false,
        columns: || vec![AlgebraicType::U8, AlgebraicType::U16, AlgebraicType::String],
        indexes: &[(&[1, 2], 'b', false), (&[0, 1], 'b', true)],
        is_generated: false,
        values: |a, b| {
            let second = [0, 1, 256][usize::from(b % 3)];
            vec![
                AlgebraicValue::U8(a % 5),
                AlgebraicValue::U16(second),
                text(a / 5),
            ]
        },
    },
    Shape {
        // Keys of more bytes than trees hold of them, most of them the same.
        name: "wide",
        is_event: false,
        columns: || vec![AlgebraicType::U128, AlgebraicType::String, bytes()],
        indexes: &[(&[0], 'b', true), (&[1], 'b', false), (&[2, 1], 'b', false)],
        is_generated: false,
        values: |a, b| {
            let zeros = usize::from(b % 11);
            let last = [0, 1, 0xff][usize::from(b % 3)];
            vec![
                AlgebraicValue::U128(u128::MAX - u128::from(a % 20)),
                string(&format!(
                    "https://example.org/{}{}",
                    "x/".repeat(zeros),
                    b % 4
                )),
                AlgebraicValue::Array(ArrayValue::Bytes(
                    [&vec![0; zeros][..], &[last]].concat().into(),
                )),
            ]
        },
    },
    Shape {
        name: "direct",
        is_event: false,
        columns: || vec![AlgebraicType::U16, AlgebraicType::F32],
        indexes: &[(&[0], 'd', true), (&[1], 'b', false)],
        is_generated: false,
        values: |a, b| {
            let key = u16::from(a % 16) * 900;
            vec![AlgebraicValue::U16(key), AlgebraicValue::F32(F32(float(b)))]
        },
    },
    Shape {
        name: "bag",
        is_event: false,
        columns: || vec![AlgebraicType::F64, bytes(), AlgebraicType::Bool],
        indexes: &[(&[0], 'b', false)],
        is_generated: false,
        values: |a, b| {
            let first = F64(f64::from(float(a)));
            vec![
                AlgebraicValue::F64(first),
                blob(b),
                AlgebraicValue::Bool(b % 2 == 0),
            ]
        },
    },
    Shape {
        name: "set",
        is_event: false,
        columns: || vec![AlgebraicType::I8, AlgebraicType::I8],
        indexes: &[],
        is_generated: false,
        values: |a, b| {
            let [first, second] = [a % 4, b % 4].map(|n| AlgebraicValue::I8(2 - n.cast_signed()));
            vec![first, second]
        },
    },
    Shape {
        name: "event",
        is_event: true,
        columns: || vec![AlgebraicType::U32, AlgebraicType::String],
        indexes: &[(&[0], 'b', true)],
        is_generated: true,
        values: |a, b| vec![AlgebraicValue::U32(u32::from(a % 8)), text(b)],
    },
    Shape {
        name: "float_key",
        is_event: false,
        columns: || vec![AlgebraicType::F32, AlgebraicType::U8],
        indexes: &[(&[0], 'b', true)],
        is_generated: false,
        values: |a, b| {
            vec![
                AlgebraicValue::F32(F32(float(a))),
                AlgebraicValue::U8(b % 3),
            ]
        },
    },
];

fn col_ids(columns: &[u16]) -> Vec<ColId> {
    columns.iter().copied().map(ColId).collect()
}

impl Shape {
    pub fn row(&self, a: u8, b: u8) -> Row {
        Row((self.values)(a, b))
    }

    pub fn decode(&self, mut bytes: &[u8]) -> Row {
        let mut row = Vec::new();
        for column_type in (self.columns)() {
            let mut reader = bsatn::Reader::new(bytes);
            let space = spacetime_types::Typespace::default();
            let value = bsatn::decode_value(&space, &column_type, &mut reader);
            row.push(value.expect("a column"));
            bytes = reader.rest();
        }
        Row(row)
    }

    /// Columns of the unique indexes.
    pub fn unique(&self) -> impl Iterator<Item = Vec<usize>> {
        let unique = self.indexes.iter().filter(|(_, _, unique)| *unique);
        unique.map(|(columns, _, _)| columns.iter().copied().map(usize::from).collect())
    }

    /// The first unique index's columns.
    pub fn first_unique(&self) -> Option<(Vec<usize>, Vec<ColId>)> {
        let first = self.indexes.iter().find(|(_, _, unique)| *unique)?;
        Some((self.unique().next()?, col_ids(first.0)))
    }

    pub fn definition(&self) -> TableDef {
        let columns = (self.columns)();
        let columns = columns.into_iter().enumerate();
        let columns = columns
            .map(|(n, of)| ColumnDef::new(&format!("col_{n}"), of))
            .collect();
        let mut def = TableDef::new(self.name, columns);
        def.accessor = format!("{}Accessor", self.name).into();
        def.access = TableAccess::Public;
        def.is_event = self.is_event;
        for (position, (columns, kind, unique)) in self.indexes.iter().enumerate() {
            let name = format!("{}_{position}_idx", self.name);
            let algorithm = match kind {
                'b' => IndexAlgorithm::BTree(col_ids(columns)),
                'h' => IndexAlgorithm::Hash(col_ids(columns)),
                _ => IndexAlgorithm::Direct(ColId(columns[0])),
            };
            def.indexes.push(IndexDef {
                accessor: Some(format!("{name}_source").into()),
                name: name.into(),
                algorithm,
            });
            if *unique {
                def.constraints.push(ConstraintDef {
                    name: format!("{}_{position}_key", self.name).into(),
                    columns: col_ids(columns),
                });
            }
        }
        if self.is_generated {
            def.primary_key = Some(ColId(0));
            let name = format!("{}_seq", self.name);
            def.sequences.push(SequenceDef::new(&name, ColId(0)));
        }
        def
    }
}

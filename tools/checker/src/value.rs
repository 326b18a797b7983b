//! Values of columns: how they are made up, ordered, written as BSATN and as SQL.
//!
//! Written here once more, and plainly: the server's own code is what is being checked.

use spacetime_types::{AlgebraicType, Identity};

use crate::random::Random;

/// The types that columns have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnType {
    Bool,
    U8,
    U32,
    U64,
    I16,
    I64,
    F64,
    Text,
    Bytes,
    Identity,
    /// An option. Not comparable in SQL.
    MaybeU32,
}

/// A value. Those of one type are ordered as SQL orders them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Bool(bool),
    /// Of any of the integer types.
    Int(i64),
    /// A floating-point number that is a whole number of halves.
    Halves(i32),
    Text(Box<str>),
    Bytes(Box<[u8]>),
    /// Most significant byte first.
    Identity([u8; 32]),
    Maybe(Option<u32>),
}

const TEXTS: [&str; 6] = ["", "a", "b", "ab", "it's", "zz"];
const BYTES: [&[u8]; 5] = [&[], &[0], &[1, 2], &[1, 2, 3], &[255]];

impl ColumnType {
    /// Whether a column of this type may be in an index.
    #[must_use]
    pub fn is_indexable(self) -> bool {
        !matches!(
            self,
            ColumnType::F64 | ColumnType::Bytes | ColumnType::MaybeU32
        )
    }

    /// Whether SQL can compare it.
    #[must_use]
    pub fn is_comparable(self) -> bool {
        self != ColumnType::MaybeU32
    }

    #[must_use]
    pub fn algebraic(self) -> AlgebraicType {
        match self {
            ColumnType::Bool => AlgebraicType::Bool,
            ColumnType::U8 => AlgebraicType::U8,
            ColumnType::U32 => AlgebraicType::U32,
            ColumnType::U64 => AlgebraicType::U64,
            ColumnType::I16 => AlgebraicType::I16,
            ColumnType::I64 => AlgebraicType::I64,
            ColumnType::F64 => AlgebraicType::F64,
            ColumnType::Text => AlgebraicType::String,
            ColumnType::Bytes => AlgebraicType::bytes(),
            ColumnType::Identity => AlgebraicType::identity(),
            ColumnType::MaybeU32 => AlgebraicType::option(AlgebraicType::U32),
        }
    }

    /// One of about `spread` values; fewer for types that have fewer.
    pub fn random(self, spread: u64, random: &mut Random, people: &[Identity]) -> Value {
        let spread = spread.max(1);
        match self {
            ColumnType::Bool => Value::Bool(random.chance(50)),
            ColumnType::U8 => Value::Int(small(random, spread.min(200))),
            ColumnType::U32 | ColumnType::U64 => Value::Int(small(random, spread)),
            ColumnType::I16 | ColumnType::I64 => {
                let half = small(random, spread.div_ceil(2));
                Value::Int(if random.chance(50) { half } else { -half })
            }
            ColumnType::F64 => Value::Halves(match random.below(5) {
                0 => -3,
                1 => 0,
                2 => 1,
                3 => 2,
                _ => 9,
            }),
            ColumnType::Text if spread > 8 => {
                Value::Text(format!("k{}", small(random, spread)).into())
            }
            ColumnType::Text => Value::Text((*random.pick(&TEXTS)).into()),
            ColumnType::Bytes => Value::Bytes((*random.pick(&BYTES)).into()),
            ColumnType::Identity => Value::Identity(random.pick(people).to_be_bytes()),
            ColumnType::MaybeU32 => Value::Maybe(match random.below(4) {
                0 => None,
                some => Some(u32::try_from(some).expect("below four")),
            }),
        }
    }
}

fn small(random: &mut Random, spread: u64) -> i64 {
    i64::try_from(random.below(spread)).expect("spreads are small")
}

/// A value of a type that it does not fit: the generator made a mistake.
fn misfit(value: &Value, ty: ColumnType) -> ! {
    panic!("{value:?} is not a {ty:?}")
}

impl Value {
    /// Appends the BSATN form.
    pub fn encode(&self, ty: ColumnType, out: &mut Vec<u8>) {
        match (self, ty) {
            (Value::Bool(value), ColumnType::Bool) => out.push(u8::from(*value)),
            (Value::Int(value), ColumnType::U8) => {
                out.push(u8::try_from(*value).unwrap_or_else(|_| misfit(self, ty)));
            }
            (Value::Int(value), ColumnType::U32) => {
                let value = u32::try_from(*value).unwrap_or_else(|_| misfit(self, ty));
                out.extend_from_slice(&value.to_le_bytes());
            }
            (Value::Int(value), ColumnType::I16) => {
                let value = i16::try_from(*value).unwrap_or_else(|_| misfit(self, ty));
                out.extend_from_slice(&value.to_le_bytes());
            }
            (Value::Int(value), ColumnType::U64 | ColumnType::I64) => {
                out.extend_from_slice(&value.to_le_bytes());
            }
            (Value::Halves(halves), ColumnType::F64) => {
                out.extend_from_slice(&(f64::from(*halves) / 2.0).to_le_bytes());
            }
            (Value::Text(text), ColumnType::Text) => encode_bytes(text.as_bytes(), out),
            (Value::Bytes(bytes), ColumnType::Bytes) => encode_bytes(bytes, out),
            (Value::Identity(bytes), ColumnType::Identity) => out.extend(bytes.iter().rev()),
            (Value::Maybe(Some(value)), ColumnType::MaybeU32) => {
                out.push(0);
                out.extend_from_slice(&value.to_le_bytes());
            }
            (Value::Maybe(None), ColumnType::MaybeU32) => out.push(1),
            _ => misfit(self, ty),
        }
    }

    /// As a literal; `None` if there is no literal for it.
    #[must_use]
    pub fn sql(&self) -> Option<String> {
        Some(match self {
            Value::Bool(value) => value.to_string().to_uppercase(),
            Value::Int(value) => value.to_string(),
            Value::Halves(halves) => (f64::from(*halves) / 2.0).to_string(),
            Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Value::Bytes(bytes) => hex(bytes),
            Value::Identity(bytes) => hex(bytes),
            Value::Maybe(_) => return None,
        })
    }
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(bytes.len()).expect("generated values are short");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    format!("0x{}", digits.collect::<String>())
}

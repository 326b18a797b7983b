//! Which column types can be compared, and how their BSATN bytes are ordered.
//!
//! Invariant: both slices given to [`Order::compare`] are valid BSATN of the type that the order
//! was made for.

use std::cmp::Ordering;

use spacetime_types::{AlgebraicType, F32, F64};

/// A type that comparisons accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Bool,
    /// With its width in bytes.
    Unsigned(usize),
    /// With its width in bytes.
    Signed(usize),
    F32,
    F64,
    Str,
    Bytes,
    Identity,
    ConnectionId,
    Timestamp,
    Uuid,
    /// An enum whose variants hold nothing: its variant's place, one byte.
    Enum,
}

impl ColumnKind {
    /// `None` for types that cannot be compared.
    pub(crate) fn of(ty: &AlgebraicType) -> Option<ColumnKind> {
        Some(match ty {
            AlgebraicType::Bool => ColumnKind::Bool,
            AlgebraicType::U8 => ColumnKind::Unsigned(1),
            AlgebraicType::U16 => ColumnKind::Unsigned(2),
            AlgebraicType::U32 => ColumnKind::Unsigned(4),
            AlgebraicType::U64 => ColumnKind::Unsigned(8),
            AlgebraicType::U128 => ColumnKind::Unsigned(16),
            AlgebraicType::U256 => ColumnKind::Unsigned(32),
            AlgebraicType::I8 => ColumnKind::Signed(1),
            AlgebraicType::I16 => ColumnKind::Signed(2),
            AlgebraicType::I32 => ColumnKind::Signed(4),
            AlgebraicType::I64 => ColumnKind::Signed(8),
            AlgebraicType::I128 => ColumnKind::Signed(16),
            AlgebraicType::I256 => ColumnKind::Signed(32),
            AlgebraicType::F32 => ColumnKind::F32,
            AlgebraicType::F64 => ColumnKind::F64,
            AlgebraicType::String => ColumnKind::Str,
            AlgebraicType::Array(_) if ty.is_bytes() => ColumnKind::Bytes,
            AlgebraicType::Product(_) if ty.is_identity() => ColumnKind::Identity,
            AlgebraicType::Product(_) if ty.is_connection_id() => ColumnKind::ConnectionId,
            AlgebraicType::Product(_) if ty.is_timestamp() => ColumnKind::Timestamp,
            AlgebraicType::Product(_) if ty.is_uuid() => ColumnKind::Uuid,
            AlgebraicType::Sum(sum) if sum.is_plain_enum() => ColumnKind::Enum,
            _ => return None,
        })
    }

    pub(crate) fn order(self) -> Order {
        match self {
            ColumnKind::Bool | ColumnKind::Enum => Order::Unsigned(1),
            ColumnKind::Unsigned(width) => Order::Unsigned(width),
            ColumnKind::Signed(width) => Order::Signed(width),
            ColumnKind::F32 => Order::F32,
            ColumnKind::F64 => Order::F64,
            ColumnKind::Str | ColumnKind::Bytes => Order::Prefixed,
            ColumnKind::Identity => Order::Unsigned(32),
            ColumnKind::ConnectionId | ColumnKind::Uuid => Order::Unsigned(16),
            ColumnKind::Timestamp => Order::Signed(8),
        }
    }
}

/// How encoded values are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Little-endian of this many bytes.
    Unsigned(usize),
    /// Two's complement, little-endian, of this many bytes.
    Signed(usize),
    F32,
    F64,
    /// A length of four bytes, then bytes in lexicographic order.
    Prefixed,
}

impl Order {
    pub(crate) fn compare(self, left: &[u8], right: &[u8]) -> Ordering {
        match self {
            Order::Unsigned(width) if width <= 8 => unsigned(left).cmp(&unsigned(right)),
            Order::Unsigned(_) => left.iter().rev().cmp(right.iter().rev()),
            Order::Signed(width) if width <= 8 => signed(left).cmp(&signed(right)),
            Order::Signed(_) => {
                let (left_sign, right_sign) = (is_negative(left), is_negative(right));
                let by_sign = right_sign.cmp(&left_sign);
                by_sign.then_with(|| left.iter().rev().cmp(right.iter().rev()))
            }
            Order::F32 => F32(f32_of(left)).cmp(&F32(f32_of(right))),
            Order::F64 => F64(f64_of(left)).cmp(&F64(f64_of(right))),
            Order::Prefixed => payload(left).cmp(payload(right)),
        }
    }

    /// Bytes that are the same for equal values, and only for them.
    pub(crate) fn canonical(self, bytes: &[u8]) -> Box<[u8]> {
        match self {
            Order::F32 => {
                let value = f32_of(bytes);
                let value = if value.is_nan() {
                    f32::NAN
                } else {
                    value + 0.0
                };
                value.to_le_bytes().into()
            }
            Order::F64 => {
                let value = f64_of(bytes);
                let value = if value.is_nan() {
                    f64::NAN
                } else {
                    value + 0.0
                };
                value.to_le_bytes().into()
            }
            Order::Unsigned(_) | Order::Signed(_) | Order::Prefixed => bytes.into(),
        }
    }

    /// Appends bytes that compare, as bytes, like the values: no value's bytes are a prefix of
    /// another's.
    pub(crate) fn write_sortable(self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Order::Unsigned(_) => out.extend(bytes.iter().rev()),
            Order::Signed(_) => {
                let start = out.len();
                out.extend(bytes.iter().rev());
                if let Some(first) = out.get_mut(start) {
                    *first ^= 0x80;
                }
            }
            Order::F32 | Order::F64 => {
                let start = out.len();
                out.extend(self.canonical(bytes).iter().rev());
                let is_negative = out.get(start).is_some_and(|first| first & 0x80 != 0);
                for (position, byte) in out[start..].iter_mut().enumerate() {
                    *byte ^= match (is_negative, position) {
                        (true, _) => 0xff,
                        (false, 0) => 0x80,
                        (false, _) => 0,
                    };
                }
            }
            Order::Prefixed => {
                for byte in payload(bytes) {
                    out.push(*byte);
                    if *byte == 0 {
                        out.push(0xff);
                    }
                }
                out.extend([0, 0]);
            }
        }
    }

    /// Whether equal values always have equal bytes, and only they.
    pub(crate) fn equal_means_same_bytes(self) -> bool {
        !matches!(self, Order::F32 | Order::F64)
    }
}

fn unsigned(bytes: &[u8]) -> u64 {
    let mut buffer = [0; 8];
    buffer[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(buffer)
}

fn signed(bytes: &[u8]) -> i64 {
    let mut buffer = [if is_negative(bytes) { 0xff } else { 0 }; 8];
    buffer[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(buffer)
}

fn is_negative(bytes: &[u8]) -> bool {
    bytes.last().is_some_and(|byte| byte & 0x80 != 0)
}

fn f32_of(bytes: &[u8]) -> f32 {
    let mut buffer = [0; 4];
    buffer.copy_from_slice(bytes);
    f32::from_le_bytes(buffer)
}

fn f64_of(bytes: &[u8]) -> f64 {
    let mut buffer = [0; 8];
    buffer.copy_from_slice(bytes);
    f64::from_le_bytes(buffer)
}

fn payload(bytes: &[u8]) -> &[u8] {
    bytes.get(4..).unwrap_or_default()
}

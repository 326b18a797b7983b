//! The program (`st_module`) and variables (`st_var`).

use std::sync::Arc;

use spacetime_types::bsatn::{DecodeError, Reader};
use spacetime_types::{AlgebraicType, F32, F64, Hash, Identity};

use super::field::{Field, read_tag, sum};
use super::system_rows;

/// The one variable that SQL knows: the most rows that a query may return, a `U64`.
pub const ROW_LIMIT: &str = "row_limit";

system_rows! {
    /// The running program. There is one such row.
    StModule in ST_MODULE {
        database_identity: Identity,
        owner_identity: Identity,
        /// 0 WebAssembly, 1 JavaScript.
        program_kind: u8,
        /// Keccak-256 of the bytes.
        program_hash: Hash,
        program_bytes: Vec<u8>,
        /// Always `0.0.1`.
        module_version: Arc<str>,
    }

    /// A variable.
    StVar in ST_VAR {
        name: Arc<str>,
        value: VarValue,
    }
}

macro_rules! var_values {
    ($($tag:literal $variant:ident($value_type:ty),)*) => {
        /// The value of a variable.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum VarValue {
            $($variant($value_type),)*
        }

        impl Field for VarValue {
            fn column_type() -> AlgebraicType {
                sum(vec![$((stringify!($variant), <$value_type>::column_type())),*])
            }

            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(VarValue::$variant(value) => {
                        out.push($tag);
                        value.write(out);
                    })*
                }
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match read_tag(reader, 14, "VarValue")? {
                    $($tag => Field::read(reader).map(VarValue::$variant),)*
                    tag => unreachable!("tag {tag} was checked"),
                }
            }
        }
    };
}

var_values! {
    0 Bool(bool),
    1 I8(i8),
    2 U8(u8),
    3 I16(i16),
    4 U16(u16),
    5 I32(i32),
    6 U32(u32),
    7 I64(i64),
    8 U64(u64),
    9 I128(i128),
    10 U128(u128),
    11 F32(F32),
    12 F64(F64),
    13 String(Arc<str>),
}

macro_rules! total_floats {
    ($($total:ident($float:ty))*) => {
        $(
            impl Field for $total {
                fn column_type() -> AlgebraicType {
                    <$float>::column_type()
                }

                fn write(&self, out: &mut Vec<u8>) {
                    self.0.write(out);
                }

                fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                    Field::read(reader).map($total)
                }
            }
        )*
    };
}

total_floats!(F32(f32) F64(f64));

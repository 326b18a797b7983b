//! One definition per raw record: the struct or enum, its BSATN form and its JSON form.
//!
//! The JSON form is the native flavour of the schema endpoint: an object per record, an object
//! with one key per variant, `[]` for a variant without data, hex for bytes.
//!
//! Not here: reading that JSON back; definitions are only ever read from BSATN.

use serde_json::{Map, Number, Value};

use crate::bsatn::{Decode, DecodeError, Encode, Reader};
use crate::json::{type_to_json, typespace_to_json};
use crate::{AlgebraicType, ProductType, ProductTypeElement, TypeRef, Typespace};

/// A value with a native JSON form.
pub trait ToJson {
    /// The JSON form.
    fn to_json(&self) -> Value;
}

/// An object with the given keys in order.
pub(super) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let mut map = Map::new();
    for (key, value) in fields {
        map.insert(key.to_owned(), value);
    }
    Value::Object(map)
}

/// A variant: its name and its payload, `[]` if it has none.
pub(super) fn variant(name: &str, payload: Option<Value>) -> Value {
    object([(name, payload.unwrap_or_else(|| Value::Array(Vec::new())))])
}

/// Defines a struct with its BSATN and JSON forms.
macro_rules! record {
    (
        $(#[$attr:meta])*
        pub struct $name:ident {
            $($(#[$field_attr:meta])* pub $field:ident : $field_type:ty),* $(,)?
        }
    ) => {
        $crate::bsatn_struct! {
            $(#[$attr])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $name { $($(#[$field_attr])* pub $field: $field_type),* }
        }

        impl $crate::module_def::record::ToJson for $name {
            fn to_json(&self) -> serde_json::Value {
                $crate::module_def::record::object([
                    $((
                        stringify!($field),
                        $crate::module_def::record::ToJson::to_json(&self.$field),
                    ),)*
                ])
            }
        }
    };
}

/// Defines an enum with its BSATN and JSON forms; tags count from 0.
macro_rules! tagged {
    (
        $(#[$attr:meta])*
        pub enum $name:ident {
            $($(#[$variant_attr:meta])* $variant:ident $(($payload:ty))?),* $(,)?
        }
    ) => {
        $crate::bsatn_enum! {
            $(#[$attr])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub enum $name { $($(#[$variant_attr])* $variant $(($payload))?),* }
        }

        impl $crate::module_def::record::ToJson for $name {
            fn to_json(&self) -> serde_json::Value {
                match self {
                    $($crate::module_def::record::tagged!(@pattern $variant payload $($payload)?)
                        => $crate::module_def::record::variant(
                            stringify!($variant),
                            $crate::module_def::record::tagged!(@json payload $($payload)?),
                        ),)*
                }
            }
        }
    };
    (@pattern $variant:ident $payload:ident) => { Self::$variant };
    (@pattern $variant:ident $payload:ident $ty:ty) => { Self::$variant($payload) };
    (@json $payload:ident) => { None };
    (@json $payload:ident $ty:ty) => {
        Some($crate::module_def::record::ToJson::to_json($payload))
    };
}

pub(super) use {record, tagged};

/// Raw bytes: `Array<U8>`, hex in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawBytes(pub Box<[u8]>);

impl Encode for RawBytes {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl<'a> Decode<'a> for RawBytes {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.bytes().map(|bytes| RawBytes(bytes.into()))
    }
}

impl ToJson for RawBytes {
    fn to_json(&self) -> Value {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        let hex = self
            .0
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        Value::String(hex.collect())
    }
}

impl ToJson for Box<str> {
    fn to_json(&self) -> Value {
        Value::String(String::from(&**self))
    }
}

impl ToJson for bool {
    fn to_json(&self) -> Value {
        Value::Bool(*self)
    }
}

impl ToJson for u16 {
    fn to_json(&self) -> Value {
        Value::Number((*self).into())
    }
}

impl ToJson for u32 {
    fn to_json(&self) -> Value {
        Value::Number((*self).into())
    }
}

impl ToJson for i128 {
    fn to_json(&self) -> Value {
        Number::from_i128(*self).map_or(Value::Null, Value::Number)
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn to_json(&self) -> Value {
        Value::Array(self.iter().map(T::to_json).collect())
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn to_json(&self) -> Value {
        match self {
            Some(value) => variant("some", Some(value.to_json())),
            None => variant("none", None),
        }
    }
}

impl ToJson for TypeRef {
    fn to_json(&self) -> Value {
        self.0.to_json()
    }
}

impl ToJson for Typespace {
    fn to_json(&self) -> Value {
        typespace_to_json(self)
    }
}

impl ToJson for AlgebraicType {
    fn to_json(&self) -> Value {
        type_to_json(self)
    }
}

impl ToJson for ProductType {
    fn to_json(&self) -> Value {
        let element = |element: &ProductTypeElement| {
            object([
                ("name", element.name.to_json()),
                ("algebraic_type", element.algebraic_type.to_json()),
            ])
        };
        object([("elements", self.elements.iter().map(element).collect())])
    }
}

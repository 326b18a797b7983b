//! Which type of the database a type of Rust is.
//!
//! Invariants
//!   * A named type (a struct or an enum of the module) is described once, however often it is
//!     used; every use is a reference to it. So a type may hold itself, behind a list or a box.
//!   * All else is described where it is used.

use std::any::TypeId;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use ethnum::{I256, U256};
use smallvec::SmallVec;

use crate::algebraic_type::{AlgebraicType, AlgebraicTypeRef};
use crate::bsatn::{Serialize, write_len};

/// A type that columns, arguments and results can have. Derive it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type that the database knows",
    label = "this type does not implement `SpacetimeType`",
    note = "for a struct or an enum of yours, add `#[derive(spacetimedb::SpacetimeType)]` to it",
    note = "numbers, `bool`, `String`, `Vec<T>`, `Option<T>`, `Result<T, E>`, `Identity`, \
            `ConnectionId`, `Timestamp`, `TimeDuration`, `ScheduleAt` and `Uuid` are known",
    note = "tuples, maps, sets, `char`, `usize` and times of the standard library are not: use a \
            struct, a `Vec` of one, a `String`, a `u64`, `TimeDuration` or `Timestamp`"
)]
pub trait SpacetimeType {
    /// Describes the type.
    fn make_type(types: &mut TypeBuilder) -> AlgebraicType;
}

/// A name, and what describes the type that goes with it.
#[doc(hidden)]
pub type NamedType = (&'static str, fn(&mut TypeBuilder) -> AlgebraicType);

/// The named types described so far.
#[derive(Debug, Default)]
pub struct TypeBuilder {
    known: Vec<(TypeId, u32)>,
    types: Vec<AlgebraicType>,
    /// The encoded definitions that give them their names.
    names: Vec<u8>,
}

impl TypeBuilder {
    /// A struct of the module: a reference to its description.
    #[doc(hidden)]
    pub fn named_product<T: 'static>(&mut self, name: &str, fields: &[NamedType]) -> AlgebraicType {
        self.named(TypeId::of::<T>(), name, |types| {
            AlgebraicType::product(fields.iter().map(|(name, make)| (*name, make(types))))
        })
    }

    /// An enum of the module: a reference to its description.
    #[doc(hidden)]
    pub fn named_sum<T: 'static>(&mut self, name: &str, variants: &[NamedType]) -> AlgebraicType {
        self.named(TypeId::of::<T>(), name, |types| {
            AlgebraicType::sum(variants.iter().map(|(name, make)| (*name, make(types))))
        })
    }

    fn named(
        &mut self,
        id: TypeId,
        name: &str,
        make: impl FnOnce(&mut Self) -> AlgebraicType,
    ) -> AlgebraicType {
        if let Some((_, place)) = self.known.iter().find(|(known, _)| *known == id) {
            return AlgebraicType::Ref(AlgebraicTypeRef(*place));
        }
        let index = self.types.len();
        let place = u32::try_from(index).expect("a module has fewer than 2^32 types");
        // The place is taken first, for a type that holds itself.
        self.types.push(AlgebraicType::unit());
        self.known.push((id, place));
        self.add_name(name, place);
        self.types[index] = make(self);
        AlgebraicType::Ref(AlgebraicTypeRef(place))
    }

    /// Dots separate the scopes that a name is in.
    fn add_name(&mut self, name: &str, place: u32) {
        let (scope, name) = match name.rsplit_once('.') {
            Some((scope, name)) => (scope.split('.').collect(), name),
            None => (Vec::new(), name),
        };
        scope.serialize(&mut self.names);
        name.serialize(&mut self.names);
        place.serialize(&mut self.names);
        // The order of fields is the declared one.
        true.serialize(&mut self.names);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// The list of types as data.
    pub(crate) fn write_types(&self, out: &mut Vec<u8>) {
        self.types.serialize(out);
    }

    /// The list of their names as data.
    pub(crate) fn write_names(&self, out: &mut Vec<u8>) {
        write_len(self.types.len(), out);
        out.extend_from_slice(&self.names);
    }
}

macro_rules! simple {
    ($($type:ty: $variant:ident),*) => {$(
        impl SpacetimeType for $type {
            fn make_type(_: &mut TypeBuilder) -> AlgebraicType {
                AlgebraicType::$variant
            }
        }
    )*};
}

simple!(
    bool: Bool, i8: I8, u8: U8, i16: I16, u16: U16, i32: I32, u32: U32, i64: I64, u64: U64,
    i128: I128, u128: U128, I256: I256, U256: U256, f32: F32, f64: F64, str: String,
    String: String
);

impl SpacetimeType for () {
    fn make_type(_: &mut TypeBuilder) -> AlgebraicType {
        AlgebraicType::unit()
    }
}

impl<T: SpacetimeType> SpacetimeType for [T] {
    fn make_type(types: &mut TypeBuilder) -> AlgebraicType {
        AlgebraicType::array(T::make_type(types))
    }
}

impl<T: SpacetimeType> SpacetimeType for Vec<T> {
    fn make_type(types: &mut TypeBuilder) -> AlgebraicType {
        AlgebraicType::array(T::make_type(types))
    }
}

impl<T: SpacetimeType, const N: usize> SpacetimeType for [T; N] {
    fn make_type(types: &mut TypeBuilder) -> AlgebraicType {
        AlgebraicType::array(T::make_type(types))
    }
}

impl<A: smallvec::Array<Item: SpacetimeType>> SpacetimeType for SmallVec<A> {
    fn make_type(types: &mut TypeBuilder) -> AlgebraicType {
        AlgebraicType::array(A::Item::make_type(types))
    }
}

#[cfg(feature = "bytestring")]
impl SpacetimeType for bytestring::ByteString {
    fn make_type(_: &mut TypeBuilder) -> AlgebraicType {
        AlgebraicType::String
    }
}

impl SpacetimeType for Bytes {
    fn make_type(_: &mut TypeBuilder) -> AlgebraicType {
        AlgebraicType::array(AlgebraicType::U8)
    }
}

impl<T: SpacetimeType> SpacetimeType for Option<T> {
    fn make_type(types: &mut TypeBuilder) -> AlgebraicType {
        AlgebraicType::option(T::make_type(types))
    }
}

impl<T: SpacetimeType, E: SpacetimeType> SpacetimeType for Result<T, E> {
    fn make_type(types: &mut TypeBuilder) -> AlgebraicType {
        let ok = T::make_type(types);
        AlgebraicType::result(ok, E::make_type(types))
    }
}

macro_rules! transparent {
    ($($type:ty),*) => {$(
        impl<T: SpacetimeType + ?Sized> SpacetimeType for $type {
            fn make_type(types: &mut TypeBuilder) -> AlgebraicType {
                T::make_type(types)
            }
        }
    )*};
}

transparent!(&T, Box<T>, Rc<T>, Arc<T>);

//! Types of every shape, in every place.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use spacetimedb::sats::{i256, u256};
use spacetimedb::spacetimedb_lib::Hash;
use spacetimedb::{
    reducer, table, ConnectionId, Identity, ReducerContext, ScheduleAt, SpacetimeType, TableId,
    TimeDuration, Timestamp, Uuid,
};

/// A struct with nothing in it.
#[derive(SpacetimeType, Clone, Copy, Debug, Default, PartialEq)]
pub struct Nothing {}

/// One without even braces.
#[derive(SpacetimeType, Clone, Copy, Debug, Default, PartialEq)]
pub struct Unit;

/// A name in a scope.
#[derive(SpacetimeType, Clone, Copy, Debug, PartialEq)]
#[sats(name = "Deep.Down.Renamed")]
pub struct Scoped {
    pub x: f32,
    pub y: f32,
}

/// The library, by another path; several attributes.
#[derive(SpacetimeType, Clone, Copy, Debug, PartialEq)]
#[sats(crate = spacetimedb::spacetimedb_lib)]
#[sats(name = "OtherPath")]
#[repr(C)]
pub struct ByPath {
    pub a: u64,
    pub b: u32,
    pub c: u32,
}

/// A plain enum with numbers of its own, which do not matter.
#[derive(SpacetimeType, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    Low = 3,
    Middle = 7,
    High = 250,
}

/// One variant is enough.
#[derive(SpacetimeType, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Single {
    Only,
}

/// Payloads of every form.
#[derive(SpacetimeType, Clone, Debug, PartialEq)]
pub enum Payloads {
    Plain,
    Value(u32),
    Named { only: String },
    Flag(bool),
    Boxed(Box<Payloads>),
    Listed(Vec<Payloads>),
    Deep(Option<Result<Scoped, Level>>),
}

/// A type that holds itself.
#[derive(SpacetimeType, Clone, Debug, Default, PartialEq)]
pub struct Tree {
    pub name: String,
    pub children: Vec<Tree>,
    pub parent: Option<Box<Tree>>,
}

/// Two types that hold each other.
#[derive(SpacetimeType, Clone, Debug, PartialEq)]
pub struct Egg {
    pub laid_by: Option<Box<Hen>>,
}

/// See [`Egg`].
#[derive(SpacetimeType, Clone, Debug, PartialEq)]
pub struct Hen {
    pub eggs: Vec<Egg>,
}

/// Two types with one name, apart by what clients see.
pub mod other {
    use super::SpacetimeType;

    #[derive(SpacetimeType, Clone, Debug, PartialEq)]
    #[sats(name = "Other.Tree")]
    pub struct Tree {
        pub rings: u16,
    }
}

/// A type with a lifetime: written and described, never read.
#[derive(SpacetimeType, Clone, Debug)]
pub struct Borrowed<'a> {
    pub text: &'a str,
    pub bytes: &'a [u8],
}

/// Fields that are not always there.
#[derive(SpacetimeType, Clone, Debug, PartialEq)]
pub struct Conditional {
    #[cfg(any())]
    pub never: std::time::Instant,
    #[cfg(any(unix, not(unix)))]
    pub always: u8,
    /// Documentation.
    #[allow(dead_code)]
    pub documented: u8,
}

/// What `macro_rules` makes.
macro_rules! pair {
    ($name:ident, $first:ty, $second:ty $(, $attribute:meta)*) => {
        #[derive(SpacetimeType, Clone, Debug, PartialEq)]
        $(#[$attribute])*
        pub struct $name {
            pub first: $first,
            pub second: $second,
        }
    };
}

pair!(IntPair, u32, i64);
pair!(
    NestedPair,
    Vec<Option<IntPair>>,
    Box<[Level]>,
    sats(name = "Made.Pair")
);

/// Every type that a column can have.
#[table(accessor = wide, public)]
#[derive(Clone, Debug)]
pub struct Wide {
    pub flag: bool,
    pub a8: i8,
    pub b8: u8,
    pub a16: i16,
    pub b16: u16,
    pub a32: i32,
    pub b32: u32,
    pub a64: i64,
    pub b64: u64,
    pub a128: i128,
    pub b128: u128,
    pub a256: i256,
    pub b256: u256,
    pub c32: f32,
    pub c64: f64,
    pub text: String,
    pub boxed_text: Box<str>,
    pub list: Vec<u16>,
    pub slice: Box<[u16]>,
    pub shared: Arc<[String]>,
    pub counted: Rc<[u8]>,
    pub small: SmallVec<[u32; 4]>,
    pub small_bytes: SmallVec<[u8; 16]>,
    pub bytes: Bytes,
    pub unit: (),
    pub option: Option<u8>,
    pub options: Option<Option<Box<String>>>,
    pub result: Result<u8, String>,
    pub results: Vec<Result<(), Nothing>>,
    pub boxed: Box<Scoped>,
    pub identity: Identity,
    pub connection: ConnectionId,
    pub time: Timestamp,
    pub duration: TimeDuration,
    pub uuid: Uuid,
    pub due: ScheduleAt,
    pub hash: Hash,
    pub table: TableId,
    pub nothing: Nothing,
    pub unit_struct: Unit,
    pub by_path: ByPath,
    pub level: Level,
    pub single: Single,
    pub other_tree: other::Tree,
    pub conditional: Conditional,
    pub int_pair: IntPair,
    pub nested_pair: NestedPair,
}

/// The same as arguments.
#[reducer]
pub fn takes_types(
    _ctx: &ReducerContext,
    _row: Wide,
    _unit: (),
    _small: SmallVec<[Level; 2]>,
    _bytes: Bytes,
    _tree: Option<Box<Tree>>,
    _payloads: Payloads,
    _egg: Egg,
) {
}

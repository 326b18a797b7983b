//! Definitions of modules at random, with all that is hard for generators: words that languages
//! have taken, names that bindings need for themselves, types that hold each other, tables of one
//! row type, tables without columns, keys of several columns, functions with many parameters,
//! submodules.
//!
//! Names that a language would spell alike are avoided: those are errors, which have other tests.

#![allow(dead_code)]

use std::collections::BTreeSet;

use spacetime_types::module_def::{
    RawModuleDef, RawModuleDefV10, RawModuleDefV10Section, RawProcedureDefV10, RawSubmoduleV10,
    RawTableAccess, RawTableDefV10, RawTypeDefV10, RawViewDefV10, Visibility,
};
use spacetime_types::names::pascal_case;
use spacetime_types::{AlgebraicType as T, ProductType, Typespace};

use crate::names::{index, reducer, reference, table, type_def, unique};

/// Words of the four languages, of their libraries and of the bindings; and harmless ones.
const WORDS: &[&str] = &[
    "type",
    "self",
    "Self",
    "super",
    "crate",
    "fn",
    "match",
    "async",
    "await",
    "yield",
    "dyn",
    "impl",
    "move",
    "box",
    "class",
    "new",
    "delete",
    "default",
    "function",
    "constructor",
    "prototype",
    "arguments",
    "eval",
    "enum",
    "interface",
    "namespace",
    "object",
    "string",
    "decimal",
    "event",
    "operator",
    "template",
    "union",
    "virtual",
    "register",
    "signed",
    "auto",
    "this",
    "null",
    "undefined",
    "true",
    "var",
    "let",
    "const",
    "static",
    "public",
    "private",
    "count",
    "iter",
    "find",
    "filter",
    "on_insert",
    "on_update",
    "on_delete",
    "insert",
    "update",
    "db",
    "reducers",
    "procedures",
    "tables",
    "Reducer",
    "DbUpdate",
    "EventContext",
    "Context",
    "DbConnection",
    "RemoteTables",
    "RemoteModule",
    "Event",
    "Option",
    "Vec",
    "Result",
    "String",
    "Box",
    "Some",
    "None",
    "Ok",
    "Err",
    "Clone",
    "Identity",
    "Timestamp",
    "Uuid",
    "Conn",
    "Args",
    "callback",
    "ctx",
    "data",
    "value",
    "tag",
    "key",
    "row",
    "name",
    "id",
    "length",
    "then",
    "toString",
    "valueOf",
    "hasOwnProperty",
    "isActive",
    "disconnect",
    "From",
    "Cols",
    "Table",
    "Index",
    "t",
    "schema",
    "infer",
    "Number",
    "Object",
    "Array",
    "Promise",
    "Map",
    "Date",
    "PlayerId",
    "playerName",
    "HTTPServer",
    "hp5",
    "x1y2",
    "a",
    "_hidden",
    "level_2",
    "very_long_name_of_a_thing",
    "groesse",
    "gr\u{f6}\u{df}e",
    "\u{540d}\u{524d}",
];

/// Xorshift: the same definitions everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds are to differ at once, and zero would stay zero.
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % bound as u64).expect("it is smaller")
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a, X>(&mut self, of: &'a [X]) -> &'a X {
        &of[self.below(of.len())]
    }

    /// A name that is spelt unlike all in `used`, in every case.
    fn name(&mut self, used: &mut BTreeSet<String>) -> String {
        loop {
            let first = *self.pick(WORDS);
            let name = match self.below(4) {
                0 => format!("{first}_{}", self.pick(WORDS)),
                1 => format!("{first}{}", self.below(100)),
                _ => first.to_owned(),
            };
            if used.insert(pascal_case(&name).to_lowercase()) {
                return name;
            }
        }
    }

    fn key(&mut self) -> T {
        let keys = [
            T::U8,
            T::I16,
            T::U32,
            T::U64,
            T::I64,
            T::U128,
            T::I256,
            T::String,
            T::Bool,
            T::identity(),
            T::connection_id(),
            T::uuid(),
            T::timestamp(),
        ];
        self.pick(&keys).clone()
    }

    /// A type; named ones among the first `below` may be used as they are, all `count` of them
    /// in a list.
    fn ty(&mut self, below: u32, count: u32, depth: usize) -> T {
        let inner = depth.saturating_sub(1);
        match self.below(if depth == 0 { 6 } else { 12 }) {
            0 => T::F32,
            1 => T::F64,
            2 => T::bytes(),
            3 if below > 0 => reference(self.number(below)),
            4 => self
                .pick(&[T::time_duration(), T::schedule_at(), T::unit()])
                .clone(),
            6 => T::array(self.ty(below, count, inner)),
            7 => T::option(self.ty(below, count, inner)),
            8 => T::result(self.ty(below, count, inner), self.ty(below, count, inner)),
            9 if count > 0 => T::array(reference(self.number(count))),
            10 => T::option(T::option(self.ty(below, count, 0))),
            _ => self.key(),
        }
    }

    fn number(&mut self, below: u32) -> u32 {
        let bound = usize::try_from(below).expect("there are few");
        u32::try_from(self.below(bound)).expect("there are few")
    }

    /// Fields of random types; some have none.
    fn fields(&mut self, below: u32, count: u32, most: usize) -> Vec<(String, T)> {
        let mut used = BTreeSet::new();
        let number = self.below(most + 1);
        (0..number)
            .map(|_| (self.name(&mut used), self.ty(below, count, 3)))
            .collect()
    }
}

fn named_type(random: &mut Random, place: u32, count: u32) -> T {
    match random.below(4) {
        0 => {
            let mut used = BTreeSet::new();
            let number = 1 + random.below(4);
            let names: Vec<String> = (0..number).map(|_| random.name(&mut used)).collect();
            T::plain_enum(names.iter().map(String::as_str))
        }
        1 => {
            let mut variants = random.fields(place, count, 4);
            variants.push(("ends_it".to_owned(), T::unit()));
            variants.push(("WithText".to_owned(), T::String));
            T::sum(
                variants
                    .iter()
                    .map(|(name, ty)| (name.as_str(), ty.clone())),
            )
        }
        _ => product(&random.fields(place, count, 6)),
    }
}

fn product(fields: &[(String, T)]) -> T {
    T::product(fields.iter().map(|(name, ty)| (name.as_str(), ty.clone())))
}

fn params(random: &mut Random, count: u32) -> ProductType {
    let most = if random.one_in(6) { 11 } else { 4 };
    let fields = random.fields(count, count, most);
    ProductType::named(fields.iter().map(|(name, ty)| (name.as_str(), ty.clone())))
}

/// What a module is made of, while it is made.
#[derive(Default)]
struct Parts {
    typespace: Vec<T>,
    types: Vec<RawTypeDefV10>,
    type_names: BTreeSet<String>,
    tables: Vec<RawTableDefV10>,
    views: Vec<RawViewDefV10>,
}

impl Parts {
    fn add_type(&mut self, random: &mut Random, ty: T) -> u32 {
        let place = u32::try_from(self.typespace.len()).expect("there are few");
        let name = random.name(&mut self.type_names);
        let scope: &[&str] = if random.one_in(8) {
            &["Outer", "Inner"]
        } else {
            &[]
        };
        self.typespace.push(ty);
        self.types.push(type_def(scope, &pascal_case(&name), place));
        place
    }

    fn add_table(&mut self, random: &mut Random, name: &str, count: u32) {
        let mut keys = 0;
        let row = match self.tables.last() {
            Some(other) if random.one_in(4) => other.product_type_ref.0,
            _ => {
                let mut fields = random.fields(count, count, 5);
                let mut used: BTreeSet<String> = fields
                    .iter()
                    .map(|(name, _)| pascal_case(name).to_lowercase())
                    .collect();
                keys = random.below(4);
                for place in 0..keys {
                    let name = random.name(&mut used);
                    fields.insert(place, (name, random.key()));
                }
                self.add_type(random, product(&fields))
            }
        };
        let mut made = table(name, row);
        let mut accessors = BTreeSet::new();
        for column in 0..u16::try_from(keys).expect("there are few") {
            let accessor = random.name(&mut accessors);
            match random.below(4) {
                0 => index(&mut made, Some(&accessor), &[column]),
                1 => index(&mut made, None, &[column]),
                _ => {
                    unique(&mut made, &accessor, &[column]);
                    if made.primary_key.is_empty() && random.one_in(2) {
                        made.primary_key = vec![column];
                    }
                }
            }
        }
        if keys > 2 {
            let accessor = random.name(&mut accessors);
            index(&mut made, Some(&accessor), &[2, 0]);
        }
        made.is_event = random.one_in(6);
        if random.one_in(8) {
            made.table_access = RawTableAccess::Private;
        }
        self.tables.push(made);
    }

    fn add_view(&mut self, random: &mut Random, name: &str) {
        let Some(table) = self.tables.first() else {
            return;
        };
        let row = T::Ref(table.product_type_ref);
        let index = u32::try_from(self.views.len()).expect("there are few");
        self.views.push(RawViewDefV10 {
            source_name: name.into(),
            index,
            is_public: true,
            is_anonymous: random.one_in(2),
            params: ProductType::default(),
            return_type: if random.one_in(2) {
                T::array(row)
            } else {
                T::option(row)
            },
        });
    }
}

fn module(random: &mut Random, depth: usize) -> RawModuleDefV10 {
    let mut parts = Parts::default();
    // Columns cannot be of types that are a part of themselves, functions can have such.
    let plain = random.number(5);
    let count = plain + 1 + random.number(3);
    for place in 0..count {
        let all = if place < plain { place } else { count };
        let ty = named_type(random, place, all);
        parts.add_type(random, ty);
    }
    let mut names = BTreeSet::new();
    // Submodules are beside tables and functions.
    names.insert("shop".to_owned());
    for _ in 0..random.below(5) {
        let name = random.name(&mut names);
        parts.add_table(random, &name, plain);
    }
    for _ in 0..random.below(3) {
        let name = random.name(&mut names);
        parts.add_view(random, &name);
    }
    // Functions may have the names of tables, but not those of views.
    let views = parts.views.iter().map(|view| &view.source_name);
    let mut names: BTreeSet<String> = views.map(|name| pascal_case(name).to_lowercase()).collect();
    names.insert("shop".to_owned());
    let reducers = (0..random.below(5))
        .map(|_| reducer(&random.name(&mut names), params(random, count)))
        .collect();
    let procedures = (0..random.below(4))
        .map(|_| RawProcedureDefV10 {
            source_name: random.name(&mut names).into(),
            params: params(random, count),
            return_type: random.ty(count, count, 2),
            visibility: Visibility::ClientCallable,
        })
        .collect();
    let mut sections = vec![
        RawModuleDefV10Section::Typespace(Typespace {
            types: parts.typespace,
        }),
        RawModuleDefV10Section::Types(parts.types),
        RawModuleDefV10Section::Tables(parts.tables),
        RawModuleDefV10Section::Views(parts.views),
        RawModuleDefV10Section::Reducers(reducers),
        RawModuleDefV10Section::Procedures(procedures),
    ];
    if depth > 0 && random.one_in(3) {
        sections.push(RawModuleDefV10Section::Submodules(vec![RawSubmoduleV10 {
            namespace: "shop".into(),
            module: module(random, depth - 1),
        }]));
    }
    RawModuleDefV10 { sections }
}

/// The seeds that compilers are asked about, a few unless `RANDOM_MODULES` says otherwise;
/// `RANDOM_SEED` is the first.
pub fn sample() -> std::ops::Range<u64> {
    let number = |variable: &str, default: u64| {
        let given = std::env::var(variable).ok();
        given.map_or(default, |text| text.parse().expect("it is a number"))
    };
    let first = number("RANDOM_SEED", 1);
    let seeds = first..first + number("RANDOM_MODULES", 4);
    eprintln!("seeds {seeds:?}");
    seeds
}

/// The definition of a seed.
pub fn definition(seed: u64) -> RawModuleDef {
    RawModuleDef::V10(module(&mut Random::new(seed), 2))
}

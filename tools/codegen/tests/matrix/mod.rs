//! A definition with every type in every place: a column of it, of a list and of an option of it,
//! a unique column and a primary key where it can be one, and a reducer that takes all three.

use spacetime_types::AlgebraicType as T;
use spacetime_types::module_def::{
    RawModuleDef, RawModuleDefV10, RawModuleDefV10Section, RawReducerDefV10, RawTableDefV10,
    RawTypeDefV10,
};
use spacetime_types::names::pascal_case;
use spacetime_types::{ProductType, Typespace};

use crate::names::{reducer, reference, table, type_def, unique};

const SIMPLE_ENUM: u32 = 0;
const PAYLOAD_ENUM: u32 = 1;
const STRUCT: u32 = 2;
const UNIT_STRUCT: u32 = 3;

fn named_types() -> Vec<(&'static str, T)> {
    let payload = T::sum([
        ("U8", T::U8),
        ("Str", T::String),
        ("Identity", T::identity()),
        ("Bytes", T::bytes()),
        ("Strings", T::array(T::String)),
        ("Inner", reference(STRUCT)),
        ("Nothing", T::unit()),
    ]);
    let all = T::product([
        ("n", T::U32),
        ("wide", T::I256),
        ("half", T::F32),
        ("text", T::String),
        ("kind", reference(SIMPLE_ENUM)),
        ("at", T::timestamp()),
    ]);
    vec![
        ("SimpleEnum", T::plain_enum(["Zero", "One", "Two"])),
        ("EnumWithPayload", payload),
        ("EveryPrimitive", all),
        ("UnitStruct", T::unit()),
    ]
}

/// The types, and whether they can be keys.
fn types() -> [(&'static str, T, bool); 26] {
    [
        ("bool", T::Bool, true),
        ("i8", T::I8, true),
        ("u8", T::U8, true),
        ("i16", T::I16, true),
        ("u16", T::U16, true),
        ("i32", T::I32, true),
        ("u32", T::U32, true),
        ("i64", T::I64, true),
        ("u64", T::U64, true),
        ("i128", T::I128, true),
        ("u128", T::U128, true),
        ("i256", T::I256, true),
        ("u256", T::U256, true),
        ("f32", T::F32, false),
        ("f64", T::F64, false),
        ("string", T::String, true),
        ("bytes", T::bytes(), false),
        ("identity", T::identity(), true),
        ("connection_id", T::connection_id(), true),
        ("uuid", T::uuid(), true),
        ("timestamp", T::timestamp(), true),
        ("time_duration", T::time_duration(), false),
        ("simple_enum", reference(SIMPLE_ENUM), true),
        ("enum_with_payload", reference(PAYLOAD_ENUM), false),
        ("every_primitive", reference(STRUCT), false),
        ("unit_struct", reference(UNIT_STRUCT), false),
    ]
}

#[derive(Default)]
struct Matrix {
    typespace: Vec<T>,
    types: Vec<RawTypeDefV10>,
    tables: Vec<RawTableDefV10>,
    reducers: Vec<RawReducerDefV10>,
}

impl Matrix {
    fn named(&mut self, name: &str, ty: T) -> u32 {
        let place = u32::try_from(self.typespace.len()).expect("there are few types");
        self.typespace.push(ty);
        self.types.push(type_def(&[], name, place));
        place
    }

    fn table(&mut self, name: &str, row: T) -> RawTableDefV10 {
        let row = self.named(&pascal_case(name), row);
        table(name, row)
    }

    fn add(&mut self, name: &str, ty: &T, is_key: bool) {
        let list = T::array(ty.clone());
        let option = T::option(ty.clone());
        for (kind, column) in [("one", ty), ("vec", &list), ("option", &option)] {
            let row = T::product([("value", column.clone())]);
            let table = self.table(&format!("{kind}_{name}"), row);
            self.tables.push(table);
        }
        let kinds: &[&str] = if is_key { &["unique", "pk"] } else { &[] };
        for kind in kinds {
            let row = T::product([("key", ty.clone()), ("data", T::I32)]);
            let mut table = self.table(&format!("{kind}_{name}"), row);
            unique(&mut table, "key", &[0]);
            if *kind == "pk" {
                table.primary_key = vec![0];
            }
            self.tables.push(table);
        }
        let params = [("one", ty.clone()), ("vec", list), ("option", option)];
        let reducer = reducer(&format!("insert_{name}"), ProductType::named(params));
        self.reducers.push(reducer);
    }
}

pub fn definition() -> RawModuleDef {
    let mut matrix = Matrix::default();
    for (name, ty) in named_types() {
        matrix.named(name, ty);
    }
    for (name, ty, is_key) in types() {
        matrix.add(name, &ty, is_key);
    }
    let Matrix {
        typespace,
        types,
        tables,
        reducers,
    } = matrix;
    RawModuleDef::V10(RawModuleDefV10 {
        sections: vec![
            RawModuleDefV10Section::Typespace(Typespace { types: typespace }),
            RawModuleDefV10Section::Types(types),
            RawModuleDefV10Section::Tables(tables),
            RawModuleDefV10Section::Reducers(reducers),
        ],
    })
}

//! A definition whose names are those of things that Rust bindings need for themselves, or words of
//! the language, and definitions with two names that Rust spells alike.

use crate::names::{index, reducer, reference, table, text, type_def, unique};

use spacetime_types::module_def::{
    RawModuleDef, RawModuleDefV10, RawModuleDefV10Section, RawProcedureDefV10, RawReducerDefV10,
    RawSubmoduleV10, RawTableDefV10, Visibility,
};
use spacetime_types::{AlgebraicType, ProductType, Typespace};

/// Types by their names, in the order of their references.
fn typespace(types: Vec<(&str, AlgebraicType)>) -> [RawModuleDefV10Section; 2] {
    let numbers = 0u32..;
    let names = types.iter().zip(numbers);
    let names = names.map(|((name, _), ty)| type_def(&[], name, ty));
    let names = names.collect();
    let types = types.into_iter().map(|(_, ty)| ty).collect();
    [
        RawModuleDefV10Section::Typespace(Typespace { types }),
        RawModuleDefV10Section::Types(names),
    ]
}

fn module(sections: impl IntoIterator<Item = RawModuleDefV10Section>) -> RawModuleDefV10 {
    RawModuleDefV10 {
        sections: sections.into_iter().collect(),
    }
}

fn small() -> AlgebraicType {
    AlgebraicType::product([("value", AlgebraicType::U8)])
}

/// What submodules have: `Tables`, `Reducers`.
fn shop() -> RawModuleDefV10 {
    let types = typespace(vec![
        (
            "Tables",
            AlgebraicType::product([("id", AlgebraicType::U64)]),
        ),
        ("Reducers", small()),
    ]);
    let mut tables = table("tables", 0);
    tables.primary_key = vec![0];
    unique(&mut tables, "id", &[0]);
    let add = reducer(
        "add",
        ProductType::named([
            ("perhaps", AlgebraicType::option(reference(1))),
            ("names", AlgebraicType::array(text())),
        ]),
    );
    module(types.into_iter().chain([
        RawModuleDefV10Section::Tables(vec![tables]),
        RawModuleDefV10Section::Reducers(vec![add]),
    ]))
}

fn types() -> Vec<(&'static str, AlgebraicType)> {
    let player = AlgebraicType::product([
        ("id", AlgebraicType::U64),
        ("new", AlgebraicType::U32),
        ("count", AlgebraicType::U16),
        ("cols", reference(1)),
        ("handle", reference(2)),
        ("reducer", reference(4)),
        ("type", AlgebraicType::option(AlgebraicType::I8)),
        ("self", AlgebraicType::bytes()),
    ]);
    let boxed = AlgebraicType::product([("inner", AlgebraicType::option(reference(3)))]);
    vec![
        ("Player", player),
        ("PlayerCols", small()),
        ("PlayerTableHandle", small()),
        ("Box", boxed),
        ("Reducer", small()),
        ("EventContext", AlgebraicType::plain_enum(["A", "B"])),
        ("Clone", small()),
        ("Default", small()),
        ("Iterator", small()),
        ("Into", small()),
        ("BuyArgs", small()),
        ("Option", small()),
        ("Vec", small()),
        ("String", small()),
        ("Result", small()),
        ("PlayerIxCols", small()),
    ]
}

fn tables() -> Vec<RawTableDefV10> {
    let mut player = table("player", 0);
    player.primary_key = vec![0];
    unique(&mut player, "id", &[0]);
    unique(&mut player, "new", &[1]);
    unique(&mut player, "by_count", &[2]);
    index(&mut player, Some("cols"), &[0, 1]);
    vec![player, table("type", 4), table("clone", 6)]
}

fn reducers() -> Vec<RawReducerDefV10> {
    let buy = [
        ("args", reference(10)),
        ("boxed", reference(3)),
        ("context", reference(5)),
        ("clones", AlgebraicType::array(reference(6))),
        ("default", AlgebraicType::option(reference(7))),
        ("text", text()),
        ("own", AlgebraicType::array(reference(13))),
        ("iterator", reference(8)),
        ("into", reference(9)),
    ];
    let number = ProductType::named([("number", AlgebraicType::U8)]);
    vec![
        reducer("buy", ProductType::named(buy)),
        reducer("u8", number),
        reducer("std", ProductType::named([("text", text())])),
        reducer("player_type", ProductType::default()),
        reducer("async", ProductType::named([("self", reference(5))])),
    ]
}

/// Everything here is spelled in another way by the bindings, or not in the way.
pub fn escaped() -> RawModuleDef {
    let procedure = RawProcedureDefV10 {
        source_name: "str".into(),
        params: ProductType::named([("text", text()), ("result", reference(14))]),
        return_type: AlgebraicType::result(reference(11), text()),
        visibility: Visibility::ClientCallable,
    };
    let sections = [
        RawModuleDefV10Section::Tables(tables()),
        RawModuleDefV10Section::Reducers(reducers()),
        RawModuleDefV10Section::Procedures(vec![procedure]),
        RawModuleDefV10Section::Submodules(vec![RawSubmoduleV10 {
            namespace: "shop".into(),
            module: shop(),
        }]),
    ];
    let types = typespace(types());
    RawModuleDef::V10(module(types.into_iter().chain(sections)))
}

/// Definitions of which Rust bindings cannot be made, with what is there twice.
pub fn refused() -> Vec<(RawModuleDef, &'static str)> {
    let numbers = AlgebraicType::product([("aB", AlgebraicType::U8), ("a_b", AlgebraicType::U8)]);
    let variants = AlgebraicType::plain_enum(["a_b", "aB"]);
    let fields = module(typespace(vec![("Pair", numbers)]));
    let variants = module(typespace(vec![("Kind", variants)]));
    let none = ProductType::default;
    let inner = module([RawModuleDefV10Section::Reducers(vec![
        reducer("buy", none()),
        reducer("buy_then", none()),
    ])]);
    let methods = module([RawModuleDefV10Section::Submodules(vec![RawSubmoduleV10 {
        namespace: "lib".into(),
        module: inner,
    }])]);
    let alike = ProductType::named([
        ("theName", AlgebraicType::U8),
        ("the_name", AlgebraicType::U8),
    ]);
    let params = module([RawModuleDefV10Section::Reducers(vec![reducer(
        "buy", alike,
    )])]);
    let cases = [
        (fields, "the field `a_b` of `Pair`"),
        (variants, "the variant `Kind::AB`"),
        (methods, "the method `buy_then` of `reducers`"),
        (params, "the field `the_name` of `BuyArgs`"),
    ];
    cases
        .into_iter()
        .map(|(raw, what)| (RawModuleDef::V10(raw), what))
        .collect()
}

/// Modules with two members of one type or function that every language spells alike.
pub fn members() -> Vec<RawModuleDef> {
    let alike = || [("aB", AlgebraicType::U8), ("a_b", AlgebraicType::String)];
    let product = typespace(vec![("T", AlgebraicType::product(alike()))]);
    let sum = typespace(vec![("T", AlgebraicType::sum(alike()))]);
    let plain = typespace(vec![("T", AlgebraicType::plain_enum(["aB", "a_b"]))]);
    let params = reducer("add", ProductType::named(alike()));
    let params = [RawModuleDefV10Section::Reducers(vec![params])];
    [
        product.to_vec(),
        sum.to_vec(),
        plain.to_vec(),
        params.to_vec(),
    ]
    .map(|sections| RawModuleDef::V10(module(sections)))
    .to_vec()
}

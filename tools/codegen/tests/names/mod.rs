//! A definition with everything that is hard to name: reserved words, scopes, chosen names,
//! submodules, recursion, types without values, event tables, keys of several columns.

#![allow(dead_code)] // Some tests need only what definitions are made with.

use spacetime_types::AlgebraicType;
use spacetime_types::module_def::{
    RawConstraintData, RawConstraintDefV10, RawExplicitName, RawExplicitNames, RawIndexAlgorithm,
    RawIndexDefV10, RawModuleDef, RawModuleDefV10, RawModuleDefV10Section, RawNameMapping,
    RawProcedureDefV10, RawReducerDefV10, RawScopedTypeNameV10, RawSubmoduleV10, RawTableAccess,
    RawTableDefV10, RawTableType, RawTypeDefV10, RawUniqueConstraint, RawViewDefV10, Visibility,
};
use spacetime_types::{ProductType, TypeRef, Typespace};

pub fn text() -> AlgebraicType {
    AlgebraicType::String
}

pub fn reference(index: u32) -> AlgebraicType {
    AlgebraicType::reference(index)
}

pub fn type_def(scope: &[&str], name: &str, ty: u32) -> RawTypeDefV10 {
    RawTypeDefV10 {
        source_name: RawScopedTypeNameV10 {
            scope: scope.iter().map(|segment| (*segment).into()).collect(),
            source_name: name.into(),
        },
        ty: TypeRef(ty),
        custom_ordering: true,
    }
}

pub fn table(name: &str, ty: u32) -> RawTableDefV10 {
    RawTableDefV10 {
        source_name: name.into(),
        product_type_ref: TypeRef(ty),
        primary_key: Vec::new(),
        indexes: Vec::new(),
        constraints: Vec::new(),
        sequences: Vec::new(),
        table_type: RawTableType::User,
        table_access: RawTableAccess::Public,
        default_values: Vec::new(),
        is_event: false,
    }
}

pub fn index(table: &mut RawTableDefV10, accessor: Option<&str>, columns: &[u16]) {
    let name = format!("{}_{columns:?}", table.source_name);
    let name: String = name
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    table.indexes.push(RawIndexDefV10 {
        source_name: Some(name.into()),
        accessor_name: accessor.map(Into::into),
        algorithm: RawIndexAlgorithm::BTree(columns.to_vec()),
    });
}

pub fn unique(table: &mut RawTableDefV10, accessor: &str, columns: &[u16]) {
    index(table, Some(accessor), columns);
    let columns = columns.to_vec();
    table.constraints.push(RawConstraintDefV10 {
        source_name: None,
        data: RawConstraintData::Unique(RawUniqueConstraint { columns }),
    });
}

pub fn reducer(name: &str, params: ProductType) -> RawReducerDefV10 {
    RawReducerDefV10 {
        source_name: name.into(),
        params,
        visibility: Visibility::ClientCallable,
        ok_return_type: AlgebraicType::unit(),
        err_return_type: text(),
    }
}

fn submodule() -> RawModuleDefV10 {
    let user = AlgebraicType::product([("id", AlgebraicType::U64), ("kind", reference(1))]);
    let kind = AlgebraicType::plain_enum(["Self", "Type"]);
    let mut users = table("users", 0);
    users.primary_key = vec![0];
    unique(&mut users, "id", &[0]);
    let inner = RawModuleDefV10 {
        sections: vec![
            RawModuleDefV10Section::Typespace(Typespace {
                types: vec![AlgebraicType::product([("id", AlgebraicType::U64)])],
            }),
            RawModuleDefV10Section::Types(vec![type_def(&[], "Deep", 0)]),
            RawModuleDefV10Section::Tables(vec![table("deep", 0)]),
        ],
    };
    RawModuleDefV10 {
        sections: vec![
            RawModuleDefV10Section::Typespace(Typespace {
                types: vec![user, kind],
            }),
            RawModuleDefV10Section::Types(vec![type_def(&[], "User", 0), type_def(&[], "Kind", 1)]),
            RawModuleDefV10Section::Tables(vec![users]),
            RawModuleDefV10Section::Reducers(vec![reducer(
                "add_user",
                ProductType::named([("kind", reference(1))]),
            )]),
            RawModuleDefV10Section::Procedures(vec![RawProcedureDefV10 {
                source_name: "count_users".into(),
                params: ProductType::named([("kind", reference(1))]),
                return_type: AlgebraicType::U64,
                visibility: Visibility::ClientCallable,
            }]),
            RawModuleDefV10Section::Submodules(vec![RawSubmoduleV10 {
                namespace: "inner".into(),
                module: inner,
            }]),
        ],
    }
}

fn types() -> Vec<AlgebraicType> {
    let words = AlgebraicType::product([
        ("type", AlgebraicType::U32),
        ("private", text()),
        ("self", AlgebraicType::Bool),
        ("class", AlgebraicType::option(AlgebraicType::U8)),
        ("playerId", AlgebraicType::U64),
        ("delete", reference(1)),
        ("count", AlgebraicType::I16),
    ]);
    let plain = AlgebraicType::plain_enum(["Self", "default", "HP5"]);
    let tree = AlgebraicType::product([
        ("label", text()),
        ("children", AlgebraicType::array(reference(2))),
        ("parent", AlgebraicType::option(reference(2))),
        ("planted", AlgebraicType::timestamp()),
    ]);
    let expression = AlgebraicType::sum([
        ("Number", AlgebraicType::F64),
        ("Negated", reference(3)),
        ("Nothing", AlgebraicType::unit()),
        ("Sum", AlgebraicType::array(reference(3))),
    ]);
    let scoped = AlgebraicType::product([("value", AlgebraicType::I256)]);
    let odd = AlgebraicType::sum([("only", AlgebraicType::never())]);
    let empty = AlgebraicType::unit();
    let option = AlgebraicType::product([
        (
            "inner",
            AlgebraicType::option(AlgebraicType::option(text())),
        ),
        ("bytes", AlgebraicType::bytes()),
        ("outcome", AlgebraicType::result(reference(4), text())),
    ]);
    vec![words, plain, tree, expression, scoped, odd, empty, option]
}

fn tables() -> Vec<RawTableDefV10> {
    let mut words = table("type", 0);
    words.primary_key = vec![0];
    unique(&mut words, "type", &[0]);
    unique(&mut words, "playerId", &[4]);
    unique(&mut words, "by_delete", &[5]);
    index(&mut words, Some("pair"), &[1, 4]);
    index(&mut words, None, &[4, 6]);
    index(&mut words, Some("count"), &[6]);
    let mut event = table("happening", 4);
    event.is_event = true;
    let mut private = table("private", 0);
    private.table_access = RawTableAccess::Private;
    vec![words, event, private, table("chosenName", 4)]
}

fn functions() -> [RawModuleDefV10Section; 3] {
    let params = ProductType::named([
        ("self", text()),
        ("callback", AlgebraicType::option(reference(2))),
        ("type", reference(3)),
        ("nothing", reference(5)),
    ]);
    let procedure = RawProcedureDefV10 {
        source_name: "yield".into(),
        params: params.clone(),
        return_type: AlgebraicType::result(reference(2), AlgebraicType::unit()),
        visibility: Visibility::ClientCallable,
    };
    let view = RawViewDefV10 {
        source_name: "match".into(),
        index: 0,
        is_public: true,
        is_anonymous: true,
        params: ProductType::default(),
        return_type: AlgebraicType::array(reference(0)),
    };
    let reducers = vec![
        reducer("delete", params),
        reducer("async", ProductType::default()),
        reducer(
            "takesAnEmpty",
            ProductType::named([("empty", reference(6)), ("o", reference(7))]),
        ),
    ];
    [
        RawModuleDefV10Section::Reducers(reducers),
        RawModuleDefV10Section::Procedures(vec![procedure]),
        RawModuleDefV10Section::Views(vec![view]),
    ]
}

pub fn definition() -> RawModuleDef {
    let names = [
        ("Words", 0),
        ("Plain", 1),
        ("Tree", 2),
        ("Expression", 3),
        ("Odd", 5),
        ("Empty", 6),
        ("Option", 7),
    ];
    let mut type_defs: Vec<RawTypeDefV10> = names
        .iter()
        .map(|(name, ty)| type_def(&[], name, *ty))
        .collect();
    type_defs.push(type_def(&["Namespace", "Test"], "C", 4));
    let mapping = RawNameMapping {
        source_name: "chosenName".into(),
        canonical_name: "another_name".into(),
    };
    let mut sections = vec![
        RawModuleDefV10Section::Typespace(Typespace { types: types() }),
        RawModuleDefV10Section::Types(type_defs),
        RawModuleDefV10Section::Tables(tables()),
        RawModuleDefV10Section::ExplicitNames(RawExplicitNames {
            entries: vec![RawExplicitName::Table(mapping)],
        }),
        RawModuleDefV10Section::Submodules(vec![RawSubmoduleV10 {
            namespace: "lib".into(),
            module: submodule(),
        }]),
    ];
    sections.extend(functions());
    RawModuleDef::V10(RawModuleDefV10 { sections })
}

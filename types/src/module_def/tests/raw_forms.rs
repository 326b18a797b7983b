//! The raw formats as bytes and as JSON.

use super::*;
use crate::bsatn::{self, Decode, DecodeError, Encode};
use crate::hex;

fn bytes(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    assert!(digits.len().is_multiple_of(2));
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex");
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[track_caller]
fn check<T: Encode + for<'a> Decode<'a> + PartialEq + std::fmt::Debug>(value: T, expected: &str) {
    let expected = bytes(expected);
    assert_eq!(bsatn::to_vec(&value), expected);
    assert_eq!(bsatn::from_slice_exact::<T>(&expected), Ok(value));
}

#[test]
fn records_of_v10() {
    check(btree("s", &[0, 2]), "00010000007301000200000000000200");
    check(RawIndexAlgorithm::Hash(vec![1]), "01010000000100");
    check(RawIndexAlgorithm::Direct(3), "020300");
    check(unique(&[0]), "0100010000000000");
    check(
        RawSequenceDefV10 {
            start: Some(5),
            max_value: Some(-1),
            ..sequence(0)
        },
        "01000000050000000000000000000000000000000100ffffffffffffffffffffffffffffffff\
         01000000000000000000000000000000",
    );
    check(schedule("t", 1, "f"), "01010000007401000100000066");
    check(lifecycle(Lifecycle::OnDisconnect, "f"), "020100000066");
    check(default_value(2, &[7, 8]), "0200020000000708");
    check(
        reducer("r", ProductType::default()),
        "01000000720000000001020000000004",
    );
    check(
        RawProcedureDefV10 {
            visibility: Visibility::Private,
            ..procedure("p", ProductType::default())
        },
        "0100000070000000000700",
    );
    check(
        view(
            "v",
            3,
            false,
            AlgebraicType::array(AlgebraicType::reference(1)),
        ),
        "010000007603000000010000000000030001000000",
    );
    check(view_key("v", &["id"]), "010000007601000000020000006964");
    check(RawRowLevelSecurity { sql: "S".into() }, "0100000053");
    check(handler("h"), "0100000068");
    check(
        route("h", MethodOrAny::Any, "/x"),
        "010000006800020000002f78",
    );
    check(
        route("h", MethodOrAny::Method(HttpMethod::Get), "/x"),
        "01000000680100020000002f78",
    );
    check(
        MethodOrAny::Method(HttpMethod::Extension("FOO".into())),
        "010903000000464f4f",
    );
    let mut def = type_def("T", TypeRef(4));
    def.source_name.scope.push("ns".into());
    check(def, "01000000020000006e7301000000540400000001");
    check(
        RawExplicitNames {
            entries: vec![
                RawExplicitName::Table(mapping("A", "a")),
                RawExplicitName::Function(mapping("F", "f")),
                RawExplicitName::Index(mapping("I", "i")),
            ],
        },
        "03000000000100000041010000006101010000004601000000660201000000490100000069",
    );
    let lib = RawSubmoduleV10 {
        namespace: "lib".into(),
        module: RawModuleDefV10::default(),
    };
    check(lib, "030000006c696200000000");
}

#[test]
fn sections_of_v10() {
    use RawModuleDefV10Section as Section;
    let empty = [
        Section::Typespace(Typespace::default()),
        Section::Types(vec![]),
        Section::Tables(vec![]),
        Section::Reducers(vec![]),
        Section::Procedures(vec![]),
        Section::Views(vec![]),
        Section::Schedules(vec![]),
        Section::LifeCycleReducers(vec![]),
        Section::RowLevelSecurity(vec![]),
    ];
    for (tag, section) in (0u8..).zip(empty) {
        check(section, &format!("{tag:02x}00000000"));
    }
    check(
        Section::CaseConversionPolicy(CaseConversionPolicy::None),
        "0900",
    );
    check(
        Section::CaseConversionPolicy(CaseConversionPolicy::SnakeCase),
        "0901",
    );
    check(
        Section::ExplicitNames(RawExplicitNames::default()),
        "0a00000000",
    );
    check(Section::HttpHandlers(vec![]), "0b00000000");
    check(Section::HttpRoutes(vec![]), "0c00000000");
    check(Section::ViewPrimaryKeys(vec![]), "0d00000000");
    check(Section::Submodules(vec![]), "0e00000000");
}

#[test]
fn empty_definitions() {
    check(RawModuleDef::V10(RawModuleDefV10::default()), "0200000000");
    check(
        RawModuleDef::V9(RawModuleDefV9::default()),
        &format!("01{}", "00".repeat(24)),
    );
    let v8 = RawModuleDef::V8BackCompat(RawModuleDefV8::default());
    check(v8, &"00".repeat(17));
    for empty in [
        "0200000000".to_owned(),
        format!("01{}", "00".repeat(24)),
        "00".repeat(17),
    ] {
        let def = ModuleDef::from_bsatn(&bytes(&empty)).expect("an empty module");
        assert!(def.tables().is_empty());
    }
}

#[test]
fn bytes_after_the_definition_are_ignored() {
    assert!(ModuleDef::from_bsatn(&bytes("0200000000ff")).is_ok());
}

#[test]
fn unknown_tags_are_decode_failures() {
    let text = |hex: &str| match ModuleDef::from_bsatn(&bytes(hex)) {
        Err(ReadModuleDefError::Decode(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(text("03"), "unknown tag 0x3 for sum type RawModuleDef");
    assert_eq!(
        text("02010000000f00000000"),
        "unknown tag 0xf for sum type RawModuleDefV10Section"
    );
}

#[test]
fn submodules_nest_to_a_limit() {
    let nested = |depth: usize| {
        let mut hex = String::from("02");
        for _ in 0..depth {
            hex.push_str("01000000 0e 01000000 01000000 61");
        }
        hex.push_str("00000000");
        ModuleDef::from_bsatn(&bytes(&hex))
    };
    let def = nested(20).expect("a nested module");
    assert_eq!(def.walk().count(), 21);
    assert!(matches!(
        nested(500),
        Err(ReadModuleDefError::Decode(DecodeError::TooDeep { .. }))
    ));
}

#[test]
fn a_complete_module_of_v10() {
    let hex = "
        02 05000000
        00 01000000 02 02000000 00 02000000 6964 0d  00 04000000 6e616d65 04
        01 01000000 00000000 06000000 506572736f6e 00000000 01
        02 01000000 06000000 706572736f6e 00000000 01000000 0000
           01000000 00 13000000 706572736f6e5f69645f6964785f6274726565 00 02000000 6964 00
                    01000000 0000
           01000000 01 00 01000000 0000
           01000000 01 0000 01 01 01 01000000000000000000000000000000
           01 00 00000000 00
        03 02000000
           03000000 616464 01000000 00 04000000 6e616d65 04 01 02 00000000 04
           04000000 696e6974 00000000 00 02 00000000 04
        07 01000000 00 04000000 696e6974";
    let raw = RawModuleDef::from_bsatn(&bytes(hex)).expect("a definition");
    assert_eq!(bsatn::to_vec(&raw), bytes(hex));
    let def = ModuleDef::validate(raw).expect("a valid definition");

    let person = def.table("person").expect("the table");
    assert_eq!(person.row_type().to_string(), "(id: U64, name: String)");
    assert_eq!(person.primary_key, Some(crate::ColId(0)));
    assert_eq!(&*person.indexes[0].name, "person_id_idx_btree");
    assert_eq!(person.indexes[0].accessor.as_deref(), Some("id"));
    assert_eq!(&*person.constraints[0].name, "person_id_key");
    assert_eq!(&*person.sequences[0].name, "person_id_seq");
    assert_eq!(person.sequences[0].start(), 1);
    let add = def.reducer("add").expect("the reducer");
    assert_eq!((add.id, add.visibility), (0, Visibility::ClientCallable));
    let init = def
        .lifecycle_reducer(Lifecycle::Init)
        .expect("the init reducer");
    assert_eq!((&*init.name, init.id), ("init", 1));
    assert_eq!(init.visibility, Visibility::Private);
}

#[test]
fn a_table_of_v9() {
    let index = |columns, accessor: Option<&str>| RawIndexDefV9 {
        name: None,
        accessor_name: accessor.map(Into::into),
        algorithm: columns,
    };
    let apples = RawTableDefV9 {
        name: "Apples".into(),
        product_type_ref: TypeRef(0),
        primary_key: vec![0],
        indexes: vec![
            index(RawIndexAlgorithm::BTree(vec![0]), Some("id")),
            index(RawIndexAlgorithm::BTree(vec![0, 1]), Some("x")),
            index(RawIndexAlgorithm::Direct(0), None),
        ],
        constraints: vec![RawConstraintDefV9 {
            name: None,
            data: RawConstraintData::Unique(RawUniqueConstraint { columns: vec![0] }),
        }],
        sequences: vec![RawSequenceDefV9 {
            name: None,
            column: 0,
            start: None,
            min_value: None,
            max_value: None,
            increment: 1,
        }],
        schedule: None,
        table_type: RawTableType::User,
        table_access: RawTableAccess::Private,
    };
    check(
        apples.clone(),
        "060000004170706c657300000000010000000000030000000100020000006964000100000000000100010000\
         007800020000000000010001010200000100000001000100000000000100000001000001010101000000000000\
         000000000000000000010101",
    );
    let init = RawReducerDefV9 {
        name: "init".into(),
        params: ProductType::default(),
        lifecycle: Some(Lifecycle::Init),
    };
    check(init.clone(), "04000000696e6974000000000000");
    let default = RawMiscExportV9::ColumnDefaultValue(RawColumnDefaultV9 {
        table: "Apples".into(),
        col_id: 1,
        value: RawBytes(bytes("0100000064").into()),
    });
    check(
        default.clone(),
        "00060000004170706c65730100050000000100000064",
    );
    let procedure = RawMiscExportV9::Procedure(RawProcedureDefV9 {
        name: "proc".into(),
        params: ProductType::default(),
        return_type: AlgebraicType::U8,
    });
    check(procedure.clone(), "010400000070726f630000000007");

    let row = AlgebraicType::product([
        ("Id", AlgebraicType::U64),
        ("myName", AlgebraicType::String),
    ]);
    let raw = RawModuleDefV9 {
        typespace: Typespace { types: vec![row] },
        tables: vec![apples],
        reducers: vec![init],
        misc_exports: vec![default.clone(), procedure],
        ..RawModuleDefV9::default()
    };
    let def = ModuleDef::validate(RawModuleDef::V9(raw.clone())).expect("a valid definition");
    // Nothing is converted, nothing is hidden.
    let apples = def.table("Apples").expect("the table");
    assert_eq!(apples.row_type().to_string(), "(Id: U64, myName: String)");
    let names: Vec<&str> = apples.indexes.iter().map(|index| &*index.name).collect();
    let expected = [
        "Apples_Id_idx_btree",
        "Apples_Id_myName_idx_btree",
        "Apples_Id_idx_direct",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        apples.columns[1].default.as_deref(),
        Some(&bytes("0100000064")[..])
    );
    assert_eq!(def.reducers()[0].visibility, Visibility::ClientCallable);
    assert_eq!(
        def.lifecycle_reducer(Lifecycle::Init).map(|init| init.id),
        Some(0)
    );

    let mut twice = raw;
    twice.misc_exports.push(default);
    let errors = ModuleDef::validate(RawModuleDef::V9(twice)).expect_err("two defaults");
    assert_eq!(
        errors.to_string(),
        "Errors occurred:\nMultiple default values for table Apples column 1\n\n"
    );
}

#[test]
fn a_module_of_v8() {
    let hex = "
        00010000000202000000000200000069640d00040000006e616d65040100000006000000617070\
        6c6573020000000200000069640d040000006e616d6504010000001d0000006964785f6170706c65735f69645f\
        6e616d655f6e6f6e5f756e6971756500000200000000000100010000001d00000063745f6170706c65735f6964\
        5f7072696d6172795f6b65795f6175746f0f010000000000000000000400000075736572060000007075626c69\
        63010000000001000000080000005f5f696e69745f5f000000000100000000090000006e732e4170706c657300\
        000000";
    let raw = RawModuleDef::from_bsatn(&bytes(hex)).expect("a definition");
    assert_eq!(
        bsatn::to_vec(&raw),
        bytes(hex),
        "{}",
        hex::encode(&bsatn::to_vec(&raw))
    );
    let def = ModuleDef::validate(raw).expect("a valid definition");
    let apples = def.table("apples").expect("the table");
    let mut names: Vec<&str> = apples.indexes.iter().map(|index| &*index.name).collect();
    names.sort_unstable();
    let expected = [
        "idx_apples_id_name_non_unique",
        "idx_apples_id_primary_key_auto_unique",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        &*apples.constraints[0].name,
        "ct_apples_id_primary_key_auto"
    );
    assert_eq!(&*apples.sequences[0].name, "seq_apples_id_primary_key_auto");
    assert_eq!(apples.primary_key, Some(crate::ColId(0)));
    assert_eq!(apples.access, TableAccess::Public);
    let init = def
        .lifecycle_reducer(Lifecycle::Init)
        .expect("the init reducer");
    assert_eq!(&*init.name, "__init__");
    assert_eq!(def.types()[0].full_name(), "ns::Apples");
}

#[test]
fn json_of_v9() {
    let mut sketch = Sketch::empty();
    let person = sketch.type_def(
        "Person",
        AlgebraicType::product([("id", AlgebraicType::U64), ("name", AlgebraicType::String)]),
    );
    sketch.tables = vec![RawTableDefV10 {
        primary_key: vec![0],
        indexes: vec![RawIndexDefV10 {
            accessor_name: Some("id".into()),
            ..btree("person_id_idx_btree", &[0])
        }],
        constraints: vec![unique(&[0])],
        sequences: vec![sequence(0)],
        default_values: vec![default_value(1, &[1, 0, 0, 0, 0x78])],
        ..table("person", person)
    }];
    let name = ProductType::named([("name", AlgebraicType::String)]);
    sketch.reducers = vec![
        reducer("add", name),
        reducer("init", ProductType::default()),
    ];
    sketch.lifecycle = vec![lifecycle(Lifecycle::Init, "init")];
    sketch.procedures = vec![RawProcedureDefV10 {
        return_type: AlgebraicType::unit(),
        ..procedure("p", ProductType::default())
    }];
    let rows = AlgebraicType::array(AlgebraicType::Ref(person));
    sketch.views = vec![view("people", 0, true, rows)];
    sketch.rules = vec![RawRowLevelSecurity {
        sql: "SELECT * FROM person".into(),
    }];
    let def = sketch.read().expect("a valid definition");

    let expected: serde_json::Value = serde_json::from_str(V9_SAMPLE).expect("JSON");
    // As text: the order of keys is part of what clients have come to expect.
    assert_eq!(def.to_raw_v9().to_json().to_string(), expected.to_string());

    let v10 = def.to_raw_v10().to_json().to_string();
    for part in V10_PARTS {
        assert!(v10.contains(part), "{part}\nis not in\n{v10}");
    }
    let sections: Vec<usize> = V10_SECTIONS
        .iter()
        .map(|name| v10.find(&format!("{{\"{name}\":")).expect(name))
        .collect();
    assert!(sections.is_sorted(), "{sections:?}");
    assert!(!v10.contains("Schedules"), "empty sections are left out");
}

const V9_SAMPLE: &str = r#"
{"typespace":{"types":[{"Product":{"elements":[
  {"name":{"some":"id"},"algebraic_type":{"U64":[]}},
  {"name":{"some":"name"},"algebraic_type":{"String":[]}}]}}]},
 "tables":[{"name":"person","product_type_ref":0,"primary_key":[0],
  "indexes":[{"name":{"some":"person_id_idx_btree"},"accessor_name":{"some":"id"},
    "algorithm":{"BTree":[0]}}],
  "constraints":[{"name":{"some":"person_id_key"},"data":{"Unique":{"columns":[0]}}}],
  "sequences":[{"name":{"some":"person_id_seq"},"column":0,"start":{"none":[]},
    "min_value":{"none":[]},"max_value":{"none":[]},"increment":1}],
  "schedule":{"none":[]},"table_type":{"User":[]},"table_access":{"Public":[]}}],
 "reducers":[
  {"name":"add","params":{"elements":[
    {"name":{"some":"name"},"algebraic_type":{"String":[]}}]},"lifecycle":{"none":[]}},
  {"name":"init","params":{"elements":[]},"lifecycle":{"some":{"Init":[]}}}],
 "types":[{"name":{"scope":[],"name":"Person"},"ty":0,"custom_ordering":true}],
 "misc_exports":[
  {"ColumnDefaultValue":{"table":"person","col_id":1,"value":"0100000078"}},
  {"Procedure":{"name":"p","params":{"elements":[]},"return_type":{"Product":{"elements":[]}}}},
  {"View":{"name":"people","index":0,"is_public":true,"is_anonymous":true,
    "params":{"elements":[]},"return_type":{"Array":{"Ref":0}}}}],
 "row_level_security":[{"sql":"SELECT * FROM person"}]}"#;

const V10_PARTS: [&str; 6] = [
    concat!(
        r#"{"Types":[{"source_name":{"scope":[],"source_name":"Person"},"#,
        r#""ty":0,"custom_ordering":true}]}"#,
    ),
    r#"{"Tables":[{"source_name":"person","#,
    r#""default_values":[{"col_id":1,"value":"0100000078"}],"is_event":false}]}"#,
    concat!(
        r#""visibility":{"ClientCallable":[]},"ok_return_type":{"Product":{"elements":[]}},"#,
        r#""err_return_type":{"String":[]}}"#,
    ),
    r#"{"LifeCycleReducers":[{"lifecycle_spec":{"Init":[]},"function_name":"init"}]}"#,
    concat!(
        r#"{"ExplicitNames":{"entries":[{"Table":{"source_name":"person","#,
        r#""canonical_name":"person"}},{"Function":{"source_name":"add","canonical_name":"add"}},"#,
    ),
];

const V10_SECTIONS: [&str; 9] = [
    "Typespace",
    "Types",
    "Tables",
    "Reducers",
    "Procedures",
    "Views",
    "LifeCycleReducers",
    "RowLevelSecurity",
    "ExplicitNames",
];

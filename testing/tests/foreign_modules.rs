//! Modules as the toolchains of other languages make them: by hand, in the shapes of a C# module
//! (.NET with its own start, and compiled ahead of time) and of a C++ module (Emscripten).
//!
//! Both bring the WASI functions that their runtimes want with them, so they import nothing but
//! the database; one that does not is refused.

use serde_json::json;
use spacetime_testing::{CallError, TestDatabase};
use spacetime_types::bsatn;
use spacetime_types::module_def::{
    Lifecycle, RawConstraintData, RawConstraintDefV9, RawConstraintDefV10, RawIndexAlgorithm,
    RawIndexDefV9, RawIndexDefV10, RawLifeCycleReducerDefV10, RawModuleDef, RawModuleDefV9,
    RawModuleDefV10, RawModuleDefV10Section, RawReducerDefV9, RawReducerDefV10,
    RawScopedTypeNameV9, RawScopedTypeNameV10, RawTableAccess, RawTableDefV9, RawTableDefV10,
    RawTableType, RawTypeDefV9, RawTypeDefV10, RawUniqueConstraint, Visibility,
};
use spacetime_types::{AlgebraicType, ProductType, TypeRef, Typespace};

fn product(elements: &[(&str, AlgebraicType)]) -> ProductType {
    match AlgebraicType::product(elements.iter().cloned()) {
        AlgebraicType::Product(product) => product,
        other => unreachable!("{other:?} is a product"),
    }
}

fn person() -> ProductType {
    product(&[("Id", AlgebraicType::U32), ("Name", AlgebraicType::String)])
}

fn typespace() -> Typespace {
    let mut typespace = Typespace::default();
    typespace.types.push(AlgebraicType::Product(person()));
    typespace
}

/// The reducers of both modules, in the order of their ids.
const REDUCERS: [&str; 4] = ["Add", "Count", "Fail", "Init"];

fn params(reducer: &str) -> ProductType {
    match reducer {
        "Add" => person(),
        _ => ProductType::default(),
    }
}

/// As current C# bindings describe themselves: names as in the program.
fn definition_v10() -> RawModuleDef {
    let table = RawTableDefV10 {
        source_name: "Person".into(),
        product_type_ref: TypeRef(0),
        primary_key: vec![0],
        indexes: vec![RawIndexDefV10 {
            source_name: Some("Person_Id_idx_btree".into()),
            accessor_name: Some("Id".into()),
            algorithm: RawIndexAlgorithm::BTree(vec![0]),
        }],
        constraints: vec![RawConstraintDefV10 {
            source_name: None,
            data: RawConstraintData::Unique(RawUniqueConstraint { columns: vec![0] }),
        }],
        sequences: Vec::new(),
        table_type: RawTableType::User,
        table_access: RawTableAccess::Public,
        default_values: Vec::new(),
        is_event: false,
    };
    let reducer = |name: &&str| RawReducerDefV10 {
        source_name: (*name).into(),
        params: params(name),
        visibility: Visibility::ClientCallable,
        ok_return_type: AlgebraicType::unit(),
        err_return_type: AlgebraicType::String,
    };
    let person = RawTypeDefV10 {
        source_name: RawScopedTypeNameV10 {
            scope: Vec::new(),
            source_name: "Person".into(),
        },
        ty: TypeRef(0),
        custom_ordering: true,
    };
    RawModuleDef::V10(RawModuleDefV10 {
        sections: vec![
            RawModuleDefV10Section::Typespace(typespace()),
            RawModuleDefV10Section::Types(vec![person]),
            RawModuleDefV10Section::Tables(vec![table]),
            RawModuleDefV10Section::Reducers(REDUCERS.iter().map(reducer).collect()),
            RawModuleDefV10Section::LifeCycleReducers(vec![RawLifeCycleReducerDefV10 {
                lifecycle_spec: Lifecycle::Init,
                function_name: "Init".into(),
            }]),
        ],
    })
}

/// As older bindings do.
fn definition_v9() -> RawModuleDef {
    let table = RawTableDefV9 {
        name: "Person".into(),
        product_type_ref: TypeRef(0),
        primary_key: vec![0],
        indexes: vec![RawIndexDefV9 {
            name: None,
            accessor_name: Some("Id".into()),
            algorithm: RawIndexAlgorithm::BTree(vec![0]),
        }],
        constraints: vec![RawConstraintDefV9 {
            name: None,
            data: RawConstraintData::Unique(RawUniqueConstraint { columns: vec![0] }),
        }],
        sequences: Vec::new(),
        schedule: None,
        table_type: RawTableType::User,
        table_access: RawTableAccess::Public,
    };
    let reducer = |name: &&str| RawReducerDefV9 {
        name: (*name).into(),
        params: params(name),
        lifecycle: (*name == "Init").then_some(Lifecycle::Init),
    };
    RawModuleDef::V9(RawModuleDefV9 {
        typespace: typespace(),
        tables: vec![table],
        reducers: REDUCERS.iter().map(reducer).collect(),
        types: vec![RawTypeDefV9 {
            name: RawScopedTypeNameV9 {
                scope: Vec::new(),
                name: "Person".into(),
            },
            ty: TypeRef(0),
            custom_ordering: true,
        }],
        ..RawModuleDefV9::default()
    })
}

/// Puts the definition into a module's text, and makes it a module.
fn module(text: &str, definition: &RawModuleDef) -> Vec<u8> {
    let definition = bsatn::to_vec(definition);
    let escaped: String = definition
        .iter()
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let text = text
        .replace("@DEFINITION@", &escaped)
        .replace("@LENGTH@", &definition.len().to_string());
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

const CSHARP: &str = include_str!("foreign_modules/csharp.wat");
const CPP: &str = include_str!("foreign_modules/cpp.wat");

fn check_table(db: &TestDatabase, table: &str, column: &str) {
    db.call("Add", (7, "seven"))
        .or_else(|_| db.call("add", (7, "seven")))
        .unwrap();
    let rows = db.rows(table);
    assert_eq!(rows.len(), 2, "`init` has put one in");
    let names: Vec<String> = rows.column(column);
    assert!(names.contains(&"seven".to_owned()) && names.contains(&"init".to_owned()));
}

#[test]
fn a_csharp_module_that_starts_itself_runs() {
    let db = TestDatabase::from_bytes(module(CSHARP, &definition_v10())).unwrap();
    check_table(&db, "person", "name");
    let failed = db.call("fail", ()).unwrap_err();
    assert_eq!(failed, CallError::Failed("System.Exception: no".to_owned()));
    // Its level 5 is none of the host's, and what its runtime writes to a file goes to the log.
    let logs = db.logs();
    let started = logs
        .iter()
        .find(|line| line.message == "runtime started")
        .unwrap();
    assert_eq!(
        (&*started.level, started.target.as_deref()),
        ("Info", Some("wasi"))
    );
    let panicked = logs.iter().find(|line| line.message == "no").unwrap();
    assert_eq!(panicked.level, "Debug");
    // The rows are counted through the scan that has two names.
    assert_eq!(db.call("count", ()).unwrap_err().to_string(), "2");
    // It takes the same key twice for what it is.
    assert!(matches!(
        db.call("add", (7, "again")),
        Err(CallError::Broke(_))
    ));
    assert_eq!(db.count("person"), 2);
}

#[test]
fn a_csharp_module_compiled_ahead_of_time_runs() {
    let text = CSHARP.replace("(export \"_start\")", "(export \"_initialize\")");
    // There the host starts the runtime, not the first initialiser.
    let text = text.replace("(call $start) ;; by the module", "");
    let db = TestDatabase::from_bytes(module(&text, &definition_v10())).unwrap();
    check_table(&db, "person", "name");
    db.restart();
    assert_eq!(db.count("person"), 2);
}

#[test]
fn a_cpp_module_runs() {
    let db = TestDatabase::from_bytes(module(CPP, &definition_v9())).unwrap();
    check_table(&db, "Person", "Name");
    // A number below zero is an internal failure, and the instance lives on.
    let broke = db.call("Fail", ()).unwrap_err();
    assert!(matches!(broke, CallError::Broke(_)), "{broke:?}");
    assert!(db.log_text().contains("4294967292"), "{}", db.log_text());
    assert_eq!(
        db.call("Count", ()).unwrap_err().to_string(),
        "3",
        "calls of this instance"
    );
    db.publish(module(CPP, &definition_v9())).unwrap();
    assert_eq!(db.count("Person"), 2);
}

#[test]
fn initialisers_run_in_the_order_of_their_names() {
    // Exported in another order than they run in; the last one checks.
    let swapped = CPP.replace("__preinit__20_", "__preinit__05_");
    let refused = TestDatabase::from_bytes(module(&swapped, &definition_v9())).unwrap_err();
    assert!(
        refused.to_string().contains("__preinit__99_validate_types"),
        "{refused}"
    );
}

#[test]
fn a_module_that_wants_wasi_of_the_host_is_refused() {
    let import = "(import \"wasi_snapshot_preview1\" \"fd_close\" \
                  (func $fd_close (param i32) (result i32)))\n  (type";
    let text = CPP.replacen("(type", import, 1);
    let refused = TestDatabase::from_bytes(module(&text, &definition_v9())).unwrap_err();
    assert!(
        refused.to_string().contains("wasi_snapshot_preview1"),
        "{refused}"
    );
}

#[test]
fn arguments_of_another_language_are_exact() {
    let db = TestDatabase::from_bytes(module(CSHARP, &definition_v10())).unwrap();
    assert!(matches!(
        db.call("add", json!([1])),
        Err(CallError::BadArgs(_))
    ));
    let by_name = json!({"Id": 9, "Name": "nine"});
    db.call("add", by_name).unwrap();
    assert_eq!(
        db.sql("SELECT name FROM person WHERE id = 9")
            .unwrap()
            .one()["name"],
        "nine"
    );
}

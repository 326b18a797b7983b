//! The module that is measured: written by hand, so that between the loop and the host there is
//! nothing but the call.

use spacetime_types::bsatn::Encode as _;
use spacetime_types::module_def::{
    CaseConversionPolicy, RawConstraintData, RawConstraintDefV10, RawIndexAlgorithm,
    RawIndexDefV10, RawModuleDef, RawModuleDefV10, RawModuleDefV10Section as Section,
    RawReducerDefV10, RawScheduleDefV10, RawScopedTypeNameV10, RawTableAccess, RawTableDefV10,
    RawTableType, RawTypeDefV10, RawUniqueConstraint, Visibility,
};
use spacetime_types::{AlgebraicType, ProductType, TypeRef, Typespace};

/// A reducer that does one thing so often as its argument says: the name and the loop's body.
/// `$n` counts; `$item` and `$index` are the table and the index of its key.
pub const LOOPS: [(&str, &str); 11] = [
    ("nothing", ""),
    ("identity", "(call $identity (i32.const 32))"),
    (
        "table_id_from_name",
        "(drop (call $table_id (i32.const 64) (i32.const 4) (i32.const 24)))",
    ),
    (
        "row_count",
        "(drop (call $row_count (local.get $item) (i32.const 32)))",
    ),
    (
        "insert",
        "(i64.store (i32.const 2048) (i64.extend_i32_u (local.get $n)))
         (i32.store (i32.const 16) (i32.const 16))
         (drop (call $insert (local.get $item) (i32.const 2048) (i32.const 16)))",
    ),
    (
        "find by key",
        "(i64.store (i32.const 2048) (i64.extend_i32_u (local.get $n)))
         (drop (call $point (local.get $index) (i32.const 2048) (i32.const 8) (i32.const 24)))
         (i32.store (i32.const 16) (i32.const 65536))
         (drop (call $advance (i32.load (i32.const 24)) (i32.const 65536) (i32.const 16)))",
    ),
    (
        "update by key",
        "(i64.store (i32.const 2048) (i64.extend_i32_u (local.get $n)))
         (i64.store (i32.const 2056) (i64.const 77))
         (i32.store (i32.const 16) (i32.const 16))
         (drop (call $update (local.get $item) (local.get $index) (i32.const 2048)
            (i32.const 16)))",
    ),
    (
        "log, not kept",
        "(call $log (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 7) (i32.const 64) (i32.const 4))",
    ),
    (
        "log, kept",
        "(call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 7) (i32.const 64) (i32.const 4))",
    ),
    (
        "delete by key",
        "(i64.store (i32.const 2048) (i64.extend_i32_u (local.get $n)))
         (drop (call $delete (local.get $index) (i32.const 2048) (i32.const 8) (i32.const 24)))",
    ),
    (
        "plan",
        "(i64.store (i32.const 2048) (i64.extend_i32_u (i32.add (local.get $n) (i32.const 1))))
         (i32.store8 (i32.const 2056) (i32.const 1))
         (i64.store (i32.const 2057) (i64.const 0))
         (i32.store (i32.const 16) (i32.const 17))
         (drop (call $insert (local.get $timer) (i32.const 2048) (i32.const 16)))",
    ),
];

/// Reads the whole table, so often as its argument says.
pub const SCAN: &str = "scan";
/// Called for rows of the table `timer`; does nothing.
pub const TICK: &str = "tick";
/// Does nothing.
pub const EMPTY: &str = "empty";

const SCAN_BODY: &str = "
    (drop (call $scan (local.get $item) (i32.const 24)))
    (block $end (loop $more
        (i32.store (i32.const 16) (i32.const 65536))
        (br_if $more (i32.eqz
            (call $advance (i32.load (i32.const 24)) (i32.const 65536) (i32.const 16))))))";

const HEAD: &str = r#"
  (import "spacetime_10.0" "identity" (func $identity (param i32)))
  (import "spacetime_10.0" "table_id_from_name"
    (func $table_id (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "index_id_from_name"
    (func $index_id (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "datastore_table_row_count"
    (func $row_count (param i32 i32) (result i32)))
  (import "spacetime_10.0" "datastore_insert_bsatn"
    (func $insert (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "datastore_update_bsatn"
    (func $update (param i32 i32 i32 i32) (result i32)))
  (import "spacetime_10.4" "datastore_index_scan_point_bsatn"
    (func $point (param i32 i32 i32 i32) (result i32)))
  (import "spacetime_10.4" "datastore_delete_by_index_scan_point_bsatn"
    (func $delete (param i32 i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "datastore_table_scan_bsatn"
    (func $scan (param i32 i32) (result i32)))
  (import "spacetime_10.0" "row_iter_bsatn_advance"
    (func $advance (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "bytes_source_read"
    (func $read (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "bytes_sink_write"
    (func $write (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "console_log"
    (func $log (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (memory (export "memory") 16)
  (data (i32.const 64) "item")
  (data (i32.const 80) "item_id")
  (data (i32.const 96) "timer")
"#;

/// The module; `more` are further functions in the text format, for its size.
pub fn build(more: &str) -> Vec<u8> {
    let description = description();
    let data: String = description
        .iter()
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let mut arms = String::new();
    for (id, body) in (2..).zip(LOOPS.iter().map(|(_, body)| *body).chain([SCAN_BODY])) {
        arms.push_str(&format!(
            "(if (i32.eq (local.get $id) (i32.const {id})) (then
               (block $out (loop $in
                 (br_if $out (i32.ge_u (local.get $n) (local.get $count)))
                 {body}
                 (local.set $n (i32.add (local.get $n) (i32.const 1)))
                 (br $in)))))"
        ));
    }
    let text = format!(
        r#"(module {HEAD}
  (data (i32.const 4096) "{data}")
  (func $lookup (result i32 i32 i32)
    (drop (call $table_id (i32.const 64) (i32.const 4) (i32.const 24)))
    (i32.load (i32.const 24))
    (drop (call $index_id (i32.const 80) (i32.const 7) (i32.const 24)))
    (i32.load (i32.const 24))
    (drop (call $table_id (i32.const 96) (i32.const 5) (i32.const 24)))
    (i32.load (i32.const 24)))
  (func (export "__describe_module__") (param $sink i32)
    (i32.store (i32.const 16) (i32.const {len}))
    (drop (call $write (local.get $sink) (i32.const 4096) (i32.const 16))))
  (func (export "__call_reducer__")
    (param $id i32) (param i64 i64 i64 i64 i64 i64 i64) (param $args i32) (param $error i32)
    (result i32)
    (local $n i32) (local $count i32) (local $item i32) (local $index i32) (local $timer i32)
    (if (i32.lt_u (local.get $id) (i32.const 2)) (then (return (i32.const 0))))
    (i32.store (i32.const 16) (i32.const 4))
    (drop (call $read (local.get $args) (i32.const 1024) (i32.const 16)))
    (local.set $count (i32.load (i32.const 1024)))
    (call $lookup)
    (local.set $timer) (local.set $index) (local.set $item)
    {arms}
    (i32.const 0))
  {more})"#,
        len = description.len(),
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("the module's text: {error}"))
}

/// Functions of about so many bytes of code together.
pub fn ballast(bytes: usize) -> String {
    /// What one function below compiles to, about.
    const FUNCTION_BYTES: usize = 1000;
    let mut text = String::new();
    for number in 0..bytes / FUNCTION_BYTES {
        text.push_str("(func (param $a i64) (param $p i32) (result i64) (local $b i64)");
        for step in 0..40 {
            let constant = number * 7919 + step * 104_729;
            text.push_str(&format!(
                "(if (i64.lt_u (local.get $a) (i64.const {constant})) (then
                   (local.set $b (i64.mul (local.get $a) (i64.load (local.get $p)))))
                 (else (i64.store offset={step} (local.get $p) (local.get $b))))"
            ));
        }
        text.push_str("(i64.add (local.get $a) (local.get $b)))");
    }
    text
}

fn description() -> Vec<u8> {
    let mut typespace = Typespace::default();
    let mut types = Vec::new();
    let mut tables = Vec::new();
    let columns = [
        ("item", "id", "value", AlgebraicType::U64),
        (
            "timer",
            "scheduled_id",
            "scheduled_at",
            AlgebraicType::schedule_at(),
        ),
    ];
    for (name, key, other, ty) in columns {
        let row = ProductType::named([(key, AlgebraicType::U64), (other, ty)]);
        let reference = typespace.add(AlgebraicType::Product(row));
        types.push(RawTypeDefV10 {
            source_name: RawScopedTypeNameV10 {
                scope: Vec::new(),
                source_name: name.to_uppercase().into(),
            },
            ty: reference,
            custom_ordering: true,
        });
        tables.push(table(name, key, reference));
    }
    let timer = tables_row(&types);
    let loops = LOOPS.iter().map(|(name, _)| *name).chain([SCAN]);
    let loops = loops.map(|name| reducer(name, [("count", AlgebraicType::U32)]));
    let tick = reducer(TICK, [("timer", AlgebraicType::Ref(timer))]);
    let empty = reducer(EMPTY, []);
    let schedule = RawScheduleDefV10 {
        source_name: None,
        table_name: "timer".into(),
        schedule_at_col: 1,
        function_name: TICK.into(),
    };
    let definition = RawModuleDef::V10(RawModuleDefV10 {
        sections: vec![
            Section::Typespace(typespace),
            Section::Types(types),
            Section::Tables(tables),
            Section::Reducers([empty, tick].into_iter().chain(loops).collect()),
            Section::Schedules(vec![schedule]),
            Section::CaseConversionPolicy(CaseConversionPolicy::None),
        ],
    });
    let mut out = Vec::new();
    definition.encode(&mut out);
    out
}

/// The row type of the second table.
fn tables_row(types: &[RawTypeDefV10]) -> TypeRef {
    types.last().map(|last| last.ty).expect("there are two")
}

fn table(name: &str, key: &str, row: TypeRef) -> RawTableDefV10 {
    RawTableDefV10 {
        source_name: name.into(),
        product_type_ref: row,
        primary_key: vec![0],
        indexes: vec![RawIndexDefV10 {
            source_name: Some(format!("{name}_{key}").into()),
            accessor_name: None,
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
    }
}

fn reducer<const N: usize>(name: &str, params: [(&str, AlgebraicType); N]) -> RawReducerDefV10 {
    RawReducerDefV10 {
        // Names of functions are identifiers.
        source_name: identifier(name).into(),
        params: ProductType::named(params),
        visibility: Visibility::ClientCallable,
        ok_return_type: AlgebraicType::unit(),
        err_return_type: AlgebraicType::String,
    }
}

/// What a loop's reducer is called.
pub fn identifier(name: &str) -> String {
    name.replace(", ", "_").replace(' ', "_")
}

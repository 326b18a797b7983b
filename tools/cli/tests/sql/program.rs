//! A module made of a few lines of text: tables, and an `init` that fills them.
//!
//! The WebAssembly is put together by hand, so that no compiler is needed for tables.

use spacetime_types::bsatn;
use spacetime_types::module_def::{
    CaseConversionPolicy, Lifecycle, RawConstraintData, RawConstraintDefV10, RawIndexAlgorithm,
    RawIndexDefV10, RawLifeCycleReducerDefV10, RawModuleDef, RawModuleDefV10,
    RawModuleDefV10Section as Section, RawReducerDefV10, RawScopedTypeNameV10, RawSequenceDefV10,
    RawTableAccess, RawTableDefV10, RawTableType, RawTypeDefV10, RawUniqueConstraint, Visibility,
};
use spacetime_types::{AlgebraicType, ProductType, ProductTypeElement, TypeRef, Typespace};

/// A table of a fixture.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub row_type: ProductType,
    /// BSATN.
    pub rows: Vec<Vec<u8>>,
    def: RawTableDefV10,
}

impl Table {
    /// `name access: column type, ...; key column ...; ...`
    pub fn parse(text: &str, number: u32) -> Self {
        let (head, body) = text.split_once(':').expect("name and columns");
        let (name, access) = head.split_once(' ').expect("name and access");
        let mut parts = body.split(';').map(str::trim);
        let columns: Vec<(&str, &str)> = parts
            .next()
            .expect("columns")
            .split(',')
            .map(|column| column.trim().split_once(' ').expect("column and type"))
            .collect();
        let elements = columns.iter().map(|(name, ty)| ProductTypeElement {
            name: Some((*name).into()),
            algebraic_type: column_type(ty),
        });
        let row_type = ProductType {
            elements: elements.collect(),
        };
        let mut def = RawTableDefV10 {
            source_name: name.into(),
            product_type_ref: TypeRef(number),
            primary_key: Vec::new(),
            indexes: Vec::new(),
            constraints: Vec::new(),
            sequences: Vec::new(),
            table_type: RawTableType::User,
            table_access: match access {
                "private" => RawTableAccess::Private,
                _ => RawTableAccess::Public,
            },
            default_values: Vec::new(),
            is_event: access == "event",
        };
        for part in parts {
            let mut words = part.split(' ');
            let kind = words.next().expect("a kind of key");
            let position = |name: &str| {
                let found = columns.iter().position(|(known, _)| *known == name);
                u16::try_from(found.expect("a column")).unwrap()
            };
            add_key(&mut def, kind, name, words.map(position).collect());
        }
        Table {
            name: name.to_owned(),
            row_type,
            rows: Vec::new(),
            def,
        }
    }
}

fn add_key(def: &mut RawTableDefV10, kind: &str, table: &str, columns: Vec<u16>) {
    if kind == "auto" {
        def.sequences.push(RawSequenceDefV10 {
            source_name: None,
            column: columns[0],
            start: None,
            min_value: None,
            max_value: None,
            increment: 1,
        });
        return;
    }
    if kind == "pk" {
        def.primary_key.clone_from(&columns);
    }
    if kind == "pk" || kind == "unique" {
        def.constraints.push(RawConstraintDefV10 {
            source_name: None,
            data: RawConstraintData::Unique(RawUniqueConstraint {
                columns: columns.clone(),
            }),
        });
    }
    let label: Vec<String> = columns.iter().map(u16::to_string).collect();
    def.indexes.push(RawIndexDefV10 {
        source_name: Some(format!("{table}_{}_idx_btree", label.join("_")).into()),
        accessor_name: None,
        algorithm: RawIndexAlgorithm::BTree(columns),
    });
}

/// Where the enum of the fixtures is in the typespace: before the tables.
const ENUM: TypeRef = TypeRef(0);

fn column_type(name: &str) -> AlgebraicType {
    use AlgebraicType as T;
    match name {
        "bool" => T::Bool,
        "string" => T::String,
        "i8" => T::I8,
        "u8" => T::U8,
        "i16" => T::I16,
        "u16" => T::U16,
        "i32" => T::I32,
        "u32" => T::U32,
        "i64" => T::I64,
        "u64" => T::U64,
        "i128" => T::I128,
        "u128" => T::U128,
        "i256" => T::I256,
        "u256" => T::U256,
        "f32" => T::F32,
        "f64" => T::F64,
        "bytes" => T::array(T::U8),
        "identity" => T::identity(),
        "connection_id" => T::connection_id(),
        "timestamp" => T::timestamp(),
        "duration" => T::time_duration(),
        "uuid" => T::uuid(),
        "array_u32" => T::array(T::U32),
        "option_u32" => T::option(T::U32),
        "enum" => T::Ref(ENUM),
        other => panic!("unknown type {other}"),
    }
}

/// The types that the tables' columns may refer to.
pub fn typespace() -> Typespace {
    Typespace {
        types: vec![AlgebraicType::plain_enum(["red", "green"])],
    }
}

/// The first number for [`Table::parse`].
pub const FIRST_TABLE: u32 = 1;

fn definition(tables: &[Table]) -> Vec<u8> {
    let mut typespace = typespace();
    let named = |name: &str, ty| RawTypeDefV10 {
        source_name: RawScopedTypeNameV10 {
            scope: Vec::new(),
            source_name: name.into(),
        },
        ty,
        custom_ordering: false,
    };
    let mut types = vec![named("Colour", ENUM)];
    for table in tables {
        typespace
            .types
            .push(AlgebraicType::Product(table.row_type.clone()));
        let name = format!("{}Row{}", table.name, table.def.product_type_ref.0);
        types.push(named(&name, table.def.product_type_ref));
    }
    let init = RawReducerDefV10 {
        source_name: "init".into(),
        params: ProductType::default(),
        visibility: Visibility::Private,
        ok_return_type: AlgebraicType::unit(),
        err_return_type: AlgebraicType::String,
    };
    let at_init = RawLifeCycleReducerDefV10 {
        lifecycle_spec: Lifecycle::Init,
        function_name: "init".into(),
    };
    bsatn::to_vec(&RawModuleDef::V10(RawModuleDefV10 {
        sections: vec![
            Section::CaseConversionPolicy(CaseConversionPolicy::None),
            Section::Typespace(typespace),
            Section::Types(types),
            Section::Tables(tables.iter().map(|table| table.def.clone()).collect()),
            Section::Reducers(vec![init]),
            Section::LifeCycleReducers(vec![at_init]),
        ],
    }))
}

const I32: u8 = 0x7f;
const I64: u8 = 0x7e;
/// Where a call stores and finds numbers in memory; zero would be no place.
const SCRATCH: i64 = 4;
const DATA: usize = 16;

/// The program that defines the tables and inserts their rows once.
pub fn program(tables: &[Table]) -> Vec<u8> {
    let definition = definition(tables);
    let mut memory = definition.clone();
    let mut place = |bytes: &[u8]| {
        let at = DATA + memory.len();
        memory.extend_from_slice(bytes);
        i64::try_from(at).unwrap()
    };
    let mut init = vec![0];
    for table in tables {
        let name = place(table.name.as_bytes());
        // table_id_from_name(name, len, scratch)
        constants(&mut init, &[name, len(table.name.as_bytes()), SCRATCH]);
        init.extend([0x10, 1, 0x1a]);
        for row in &table.rows {
            let row_at = place(row);
            store(&mut init, SCRATCH + 4, len(row));
            // datastore_insert_bsatn(*scratch, row, scratch + 4), or the error is the result
            constants(&mut init, &[SCRATCH]);
            init.extend([0x28, 2, 0]);
            constants(&mut init, &[row_at, SCRATCH + 4]);
            init.extend([0x10, 2]);
            // if it is not zero: return it
            init.extend([0x22, 10, 0x04, 0x40, 0x20, 10, 0x0f, 0x0b]);
        }
    }
    constants(&mut init, &[0]);
    init.push(0x0b);
    // One more variable, of the type i32: behind the ten parameters it is number 10.
    init.splice(0..1, [1, 1, I32]);
    let mut describe = vec![0];
    store(&mut describe, SCRATCH, len(&definition));
    describe.extend([0x20, 0]);
    constants(&mut describe, &[i64::try_from(DATA).unwrap(), SCRATCH]);
    // bytes_sink_write(sink, definition, scratch)
    describe.extend([0x10, 0, 0x1a, 0x0b]);
    assemble(&describe, &init, &memory)
}

fn assemble(describe: &[u8], init: &[u8], memory: &[u8]) -> Vec<u8> {
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    let reducer = [I32, I64, I64, I64, I64, I64, I64, I64, I32, I32];
    section(
        &mut wasm,
        1,
        &[
            function_type(&[I32, I32, I32], &[I32]),
            function_type(&[I32], &[]),
            function_type(&reducer, &[I32]),
        ],
    );
    let import = |name: &str| {
        let mut out = text("spacetime_10.0");
        out.extend(text(name));
        out.extend([0, 0]);
        out
    };
    let imports = [
        "bytes_sink_write",
        "table_id_from_name",
        "datastore_insert_bsatn",
    ];
    section(&mut wasm, 2, &imports.map(import));
    section(&mut wasm, 3, &[vec![1], vec![2]]);
    let pages = i64::try_from((DATA + memory.len()) / 65_536 + 1).unwrap();
    let mut limits = vec![0];
    number(&mut limits, pages);
    section(&mut wasm, 5, &[limits]);
    let export = |name: &str, kind: u8, index: u8| {
        let mut out = text(name);
        out.extend([kind, index]);
        out
    };
    section(
        &mut wasm,
        7,
        &[
            export("memory", 2, 0),
            export("__describe_module__", 0, 3),
            export("__call_reducer__", 0, 4),
        ],
    );
    section(&mut wasm, 10, &[sized(describe), sized(init)]);
    let mut data = vec![0];
    constants(&mut data, &[i64::try_from(DATA).unwrap()]);
    data.push(0x0b);
    data.extend(sized(memory));
    section(&mut wasm, 11, &[data]);
    wasm
}

fn len(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap()
}

/// `i32.const` for each.
fn constants(code: &mut Vec<u8>, values: &[i64]) {
    for value in values {
        code.push(0x41);
        signed_number(code, *value);
    }
}

fn store(code: &mut Vec<u8>, address: i64, value: i64) {
    constants(code, &[address, value]);
    code.extend([0x36, 2, 0]);
}

fn section(wasm: &mut Vec<u8>, id: u8, entries: &[Vec<u8>]) {
    let mut body = Vec::new();
    number(&mut body, i64::try_from(entries.len()).unwrap());
    body.extend(entries.concat());
    wasm.push(id);
    wasm.extend(sized(&body));
}

fn function_type(parameters: &[u8], results: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60];
    out.extend(sized(parameters));
    out.extend(sized(results));
    out
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    number(&mut out, len(bytes));
    out.extend_from_slice(bytes);
    out
}

fn text(text: &str) -> Vec<u8> {
    sized(text.as_bytes())
}

/// LEB128.
fn number(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// Signed LEB128.
fn signed_number(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        let sign = byte & 0x40 != 0;
        if (value == 0 && !sign) || (value == -1 && sign) {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

//! A module made of a few lines of text: tables, an `init` that fills them, rules, views whose rows
//! are fixed, and reducers that do one thing after the other.
//!
//! The WebAssembly is put together by hand, so that no compiler is needed.

use spacetime_types::bsatn;
use spacetime_types::module_def::{
    CaseConversionPolicy, Lifecycle, RawConstraintData, RawConstraintDefV10, RawIndexAlgorithm,
    RawIndexDefV10, RawLifeCycleReducerDefV10, RawModuleDef, RawModuleDefV10,
    RawModuleDefV10Section as Section, RawReducerDefV10, RawRowLevelSecurity, RawScopedTypeNameV10,
    RawSequenceDefV10, RawTableAccess, RawTableDefV10, RawTableType, RawTypeDefV10,
    RawUniqueConstraint, RawViewDefV10, Visibility,
};
use spacetime_types::{AlgebraicType, ProductType, ProductTypeElement, TypeRef, Typespace};

/// What a module consists of.
#[derive(Clone, Debug, Default)]
pub struct Module {
    pub tables: Vec<Table>,
    /// SQL.
    pub rules: Vec<String>,
    pub views: Vec<View>,
    pub reducers: Vec<Reducer>,
}

/// A view with fixed rows.
#[derive(Clone, Debug)]
pub struct View {
    pub name: String,
    pub is_anonymous: bool,
    pub row_type: ProductType,
    /// BSATN, and the first eight bytes of the identity that gets it; zero of an anonymous view.
    pub rows: Vec<(u64, Vec<u8>)>,
}

/// A function that takes no arguments and does its steps.
#[derive(Clone, Debug)]
pub struct Reducer {
    pub name: &'static str,
    pub lifecycle: Option<Lifecycle>,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// A row (BSATN) of a table, by its name.
    Insert(&'static str, Vec<u8>),
    Delete(&'static str, Vec<u8>),
    /// Ends with an error.
    Fail(&'static str),
    /// A line for the module's log.
    Say(&'static str),
    /// Never ends.
    Spin,
}

impl Module {
    /// A reducer that anybody may call.
    pub fn with_reducer(mut self, name: &'static str, steps: Vec<Step>) -> Self {
        self.reducers.push(Reducer {
            name,
            lifecycle: None,
            steps,
        });
        self
    }
}

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
        let columns = columns(parts.next().expect("columns"));
        let row_type = row_type(&columns);
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

impl Table {
    /// Forgets the index of one column.
    pub fn drop_index(&mut self, column: &str) {
        let named = |element: &ProductTypeElement| element.name.as_deref() == Some(column);
        let position = self.row_type.elements.iter().position(named);
        let columns = vec![u16::try_from(position.expect("a column")).unwrap()];
        let of_column = RawIndexAlgorithm::BTree(columns);
        self.def
            .indexes
            .retain(|index| index.algorithm != of_column);
    }
}

impl View {
    /// `name sender|anonymous: column type, ...`
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once(':').expect("name and columns");
        let (name, kind) = head.split_once(' ').expect("name and kind");
        View {
            name: name.to_owned(),
            is_anonymous: kind == "anonymous",
            row_type: row_type(&columns(body)),
            rows: Vec::new(),
        }
    }
}

fn columns(text: &str) -> Vec<(&str, &str)> {
    text.split(',')
        .map(|column| column.trim().split_once(' ').expect("column and type"))
        .collect()
}

fn row_type(columns: &[(&str, &str)]) -> ProductType {
    let elements = columns.iter().map(|(name, ty)| ProductTypeElement {
        name: Some((*name).into()),
        algebraic_type: column_type(ty),
    });
    ProductType {
        elements: elements.collect(),
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

fn definition(module: &Module) -> Vec<u8> {
    let mut typespace = typespace();
    let named = |name: &str, ty| RawTypeDefV10 {
        source_name: RawScopedTypeNameV10 {
            scope: Vec::new(),
            source_name: name.into(),
        },
        ty,
        custom_ordering: true,
    };
    let mut types = vec![named("Colour", ENUM)];
    for table in &module.tables {
        let ty = typespace.add(AlgebraicType::Product(table.row_type.clone()));
        assert_eq!(ty, table.def.product_type_ref);
        types.push(named(&format!("{}Row{}", table.name, ty.0), ty));
    }
    let mut views = Vec::new();
    for view in &module.views {
        let ty = typespace.add(AlgebraicType::Product(view.row_type.clone()));
        types.push(named(&format!("{}Row{}", view.name, ty.0), ty));
        // Those with a sender and those without are numbered apart.
        let before = views
            .iter()
            .filter(|other: &&RawViewDefV10| other.is_anonymous == view.is_anonymous);
        views.push(RawViewDefV10 {
            source_name: view.name.as_str().into(),
            index: u32::try_from(before.count()).unwrap(),
            is_public: true,
            is_anonymous: view.is_anonymous,
            params: ProductType::default(),
            return_type: AlgebraicType::array(AlgebraicType::Ref(ty)),
        });
    }
    let rules = module.rules.iter().map(|sql| RawRowLevelSecurity {
        sql: sql.as_str().into(),
    });
    let reducers = module.reducers.iter().map(|reducer| RawReducerDefV10 {
        source_name: reducer.name.into(),
        params: ProductType::default(),
        visibility: match reducer.lifecycle {
            Some(_) => Visibility::Private,
            None => Visibility::ClientCallable,
        },
        ok_return_type: AlgebraicType::unit(),
        err_return_type: AlgebraicType::String,
    });
    let bound = module.reducers.iter().filter_map(|reducer| {
        Some(RawLifeCycleReducerDefV10 {
            lifecycle_spec: reducer.lifecycle?,
            function_name: reducer.name.into(),
        })
    });
    bsatn::to_vec(&RawModuleDef::V10(RawModuleDefV10 {
        sections: vec![
            Section::CaseConversionPolicy(CaseConversionPolicy::None),
            Section::Typespace(typespace),
            Section::Types(types),
            Section::Tables(
                module
                    .tables
                    .iter()
                    .map(|table| table.def.clone())
                    .collect(),
            ),
            Section::Reducers(reducers.collect()),
            Section::Views(views),
            Section::LifeCycleReducers(bound.collect()),
            Section::RowLevelSecurity(rules.collect()),
        ],
    }))
}

const I32: u8 = 0x7f;
const I64: u8 = 0x7e;
/// Where a call stores and finds numbers in memory; zero would be no place.
const SCRATCH: i64 = 4;
const DATA: usize = 16;

/// What a memory begins with.
struct Memory(Vec<u8>);

impl Memory {
    /// Puts bytes into it, and tells where.
    fn place(&mut self, bytes: &[u8]) -> i64 {
        let at = DATA + self.0.len();
        self.0.extend_from_slice(bytes);
        i64::try_from(at).unwrap()
    }
}

/// The program: `init` inserts the tables' rows once.
pub fn program(module: &Module) -> Vec<u8> {
    let mut module = module.clone();
    let rows = |table: &Table| {
        let name: &'static str = table.name.clone().leak();
        let rows = table.rows.iter();
        rows.map(|row| Step::Insert(name, row.clone()))
            .collect::<Vec<_>>()
    };
    module.reducers.push(Reducer {
        name: "init",
        lifecycle: Some(Lifecycle::Init),
        steps: module.tables.iter().flat_map(rows).collect(),
    });
    let definition = definition(&module);
    let mut memory = Memory(definition.clone());
    let mut describe = vec![0];
    store(&mut describe, SCRATCH, len(&definition));
    describe.extend([0x20, 0]);
    constants(&mut describe, &[i64::try_from(DATA).unwrap(), SCRATCH]);
    // bytes_sink_write(sink, definition, scratch)
    describe.extend([0x10, 0, 0x1a, 0x0b]);
    // One more variable, of the type i32: behind the ten parameters it is number 10.
    let mut call = vec![1, 1, I32];
    for (number, reducer) in (0..).zip(&module.reducers) {
        begin_if_function(&mut call, number);
        for step in &reducer.steps {
            add_step(&mut call, step, &mut memory);
        }
        constants(&mut call, &[0]);
        call.extend([0x0f, 0x0b]);
    }
    // There is no such reducer.
    constants(&mut call, &[3]);
    call.push(0x0b);
    let view = |is_anonymous: bool, memory: &mut Memory| {
        let mut code = vec![0];
        let views = module.views.iter();
        let views = views.filter(|view| view.is_anonymous == is_anonymous);
        for (number, view) in (0..).zip(views) {
            begin_if_function(&mut code, number);
            add_view(&mut code, view, memory);
            constants(&mut code, &[0]);
            code.extend([0x0f, 0x0b]);
        }
        constants(&mut code, &[3]);
        code.push(0x0b);
        code
    };
    let (of_senders, of_nobody) = (view(false, &mut memory), view(true, &mut memory));
    assemble(&[describe, call, of_senders, of_nobody], &memory.0)
}

/// `if the first parameter is number {`
fn begin_if_function(code: &mut Vec<u8>, number: i64) {
    code.extend([0x20, 0]);
    constants(code, &[number]);
    code.extend([0x46, 0x04, 0x40]);
}

fn add_step(code: &mut Vec<u8>, step: &Step, memory: &mut Memory) {
    match step {
        Step::Insert(table, row) => {
            add_table_id(code, table, memory);
            let row_at = memory.place(row);
            store(code, SCRATCH + 4, len(row));
            // datastore_insert_bsatn(*scratch, row, scratch + 4)
            load_table_id(code);
            constants(code, &[row_at, SCRATCH + 4]);
            code.extend([0x10, 2]);
            return_error(code);
        }
        Step::Delete(table, row) => {
            add_table_id(code, table, memory);
            let relation = [&1u32.to_le_bytes()[..], row].concat();
            let relation_at = memory.place(&relation);
            // datastore_delete_all_by_eq_bsatn(*scratch, relation, its length, scratch + 4)
            load_table_id(code);
            constants(code, &[relation_at, len(&relation), SCRATCH + 4]);
            code.extend([0x10, 3]);
            return_error(code);
        }
        Step::Fail(text) => {
            let text_at = memory.place(text.as_bytes());
            store(code, SCRATCH, len(text.as_bytes()));
            // bytes_sink_write(the tenth parameter, text, scratch)
            code.extend([0x20, 9]);
            constants(code, &[text_at, SCRATCH]);
            code.extend([0x10, 0, 0x1a]);
            constants(code, &[1]);
            code.push(0x0f);
        }
        Step::Say(text) => {
            let text_at = memory.place(text.as_bytes());
            // console_log(info, no target, no file, line 0, text)
            constants(code, &[2, 0, 0, 0, 0, 0, text_at, len(text.as_bytes())]);
            code.extend([0x10, 4]);
        }
        // loop { continue }
        Step::Spin => code.extend([0x03, 0x40, 0x0c, 0, 0x0b]),
    }
}

/// `table_id_from_name(name, its length, scratch)`
fn add_table_id(code: &mut Vec<u8>, table: &str, memory: &mut Memory) {
    let name = memory.place(table.as_bytes());
    constants(code, &[name, len(table.as_bytes()), SCRATCH]);
    code.extend([0x10, 1, 0x1a]);
}

fn load_table_id(code: &mut Vec<u8>) {
    constants(code, &[SCRATCH]);
    code.extend([0x28, 2, 0]);
}

/// `if the number is not zero: return it`
fn return_error(code: &mut Vec<u8>) {
    code.extend([0x22, 10, 0x04, 0x40, 0x20, 10, 0x0f, 0x0b]);
}

/// Writes the rows, those of the sender if there is one.
fn add_view(code: &mut Vec<u8>, view: &View, memory: &mut Memory) {
    let mut readers: Vec<u64> = view.rows.iter().map(|(reader, _)| *reader).collect();
    readers.sort_unstable();
    readers.dedup();
    let mut write = |code: &mut Vec<u8>, reader: Option<u64>, sink: u8| {
        let rows = view.rows.iter().filter(|(whose, _)| Some(*whose) == reader);
        let rows: Vec<&[u8]> = rows.map(|(_, row)| row.as_slice()).collect();
        let mut list = u32::try_from(rows.len()).unwrap().to_le_bytes().to_vec();
        list.extend(rows.concat());
        let at = memory.place(&list);
        store(code, SCRATCH, len(&list));
        code.extend([0x20, sink]);
        constants(code, &[at, SCRATCH]);
        code.extend([0x10, 0, 0x1a]);
    };
    if view.is_anonymous {
        write(code, readers.first().copied(), 2);
        return;
    }
    for reader in readers {
        // if the first eight bytes of the sender are these
        code.extend([0x20, 1, 0x42]);
        signed_number(code, i64::from_le_bytes(reader.to_le_bytes()));
        code.extend([0x51, 0x04, 0x40]);
        write(code, Some(reader), 6);
        constants(code, &[0]);
        code.extend([0x0f, 0x0b]);
    }
    write(code, None, 6);
}

fn assemble(functions: &[Vec<u8>; 4], memory: &[u8]) -> Vec<u8> {
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    let reducer = [I32, I64, I64, I64, I64, I64, I64, I64, I32, I32];
    section(
        &mut wasm,
        1,
        &[
            function_type(&[I32, I32, I32], &[I32]),
            function_type(&[I32], &[]),
            function_type(&reducer, &[I32]),
            function_type(&[I32, I32, I32, I32], &[I32]),
            function_type(&[I32, I64, I64, I64, I64, I32, I32], &[I32]),
            function_type(&[I32; 8], &[]),
        ],
    );
    let import = |(name, ty): (&str, u8)| {
        let mut out = text("spacetime_10.0");
        out.extend(text(name));
        out.extend([0, ty]);
        out
    };
    let imports = [
        ("bytes_sink_write", 0),
        ("table_id_from_name", 0),
        ("datastore_insert_bsatn", 0),
        ("datastore_delete_all_by_eq_bsatn", 3),
        ("console_log", 5),
    ];
    section(&mut wasm, 2, &imports.map(import));
    section(&mut wasm, 3, &[vec![1], vec![2], vec![4], vec![0]]);
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
            export("__describe_module__", 0, 5),
            export("__call_reducer__", 0, 6),
            export("__call_view__", 0, 7),
            export("__call_view_anon__", 0, 8),
        ],
    );
    let bodies: Vec<Vec<u8>> = functions.iter().map(|code| sized(code)).collect();
    section(&mut wasm, 10, &bodies);
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

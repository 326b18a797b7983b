//! Rust's identifiers.

use crate::case::{pascal_case, pascal_path, snake_case};
use crate::model::{Column, Field, Function, Integer, Module, NamedType, Table, Ty};

/// Words that cannot be identifiers, in any edition up to 2024.
const KEYWORDS: [&str; 52] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield", "Self", "self", "super", "crate",
];

/// Keywords that cannot even be raw identifiers.
const NEVER_RAW: [&str; 5] = ["Self", "self", "super", "crate", "_"];

/// Types and traits of the standard library that generated code needs by their short names or for
/// their methods, also what the client crate's derives make; a type of that name would hide them.
const NEEDED_ITEMS: [&str; 14] = [
    "Box", "Clone", "Default", "FnMut", "FnOnce", "From", "Into", "Iterator", "Option", "Result",
    "Send", "String", "TryFrom", "Vec",
];

/// What every root has.
const ROOT_ITEMS: [&str; 15] = [
    "AppliedDiff",
    "DbConnection",
    "DbUpdate",
    "ErrorContext",
    "EventContext",
    "ProcedureEventContext",
    "Reducer",
    "ReducerEventContext",
    "RemoteDbContext",
    "RemoteModule",
    "RemoteProcedures",
    "RemoteReducers",
    "RemoteTables",
    "SubscriptionEventContext",
    "SubscriptionHandle",
];

/// What every submodule has.
const SUBMODULE_ITEMS: [&str; 4] = ["Procedures", "QueryTables", "Reducers", "Tables"];

/// Names in lower case that generated code takes for types and crates.
const NEEDED_LOWER_CASE: [&str; 19] = [
    "bool", "char", "core", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "std", "str",
    "u8", "u16", "u32", "u64", "u128", "usize",
];

/// `name`, made an identifier if it is a keyword.
pub(super) fn escape(name: String) -> String {
    if NEVER_RAW.contains(&name.as_str()) {
        format!("{name}_")
    } else if KEYWORDS.contains(&name.as_str()) {
        format!("r#{name}")
    } else if name.is_empty() {
        // A name of underscores alone has no words.
        "__".to_owned()
    } else {
        name
    }
}

/// A name in snake case.
pub(super) fn snake(name: &str) -> String {
    escape(snake_case(name))
}

/// A name in Pascal case.
pub(super) fn pascal(name: &str) -> String {
    escape(pascal_path(&[name]))
}

/// The file, without extension, or directory of a submodule.
pub(super) fn module_file(segment: &str) -> String {
    let name = snake_case(segment);
    // `mod` would be the parent's own file.
    if KEYWORDS.contains(&name.as_str()) {
        format!("{name}_")
    } else {
        name
    }
}

/// A type that would hide something that the bindings need gets `_` at its end: no other type
/// has that, since words are put together without it.
pub(super) fn type_name(module: &Module, ty: &NamedType) -> String {
    let name = escape(pascal_path(&ty.segments));
    let items: &[&str] = match module.path.is_empty() {
        true => &ROOT_ITEMS,
        false => &SUBMODULE_ITEMS,
    };
    let is_needed = items.iter().chain(&NEEDED_ITEMS).any(|item| *item == name);
    if is_needed { format!("{name}_") } else { name }
}

/// A name that is put together from another, unless the module has a type of that name.
pub(super) fn composed(module: &Module, name: String) -> String {
    if has_type(module, &name) {
        format!("{name}_")
    } else {
        name
    }
}

fn has_type(module: &Module, name: &str) -> bool {
    module.types.iter().any(|ty| type_name(module, ty) == name)
}

/// What begins with a table's name and ends with `suffix`.
pub(super) fn of_table(module: &Module, table: &Table, suffix: &str) -> String {
    composed(module, format!("{}{suffix}", pascal_case(&table.accessor)))
}

/// The struct that gives access to a table's rows.
pub(super) fn table_handle(module: &Module, table: &Table) -> String {
    of_table(module, table, "TableHandle")
}

/// The struct of a function's arguments.
pub(super) fn function_args(module: &Module, function: &Function) -> String {
    composed(module, format!("{}Args", pascal_case(&function.accessor)))
}

/// The trait with a function's methods. Applications import it with everything else, so what
/// counts is that its name hides nothing.
pub(super) fn function_trait(module: &Module, function: &Function) -> String {
    let name = snake(&function.accessor);
    let is_file = files(module).contains(&name);
    if is_file || NEEDED_LOWER_CASE.contains(&name.as_str()) {
        format!("{}_", name.trim_start_matches("r#"))
    } else {
        name
    }
}

/// All files and directories of a module, without extension, in no order.
pub(super) fn files(module: &Module) -> Vec<String> {
    let mut files: Vec<String> = module.types.iter().map(type_file).collect();
    files.extend(module.tables.iter().map(table_file));
    files.extend(module.reducers.iter().map(reducer_file));
    files.extend(module.procedures.iter().map(procedure_file));
    let segments = module.submodules.iter().filter_map(|sub| sub.path.last());
    files.extend(segments.map(|segment| module_file(segment)));
    files
}

/// The file of a type, without extension.
pub(super) fn type_file(ty: &NamedType) -> String {
    let segments: Vec<String> = ty.segments.iter().map(|name| snake_case(name)).collect();
    format!("{}_type", segments.join("_"))
}

pub(super) fn table_file(table: &Table) -> String {
    format!("{}_table", snake_case(&table.accessor))
}

pub(super) fn reducer_file(reducer: &Function) -> String {
    format!("{}_reducer", snake_case(&reducer.accessor))
}

pub(super) fn procedure_file(procedure: &Function) -> String {
    format!("{}_procedure", snake_case(&procedure.accessor))
}

pub(super) fn row_type(module: &Module, table: &Table) -> String {
    type_name(module, module.named(table.row))
}

pub(super) fn column(column: &Column) -> String {
    snake(&column.accessor)
}

/// The field of a table in `DbUpdate`: two underscores never occur inside a table's own name.
pub(super) fn update_field(module: &Module, table: &Table) -> String {
    let mut segments: Vec<String> = module.path.iter().map(|name| snake_case(name)).collect();
    segments.push(snake_case(&table.accessor));
    escape(segments.join("__"))
}

/// The variant of a reducer in `enum Reducer`.
pub(super) fn reducer_variant(module: &Module, reducer: &Function) -> String {
    let path = pascal_path(&module.path);
    escape(format!("{path}{}", pascal_path(&[&reducer.accessor])))
}

/// `item`, which lies in `module`, as seen from the root's `mod.rs`.
pub(super) fn from_root(module: &Module, item: &str) -> String {
    let segments = module.path.iter().map(|segment| module_file(segment));
    segments
        .chain([item.to_owned()])
        .collect::<Vec<_>>()
        .join("::")
}

/// A type as it is written where the named types are in scope, `prefix` in front of them.
pub(super) fn ty(module: &Module, ty: &Ty, prefix: &str) -> String {
    let nested = |inner: &Ty| self::ty(module, inner, prefix);
    match ty {
        Ty::Unit => "()".to_owned(),
        Ty::Never => "std::convert::Infallible".to_owned(),
        Ty::Bool => "bool".to_owned(),
        Ty::Integer(integer) => integer_type(*integer),
        Ty::F32 => "f32".to_owned(),
        Ty::F64 => "f64".to_owned(),
        Ty::String => "String".to_owned(),
        Ty::Bytes => "Vec<u8>".to_owned(),
        Ty::Array(element) => format!("Vec<{}>", nested(element)),
        Ty::Option(some) => format!("Option<{}>", nested(some)),
        Ty::Result(ok, err) => format!("Result<{}, {}>", nested(ok), nested(err)),
        Ty::Identity => "__sdk::Identity".to_owned(),
        Ty::ConnectionId => "__sdk::ConnectionId".to_owned(),
        Ty::Timestamp => "__sdk::Timestamp".to_owned(),
        Ty::TimeDuration => "__sdk::TimeDuration".to_owned(),
        Ty::Uuid => "__sdk::Uuid".to_owned(),
        Ty::ScheduleAt => "__sdk::ScheduleAt".to_owned(),
        Ty::Named(position) => format!("{prefix}{}", type_name(module, module.named(*position))),
    }
}

fn integer_type(integer: Integer) -> String {
    let letter = if integer.is_signed { 'i' } else { 'u' };
    let path = if integer.bits == 256 { "__sats::" } else { "" };
    format!("{path}{letter}{}", integer.bits)
}

/// `use super::T_type::T;` for every named type in `types`, in order, each once. `skip` is the
/// type that the file itself defines.
pub(super) fn imports<'t>(
    module: &Module,
    types: impl IntoIterator<Item = &'t Ty>,
    skip: Option<usize>,
) -> Vec<String> {
    let mut positions = Vec::new();
    for ty in types {
        ty.each_named(&mut |position| positions.push(position));
    }
    positions.sort_unstable();
    positions.dedup();
    positions.retain(|position| Some(*position) != skip);
    let import = |position: &usize| {
        let ty = module.named(*position);
        let name = type_name(module, ty);
        format!("use super::{}::{name};", type_file(ty))
    };
    positions.iter().map(import).collect()
}

/// `a: A, b: B`, with `, ` in front if there is any.
pub(super) fn parameters(module: &Module, params: &[Field]) -> String {
    let parameter =
        |param: &Field| format!(", {}: {}", snake(&param.name), ty(module, &param.ty, ""));
    params.iter().map(parameter).collect()
}

/// `a, b`.
pub(super) fn arguments(params: &[Field]) -> String {
    let names: Vec<String> = params.iter().map(|param| snake(&param.name)).collect();
    names.join(", ")
}

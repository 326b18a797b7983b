//! TypeScript's identifiers and type builders.
//!
//! Reserved words need no escape as they are: they are keys of objects, where any name is fine;
//! names that are bound by themselves are in Pascal case, which no reserved word is.

use crate::case::{camel_case, pascal_path, quoted, snake_case};
use crate::model::{Function, Integer, Module, NamedType, Table, Ty};

/// A string literal.
pub(super) fn string(text: &str) -> String {
    quoted(text).replace('"', "'")
}

/// A key in camel case.
pub(super) fn key(name: &str) -> String {
    let key = camel_case(name);
    match key.as_str() {
        // Setting this key would set the object's prototype.
        "" | "__proto__" => format!("_{name}"),
        _ => key,
    }
}

pub(super) fn type_name(ty: &NamedType) -> String {
    pascal_path(&ty.segments)
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

/// The client library makes the key of a function out of its name on the wire.
pub(super) fn function_key(function: &Function) -> String {
    let name = &function.wire_name;
    let mut key = String::with_capacity(name.len());
    let mut after_separator = false;
    for character in name.chars() {
        if character == '_' || character == '-' {
            if after_separator && key.is_empty() {
                continue;
            }
            after_separator = true;
        } else if std::mem::take(&mut after_separator) {
            if character.is_ascii_alphanumeric() {
                key.push(character.to_ascii_uppercase());
            } else {
                key.push('_');
                key.push(character);
            }
        } else {
            key.push(character);
        }
    }
    let mut characters = key.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => key,
    }
}

/// The key of a table inside the schema: dotted for submodules.
pub(super) fn table_key(module: &Module, table: &Table) -> String {
    let mut segments = module.path.clone();
    segments.push(key(&table.accessor));
    segments.join(".")
}

/// A key of an object literal or type: quoted if it is not an identifier.
pub(super) fn literal_key(key: &str) -> String {
    let is_identifier = !key.is_empty() && !key.contains(['.', '-', ' ']);
    if is_identifier {
        key.to_owned()
    } else {
        string(key)
    }
}

/// The expression that builds a type.
pub(super) fn builder(module: &Module, ty: &Ty) -> String {
    match ty {
        Ty::Unit => "__t.unit()".to_owned(),
        // The library has no builder for it; a sum without variants is what it is.
        Ty::Never => "__t.enum('Never', {})".to_owned(),
        Ty::Bool => "__t.bool()".to_owned(),
        Ty::Integer(integer) => format!("__t.{}()", integer_name(*integer)),
        Ty::F32 => "__t.f32()".to_owned(),
        Ty::F64 => "__t.f64()".to_owned(),
        Ty::String => "__t.string()".to_owned(),
        Ty::Bytes => "__t.byteArray()".to_owned(),
        Ty::Array(element) => format!("__t.array({})", builder(module, element)),
        Ty::Option(some) => format!("__t.option({})", builder(module, some)),
        Ty::Result(ok, err) => {
            format!(
                "__t.result({}, {})",
                builder(module, ok),
                builder(module, err)
            )
        }
        Ty::Identity => "__t.identity()".to_owned(),
        Ty::ConnectionId => "__t.connectionId()".to_owned(),
        Ty::Timestamp => "__t.timestamp()".to_owned(),
        Ty::TimeDuration => "__t.timeDuration()".to_owned(),
        Ty::Uuid => "__t.uuid()".to_owned(),
        Ty::ScheduleAt => "__t.scheduleAt()".to_owned(),
        Ty::Named(position) => type_name(module.named(*position)),
    }
}

fn integer_name(integer: Integer) -> String {
    let letter = if integer.is_signed { 'i' } else { 'u' };
    format!("{letter}{}", integer.bits)
}

/// `import { A, B } from './types';` for the named types in `types`, if there are any.
pub(super) fn import_types<'t>(
    module: &Module,
    types: impl IntoIterator<Item = &'t Ty>,
    from: &str,
) -> Option<String> {
    let mut positions = Vec::new();
    for ty in types {
        ty.each_named(&mut |position| positions.push(position));
    }
    positions.sort_unstable();
    positions.dedup();
    if positions.is_empty() {
        return None;
    }
    let names: Vec<String> = positions
        .iter()
        .map(|position| format!("  {},\n", type_name(module.named(*position))))
        .collect();
    Some(format!(
        "import {{\n{}}} from {};",
        names.concat(),
        string(from)
    ))
}

//! The TypeScript types of values, for types in cycles, where they cannot be inferred.

use super::names;
use crate::case::pascal_path;
use crate::code::Code;
use crate::model::{Module, NamedType, Shape, Ty};

/// The type of values of `ty`.
pub(super) fn value(module: &Module, ty: &Ty) -> String {
    match ty {
        Ty::Unit => "{}".to_owned(),
        Ty::Never => "never".to_owned(),
        Ty::Bool => "boolean".to_owned(),
        Ty::Integer(integer) if integer.bits >= 64 => "bigint".to_owned(),
        Ty::Integer(_) | Ty::F32 | Ty::F64 => "number".to_owned(),
        Ty::String => "string".to_owned(),
        Ty::Bytes => "Uint8Array".to_owned(),
        // Not `Array<..>`: the module may have a type of that name.
        Ty::Array(element) => match (&**element, value(module, element)) {
            (Ty::Option(_) | Ty::Result(..), element) => format!("({element})[]"),
            (_, element) => format!("{element}[]"),
        },
        Ty::Option(some) => format!("{} | undefined", value(module, some)),
        Ty::Result(ok, err) => {
            format!(
                "{{ ok: {} }} | {{ err: {} }}",
                value(module, ok),
                value(module, err)
            )
        }
        Ty::Identity => "__Identity".to_owned(),
        Ty::ConnectionId => "__ConnectionId".to_owned(),
        Ty::Timestamp => "__Timestamp".to_owned(),
        Ty::TimeDuration => "__TimeDuration".to_owned(),
        Ty::Uuid => "__Uuid".to_owned(),
        Ty::ScheduleAt => "__ScheduleAt".to_owned(),
        Ty::Named(position) => names::type_name(module.named(*position)),
    }
}

/// `export type`, written out.
pub(super) fn declare(code: &mut Code, module: &Module, ty: &NamedType) {
    let name = names::type_name(ty);
    match &ty.shape {
        Shape::Product(fields) => {
            code.line(format_args!("export type {name} = {{"));
            for field in fields {
                // Options may be left out.
                let mark = if matches!(field.ty, Ty::Option(_)) {
                    "?"
                } else {
                    ""
                };
                let value = value(module, &field.ty);
                code.line(format_args!(
                    "  {}{mark}: {value};",
                    names::key(&field.name)
                ));
            }
            code.line("};");
        }
        Shape::Sum(variants) => {
            code.line(format_args!("export type {name} ="));
            for (position, variant) in variants.iter().enumerate() {
                let tag = names::string(&pascal_path(&[&variant.name]));
                let end = if position + 1 == variants.len() {
                    ";"
                } else {
                    ""
                };
                if variant.ty == Ty::Unit {
                    code.line(format_args!("  | {{ tag: {tag} }}{end}"));
                } else {
                    let value = value(module, &variant.ty);
                    code.line(format_args!("  | {{ tag: {tag}; value: {value} }}{end}"));
                }
            }
        }
        Shape::PlainEnum(_) => unreachable!("a type without parts is no part of itself"),
    }
}

/// What `value` may need of the library for the recursive types.
pub(super) fn imports(module: &Module, recursive: &[bool]) -> Vec<&'static str> {
    let mut imports = Vec::new();
    for (ty, _) in module
        .types
        .iter()
        .zip(recursive)
        .filter(|(_, recursive)| **recursive)
    {
        if let Shape::Product(fields) | Shape::Sum(fields) = &ty.shape {
            for field in fields {
                collect(&field.ty, &mut imports);
            }
        }
    }
    imports.sort_unstable();
    imports.dedup();
    imports
}

fn collect(ty: &Ty, imports: &mut Vec<&'static str>) {
    match ty {
        Ty::Identity => imports.push("type Identity"),
        Ty::ConnectionId => imports.push("type ConnectionId"),
        Ty::Timestamp => imports.push("type Timestamp"),
        Ty::TimeDuration => imports.push("type TimeDuration"),
        Ty::Uuid => imports.push("type Uuid"),
        Ty::ScheduleAt => imports.push("type ScheduleAt"),
        Ty::Array(inner) | Ty::Option(inner) => collect(inner, imports),
        Ty::Result(ok, err) => {
            collect(ok, imports);
            collect(err, imports);
        }
        _ => {}
    }
}

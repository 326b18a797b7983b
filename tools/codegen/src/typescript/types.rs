//! `types.ts`: the named types of a module.
//!
//! A part whose type mentions a named type is a getter, so that neither order nor cycles matter.
//! In a cycle TypeScript cannot infer types; there they are written out.

use super::{Context, names, values};
use crate::GenerateError;
use crate::case::pascal_path;
use crate::code::{Code, Files};
use crate::model::{Field, Module, NamedType, Shape, Ty};

pub(super) fn generate(context: Context<'_>, files: &mut Files) -> Result<(), GenerateError> {
    let module = context.module;
    let positions = 0..module.types.len();
    let recursive: Vec<bool> = positions
        .map(|position| is_recursive(module, position))
        .collect();
    let mut imports = vec![
        "t",
        "type Infer",
        "type TypeBuilder",
        "type AlgebraicTypeType",
    ];
    imports.extend(values::imports(module, &recursive));
    let code = context.file(&imports, |code| {
        for (ty, is_recursive) in module.types.iter().zip(&recursive) {
            code.blank();
            named_type(code, module, ty, *is_recursive);
        }
        if module.types.is_empty() {
            code.line("export {};");
        }
    });
    files.add(format!("{}types.ts", context.directory()), code)
}

/// The builder of a type, and the type of its values.
fn named_type(code: &mut Code, module: &Module, ty: &NamedType, is_recursive: bool) {
    let name = names::type_name(ty);
    let quoted = names::string(&name);
    match &ty.shape {
        Shape::Product(fields) => {
            let head = format!("export const {name} = __t.object({quoted}, ");
            members(code, module, &head, is_recursive, fields, names::key);
        }
        Shape::Sum(variants) => {
            let head = format!("export const {name} = __t.enum({quoted}, ");
            members(code, module, &head, is_recursive, variants, |name| {
                pascal_path(&[name])
            });
        }
        Shape::PlainEnum(variants) => {
            code.line(format_args!("export const {name} = __t.enum({quoted}, {{"));
            for variant in variants {
                code.line(format_args!("  {}: __t.unit(),", pascal_path(&[variant])));
            }
            code.line("});");
        }
    }
    if is_recursive {
        values::declare(code, module, ty);
    } else {
        code.line(format_args!("export type {name} = __Infer<typeof {name}>;"));
    }
}

/// Whether the type is a part of itself, however deep.
fn is_recursive(module: &Module, position: usize) -> bool {
    let mut pending = parts(module, position);
    let mut seen = vec![false; module.types.len()];
    while let Some(part) = pending.pop() {
        if part == position {
            return true;
        }
        if !std::mem::replace(&mut seen[part], true) {
            pending.extend(parts(module, part));
        }
    }
    false
}

/// The named types that a named type mentions.
fn parts(module: &Module, position: usize) -> Vec<usize> {
    let mut parts = Vec::new();
    if let Shape::Product(fields) | Shape::Sum(fields) = &module.named(position).shape {
        for field in fields {
            field.ty.each_named(&mut |part| parts.push(part));
        }
    }
    parts
}

fn members(
    code: &mut Code,
    module: &Module,
    head: &str,
    is_recursive: bool,
    fields: &[Field],
    key: impl Fn(&str) -> String,
) {
    code.line(format_args!("{head}{{"));
    code.indented(|code| {
        for field in fields {
            let key = key(&field.name);
            let builder = names::builder(module, &field.ty);
            if !field.ty.mentions_named() {
                code.line(format_args!("{key}: {builder},"));
                continue;
            }
            let returns = if is_recursive {
                let value = values::value(module, &field.ty);
                // The cast is for the type alone: options and the like have richer builders.
                format!(": __TypeBuilder<{value}, __AlgebraicTypeType>")
            } else {
                String::new()
            };
            code.block_with(format_args!("get {key}(){returns}"), "},", |code| {
                code.line(format_args!("return {builder};"));
            });
        }
    });
    code.line("});");
}

/// The parameters of a function or the fields of a row: an object of builders.
pub(super) fn builder_object(
    code: &mut Code,
    head: &str,
    tail: &str,
    fields: impl Iterator<Item = (String, String, bool)>,
) {
    code.line(format_args!("{head}{{"));
    code.indented(|code| {
        for (key, builder, mentions_named) in fields {
            if mentions_named {
                code.block_with(format_args!("get {key}()"), "},", |code| {
                    code.line(format_args!("return {builder};"));
                });
            } else {
                code.line(format_args!("{key}: {builder},"));
            }
        }
    });
    code.line(tail);
}

/// Parameters as [`builder_object`] takes them.
pub(super) fn parameter_fields<'a>(
    module: &'a Module,
    params: &'a [Field],
) -> impl Iterator<Item = (String, String, bool)> + 'a {
    params.iter().map(|param| {
        let builder = names::builder(module, &param.ty);
        (names::key(&param.name), builder, param.ty.mentions_named())
    })
}

/// Types of the parameters.
pub(super) fn parameter_types(params: &[Field]) -> impl Iterator<Item = &Ty> {
    params.iter().map(|param| &param.ty)
}

//! Named types.

use super::{Context, braces, names};
use crate::GenerateError;
use crate::case::quoted;
use crate::code::{Code, Files};
use crate::model::{Field, Module, NamedType, Shape};

pub(super) fn generate(context: Context<'_>, files: &mut Files) -> Result<(), GenerateError> {
    for ty in &context.module.types {
        let name = names::type_name(context.module, ty);
        let code = context.file(&[], |code| named_type(code, context.module, &name, ty));
        files.add(format!("Types/{name}.g.cs"), code)?;
    }
    Ok(())
}

fn named_type(code: &mut Code, module: &Module, name: &str, ty: &NamedType) {
    code.line("[SpacetimeDB.Type]");
    match &ty.shape {
        Shape::Product(fields) => {
            code.line("[DataContract]");
            let head = format!("public sealed partial class {name}");
            braces(code, head, |code| record_body(code, module, name, fields));
        }
        Shape::PlainEnum(variants) => {
            braces(code, format_args!("public enum {name}"), |code| {
                for variant in variants {
                    code.line(format_args!("{},", names::pascal(variant)));
                }
            });
        }
        Shape::Sum(variants) => tagged_enum(code, module, name, variants),
    }
}

/// Fields with the attributes that serialisers of other formats read, and the constructors.
pub(super) fn record_body(code: &mut Code, module: &Module, class: &str, fields: &[Field]) {
    for field in fields {
        code.line(format_args!("[DataMember(Name = {})]", quoted(&field.name)));
        code.line(format_args!(
            "public {} {};",
            names::ty(module, &field.ty),
            names::member(class, &field.name)
        ));
    }
    if fields.is_empty() {
        return;
    }
    code.blank();
    constructor(code, class, &names::parameters(module, fields), fields);
    code.blank();
    braces(code, format_args!("public {class}()"), |code| {
        for field in fields {
            if let Some(value) = names::initial_value(module, &field.ty) {
                let member = names::member(class, &field.name);
                code.line(format_args!("this.{member} = {value};"));
            }
        }
    });
}

fn constructor(code: &mut Code, class: &str, parameters: &str, fields: &[Field]) {
    braces(code, format_args!("public {class}({parameters})"), |code| {
        for field in fields {
            code.line(format_args!(
                "this.{} = {};",
                names::member(class, &field.name),
                names::parameter(&field.name)
            ));
        }
    });
}

fn tagged_enum(code: &mut Code, module: &Module, name: &str, variants: &[Field]) {
    let mut parts: Vec<String> = variants
        .iter()
        .map(|variant| {
            let ty = names::ty(module, &variant.ty);
            format!("{ty} {}", names::part(names::member(name, &variant.name)))
        })
        .collect();
    // A tuple has two parts at least.
    for position in parts.len()..2 {
        parts.push(format!("SpacetimeDB.Unit _Reserved{position}"));
    }
    code.line(format_args!(
        "public partial record {name} : SpacetimeDB.TaggedEnum<("
    ));
    code.indented(|code| code.line(parts.join(",\n")));
    code.line(")>;");
}

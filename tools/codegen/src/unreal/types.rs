//! Named types: structs and enums; sums with data are in `unions`.

use std::collections::BTreeMap;

use super::names::{member, property};
use super::unions::{Union, union};
use super::wrappers::Wrappers;
use super::{Context, Names, braces, header};
use crate::GenerateError;
use crate::code::{Code, Files};
use crate::model::{Field, Module, NamedType, Shape};

/// Notes what the types use of options, results and arrays.
pub(super) fn note(context: Context<'_>, wrappers: &mut Wrappers) -> Result<(), GenerateError> {
    let Context { names, module } = context;
    for ty in &module.types {
        if let Shape::Product(fields) | Shape::Sum(fields) = &ty.shape {
            for field in fields {
                wrappers.note(names, module, &field.ty)?;
            }
        }
    }
    Ok(())
}

pub(super) fn generate(
    context: Context<'_>,
    wrappers: &Wrappers,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let Context { names, module } = context;
    for (position, ty) in module.types.iter().enumerate() {
        if let Shape::Product(fields) | Shape::Sum(fields) = &ty.shape
            && fields.iter().any(|field| module.holds(&field.ty, position))
        {
            return Err(holds_itself(&names.bare_type(module, ty)));
        }
        let name = names.bare_type(module, ty);
        let path = format!("Public/ModuleBindings/Types/{name}Type.g.h");
        files.add(path, type_file(context, wrappers, ty, &name))?;
    }
    Ok(())
}

fn holds_itself(name: &str) -> GenerateError {
    GenerateError::Unsupported {
        place: format!("the type `{name}`"),
        ty: "itself",
        language: "Unreal",
    }
}

/// The header of each type, and those that it includes.
pub(super) fn includes(context: Context<'_>) -> Vec<(String, Vec<String>)> {
    let Context { names, module } = context;
    let one = |ty: &NamedType| {
        let own = names.type_header(module, ty);
        let includes = field_includes(context, ty, &own);
        (own, includes)
    };
    module.types.iter().map(one).collect()
}

fn field_includes(context: Context<'_>, ty: &NamedType, own: &str) -> Vec<String> {
    let Context { names, module } = context;
    let fields: &[Field] = match &ty.shape {
        Shape::Product(fields) | Shape::Sum(fields) => fields,
        Shape::PlainEnum(_) => &[],
    };
    let mut includes = names.all_includes(module, fields.iter().map(|field| &field.ty));
    // An array of the type itself needs nothing.
    includes.retain(|include| *include != own);
    includes
}

/// Unreal's tools refuse headers that include each other, and C++ could not read them either.
pub(super) fn refuse_circles(headers: Vec<(String, Vec<String>)>) -> Result<(), GenerateError> {
    let mut open: BTreeMap<String, Vec<String>> = headers.into_iter().collect();
    loop {
        let done: Vec<String> = open
            .iter()
            .filter(|(_, needs)| !needs.iter().any(|need| open.contains_key(need)))
            .map(|(header, _)| header.clone())
            .collect();
        if done.is_empty() {
            break;
        }
        for header in done {
            open.remove(&header);
        }
    }
    // What is left leads into a circle; going on often enough ends inside of it.
    let Some(mut at) = open.keys().next() else {
        return Ok(());
    };
    let next = |header: &String| {
        let needs = open.get(header).into_iter().flatten();
        needs.filter_map(|need| open.get_key_value(need)).next()
    };
    for _ in 0..open.len() {
        at = next(at).map_or(at, |(header, _)| header);
    }
    for _ in 0..open.len() {
        if at.contains("/Types/") {
            break;
        }
        at = next(at).map_or(at, |(header, _)| header);
    }
    let file = at.rsplit('/').next().unwrap_or(at);
    Err(holds_itself(file.strip_suffix("Type.g.h").unwrap_or(file)))
}

fn type_file(context: Context<'_>, wrappers: &Wrappers, ty: &NamedType, name: &str) -> Code {
    let Context { names, module } = context;
    let own = names.type_header(module, ty);
    let mut includes = field_includes(context, ty, &own);
    if matches!(ty.shape, Shape::Sum(_)) {
        includes.push("Kismet/BlueprintFunctionLibrary.h".to_owned());
    }
    let mut code = header(&includes, Some(&format!("{name}Type")));
    let full = names.type_name(module, ty);
    match &ty.shape {
        Shape::Product(fields) => {
            record(&mut code, names, module, &full, fields);
            registration(&mut code, wrappers, &full, fields);
        }
        Shape::PlainEnum(variants) => {
            plain_enum(&mut code, &full, variants);
            code.blank();
            braces(&mut code, "namespace UE::SpacetimeDB", "}", |code| {
                wrappers.enable_array(code, &full);
                code.line(format_args!("UE_SPACETIMEDB_ENUM({full});"));
            });
        }
        Shape::Sum(variants) => {
            let of_type = Union {
                bare: name,
                full: &full,
                variants,
                is_in_arrays: wrappers.has_arrays_of(&full),
            };
            union(&mut code, context, &of_type);
        }
    }
    code
}

pub(super) fn plain_enum(code: &mut Code, full: &str, variants: &[String]) {
    code.line("UENUM(BlueprintType)");
    braces(
        code,
        format_args!("enum class {full} : uint8"),
        "};",
        |code| {
            for variant in variants {
                code.line(format_args!("{},", member(variant)));
            }
        },
    );
}

/// A struct with its comparison and hash.
pub(super) fn record(
    code: &mut Code,
    names: &Names,
    module: &Module,
    full: &str,
    fields: &[Field],
) {
    let api = names.api();
    code.line("USTRUCT(BlueprintType)");
    braces(code, format_args!("struct {api} {full}"), "};", |code| {
        code.line("GENERATED_BODY()");
        for field in fields {
            code.blank();
            if let Some(property) = property(&field.ty) {
                code.line(property);
            }
            let ty = names.ty(module, &field.ty);
            code.line(format_args!("{ty} {}{{}};", member(&field.name)));
        }
        code.blank();
        equality(code, full, &member_names(fields));
    });
    code.blank();
    let parameter = if fields.is_empty() { "" } else { " Value" };
    let head = format!("FORCEINLINE uint32 GetTypeHash(const {full}&{parameter})");
    braces(code, head, "}", |code| {
        code.line("uint32 Hash = 0;");
        for name in member_names(fields) {
            code.line(format_args!(
                "Hash = HashCombine(Hash, GetTypeHash(Value.{name}));"
            ));
        }
        code.line("return Hash;");
    });
}

/// Tells the plugin the fields, in their order on the wire.
pub(super) fn registration(code: &mut Code, wrappers: &Wrappers, full: &str, fields: &[Field]) {
    code.blank();
    braces(code, "namespace UE::SpacetimeDB", "}", |code| {
        wrappers.enable_array(code, full);
        if fields.is_empty() {
            code.line(format_args!("UE_SPACETIMEDB_STRUCT_EMPTY({full});"));
        } else {
            let members = member_names(fields).join(", ");
            code.line(format_args!("UE_SPACETIMEDB_STRUCT({full}, {members});"));
        }
    });
}

fn member_names(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| member(&field.name)).collect()
}

fn equality(code: &mut Code, full: &str, members: &[String]) {
    let parameter = if members.is_empty() { "" } else { " Other" };
    let head = format!("FORCEINLINE bool operator==(const {full}&{parameter}) const");
    braces(code, head, "}", |code| {
        if members.is_empty() {
            code.line("return true;");
            return;
        }
        let same: Vec<String> = members
            .iter()
            .map(|name| format!("{name} == Other.{name}"))
            .collect();
        code.line(format_args!("return {};", same.join("\n    && ")));
    });
    code.blank();
    let head = format!("FORCEINLINE bool operator!=(const {full}& Other) const");
    braces(code, head, "}", |code| {
        code.line("return !(*this == Other);");
    });
}

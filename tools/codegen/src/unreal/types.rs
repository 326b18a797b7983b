//! Named types, and the wrappers for options and results that they use.

use std::collections::BTreeMap;

use super::names::{member, property};
use super::{Context, Names, braces, header};
use crate::GenerateError;
use crate::case::pascal_case;
use crate::code::{Code, Files};
use crate::model::{Field, Module, NamedType, Shape, Ty};

/// Options and results in use, by the name of their header.
#[derive(Debug, Default)]
pub(super) struct Wrappers {
    files: BTreeMap<String, (String, Vec<Field>, Module)>,
}

impl Wrappers {
    /// Notes all options and results in `ty`.
    pub fn note(&mut self, names: &Names, module: &Module, ty: &Ty) {
        let field = |name: &str, ty: &Ty| Field {
            name: name.to_owned(),
            ty: ty.clone(),
        };
        let (folder, fields) = match ty {
            Ty::Array(element) => return self.note(names, module, element),
            Ty::Option(some) => {
                self.note(names, module, some);
                (
                    "Optionals",
                    vec![field("has_value", &Ty::Bool), field("value", some)],
                )
            }
            Ty::Result(ok, err) => {
                self.note(names, module, ok);
                self.note(names, module, err);
                let fields = vec![
                    field("is_ok", &Ty::Bool),
                    field("ok_value", ok),
                    field("err_value", err),
                ];
                ("Results", fields)
            }
            _ => return,
        };
        let name = format!("{}{}", names.module, names.label(module, ty));
        let entry = (folder.to_owned(), fields, module.clone());
        self.files.entry(name).or_insert(entry);
    }

    pub fn generate(&self, names: &Names, files: &mut Files) -> Result<(), GenerateError> {
        for (name, (folder, fields, module)) in &self.files {
            let types = fields.iter().map(|field| &field.ty);
            let includes = names.all_includes(module, types);
            let mut code = header(&includes, Some(name));
            record(&mut code, names, module, &format!("F{name}"), fields);
            let path = format!("Public/ModuleBindings/{folder}/{name}.g.h");
            files.add(path, code)?;
        }
        Ok(())
    }
}

pub(super) fn generate(
    context: Context<'_>,
    wrappers: &mut Wrappers,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let Context { names, module } = context;
    for (position, ty) in module.types.iter().enumerate() {
        if let Shape::Product(fields) = &ty.shape
            && fields.iter().any(|field| module.holds(&field.ty, position))
        {
            return Err(GenerateError::Unsupported {
                place: format!("the type `{}`", names.bare_type(module, ty)),
                ty: "itself",
                language: "Unreal",
            });
        }
        if let Shape::Product(fields) | Shape::Sum(fields) = &ty.shape {
            for field in fields {
                wrappers.note(names, module, &field.ty);
            }
        }
        let name = names.bare_type(module, ty);
        let path = format!("Public/ModuleBindings/Types/{name}Type.g.h");
        files.add(path, type_file(context, ty, &name))?;
    }
    Ok(())
}

fn type_file(context: Context<'_>, ty: &NamedType, name: &str) -> Code {
    let Context { names, module } = context;
    let fields: &[Field] = match &ty.shape {
        Shape::Product(fields) | Shape::Sum(fields) => fields,
        Shape::PlainEnum(_) => &[],
    };
    let own = format!("ModuleBindings/Types/{name}Type.g.h");
    let mut includes = names.all_includes(module, fields.iter().map(|field| &field.ty));
    includes.retain(|include| *include != own);
    let mut code = header(&includes, Some(&format!("{name}Type")));
    let full = names.type_name(module, ty);
    match &ty.shape {
        Shape::Product(fields) => record(&mut code, names, module, &full, fields),
        Shape::PlainEnum(variants) => plain_enum(&mut code, &full, variants),
        Shape::Sum(variants) => tagged_union(&mut code, names, module, (name, &full), variants),
    }
    code
}

fn plain_enum(code: &mut Code, full: &str, variants: &[String]) {
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

/// A struct with its comparison, hash and registration.
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
    code.blank();
    braces(code, "namespace UE::SpacetimeDB", "}", |code| {
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

/// A struct with the tag and, behind a shared pointer, the value: the value may be of any type,
/// the union itself among them.
fn tagged_union(
    code: &mut Code,
    names: &Names,
    module: &Module,
    (name, full): (&str, &str),
    variants: &[Field],
) {
    let tag = format!("E{name}Tag");
    let tags: Vec<String> = variants
        .iter()
        .map(|variant| variant.name.clone())
        .collect();
    plain_enum(code, &tag, &tags);
    code.blank();
    let api = names.api();
    code.line("USTRUCT(BlueprintType)");
    braces(code, format_args!("struct {api} {full}"), "};", |code| {
        code.line("GENERATED_BODY()");
        code.blank();
        code.line("UPROPERTY(BlueprintReadOnly, Category = \"SpacetimeDB\")");
        code.line(format_args!("{tag} Tag{{}};"));
        for variant in variants {
            let ty = names.ty(module, &variant.ty);
            let variant = member(&variant.name);
            code.blank();
            code.line(format_args!("TSharedPtr<{ty}> {variant}Value;"));
            code.blank();
            let head = format!("static {full} {variant}(const {ty}& Value)");
            braces(code, head, "}", |code| {
                code.line(format_args!("{full} Made;"));
                code.line(format_args!("Made.Tag = {tag}::{variant};"));
                code.line(format_args!(
                    "Made.{variant}Value = MakeShared<{ty}>(Value);"
                ));
                code.line("return Made;");
            });
            code.blank();
            let head = format!("FORCEINLINE bool Is{variant}() const");
            braces(code, head, "}", |code| {
                code.line(format_args!("return Tag == {tag}::{variant};"));
            });
            code.blank();
            let head = format!("FORCEINLINE {ty} GetAs{variant}() const");
            braces(code, head, "}", |code| {
                code.line(format_args!("ensure(Is{variant}());"));
                code.line(format_args!(
                    "return {variant}Value ? *{variant}Value : {ty}{{}};"
                ));
            });
        }
        code.blank();
        let head = format!("FORCEINLINE bool operator==(const {full}& Other) const");
        braces(code, head, "}", |code| union_equality(code, &tag, variants));
        code.blank();
        let head = format!("FORCEINLINE bool operator!=(const {full}& Other) const");
        braces(code, head, "}", |code| {
            code.line("return !(*this == Other);");
        });
    });
    code.blank();
    let head = format!("FORCEINLINE uint32 GetTypeHash(const {full}& Value)");
    braces(code, head, "}", |code| {
        code.line("return ::GetTypeHash(static_cast<uint8>(Value.Tag));");
    });
    code.blank();
    braces(code, "namespace UE::SpacetimeDB", "}", |code| {
        let mut parts = vec![full.to_owned(), tag.clone()];
        for variant in variants {
            parts.push(pascal_case(&variant.name));
            parts.push(names.ty(module, &variant.ty));
        }
        code.line(format_args!(
            "UE_SPACETIMEDB_TAGGED_UNION({});",
            parts.join(", ")
        ));
    });
}

fn union_equality(code: &mut Code, tag: &str, variants: &[Field]) {
    code.line("if (Tag != Other.Tag) return false;");
    braces(code, "switch (Tag)", "}", |code| {
        for variant in variants {
            let variant = member(&variant.name);
            code.line(format_args!(
                "case {tag}::{variant}: return GetAs{variant}() == Other.GetAs{variant}();"
            ));
        }
        code.line("default: return false;");
    });
}

//! Options and results: Unreal's reflection knows no templates, so each one in use is a struct of
//! its own. Nothing here decides how a value is written; the plugin's macros do.

use std::collections::{BTreeMap, BTreeSet};

use super::names::property;
use super::unions::{Union, union};
use super::{Context, Names, braces, header};
use crate::GenerateError;
use crate::code::{Code, Files};
use crate::model::{Field, Module, Ty};

/// Options and results in use, by their name without the letter in front.
#[derive(Debug, Default)]
pub(super) struct Wrappers {
    used: BTreeMap<String, Wrapper>,
    /// Types that are elements of arrays, as written in C++: the plugin wants to be told.
    elements: BTreeSet<String>,
}

#[derive(Debug)]
struct Wrapper {
    ty: Ty,
    module: Module,
}

impl Wrappers {
    /// Notes all options and results in `ty`, and what it has arrays of.
    pub fn note(&mut self, names: &Names, module: &Module, ty: &Ty) -> Result<(), GenerateError> {
        match ty {
            Ty::Array(element) => {
                self.elements.insert(names.ty(module, element));
                return self.note(names, module, element);
            }
            Ty::Option(some) => self.note(names, module, some)?,
            Ty::Result(ok, err) => {
                self.note(names, module, ok)?;
                self.note(names, module, err)?;
            }
            _ => return Ok(()),
        }
        let name = format!("{}{}", names.module, names.label(module, ty));
        let made = self.used.entry(name.clone()).or_insert_with(|| Wrapper {
            ty: ty.clone(),
            module: module.clone(),
        });
        let parts = |module: &Module, ty: &Ty| match ty {
            Ty::Option(some) => vec![names.ty(module, some)],
            Ty::Result(ok, err) => vec![names.ty(module, ok), names.ty(module, err)],
            _ => Vec::new(),
        };
        if parts(&made.module, &made.ty) == parts(module, ty) {
            Ok(())
        } else {
            let what = format!("the struct `F{name}`");
            Err(GenerateError::SameName { what })
        }
    }

    /// Whether there are arrays of the type that C++ knows by this name.
    pub fn has_arrays_of(&self, full: &str) -> bool {
        self.elements.contains(full)
    }

    pub fn generate(&self, names: &Names, files: &mut Files) -> Result<(), GenerateError> {
        for (name, Wrapper { ty, module }) in &self.used {
            let context = Context { names, module };
            let (folder, code) = match ty {
                Ty::Option(some) => ("Optionals", self.optional(context, name, some)),
                Ty::Result(ok, err) => ("Results", self.result(context, name, ok, err)),
                _ => unreachable!("only options and results are noted"),
            };
            let path = format!("Public/ModuleBindings/{folder}/{name}.g.h");
            files.add(path, code)?;
        }
        Ok(())
    }

    /// The headers of options and results, and those that each includes.
    pub fn includes(&self, names: &Names) -> Vec<(String, Vec<String>)> {
        let one = |wrapper: &Wrapper| {
            let mut own = Vec::new();
            names.includes(&wrapper.module, &wrapper.ty, &mut own);
            let inner = match &wrapper.ty {
                Ty::Option(some) => vec![&**some],
                Ty::Result(ok, err) => vec![&**ok, &**err],
                _ => Vec::new(),
            };
            (own.concat(), names.all_includes(&wrapper.module, inner))
        };
        self.used.values().map(one).collect()
    }

    fn optional(&self, context: Context<'_>, name: &str, some: &Ty) -> Code {
        let Context { names, module } = context;
        let mut code = header(&names.all_includes(module, [some]), Some(name));
        let (full, inner) = (format!("F{name}"), names.ty(module, some));
        code.line("USTRUCT(BlueprintType)");
        let head = format!("struct {} {full}", names.api());
        braces(&mut code, head, "};", |code| {
            code.line("GENERATED_BODY()");
            code.blank();
            let condition = "meta = (EditCondition = \"bHasValue\")";
            let editable = |property: &str| {
                property
                    .replace("(BlueprintReadWrite", "(EditAnywhere, BlueprintReadWrite")
                    .replace(
                        "\"SpacetimeDB\")",
                        &format!("\"SpacetimeDB\", {condition})"),
                    )
            };
            code.line(
                "UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = \"SpacetimeDB\")\n\
                 bool bHasValue = false;",
            );
            code.blank();
            if let Some(property) = property(some) {
                code.line(editable(property));
            }
            code.line(format_args!("{inner} Value{{}};"));
            code.blank();
            code.line(format_args!("{full}() = default;"));
            code.blank();
            code.line(format_args!(
                "explicit {full}(const {inner}& InValue) : bHasValue(true), Value(InValue) {{}}"
            ));
            code.blank();
            let head = format!("FORCEINLINE bool operator==(const {full}& Other) const");
            braces(code, head, "}", |code| {
                code.line(
                    "return bHasValue == Other.bHasValue && (!bHasValue || Value == Other.Value);",
                );
            });
            code.blank();
            let head = format!("FORCEINLINE bool operator!=(const {full}& Other) const");
            braces(code, head, "}", |code| {
                code.line("return !(*this == Other);");
            });
        });
        code.blank();
        let head = format!("FORCEINLINE uint32 GetTypeHash(const {full}& Value)");
        braces(&mut code, head, "}", |code| {
            code.line("return Value.bHasValue ? HashCombine(1u, GetTypeHash(Value.Value)) : 0u;");
        });
        code.blank();
        braces(&mut code, "namespace UE::SpacetimeDB", "}", |code| {
            self.enable_array(code, &full);
            code.line(format_args!(
                "UE_SPACETIMEDB_OPTIONAL({full}, bHasValue, Value);"
            ));
        });
        code
    }

    /// A result is a sum of its two cases, in C++ as on the wire.
    fn result(&self, context: Context<'_>, name: &str, ok: &Ty, err: &Ty) -> Code {
        let Context { names, module } = context;
        let mut includes = names.all_includes(module, [ok, err]);
        includes.push("Kismet/BlueprintFunctionLibrary.h".to_owned());
        let mut code = header(&includes, Some(name));
        let variants = [("Ok", ok), ("Err", err)].map(|(name, ty)| Field {
            name: name.to_owned(),
            ty: ty.clone(),
        });
        let result = Union {
            bare: name,
            full: &format!("F{name}"),
            variants: &variants,
            is_in_arrays: self.has_arrays_of(&format!("F{name}")),
        };
        union(&mut code, context, &result);
        code
    }

    /// Tells the plugin that there are arrays of the type, if there are.
    pub fn enable_array(&self, code: &mut Code, full: &str) {
        if self.has_arrays_of(full) {
            code.line(format_args!("UE_SPACETIMEDB_ENABLE_TARRAY({full});"));
        }
    }
}

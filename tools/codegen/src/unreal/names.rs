//! Unreal's identifiers and types.

use std::collections::BTreeMap;

use crate::case::{pascal_case, pascal_path};
use crate::model::{Function, Integer, Model, Module, NamedType, Shape, Table, Ty};

/// Words of C++ that Pascal case does not keep away from, because they are in Pascal case when
/// macros of Unreal have them.
const TAKEN: [&str; 4] = ["TEXT", "FText", "FName", "FString"];

/// Names that depend on the options, and on which types share a name.
#[derive(Debug)]
pub(crate) struct Names {
    pub module: String,
    pub prefix: String,
    /// Names of types by namespace and segments.
    types: BTreeMap<(Vec<String>, Vec<String>), String>,
}

impl Names {
    pub fn new(model: &Model, module: &str, prefix: &str) -> Self {
        let mut short: BTreeMap<String, usize> = BTreeMap::new();
        let last = |ty: &NamedType| ty.segments.last().cloned().unwrap_or_default();
        for ty in model
            .root
            .walk()
            .into_iter()
            .flat_map(|module| &module.types)
        {
            *short.entry(last(ty)).or_default() += 1;
        }
        let mut types = BTreeMap::new();
        for module in model.root.walk() {
            for ty in &module.types {
                // Types of the same name are told apart by the modules around them.
                let name = if short.get(&last(ty)) == Some(&1) {
                    last(ty)
                } else {
                    format!("{}{}", pascal_path(&module.path), pascal_path(&ty.segments))
                };
                let key = (module.path.clone(), ty.segments.clone());
                types.insert(key, format!("{prefix}{name}"));
            }
        }
        Names {
            module: module.to_owned(),
            prefix: prefix.to_owned(),
            types,
        }
    }

    /// The macro that makes symbols visible outside the module.
    pub fn api(&self) -> String {
        format!("{}_API", self.module.to_uppercase())
    }

    /// A named type's name without the letter in front and `Type` behind.
    pub fn bare_type(&self, module: &Module, ty: &NamedType) -> String {
        let key = (module.path.clone(), ty.segments.clone());
        let known = self.types.get(&key).cloned();
        known.expect("all types of the model were named")
    }

    /// `FPlayerType`, or `EColorType` for a plain enum.
    pub fn type_name(&self, module: &Module, ty: &NamedType) -> String {
        let letter = match ty.shape {
            Shape::PlainEnum(_) => 'E',
            Shape::Product(_) | Shape::Sum(_) => 'F',
        };
        format!("{letter}{}Type", self.bare_type(module, ty))
    }

    /// The header of a named type.
    pub fn type_header(&self, module: &Module, ty: &NamedType) -> String {
        let name = self.bare_type(module, ty);
        format!("ModuleBindings/Types/{name}Type.g.h")
    }

    pub fn table(&self, module: &Module, table: &Table) -> String {
        let path = pascal_path(&module.path);
        format!("{}{path}{}", self.prefix, pascal_case(&table.accessor))
    }

    pub fn function(&self, module: &Module, function: &Function) -> String {
        let path = pascal_path(&module.path);
        let name = format!("{}{path}{}", self.prefix, pascal_case(&function.accessor));
        // What holds the functions has a member of that name.
        if name == "Conn" {
            "Conn_".to_owned()
        } else {
            name
        }
    }

    pub fn row_type(&self, module: &Module, table: &Table) -> String {
        self.type_name(module, module.named(table.row))
    }

    /// The part of a wrapper's name that tells what is in it.
    pub fn label(&self, module: &Module, ty: &Ty) -> String {
        match ty {
            Ty::Unit | Ty::Never => "Unit".to_owned(),
            Ty::Bool => "Bool".to_owned(),
            Ty::Integer(integer) => {
                let letter = if integer.is_signed { "Int" } else { "UInt" };
                format!("{letter}{}", integer.bits)
            }
            Ty::F32 => "Float".to_owned(),
            Ty::F64 => "Double".to_owned(),
            Ty::String => "String".to_owned(),
            Ty::Bytes => "VecUInt8".to_owned(),
            Ty::Array(element) => format!("Vec{}", self.label(module, element)),
            Ty::Option(some) => format!("Optional{}", self.label(module, some)),
            Ty::Result(ok, err) => {
                format!(
                    "Result{}{}",
                    self.label(module, ok),
                    self.label(module, err)
                )
            }
            Ty::Identity => "Identity".to_owned(),
            Ty::ConnectionId => "ConnectionId".to_owned(),
            Ty::Timestamp => "Timestamp".to_owned(),
            Ty::TimeDuration => "TimeDuration".to_owned(),
            Ty::Uuid => "Uuid".to_owned(),
            Ty::ScheduleAt => "ScheduleAt".to_owned(),
            Ty::Named(position) => {
                let bare = self.bare_type(module, module.named(*position));
                if is_label(&bare) {
                    // `Type` behind it, as the struct has, tells it from what has that label.
                    format!("{bare}Type")
                } else {
                    bare
                }
            }
        }
    }

    pub fn ty(&self, module: &Module, ty: &Ty) -> String {
        match ty {
            // There are no values of it, so nothing will ever be read.
            Ty::Unit | Ty::Never => "FSpacetimeDBUnit".to_owned(),
            Ty::Bool => "bool".to_owned(),
            Ty::Integer(integer) => integer_type(*integer),
            Ty::F32 => "float".to_owned(),
            Ty::F64 => "double".to_owned(),
            Ty::String => "FString".to_owned(),
            Ty::Bytes => "TArray<uint8>".to_owned(),
            Ty::Array(element) => format!("TArray<{}>", self.ty(module, element)),
            Ty::Option(_) | Ty::Result(..) => {
                format!("F{}{}", self.module, self.label(module, ty))
            }
            Ty::Identity => "FSpacetimeDBIdentity".to_owned(),
            Ty::ConnectionId => "FSpacetimeDBConnectionId".to_owned(),
            Ty::Timestamp => "FSpacetimeDBTimestamp".to_owned(),
            Ty::TimeDuration => "FSpacetimeDBTimeDuration".to_owned(),
            Ty::Uuid => "FSpacetimeDBUuid".to_owned(),
            Ty::ScheduleAt => "FSpacetimeDBScheduleAt".to_owned(),
            Ty::Named(position) => self.type_name(module, module.named(*position)),
        }
    }

    /// A type as a parameter: large ones by reference.
    pub fn parameter(&self, module: &Module, ty: &Ty) -> String {
        let written = self.ty(module, ty);
        let is_small = match ty {
            Ty::Bool | Ty::F32 | Ty::F64 => true,
            Ty::Integer(integer) => integer.bits <= 64,
            Ty::Named(position) => {
                matches!(module.named(*position).shape, Shape::PlainEnum(_))
            }
            _ => false,
        };
        if is_small {
            written
        } else {
            format!("const {written}&")
        }
    }

    /// The headers that a type needs.
    pub fn includes(&self, module: &Module, ty: &Ty, out: &mut Vec<String>) {
        match ty {
            Ty::Array(element) => self.includes(module, element, out),
            Ty::Option(_) => {
                let name = format!("{}{}", self.module, self.label(module, ty));
                out.push(format!("ModuleBindings/Optionals/{name}.g.h"));
            }
            Ty::Result(..) => {
                let name = format!("{}{}", self.module, self.label(module, ty));
                out.push(format!("ModuleBindings/Results/{name}.g.h"));
            }
            Ty::Named(position) => {
                out.push(self.type_header(module, module.named(*position)));
            }
            _ => {}
        }
    }

    /// Headers for several types, each once, in order.
    pub fn all_includes<'t>(
        &self,
        module: &Module,
        types: impl IntoIterator<Item = &'t Ty>,
    ) -> Vec<String> {
        let mut includes = Vec::new();
        for ty in types {
            self.includes(module, ty, &mut includes);
        }
        includes.sort();
        includes.dedup();
        includes
    }
}

fn integer_type(integer: Integer) -> String {
    let letter = if integer.is_signed { "" } else { "u" };
    if integer.bits <= 64 {
        format!("{letter}int{}", integer.bits)
    } else {
        let upper = if integer.is_signed { "" } else { "U" };
        format!("FSpacetimeDB{upper}Int{}", integer.bits)
    }
}

/// A member.
pub(super) fn member(name: &str) -> String {
    let member = pascal_case(name);
    if TAKEN.contains(&member.as_str()) || member.is_empty() {
        format!("{member}_")
    } else {
        member
    }
}

/// Whether a type that is not the module's could have this label.
fn is_label(name: &str) -> bool {
    const LABELS: [&str; 11] = [
        "Unit",
        "Bool",
        "Float",
        "Double",
        "String",
        "Identity",
        "ConnectionId",
        "Timestamp",
        "TimeDuration",
        "Uuid",
        "ScheduleAt",
    ];
    let starts = ["Int", "UInt", "Vec", "Optional", "Result"];
    LABELS.contains(&name) || starts.iter().any(|start| name.starts_with(start))
}

/// The specifiers of a property: Blueprints know some types only.
pub(super) fn property(ty: &Ty) -> Option<&'static str> {
    if is_blueprintable(ty) {
        return Some("UPROPERTY(BlueprintReadWrite, Category = \"SpacetimeDB\")");
    }
    is_reflected(ty).then_some("UPROPERTY()")
}

/// Whether Unreal's reflection can describe the type: all but arrays of arrays.
pub(super) fn is_reflected(ty: &Ty) -> bool {
    match ty {
        Ty::Array(element) => !matches!(**element, Ty::Array(_) | Ty::Bytes),
        _ => true,
    }
}

/// Whether Blueprints have the type.
pub(super) fn is_blueprintable(ty: &Ty) -> bool {
    match ty {
        Ty::Integer(Integer { is_signed, bits }) => {
            matches!(
                (is_signed, bits),
                (false, 8) | (true, 32 | 64) | (_, 128 | 256)
            )
        }
        Ty::Array(element) => is_reflected(ty) && is_blueprintable(element),
        _ => true,
    }
}

/// The types among these that Blueprints do not have, as a comment tells it.
pub(super) fn not_for_blueprints<'t>(
    names: &Names,
    module: &Module,
    types: impl IntoIterator<Item = &'t Ty>,
) -> Option<String> {
    let mut missing: Vec<String> = types
        .into_iter()
        .filter(|ty| !is_blueprintable(ty))
        .map(|ty| names.ty(module, ty))
        .collect();
    missing.sort();
    missing.dedup();
    (!missing.is_empty()).then(|| format!("// Blueprints have no {}.", missing.join(", ")))
}

//! Names that would be made twice. One item under two names of the module is told as an error
//! that names it, rather than by the compiler of whoever uses the bindings.
//!
//! Not here: names that the bindings need for themselves; `names` makes others of those.

use std::collections::BTreeSet;

use super::names;
use crate::GenerateError;
use crate::case::snake_case;
use crate::model::{Field, Function, Module, Shape};

/// Looks for them in one module.
pub(super) fn check(module: &Module) -> Result<(), GenerateError> {
    for ty in &module.types {
        let name = names::type_name(module, ty);
        match &ty.shape {
            Shape::Product(fields) => check_fields(&name, fields)?,
            Shape::Sum(variants) => {
                let variants = variants.iter().map(|variant| names::pascal(&variant.name));
                once(variants, |variant| {
                    format!("the variant `{name}::{variant}`")
                })?;
            }
            Shape::PlainEnum(variants) => {
                let variants = variants.iter().map(|variant| names::pascal(variant));
                once(variants, |variant| {
                    format!("the variant `{name}::{variant}`")
                })?;
            }
        }
    }
    for function in module.reducers.iter().chain(&module.procedures) {
        check_fields(&names::function_args(module, function), &function.params)?;
    }
    once(names::files(module), |file| format!("the file `{file}`"))?;
    check_methods(module)
}

fn check_fields(owner: &str, fields: &[Field]) -> Result<(), GenerateError> {
    let fields = fields.iter().map(|field| names::snake(&field.name));
    once(fields, |field| format!("the field `{field}` of `{owner}`"))
}

/// The methods of `db`, `reducers` and `procedures`.
fn check_methods(module: &Module) -> Result<(), GenerateError> {
    let is_root = module.path.is_empty();
    let submodules: Vec<String> = module
        .submodules
        .iter()
        .filter_map(|submodule| submodule.path.last())
        .map(|segment| names::snake(segment))
        .collect();
    let tables = module.tables.iter();
    let tables = tables.map(|table| names::snake(&table.accessor));
    let what = |method: &str| format!("the method `{method}` of `db`");
    once(tables.chain(submodules.iter().cloned()), what)?;
    for (field, functions) in [
        ("reducers", &module.reducers),
        ("procedures", &module.procedures),
    ] {
        let methods = functions
            .iter()
            .flat_map(|function| methods(function, is_root));
        let what = |method: &str| format!("the method `{method}` of `{field}`");
        once(methods.chain(submodules.iter().cloned()), what)?;
    }
    if is_root {
        let functions = module.reducers.iter().chain(&module.procedures);
        let traits = functions.map(|function| names::function_trait(module, function));
        once(traits, |name| format!("the trait `{name}`"))?;
    }
    Ok(())
}

/// In the root each function's methods have a trait of their own, and `x_then` of `x` does not
/// end the reducer `x_then`: only whoever calls it has to say which is meant.
fn methods(function: &Function, is_root: bool) -> Vec<String> {
    let mut methods = vec![names::snake(&function.accessor)];
    if !is_root {
        methods.push(format!("{}_then", snake_case(&function.accessor)));
    }
    methods
}

fn once(
    names: impl IntoIterator<Item = String>,
    what: impl Fn(&str) -> String,
) -> Result<(), GenerateError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if seen.contains(&name) {
            return Err(GenerateError::SameName { what: what(&name) });
        }
        seen.insert(name);
    }
    Ok(())
}

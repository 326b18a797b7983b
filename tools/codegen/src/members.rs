//! Members of one type, or parameters of one function, that the language would spell alike. That
//! is told as an error, rather than by the compiler of whoever uses the bindings.
//!
//! Not here: tables, functions and types, which are files of their own; Rust, whose bindings have
//! more names to look at.

use std::collections::BTreeSet;

use crate::GenerateError;
use crate::case::{pascal_case, pascal_path};
use crate::model::{Field, Model, Shape};

/// Looks for them. `field` is how the language writes a field; variants are in Pascal case in all.
pub(crate) fn check(model: &Model, field: fn(&str) -> String) -> Result<(), GenerateError> {
    let variant: fn(&str) -> String = pascal_case;
    for module in model.root.walk() {
        for ty in &module.types {
            let owner = pascal_path(&ty.segments);
            match &ty.shape {
                Shape::Product(fields) => once(&owner, names(fields), field)?,
                Shape::Sum(variants) => once(&owner, names(variants), variant)?,
                Shape::PlainEnum(variants) => once(&owner, variants, variant)?,
            }
        }
        for function in module.reducers.iter().chain(&module.procedures) {
            once(&function.wire_name, names(&function.params), field)?;
        }
    }
    Ok(())
}

fn names(fields: &[Field]) -> impl Iterator<Item = &String> {
    fields.iter().map(|field| &field.name)
}

fn once<'n>(
    owner: &str,
    names: impl IntoIterator<Item = &'n String>,
    written: fn(&str) -> String,
) -> Result<(), GenerateError> {
    let mut seen = BTreeSet::new();
    for name in names {
        let name = written(name);
        if seen.contains(&name) {
            let what = format!("`{name}` of `{owner}`");
            return Err(GenerateError::SameName { what });
        }
        seen.insert(name);
    }
    Ok(())
}

//! Options inside of options. C# has no `T??`, and the SDK reads `T?` as one option; so the inner
//! one is a sum of its own, with the same bytes.

use std::collections::BTreeMap;

use super::{Context, names};
use crate::GenerateError;
use crate::code::Files;
use crate::model::{Module, Shape, Ty};

/// What the type for an option of `some` is called.
pub(super) fn name(module: &Module, some: &Ty) -> String {
    format!("Optional{}", label(module, some))
}

fn label(module: &Module, ty: &Ty) -> String {
    match ty {
        Ty::Option(some) => name(module, some),
        Ty::Bytes => "ListByte".to_owned(),
        Ty::Array(element) => format!("List{}", label(module, element)),
        Ty::Result(ok, err) => format!("Result{}{}", label(module, ok), label(module, err)),
        ty => {
            let written = names::ty(module, ty);
            names::pascal(written.rsplit('.').next().unwrap_or_default())
        }
    }
}

pub(super) fn generate(
    namespace: &str,
    root: &Module,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let mut found = BTreeMap::new();
    for module in root.walk() {
        for ty in &module.types {
            if let Shape::Product(fields) | Shape::Sum(fields) = &ty.shape {
                fields
                    .iter()
                    .for_each(|field| note(module, &field.ty, &mut found));
            }
        }
        for function in module.reducers.iter().chain(&module.procedures) {
            let params = function.params.iter().map(|param| &param.ty);
            params
                .chain([&function.returns])
                .for_each(|ty| note(module, ty, &mut found));
        }
    }
    for (name, (module, some)) in found {
        let code = Context { namespace, module }.file(&[], |code| {
            code.line("/// <summary>An option that is inside of another one.</summary>");
            code.line("[SpacetimeDB.Type]");
            code.line(format_args!(
                "public partial record {name} : SpacetimeDB.TaggedEnum<("
            ));
            code.indented(|code| {
                code.line(format_args!("{some} Some,\nSpacetimeDB.Unit None"));
            });
            code.line(")>;");
        });
        files.add(format!("Types/{name}.g.cs"), code)?;
    }
    Ok(())
}

/// Notes the options inside of options that a type has.
fn note<'m>(module: &'m Module, ty: &Ty, found: &mut BTreeMap<String, (&'m Module, String)>) {
    match ty {
        Ty::Option(some) => {
            if let Ty::Option(inner) = &**some {
                let written = names::ty(module, inner);
                found.insert(name(module, inner), (module, written));
            }
            note(module, some, found);
        }
        Ty::Array(element) => note(module, element, found),
        Ty::Result(ok, err) => {
            note(module, ok, found);
            note(module, err, found);
        }
        _ => {}
    }
}

//! Reducers and procedures: their arguments.

use super::names::member;
use super::types::{Wrappers, record};
use super::{Context, header};
use crate::GenerateError;
use crate::code::{Code, Files};
use crate::model::{Field, Function, Module};

pub(super) fn generate(
    context: Context<'_>,
    wrappers: &mut Wrappers,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let Context { names, module } = context;
    for (folder, functions) in [
        ("Reducers", &module.reducers),
        ("Procedures", &module.procedures),
    ] {
        for function in functions {
            for param in &function.params {
                wrappers.note(names, module, &param.ty);
            }
            wrappers.note(names, module, &function.returns);
            let name = names.function(module, function);
            let path = format!("Public/ModuleBindings/{folder}/{name}.g.h");
            files.add(path, args_file(context, function, &name))?;
        }
    }
    Ok(())
}

fn args_file(context: Context<'_>, function: &Function, name: &str) -> Code {
    let Context { names, module } = context;
    let types = function.params.iter().map(|param| &param.ty);
    let includes = names.all_includes(module, types.chain([&function.returns]));
    let mut code = header(&includes, Some(name));
    record(
        &mut code,
        names,
        module,
        &format!("F{name}Args"),
        &function.params,
    );
    code
}

/// `const A& First, B Second`.
pub(super) fn parameters(context: Context<'_>, params: &[Field]) -> String {
    let Context { names, module } = context;
    let one = |param: &Field| {
        format!(
            "{} {}",
            names.parameter(module, &param.ty),
            member(&param.name)
        )
    };
    params.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Every reducer or procedure, with the module it is in.
pub(super) fn all_functions<'m>(
    root: &'m Module,
    list: impl Fn(&'m Module) -> &'m [Function],
) -> Vec<(&'m Module, &'m Function)> {
    let mut all = Vec::new();
    for module in root.walk() {
        all.extend(list(module).iter().map(|function| (module, function)));
    }
    all
}

//! Reducers and procedures: their arguments, and calls as objects, which Blueprints can hold.

use super::names::{member, property};
use super::types::{record, registration};
use super::wrappers::Wrappers;
use super::{Context, braces, header};
use crate::GenerateError;
use crate::case::quoted;
use crate::code::{Code, Files};
use crate::model::{Field, Function, Module};

/// Notes what parameters and returned values use of options, results and arrays.
pub(super) fn note(context: Context<'_>, wrappers: &mut Wrappers) -> Result<(), GenerateError> {
    let Context { names, module } = context;
    for function in module.reducers.iter().chain(&module.procedures) {
        for param in &function.params {
            wrappers.note(names, module, &param.ty)?;
        }
        wrappers.note(names, module, &function.returns)?;
    }
    Ok(())
}

pub(super) fn generate(
    context: Context<'_>,
    wrappers: &Wrappers,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let Context { names, module } = context;
    for (kind, functions) in [
        ("Reducer", &module.reducers),
        ("Procedure", &module.procedures),
    ] {
        for function in functions {
            let name = names.function(module, function);
            let path = format!("Public/ModuleBindings/{kind}s/{name}.g.h");
            let code = args_file(context, wrappers, kind, function, &name);
            files.add(path, code)?;
        }
    }
    Ok(())
}

fn args_file(
    context: Context<'_>,
    wrappers: &Wrappers,
    kind: &str,
    function: &Function,
    name: &str,
) -> Code {
    let Context { names, module } = context;
    let types = function.params.iter().map(|param| &param.ty);
    let mut includes = names.all_includes(module, types.chain([&function.returns]));
    let base = match kind {
        "Reducer" => {
            let base = format!("{}ReducerBase", names.prefix);
            includes.push(format!("ModuleBindings/{base}.g.h"));
            format!("U{base}")
        }
        _ => "UObject".to_owned(),
    };
    let mut code = header(&includes, Some(name));
    let full = format!("F{name}Args");
    record(&mut code, names, module, &full, &function.params);
    registration(&mut code, wrappers, &full, &function.params);
    code.blank();
    code.line("UCLASS(BlueprintType)");
    let head = format!("class {} U{name}{kind} : public {base}", names.api());
    braces(&mut code, head, "};", |code| {
        code.line("GENERATED_BODY()");
        code.blank();
        code.line("public:");
        for param in &function.params {
            if let Some(property) = property(&param.ty) {
                code.line(property);
            }
            let ty = names.ty(module, &param.ty);
            code.line(format_args!("{ty} {}{{}};", member(&param.name)));
            code.blank();
        }
        let (start, end) = match kind {
            "Reducer" => ("virtual ", " override"),
            _ => ("", ""),
        };
        code.line(format_args!(
            "{start}FString Get{kind}Name() const{end} {{ return TEXT({}); }}",
            quoted(&function.wire_name)
        ));
    });
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

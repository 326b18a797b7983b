//! Unreal C++, for the plugin `SpacetimeDbSdk`.
//!
//! Headers are below `Public/ModuleBindings`, sources below `Private/ModuleBindings`. Every class
//! that Unreal's own tools look at includes the `.generated.h` that those make of its header.
//! What lies in a submodule carries the namespace in its name.
//!
//! Rows and arguments are structs, so that Blueprints have them; what Blueprints have no type for
//! is there in C++ only.
//!
//! Not here: reading and writing of values; the macros of the plugin make that out of the lists
//! of fields and cases.

mod calls;
mod client;
mod connection;
mod contexts;
mod functions;
mod names;
mod tables;
mod types;
mod unions;
mod wrappers;

pub(crate) use names::Names;

use crate::code::{Code, Files};
use crate::model::{Model, Module};
use crate::{GenerateError, GeneratedFile, Options};

/// What all files need to know.
#[derive(Clone, Copy, Debug)]
struct Context<'a> {
    names: &'a Names,
    module: &'a Module,
}

/// A header that begins as all do. `generated` is its name without `.g.h`, if Unreal's tools
/// are to look at it.
fn header(includes: &[String], generated: Option<&str>) -> Code {
    let mut code = Code::new("    ");
    code.blank();
    code.line("#pragma once");
    code.line("#include \"CoreMinimal.h\"");
    code.line("#include \"BSATN/UESpacetimeDB.h\"");
    for include in includes {
        code.line(format_args!("#include \"{include}\""));
    }
    if let Some(name) = generated {
        // It has to be the last one.
        code.line(format_args!("#include \"{name}.g.generated.h\""));
    }
    code.blank();
    code
}

/// A block in Unreal's style: the brace on its own line.
fn braces(code: &mut Code, head: impl std::fmt::Display, tail: &str, body: impl FnOnce(&mut Code)) {
    let head = head.to_string();
    if !head.is_empty() {
        code.line(head);
    }
    code.line("{");
    code.indented(body);
    code.line(tail);
}

pub(crate) fn generate(
    model: &Model,
    options: &Options,
    names: &Names,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let mut wrappers = wrappers::Wrappers::default();
    let contexts = model.root.walk();
    let contexts = contexts.into_iter().map(|module| Context { names, module });
    for context in contexts.clone() {
        types::note(context, &mut wrappers)?;
        functions::note(context, &mut wrappers)?;
    }
    for context in contexts.clone() {
        types::generate(context, &wrappers, files)?;
        tables::generate(context, files)?;
        functions::generate(context, &wrappers, files)?;
    }
    wrappers.generate(names, files)?;
    let types = contexts.flat_map(types::includes);
    types::refuse_circles(types.chain(wrappers.includes(names)).collect())?;
    let context = Context {
        names,
        module: &model.root,
    };
    client::generate(context, &options.tool_version, files)
}

/// What makes the directory a module of the Unreal project.
pub(crate) fn project_files(module: &str) -> Vec<GeneratedFile> {
    let file = |path: String, text: String| GeneratedFile { path, text };
    vec![
        file(
            format!("{module}.Build.cs"),
            format!(
                "using UnrealBuildTool;\n\npublic class {module} : ModuleRules\n{{\n    \
                 public {module}(ReadOnlyTargetRules Target) : base(Target)\n    {{\n        \
                 PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;\n        \
                 PublicDependencyModuleNames.AddRange(new string[]\n        {{\n            \
                 \"Core\", \"CoreUObject\", \"Engine\", \"SpacetimeDbSdk\"\n        }});\n    \
                 }}\n}}\n"
            ),
        ),
        file(
            format!("{module}.h"),
            "#pragma once\n\n#include \"CoreMinimal.h\"\n".to_owned(),
        ),
        file(
            format!("{module}.cpp"),
            format!(
                "#include \"{module}.h\"\n#include \"Modules/ModuleManager.h\"\n\n\
                 IMPLEMENT_MODULE(FDefaultModuleImpl, {module})\n"
            ),
        ),
    ]
}

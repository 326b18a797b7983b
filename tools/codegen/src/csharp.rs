//! C#, for the .NET SDK of SpacetimeDB (also in Unity and Godot).
//!
//! Files: `Types/T.g.cs`, `Tables/T.g.cs`, `Reducers/R.g.cs`, `Procedures/P.g.cs` and
//! `SpacetimeDBClient.g.cs`. What lies in a submodule carries the namespace in its name:
//! `lib.users` is `LibUsers`.
//!
//! Not here: how values are written to bytes. A generator in the SDK adds that to every type
//! marked `[SpacetimeDB.Type]`.

mod client;
mod functions;
mod names;
mod optionals;
mod tables;
mod types;

use crate::code::{Code, Files};
use crate::model::{Model, Module};
use crate::{GenerateError, Options};

/// What all files need to know.
#[derive(Clone, Copy, Debug)]
struct Context<'a> {
    namespace: &'a str,
    module: &'a Module,
}

impl Context<'_> {
    /// A file with what every file begins with, and `body` inside the namespace.
    fn file(self, extra_usings: &[&str], body: impl FnOnce(&mut Code)) -> Code {
        let mut code = Code::new("    ");
        code.blank();
        code.line("#nullable enable");
        code.blank();
        code.line("using System;");
        // Inside `SpacetimeDB.X` the names of `SpacetimeDB` are visible already.
        let is_inside =
            self.namespace == "SpacetimeDB" || self.namespace.starts_with("SpacetimeDB.");
        if !is_inside {
            code.line("using SpacetimeDB;");
        }
        for using in extra_usings {
            code.line(format_args!("using {using};"));
        }
        code.line("using System.Collections.Generic;");
        code.line("using System.Runtime.Serialization;");
        code.blank();
        braces(
            &mut code,
            format_args!("namespace {}", self.namespace),
            body,
        );
        code
    }
}

/// A block in the style of C#: the brace on its own line.
fn braces(code: &mut Code, head: impl std::fmt::Display, body: impl FnOnce(&mut Code)) {
    code.line(head);
    code.line("{");
    code.indented(body);
    code.line("}");
}

pub(crate) fn generate(
    model: &Model,
    options: &Options,
    namespace: &str,
    files: &mut Files,
) -> Result<(), GenerateError> {
    for module in model.root.walk() {
        let context = Context { namespace, module };
        types::generate(context, files)?;
        tables::generate(context, files)?;
        functions::generate(context, files)?;
    }
    optionals::generate(namespace, &model.root, files)?;
    let context = Context {
        namespace,
        module: &model.root,
    };
    client::generate(context, &options.tool_version, files)
}

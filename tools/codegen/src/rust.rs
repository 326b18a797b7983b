//! Rust, for `spacetimedb-sdk` and crates with its API.
//!
//! One file for each type, table, view, reducer and procedure, and `mod.rs`. A submodule is a
//! directory of the same, reached as `ctx.db.ns().table()`, `ctx.reducers.ns().reducer()` and
//! `q.from.ns().table()`; its tables and reducers are part of the root's caches and enums.
//!
//! Not here: `rustfmt`. The output is close to its taste, and the command runs it.

mod clashes;
mod contexts;
mod functions;
mod global;
mod names;
mod submodule;
mod tables;
mod types;
mod updates;

use crate::code::{Code, Files};
use crate::model::{Model, Module};
use crate::{GenerateError, Options};

/// What all files need to know.
#[derive(Clone, Copy, Debug)]
struct Context<'a> {
    /// The name of the client crate.
    sdk: &'a str,
    module: &'a Module,
}

impl Context<'_> {
    /// The way from a file of the module to the root's `mod.rs`.
    fn root(self) -> String {
        vec!["super"; self.module.path.len() + 1].join("::")
    }

    /// A file with what every file begins with.
    fn file(self) -> Code {
        let mut code = Code::new("    ");
        code.blank();
        code.line("#![allow(unused, clippy::all)]");
        code.line(format_args!(
            "use {}::__codegen::{{self as __sdk, __lib, __sats, __ws}};",
            self.sdk
        ));
        code.blank();
        code
    }

    /// The directory of the module's files: empty, or with `/` at the end.
    fn directory(self) -> String {
        let segments = self.module.path.iter();
        segments
            .map(|segment| format!("{}/", names::module_file(segment)))
            .collect()
    }
}

pub(crate) fn generate(
    model: &Model,
    options: &Options,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let sdk = options.package("spacetimedb_sdk", "spacetime_client");
    for module in model.root.walk() {
        let context = Context { sdk, module };
        clashes::check(module)?;
        types::generate(context, files)?;
        tables::generate(context, files)?;
        functions::generate(context, files)?;
        if !module.path.is_empty() {
            submodule::generate(context, files)?;
        }
    }
    let context = Context {
        sdk,
        module: &model.root,
    };
    global::generate(context, &options.tool_version, files)
}

//! TypeScript, for the npm package `spacetimedb` and packages with its API.
//!
//! Files: `types.ts` with the named types; `types/reducers.ts` and `types/procedures.ts` with the
//! types of arguments; one file for each table, view, reducer and procedure; and `index.ts`. A
//! submodule is a directory of the same without `index.ts`.
//!
//! Submodules' tables and functions have dotted names inside the client library. `index.ts` shows
//! them as objects within objects too.

mod functions;
mod index;
mod names;
mod tables;
mod types;
mod values;

use crate::code::{Code, Files};
use crate::model::{Model, Module};
use crate::{GenerateError, Options};

/// What all files need to know.
#[derive(Clone, Copy, Debug)]
struct Context<'a> {
    /// The client package.
    sdk: &'a str,
    module: &'a Module,
}

impl Context<'_> {
    /// A file with what every file begins with. Only names that `imports` lists are imported.
    fn file(self, imports: &[&str]) -> Code {
        let mut code = Code::new("  ");
        code.blank();
        lint_comments(&mut code);
        import_sdk(&mut code, self.sdk, imports);
        code
    }

    /// The directory of the module's files: empty, or with `/` at the end.
    fn directory(self) -> String {
        let segments = self.module.path.iter();
        segments
            .map(|segment| format!("{}/", crate::case::snake_case(segment)))
            .collect()
    }
}

fn lint_comments(code: &mut Code) {
    code.line("/* eslint-disable */");
    code.line("/* tslint:disable */");
}

/// `import { a as __a, type B as __B } from 'package';`
fn import_sdk(code: &mut Code, sdk: &str, imports: &[&str]) {
    if imports.is_empty() {
        return;
    }
    code.line("import {");
    for import in imports {
        let (word, name) = match import.strip_prefix("type ") {
            Some(name) => ("type ", name),
            None => ("", *import),
        };
        code.line(format_args!("  {word}{name} as __{name},"));
    }
    code.line(format_args!("}} from {};", names::string(sdk)));
}

pub(crate) fn generate(
    model: &Model,
    options: &Options,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let sdk = options.package("spacetimedb", "spacetime-client");
    for module in model.root.walk() {
        let context = Context { sdk, module };
        types::generate(context, files)?;
        tables::generate(context, files)?;
        functions::generate(context, files)?;
    }
    let context = Context {
        sdk,
        module: &model.root,
    };
    index::generate(context, &options.tool_version, files)
}

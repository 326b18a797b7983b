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

const INDENTATION: &str = "  ";

/// What all files need to know.
#[derive(Clone, Copy, Debug)]
struct Context<'a> {
    /// The client package.
    sdk: &'a str,
    module: &'a Module,
}

impl Context<'_> {
    /// A file: what every file begins with, then `body`. Of `imports` it has those that are used.
    fn file(self, imports: &[&str], body: impl FnOnce(&mut Code)) -> Code {
        let mut part = Code::part(INDENTATION);
        body(&mut part);
        let mut code = Code::new(INDENTATION);
        code.blank();
        lint_comments(&mut code);
        import_sdk(&mut code, self.sdk, imports, &part);
        code.append(&part);
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

/// `import { a as __a, type B as __B } from 'package';` for what `body` uses of them: compilers can
/// be told to refuse imports that nothing uses.
fn import_sdk(code: &mut Code, sdk: &str, imports: &[&str], body: &Code) {
    let name = |import: &str| import.strip_prefix("type ").unwrap_or(import).to_owned();
    let is_used = |import: &&&str| body.mentions(&format!("__{}", name(import)));
    let used: Vec<&&str> = imports.iter().filter(is_used).collect();
    if used.is_empty() {
        return;
    }
    code.line("import {");
    for import in used {
        code.line(format_args!("  {import} as __{},", name(import)));
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

//! A submodule's `mod.rs`: what lies in it, and the views of the root through which it is used.

use super::{Context, names};
use crate::GenerateError;
use crate::case::quoted;
use crate::code::{Code, Files};
use crate::model::Module;

pub(super) fn generate(context: Context<'_>, files: &mut Files) -> Result<(), GenerateError> {
    let module = context.module;
    // A module in `ns/mod.rs` is one level above the files beside it.
    let root = vec!["super"; module.path.len()].join("::");
    let mut code = context.file();
    exports(&mut code, module);
    code.blank();
    let namespace = module.path.join(".");
    for (name, target, what) in [
        ("Tables", "RemoteTables", "Tables and views"),
        ("Reducers", "RemoteReducers", "Reducers"),
        ("Procedures", "RemoteProcedures", "Procedures"),
    ] {
        code.line(format_args!("/// {what} of the submodule `{namespace}`."));
        code.block(format_args!("pub struct {name}<'ctx>"), |code| {
            if name == "Tables" {
                code.line(format_args!("pub(super) root: &'ctx {root}::{target},"));
            } else {
                code.line("pub(super) imp: &'ctx __sdk::DbContextImpl<");
                code.line(format_args!("    {root}::RemoteModule,"));
                code.line(">,");
            }
        });
        code.blank();
    }
    tables(&mut code, module);
    functions(&mut code, module, "Reducers");
    functions(&mut code, module, "Procedures");
    query_tables(&mut code, module);
    files.add(format!("{}mod.rs", context.directory()), code)
}

/// `pub mod` and `pub use` for everything in a module.
pub(super) fn exports(code: &mut Code, module: &Module) {
    let is_root = module.path.is_empty();
    let (mut mods, mut uses) = (Vec::new(), Vec::new());
    for ty in &module.types {
        let file = names::type_file(ty);
        uses.push(format!("pub use {file}::{};", names::type_name(module, ty)));
        mods.push(file);
    }
    for table in &module.tables {
        let file = names::table_file(table);
        uses.push(format!("pub use {file}::*;"));
        mods.push(file);
    }
    for reducer in &module.reducers {
        let file = names::reducer_file(reducer);
        if is_root {
            let name = names::function_trait(module, reducer);
            uses.push(format!("pub use {file}::{name};"));
        }
        mods.push(file);
    }
    for procedure in &module.procedures {
        let file = names::procedure_file(procedure);
        if is_root {
            let name = names::function_trait(module, procedure);
            uses.push(format!("pub use {file}::{name};"));
        }
        mods.push(file);
    }
    let folders = module.submodules.iter();
    let folders: Vec<String> = folders
        .map(|submodule| names::module_file(last(submodule)))
        .collect();
    mods.extend(folders.iter().cloned());
    mods.sort();
    uses.sort();
    for file in mods {
        // Rust looks for no file with such a name, unless it is told where.
        if !file.is_ascii() {
            let is_folder = folders.contains(&file);
            let end = if is_folder { "/mod.rs" } else { ".rs" };
            code.line(format_args!("#[path = \"{file}{end}\"]"));
        }
        code.line(format_args!("pub mod {file};"));
    }
    code.blank();
    for line in uses {
        code.line(line);
    }
}

pub(super) fn last(module: &Module) -> &str {
    module
        .path
        .last()
        .expect("only the root has no namespace, and it is nobody's submodule")
}

fn tables(code: &mut Code, module: &Module) {
    code.block("impl<'ctx> Tables<'ctx>", |code| {
        for table in &module.tables {
            let handle = names::table_handle(module, table);
            code.line(format_args!("/// The table `{}`.", table.wire_name));
            let method = names::snake(&table.accessor);
            code.block(
                format_args!("pub fn {method}(&self) -> {handle}<'ctx>"),
                |code| {
                    code.line(format_args!("{handle}::__new(self.root)"));
                },
            );
        }
        submodule_methods(code, module, "Tables", "'ctx", "root: self.root");
    });
}

fn functions(code: &mut Code, module: &Module, name: &str) {
    if module.submodules.is_empty() {
        return;
    }
    code.blank();
    code.block(format_args!("impl<'ctx> {name}<'ctx>"), |code| {
        submodule_methods(code, module, name, "'ctx", "imp: self.imp");
    });
}

/// Methods that lead to the submodules of a module.
pub(super) fn submodule_methods(
    code: &mut Code,
    module: &Module,
    name: &str,
    lifetime: &str,
    field: &str,
) {
    for submodule in &module.submodules {
        let segment = last(submodule);
        let ty = format!("{}::{name}", names::module_file(segment));
        code.line(format_args!(
            "/// The submodule `{}`.",
            submodule.path.join(".")
        ));
        let method = names::snake(segment);
        code.block(
            format_args!("pub fn {method}(&self) -> {ty}<{lifetime}>"),
            |code| {
                code.line(format_args!("{ty} {{ {field} }}"));
            },
        );
    }
}

fn query_tables(code: &mut Code, module: &Module) {
    code.blank();
    code.line(format_args!(
        "/// The tables of `{}` for the query builder.",
        module.path.join(".")
    ));
    code.line("#[derive(Default)]");
    code.line("pub struct QueryTables;");
    code.blank();
    code.block("impl QueryTables", |code| {
        for table in &module.tables {
            let row = names::row_type(module, table);
            let method = names::snake(&table.accessor);
            code.line(format_args!("/// The table `{}`.", table.wire_name));
            let head = format!("pub fn {method}(&self) -> __sdk::__query_builder::Table<{row}>");
            code.block(head, |code| {
                code.line(format_args!(
                    "__sdk::__query_builder::Table::new({})",
                    quoted(&table.wire_name)
                ));
            });
        }
        for submodule in &module.submodules {
            let segment = last(submodule);
            let ty = format!("{}::QueryTables", names::module_file(segment));
            let method = names::snake(segment);
            code.line(format_args!(
                "/// The submodule `{}`.",
                submodule.path.join(".")
            ));
            code.block(format_args!("pub fn {method}(&self) -> {ty}"), |code| {
                code.line(format_args!("{ty}"));
            });
        }
    });
}

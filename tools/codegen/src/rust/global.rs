//! The root's `mod.rs`: everything that is there once.

use super::submodule::{exports, last, submodule_methods};
use super::{Context, contexts, names, updates};
use crate::GenerateError;
use crate::case::{pascal_case, quoted};
use crate::code::{Code, Files};
use crate::model::{Function, Module};

pub(super) fn generate(
    context: Context<'_>,
    tool_version: &str,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let root = context.module;
    let mut code = Code::new("    ");
    code.line(format_args!("// Made by spacetime {tool_version}."));
    code.blank();
    code.line("#![allow(unused, clippy::all)]");
    code.line(format_args!(
        "use {}::__codegen::{{self as __sdk, __lib, __sats, __ws}};",
        context.sdk
    ));
    code.blank();
    exports(&mut code, root);
    reducer_enum(&mut code, root)?;
    updates::generate(context, &mut code);
    remote_module(&mut code, root);
    remotes(&mut code, root);
    contexts::generate(&mut code);
    query_accessors(&mut code, root);
    files.add("mod.rs", code)
}

/// Every reducer, with the module it is in.
fn all_reducers(root: &Module) -> Vec<(&Module, &Function)> {
    let mut all = Vec::new();
    for module in root.walk() {
        all.extend(module.reducers.iter().map(|reducer| (module, reducer)));
    }
    all
}

fn reducer_enum(code: &mut Code, root: &Module) -> Result<(), GenerateError> {
    let reducers = all_reducers(root);
    let mut variants = std::collections::BTreeSet::new();
    for (module, reducer) in &reducers {
        let variant = names::reducer_variant(module, reducer);
        if !variants.insert(variant.clone()) {
            let what = format!("the variant `Reducer::{variant}`");
            return Err(GenerateError::SameName { what });
        }
    }
    code.blank();
    code.line("/// A call of one of the module's reducers.");
    code.line("#[derive(Clone, PartialEq, Debug)]");
    code.block("pub enum Reducer", |code| {
        for (module, reducer) in &reducers {
            reducer_variant(code, module, reducer);
        }
    });
    code.blank();
    in_module(code, "Reducer");
    code.blank();
    code.block("impl __sdk::Reducer for Reducer", |code| {
        code.block("fn reducer_name(&self) -> &'static str", |code| {
            match_self(code, &reducers, |code, module, reducer| {
                let variant = names::reducer_variant(module, reducer);
                let wire_name = quoted(&reducer.wire_name);
                code.line(format_args!("Reducer::{variant} {{ .. }} => {wire_name},"));
            });
        });
        code.line("#[allow(clippy::clone_on_copy)]");
        let head = "fn args_bsatn(&self) -> std::result::Result<std::vec::Vec<u8>, \
                    __sats::bsatn::EncodeError>";
        code.block(head, |code| match_self(code, &reducers, reducer_args));
    });
    Ok(())
}

fn reducer_variant(code: &mut Code, module: &Module, reducer: &Function) {
    let variant = names::reducer_variant(module, reducer);
    if reducer.params.is_empty() {
        code.line(format_args!("{variant},"));
        return;
    }
    let prefix = names::from_root(module, "");
    code.block_with(variant, "},", |code| {
        for param in &reducer.params {
            let ty = names::ty(module, &param.ty, &prefix);
            code.line(format_args!("{}: {ty},", names::snake(&param.name)));
        }
    });
}

fn reducer_args(code: &mut Code, module: &Module, reducer: &Function) {
    let variant = names::reducer_variant(module, reducer);
    let args = format!(
        "{}::{}",
        names::from_root(module, &names::reducer_file(reducer)),
        names::function_args(module, reducer)
    );
    if reducer.params.is_empty() {
        code.line(format_args!(
            "Reducer::{variant} => __sats::bsatn::to_vec(&{args} {{}}),"
        ));
        return;
    }
    let params = names::arguments(&reducer.params);
    let head = format!("Reducer::{variant} {{ {params} }} => __sats::bsatn::to_vec(&{args}");
    code.block_with(head, "}),", |code| {
        for param in &reducer.params {
            let name = names::snake(&param.name);
            code.line(format_args!("{name}: {name}.clone(),"));
        }
    });
}

fn match_self(
    code: &mut Code,
    reducers: &[(&Module, &Function)],
    arm: impl Fn(&mut Code, &Module, &Function),
) {
    if reducers.is_empty() {
        code.line("match *self {}");
        return;
    }
    code.block("match self", |code| {
        for (module, reducer) in reducers {
            arm(code, module, reducer);
        }
    });
}

/// `impl InModule` for something in `mod.rs`.
pub(super) fn in_module(code: &mut Code, name: &str) {
    code.block(format_args!("impl __sdk::InModule for {name}"), |code| {
        code.line("type Module = RemoteModule;");
    });
}

fn remote_module(code: &mut Code, root: &Module) {
    code.blank();
    code.line("/// The module, as a type.");
    code.line("#[derive(Debug)]");
    code.line("pub struct RemoteModule;");
    code.blank();
    in_module(code, "RemoteModule");
    code.blank();
    code.block("impl __sdk::SpacetimeModule for RemoteModule", |code| {
        for (name, ty) in [
            ("DbConnection", "DbConnection"),
            ("EventContext", "EventContext"),
            ("ReducerEventContext", "ReducerEventContext"),
            ("ProcedureEventContext", "ProcedureEventContext"),
            ("SubscriptionEventContext", "SubscriptionEventContext"),
            ("ErrorContext", "ErrorContext"),
            ("Reducer", "Reducer"),
            ("DbView", "RemoteTables"),
            ("Reducers", "RemoteReducers"),
            ("Procedures", "RemoteProcedures"),
            ("DbUpdate", "DbUpdate"),
            ("AppliedDiff<'r>", "AppliedDiff<'r>"),
            ("SubscriptionHandle", "SubscriptionHandle"),
            ("QueryBuilder", "__sdk::QueryBuilder"),
        ] {
            code.line(format_args!("type {name} = {ty};"));
        }
        code.blank();
        let head = "fn register_tables(client_cache: &mut __sdk::ClientCache<Self>)";
        code.block(head, |code| {
            for module in root.walk() {
                for table in &module.tables {
                    let file = names::from_root(module, &names::table_file(table));
                    code.line(format_args!("{file}::register_table(client_cache);"));
                }
            }
        });
        code.blank();
        code.line("const ALL_TABLE_NAMES: &'static [&'static str] = &[");
        code.indented(|code| {
            for table in root.walk().into_iter().flat_map(|module| &module.tables) {
                code.line(format_args!("{},", quoted(&table.wire_name)));
            }
        });
        code.line("];");
    });
}

fn remotes(code: &mut Code, root: &Module) {
    for (name, short, doc, field) in [
        (
            "RemoteTables",
            "Tables",
            "The client's copies of tables and views.",
            "root: self",
        ),
        (
            "RemoteReducers",
            "Reducers",
            "The reducers that can be called.",
            "imp: &self.imp",
        ),
        (
            "RemoteProcedures",
            "Procedures",
            "The procedures that can be called.",
            "imp: &self.imp",
        ),
    ] {
        code.blank();
        code.line(format_args!("/// {doc}"));
        code.block(format_args!("pub struct {name}"), |code| {
            code.line("imp: __sdk::DbContextImpl<RemoteModule>,");
        });
        code.blank();
        in_module(code, name);
        if !root.submodules.is_empty() {
            code.blank();
            code.block(format_args!("impl {name}"), |code| {
                submodule_methods(code, root, short, "'_", field);
            });
        }
    }
}

/// How the query builder reaches submodules.
fn query_accessors(code: &mut Code, root: &Module) {
    for submodule in &root.submodules {
        let segment = last(submodule);
        let method = names::snake(segment);
        let ty = format!("{}::QueryTables", names::module_file(segment));
        let name = names::composed(root, format!("{}QueryTables", pascal_case(segment)));
        code.blank();
        code.line(format_args!(
            "/// Gives the query builder access to the submodule `{segment}`."
        ));
        code.block(format_args!("pub trait {name}"), |code| {
            code.line(format_args!("fn {method}(&self) -> {ty};"));
        });
        code.blank();
        code.block(
            format_args!("impl {name} for __sdk::QueryTableAccessor"),
            |code| {
                code.block(format_args!("fn {method}(&self) -> {ty}"), |code| {
                    code.line(ty.as_str());
                });
            },
        );
    }
}

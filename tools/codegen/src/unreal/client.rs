//! The client's own files: what its header and its source consist of, and the object that holds
//! the tables.

use super::functions::all_functions;
use super::names::member;
use super::tables::all_tables;
use super::{Context, braces, calls, connection, contexts, header};
use crate::GenerateError;
use crate::code::{Code, Files};
use crate::model::{Function, Module};

pub(super) const CALLABLE: &str = "UFUNCTION(BlueprintCallable, Category = \"SpacetimeDB\")";
pub(super) const READABLE: &str = "UPROPERTY(BlueprintReadOnly, Category = \"SpacetimeDB\")";

pub(super) fn generate(
    context: Context<'_>,
    tool_version: &str,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let prefix = &context.names.prefix;
    let mut code = header(&[], Some(&format!("{prefix}ReducerBase")));
    code.line("/** A call of one of the module's reducers. */");
    code.line("UCLASS(BlueprintType)");
    let api = context.names.api();
    let head = format!("class {api} U{prefix}ReducerBase : public UObject");
    braces(&mut code, head, "};", |code| {
        code.line("GENERATED_BODY()");
        code.blank();
        code.line("public:");
        code.line("virtual FString GetReducerName() const { return FString(); }");
    });
    files.add(
        format!("Public/ModuleBindings/{prefix}ReducerBase.g.h"),
        code,
    )?;
    let code = client_header(context, tool_version);
    files.add(
        format!("Public/ModuleBindings/{prefix}SpacetimeDBClient.g.h"),
        code,
    )?;
    let code = client_source(context);
    files.add(
        format!("Private/ModuleBindings/{prefix}SpacetimeDBClient.g.cpp"),
        code,
    )
}

fn reducers(root: &Module) -> Vec<(&Module, &Function)> {
    all_functions(root, |module| &module.reducers)
}

fn procedures(root: &Module) -> Vec<(&Module, &Function)> {
    all_functions(root, |module| &module.procedures)
}

fn client_header(context: Context<'_>, tool_version: &str) -> Code {
    let Context {
        names,
        module: root,
    } = context;
    let prefix = &names.prefix;
    let mut includes = vec![
        "Connection/Callback.h".to_owned(),
        "Connection/DbConnectionBase.h".to_owned(),
        "Connection/DbConnectionBuilder.h".to_owned(),
        "Connection/Subscription.h".to_owned(),
        format!("ModuleBindings/{prefix}ReducerBase.g.h"),
    ];
    for (module, table) in all_tables(root) {
        let name = names.table(module, table);
        includes.push(format!("ModuleBindings/Tables/{name}Table.g.h"));
    }
    for (folder, functions) in [
        ("Reducers", reducers(root)),
        ("Procedures", procedures(root)),
    ] {
        for (module, function) in functions {
            let name = names.function(module, function);
            includes.push(format!("ModuleBindings/{folder}/{name}.g.h"));
        }
    }
    let mut code = header(&includes, Some(&format!("{prefix}SpacetimeDBClient")));
    code.line(format_args!("// Made by spacetime {tool_version}."));
    code.blank();
    for class in [
        "DbConnection",
        "RemoteTables",
        "RemoteReducers",
        "RemoteProcedures",
        "SubscriptionBuilder",
    ] {
        code.line(format_args!("class U{prefix}{class};"));
    }
    contexts::declarations(&mut code, context);
    connection::delegates(&mut code, prefix);
    remote_tables(&mut code, context);
    calls::reducers(&mut code, context, &reducers(root));
    calls::procedures(&mut code, context, &procedures(root));
    connection::declarations(&mut code, context);
    code
}

/// A class of the client that Unreal's tools look at.
pub(super) fn class(
    code: &mut Code,
    context: Context<'_>,
    name: &str,
    base: &str,
    body: impl FnOnce(&mut Code),
) {
    code.blank();
    code.line("UCLASS(BlueprintType)");
    let api = context.names.api();
    let head = format!(
        "class {api} U{}{name} : public {base}",
        context.names.prefix
    );
    braces(code, head, "};", |code| {
        code.line("GENERATED_BODY()");
        code.blank();
        code.line("public:");
        body(code);
    });
}

fn remote_tables(code: &mut Code, context: Context<'_>) {
    class(code, context, "RemoteTables", "UObject", |code| {
        code.line("void Initialize();");
        for (module, table) in all_tables(context.module) {
            let name = context.names.table(module, table);
            let bare = name
                .strip_prefix(context.names.prefix.as_str())
                .unwrap_or(&name);
            code.blank();
            code.line(READABLE);
            code.line(format_args!("TObjectPtr<U{name}Table> {};", member(bare)));
        }
    });
}

fn client_source(context: Context<'_>) -> Code {
    let Context {
        names,
        module: root,
    } = context;
    let prefix = &names.prefix;
    let mut code = Code::new("    ");
    code.blank();
    code.line(format_args!(
        "#include \"ModuleBindings/{prefix}SpacetimeDBClient.g.h\""
    ));
    code.blank();
    let head = format!("void U{prefix}RemoteTables::Initialize()");
    braces(&mut code, head, "}", |code| {
        for (module, table) in all_tables(root) {
            let name = names.table(module, table);
            let field = member(name.strip_prefix(prefix.as_str()).unwrap_or(&name));
            code.line(format_args!("{field} = NewObject<U{name}Table>(this);"));
            code.line(format_args!("{field}->PostInitialize();"));
        }
    });
    contexts::definitions(&mut code, context);
    calls::reducer_definitions(&mut code, context, &reducers(root));
    calls::procedure_definitions(&mut code, context, &procedures(root));
    calls::dispatch(&mut code, context, &reducers(root));
    connection::definitions(&mut code, context);
    code
}

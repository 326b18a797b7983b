//! The client: connection, contexts, and the objects for tables, reducers and procedures.

use super::functions::{all_functions, parameters};
use super::names::member;
use super::tables::all_tables;
use super::{Context, braces, header};
use crate::GenerateError;
use crate::case::quoted;
use crate::code::{Code, Files};
use crate::model::{Function, Module};

const CALLABLE: &str = "UFUNCTION(BlueprintCallable, Category = \"SpacetimeDB\")";
const READABLE: &str = "UPROPERTY(BlueprintReadOnly, Category = \"SpacetimeDB\")";

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
        "Connection/SetReducerFlags.h".to_owned(),
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
    code.line(format_args!("class U{prefix}DbConnection;"));
    remote_tables(&mut code, context);
    remote_functions(&mut code, context, "Reducers", &reducers(root));
    remote_functions(&mut code, context, "Procedures", &procedures(root));
    contexts(&mut code, prefix);
    connection(&mut code, context);
    code
}

fn class(
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

fn remote_functions(
    code: &mut Code,
    context: Context<'_>,
    kind: &str,
    functions: &[(&Module, &Function)],
) {
    let prefix = &context.names.prefix;
    class(code, context, &format!("Remote{kind}"), "UObject", |code| {
        for (module, function) in functions {
            let inner = Context { module, ..context };
            let name = context.names.function(module, function);
            code.line(format_args!(
                "/** Asks the server to run `{}`. */",
                function.wire_name
            ));
            code.line(CALLABLE);
            let parameters = parameters(inner, &function.params);
            code.line(format_args!("void {name}({parameters});"));
            code.blank();
        }
        code.line("UPROPERTY()");
        code.line(format_args!("TObjectPtr<U{prefix}DbConnection> Conn;"));
    });
}

fn contexts(code: &mut Code, prefix: &str) {
    for name in [
        "EventContext",
        "ReducerEventContext",
        "ProcedureEventContext",
        "SubscriptionEventContext",
        "ErrorContext",
    ] {
        code.blank();
        code.line("USTRUCT(BlueprintType)");
        braces(code, format_args!("struct F{prefix}{name}"), "};", |code| {
            code.line("GENERATED_BODY()");
            for (ty, field) in [
                ("RemoteTables", "Db"),
                ("RemoteReducers", "Reducers"),
                ("RemoteProcedures", "Procedures"),
            ] {
                code.blank();
                code.line(READABLE);
                code.line(format_args!("TObjectPtr<U{prefix}{ty}> {field};"));
            }
        });
    }
}

fn connection(code: &mut Code, context: Context<'_>) {
    let prefix = &context.names.prefix;
    class(
        code,
        context,
        "SubscriptionHandle",
        "USubscriptionHandleBase",
        |_| {},
    );
    class(
        code,
        context,
        "SubscriptionBuilder",
        "USubscriptionBuilderBase",
        |code| {
            code.line(CALLABLE);
            code.line(format_args!(
                "U{prefix}SubscriptionHandle* Subscribe(const TArray<FString>& Queries);"
            ));
            code.blank();
            code.line(CALLABLE);
            code.line(format_args!(
                "U{prefix}SubscriptionHandle* SubscribeToAllTables();"
            ));
            code.blank();
            code.line("UPROPERTY()");
            code.line(format_args!("TObjectPtr<U{prefix}DbConnection> Conn;"));
        },
    );
    class(
        code,
        context,
        "DbConnectionBuilder",
        "UDbConnectionBuilderBase",
        |code| {
            code.line(CALLABLE);
            code.line(format_args!("U{prefix}DbConnection* Build();"));
        },
    );
    class(code, context, "DbConnection", "UDbConnectionBase", |code| {
        for (ty, field) in [
            ("RemoteTables", "Db"),
            ("RemoteReducers", "Reducers"),
            ("RemoteProcedures", "Procedures"),
        ] {
            code.line(READABLE);
            code.line(format_args!("TObjectPtr<U{prefix}{ty}> {field};"));
            code.blank();
        }
        code.line(CALLABLE);
        code.line(format_args!(
            "static U{prefix}DbConnectionBuilder* Builder();"
        ));
        code.blank();
        code.line(CALLABLE);
        code.line(format_args!(
            "U{prefix}SubscriptionBuilder* SubscriptionBuilder();"
        ));
        code.blank();
        code.line("virtual void PostInitProperties() override;");
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
    for (kind, functions) in [("Reducer", reducers(root)), ("Procedure", procedures(root))] {
        for (module, function) in functions {
            call(&mut code, Context { module, ..context }, kind, function);
        }
    }
    connection_source(&mut code, context);
    code
}

fn call(code: &mut Code, context: Context<'_>, kind: &str, function: &Function) {
    let Context { names, module } = context;
    let prefix = &names.prefix;
    let name = names.function(module, function);
    let parameters = parameters(context, &function.params);
    code.blank();
    let head = format!("void U{prefix}Remote{kind}s::{name}({parameters})");
    braces(code, head, "}", |code| {
        code.line("if (!Conn) return;");
        code.line(format_args!("F{name}Args Args;"));
        for param in &function.params {
            let field = member(&param.name);
            code.line(format_args!("Args.{field} = {field};"));
        }
        code.line(format_args!(
            "Conn->Call{kind}Typed(TEXT({}), Args);",
            quoted(&function.wire_name)
        ));
    });
}

fn connection_source(code: &mut Code, context: Context<'_>) {
    let prefix = &context.names.prefix;
    let connection = format!("U{prefix}DbConnection");
    code.blank();
    braces(
        code,
        format_args!("void {connection}::PostInitProperties()"),
        "}",
        |code| {
            code.line("Super::PostInitProperties();");
            for (ty, field) in [
                ("RemoteTables", "Db"),
                ("RemoteReducers", "Reducers"),
                ("RemoteProcedures", "Procedures"),
            ] {
                code.line(format_args!("{field} = NewObject<U{prefix}{ty}>(this);"));
            }
            code.line("Db->Initialize();\nReducers->Conn = this;\nProcedures->Conn = this;");
            for (module, table) in all_tables(context.module) {
                let row = context.names.row_type(module, table);
                let name = context.names.table(module, table);
                let field = member(name.strip_prefix(prefix.as_str()).unwrap_or(&name));
                code.line(format_args!(
                    "RegisterTable<{row}, U{name}Table, F{prefix}EventContext>(\
                 U{name}Table::TableName, \
                 Db->{field});"
                ));
            }
        },
    );
    code.blank();
    let builder = format!("U{prefix}DbConnectionBuilder");
    braces(
        code,
        format_args!("{builder}* {connection}::Builder()"),
        "}",
        |code| {
            code.line(format_args!("return NewObject<{builder}>();"));
        },
    );
    code.blank();
    braces(
        code,
        format_args!("{connection}* {builder}::Build()"),
        "}",
        |code| {
            code.line(format_args!(
                "return Cast<{connection}>(BuildConnection({connection}::StaticClass()));"
            ));
        },
    );
    code.blank();
    let subscription = format!("U{prefix}SubscriptionBuilder");
    braces(
        code,
        format_args!("{subscription}* {connection}::SubscriptionBuilder()"),
        "}",
        |code| {
            code.line(format_args!("auto* Made = NewObject<{subscription}>();"));
            code.line("Made->Conn = this;\nreturn Made;");
        },
    );
    code.blank();
    let handle = format!("U{prefix}SubscriptionHandle");
    let head = format!("{handle}* {subscription}::Subscribe(const TArray<FString>& Queries)");
    braces(code, head, "}", |code| {
        code.line(format_args!("auto* Handle = NewObject<{handle}>();"));
        code.line("SubscribeBase(Conn, Queries, Handle);\nreturn Handle;");
    });
    code.blank();
    let head = format!("{handle}* {subscription}::SubscribeToAllTables()");
    braces(code, head, "}", |code| {
        code.line("TArray<FString> Queries;");
        for (_, table) in all_tables(context.module) {
            let query = format!("SELECT * FROM {}", table.wire_name);
            code.line(format_args!("Queries.Add(TEXT({}));", quoted(&query)));
        }
        code.line("return Subscribe(Queries);");
    });
}

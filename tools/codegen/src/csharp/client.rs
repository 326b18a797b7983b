//! `SpacetimeDBClient.g.cs`: everything that is there once.

use super::{Context, braces, names};
use crate::GenerateError;
use crate::code::{Code, Files};
use crate::model::{Function, Module, Table};

/// What gives access to a context's kind of event.
struct EventContext {
    name: &'static str,
    interface: &'static str,
    doc: &'static str,
    /// The type of what happened and its name in the constructor.
    event: Option<&'static str>,
    /// The name of the event's field.
    field: &'static str,
}

const CONTEXTS: [EventContext; 5] = [
    EventContext {
        name: "EventContext",
        interface: "IEventContext",
        doc: "What callbacks of rows get.",
        event: Some("Event<Reducer>"),
        field: "Event",
    },
    EventContext {
        name: "ReducerEventContext",
        interface: "IReducerEventContext",
        doc: "What callbacks of reducers get.",
        event: Some("ReducerEvent<Reducer>"),
        field: "Event",
    },
    EventContext {
        name: "ErrorContext",
        interface: "IErrorContext",
        doc: "What callbacks of errors get.",
        event: Some("Exception"),
        field: "Event",
    },
    EventContext {
        name: "SubscriptionEventContext",
        interface: "ISubscriptionEventContext",
        doc: "What callbacks of subscriptions get.",
        event: None,
        field: "",
    },
    EventContext {
        name: "ProcedureEventContext",
        interface: "IProcedureEventContext",
        doc: "What callbacks of procedures get.",
        event: Some("ProcedureEvent"),
        field: "Event",
    },
];

pub(super) fn generate(
    context: Context<'_>,
    tool_version: &str,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let root = context.module;
    let usings = ["SpacetimeDB.ClientApi"];
    let code = context.file(&usings, |code| {
        code.line(format_args!("// Made by spacetime {tool_version}."));
        code.blank();
        remotes(code, root);
        code.blank();
        code.line("/// <summary>Whatever gives access to this module.</summary>");
        code.line(
            "public interface IRemoteDbContext : IDbContext<RemoteTables, RemoteReducers, \
             SubscriptionBuilder, RemoteProcedures>",
        );
        code.line("{");
        code.line("    event Action<ReducerEventContext, Exception>? OnUnhandledReducerError;");
        code.line("}");
        for event_context in &CONTEXTS {
            code.blank();
            context_class(code, event_context);
        }
        subscriptions(code);
        query_builder(code, root);
        connection(code, root);
    });
    files.add("SpacetimeDBClient.g.cs", code)
}

/// Every table and view, with the module it is in.
fn all_tables(root: &Module) -> Vec<(&Module, &Table)> {
    let mut all = Vec::new();
    for module in root.walk() {
        all.extend(module.tables.iter().map(|table| (module, table)));
    }
    all
}

/// Every reducer, with the module it is in.
fn all_reducers(root: &Module) -> Vec<(&Module, &Function)> {
    let mut all = Vec::new();
    for module in root.walk() {
        all.extend(module.reducers.iter().map(|reducer| (module, reducer)));
    }
    all
}

fn remotes(code: &mut Code, root: &Module) {
    braces(
        code,
        "public sealed partial class RemoteReducers : RemoteBase",
        |code| {
            code.line("internal RemoteReducers(DbConnection conn) : base(conn) { }");
            code.blank();
            code.line(
                "internal event Action<ReducerEventContext, Exception>? \
             InternalOnUnhandledReducerError;",
            );
        },
    );
    code.blank();
    braces(
        code,
        "public sealed partial class RemoteProcedures : RemoteBase",
        |code| {
            code.line("internal RemoteProcedures(DbConnection conn) : base(conn) { }");
        },
    );
    code.blank();
    braces(
        code,
        "public sealed partial class RemoteTables : RemoteTablesBase",
        |code| {
            braces(code, "public RemoteTables(DbConnection conn)", |code| {
                for (module, table) in all_tables(root) {
                    let name = names::table_name(module, table);
                    code.line(format_args!("AddTable({name} = new {name}Handle(conn));"));
                }
            });
        },
    );
}

/// The members that give access to the database, for a class with a `conn`.
fn access(code: &mut Code) {
    for (doc, member) in [
        (
            "The client's copies of the tables.",
            "RemoteTables Db => conn.Db;",
        ),
        (
            "The reducers of the module.",
            "RemoteReducers Reducers => conn.Reducers;",
        ),
        (
            "The procedures of the module.",
            "RemoteProcedures Procedures => conn.Procedures;",
        ),
        (
            "Whether the connection is there.",
            "bool IsActive => conn.IsActive;",
        ),
        (
            "Ends the connection.",
            "void Disconnect() => conn.Disconnect();",
        ),
        (
            "Begins to set up a subscription.",
            "SubscriptionBuilder SubscriptionBuilder() => conn.SubscriptionBuilder();",
        ),
        ("Who the client is.", "Identity? Identity => conn.Identity;"),
        (
            "Which of the client's connections this is.",
            "ConnectionId ConnectionId => conn.ConnectionId;",
        ),
    ] {
        code.line(format_args!("/// <summary>{doc}</summary>"));
        code.line(format_args!("public {member}"));
    }
    unhandled_errors(code, "conn.Reducers");
}

fn unhandled_errors(code: &mut Code, reducers: &str) {
    code.line("/// <summary>Failed calls that have no handler of their own.</summary>");
    let head = "public event Action<ReducerEventContext, Exception>? OnUnhandledReducerError";
    braces(code, head, |code| {
        code.line(format_args!(
            "add => {reducers}.InternalOnUnhandledReducerError += value;"
        ));
        code.line(format_args!(
            "remove => {reducers}.InternalOnUnhandledReducerError -= value;"
        ));
    });
}

fn context_class(code: &mut Code, context: &EventContext) {
    let EventContext {
        name,
        interface,
        doc,
        event,
        field,
    } = context;
    code.line(format_args!("/// <summary>{doc}</summary>"));
    let head = format!("public sealed class {name} : {interface}, IRemoteDbContext");
    braces(code, head, |code| {
        code.line("private readonly DbConnection conn;");
        if let Some(event) = event {
            code.line("/// <summary>What has happened.</summary>");
            code.line(format_args!("public readonly {event} {field};"));
        }
        access(code);
        code.blank();
        let parameter = event.map(|event| format!(", {event} what"));
        let parameter = parameter.unwrap_or_default();
        let head = format!("internal {name}(DbConnection conn{parameter})");
        braces(code, head, |code| {
            code.line("this.conn = conn;");
            if event.is_some() {
                code.line(format_args!("{field} = what;"));
            }
        });
    });
}

fn subscriptions(code: &mut Code) {
    code.blank();
    code.line("/// <summary>A subscription.</summary>");
    code.line(
        "public sealed class SubscriptionHandle : SubscriptionHandleBase<SubscriptionEventContext, \
         ErrorContext>",
    );
    code.line("{");
    code.indented(|code| {
        code.line("internal SubscriptionHandle(");
        code.line(
            "    IDbConnection conn,\n    Action<SubscriptionEventContext>? onApplied,\n    \
             Action<ErrorContext, Exception>? onError,\n    string[] queries",
        );
        code.line(") : base(conn, onApplied, onError, queries) { }");
    });
    code.line("}");
    code.blank();
    code.line("/// <summary>Sets up a subscription in SQL.</summary>");
    braces(code, "public sealed class SubscriptionBuilder", |code| {
        builder_members(code, "SubscriptionBuilder");
        code.line("/// <summary>Goes on with queries that the compiler checks.</summary>");
        code.line(
            "public TypedSubscriptionBuilder AddQuery<TRow>(Func<QueryBuilder, \
             global::SpacetimeDB.IQuery<TRow>> build) =>",
        );
        code.line("    new TypedSubscriptionBuilder(conn, applied, failed).AddQuery(build);");
        code.line("/// <summary>Subscribes to the rows of all queries together.</summary>");
        code.line("public SubscriptionHandle Subscribe(string[] queries) =>");
        code.line("    new SubscriptionHandle(conn, applied, failed, queries);");
        code.line("/// <summary>Subscribes to every table that the client may read.</summary>");
        code.line("public SubscriptionHandle SubscribeToAllTables() =>");
        code.line("    Subscribe(QueryBuilder.AllTablesSqlQueries());");
    });
    code.blank();
    code.line("/// <summary>Sets up a subscription with queries in C#.</summary>");
    braces(
        code,
        "public sealed class TypedSubscriptionBuilder",
        |code| {
            code.line("private readonly List<string> queries = new List<string>();");
            builder_members(code, "TypedSubscriptionBuilder");
            code.line("internal TypedSubscriptionBuilder(");
            code.line(
                "    IDbConnection conn,\n    Action<SubscriptionEventContext>? applied,\n    \
             Action<ErrorContext, Exception>? failed",
            );
            code.line(") : this(conn)");
            code.line("{");
            code.line("    this.applied = applied;\n    this.failed = failed;");
            code.line("}");
            code.line("/// <summary>Adds a query.</summary>");
            let head = "public TypedSubscriptionBuilder AddQuery<TRow>(Func<QueryBuilder, \
                    global::SpacetimeDB.IQuery<TRow>> build)";
            braces(code, head, |code| {
                code.line("queries.Add(build(new QueryBuilder()).ToSql());\nreturn this;");
            });
            code.line("/// <summary>Subscribes to the rows of all queries together.</summary>");
            code.line("public SubscriptionHandle Subscribe() =>");
            code.line("    new SubscriptionHandle(conn, applied, failed, queries.ToArray());");
        },
    );
}

/// What both kinds of subscription builders have.
fn builder_members(code: &mut Code, class: &str) {
    code.line("private readonly IDbConnection conn;");
    code.line("private Action<SubscriptionEventContext>? applied;");
    code.line("private Action<ErrorContext, Exception>? failed;");
    code.blank();
    braces(
        code,
        format_args!("internal {class}(IDbConnection conn)"),
        |code| {
            code.line("this.conn = conn;");
        },
    );
    code.line("/// <summary>Called once the first rows are there.</summary>");
    let head = format!("public {class} OnApplied(Action<SubscriptionEventContext> callback)");
    braces(code, head, |code| {
        code.line("applied += callback;\nreturn this;");
    });
    code.line("/// <summary>Called when the subscription has failed.</summary>");
    let head = format!("public {class} OnError(Action<ErrorContext, Exception> callback)");
    braces(code, head, |code| {
        code.line("failed += callback;\nreturn this;");
    });
}

fn query_builder(code: &mut Code, root: &Module) {
    let tables = all_tables(root);
    code.blank();
    code.line("/// <summary>Makes queries.</summary>");
    braces(code, "public sealed class QueryBuilder", |code| {
        code.line("/// <summary>The tables to begin with.</summary>");
        code.line("public From From { get; } = new From();");
        code.blank();
        code.line("internal static string[] AllTablesSqlQueries() => new string[]");
        code.line("{");
        for (module, table) in &tables {
            let name = names::table_name(module, table);
            code.line(format_args!(
                "    new QueryBuilder().From.{name}().ToSql(),"
            ));
        }
        code.line("};");
    });
    code.blank();
    code.line("/// <summary>The tables and views that queries can begin with.</summary>");
    braces(code, "public sealed class From", |code| {
        for (module, table) in &tables {
            let name = names::table_name(module, table);
            let row = names::row_type(module, table);
            let ty = format!("global::SpacetimeDB.Table<{row}, {name}Cols, {name}IxCols>");
            let wire_name = crate::case::quoted(&table.wire_name);
            code.line(format_args!(
                "/// <summary>The table <c>{}</c>.</summary>",
                table.wire_name
            ));
            code.line(format_args!("public {ty} {name}() =>"));
            code.line(format_args!(
                "    new {ty}({wire_name}, new {name}Cols({wire_name}), \
                 new {name}IxCols({wire_name}));"
            ));
        }
    });
}

fn connection(code: &mut Code, root: &Module) {
    for name in ["Reducer", "Procedure"] {
        code.blank();
        code.line(format_args!(
            "/// <summary>Arguments of {}s.</summary>",
            name.to_lowercase()
        ));
        braces(
            code,
            format_args!("public abstract partial class {name}"),
            |code| {
                // Nobody else is to derive from it.
                code.line(format_args!("private {name}() {{ }}"));
            },
        );
    }
    code.blank();
    code.line("/// <summary>A connection to a database.</summary>");
    code.line(
        "public sealed class DbConnection : DbConnectionBase<DbConnection, RemoteTables, Reducer>",
    );
    code.line("{");
    code.indented(|code| connection_body(code, root));
    code.line("}");
}

fn connection_body(code: &mut Code, root: &Module) {
    code.line("public override RemoteTables Db { get; }");
    code.line("public readonly RemoteReducers Reducers;");
    code.line("public readonly RemoteProcedures Procedures;");
    code.blank();
    braces(code, "public DbConnection()", |code| {
        code.line(
            "Db = new RemoteTables(this);\nReducers = new RemoteReducers(this);\nProcedures = \
             new RemoteProcedures(this);",
        );
    });
    for (returns, method, parameters, arguments, class) in [
        (
            "IEventContext",
            "ToEventContext",
            "Event<Reducer> what",
            ", what",
            "EventContext",
        ),
        (
            "IReducerEventContext",
            "ToReducerEventContext",
            "ReducerEvent<Reducer> what",
            ", what",
            "ReducerEventContext",
        ),
        (
            "ISubscriptionEventContext",
            "MakeSubscriptionEventContext",
            "",
            "",
            "SubscriptionEventContext",
        ),
        (
            "IErrorContext",
            "ToErrorContext",
            "Exception what",
            ", what",
            "ErrorContext",
        ),
        (
            "IProcedureEventContext",
            "ToProcedureEventContext",
            "ProcedureEvent what",
            ", what",
            "ProcedureEventContext",
        ),
    ] {
        code.blank();
        code.line(format_args!(
            "protected override {returns} {method}({parameters}) =>"
        ));
        code.line(format_args!("    new {class}(this{arguments});"));
    }
    code.blank();
    let head = "protected override bool Dispatch(IReducerEventContext context, Reducer reducer)";
    braces(code, head, |code| {
        code.line("var ctx = (ReducerEventContext)context;");
        for (module, reducer) in all_reducers(root) {
            let name = names::function_name(module, reducer);
            let head = format!("if (reducer is Reducer.{name} args{name})");
            braces(code, head, |code| {
                code.line(format_args!(
                    "return Reducers.{}(ctx, args{name});",
                    names::remote(module, &name).invoke
                ));
            });
        }
        code.line("throw new ArgumentOutOfRangeException(nameof(reducer));");
    });
    code.blank();
    code.line("/// <summary>Begins to set up a subscription.</summary>");
    code.line("public SubscriptionBuilder SubscriptionBuilder() => new SubscriptionBuilder(this);");
    unhandled_errors(code, "Reducers");
}

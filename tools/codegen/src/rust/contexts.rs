//! The connection, subscriptions, and the contexts that callbacks get. Nothing in here depends
//! on the module.

use super::global::in_module;
use crate::code::Code;

pub(super) fn generate(code: &mut Code) {
    connection(code);
    subscription_handle(code);
    remote_db_context(code);
    for context in &CONTEXTS {
        event_context(code, context);
    }
}

/// One of the contexts.
struct EventContext {
    name: &'static str,
    doc: &'static str,
    /// The type of what happened.
    event: &'static str,
    /// Whether users see it.
    has_field: bool,
}

const CONTEXTS: [EventContext; 5] = [
    EventContext {
        name: "EventContext",
        doc: "What callbacks of rows get.",
        event: "__sdk::Event<Reducer>",
        has_field: true,
    },
    EventContext {
        name: "ReducerEventContext",
        doc: "What callbacks of reducer calls get.",
        event: "__sdk::ReducerEvent<Reducer>",
        has_field: true,
    },
    EventContext {
        name: "ProcedureEventContext",
        doc: "What callbacks of procedure calls get.",
        event: "()",
        has_field: false,
    },
    EventContext {
        name: "SubscriptionEventContext",
        doc: "What callbacks of subscriptions get.",
        event: "()",
        has_field: false,
    },
    EventContext {
        name: "ErrorContext",
        doc: "What callbacks of errors get.",
        event: "std::option::Option<__sdk::Error>",
        has_field: true,
    },
];

fn connection(code: &mut Code) {
    code.blank();
    code.line("/// A connection to a database.");
    code.line("///");
    code.line("/// Nothing happens on it unless one of the methods that advance it is called: for");
    code.line("/// example `run_threaded` once, or `frame_tick` in every frame of a game.");
    code.block("pub struct DbConnection", |code| {
        fields(code);
        code.blank();
        code.line("imp: __sdk::DbContextImpl<RemoteModule>,");
    });
    code.blank();
    in_module(code, "DbConnection");
    db_context(code, "DbConnection");
    code.blank();
    code.block("impl DbConnection", |code| {
        code.line("/// Begins to set up a connection.");
        let head = "pub fn builder() -> __sdk::DbConnectionBuilder<RemoteModule>";
        code.block(head, |code| code.line("__sdk::DbConnectionBuilder::new()"));
        for method in ADVANCING {
            code.blank();
            advancing_method(code, method);
        }
    });
    code.blank();
    code.block("impl __sdk::DbConnection for DbConnection", |code| {
        code.block(
            "fn new(imp: __sdk::DbContextImpl<RemoteModule>) -> Self",
            |code| {
                code.block("Self", |code| {
                    field_values(code);
                    code.line("imp,");
                });
            },
        );
    });
}

/// Name, return type, whether it is asynchronous, where it exists, and what it is for.
type Advancing = (&'static str, &'static str, bool, &'static str, &'static str);

const NATIVE: &str = "#[cfg(not(target_arch = \"wasm32\"))]";
const BROWSER: &str = "#[cfg(target_arch = \"wasm32\")]";

const ADVANCING: [Advancing; 7] = [
    (
        "advance_one_message",
        "__sdk::Result<bool>",
        false,
        "",
        "Handles one message if one has come; says whether there was one.",
    ),
    (
        "advance_one_message_blocking",
        "__sdk::Result<()>",
        false,
        NATIVE,
        "Waits for a message and handles it.",
    ),
    (
        "advance_one_message_async",
        "__sdk::Result<()>",
        true,
        "",
        "Waits for a message and handles it.",
    ),
    (
        "frame_tick",
        "__sdk::Result<()>",
        false,
        "",
        "Handles all messages that have come.",
    ),
    (
        "run_threaded",
        "std::thread::JoinHandle<()>",
        false,
        NATIVE,
        "Handles messages on a thread of its own until the connection ends.",
    ),
    (
        "run_background_task",
        "",
        false,
        BROWSER,
        "Handles messages in the background until the connection ends.",
    ),
    (
        "run_async",
        "__sdk::Result<()>",
        true,
        "",
        "Handles messages until the connection ends.",
    ),
];

fn advancing_method(code: &mut Code, method: Advancing) {
    let (name, returns, is_async, cfg, doc) = method;
    code.line(format_args!("/// {doc}"));
    if !cfg.is_empty() {
        code.line(cfg);
    }
    let (word, wait) = if is_async {
        ("async ", ".await")
    } else {
        ("", "")
    };
    let arrow = if returns.is_empty() { "" } else { " -> " };
    code.block(
        format_args!("pub {word}fn {name}(&self){arrow}{returns}"),
        |code| {
            code.line(format_args!("self.imp.{name}(){wait}"));
        },
    );
}

fn fields(code: &mut Code) {
    code.line("/// The client's copy of the tables it has subscribed to.");
    code.line("pub db: RemoteTables,");
    code.line("/// The reducers of the module.");
    code.line("pub reducers: RemoteReducers,");
    code.line("/// The procedures of the module.");
    code.line("pub procedures: RemoteProcedures,");
}

fn field_values(code: &mut Code) {
    for (field, ty) in [
        ("db", "RemoteTables"),
        ("reducers", "RemoteReducers"),
        ("procedures", "RemoteProcedures"),
    ] {
        code.line(format_args!("{field}: {ty} {{ imp: imp.clone() }},"));
    }
}

fn db_context(code: &mut Code, name: &str) {
    code.blank();
    code.block(format_args!("impl __sdk::DbContext for {name}"), |code| {
        for (ty, target, method, field) in [
            ("DbView", "RemoteTables", "db", "db"),
            ("Reducers", "RemoteReducers", "reducers", "reducers"),
            ("Procedures", "RemoteProcedures", "procedures", "procedures"),
        ] {
            code.line(format_args!("type {ty} = {target};"));
            code.block(format_args!("fn {method}(&self) -> &Self::{ty}"), |code| {
                code.line(format_args!("&self.{field}"));
            });
        }
        code.line("type SubscriptionBuilder = __sdk::SubscriptionBuilder<RemoteModule>;");
        code.block(
            "fn subscription_builder(&self) -> Self::SubscriptionBuilder",
            |code| {
                code.line("__sdk::SubscriptionBuilder::new(&self.imp)");
            },
        );
        for (method, returns) in [
            ("is_active", "bool"),
            ("disconnect", "__sdk::Result<()>"),
            ("try_identity", "std::option::Option<__sdk::Identity>"),
            ("connection_id", "__sdk::ConnectionId"),
            (
                "try_connection_id",
                "std::option::Option<__sdk::ConnectionId>",
            ),
        ] {
            code.block(format_args!("fn {method}(&self) -> {returns}"), |code| {
                code.line(format_args!("self.imp.{method}()"));
            });
        }
    });
}

fn subscription_handle(code: &mut Code) {
    code.blank();
    code.line("/// A subscription.");
    code.line("#[derive(Clone)]");
    code.block("pub struct SubscriptionHandle", |code| {
        code.line("imp: __sdk::SubscriptionHandleImpl<RemoteModule>,");
    });
    code.blank();
    in_module(code, "SubscriptionHandle");
    code.blank();
    code.block(
        "impl __sdk::SubscriptionHandle for SubscriptionHandle",
        |code| {
            let head = "fn new(imp: __sdk::SubscriptionHandleImpl<RemoteModule>) -> Self";
            code.block(head, |code| code.line("Self { imp }"));
            for (method, returns) in [("is_ended", "bool"), ("is_active", "bool")] {
                code.block(format_args!("fn {method}(&self) -> {returns}"), |code| {
                    code.line(format_args!("self.imp.{method}()"));
                });
            }
            code.line("fn unsubscribe_then(");
            code.indented(|code| {
                code.line("self,\non_end: __sdk::OnEndedCallback<RemoteModule>,");
            });
            code.block_with(") -> __sdk::Result<()>", "}", |code| {
                code.line("self.imp.unsubscribe_then(Some(on_end))");
            });
            code.block("fn unsubscribe(self) -> __sdk::Result<()>", |code| {
                code.line("self.imp.unsubscribe_then(None)");
            });
        },
    );
}

fn remote_db_context(code: &mut Code) {
    code.blank();
    code.line("/// Whatever gives access to this module: the connection and all contexts.");
    code.line("pub trait RemoteDbContext:");
    let bound = "__sdk::DbContext<\n    DbView = RemoteTables,\n    \
                 Reducers = RemoteReducers,\n    \
                 Procedures = RemoteProcedures,\n    \
                 SubscriptionBuilder = __sdk::SubscriptionBuilder<RemoteModule>,\n>";
    code.indented(|code| code.line(bound));
    code.line("{\n}");
    code.blank();
    code.line("impl<Ctx> RemoteDbContext for Ctx where");
    code.indented(|code| code.line(format_args!("Ctx: {bound}")));
    code.line("{\n}");
}

fn event_context(code: &mut Code, context: &EventContext) {
    let EventContext {
        name,
        doc,
        event,
        has_field,
    } = *context;
    code.blank();
    code.line(format_args!("/// {doc}"));
    code.block(format_args!("pub struct {name}"), |code| {
        fields(code);
        if has_field {
            code.line("/// What has happened.");
            code.line(format_args!("pub event: {event},"));
        }
        code.line("imp: __sdk::DbContextImpl<RemoteModule>,");
    });
    code.blank();
    in_module(code, name);
    db_context(code, name);
    code.blank();
    code.block(
        format_args!("impl __sdk::AbstractEventContext for {name}"),
        |code| {
            code.line(format_args!("type Event = {event};"));
            let value = if has_field { "&self.event" } else { "&()" };
            code.block("fn event(&self) -> &Self::Event", |code| code.line(value));
            code.line("fn new(");
            code.indented(|code| {
                code.line("imp: __sdk::DbContextImpl<RemoteModule>,\nevent: Self::Event,");
            });
            code.block_with(") -> Self", "}", |code| {
                code.block("Self", |code| {
                    field_values(code);
                    if has_field {
                        code.line("event,");
                    }
                    code.line("imp,");
                });
            });
        },
    );
    code.blank();
    code.line(format_args!("impl __sdk::{name} for {name} {{}}"));
}

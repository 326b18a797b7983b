//! Contexts: what callbacks get, which is access to the connection and what has happened.

use super::{Context, braces};
use crate::code::Code;

const READABLE: &str = "UPROPERTY(BlueprintReadOnly, Category = \"SpacetimeDB\")";

/// A kind of context: its name, and the type and name of what has happened.
struct Kind {
    name: &'static str,
    doc: &'static str,
    event: Option<(&'static str, &'static str)>,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "EventContext",
        doc: "What callbacks of rows get.",
        event: Some(("FSpacetimeDBEvent", "Event")),
    },
    Kind {
        name: "ReducerEventContext",
        doc: "What callbacks of this connection's own calls of reducers get.",
        event: Some(("FReducerEvent", "Event")),
    },
    Kind {
        name: "ProcedureEventContext",
        doc: "What callbacks of procedures get.",
        event: Some(("FProcedureEvent", "Event")),
    },
    Kind {
        name: "SubscriptionEventContext",
        doc: "What callbacks of subscriptions get.",
        event: None,
    },
    Kind {
        name: "ErrorContext",
        doc: "What callbacks of errors get.",
        event: Some(("FString", "Error")),
    },
];

/// The members that give access to the module, by type and name.
pub(super) const ACCESS: [(&str, &str); 3] = [
    ("RemoteTables", "Db"),
    ("RemoteReducers", "Reducers"),
    ("RemoteProcedures", "Procedures"),
];

pub(super) fn declarations(code: &mut Code, context: Context<'_>) {
    let prefix = &context.names.prefix;
    let api = context.names.api();
    let base = format!("F{prefix}ContextBase");
    code.blank();
    code.line("/** What all contexts have. */");
    code.line("USTRUCT(BlueprintType)");
    braces(code, format_args!("struct {api} {base}"), "};", |code| {
        code.line("GENERATED_BODY()");
        code.blank();
        code.line(format_args!("{base}() = default;"));
        code.line(format_args!(
            "explicit {base}(U{prefix}DbConnection* InConn);"
        ));
        for (ty, field) in ACCESS {
            code.blank();
            code.line(READABLE);
            code.line(format_args!("TObjectPtr<U{prefix}{ty}> {field};"));
        }
        code.blank();
        code.line("/** Begins to set up a subscription. */");
        code.line(format_args!(
            "U{prefix}SubscriptionBuilder* SubscriptionBuilder() const;"
        ));
        code.blank();
        code.line("/** Who the client is, once the server has said so. */");
        code.line("bool TryGetIdentity(FSpacetimeDBIdentity& OutIdentity) const;");
        code.blank();
        code.line("/** Which of the client's connections this is. */");
        code.line("FSpacetimeDBConnectionId GetConnectionId() const;");
        code.blank();
        code.line("/** Whether the connection is there. */");
        code.line("bool IsActive() const;");
        code.blank();
        code.line("/** Ends the connection. */");
        code.line("void Disconnect() const;");
        code.blank();
        code.line("protected:");
        code.line("UPROPERTY()");
        code.line(format_args!("TObjectPtr<U{prefix}DbConnection> Conn;"));
    });
    for kind in &KINDS {
        declaration(code, context, kind, &base);
    }
}

fn declaration(code: &mut Code, context: Context<'_>, kind: &Kind, base: &str) {
    let prefix = &context.names.prefix;
    let full = format!("F{prefix}{}", kind.name);
    code.blank();
    code.line(format_args!("/** {} */", kind.doc));
    code.line("USTRUCT(BlueprintType)");
    let head = format!("struct {} {full} : public {base}", context.names.api());
    braces(code, head, "};", |code| {
        code.line("GENERATED_BODY()");
        code.blank();
        code.line(format_args!("{full}() = default;"));
        let connection = format!("U{prefix}DbConnection* InConn");
        match kind.event {
            Some((ty, field)) => {
                code.line(format_args!(
                    "{full}({connection}, const {ty}& In{field}) : \
                     {base}(InConn), {field}(In{field}) {{}}"
                ));
                code.blank();
                code.line(READABLE);
                code.line(format_args!("{ty} {field};"));
            }
            None => code.line(format_args!(
                "explicit {full}({connection}) : {base}(InConn) {{}}"
            )),
        }
    });
}

pub(super) fn definitions(code: &mut Code, context: Context<'_>) {
    let prefix = &context.names.prefix;
    let base = format!("F{prefix}ContextBase");
    code.blank();
    let head = format!("{base}::{base}(U{prefix}DbConnection* InConn) : Conn(InConn)");
    braces(code, head, "}", |code| {
        code.line("if (!InConn) return;");
        for (_, field) in ACCESS {
            code.line(format_args!("{field} = InConn->{field};"));
        }
    });
    let builder = format!("U{prefix}SubscriptionBuilder*");
    for (returns, signature, call) in [
        (
            builder.as_str(),
            "SubscriptionBuilder()",
            "return Conn ? Conn->SubscriptionBuilder() : nullptr;",
        ),
        (
            "bool",
            "TryGetIdentity(FSpacetimeDBIdentity& OutIdentity)",
            "return Conn && Conn->TryGetIdentity(OutIdentity);",
        ),
        (
            "FSpacetimeDBConnectionId",
            "GetConnectionId()",
            "return Conn ? Conn->GetConnectionId() : FSpacetimeDBConnectionId();",
        ),
        ("bool", "IsActive()", "return Conn && Conn->IsActive();"),
        ("void", "Disconnect()", "if (Conn) Conn->Disconnect();"),
    ] {
        code.blank();
        let head = format!("{returns} {base}::{signature} const");
        braces(code, head, "}", |code| code.line(call));
    }
}

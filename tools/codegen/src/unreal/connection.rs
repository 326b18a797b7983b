//! The connection itself, what sets it up, and subscriptions.

use super::client::{CALLABLE, READABLE, class};
use super::contexts::ACCESS;
use super::names::member;
use super::tables::all_tables;
use super::{Context, braces};
use crate::case::quoted;
use crate::code::Code;

/// The delegates that connections and subscriptions take.
pub(super) fn delegates(code: &mut Code, prefix: &str) {
    let connection = format!("U{prefix}DbConnection*, Connection");
    code.blank();
    code.line(format_args!(
        "DECLARE_DYNAMIC_DELEGATE_ThreeParams(F{prefix}OnConnectDelegate, {connection}, \
         FSpacetimeDBIdentity, Identity, const FString&, Token);"
    ));
    code.line(format_args!(
        "DECLARE_DYNAMIC_DELEGATE_TwoParams(F{prefix}OnDisconnectDelegate, {connection}, \
         const FString&, Error);"
    ));
    code.line(format_args!(
        "DECLARE_DYNAMIC_DELEGATE_OneParam(F{prefix}OnSubscriptionApplied, \
         F{prefix}SubscriptionEventContext, Context);"
    ));
    code.line(format_args!(
        "DECLARE_DYNAMIC_DELEGATE_OneParam(F{prefix}OnSubscriptionError, \
         F{prefix}ErrorContext, Context);"
    ));
    code.line(format_args!(
        "DECLARE_DYNAMIC_MULTICAST_DELEGATE_TwoParams(F{prefix}UnhandledReducerError, \
         const F{prefix}ReducerEventContext&, Context, const FString&, Error);"
    ));
}

/// A method that sets something up, and what it passes on to the plugin's class.
struct Setter {
    name: &'static str,
    parameter: &'static str,
    body: &'static str,
}

const SETTERS: [Setter; 5] = [
    Setter {
        name: "WithUri",
        parameter: "const FString& InUri",
        body: "WithUriBase(InUri);",
    },
    Setter {
        name: "WithDatabaseName",
        parameter: "const FString& InName",
        // Older plugins speak of the module where newer ones speak of the database.
        body: "[&InName](auto* Base)\n{\n    \
               if constexpr (requires { Base->WithDatabaseNameBase(InName); })\n    {\n        \
               Base->WithDatabaseNameBase(InName);\n    }\n    else\n    {\n        \
               Base->WithModuleNameBase(InName);\n    }\n\
               }(static_cast<UDbConnectionBuilderBase*>(this));",
    },
    Setter {
        name: "WithToken",
        parameter: "const FString& InToken",
        body: "WithTokenBase(InToken);",
    },
    Setter {
        name: "WithCompression",
        parameter: "const ESpacetimeDBCompression& InCompression",
        body: "WithCompressionBase(InCompression);",
    },
    Setter {
        name: "OnConnectError",
        parameter: "FOnConnectErrorDelegate Callback",
        body: "OnConnectErrorBase(Callback);",
    },
];

/// Subscriptions, then the connection.
pub(super) fn declarations(code: &mut Code, context: Context<'_>) {
    let prefix = &context.names.prefix;
    let handle = format!("U{prefix}SubscriptionHandle");
    let base = "USubscriptionHandleBase";
    class(code, context, "SubscriptionHandle", base, |code| {
        // What the plugin calls must not be collected before the subscription is.
        code.line("UPROPERTY()");
        code.line(format_args!(
            "TObjectPtr<U{prefix}SubscriptionBuilder> Builder;"
        ));
    });
    let base = "USubscriptionBuilderBase";
    class(code, context, "SubscriptionBuilder", base, |code| {
        let builder = format!("U{prefix}SubscriptionBuilder*");
        for (doc, method) in [
            (
                "Called once the first rows are there.",
                format!("{builder} OnApplied(F{prefix}OnSubscriptionApplied Callback);"),
            ),
            (
                "Called when the subscription has failed.",
                format!("{builder} OnError(F{prefix}OnSubscriptionError Callback);"),
            ),
            (
                "Subscribes to the rows of all queries together.",
                format!("{handle}* Subscribe(const TArray<FString>& SQL);"),
            ),
            (
                "Subscribes to every table that the client may read.",
                format!("{handle}* SubscribeToAllTables();"),
            ),
        ] {
            code.line(format_args!("/** {doc} */\n{CALLABLE}\n{method}"));
            code.blank();
        }
        code.line("UPROPERTY()");
        code.line(format_args!("TObjectPtr<U{prefix}DbConnection> Conn;"));
        code.blank();
        code.line("private:");
        code.line(format_args!(
            "F{prefix}OnSubscriptionApplied Applied;\nF{prefix}OnSubscriptionError Failed;"
        ));
        code.blank();
        code.line("UFUNCTION()");
        code.line("void HandleApplied(const FSubscriptionEventContextBase& Context);");
        code.blank();
        code.line("UFUNCTION()");
        code.line("void HandleError(const FErrorContextBase& Context);");
    });
    builder(code, context);
    connection(code, context);
}

fn builder(code: &mut Code, context: Context<'_>) {
    let prefix = &context.names.prefix;
    let base = "UDbConnectionBuilderBase";
    class(code, context, "DbConnectionBuilder", base, |code| {
        let builder = format!("U{prefix}DbConnectionBuilder*");
        for Setter {
            name, parameter, ..
        } in &SETTERS
        {
            code.line(CALLABLE);
            code.line(format_args!("{builder} {name}({parameter});"));
            code.blank();
        }
        for kind in ["OnConnect", "OnDisconnect"] {
            code.line(CALLABLE);
            code.line(format_args!(
                "{builder} {kind}(F{prefix}{kind}Delegate Callback);"
            ));
            code.blank();
        }
        code.line(CALLABLE);
        code.line(format_args!("U{prefix}DbConnection* Build();"));
        code.blank();
        code.line("private:");
        code.line(format_args!(
            "F{prefix}OnConnectDelegate Connected;\nF{prefix}OnDisconnectDelegate Disconnected;"
        ));
        code.blank();
        code.line("UFUNCTION()");
        code.line(
            "void HandleConnect(UDbConnectionBase* Base, FSpacetimeDBIdentity Identity, \
             const FString& Token);",
        );
        code.blank();
        code.line("UFUNCTION()");
        code.line("void HandleDisconnect(UDbConnectionBase* Base, const FString& Error);");
    });
}

fn connection(code: &mut Code, context: Context<'_>) {
    let prefix = &context.names.prefix;
    class(code, context, "DbConnection", "UDbConnectionBase", |code| {
        for (ty, field) in ACCESS {
            code.line(READABLE);
            code.line(format_args!("TObjectPtr<U{prefix}{ty}> {field};"));
            code.blank();
        }
        code.line("/** Failed calls of reducers that nobody listens for. */");
        code.line("UPROPERTY(BlueprintAssignable, Category = \"SpacetimeDB Events\")");
        code.line(format_args!(
            "F{prefix}UnhandledReducerError OnUnhandledReducerError;"
        ));
        code.blank();
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
        code.blank();
        code.line("/** Sends what a builder of subscriptions has set up. */");
        code.line("void Start(USubscriptionHandleBase* Handle);");
        code.blank();
        // What the plugin calls must not be collected before the connection is.
        code.line("UPROPERTY()");
        code.line(format_args!(
            "TObjectPtr<U{prefix}DbConnectionBuilder> Origin;"
        ));
        code.blank();
        code.line("protected:");
        code.line(
            "virtual void DbUpdate(const FDatabaseUpdateType& Update, \
             const FSpacetimeDBEvent& Event) override;\n\
             virtual void ReducerEvent(const FReducerEvent& Event) override;\n\
             virtual void ReducerEventFailed(const FReducerEvent& Event, \
             const FString ErrorMessage) override;",
        );
        code.blank();
        code.line("private:");
        code.line(format_args!(
            "void Unhandled(const F{prefix}ReducerEventContext& Context, const FString& Error);"
        ));
    });
}

pub(super) fn definitions(code: &mut Code, context: Context<'_>) {
    let prefix = &context.names.prefix;
    let connection = format!("U{prefix}DbConnection");
    code.blank();
    let head = format!("void {connection}::PostInitProperties()");
    braces(code, head, "}", |code| {
        code.line("Super::PostInitProperties();");
        for (ty, field) in ACCESS {
            code.line(format_args!("{field} = NewObject<U{prefix}{ty}>(this);"));
        }
        code.line("Db->Initialize();\nReducers->Conn = this;\nProcedures->Conn = this;");
        for (module, table) in all_tables(context.module) {
            let row = context.names.row_type(module, table);
            let name = context.names.table(module, table);
            let field = member(name.strip_prefix(prefix.as_str()).unwrap_or(&name));
            code.line(format_args!(
                "RegisterTable<{row}, U{name}Table, F{prefix}EventContext>(\
                 U{name}Table::TableName, Db->{field});"
            ));
        }
    });
    code.blank();
    let head = format!(
        "void {connection}::DbUpdate(const FDatabaseUpdateType& Update, \
         const FSpacetimeDBEvent& Event)"
    );
    braces(code, head, "}", |code| {
        code.line(format_args!("F{prefix}EventContext Context(this, Event);"));
        code.line("ApplyRegisteredTableUpdates(Update, &Context);");
    });
    code.blank();
    let head = format!("void {connection}::Start(USubscriptionHandleBase* Handle)");
    braces(code, head, "}", |code| {
        code.line("StartSubscription(Handle);");
    });
    builder_definitions(code, prefix);
    subscriptions(code, context);
}

fn builder_definitions(code: &mut Code, prefix: &str) {
    let connection = format!("U{prefix}DbConnection");
    let builder = format!("U{prefix}DbConnectionBuilder");
    code.blank();
    let head = format!("{builder}* {connection}::Builder()");
    braces(code, head, "}", |code| {
        code.line(format_args!("return NewObject<{builder}>();"));
    });
    for Setter {
        name,
        parameter,
        body,
    } in &SETTERS
    {
        code.blank();
        let head = format!("{builder}* {builder}::{name}({parameter})");
        braces(code, head, "}", |code| {
            code.line(body);
            code.line("return this;");
        });
    }
    for (kind, field, handler, parameters, arguments) in [
        (
            "OnConnect",
            "Connected",
            "HandleConnect",
            "FSpacetimeDBIdentity Identity, const FString& Token",
            "Identity, Token",
        ),
        (
            "OnDisconnect",
            "Disconnected",
            "HandleDisconnect",
            "const FString& Error",
            "Error",
        ),
    ] {
        code.blank();
        let head = format!("{builder}* {builder}::{kind}(F{prefix}{kind}Delegate Callback)");
        braces(code, head, "}", |code| {
            code.line(format_args!("{field} = Callback;"));
            code.line(format_args!("F{kind}BaseDelegate Inner;"));
            code.line(format_args!(
                "Inner.BindDynamic(this, &{builder}::{handler});"
            ));
            code.line(format_args!("{kind}Base(Inner);\nreturn this;"));
        });
        code.blank();
        let head = format!("void {builder}::{handler}(UDbConnectionBase* Base, {parameters})");
        braces(code, head, "}", |code| {
            code.line(format_args!(
                "{field}.ExecuteIfBound(Cast<{connection}>(Base), {arguments});"
            ));
        });
    }
    code.blank();
    let head = format!("{connection}* {builder}::Build()");
    braces(code, head, "}", |code| {
        code.line(format_args!(
            "auto* Made = Cast<{connection}>(BuildConnection({connection}::StaticClass()));"
        ));
        code.line("if (Made) Made->Origin = this;");
        code.line("return Made;");
    });
}

fn subscriptions(code: &mut Code, context: Context<'_>) {
    let prefix = &context.names.prefix;
    let connection = format!("U{prefix}DbConnection");
    let builder = format!("U{prefix}SubscriptionBuilder");
    code.blank();
    let head = format!("{builder}* {connection}::SubscriptionBuilder()");
    braces(code, head, "}", |code| {
        code.line(format_args!("auto* Made = NewObject<{builder}>();"));
        code.line("Made->Conn = this;\nreturn Made;");
    });
    for (kind, delegate, field, handler, event) in [
        (
            "OnApplied",
            "OnSubscriptionApplied",
            "Applied",
            "HandleApplied",
            "Event",
        ),
        (
            "OnError",
            "OnSubscriptionError",
            "Failed",
            "HandleError",
            "Error",
        ),
    ] {
        code.blank();
        let head = format!("{builder}* {builder}::{kind}(F{prefix}{delegate} Callback)");
        braces(code, head, "}", |code| {
            code.line(format_args!("{field} = Callback;"));
            let base = format!("FSubscription{event}Delegate");
            code.line(format_args!("{base} Inner;"));
            code.line(format_args!(
                "Inner.BindDynamic(this, &{builder}::{handler});"
            ));
            code.line(format_args!("{kind}Base(Inner);\nreturn this;"));
        });
    }
    code.blank();
    let head = format!("void {builder}::HandleApplied(const FSubscriptionEventContextBase&)");
    braces(code, head, "}", |code| {
        code.line(format_args!(
            "Applied.ExecuteIfBound(F{prefix}SubscriptionEventContext(Conn));"
        ));
    });
    code.blank();
    let head = format!("void {builder}::HandleError(const FErrorContextBase& Context)");
    braces(code, head, "}", |code| {
        code.line(format_args!(
            "Failed.ExecuteIfBound(F{prefix}ErrorContext(Conn, Context.Error));"
        ));
    });
    subscribing(code, context, &builder);
}

fn subscribing(code: &mut Code, context: Context<'_>, builder: &str) {
    let handle = format!("U{}SubscriptionHandle", context.names.prefix);
    code.blank();
    let head = format!("{handle}* {builder}::Subscribe(const TArray<FString>& SQL)");
    braces(code, head, "}", |code| {
        code.line(format_args!("auto* Handle = NewObject<{handle}>();"));
        code.line("Handle->Builder = this;\nSubscribeBase(SQL, Handle);");
        code.line("if (Conn) Conn->Start(Handle);\nreturn Handle;");
    });
    code.blank();
    let head = format!("{handle}* {builder}::SubscribeToAllTables()");
    braces(code, head, "}", |code| {
        code.line("TArray<FString> Queries;");
        for (_, table) in all_tables(context.module) {
            let query = format!("SELECT * FROM {}", table.wire_name);
            code.line(format_args!("Queries.Add(TEXT({}));", quoted(&query)));
        }
        code.line("return Subscribe(Queries);");
    });
}

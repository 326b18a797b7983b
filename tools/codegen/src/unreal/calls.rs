//! `Reducers` and `Procedures` of a connection: the methods that call, and the delegates that
//! tell the outcome of this connection's own calls.

use super::client::class;
use super::functions::parameters;
use super::names::{is_reflected, member, not_for_blueprints};
use super::{Context, braces};
use crate::case::quoted;
use crate::code::Code;
use crate::model::{Field, Function, Module};

/// What a delegate that Blueprints may bind takes at most.
const PARAMETERS_MAX: usize = 9;

const COUNTS: [&str; PARAMETERS_MAX + 1] = [
    "", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine",
];

/// A function, its module and its name.
type Named<'m> = (Context<'m>, &'m Function, String);

fn named<'m>(context: Context<'m>, functions: &[(&'m Module, &'m Function)]) -> Vec<Named<'m>> {
    let one = |(module, function): &(&'m Module, &'m Function)| {
        let name = context.names.function(module, function);
        (Context { module, ..context }, *function, name)
    };
    functions.iter().map(one).collect()
}

/// The delegate of a reducer; a reducer may already have its name.
fn on(functions: &[Named<'_>], name: &str) -> String {
    let delegate = format!("On{name}");
    if functions.iter().any(|(_, _, other)| *other == delegate) {
        format!("{delegate}_")
    } else {
        delegate
    }
}

/// A parameter that is not to have one of these names.
fn parameter(taken: &[&str], param: &Field) -> String {
    let name = member(&param.name);
    if taken.contains(&name.as_str()) {
        format!("{name}_")
    } else {
        name
    }
}

/// The types and names of what a delegate takes: the context, then `rest`.
fn delegate_parameters(context: &str, rest: &[(String, String)]) -> Vec<(String, String)> {
    let first = (format!("const {context}&"), "Context".to_owned());
    [first].into_iter().chain(rest.iter().cloned()).collect()
}

/// Declares a delegate: dynamic if it can be. Those can be kept and bound by name, but take only
/// so many parameters, and only those that reflection can describe.
fn delegate(
    code: &mut Code,
    kind: &str,
    name: &str,
    parameters: &[(String, String)],
    is_dynamic: bool,
) {
    match COUNTS.get(parameters.len()).filter(|_| is_dynamic) {
        Some(count) => {
            let parts = parameters.iter().map(|(ty, name)| format!("{ty}, {name}"));
            let parts = parts.collect::<Vec<_>>().join(", ");
            let s = if parameters.len() == 1 { "" } else { "s" };
            code.line(format_args!(
                "DECLARE_DYNAMIC_{kind}DELEGATE_{count}Param{s}({name}, {parts});"
            ));
        }
        None => {
            let types: Vec<&str> = parameters.iter().map(|(ty, _)| ty.as_str()).collect();
            let class = match kind {
                "" => "TDelegate",
                _ => "TMulticastDelegate",
            };
            code.line(format_args!(
                "using {name} = {class}<void({})>;",
                types.join(", ")
            ));
        }
    }
}

fn is_dynamic(function: &Function, others: usize) -> bool {
    let is_reflected = function.params.iter().all(|param| is_reflected(&param.ty));
    is_reflected && function.params.len() + others <= PARAMETERS_MAX
}

/// The type that holds the reducers.
pub(super) fn reducers(code: &mut Code, context: Context<'_>, functions: &[(&Module, &Function)]) {
    let functions = named(context, functions);
    let prefix = &context.names.prefix;
    let event = format!("F{prefix}ReducerEventContext");
    class(code, context, "RemoteReducers", "UObject", |code| {
        for (inner, function, name) in &functions {
            let params = function.params.iter().map(|param| {
                let ty = inner.names.parameter(inner.module, &param.ty);
                (ty, parameter(&["Context"], param))
            });
            let taken = delegate_parameters(&event, &params.collect::<Vec<_>>());
            let is_dynamic = is_dynamic(function, 1);
            let ty = format!("FOn{name}");
            delegate(code, "MULTICAST_", &ty, &taken, is_dynamic);
            code.line(format_args!(
                "/** Tells the outcome of this connection's own calls of `{}`. */",
                function.wire_name
            ));
            let types = function.params.iter().map(|param| &param.ty);
            match not_for_blueprints(inner.names, inner.module, types) {
                None if is_dynamic => {
                    code.line("UPROPERTY(BlueprintAssignable, Category = \"SpacetimeDB Events\")");
                }
                None => code.line("// Blueprints have no delegates of so many parameters."),
                Some(comment) => code.line(comment),
            }
            code.line(format_args!("{ty} {};", on(&functions, name)));
            code.blank();
            method(code, *inner, function, name, None);
            code.blank();
            code.line(format_args!(
                "bool Invoke{name}(const {event}& Context, const F{name}Args& Args);"
            ));
            code.blank();
        }
        let failed = format!("F{prefix}UnhandledReducerError");
        code.line("/** Failed calls that nobody listens for. */");
        code.line("UPROPERTY(BlueprintAssignable, Category = \"SpacetimeDB Events\")");
        code.line(format_args!("{failed} InternalOnUnhandledReducerError;"));
        code.blank();
        code.line("UPROPERTY()");
        code.line(format_args!("TObjectPtr<U{prefix}DbConnection> Conn;"));
    });
}

/// The delegates of procedures, and the type that holds the procedures.
pub(super) fn procedures(
    code: &mut Code,
    context: Context<'_>,
    functions: &[(&Module, &Function)],
) {
    let functions = named(context, functions);
    let prefix = &context.names.prefix;
    let event = format!("F{prefix}ProcedureEventContext");
    if !functions.is_empty() {
        code.blank();
    }
    for (inner, function, name) in &functions {
        let result = inner.names.parameter(inner.module, &function.returns);
        let rest = [
            (result, "Result".to_owned()),
            ("bool".to_owned(), "bSuccess".to_owned()),
        ];
        let taken = delegate_parameters(&event, &rest);
        let is_dynamic = is_reflected(&function.returns);
        delegate(code, "", &completed(name), &taken, is_dynamic);
    }
    class(code, context, "RemoteProcedures", "UObject", |code| {
        for (inner, function, name) in &functions {
            method(code, *inner, function, name, Some(&completed(name)));
            code.blank();
        }
        code.line("UPROPERTY()");
        code.line(format_args!("TObjectPtr<U{prefix}DbConnection> Conn;"));
    });
}

/// The delegate that gets the value of a procedure.
fn completed(name: &str) -> String {
    format!("FOn{name}Complete")
}

/// The name of the parameter with the callback; a parameter of the module may have it already.
fn callback(function: &Function) -> &'static str {
    let mut params = function.params.iter();
    if params.any(|param| member(&param.name) == "Callback") {
        "OnComplete"
    } else {
        "Callback"
    }
}

fn signature(context: Context<'_>, function: &Function, completed: Option<&str>) -> String {
    let mut all = parameters(context, &function.params);
    if let Some(completed) = completed {
        let comma = if all.is_empty() { "" } else { ", " };
        all.push_str(&format!("{comma}{completed} {}", callback(function)));
    }
    all
}

fn method(
    code: &mut Code,
    context: Context<'_>,
    function: &Function,
    name: &str,
    completed: Option<&str>,
) {
    code.line(format_args!(
        "/** Asks the server to run `{}`. */",
        function.wire_name
    ));
    let returned = completed.is_some().then_some(&function.returns);
    let types = function.params.iter().map(|param| &param.ty);
    match not_for_blueprints(context.names, context.module, types.chain(returned)) {
        Some(comment) => code.line(comment),
        None => code.line("UFUNCTION(BlueprintCallable, Category = \"SpacetimeDB\")"),
    }
    let parameters = signature(context, function, completed);
    code.line(format_args!("void {name}({parameters});"));
}

/// The arguments as one struct. Parameters are in Pascal case, so no other name in lower case
/// hides one of them.
fn arguments(code: &mut Code, function: &Function, name: &str) {
    code.line("if (!this->Conn) return;");
    code.line(format_args!("F{name}Args call;"));
    for param in &function.params {
        let field = member(&param.name);
        code.line(format_args!("call.{field} = {field};"));
    }
}

pub(super) fn reducer_definitions(
    code: &mut Code,
    context: Context<'_>,
    functions: &[(&Module, &Function)],
) {
    let functions = named(context, functions);
    let prefix = &context.names.prefix;
    let class = format!("U{prefix}RemoteReducers");
    let event = format!("F{prefix}ReducerEventContext");
    for (inner, function, name) in &functions {
        let wire_name = quoted(&function.wire_name);
        code.blank();
        let parameters = signature(*inner, function, None);
        let head = format!("void {class}::{name}({parameters})");
        braces(code, head, "}", |code| {
            arguments(code, function, name);
            code.line(format_args!(
                "this->Conn->CallReducerTyped(TEXT({wire_name}), call);"
            ));
        });
        code.blank();
        let args = if function.params.is_empty() {
            ""
        } else {
            " Args"
        };
        let head =
            format!("bool {class}::Invoke{name}(const {event}& Context, const F{name}Args&{args})");
        braces(code, head, "}", |code| {
            let delegate = on(&functions, name);
            code.line(format_args!("if (!{delegate}.IsBound()) return false;"));
            let args = function.params.iter();
            let args = args.map(|param| format!(", Args.{}", member(&param.name)));
            let args: String = args.collect();
            code.line(format_args!("{delegate}.Broadcast(Context{args});"));
            code.line("return true;");
        });
    }
}

pub(super) fn procedure_definitions(
    code: &mut Code,
    context: Context<'_>,
    functions: &[(&Module, &Function)],
) {
    let prefix = &context.names.prefix;
    let class = format!("U{prefix}RemoteProcedures");
    let event = format!("F{prefix}ProcedureEventContext");
    for (inner, function, name) in &named(context, functions) {
        let wire_name = quoted(&function.wire_name);
        let returns = inner.names.ty(inner.module, &function.returns);
        let callback = callback(function);
        code.blank();
        let parameters = signature(*inner, function, Some(&completed(name)));
        let head = format!("void {class}::{name}({parameters})");
        braces(code, head, "}", |code| {
            arguments(code, function, name);
            code.line("FOnProcedureCompleteDelegate done;");
            code.line(format_args!(
                "TWeakObjectPtr<U{prefix}DbConnection> weak(this->Conn);"
            ));
            code.line(format_args!("done.BindLambda([weak, {callback}]("));
            code.line(
                "    const FSpacetimeDBEvent& event, const TArray<uint8>& bytes, bool bSuccess)",
            );
            braces(code, "", "});", |code| {
                code.line("const FProcedureEvent procedure =");
                code.line("    event.IsProcedure() ? event.GetAsProcedure() : FProcedureEvent();");
                code.line(format_args!("{returns} result{{}};"));
                code.line(format_args!(
                    "if (bSuccess) result = UE::SpacetimeDB::Deserialize<{returns}>(bytes);"
                ));
                code.line(format_args!(
                    "{callback}.ExecuteIfBound({event}(weak.Get(), procedure), result, bSuccess);"
                ));
            });
            code.line(format_args!(
                "this->Conn->CallProcedureTyped(TEXT({wire_name}), call, done);"
            ));
        });
    }
}

/// The bodies of the connection that find the reducer of an event.
pub(super) fn dispatch(code: &mut Code, context: Context<'_>, functions: &[(&Module, &Function)]) {
    let prefix = &context.names.prefix;
    let connection = format!("U{prefix}DbConnection");
    let event = format!("F{prefix}ReducerEventContext");
    code.blank();
    let head = format!("void {connection}::ReducerEvent(const FReducerEvent& Event)");
    braces(code, head, "}", |code| {
        code.line(format_args!("const {event} Context(this, Event);"));
        code.line("const FString& Name = Event.ReducerCall.ReducerName;");
        code.line("bool bHandled = false;");
        for (position, (_, function, name)) in named(context, functions).iter().enumerate() {
            let keyword = if position == 0 { "if" } else { "else if" };
            let head = format!("{keyword} (Name == TEXT({}))", quoted(&function.wire_name));
            braces(code, head, "}", |code| {
                code.line(format_args!(
                    "bHandled = Reducers->Invoke{name}(Context,\n    \
                     UE::SpacetimeDB::Deserialize<F{name}Args>(Event.ReducerCall.Args));"
                ));
            });
        }
        code.line("if (bHandled || Event.Status.IsCommitted()) return;");
        code.line(
            "Unhandled(Context, Event.Status.IsFailed() ? Event.Status.GetAsFailed() \
             : FString(TEXT(\"out of energy\")));",
        );
    });
    code.blank();
    let head = format!(
        "void {connection}::ReducerEventFailed(const FReducerEvent& Event, \
         const FString ErrorMessage)"
    );
    braces(code, head, "}", |code| {
        code.line(format_args!(
            "Unhandled({event}(this, Event), ErrorMessage);"
        ));
    });
    code.blank();
    let head =
        format!("void {connection}::Unhandled(const {event}& Context, const FString& Error)");
    braces(code, head, "}", |code| {
        code.line("Reducers->InternalOnUnhandledReducerError.Broadcast(Context, Error);");
        code.line("OnUnhandledReducerError.Broadcast(Context, Error);");
    });
}

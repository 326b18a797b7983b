//! Reducers and procedures.

use super::names::Remote;
use super::types::record_body;
use super::{Context, braces, names};
use crate::GenerateError;
use crate::case::quoted;
use crate::code::{Code, Files};
use crate::model::{Function, Module};

pub(super) fn generate(context: Context<'_>, files: &mut Files) -> Result<(), GenerateError> {
    let usings = ["SpacetimeDB.ClientApi"];
    let module = &names::with_hidden_types(context.module, context.namespace);
    for reducer in &module.reducers {
        let name = names::function_name(module, reducer);
        let code = context.file(&usings, |code| {
            reducer_calls(code, module, reducer, &name);
            code.blank();
            reducer_args(code, module, reducer, &name);
        });
        files.add(format!("Reducers/{name}.g.cs"), code)?;
    }
    for procedure in &module.procedures {
        let name = names::function_name(module, procedure);
        let code = context.file(&usings, |code| {
            procedure_calls(code, module, procedure, &name);
            code.blank();
            procedure_args(code, module, procedure, &name);
        });
        files.add(format!("Procedures/{name}.g.cs"), code)?;
    }
    Ok(())
}

fn reducer_calls(code: &mut Code, module: &Module, reducer: &Function, name: &str) {
    let parameters = names::parameters(module, &reducer.params);
    let arguments = names::arguments(&reducer.params);
    let context = names::free("ctx", &reducer.params);
    let handler_parameters = if parameters.is_empty() {
        format!("ReducerEventContext {context}")
    } else {
        format!("ReducerEventContext {context}, {parameters}")
    };
    let Remote {
        method,
        handler,
        event,
        invoke,
    } = names::remote(module, name);
    braces(
        code,
        "public sealed partial class RemoteReducers : RemoteBase",
        |code| {
            code.line(format_args!(
                "public delegate void {handler}({handler_parameters});"
            ));
            code.line("/// <summary>Tells the outcome of this connection's own calls.</summary>");
            code.line(format_args!("public event {handler}? {event};"));
            code.blank();
            code.line(format_args!(
                "/// <summary>Asks the server to run the reducer <c>{}</c>.</summary>",
                reducer.wire_name
            ));
            braces(
                code,
                format_args!("public void {method}({parameters})"),
                |code| {
                    code.line(format_args!(
                        "this.conn.InternalCallReducer(new Reducer.{name}({arguments}));"
                    ));
                },
            );
            code.blank();
            let head =
                format!("public bool {invoke}(ReducerEventContext ctx, Reducer.{name} args)");
            braces(code, head, |code| {
                braces(code, format_args!("if ({event} == null)"), |code| {
                    unhandled(code);
                    code.line("return false;");
                });
                let mut passed = vec!["ctx".to_owned()];
                for param in &reducer.params {
                    passed.push(format!("args.{}", names::member(name, &param.name)));
                }
                code.line(format_args!("{event}({});", passed.join(", ")));
                code.line("return true;");
            });
        },
    );
}

/// Reports a failure that nobody listens for.
fn unhandled(code: &mut Code) {
    braces(
        code,
        "if (InternalOnUnhandledReducerError != null)",
        |code| {
            braces(
                code,
                "if (ctx.Event.Status is Status.Failed failed)",
                |code| {
                    code.line("failed.Deconstruct(out var reason);");
                    code.line("InternalOnUnhandledReducerError(ctx, new Exception(reason));");
                },
            );
            braces(
                code,
                "else if (ctx.Event.Status is Status.OutOfEnergy)",
                |code| {
                    code.line(
                        "InternalOnUnhandledReducerError(ctx, new Exception(\"out of energy\"));",
                    );
                },
            );
        },
    );
}

fn reducer_args(code: &mut Code, module: &Module, reducer: &Function, name: &str) {
    braces(code, "public abstract partial class Reducer", |code| {
        code.line("[SpacetimeDB.Type]\n[DataContract]");
        let head = format!("public sealed partial class {name} : Reducer, IReducerArgs");
        braces(code, head, |code| {
            record_body(code, module, name, &reducer.params);
            if !reducer.params.is_empty() {
                code.blank();
            }
            code.line(format_args!(
                "string IReducerArgs.ReducerName => {};",
                quoted(&reducer.wire_name)
            ));
        });
    });
}

fn procedure_calls(code: &mut Code, module: &Module, procedure: &Function, name: &str) {
    let returns = names::ty(module, &procedure.returns);
    let parameters = names::parameters(module, &procedure.params);
    let arguments = names::arguments(&procedure.params);
    let comma = if parameters.is_empty() { "" } else { ", " };
    braces(
        code,
        "public sealed partial class RemoteProcedures : RemoteBase",
        |code| {
            code.line(format_args!(
                "/// <summary>Asks the server to run the procedure <c>{}</c>.</summary>",
                procedure.wire_name
            ));
            let callback = format!("ProcedureCallback<{returns}> __callback");
            let head = format!("public void {name}({parameters}{comma}{callback})");
            braces(code, head, |code| {
                code.line("this.conn.InternalCallProcedure(");
                code.line(format_args!("    new Procedure.{name}Args({arguments}),"));
                code.line(format_args!(
                    "    (IProcedureEventContext __ctx, ProcedureCallbackResult<Procedure.{name}> \
                 __result) =>"
                ));
                code.line("    {");
                code.line("        if (__result.IsSuccess && __result.Value != null)");
                code.line("        {");
                code.line(format_args!(
                    "            __callback((ProcedureEventContext)__ctx, \
                 ProcedureCallbackResult<{returns}>.Success(__result.Value.Value));"
                ));
                code.line("        }");
                code.line("        else");
                code.line("        {");
                code.line(format_args!(
                    "            __callback((ProcedureEventContext)__ctx, \
                 ProcedureCallbackResult<{returns}>.Failure(__result.Error!));"
                ));
                code.line("        }");
                code.line("    }");
                code.line(");");
            });
        },
    );
}

fn procedure_args(code: &mut Code, module: &Module, procedure: &Function, name: &str) {
    let returns = names::ty(module, &procedure.returns);
    braces(code, "public abstract partial class Procedure", |code| {
        code.line("[SpacetimeDB.Type]\n[DataContract]");
        braces(
            code,
            format_args!("public sealed partial class {name}"),
            |code| {
                code.line("[DataMember(Name = \"Value\")]");
                code.line(format_args!("public {returns} Value;"));
                code.blank();
                braces(
                    code,
                    format_args!("public {name}({returns} Value)"),
                    |code| {
                        code.line("this.Value = Value;");
                    },
                );
                code.blank();
                braces(code, format_args!("public {name}()"), |code| {
                    let value = names::initial_value(module, &procedure.returns);
                    if let Some(value) = value {
                        code.line(format_args!("this.Value = {value};"));
                    }
                });
            },
        );
        code.blank();
        code.line("[SpacetimeDB.Type]\n[DataContract]");
        let class = format!("{name}Args");
        let head = format!("public sealed partial class {class} : Procedure, IProcedureArgs");
        braces(code, head, |code| {
            record_body(code, module, &class, &procedure.params);
            if !procedure.params.is_empty() {
                code.blank();
            }
            code.line(format_args!(
                "string IProcedureArgs.ProcedureName => {};",
                quoted(&procedure.wire_name)
            ));
        });
    });
}

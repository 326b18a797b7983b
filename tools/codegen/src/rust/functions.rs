//! Reducers and procedures: their arguments and the methods that call them.
//!
//! In the root the methods belong to a trait of the function's name; in a submodule they are
//! inherent, on the submodule's `Reducers` and `Procedures`.

use super::{Context, names};
use crate::GenerateError;
use crate::case::quoted;
use crate::code::{Code, Files};
use crate::model::{Field, Function};

pub(super) fn generate(context: Context<'_>, files: &mut Files) -> Result<(), GenerateError> {
    let directory = context.directory();
    for reducer in &context.module.reducers {
        let path = format!("{directory}{}.rs", names::reducer_file(reducer));
        files.add(path, reducer_file(context, reducer))?;
    }
    for procedure in &context.module.procedures {
        let path = format!("{directory}{}.rs", names::procedure_file(procedure));
        files.add(path, procedure_file(context, procedure))?;
    }
    Ok(())
}

fn start(context: Context<'_>, function: &Function) -> Code {
    let mut code = context.file();
    let types = function.params.iter().map(|param| &param.ty);
    for import in names::imports(context.module, types.chain([&function.returns]), None) {
        code.line(import);
    }
    code.blank();
    code
}

fn reducer_file(context: Context<'_>, reducer: &Function) -> Code {
    let mut code = start(context, reducer);
    let root = context.root();
    let args = names::function_args(context.module, reducer);
    args_struct(&mut code, context, &args, &reducer.params);
    code.blank();
    let head = format!("impl From<{args}> for {root}::Reducer");
    code.block(head, |code| {
        code.block(format_args!("fn from(args: {args}) -> Self"), |code| {
            let variant = names::reducer_variant(context.module, reducer);
            if reducer.params.is_empty() {
                code.line(format_args!("{root}::Reducer::{variant}"));
                return;
            }
            code.block(format_args!("{root}::Reducer::{variant}"), |code| {
                for param in &reducer.params {
                    let name = names::snake(&param.name);
                    code.line(format_args!("{name}: args.{name},"));
                }
            });
        });
    });
    reducer_methods(&mut code, context, reducer, &args);
    code
}

fn args_struct(code: &mut Code, context: Context<'_>, name: &str, params: &[Field]) {
    code.line("#[derive(__lib::ser::Serialize, __lib::de::Deserialize, Clone, PartialEq, Debug)]");
    code.line("#[sats(crate = __lib)]");
    code.block(format_args!("pub(crate) struct {name}"), |code| {
        for param in params {
            let ty = names::ty(context.module, &param.ty, "");
            code.line(format_args!("pub {}: {ty},", names::snake(&param.name)));
        }
    });
    code.blank();
    code.block(format_args!("impl __sdk::InModule for {name}"), |code| {
        code.line(format_args!(
            "type Module = {}::RemoteModule;",
            context.root()
        ));
    });
}

/// The trait and its implementation, or an inherent implementation in a submodule. The first
/// method only passes on to the second, whose head is `then_head` and whose body is `then_body`.
struct Methods<'a> {
    context: Context<'a>,
    function: &'a Function,
    /// `RemoteReducers` and the like, and its name in a submodule.
    target: (&'a str, &'a str),
    doc: String,
    head: String,
    /// The call of the second method by the first.
    body: String,
    then_doc: &'a str,
    then_head: String,
    then_body: String,
}

impl Methods<'_> {
    fn write(&self, code: &mut Code) {
        code.blank();
        let is_root = self.context.module.path.is_empty();
        if is_root {
            let name = names::function_trait(self.context.module, self.function);
            let what = self.target.0.trim_start_matches("Remote").to_lowercase();
            code.line(format_args!(
                "/// The methods that `{}` gives to `ctx.{what}`.",
                self.function.wire_name
            ));
            code.line("#[allow(non_camel_case_types)]");
            code.block(format_args!("pub trait {name}"), |code| {
                code.line(&self.doc);
                code.block(&self.head, |code| code.line(&self.body));
                code.line(self.then_doc);
                code.line(format_args!("{};", self.then_head));
            });
            code.blank();
            code.block(
                format_args!("impl {name} for super::{}", self.target.0),
                |code| {
                    code.block(&self.then_head, |code| code.line(&self.then_body));
                },
            );
        } else {
            code.block(format_args!("impl super::{}<'_>", self.target.1), |code| {
                code.line(&self.doc);
                code.block(format_args!("pub {}", self.head), |code| {
                    code.line(&self.body);
                });
                code.line(self.then_doc);
                code.block(format_args!("pub {}", self.then_head), |code| {
                    code.line(&self.then_body);
                });
            });
        }
    }
}

/// `name {` and so on for a struct of arguments, from parameters of the same names.
fn args_value(name: &str, params: &[Field]) -> String {
    if params.is_empty() {
        return format!("{name} {{}}");
    }
    format!("{name} {{ {} }}", names::arguments(params))
}

/// The method that waits for the outcome.
fn then_name(function: &Function) -> String {
    format!("{}_then", crate::case::snake_case(&function.accessor))
}

fn reducer_methods(code: &mut Code, context: Context<'_>, reducer: &Function, args: &str) {
    let root = context.root();
    let params = names::parameters(context.module, &reducer.params);
    let name = names::snake(&reducer.accessor);
    let then = then_name(reducer);
    let mut arguments = names::arguments(&reducer.params);
    if !arguments.is_empty() {
        arguments.push_str(", ");
    }
    let outcome = "std::result::Result<std::result::Result<(), std::string::String>, \
                   __sdk::InternalError>";
    Methods {
        context,
        function: reducer,
        target: ("RemoteReducers", "Reducers"),
        doc: format!(
            "/// Asks the server to run the reducer `{}`. An error means that it could not be \
             asked.",
            reducer.wire_name
        ),
        head: format!("fn {name}(&self{params}) -> __sdk::Result<()>"),
        body: format!("self.{then}({arguments}|_, _| {{}})"),
        then_doc: "/// Also calls back with the outcome: an outer error if the reducer did not \
                   run to its end,\n/// an inner one if it returned an error.",
        then_head: format!(
            "fn {then}(\n    &self{params},\n    __callback: impl FnOnce(\n        \
             &{root}::ReducerEventContext,\n        {outcome},\n    ) + Send + 'static,\n) \
             -> __sdk::Result<()>"
        ),
        then_body: format!(
            "self.imp\n    .invoke_reducer_with_callback({}, __callback)",
            args_value(args, &reducer.params)
        ),
    }
    .write(code);
}

fn procedure_file(context: Context<'_>, procedure: &Function) -> Code {
    let mut code = start(context, procedure);
    let root = context.root();
    let args = names::function_args(context.module, procedure);
    args_struct(&mut code, context, &args, &procedure.params);
    let params = names::parameters(context.module, &procedure.params);
    let name = names::snake(&procedure.accessor);
    let then = then_name(procedure);
    let mut arguments = names::arguments(&procedure.params);
    if !arguments.is_empty() {
        arguments.push_str(", ");
    }
    let returns = names::ty(context.module, &procedure.returns, "");
    Methods {
        context,
        function: procedure,
        target: ("RemoteProcedures", "Procedures"),
        doc: format!(
            "/// Asks the server to run the procedure `{}`.",
            procedure.wire_name
        ),
        head: format!("fn {name}(&self{params})"),
        body: format!("self.{then}({arguments}|_, _| {{}});"),
        then_doc: "/// Also calls back with what it returned.",
        then_head: format!(
            "fn {then}(\n    &self{params},\n    __callback: impl FnOnce(\n        \
             &{root}::ProcedureEventContext,\n        std::result::Result<{returns}, \
             __sdk::InternalError>,\n    ) + Send + 'static,\n)"
        ),
        then_body: format!(
            "self.imp.invoke_procedure_with_callback::<_, {returns}>(\n    {},\n    {},\n    \
             __callback,\n);",
            quoted(&procedure.wire_name),
            args_value(&args, &procedure.params)
        ),
    }
    .write(&mut code);
    code
}

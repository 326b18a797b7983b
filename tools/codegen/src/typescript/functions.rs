//! Reducers and procedures: their parameters, and the types of what is passed.

use super::types::{builder_object, parameter_fields, parameter_types};
use super::{Context, names};
use crate::GenerateError;
use crate::case::pascal_case;
use crate::code::{Code, Files};
use crate::model::Function;

pub(super) fn generate(context: Context<'_>, files: &mut Files) -> Result<(), GenerateError> {
    let directory = context.directory();
    for reducer in &context.module.reducers {
        let path = format!("{directory}{}.ts", names::reducer_file(reducer));
        files.add(path, reducer_file(context, reducer))?;
    }
    for procedure in &context.module.procedures {
        let path = format!("{directory}{}.ts", names::procedure_file(procedure));
        files.add(path, procedure_file(context, procedure))?;
    }
    files.add(
        format!("{directory}types/reducers.ts"),
        reducer_types(context),
    )?;
    files.add(
        format!("{directory}types/procedures.ts"),
        procedure_types(context),
    )
}

fn reducer_file(context: Context<'_>, reducer: &Function) -> Code {
    let module = context.module;
    context.file(&["t"], |code| {
        let types = parameter_types(&reducer.params);
        if let Some(import) = names::import_types(module, types, "./types") {
            code.line(import);
        }
        code.blank();
        let fields = parameter_fields(module, &reducer.params);
        builder_object(code, "export default ", "};", fields);
    })
}

fn procedure_file(context: Context<'_>, procedure: &Function) -> Code {
    let module = context.module;
    context.file(&["t"], |code| {
        let types = parameter_types(&procedure.params).chain([&procedure.returns]);
        if let Some(import) = names::import_types(module, types, "./types") {
            code.line(import);
        }
        code.blank();
        let fields = parameter_fields(module, &procedure.params);
        builder_object(code, "export const params = ", "};", fields);
        code.line(format_args!(
            "export const returnType = {};",
            names::builder(module, &procedure.returns)
        ));
    })
}

fn reducer_types(context: Context<'_>) -> Code {
    let reducers = &context.module.reducers;
    context.file(&["type Infer"], |code| {
        for reducer in reducers {
            let name = pascal_case(&reducer.accessor);
            let file = names::string(&format!("../{}", names::reducer_file(reducer)));
            code.line(format_args!("import type {name}Reducer from {file};"));
        }
        code.blank();
        for reducer in reducers {
            let name = pascal_case(&reducer.accessor);
            code.line(format_args!(
                "export type {name}Params = __Infer<typeof {name}Reducer>;"
            ));
        }
        if reducers.is_empty() {
            code.line("export {};");
        }
    })
}

fn procedure_types(context: Context<'_>) -> Code {
    let procedures = &context.module.procedures;
    context.file(&["type Infer"], |code| {
        for procedure in procedures {
            let name = pascal_case(&procedure.accessor);
            let file = names::string(&format!("../{}", names::procedure_file(procedure)));
            code.line(format_args!(
                "import type * as {name}Procedure from {file};"
            ));
        }
        code.blank();
        for procedure in procedures {
            let name = pascal_case(&procedure.accessor);
            code.line(format_args!(
                "export type {name}Args = __Infer<typeof {name}Procedure.params>;"
            ));
            code.line(format_args!(
                "export type {name}Result = __Infer<typeof {name}Procedure.returnType>;"
            ));
        }
        if procedures.is_empty() {
            code.line("export {};");
        }
    })
}

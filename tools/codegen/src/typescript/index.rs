//! `index.ts`: the schema, the connection, and the objects through which all is reached.

use super::tables::schema_entry;
use super::{Context, INDENTATION, import_sdk, lint_comments, names};
use crate::GenerateError;
use crate::case::{camel_case, pascal_case, pascal_path, snake_case};
use crate::code::{Code, Files};
use crate::model::{Function, Module, Table};

/// What `index.ts` uses of the library.
const IMPORTS: [&str; 19] = [
    "DbConnectionBuilder",
    "DbConnectionImpl",
    "SubscriptionBuilderImpl",
    "convertToAccessorMap",
    "makeQueryBuilder",
    "procedureSchema",
    "procedures",
    "reducerSchema",
    "reducers",
    "schema",
    "table",
    "type DbConnectionConfig",
    "type ErrorContextInterface",
    "type EventContextInterface",
    "type QueryBuilder",
    "type ReducerEventContextInterface",
    "type RemoteModule",
    "type SubscriptionEventContextInterface",
    "type SubscriptionHandleImpl",
];

/// The version of SpacetimeDB's packages that the bindings are for. They refuse bindings of a
/// generator that is much older than they are; the version of this tool would say nothing to them.
const PACKAGE_VERSION: &str = "2.10.1";

/// A table under the spelling of the program, kept for older clients.
struct Alias {
    old: String,
    key: String,
}

pub(super) fn generate(
    context: Context<'_>,
    tool_version: &str,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let root = context.module;
    let aliases = aliases(root);
    let mut body = Code::part(INDENTATION);
    import_items(&mut body, root);
    schemas(&mut body, root);
    remote_module(&mut body, &aliases);
    exports(&mut body, root, &aliases);
    contexts(&mut body);
    connection(&mut body, root, &aliases);
    let mut code = Code::new(INDENTATION);
    code.line(format_args!("// Made by spacetime {tool_version}."));
    code.blank();
    lint_comments(&mut code);
    import_sdk(&mut code, context.sdk, &IMPORTS, &body);
    code.append(&body);
    files.add("index.ts", code)
}

/// Tables of the root whose names in the program are not in camel case.
fn aliases(root: &Module) -> Vec<Alias> {
    let keys: Vec<String> = root
        .tables
        .iter()
        .map(|table| camel_case(&table.accessor))
        .collect();
    let mut aliases = Vec::new();
    for table in &root.tables {
        let key = names::key(&table.accessor);
        if key != table.accessor && !keys.contains(&table.accessor) {
            aliases.push(Alias {
                old: table.accessor.clone(),
                key,
            });
        }
    }
    aliases
}

/// The name under which a file's contents are imported.
fn import_name(module: &Module, accessor: &str, kind: &str) -> String {
    format!(
        "__{}{}{kind}",
        pascal_path(&module.path),
        pascal_case(accessor)
    )
}

fn import_path(module: &Module, file: &str) -> String {
    let mut path = "./".to_owned();
    for segment in &module.path {
        path.push_str(&snake_case(segment));
        path.push('/');
    }
    names::string(&format!("{path}{file}"))
}

fn import_items(code: &mut Code, root: &Module) {
    for module in root.walk() {
        code.blank();
        for table in &module.tables {
            let name = import_name(module, &table.accessor, "Row");
            let path = import_path(module, &names::table_file(table));
            code.line(format_args!("import {name} from {path};"));
        }
        for reducer in &module.reducers {
            let name = import_name(module, &reducer.accessor, "Reducer");
            let path = import_path(module, &names::reducer_file(reducer));
            code.line(format_args!("import {name} from {path};"));
        }
        for procedure in &module.procedures {
            let name = import_name(module, &procedure.accessor, "Procedure");
            let path = import_path(module, &names::procedure_file(procedure));
            code.line(format_args!("import * as {name} from {path};"));
        }
    }
}

fn schemas(code: &mut Code, root: &Module) {
    code.blank();
    code.line("const tablesSchema = __schema({");
    code.indented(|code| {
        for module in root.walk() {
            for table in &module.tables {
                let row = import_name(module, &table.accessor, "Row");
                schema_entry(code, &names::table_key(module, table), &row, table);
            }
        }
    });
    code.line("});");
    code.blank();
    code.line("const reducersSchema = __reducers(");
    code.indented(|code| {
        for module in root.walk() {
            for reducer in &module.reducers {
                let params = import_name(module, &reducer.accessor, "Reducer");
                let name = names::string(&reducer.wire_name);
                code.line(format_args!("__reducerSchema({name}, {params}),"));
            }
        }
    });
    code.line(");");
    code.blank();
    code.line("const proceduresSchema = __procedures(");
    code.indented(|code| {
        for module in root.walk() {
            for procedure in &module.procedures {
                let item = import_name(module, &procedure.accessor, "Procedure");
                let name = names::string(&procedure.wire_name);
                code.line(format_args!(
                    "__procedureSchema({name}, {item}.params, {item}.returnType),"
                ));
            }
        }
    });
    code.line(");");
}

fn remote_module(code: &mut Code, aliases: &[Alias]) {
    code.blank();
    code.line(format_args!(
        "const REMOTE_MODULE = {{\n  versionInfo: {{\n    cliVersion: {} as const,\n  }},\n  \
         tables: tablesSchema.schemaType.tables,\n  \
         reducers: reducersSchema.reducersType.reducers,\n  ...proceduresSchema,\n\
         }} satisfies __RemoteModule<\n  typeof tablesSchema.schemaType,\n  \
         typeof reducersSchema.reducersType,\n  typeof proceduresSchema\n>;",
        names::string(PACKAGE_VERSION)
    ));
    code.blank();
    if aliases.is_empty() {
        code.line("type Module = typeof REMOTE_MODULE;");
        return;
    }
    code.line("type OwnTables = (typeof REMOTE_MODULE)['tables'];");
    code.blank();
    code.line("/** Tables under the spelling of the module, for older clients. */");
    code.line("type AliasedTables = {");
    for alias in aliases {
        code.line(format_args!("  /** @deprecated Use `{}`. */", alias.key));
        code.line(format_args!(
            "  readonly {old}: Omit<OwnTables[{key}], 'accessorName'> & {{\n    \
             accessorName: {name};\n  }};",
            old = names::literal_key(&alias.old),
            key = names::string(&alias.key),
            name = names::string(&alias.old)
        ));
    }
    code.line("};");
    code.line("type TablesSchema = { tables: OwnTables & AliasedTables };");
    code.line("type Module = Omit<typeof REMOTE_MODULE, 'tables'> & TablesSchema;");
}

/// An object whose keys are those of one module's things, and objects for its submodules.
fn nested_object(
    code: &mut Code,
    module: &Module,
    source: &str,
    keys: &dyn Fn(&Module) -> Vec<(String, String)>,
) {
    for (key, full) in keys(module) {
        let access = format!("{source}[{}]", names::string(&full));
        code.line(format_args!("{}: {access},", names::literal_key(&key)));
    }
    submodule_objects(code, module, source, keys);
}

fn submodule_objects(
    code: &mut Code,
    module: &Module,
    source: &str,
    keys: &dyn Fn(&Module) -> Vec<(String, String)>,
) {
    for submodule in &module.submodules {
        let segment = submodule.path.last().map_or("", String::as_str);
        code.block_with(
            format_args!("{}:", names::literal_key(segment)),
            "},",
            |code| {
                nested_object(code, submodule, source, keys);
            },
        );
    }
}

fn table_keys(module: &Module) -> Vec<(String, String)> {
    let key = |table: &Table| (names::key(&table.accessor), names::table_key(module, table));
    module.tables.iter().map(key).collect()
}

fn function_keys(functions: &[Function]) -> Vec<(String, String)> {
    let key = |function: &Function| {
        let full = names::function_key(function);
        let short = full.rsplit('.').next().unwrap_or(&full).to_owned();
        (short, full)
    };
    functions.iter().map(key).collect()
}

fn exports(code: &mut Code, root: &Module, aliases: &[Alias]) {
    let has_submodules = !root.submodules.is_empty();
    code.blank();
    let all = "__makeQueryBuilder(tablesSchema.schemaType)";
    if has_submodules || !aliases.is_empty() {
        code.line(format_args!("const allTables = {all};"));
        code.blank();
        code.line("/** The tables and views, for queries. */");
        code.line("export const tables = {");
        code.indented(|code| {
            code.line("...allTables,");
            for alias in aliases {
                code.line(format_args!("/** @deprecated Use `{}`. */", alias.key));
                code.line(format_args!(
                    "{}: allTables[{}],",
                    names::literal_key(&alias.old),
                    names::string(&alias.key)
                ));
            }
            submodule_objects(code, root, "allTables", &table_keys);
        });
        code.line("};");
    } else {
        code.line("/** The tables and views, for queries. */");
        code.line("export const tables: __QueryBuilder<typeof tablesSchema.schemaType> =");
        code.line(format_args!("  {all};"));
    }
    for (name, list, what) in [
        (
            "reducers",
            "reducersSchema.reducersType.reducers",
            "reducers",
        ),
        ("procedures", "proceduresSchema.procedures", "procedures"),
    ] {
        let all = format!("__convertToAccessorMap({list})");
        let keys = |module: &Module| {
            function_keys(if name == "reducers" {
                &module.reducers
            } else {
                &module.procedures
            })
        };
        code.blank();
        if has_submodules {
            let source = format!("all{}", pascal_case(name));
            code.line(format_args!("const {source} = {all};"));
            code.blank();
            code.line(format_args!("/** The {what} of the module. */"));
            code.line(format_args!("export const {name} = {{"));
            code.indented(|code| {
                code.line(format_args!("...{source},"));
                submodule_objects(code, root, &source, &keys);
            });
            code.line("};");
        } else {
            code.line(format_args!("/** The {what} of the module. */"));
            code.line(format_args!("export const {name} = {all};"));
        }
    }
}

fn contexts(code: &mut Code) {
    code.blank();
    for (name, interface, doc) in [
        (
            "EventContext",
            "EventContextInterface",
            "What callbacks of rows get.",
        ),
        (
            "ReducerEventContext",
            "ReducerEventContextInterface",
            "What callbacks of reducers get.",
        ),
        (
            "SubscriptionEventContext",
            "SubscriptionEventContextInterface",
            "What callbacks of subscriptions get.",
        ),
        (
            "ErrorContext",
            "ErrorContextInterface",
            "What callbacks of errors get.",
        ),
        (
            "SubscriptionHandle",
            "SubscriptionHandleImpl",
            "A subscription.",
        ),
    ] {
        code.line(format_args!("/** {doc} */"));
        code.line(format_args!("export type {name} = __{interface}<Module>;"));
    }
    code.line("/** The client's copies of the tables. */");
    code.line("export type DbView = EventContext['db'];");
    code.line("/** The tables, for queries. */");
    code.line("export type Tables = typeof tables;");
}

fn connection(code: &mut Code, root: &Module, aliases: &[Alias]) {
    let has_submodules = !root.submodules.is_empty();
    if has_submodules {
        submodule_types(code, root);
    }
    code.blank();
    code.line("/** Sets up a subscription. */");
    code.line("export class SubscriptionBuilder extends __SubscriptionBuilderImpl<Module> {}");
    code.blank();
    code.line("/** Sets up a connection. */");
    code.line("export class DbConnectionBuilder extends __DbConnectionBuilder<DbConnection> {}");
    code.blank();
    code.line("/** A connection to a database. */");
    code.block(
        "export class DbConnection extends __DbConnectionImpl<Module>",
        |code| {
            if has_submodules || !aliases.is_empty() {
                constructor(code, has_submodules, aliases);
            }
            code.line("/** Begins to set up a connection. */");
            code.block_with(
                "static builder = (): DbConnectionBuilder =>",
                "};",
                |code| {
                    let module = if aliases.is_empty() {
                        "REMOTE_MODULE"
                    } else {
                        "REMOTE_MODULE as unknown as Module"
                    };
                    code.line("return new DbConnectionBuilder(");
                    code.line(format_args!(
                "  {module},\n  (config: __DbConnectionConfig<Module>) => new DbConnection(config)"
            ));
                    code.line(");");
                },
            );
            code.blank();
            code.line("/** Begins to set up a subscription. */");
            code.block_with(
                "override subscriptionBuilder = (): SubscriptionBuilder =>",
                "};",
                |code| {
                    code.line("return new SubscriptionBuilder(this);");
                },
            );
        },
    );
}

/// The types of what `constructor` adds.
fn submodule_types(code: &mut Code, root: &Module) {
    code.blank();
    code.line("type AllTables = __DbConnectionImpl<Module>['db'];");
    code.block_with("type SubmoduleTables =", "};", |code| {
        submodule_objects(code, root, "AllTables", &table_keys);
    });
    code.blank();
    code.line("/** Makes tables with dotted names reachable step by step. */");
    code.block("function nest(all: any)", |code| {
        code.block("for (const dotted of Object.keys(all))", |code| {
            code.line("const path = dotted.split('.');");
            code.line("const last = path.pop()!;");
            code.line("let inner = all;");
            code.block("for (const segment of path)", |code| {
                code.line("inner = inner[segment] ??= Object.create(null);");
            });
            code.block("if (path.length > 0)", |code| {
                code.line("Object.defineProperty(inner, last, { get: () => all[dotted] });");
            });
        });
    });
}

/// Adds the tables and functions that the library does not reach by these names itself.
fn constructor(code: &mut Code, has_submodules: bool, aliases: &[Alias]) {
    if has_submodules {
        code.line("declare db: AllTables & SubmoduleTables;");
        code.blank();
    }
    code.block(
        "constructor(config: __DbConnectionConfig<Module>)",
        |code| {
            code.line("super(config);");
            if has_submodules {
                code.line("nest(this.db);");
            }
            if !aliases.is_empty() {
                code.line("const db = this.db as any;");
            }
            for alias in aliases {
                code.line(format_args!(
                    "Object.defineProperty(db, {}, {{ get: () => db[{}] }});",
                    names::string(&alias.old),
                    names::string(&alias.key)
                ));
            }
            if !aliases.is_empty() {
                // What `subscribe(tables => ..)` is given.
                code.line("(this as any).getFromBuilder = () => tables;");
            }
        },
    );
    code.blank();
}

//! Tables and views: handles on the client's cache, and columns for the query builder.

use super::{Context, braces, names};
use crate::GenerateError;
use crate::case::quoted;
use crate::code::{Code, Files};
use crate::model::{Index, Module, Table, Ty};

pub(super) fn generate(context: Context<'_>, files: &mut Files) -> Result<(), GenerateError> {
    for table in &context.module.tables {
        let name = names::table_name(context.module, table);
        let usings = ["SpacetimeDB.BSATN", "SpacetimeDB.ClientApi"];
        let code = context.file(&usings, |code| {
            braces(code, "public sealed partial class RemoteTables", |code| {
                handle(code, context.module, table, &name);
                code.blank();
                code.line(format_args!("public readonly {name}Handle {name};"));
            });
            code.blank();
            columns(code, context.module, table, &name);
            code.blank();
            indexed_columns(code, context.module, table, &name);
        });
        files.add(format!("Tables/{name}.g.cs"), code)?;
    }
    Ok(())
}

/// An index that clients get an object for.
struct ClientIndex {
    /// The member.
    name: String,
    class: String,
    base: &'static str,
    key_type: String,
    key: String,
}

fn handle(code: &mut Code, module: &Module, table: &Table, name: &str) {
    let row = names::row_type(module, table);
    let base = if table.is_event {
        "RemoteEventTableHandle"
    } else {
        "RemoteTableHandle"
    };
    let indexes = client_indexes(module, table);
    let head = format!("public sealed class {name}Handle : {base}<EventContext, {row}>");
    braces(code, head, |code| {
        code.line(format_args!(
            "protected override string RemoteTableName => {};",
            quoted(&table.wire_name)
        ));
        for index in &indexes {
            code.blank();
            let head = format!(
                "public sealed class {} : {}<{}>",
                index.class, index.base, index.key_type
            );
            braces(code, head, |code| {
                code.line(format_args!(
                    "protected override {} GetKey({row} row) => {};",
                    index.key_type, index.key
                ));
                code.blank();
                code.line(format_args!(
                    "public {}({name}Handle table) : base(table) {{ }}",
                    index.class
                ));
            });
            code.blank();
            code.line(format_args!(
                "public readonly {} {};",
                index.class, index.name
            ));
        }
        code.blank();
        braces(
            code,
            format_args!("internal {name}Handle(DbConnection conn) : base(conn)"),
            |code| {
                for index in &indexes {
                    code.line(format_args!("{} = new {}(this);", index.name, index.class));
                }
            },
        );
        if let Some(key) = table.key().filter(|_| !table.is_event) {
            code.blank();
            code.line(format_args!(
                "protected override object GetPrimaryKey({row} row) => row.{};",
                names::member(&row, &key.accessor)
            ));
        }
    });
}

/// Indexes with accessors, one for each member name, in the order of the definition.
fn client_indexes(module: &Module, table: &Table) -> Vec<ClientIndex> {
    let mut indexes: Vec<ClientIndex> = Vec::new();
    for index in &table.indexes {
        let Some(accessor) = &index.accessor else {
            continue;
        };
        let Some(key_type) = key_type(module, table, index) else {
            continue;
        };
        let name = names::pascal(accessor);
        if indexes.iter().any(|other| other.name == name) {
            continue;
        }
        let (kind, base) = if index.is_unique {
            ("UniqueIndex", "UniqueIndexBase")
        } else {
            ("Index", "BTreeIndexBase")
        };
        indexes.push(ClientIndex {
            class: format!("{name}{kind}"),
            base,
            key_type,
            key: key(module, table, index),
            name: member_of_handle(name),
        });
    }
    indexes
}

/// A handle has members of its own.
fn member_of_handle(name: String) -> String {
    const TAKEN: [&str; 9] = [
        "Count",
        "Iter",
        "OnInsert",
        "OnDelete",
        "OnUpdate",
        "OnBeforeDelete",
        "RemoteQuery",
        "RemoteTableName",
        "GetPrimaryKey",
    ];
    if TAKEN.contains(&name.as_str()) {
        format!("{name}_")
    } else {
        name
    }
}

/// The type of an index's keys; nothing if some column cannot be part of one.
fn key_type(module: &Module, table: &Table, index: &Index) -> Option<String> {
    let mut parts = Vec::new();
    for position in &index.columns {
        let column = table.column(*position);
        if matches!(column.ty, Ty::Option(_)) || !column.ty.is_key(module) {
            return None;
        }
        let ty = names::ty(module, &column.ty);
        parts.push((ty, names::part(names::pascal(&column.accessor))));
    }
    match parts.as_slice() {
        [(ty, _)] => Some(ty.clone()),
        _ => {
            let parts: Vec<String> = parts
                .iter()
                .map(|(ty, name)| format!("{ty} {name}"))
                .collect();
            Some(format!("({})", parts.join(", ")))
        }
    }
}

fn key(module: &Module, table: &Table, index: &Index) -> String {
    let row = names::row_type(module, table);
    let part = |position: &usize| {
        format!(
            "row.{}",
            names::member(&row, &table.column(*position).accessor)
        )
    };
    let parts: Vec<String> = index.columns.iter().map(part).collect();
    match parts.as_slice() {
        [part] => part.clone(),
        _ => format!("({})", parts.join(", ")),
    }
}

/// `Col<Row, T>` or, for options, `NullableCol<Row, T>`.
fn column_type(module: &Module, row: &str, prefix: &str, ty: &Ty) -> String {
    let is_nullable = names::is_nullable(ty);
    let inner = names::ty(module, ty);
    let inner = inner.trim_end_matches('?');
    let kind = if is_nullable {
        format!("Nullable{prefix}Col")
    } else {
        format!("{prefix}Col")
    };
    format!("global::SpacetimeDB.{kind}<{row}, {inner}>")
}

fn columns(code: &mut Code, module: &Module, table: &Table, name: &str) {
    let class = format!("{name}Cols");
    let all: Vec<usize> = (0..table.columns.len()).collect();
    column_class(code, module, table, &class, "", &all);
}

fn indexed_columns(code: &mut Code, module: &Module, table: &Table, name: &str) {
    let class = format!("{name}IxCols");
    let mut columns: Vec<usize> = table
        .indexes
        .iter()
        .flat_map(|index| index.columns.clone())
        .collect();
    columns.sort_unstable();
    columns.dedup();
    column_class(code, module, table, &class, "Ix", &columns);
}

fn column_class(
    code: &mut Code,
    module: &Module,
    table: &Table,
    class: &str,
    prefix: &str,
    columns: &[usize],
) {
    let row = names::row_type(module, table);
    let typed: Vec<(String, String, &str)> = columns
        .iter()
        .map(|position| {
            let column = table.column(*position);
            let ty = column_type(module, &row, prefix, &column.ty);
            (
                names::member(class, &column.accessor),
                ty,
                column.name.as_str(),
            )
        })
        .collect();
    braces(code, format_args!("public sealed class {class}"), |code| {
        for (member, ty, _) in &typed {
            code.line(format_args!("public {ty} {member} {{ get; }}"));
        }
        if !typed.is_empty() {
            code.blank();
        }
        braces(
            code,
            format_args!("public {class}(string tableName)"),
            |code| {
                for (member, ty, column) in &typed {
                    code.line(format_args!(
                        "{member} = new {ty}(tableName, {});",
                        quoted(column)
                    ));
                }
            },
        );
    });
}

//! Tables and views: their rows, and what `index.ts` says of each.

use super::types::builder_object;
use super::{Context, names};
use crate::GenerateError;
use crate::code::{Code, Files};
use crate::model::{Index, Table, Ty};

pub(super) fn generate(context: Context<'_>, files: &mut Files) -> Result<(), GenerateError> {
    for table in &context.module.tables {
        let path = format!("{}{}.ts", context.directory(), names::table_file(table));
        files.add(path, row_file(context, table))?;
    }
    Ok(())
}

fn row_file(context: Context<'_>, table: &Table) -> Code {
    let module = context.module;
    context.file(&["t"], |code| {
        let types = table.columns.iter().map(|column| &column.ty);
        if let Some(import) = names::import_types(module, types, "./types") {
            code.line(import);
        }
        code.blank();
        let fields = table.columns.iter().enumerate().map(|(position, column)| {
            let key = names::key(&column.accessor);
            let mut builder = names::builder(module, &column.ty);
            if table.primary_key == Some(position) {
                builder.push_str(".primaryKey()");
            } else if table.unique_columns().contains(&position) && column.ty.is_plain_key() {
                // Only then do the types know that the index has `find`.
                builder.push_str(".unique()");
            }
            // The official package's results have no name; nothing asks for it, since queries
            // compare no results.
            if key != column.name && !matches!(column.ty, Ty::Result(..)) {
                builder.push_str(&format!(".name({})", names::string(&column.name)));
            }
            (key, builder, column.ty.mentions_named())
        });
        builder_object(code, "export default __t.row(", "});", fields);
    })
}

/// The entry of a table in the schema: `key: __table({ .. }, Row),`.
pub(super) fn schema_entry(code: &mut Code, key: &str, row: &str, table: &Table) {
    code.line(format_args!("{}: __table(", names::literal_key(key)));
    code.indented(|code| {
        code.block_with("", "},", |code| {
            code.line(format_args!("name: {},", names::string(&table.wire_name)));
            list(
                code,
                "indexes",
                table
                    .indexes
                    .iter()
                    .filter_map(|index| index_entry(table, index)),
            );
            let constraints = table.constraints.iter().map(|unique| {
                format!(
                    "{{ name: {}, constraint: 'unique', columns: [{}] }},",
                    names::string(&unique.name),
                    column_keys(table, &unique.columns)
                )
            });
            list(code, "constraints", constraints);
            if table.is_event {
                code.line("event: true,");
            }
        });
        code.line(row);
    });
    code.line("),");
}

fn list(code: &mut Code, name: &str, entries: impl Iterator<Item = String>) {
    let entries: Vec<String> = entries.collect();
    if entries.is_empty() {
        code.line(format_args!("{name}: [],"));
        return;
    }
    code.line(format_args!("{name}: ["));
    for entry in entries {
        code.indented(|code| code.line(entry));
    }
    code.line("],");
}

/// Nothing for indexes that the author gave no accessor.
fn index_entry(table: &Table, index: &Index) -> Option<String> {
    let accessor = index.accessor.as_ref()?;
    Some(format!(
        "{{\n  accessor: {},\n  name: {},\n  algorithm: 'btree',\n  columns: [{}],\n}},",
        names::string(&names::key(accessor)),
        names::string(&index.name),
        column_keys(table, &index.columns)
    ))
}

fn column_keys(table: &Table, columns: &[usize]) -> String {
    let key = |position: &usize| names::string(&names::key(&table.column(*position).accessor));
    columns.iter().map(key).collect::<Vec<_>>().join(", ")
}

//! What a message of the server changes: parsing it, and applying it to the cache.

use super::global::in_module;
use super::{Context, names, tables};
use crate::case::quoted;
use crate::code::Code;
use crate::model::{Module, Table};

/// A table with what `mod.rs` calls it.
struct Entry<'a> {
    context: Context<'a>,
    table: &'a Table,
    field: String,
    /// The row type's path from the root.
    row: String,
    /// The path of the table's file as a module.
    file: String,
}

pub(super) fn generate(root: Context<'_>, code: &mut Code) {
    let mut entries = Vec::new();
    for module in root.module.walk() {
        let context = Context { module, ..root };
        entries.extend(
            module
                .tables
                .iter()
                .map(|table| entry(context, module, table)),
        );
    }
    db_update(code, &entries);
    db_update_trait(code, &entries);
    applied_diff(code, &entries);
}

fn entry<'a>(context: Context<'a>, module: &'a Module, table: &'a Table) -> Entry<'a> {
    Entry {
        context,
        table,
        field: names::update_field(module, table),
        row: names::from_root(module, &names::row_type(module, table)),
        file: names::from_root(module, &names::table_file(table)),
    }
}

fn db_update(code: &mut Code, entries: &[Entry<'_>]) {
    code.blank();
    code.line("/// The changes of all tables in one message.");
    code.line("#[derive(Default, Debug)]");
    code.line("#[allow(non_snake_case)]");
    code.line("#[doc(hidden)]");
    code.block("pub struct DbUpdate", |code| {
        for entry in entries {
            code.line(format_args!(
                "{}: __sdk::TableUpdate<{}>,",
                entry.field, entry.row
            ));
        }
    });
    code.blank();
    code.block(
        "impl TryFrom<__ws::v2::TransactionUpdate> for DbUpdate",
        |code| {
            code.line("type Error = __sdk::Error;");
            let head = "fn try_from(\n        raw: __ws::v2::TransactionUpdate,\n    ) \
                    -> std::result::Result<Self, Self::Error>";
            code.block(head.replace("    ", ""), |code| {
                code.line("let mut db_update = DbUpdate::default();");
                let head = "for update in __sdk::transaction_update_iter_table_updates(raw)";
                code.block(head, |code| {
                    code.block("match &update.table_name[..]", |code| {
                        for entry in entries {
                            code.block_with(
                                format_args!("{} =>", quoted(&entry.table.wire_name)),
                                "}",
                                |code| {
                                    code.line(format_args!(
                                        "let rows = {}::parse_table_update(update)?;",
                                        entry.file
                                    ));
                                    code.line(format_args!(
                                        "db_update.{}.append(rows);",
                                        entry.field
                                    ));
                                },
                            );
                        }
                        unknown_table(code, "TransactionUpdate");
                    });
                });
                code.line("Ok(db_update)");
            });
        },
    );
    code.blank();
    in_module(code, "DbUpdate");
}

fn unknown_table(code: &mut Code, container: &str) {
    code.block("unknown =>", |code| {
        code.line(format_args!(
            "let error = __sdk::InternalError::unknown_name(\n    \"table\", unknown, \
             \"{container}\",\n);"
        ));
        code.line("return Err(error.into());");
    });
}

fn db_update_trait(code: &mut Code, entries: &[Entry<'_>]) {
    code.blank();
    code.block("impl __sdk::DbUpdate for DbUpdate", |code| {
        code.line("fn apply_to_client_cache(");
        code.indented(|code| {
            code.line("&self,\ncache: &mut __sdk::ClientCache<RemoteModule>,");
        });
        code.block_with(") -> AppliedDiff<'_>", "}", |code| {
            code.line("let mut diff = AppliedDiff::default();");
            for entry in entries {
                apply(code, entry);
            }
            code.line("diff");
        });
        for (name, parse) in [
            ("parse_initial_rows", "parse_row_list_as_inserts"),
            ("parse_unsubscribe_rows", "parse_row_list_as_deletes"),
        ] {
            let head = format!("fn {name}(raw: __ws::v2::QueryRows) -> __sdk::Result<Self>");
            code.block(head, |code| {
                code.line("let mut db_update = DbUpdate::default();");
                code.block("for rows in raw.tables", |code| {
                    code.block("match &rows.table[..]", |code| {
                        for entry in entries {
                            let name = quoted(&entry.table.wire_name);
                            code.block(format_args!("{name} =>"), |code| {
                                code.line(format_args!("let rows = __sdk::{parse}(rows.rows)?;"));
                                code.line(format_args!("db_update.{}.append(rows);", entry.field));
                            });
                        }
                        unknown_table(code, "QueryRows");
                    });
                });
                code.line("Ok(db_update)");
            });
        }
    });
}

fn apply(code: &mut Code, entry: &Entry<'_>) {
    let Entry { field, row, .. } = entry;
    if entry.table.is_event {
        code.line(format_args!(
            "diff.{field} = self.{field}.into_event_diff();"
        ));
        return;
    }
    let name = quoted(&entry.table.wire_name);
    code.line(format_args!("diff.{field} = cache"));
    code.indented(|code| {
        let updates = entry.table.key();
        let updates = updates.filter(|_| tables::has_updates(entry.context, entry.table));
        let end = if updates.is_some() { "" } else { ";" };
        code.line(format_args!(
            ".apply_diff_to_table::<{row}>({name}, &self.{field}){end}"
        ));
        if let Some(key) = updates {
            code.line(format_args!(
                ".with_updates_by_pk(|row| &row.{});",
                names::column(key)
            ));
        }
    });
}

fn applied_diff(code: &mut Code, entries: &[Entry<'_>]) {
    code.blank();
    code.line("/// What a message has changed in the client's copy.");
    code.line("#[derive(Default)]");
    code.line("#[allow(non_snake_case)]");
    code.line("#[doc(hidden)]");
    code.block("pub struct AppliedDiff<'r>", |code| {
        for entry in entries {
            code.line(format_args!(
                "{}: __sdk::TableAppliedDiff<'r, {}>,",
                entry.field, entry.row
            ));
        }
        code.line("__lifetime: std::marker::PhantomData<&'r ()>,");
    });
    code.blank();
    code.block("impl<'r> __sdk::InModule for AppliedDiff<'r>", |code| {
        code.line("type Module = RemoteModule;");
    });
    code.blank();
    code.block(
        "impl<'r> __sdk::AppliedDiff<'r> for AppliedDiff<'r>",
        |code| {
            code.line("fn invoke_row_callbacks(");
            code.indented(|code| {
                code.line("&self,");
                code.line("event: &EventContext,");
                code.line("callbacks: &mut __sdk::DbCallbacks<RemoteModule>,");
            });
            code.block_with(")", "}", |code| {
                for entry in entries {
                    code.line(format_args!(
                        "callbacks.invoke_table_row_callbacks::<{}>(",
                        entry.row
                    ));
                    code.line(format_args!(
                        "    {},\n    &self.{},\n    event,\n);",
                        quoted(&entry.table.wire_name),
                        entry.field
                    ));
                }
            });
        },
    );
}

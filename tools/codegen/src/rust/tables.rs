//! Tables and views: handles on the client's cache.

use super::{Context, names};
use crate::GenerateError;
use crate::case::{pascal_case, quoted};
use crate::code::{Code, Files};
use crate::model::{Table, Ty};

pub(super) fn generate(context: Context<'_>, files: &mut Files) -> Result<(), GenerateError> {
    for table in &context.module.tables {
        let path = format!("{}{}.rs", context.directory(), names::table_file(table));
        files.add(path, Handle::new(context, table).file())?;
    }
    Ok(())
}

/// Names that the file of one table uses over and over.
struct Handle<'a> {
    context: Context<'a>,
    table: &'a Table,
    /// The struct that gives access to the rows.
    handle: String,
    /// The method.
    method: String,
    row: String,
    wire_name: String,
    root: String,
}

impl<'a> Handle<'a> {
    fn new(context: Context<'a>, table: &'a Table) -> Self {
        Handle {
            context,
            table,
            handle: names::table_handle(context.module, table),
            method: names::snake(&table.accessor),
            row: names::row_type(context.module, table),
            wire_name: quoted(&table.wire_name),
            root: context.root(),
        }
    }

    fn file(&self) -> Code {
        let mut code = self.context.file();
        let row = Ty::Named(self.table.row);
        let types = self.table.columns.iter().map(|column| &column.ty);
        for import in names::imports(self.context.module, types.chain([&row]), None) {
            code.line(import);
        }
        code.blank();
        self.structs(&mut code);
        self.access(&mut code);
        self.common_traits(&mut code);
        if self.table.is_event {
            self.event_trait(&mut code);
        } else {
            self.delete_traits(&mut code);
        }
        if self.has_updates() {
            self.update_traits(&mut code);
        }
        for column in self.unique_columns() {
            self.unique(&mut code, column);
        }
        self.register(&mut code);
        if self.context.module.path.is_empty() {
            self.query_access(&mut code);
        }
        code
    }

    /// Unique columns of types that can be looked up.
    fn unique_columns(&self) -> Vec<usize> {
        let mut columns = self.table.unique_columns();
        columns.retain(|position| {
            let ty = &self.table.column(*position).ty;
            ty.is_key(self.context.module)
        });
        columns
    }

    fn has_updates(&self) -> bool {
        has_updates(self.context, self.table)
    }

    /// What begins with the table's name and ends with `suffix`.
    fn named(&self, suffix: &str) -> String {
        names::of_table(self.context.module, self.table, suffix)
    }

    fn structs(&self, code: &mut Code) {
        let Handle {
            handle, row, root, ..
        } = self;
        let accessor = self.named("TableAccessor");
        let kind = if self.table.is_view { "view" } else { "table" };
        code.line(format_args!(
            "/// The client's copy of the {kind} `{}`.\n\
             ///\n\
             /// Get one with [`{}`](Self) of a connection's or context's `db`.",
            self.table.wire_name, self.method
        ));
        code.block(format_args!("pub struct {handle}<'ctx>"), |code| {
            code.line(format_args!("imp: __sdk::TableHandle<{row}>,"));
            code.line(format_args!(
                "ctx: std::marker::PhantomData<&'ctx {root}::RemoteTables>,"
            ));
        });
        code.blank();
        code.block(format_args!("impl<'ctx> {handle}<'ctx>"), |code| {
            let head = format!("pub(super) fn __new(tables: &'ctx {root}::RemoteTables) -> Self");
            code.block(head, |code| {
                code.block(format_args!("{handle}"), |code| {
                    code.line(format_args!(
                        "imp: tables.imp.get_table::<{row}>({}),",
                        self.wire_name
                    ));
                    code.line("ctx: std::marker::PhantomData,");
                });
            });
        });
        code.blank();
        code.line(format_args!(
            "/// The table `{}` as a type.",
            self.table.wire_name
        ));
        code.line(format_args!("pub struct {accessor};"));
        code.blank();
        let head = format!("impl __sdk::TableAccessor<{root}::RemoteTables> for {accessor}");
        code.block(head, |code| {
            code.line(format_args!("type Row = {row};"));
            code.line(format_args!(
                "type Handle<'db> = {handle}<'db> where {root}::RemoteTables: 'db;"
            ));
            let head = format!("fn get<'db>(db: &'db {root}::RemoteTables) -> Self::Handle<'db>");
            code.block(head, |code| {
                code.line(format_args!("{handle}::__new(db)"));
            });
        });
        let mut ids = vec!["Insert"];
        if !self.table.is_event {
            ids.push("Delete");
        }
        if self.has_updates() {
            ids.push("Update");
        }
        for id in ids {
            code.blank();
            code.line(format_args!(
                "pub struct {}(__sdk::CallbackId);",
                self.named(&format!("{id}CallbackId"))
            ));
        }
    }

    /// The method on `db`. In a submodule it is inherent, made in the submodule's `mod.rs`.
    fn access(&self, code: &mut Code) {
        if !self.context.module.path.is_empty() {
            return;
        }
        let Handle { handle, method, .. } = self;
        let access = self.named("TableAccess");
        code.blank();
        code.line(format_args!(
            "/// Gives access to the table `{}`.",
            self.table.wire_name
        ));
        code.line("#[allow(non_camel_case_types)]");
        code.block(format_args!("pub trait {access}"), |code| {
            code.line(format_args!("fn {method}(&self) -> {handle}<'_>;"));
        });
        code.blank();
        let head = format!("impl {access} for super::RemoteTables");
        code.block(head, |code| {
            code.block(format_args!("fn {method}(&self) -> {handle}<'_>"), |code| {
                code.line(format_args!("{handle}::__new(self)"));
            });
        });
    }

    /// `TableLike` and `WithInsert`, which every table has.
    fn common_traits(&self, code: &mut Code) {
        code.blank();
        self.implement(code, "TableLike", |code| self.reading(code));
        code.blank();
        self.implement(code, "WithInsert", |code| {
            self.callbacks(code, "Insert", "on_insert", "&Self::Row");
        });
    }

    fn event_trait(&self, code: &mut Code) {
        code.blank();
        self.implement(code, "EventTable", |code| {
            self.reading(code);
            self.callbacks(code, "Insert", "on_insert", "&Self::Row");
        });
    }

    fn delete_traits(&self, code: &mut Code) {
        code.blank();
        self.implement(code, "WithDelete", |code| {
            self.callbacks(code, "Delete", "on_delete", "&Self::Row");
        });
        code.blank();
        self.implement(code, "Table", |code| {
            self.reading(code);
            self.callbacks(code, "Insert", "on_insert", "&Self::Row");
            self.callbacks(code, "Delete", "on_delete", "&Self::Row");
        });
    }

    fn update_traits(&self, code: &mut Code) {
        for name in ["WithUpdate", "TableWithPrimaryKey"] {
            code.blank();
            self.implement(code, name, |code| {
                self.callbacks(code, "Update", "on_update", "&Self::Row, &Self::Row");
            });
        }
    }

    fn implement(&self, code: &mut Code, name: &str, body: impl FnOnce(&mut Code)) {
        let head = format!("impl<'ctx> __sdk::{name} for {}<'ctx>", self.handle);
        code.block(head, body);
    }

    fn reading(&self, code: &mut Code) {
        let Handle { row, root, .. } = self;
        code.line(format_args!("type Row = {row};"));
        code.line(format_args!("type EventContext = {root}::EventContext;"));
        code.blank();
        code.block("fn count(&self) -> u64", |code| {
            code.line("self.imp.count()");
        });
        code.block(
            "fn iter(&self) -> impl Iterator<Item = Self::Row> + '_",
            |code| {
                code.line("self.imp.iter()");
            },
        );
    }

    /// Adding and removing callbacks of one kind.
    fn callbacks(&self, code: &mut Code, kind: &str, method: &str, rows: &str) {
        let id = self.named(&format!("{kind}CallbackId"));
        // These traits take the context's type from the trait they extend.
        let context = format!("{}::EventContext", self.root);
        let rows = rows.replace("Self::Row", &self.row);
        code.blank();
        code.line(format_args!("type {kind}CallbackId = {id};"));
        code.line(format_args!("fn {method}("));
        code.indented(|code| {
            code.line("&self,");
            code.line(format_args!(
                "callback: impl FnMut(&{context}, {rows}) + Send + 'static,"
            ));
        });
        code.block_with(format_args!(") -> {id}"), "}", |code| {
            code.line(format_args!("{id}(self.imp.{method}(callback))"));
        });
        code.block(
            format_args!("fn remove_{method}(&self, callback: {id})"),
            |code| {
                code.line(format_args!("self.imp.remove_{method}(callback.0)"));
            },
        );
    }

    fn unique(&self, code: &mut Code, position: usize) {
        let Handle {
            handle, row, root, ..
        } = self;
        let column = self.table.column(position);
        let method = names::column(column);
        let unique = self.named(&format!("{}Unique", pascal_case(&column.accessor)));
        let ty = names::ty(self.context.module, &column.ty, "");
        code.blank();
        code.line(format_args!(
            "/// Finds rows of `{}` by the unique column `{}`.",
            self.table.wire_name, column.name
        ));
        code.block(format_args!("pub struct {unique}<'ctx>"), |code| {
            code.line(format_args!(
                "imp: __sdk::UniqueConstraintHandle<{row}, {ty}>,"
            ));
            code.line(format_args!(
                "ctx: std::marker::PhantomData<&'ctx {root}::RemoteTables>,"
            ));
        });
        code.blank();
        code.block(format_args!("impl<'ctx> {handle}<'ctx>"), |code| {
            code.line(format_args!("/// The unique column `{}`.", column.name));
            code.block(
                format_args!("pub fn {method}(&self) -> {unique}<'ctx>"),
                |code| {
                    code.block(format_args!("{unique}"), |code| {
                        code.line(format_args!(
                            "imp: self.imp.get_unique_constraint::<{ty}>({}),",
                            quoted(&column.name)
                        ));
                        code.line("ctx: std::marker::PhantomData,");
                    });
                },
            );
        });
        code.blank();
        code.block(format_args!("impl<'ctx> {unique}<'ctx>"), |code| {
            code.line("/// The row with this value, if the client has it.");
            let head = format!("pub fn find(&self, value: &{ty}) -> Option<{row}>");
            code.block(head, |code| code.line("self.imp.find(value)"));
        });
    }

    fn register(&self, code: &mut Code) {
        let Handle { row, root, .. } = self;
        let cache = format!("__sdk::ClientCache<{root}::RemoteModule>");
        code.blank();
        let head = format!("pub(crate) fn register_table(cache: &mut {cache})");
        code.block(head, |code| {
            code.line(format_args!(
                "let table = cache.get_or_make_table::<{row}>({});",
                self.wire_name
            ));
            for position in self.unique_columns() {
                let column = self.table.column(position);
                code.line(format_args!(
                    "table.add_unique_constraint::<{}>({}, |row| &row.{});",
                    names::ty(self.context.module, &column.ty, ""),
                    quoted(&column.name),
                    names::column(column)
                ));
            }
        });
        code.blank();
        code.line("pub(crate) fn parse_table_update(");
        code.indented(|code| code.line("update: __ws::v2::TableUpdate,"));
        let head = format!(") -> __sdk::Result<__sdk::TableUpdate<{row}>>");
        code.block(head, |code| {
            code.line("__sdk::TableUpdate::parse_table_update(update).map_err(|error| {");
            code.indented(|code| {
                code.line(format_args!(
                    "let cause = __sdk::InternalError::failed_parse(\n    \
                     \"TableUpdate<{row}>\",\n    \"TableUpdate\",\n)\n.with_cause(error);"
                ));
                code.line("__sdk::Error::from(cause)");
            });
            code.line("})");
        });
    }

    fn query_access(&self, code: &mut Code) {
        let Handle { method, row, .. } = self;
        let accessor = method.trim_start_matches("r#");
        code.blank();
        code.line(format_args!(
            "/// Gives the query builder access to `{}`.",
            self.table.wire_name
        ));
        code.line("#[allow(non_camel_case_types)]");
        code.block(
            format_args!("pub trait {accessor}QueryTableAccess"),
            |code| {
                code.line(format_args!(
                    "fn {method}(&self) -> __sdk::__query_builder::Table<{row}>;"
                ));
            },
        );
        code.blank();
        let head = format!("impl {accessor}QueryTableAccess for __sdk::QueryTableAccessor");
        code.block(head, |code| {
            let head = format!("fn {method}(&self) -> __sdk::__query_builder::Table<{row}>");
            code.block(head, |code| {
                code.line(format_args!(
                    "__sdk::__query_builder::Table::new({})",
                    self.wire_name
                ));
            });
        });
    }
}

/// Whether the client can tell an update from a delete and an insert.
pub(super) fn has_updates(context: Context<'_>, table: &Table) -> bool {
    let has_key = table.key().is_some_and(|key| key.ty.is_key(context.module));
    has_key && !table.is_event
}

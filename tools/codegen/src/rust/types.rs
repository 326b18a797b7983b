//! Named types, and what the query builder knows of those that are rows.

use super::{Context, names};
use crate::GenerateError;
use crate::case::quoted;
use crate::code::{Code, Files};
use crate::model::{Field, Module, NamedType, Shape, Table, Ty};

pub(super) fn generate(context: Context<'_>, files: &mut Files) -> Result<(), GenerateError> {
    for (position, ty) in context.module.types.iter().enumerate() {
        let path = format!("{}{}.rs", context.directory(), names::type_file(ty));
        files.add(path, type_file(context, position, ty))?;
    }
    Ok(())
}

fn type_file(context: Context<'_>, position: usize, ty: &NamedType) -> Code {
    let module = context.module;
    let mut code = context.file();
    let fields: &[Field] = match &ty.shape {
        Shape::Product(fields) | Shape::Sum(fields) => fields,
        Shape::PlainEnum(_) => &[],
    };
    let types = fields.iter().map(|field| &field.ty);
    let imports = names::imports(module, types, Some(position));
    for import in &imports {
        code.line(import);
    }
    if !imports.is_empty() {
        code.blank();
    }
    let name = names::type_name(module, ty);
    let derives = match ty.shape {
        Shape::PlainEnum(_) => "Clone, PartialEq, Debug, Copy, Eq, Hash",
        Shape::Product(_) | Shape::Sum(_) => "Clone, PartialEq, Debug",
    };
    code.line(format_args!(
        "#[derive(__lib::ser::Serialize, __lib::de::Deserialize, {derives})]"
    ));
    code.line("#[sats(crate = __lib)]");
    match &ty.shape {
        Shape::Product(fields) => struct_body(&mut code, module, position, &name, fields),
        Shape::Sum(variants) => enum_body(&mut code, module, position, &name, variants),
        Shape::PlainEnum(variants) => code.block(format_args!("pub enum {name}"), |code| {
            for variant in variants {
                code.line(format_args!("{},", names::pascal(variant)));
            }
        }),
    }
    code.blank();
    code.block(format_args!("impl __sdk::InModule for {name}"), |code| {
        code.line(format_args!(
            "type Module = {}::RemoteModule;",
            context.root()
        ));
    });
    if let Some(table) = module.first_source_of(position) {
        columns(&mut code, module, &name, table);
    }
    if let Some(table) = module.first_table_of(position) {
        indexed_columns(&mut code, module, &name, table);
    }
    code
}

fn struct_body(code: &mut Code, module: &Module, position: usize, name: &str, fields: &[Field]) {
    code.block(format_args!("pub struct {name}"), |code| {
        for field in fields {
            let ty = member_type(module, position, &field.ty);
            code.line(format_args!("pub {}: {ty},", names::snake(&field.name)));
        }
    });
}

fn enum_body(code: &mut Code, module: &Module, position: usize, name: &str, variants: &[Field]) {
    code.block(format_args!("pub enum {name}"), |code| {
        for variant in variants {
            let variant_name = names::pascal(&variant.name);
            if variant.ty == Ty::Unit {
                code.line(format_args!("{variant_name},"));
            } else {
                let ty = member_type(module, position, &variant.ty);
                code.line(format_args!("{variant_name}({ty}),"));
            }
        }
    });
}

/// The type of a part of the named type at `owner`. A part that holds the owner itself without
/// a list between them is boxed: it would have no finite size.
fn member_type(module: &Module, owner: usize, ty: &Ty) -> String {
    let written = names::ty(module, ty, "");
    if !module.holds(ty, owner) {
        return written;
    }
    match ty {
        Ty::Option(some) => format!("Option<Box<{}>>", names::ty(module, some, "")),
        _ => format!("Box<{written}>"),
    }
}

fn columns(code: &mut Code, module: &Module, name: &str, table: &Table) {
    let columns = names::composed(module, format!("{name}Cols"));
    code.blank();
    code.line(format_args!(
        "/// The columns of `{name}`, for the query builder."
    ));
    code.block(format_args!("pub struct {columns}"), |code| {
        for column in &table.columns {
            let ty = names::ty(module, &column.ty, "");
            code.line(format_args!(
                "pub {}: __sdk::__query_builder::Col<{name}, {ty}>,",
                names::column(column)
            ));
        }
    });
    code.blank();
    let head = format!("impl __sdk::__query_builder::HasCols for {name}");
    code.block(head, |code| {
        code.line(format_args!("type Cols = {columns};"));
        code.block("fn cols(table_name: &'static str) -> Self::Cols", |code| {
            code.block(format_args!("{columns}"), |code| {
                for column in &table.columns {
                    code.line(format_args!(
                        "{}: __sdk::__query_builder::Col::new(table_name, {}),",
                        names::column(column),
                        quoted(&column.name)
                    ));
                }
            });
        });
    });
}

fn indexed_columns(code: &mut Code, module: &Module, name: &str, table: &Table) {
    let columns = table.indexed_columns();
    let ix_columns = names::composed(module, format!("{name}IxCols"));
    code.blank();
    code.line(format_args!(
        "/// The columns of `{name}` with an index of their own, for joins."
    ));
    code.block(format_args!("pub struct {ix_columns}"), |code| {
        for position in &columns {
            let column = table.column(*position);
            let ty = names::ty(module, &column.ty, "");
            code.line(format_args!(
                "pub {}: __sdk::__query_builder::IxCol<{name}, {ty}>,",
                names::column(column)
            ));
        }
    });
    code.blank();
    let head = format!("impl __sdk::__query_builder::HasIxCols for {name}");
    code.block(head, |code| {
        code.line(format_args!("type IxCols = {ix_columns};"));
        code.block(
            "fn ix_cols(table_name: &'static str) -> Self::IxCols",
            |code| {
                code.block(format_args!("{ix_columns}"), |code| {
                    for position in &columns {
                        let column = table.column(*position);
                        code.line(format_args!(
                            "{}: __sdk::__query_builder::IxCol::new(table_name, {}),",
                            names::column(column),
                            quoted(&column.name)
                        ));
                    }
                });
            },
        );
    });
    if !table.is_event {
        code.blank();
        code.line(format_args!(
            "impl __sdk::__query_builder::CanBeLookupTable for {name} {{}}"
        ));
    }
}

//! From a validated definition to the model.

use std::collections::HashMap;

use spacetime_types::module_def::{
    ColumnDef, IndexDef, Lifecycle, ModuleDef, ProcedureDef, ReducerDef, TableAccess, TableDef,
    TypeDef, ViewDef, Visibility,
};
use spacetime_types::{AlgebraicType, ColId, ProductType, TypeRef};

use super::ty::{Ty, Types};
use super::{Column, Field, Function, Index, Module, NamedType, Shape, Table, Unique};
use crate::GenerateError;

/// A definition as clients see it.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub root: Module,
    /// By name.
    pub skipped_private_tables: Vec<String>,
}

impl Model {
    pub fn new(def: &ModuleDef, include_private: bool) -> Result<Self, GenerateError> {
        let mut skipped = Vec::new();
        let root = module(def, include_private, &mut skipped)?;
        skipped.sort();
        Ok(Model {
            root,
            skipped_private_tables: skipped,
        })
    }
}

fn module(
    def: &ModuleDef,
    include_private: bool,
    skipped: &mut Vec<String>,
) -> Result<Module, GenerateError> {
    let mut type_defs: Vec<&TypeDef> = def.types().iter().collect();
    type_defs.sort_by_cached_key(|def| def.full_name());
    // A second name of the same type is a type of its own, but nothing refers to it.
    let mut named = HashMap::new();
    for (position, def) in type_defs.iter().enumerate() {
        named.entry(def.ty).or_insert(position);
    }
    let types = Types {
        typespace: def.typespace(),
        named,
    };
    let mut module = Module {
        path: namespace_path(def.namespace()),
        ..Module::default()
    };
    for type_def in type_defs {
        module.types.push(named_type(&types, type_def)?);
    }
    let mut tables: Vec<&TableDef> = Vec::new();
    for table in def.tables() {
        if include_private || table.access == TableAccess::Public {
            tables.push(table);
        } else {
            skipped.push(def.qualify(&table.name).into());
        }
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    for table in tables {
        module.tables.push(table_model(&types, def, table)?);
    }
    let mut views: Vec<&ViewDef> = def.views().iter().collect();
    views.sort_by(|a, b| a.name.cmp(&b.name));
    for view in views {
        module.tables.push(view_model(&types, def, view)?);
    }
    for reducer in def.reducers() {
        let is_visible = include_private || reducer.visibility == Visibility::ClientCallable;
        if is_visible && reducer.lifecycle != Some(Lifecycle::Init) {
            module.reducers.push(reducer_model(&types, def, reducer)?);
        }
    }
    let mut procedures: Vec<&ProcedureDef> = def.procedures().iter().collect();
    procedures.sort_by(|a, b| a.name.cmp(&b.name));
    for procedure in procedures {
        if include_private || procedure.visibility == Visibility::ClientCallable {
            let procedure = procedure_model(&types, def, procedure)?;
            module.procedures.push(procedure);
        }
    }
    for submodule in def.submodules() {
        // The option does not reach submodules.
        module
            .submodules
            .push(self::module(submodule, false, skipped)?);
    }
    Ok(module)
}

fn namespace_path(namespace: &str) -> Vec<String> {
    let segments = namespace.split('.').filter(|segment| !segment.is_empty());
    segments.map(str::to_owned).collect()
}

fn named_type(types: &Types<'_>, def: &TypeDef) -> Result<NamedType, GenerateError> {
    let place = format!("the type `{}`", def.full_name());
    let dangling = || GenerateError::DanglingType {
        place: place.clone(),
    };
    let ty = types.typespace.get(def.ty).ok_or_else(dangling)?;
    let shape = match ty {
        AlgebraicType::Product(product) => Shape::Product(fields(types, product, &place)?),
        AlgebraicType::Sum(sum) if sum.is_plain_enum() => {
            let names = sum.variants.iter().enumerate();
            let name = |(position, variant): (usize, &spacetime_types::SumTypeVariant)| {
                field_name(variant.name.as_deref(), position)
            };
            Shape::PlainEnum(names.map(name).collect())
        }
        AlgebraicType::Sum(sum) => {
            let mut variants = Vec::with_capacity(sum.variants.len());
            for (position, variant) in sum.variants.iter().enumerate() {
                variants.push(Field {
                    name: field_name(variant.name.as_deref(), position),
                    ty: types.convert(&variant.algebraic_type, &place)?,
                });
            }
            Shape::Sum(variants)
        }
        _ => return Err(GenerateError::UnnamedType { place }),
    };
    let scope = def.scope.iter().map(ToString::to_string);
    let segments = scope.chain([def.name.to_string()]).collect();
    Ok(NamedType {
        segments,
        shape,
        written: None,
    })
}

fn fields(
    types: &Types<'_>,
    product: &ProductType,
    place: &str,
) -> Result<Vec<Field>, GenerateError> {
    let mut fields = Vec::with_capacity(product.elements.len());
    for (position, element) in product.elements.iter().enumerate() {
        fields.push(Field {
            name: field_name(element.name.as_deref(), position),
            ty: types.convert(&element.algebraic_type, place)?,
        });
    }
    Ok(fields)
}

/// Fields of tuples have no names.
fn field_name(name: Option<&str>, position: usize) -> String {
    name.map_or_else(|| format!("field_{position}"), str::to_owned)
}

fn row_position(types: &Types<'_>, row: TypeRef, place: &str) -> Result<usize, GenerateError> {
    match types.convert(&AlgebraicType::Ref(row), place)? {
        Ty::Named(position) => Ok(position),
        _ => Err(GenerateError::UnnamedType {
            place: place.to_owned(),
        }),
    }
}

/// The columns' types as declared: the definition holds them with references inlined.
fn columns(
    types: &Types<'_>,
    row: TypeRef,
    defs: &[ColumnDef],
    place: &str,
) -> Result<Vec<Column>, GenerateError> {
    let dangling = || GenerateError::DanglingType {
        place: place.to_owned(),
    };
    let row = AlgebraicType::Ref(row);
    let row = types.typespace.follow(&row).map_err(|_| dangling())?;
    let product = row.as_product().ok_or_else(dangling)?;
    let mut columns = Vec::with_capacity(defs.len());
    for (def, element) in defs.iter().zip(&product.elements) {
        let place = format!("the column `{}` of {place}", def.name);
        columns.push(Column {
            accessor: def.accessor.to_string(),
            name: def.name.to_string(),
            ty: types.convert(&element.algebraic_type, &place)?,
        });
    }
    assert!(columns.len() == defs.len(), "a table has its row's columns");
    Ok(columns)
}

fn positions(columns: &[ColId]) -> Vec<usize> {
    columns.iter().map(|column| usize::from(column.0)).collect()
}

fn table_model(
    types: &Types<'_>,
    module: &ModuleDef,
    def: &TableDef,
) -> Result<Table, GenerateError> {
    let place = format!("the table `{}`", def.name);
    let constraints = def.constraints.iter().map(|constraint| Unique {
        name: constraint.name.to_string(),
        columns: positions(&constraint.columns),
    });
    let indexes = def.indexes.iter().map(|index| index_model(def, index));
    Ok(Table {
        accessor: def.accessor.to_string(),
        wire_name: module.qualify(&def.name).into(),
        row: row_position(types, def.product_type_ref, &place)?,
        columns: columns(types, def.product_type_ref, &def.columns, &place)?,
        primary_key: def.primary_key.map(|key| usize::from(key.0)),
        constraints: constraints.collect(),
        indexes: indexes.collect(),
        is_event: def.is_event,
        is_view: false,
    })
}

fn index_model(table: &TableDef, def: &IndexDef) -> Index {
    Index {
        name: def.name.to_string(),
        accessor: def.accessor.as_ref().map(ToString::to_string),
        columns: positions(def.algorithm.columns()),
        is_unique: table.is_unique(def.algorithm.columns()),
    }
}

fn view_model(
    types: &Types<'_>,
    module: &ModuleDef,
    def: &ViewDef,
) -> Result<Table, GenerateError> {
    let place = format!("the view `{}`", def.name);
    Ok(Table {
        accessor: def.accessor.to_string(),
        wire_name: module.qualify(&def.name).into(),
        row: row_position(types, def.product_type_ref, &place)?,
        columns: columns(types, def.product_type_ref, &def.columns, &place)?,
        primary_key: def.primary_key.map(|key| usize::from(key.0)),
        constraints: Vec::new(),
        indexes: Vec::new(),
        is_event: false,
        is_view: true,
    })
}

fn reducer_model(
    types: &Types<'_>,
    module: &ModuleDef,
    def: &ReducerDef,
) -> Result<Function, GenerateError> {
    let place = format!("the reducer `{}`", def.name);
    Ok(Function {
        accessor: def.accessor.to_string(),
        wire_name: module.qualify(&def.name).into(),
        params: fields(types, &def.params, &place)?,
        returns: Ty::Unit,
    })
}

fn procedure_model(
    types: &Types<'_>,
    module: &ModuleDef,
    def: &ProcedureDef,
) -> Result<Function, GenerateError> {
    let place = format!("the procedure `{}`", def.name);
    Ok(Function {
        accessor: def.accessor.to_string(),
        wire_name: module.qualify(&def.name).into(),
        params: fields(types, &def.params, &place)?,
        returns: types.convert(&def.return_type, &place)?,
    })
}

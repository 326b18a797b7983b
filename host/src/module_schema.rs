//! From a module's definition to the tables that the database makes for it.

use std::sync::Arc;

use spacetime_table::definition::{
    ColumnDef, ConstraintDef, IndexDef, ScheduleDef, SequenceDef, TableDef, ViewDef,
};
use spacetime_table::migrate::DatabaseDef;
use spacetime_table::{IndexAlgorithm, TableAccess};
use spacetime_types::module_def::{self as module, ModuleDef, Scoped};
use spacetime_types::{AlgebraicType, ProductType};

/// Every table of the module, then every backing table of its views, each sorted by full name:
/// the order in which they are made.
pub(crate) fn table_defs(definition: &ModuleDef) -> Vec<TableDef> {
    let mut tables: Vec<TableDef> = definition
        .all_tables()
        .map(|table| table_def(table.module, table.def))
        .collect();
    tables.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut views: Vec<TableDef> = definition.all_views().map(view_table_def).collect();
    views.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    tables.extend(views);
    tables
}

/// Everything of the module that a migration compares.
pub(crate) fn database_def(definition: &ModuleDef) -> DatabaseDef {
    let mut database = DatabaseDef {
        tables: table_defs(definition),
        filters: definition
            .row_level_security()
            .iter()
            .map(|sql| Arc::from(&**sql))
            .collect(),
        ..DatabaseDef::default()
    };
    for table in definition.all_tables() {
        let full = |name: &str| -> Arc<str> { Arc::from(&*table.module.qualify(name)) };
        let name = full(&table.name);
        for column in &table.columns {
            if let Some(value) = &column.default {
                let key = (name.clone(), Arc::from(&*column.name));
                database.defaults.insert(key, Arc::from(&**value));
            }
        }
        for index in &table.indexes {
            if let Some(accessor) = &index.accessor {
                let accessor = Arc::from(&**accessor);
                database.index_accessors.insert(full(&index.name), accessor);
            }
        }
        if let Some(schedule) = &table.schedule
            && schedule.function_kind == module::ScheduledKind::Procedure
        {
            database.procedures.insert(full(&schedule.function_name));
        }
        if table.table_type == module::TableType::System {
            database.system_tables.insert(name);
        }
    }
    database
}

fn table_def(scope: &ModuleDef, table: &module::TableDef) -> TableDef {
    let full = |name: &str| -> Arc<str> { Arc::from(&*scope.qualify(name)) };
    TableDef {
        name: full(&table.name),
        accessor: full(&table.accessor),
        access: match table.access {
            module::TableAccess::Public => TableAccess::Public,
            module::TableAccess::Private => TableAccess::Private,
        },
        is_event: table.is_event,
        columns: table
            .columns
            .iter()
            .map(|column| ColumnDef {
                name: Arc::from(&*column.name),
                accessor: Some(Arc::from(&*column.accessor)),
                column_type: column.col_type.clone(),
            })
            .collect(),
        primary_key: table.primary_key,
        indexes: table
            .indexes
            .iter()
            .map(|index| IndexDef {
                name: full(&index.name),
                accessor: Some(full(&index.source_name)),
                algorithm: algorithm(&index.algorithm),
            })
            .collect(),
        constraints: table
            .constraints
            .iter()
            .map(|constraint| ConstraintDef {
                name: full(&constraint.name),
                columns: constraint.columns.clone(),
            })
            .collect(),
        sequences: table
            .sequences
            .iter()
            .map(|sequence| SequenceDef {
                name: full(&sequence.name),
                column: sequence.column,
                increment: sequence.increment,
                start: sequence.start(),
                min_value: sequence.min_value(),
                max_value: sequence.max_value(),
            })
            .collect(),
        schedule: table.schedule.as_ref().map(|schedule| ScheduleDef {
            name: Arc::from(&*schedule.name),
            function: full(&schedule.function_name),
            at_column: schedule.at_column,
        }),
        view: None,
    }
}

fn view_table_def(view: Scoped<'_, module::ViewDef>) -> TableDef {
    let mut table = table_def(view.module, &view.def.backing_table());
    // The hidden column and the indexes of a backing table have no name in the program.
    table.columns[0].accessor = None;
    for index in &mut table.indexes {
        index.accessor = None;
    }
    table.view = Some(ViewDef {
        is_anonymous: view.is_anonymous,
        params: named(&view.params),
        columns: view
            .columns
            .iter()
            .map(|column| (Arc::from(&*column.name), column.col_type.clone()))
            .collect(),
    });
    table
}

fn named(params: &ProductType) -> Vec<(Arc<str>, AlgebraicType)> {
    params
        .elements
        .iter()
        .map(|element| {
            let name = element.name.as_deref().unwrap_or_default();
            (Arc::from(name), element.algebraic_type.clone())
        })
        .collect()
}

fn algorithm(algorithm: &module::IndexAlgorithm) -> IndexAlgorithm {
    match algorithm {
        module::IndexAlgorithm::BTree(columns) => IndexAlgorithm::BTree(columns.clone()),
        module::IndexAlgorithm::Hash(columns) => IndexAlgorithm::Hash(columns.clone()),
        module::IndexAlgorithm::Direct(column) => IndexAlgorithm::Direct(*column),
    }
}

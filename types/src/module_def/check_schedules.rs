//! Rules for schedules: a table whose rows are timers, and the function that takes such a row.

use std::collections::{HashMap, HashSet};

use super::check_tables::Context;
use super::def::{
    DefVersion, Name, ProcedureDef, ReducerDef, ScheduleDef, ScheduledKind, TableDef,
};
use super::draft::Draft;
use super::error::{ModuleDefError, TypeText};
use super::naming::generated_name;
use super::raw_v10::{RawScheduleDefV10, Visibility};
use crate::{AlgebraicType, ColId, ProductType};

/// Attaches schedules to their tables and makes scheduled functions private.
pub(super) fn check_schedules(
    context: &mut Context<'_>,
    draft: &Draft,
    tables: &mut [TableDef],
    reducers: &mut [ReducerDef],
    procedures: &mut [ProcedureDef],
) {
    let table_positions = positions(tables.iter().map(|table| &table.accessor));
    let reducer_positions = positions(reducers.iter().map(|reducer| &reducer.accessor));
    let procedure_positions = positions(procedures.iter().map(|procedure| &procedure.accessor));
    let declared: HashSet<&Name> = draft
        .tables
        .iter()
        .map(|table| &table.source_name)
        .collect();
    for raw in &draft.schedules {
        let position = table_positions.get(&raw.table_name).copied();
        let Some(table) = position.and_then(|position| tables.get_mut(position)) else {
            // A table that broke other rules is reported already.
            if !declared.contains(&raw.table_name) {
                let table = raw.table_name.clone();
                context.report.push(ModuleDefError::TableNotFound { table });
            }
            continue;
        };
        let name = schedule_name(context, raw, table);
        context.shared_names.claim(&[&name], context.report);
        let columns = check_timer_columns(context, raw, table, &name);

        let reducer = reducer_positions.get(&raw.function_name);
        let procedure = procedure_positions.get(&raw.function_name);
        let reducer = reducer.and_then(|position| reducers.get_mut(*position));
        let procedure = procedure.and_then(|position| procedures.get_mut(*position));
        let function = match (reducer, procedure) {
            (Some(def), _) => Function {
                kind: ScheduledKind::Reducer,
                name: &def.name,
                params: &def.params,
                visibility: &mut def.visibility,
            },
            (None, Some(def)) => Function {
                kind: ScheduledKind::Procedure,
                name: &def.name,
                params: &def.params,
                visibility: &mut def.visibility,
            },
            (None, None) => {
                let function = raw.function_name.clone();
                let schedule = name;
                let error = ModuleDefError::ScheduledFunctionNotFound { schedule, function };
                context.report.push(error);
                continue;
            }
        };
        check_params(context, table, &function);
        if draft.version == DefVersion::V10 {
            *function.visibility = Visibility::Private;
        }
        if let Some((at_column, id_column)) = columns {
            table.schedule = Some(ScheduleDef {
                name,
                at_column,
                id_column,
                function_name: function.name.clone(),
                function_kind: function.kind,
            });
        }
    }
}

/// What a schedule calls.
struct Function<'a> {
    kind: ScheduledKind,
    name: &'a Name,
    params: &'a ProductType,
    visibility: &'a mut Visibility,
}

/// A scheduled function takes the row and nothing else.
fn check_params(context: &mut Context<'_>, table: &TableDef, function: &Function<'_>) {
    let row = AlgebraicType::Ref(table.product_type_ref);
    let takes_row = matches!(&function.params.elements[..], [only] if only.algebraic_type == row);
    if !takes_row {
        let error = ModuleDefError::ScheduledFunctionParams {
            function: function.name.clone(),
            expected: TypeText::new(&ProductType::tuple([row])),
            actual: TypeText::new(function.params),
        };
        context.report.push(error);
    }
}

fn positions<'a>(names: impl Iterator<Item = &'a Name>) -> HashMap<Name, usize> {
    let mut positions = HashMap::new();
    for (position, name) in names.enumerate() {
        positions.entry(name.clone()).or_insert(position);
    }
    positions
}

fn schedule_name(context: &mut Context<'_>, raw: &RawScheduleDefV10, table: &TableDef) -> Name {
    match (context.naming.version, &raw.source_name) {
        (DefVersion::V9OrOlder, Some(given)) => given.clone(),
        _ => generated_name(&[&table.name, "sched"], context.report),
    }
}

/// The column with the time and the column with the row's id.
fn check_timer_columns(
    context: &mut Context<'_>,
    raw: &RawScheduleDefV10,
    table: &TableDef,
    name: &Name,
) -> Option<(ColId, ColId)> {
    let at_column = ColId(raw.schedule_at_col);
    if table.column(at_column).is_none() {
        context.report.push(ModuleDefError::ColumnNotFound {
            column: at_column,
            def: name.clone(),
            table: table.name.clone(),
        });
        return None;
    }
    let row = context
        .typespace
        .get(table.product_type_ref)?
        .as_product()?;
    let declared = |column: ColId| {
        row.elements
            .get(usize::from(column.0))
            .map(|element| &element.algebraic_type)
    };
    let has_time = declared(at_column).is_some_and(AlgebraicType::is_schedule_at);
    let id_column = table
        .primary_key
        .filter(|key| declared(*key) == Some(&AlgebraicType::U64));
    match id_column {
        Some(id_column) if has_time => Some((at_column, id_column)),
        _ => {
            context.report.push(ModuleDefError::ScheduledTableColumns {
                table: table.name.clone(),
                columns: TypeText::new(row),
            });
            None
        }
    }
}

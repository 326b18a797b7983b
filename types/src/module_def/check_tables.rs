//! Rules for tables: columns, keys, indexes, constraints, sequences, defaults.
//!
//! Not here: schedules (they need the functions, see `check_schedules`).

use std::collections::{BTreeMap, HashSet};

use super::check_types::{Uses, node_count};
use super::def::{
    ColumnDef, DefVersion, IndexAlgorithm, IndexDef, Name, SequenceDef, TableAccess, TableDef,
    TableType, UniqueConstraintDef, column_set,
};
use super::error::{ModuleDefError, TypeLocation, TypeText};
use super::naming::{Naming, SharedNames, generated_name, report_names};
use super::raw::{RawConstraintData, RawIndexAlgorithm, RawTableAccess, RawTableType};
use super::raw_v10::{RawConstraintDefV10, RawIndexDefV10, RawSequenceDefV10, RawTableDefV10};
use super::report::Report;
use crate::bsatn::{self, Reader};
use crate::{AlgebraicType, ColId, TypeRef, Typespace};

/// What rules for tables, views and functions need to know of the module.
pub(super) struct Context<'a> {
    pub naming: &'a Naming,
    /// Types as written.
    pub source: &'a Typespace,
    /// The same types with canonical names.
    pub typespace: &'a Typespace,
    pub uses: Uses<'a>,
    pub shared_names: SharedNames,
    pub report: &'a mut Report,
}

/// Names reserved for the server's own tables.
const SYSTEM_TABLE_PREFIX: &str = "st_";

/// Checks a table; `None` if it is too broken to go on with.
pub(super) fn check_table(context: &mut Context<'_>, raw: &RawTableDefV10) -> Option<TableDef> {
    let name = context.naming.table(&raw.source_name);
    report_names(&raw.source_name, &name, context.report);
    context
        .shared_names
        .claim(&[&raw.source_name, &name], context.report);
    if raw.table_type == RawTableType::User && name.starts_with(SYSTEM_TABLE_PREFIX) {
        let table = name.clone();
        context
            .report
            .push(ModuleDefError::ReservedTableName { table });
    }
    let columns = check_columns(context, &name, raw.product_type_ref)?;
    let mut table = TableDef {
        name,
        accessor: raw.source_name.clone(),
        product_type_ref: raw.product_type_ref,
        columns,
        primary_key: None,
        indexes: Vec::new(),
        constraints: Vec::new(),
        sequences: Vec::new(),
        schedule: None,
        table_type: match raw.table_type {
            RawTableType::System => TableType::System,
            RawTableType::User => TableType::User,
        },
        access: match raw.table_access {
            RawTableAccess::Public => TableAccess::Public,
            RawTableAccess::Private => TableAccess::Private,
        },
        is_event: raw.is_event,
    };
    for index in &raw.indexes {
        let index = check_index(context, &table, index);
        table.indexes.extend(index);
    }
    let constraints: Vec<_> = raw
        .constraints
        .iter()
        .filter_map(|raw| check_unique(context, &table, raw))
        .collect();
    table.constraints = constraints;
    check_unique_indexes(context, &table);
    check_sequences(context, &mut table, &raw.sequences);
    table.primary_key = check_primary_key(context, &table, &raw.primary_key);
    check_defaults(context, &mut table, raw);
    Some(table)
}

/// The columns of a row type, for a table or view called `owner`.
pub(super) fn check_columns(
    context: &mut Context<'_>,
    owner: &Name,
    row: TypeRef,
) -> Option<Vec<ColumnDef>> {
    let source = context.source.get(row).and_then(AlgebraicType::as_product);
    let canonical = context
        .typespace
        .get(row)
        .and_then(AlgebraicType::as_product);
    let (Some(source), Some(canonical)) = (source, canonical) else {
        context.report.push(ModuleDefError::InvalidProductTypeRef {
            table: owner.clone(),
            ty: row,
        });
        return None;
    };
    let count = source.elements.len();
    if u16::try_from(count).is_err() {
        let owner = owner.clone();
        context
            .report
            .push(ModuleDefError::TooManyColumns { owner, count });
        return None;
    }
    let mut columns = Vec::with_capacity(count);
    let mut names = HashSet::with_capacity(count);
    for (position, (source, canonical)) in
        source.elements.iter().zip(&canonical.elements).enumerate()
    {
        let (Some(accessor), Some(name)) = (&source.name, &canonical.name) else {
            context.report.push(ModuleDefError::UnnamedColumn {
                table: owner.clone(),
                column: position,
            });
            continue;
        };
        report_names(accessor, name, context.report);
        if !names.insert(name) {
            context.report.push(ModuleDefError::DuplicateColumnName {
                owner: owner.clone(),
                column: name.clone(),
            });
        }
        if let Err(cause) = context.uses.check(&source.algebraic_type) {
            let at = TypeLocation::InTypespace(row);
            context.report.push(ModuleDefError::Type { at, cause });
            continue;
        }
        columns.extend(resolve_column(
            context,
            owner,
            accessor,
            name,
            &canonical.algebraic_type,
        ));
    }
    (columns.len() == count).then_some(columns)
}

fn resolve_column(
    context: &mut Context<'_>,
    owner: &Name,
    accessor: &Name,
    name: &Name,
    ty: &AlgebraicType,
) -> Option<ColumnDef> {
    match context.typespace.resolve(ty) {
        Ok(col_type) => {
            let enough = context.report.take_type_nodes(node_count(&col_type));
            enough.then(|| ColumnDef {
                name: name.clone(),
                accessor: accessor.clone(),
                col_type,
                default: None,
            })
        }
        Err(error) => {
            context.report.push(ModuleDefError::ColumnType {
                owner: owner.clone(),
                column: name.clone(),
                error,
            });
            None
        }
    }
}

/// `{table}_{column}_{column}_{suffix}`; a column that does not exist is `col_{n}`.
fn name_from_columns(
    report: &mut Report,
    table: &TableDef,
    columns: &[ColId],
    suffix: &str,
) -> Name {
    let missing: Vec<String> = columns
        .iter()
        .filter(|column| table.column(**column).is_none())
        .map(|column| format!("col_{column}"))
        .collect();
    let mut missing = missing.iter();
    let mut parts: Vec<&str> = vec![&table.name];
    for column in columns {
        match table.column(*column) {
            Some(column) => parts.push(&column.name),
            None => parts.extend(missing.next().map(String::as_str)),
        }
    }
    if columns.is_empty() {
        parts.push("");
    }
    parts.push(suffix);
    generated_name(&parts, report)
}

/// Whether the columns exist and are listed once each.
fn check_column_list(report: &mut Report, table: &TableDef, def: &Name, columns: &[ColId]) -> bool {
    let mut fine = true;
    if columns.is_empty() {
        report.push(ModuleDefError::NoColumns {
            def: def.clone(),
            table: table.name.clone(),
        });
        fine = false;
    }
    for column in columns {
        if table.column(*column).is_none() {
            report.push(ModuleDefError::ColumnNotFound {
                column: *column,
                def: def.clone(),
                table: table.name.clone(),
            });
            fine = false;
        }
    }
    if column_set(columns).len() != columns.len() {
        report.push(ModuleDefError::DuplicateColumns {
            def: def.clone(),
            columns: columns.to_vec(),
        });
        fine = false;
    }
    fine
}

fn col_ids(columns: &[u16]) -> Vec<ColId> {
    columns.iter().copied().map(ColId).collect()
}

fn check_index(
    context: &mut Context<'_>,
    table: &TableDef,
    raw: &RawIndexDefV10,
) -> Option<IndexDef> {
    let algorithm = match &raw.algorithm {
        RawIndexAlgorithm::BTree(columns) => IndexAlgorithm::BTree(col_ids(columns)),
        RawIndexAlgorithm::Hash(columns) => IndexAlgorithm::Hash(col_ids(columns)),
        RawIndexAlgorithm::Direct(column) => IndexAlgorithm::Direct(ColId(*column)),
    };
    let report = &mut *context.report;
    let suffix = format!("idx_{}", algorithm.kind_name());
    let mut generated = || name_from_columns(report, table, algorithm.columns(), &suffix);
    let (name, source_name) = match (context.naming.version, &raw.source_name) {
        (DefVersion::V9OrOlder, given) => {
            let name = given.clone().unwrap_or_else(generated);
            (name.clone(), name)
        }
        (DefVersion::V10, Some(source)) => {
            let name = context.naming.index(source).unwrap_or_else(generated);
            (name, source.clone())
        }
        (DefVersion::V10, None) => {
            let index = generated();
            report.push(ModuleDefError::IndexWithoutSourceName { index });
            return None;
        }
    };
    context.shared_names.claim(&[&source_name, &name], report);
    if let Some(accessor) = &raw.accessor_name {
        report_names(accessor, accessor, report);
    }
    if !check_column_list(report, table, &name, algorithm.columns()) {
        return None;
    }
    if let IndexAlgorithm::Direct(column) = algorithm {
        check_direct(report, table, &name, column);
    }
    Some(IndexDef {
        name,
        source_name,
        accessor: raw.accessor_name.clone(),
        algorithm,
    })
}

/// A direct index is an array, so its keys must be small numbers.
fn check_direct(report: &mut Report, table: &TableDef, index: &Name, column: ColId) {
    let Some(column) = table.column(column) else {
        return;
    };
    let fits = match &column.col_type {
        AlgebraicType::U8 | AlgebraicType::U16 | AlgebraicType::U32 | AlgebraicType::U64 => true,
        AlgebraicType::Sum(sum) => sum.is_plain_enum(),
        _ => false,
    };
    if !fits {
        report.push(ModuleDefError::DirectIndexType {
            index: index.clone(),
            column: column.name.clone(),
            ty: TypeText::new(&column.col_type),
        });
    }
}

fn check_unique(
    context: &mut Context<'_>,
    table: &TableDef,
    raw: &RawConstraintDefV10,
) -> Option<UniqueConstraintDef> {
    let RawConstraintData::Unique(unique) = &raw.data;
    let columns = col_ids(&unique.columns);
    let report = &mut *context.report;
    let given = match context.naming.version {
        DefVersion::V9OrOlder => raw.source_name.clone(),
        DefVersion::V10 => None,
    };
    let name = given.unwrap_or_else(|| name_from_columns(report, table, &columns, "key"));
    context.shared_names.claim(&[&name], report);
    check_column_list(report, table, &name, &columns)
        .then_some(UniqueConstraintDef { name, columns })
}

/// A unique constraint is enforced by an index, so there must be one.
fn check_unique_indexes(context: &mut Context<'_>, table: &TableDef) {
    let indexed: HashSet<Vec<ColId>> = table
        .indexes
        .iter()
        .map(|index| column_set(index.algorithm.columns()))
        .collect();
    for constraint in &table.constraints {
        let columns = column_set(&constraint.columns);
        if !indexed.contains(&columns) {
            context.report.push(ModuleDefError::UniqueWithoutIndex {
                constraint: constraint.name.clone(),
                columns,
            });
        }
    }
}

fn check_primary_key(
    context: &mut Context<'_>,
    table: &TableDef,
    columns: &[u16],
) -> Option<ColId> {
    let key = match columns {
        [] => return None,
        [key] => ColId(*key),
        _ => {
            let table = table.name.clone();
            context
                .report
                .push(ModuleDefError::MultiplePrimaryKeys { table });
            return None;
        }
    };
    let Some(column) = table.column(key) else {
        context.report.push(ModuleDefError::ColumnNotFound {
            column: key,
            def: table.name.clone(),
            table: table.name.clone(),
        });
        return None;
    };
    if !table.is_unique(&[key]) {
        context.report.push(ModuleDefError::PrimaryKeyNotUnique {
            table: table.name.clone(),
            column: column.name.clone(),
        });
    }
    Some(key)
}

fn check_sequences(
    context: &mut Context<'_>,
    table: &mut TableDef,
    raw_sequences: &[RawSequenceDefV10],
) {
    let mut numbered = HashSet::new();
    for raw in raw_sequences {
        let report = &mut *context.report;
        let column = ColId(raw.column);
        let given = raw.source_name.clone();
        let name = given.unwrap_or_else(|| name_from_columns(report, table, &[column], "seq"));
        context.shared_names.claim(&[&name], report);
        if !check_column_list(report, table, &name, &[column]) {
            continue;
        }
        let Some(def) = table.column(column) else {
            continue;
        };
        if !def.col_type.is_integer() {
            report.push(ModuleDefError::SequenceColumnType {
                table: table.name.clone(),
                column: def.name.clone(),
                ty: TypeText::new(&def.col_type),
                sequence: name.clone(),
            });
        }
        if !numbered.insert(column) {
            report.push(ModuleDefError::DuplicateSequence {
                table: table.name.clone(),
                column: def.name.clone(),
            });
        }
        let sequence = SequenceDef {
            name,
            column,
            declared_start: raw.start,
            declared_min: raw.min_value,
            declared_max: raw.max_value,
            increment: raw.increment,
        };
        check_range(report, &sequence);
        table.sequences.push(sequence);
    }
}

fn check_range(report: &mut Report, sequence: &SequenceDef) {
    let (start, min, max) = (
        sequence.declared_start,
        sequence.declared_min,
        sequence.declared_max,
    );
    let ordered = |low: Option<i128>, high: Option<i128>| match (low, high) {
        (Some(low), Some(high)) => low <= high,
        _ => true,
    };
    let declared_in_order = ordered(min, start) && ordered(start, max) && ordered(min, max);
    if !declared_in_order {
        report.push(ModuleDefError::SequenceRange {
            sequence: sequence.name.clone(),
            min,
            start,
            max,
        });
        return;
    }
    let (start, min, max) = (sequence.start(), sequence.min_value(), sequence.max_value());
    let increment = sequence.increment;
    let usable = (min..=max).contains(&start)
        && min < max
        && increment != 0
        && increment.unsigned_abs() < max.abs_diff(min);
    if !usable {
        report.push(ModuleDefError::SequenceUnusable {
            sequence: sequence.name.clone(),
            start,
            min,
            max,
            increment,
        });
    }
}

fn check_defaults(context: &mut Context<'_>, table: &mut TableDef, raw: &RawTableDefV10) {
    // Of two defaults for a column the last one counts.
    let defaults: BTreeMap<ColId, &[u8]> = raw
        .default_values
        .iter()
        .map(|default| (ColId(default.col_id), &*default.value.0))
        .collect();
    for (column, bytes) in defaults {
        let Some(def) = table.columns.get_mut(usize::from(column.0)) else {
            context.report.push(ModuleDefError::ColumnNotFound {
                column,
                def: table.name.clone(),
                table: table.name.clone(),
            });
            continue;
        };
        let mut reader = Reader::new(bytes);
        match bsatn::skip_value(context.typespace, &def.col_type, &mut reader) {
            // Bytes after the value are ignored.
            Ok(()) => def.default = Some(reader.consumed_since(0).into()),
            Err(error) => context.report.push(ModuleDefError::DefaultValue {
                table: table.name.clone(),
                column,
                error,
            }),
        }
    }
}

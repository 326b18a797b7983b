//! The oldest format, rewritten as the next one.
//!
//! A constraint there is a set of bits that stands for an index, a sequence, a unique constraint
//! and the primary key at once; here each becomes a thing of its own, with the names that the
//! databases of that time have stored.

use std::collections::HashSet;

use super::def::Name;
use super::error::{ModuleDefError, TypeText};
use super::raw::{
    Lifecycle, RawConstraintData, RawIndexAlgorithm, RawTableAccess, RawTableType,
    RawUniqueConstraint,
};
use super::raw_v8::{
    RawConstraintDefV8, RawIndexTypeV8, RawMiscExportV8, RawModuleDefV8, RawReducerDefV8,
    RawTableDefV8, RawTableDescV8, RawTypeAliasV8,
};
use super::raw_v9::{
    RawConstraintDefV9, RawIndexDefV9, RawModuleDefV9, RawReducerDefV9, RawScheduleDefV9,
    RawScopedTypeNameV9, RawSequenceDefV9, RawTableDefV9, RawTypeDefV9,
};
use super::report::Report;
use crate::{AlgebraicType, ProductType, ProductTypeElement, Typespace};

/// Bits of a constraint; the named kinds are unions of them.
const INDEXED: u8 = 0b0001;
const AUTO_INC: u8 = 0b0010;
const UNIQUE: u8 = 0b0100;
const PRIMARY_KEY: u8 = 0b1000;

pub(super) fn v9_from_v8(raw: RawModuleDefV8, report: &mut Report) -> RawModuleDefV9 {
    let tables = raw
        .tables
        .into_iter()
        .map(|table| convert_table(table, &raw.typespace, report));
    RawModuleDefV9 {
        tables: tables.collect(),
        typespace: raw.typespace,
        reducers: raw.reducers.into_iter().map(convert_reducer).collect(),
        types: raw.misc_exports.into_iter().map(convert_alias).collect(),
        misc_exports: Vec::new(),
        row_level_security: Vec::new(),
    }
}

fn convert_reducer(raw: RawReducerDefV8) -> RawReducerDefV9 {
    let lifecycle = match &*raw.name {
        "__init__" => Some(Lifecycle::Init),
        "__identity_connected__" => Some(Lifecycle::OnConnect),
        "__identity_disconnected__" => Some(Lifecycle::OnDisconnect),
        _ => None,
    };
    RawReducerDefV9 {
        name: raw.name,
        params: ProductType { elements: raw.args },
        lifecycle,
    }
}

fn convert_alias(raw: RawMiscExportV8) -> RawTypeDefV9 {
    let RawMiscExportV8::TypeAlias(RawTypeAliasV8 { name, ty }) = raw;
    let segments = name.split("::").flat_map(|part| part.split('.'));
    let mut scope: Vec<Name> = segments.map(Name::from).collect();
    let name = scope.pop().unwrap_or_default();
    RawTypeDefV9 {
        name: RawScopedTypeNameV9 { scope, name },
        ty,
        custom_ordering: true,
    }
}

fn convert_table(raw: RawTableDescV8, typespace: &Typespace, report: &mut Report) -> RawTableDefV9 {
    check_declared_columns(&raw, typespace, report);
    let RawTableDescV8 { schema, data } = raw;
    let table_type = match &*schema.table_type {
        "system" => RawTableType::System,
        "user" => RawTableType::User,
        other => {
            report_word(report, &schema, "table_type", other);
            RawTableType::User
        }
    };
    let table_access = match &*schema.table_access {
        "public" => RawTableAccess::Public,
        "private" => RawTableAccess::Private,
        other => {
            report_word(report, &schema, "table_access", other);
            RawTableAccess::Private
        }
    };
    let mut table = RawTableDefV9 {
        name: schema.table_name.clone(),
        product_type_ref: data,
        primary_key: Vec::new(),
        indexes: Vec::new(),
        constraints: Vec::new(),
        sequences: Vec::new(),
        schedule: None,
        table_type,
        table_access,
    };
    convert_constraints(&schema, &mut table);
    convert_indexes(&schema, &mut table);
    table
        .sequences
        .extend(schema.sequences.iter().map(|raw| RawSequenceDefV9 {
            name: Some(raw.sequence_name.clone()),
            column: raw.col_pos,
            start: raw.start,
            min_value: raw.min_value,
            max_value: raw.max_value,
            increment: raw.increment,
        }));
    if let Some(reducer_name) = schema.scheduled {
        let mut columns = schema.columns.iter();
        let position = columns.position(|column| &*column.col_name == "scheduled_at");
        match position.and_then(|position| u16::try_from(position).ok()) {
            Some(scheduled_at_column) => {
                table.schedule = Some(RawScheduleDefV9 {
                    name: None,
                    reducer_name,
                    scheduled_at_column,
                });
            }
            None => report.push(ModuleDefError::NoScheduledAtColumn {
                table: schema.table_name,
            }),
        }
    }
    table
}

fn report_word(report: &mut Report, schema: &RawTableDefV8, what: &'static str, value: &str) {
    report.push(ModuleDefError::UnknownWord {
        table: schema.table_name.clone(),
        what,
        value: value.into(),
    });
}

/// The columns are declared twice, in the table and in its row type.
fn check_declared_columns(raw: &RawTableDescV8, typespace: &Typespace, report: &mut Report) {
    let element = |column: &super::raw_v8::RawColumnDefV8| ProductTypeElement {
        name: Some(column.col_name.clone()),
        algebraic_type: column.col_type.clone(),
    };
    let declared = ProductType {
        elements: raw.schema.columns.iter().map(element).collect(),
    };
    // Validation reports a row type that is missing or no product.
    let Some(row) = typespace.get(raw.data).and_then(AlgebraicType::as_product) else {
        return;
    };
    let resolved = (
        typespace.resolve_product(&declared),
        typespace.resolve_product(row),
    );
    if let (Ok(declared), Ok(actual)) = &resolved
        && declared != actual
    {
        report.push(ModuleDefError::ColumnsMismatch {
            table: raw.schema.table_name.clone(),
            declared: TypeText::new(declared),
            actual: TypeText::new(actual),
        });
    }
}

fn convert_constraints(schema: &RawTableDefV8, table: &mut RawTableDefV9) {
    for raw in &schema.constraints {
        let name = constraint_name(schema, raw);
        let rest = name
            .strip_prefix(&format!("ct_{}_", schema.table_name))
            .unwrap_or(&name);
        let is_unique = raw.constraints & UNIQUE != 0;
        if raw.constraints & INDEXED != 0 {
            let suffix = if is_unique { "_unique" } else { "_non_unique" };
            let stem = rest.strip_suffix(suffix).unwrap_or(rest);
            let name: Name = format!("idx_{}_{stem}{suffix}", schema.table_name).into();
            table.indexes.push(RawIndexDefV9 {
                name: Some(name.clone()),
                accessor_name: Some(name),
                algorithm: RawIndexAlgorithm::BTree(raw.columns.clone()),
            });
        }
        if let (true, [column, ..]) = (raw.constraints & AUTO_INC != 0, &raw.columns[..]) {
            table.sequences.push(RawSequenceDefV9 {
                name: Some(format!("seq_{}_{rest}", schema.table_name).into()),
                column: *column,
                start: None,
                min_value: None,
                max_value: None,
                increment: 1,
            });
        }
        if raw.constraints & PRIMARY_KEY != 0 {
            table.primary_key.extend(&raw.columns);
        }
        if is_unique {
            table
                .constraints
                .push(unique(Some(name), raw.columns.clone()));
        }
    }
}

fn unique(name: Option<Name>, columns: Vec<u16>) -> RawConstraintDefV9 {
    RawConstraintDefV9 {
        name,
        data: RawConstraintData::Unique(RawUniqueConstraint { columns }),
    }
}

fn convert_indexes(schema: &RawTableDefV8, table: &mut RawTableDefV9) {
    // A constraint's index may be declared as well.
    let known: HashSet<Option<Name>> = table
        .indexes
        .iter()
        .map(|index| index.name.clone())
        .collect();
    let uniques = table.constraints.iter().map(|constraint| {
        let RawConstraintData::Unique(unique) = &constraint.data;
        unique.columns.clone()
    });
    let mut uniques: HashSet<Vec<u16>> = uniques.collect();
    for raw in &schema.indexes {
        let columns = raw.columns.clone();
        if raw.is_unique && uniques.insert(columns.clone()) {
            table.constraints.push(unique(None, columns.clone()));
        }
        let name = Some(raw.index_name.clone());
        if known.contains(&name) {
            continue;
        }
        table.indexes.push(RawIndexDefV9 {
            accessor_name: name.clone(),
            name,
            algorithm: match raw.index_type {
                RawIndexTypeV8::BTree => RawIndexAlgorithm::BTree(columns),
                RawIndexTypeV8::Hash => RawIndexAlgorithm::Hash(columns),
            },
        });
    }
}

/// The given name, or `ct_{table}_{columns}_{kind}`.
fn constraint_name(schema: &RawTableDefV8, raw: &RawConstraintDefV8) -> Name {
    if !raw.constraint_name.is_empty() {
        return raw.constraint_name.clone();
    }
    let mut name = format!("ct_{}", schema.table_name);
    // More columns than the table has are refused later; the name needs no more.
    for column in raw.columns.iter().take(schema.columns.len()) {
        name.push('_');
        match schema.columns.get(usize::from(*column)) {
            Some(column) => name.push_str(&column.col_name),
            None => name.push_str(&format!("col_{column}")),
        }
    }
    name.push('_');
    name.push_str(match raw.constraints {
        0b0001 => "indexed",
        0b0010 => "auto_inc",
        0b0101 => "unique",
        0b0111 => "identity",
        0b1101 => "primary_key",
        0b1111 => "primary_key_auto",
        _ => "constraint",
    });
    name.into()
}

//! Which changes of columns leave rows as they are: the rules of automatic migrations.

use std::sync::Arc;

use spacetime_types::{AlgebraicType, Layout, ProductType, SumType};

use super::refusal::{Refusal, TypeChange};
use crate::definition::{ColumnDef, TableDef};

/// How the columns of a table differ, if that is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ColumnChanges {
    /// Types grew.
    pub retyped: bool,
    /// Columns came after the others.
    pub added: bool,
}

/// Compares the columns of a table; `has_default` says which new ones have a default value.
pub(super) fn compare(
    old: &TableDef,
    new: &TableDef,
    has_default: impl Fn(&ColumnDef) -> bool,
    refusals: &mut Vec<Refusal>,
) -> ColumnChanges {
    let table = || new.name.clone();
    let mut changes = ColumnChanges::default();
    for (position, column) in old.columns.iter().enumerate() {
        let Some(found) = new.column_position(&column.name) else {
            refusals.push(Refusal::RemovedColumn {
                table: table(),
                column: column.name.clone(),
            });
            continue;
        };
        if found != position {
            refusals.push(Refusal::Reordered { table: table() });
        }
        let (from, to) = (&column.column_type, &new.columns[found].column_type);
        if from != to {
            changes.retyped = true;
            TypeRules {
                table: &new.name,
                column: &column.name,
                refusals,
            }
            .compare(from, to, false);
        }
    }
    for column in &new.columns {
        if old.column_position(&column.name).is_some() {
            continue;
        }
        changes.added = true;
        if !has_default(column) {
            refusals.push(Refusal::AddedColumn {
                table: table(),
                column: column.name.clone(),
            });
        }
    }
    changes
}

/// Whether rows of the old columns are rows of the new ones, but for appended columns.
pub(super) fn is_compatible(from: &AlgebraicType, to: &AlgebraicType) -> bool {
    let mut refusals = Vec::new();
    let name: Arc<str> = "".into();
    let mut rules = TypeRules {
        table: &name,
        column: &name,
        refusals: &mut refusals,
    };
    rules.compare(from, to, false);
    refusals.is_empty()
}

/// Compares the types of one column.
struct TypeRules<'a> {
    table: &'a Arc<str>,
    column: &'a Arc<str>,
    refusals: &'a mut Vec<Refusal>,
}

impl TypeRules<'_> {
    fn refuse(
        &mut self,
        from: &AlgebraicType,
        to: &AlgebraicType,
        within: bool,
        change: TypeChange,
    ) {
        self.refusals.push(Refusal::ChangedType {
            table: self.table.clone(),
            column: self.column.clone(),
            within,
            from: Box::new(from.clone()),
            to: Box::new(to.clone()),
            change,
        });
    }

    /// Types are trees of bounded depth: see `spacetime_types::module_def`.
    fn compare(&mut self, from: &AlgebraicType, to: &AlgebraicType, within: bool) {
        match (from, to) {
            _ if from == to => {}
            (AlgebraicType::Sum(old), AlgebraicType::Sum(new)) => {
                self.compare_sums(from, to, (old, new), within);
            }
            (AlgebraicType::Product(old), AlgebraicType::Product(new)) => {
                self.compare_products(from, to, (old, new), within);
            }
            (AlgebraicType::Array(old), AlgebraicType::Array(new)) => {
                self.compare(old, new, true);
            }
            _ => self.refuse(from, to, within, TypeChange::Other),
        }
    }

    fn compare_sums(
        &mut self,
        from: &AlgebraicType,
        to: &AlgebraicType,
        (old, new): (&SumType, &SumType),
        within: bool,
    ) {
        if new.variants.len() < old.variants.len() {
            self.refuse(from, to, within, TypeChange::FewerVariants);
        }
        for (before, after) in old.variants.iter().zip(&new.variants) {
            if before.name != after.name {
                self.refuse(from, to, within, TypeChange::RenamedVariant);
            }
            self.compare(&before.algebraic_type, &after.algebraic_type, true);
        }
        let (before, after) = (Layout::of_sum(old), Layout::of_sum(new));
        if before.map(|layout| layout.size) != after.map(|layout| layout.size) {
            self.refuse(from, to, within, TypeChange::Size);
        }
        if before.map(|layout| layout.align) != after.map(|layout| layout.align) {
            self.refuse(from, to, within, TypeChange::Alignment);
        }
    }

    fn compare_products(
        &mut self,
        from: &AlgebraicType,
        to: &AlgebraicType,
        (old, new): (&ProductType, &ProductType),
        within: bool,
    ) {
        if old.elements.len() != new.elements.len() {
            self.refuse(from, to, within, TypeChange::FieldCount);
        }
        for (before, after) in old.elements.iter().zip(&new.elements) {
            if before.name != after.name {
                self.refuse(from, to, within, TypeChange::RenamedField);
            }
            self.compare(&before.algebraic_type, &after.algebraic_type, true);
        }
    }
}

//! What a person says about a migration because no definition tells it.

use std::collections::BTreeMap;
use std::sync::Arc;

use spacetime_types::bsatn::encode_value;
use spacetime_types::{AlgebraicType, AlgebraicValue, Typespace, json};

use super::model::{ColumnValues, DatabaseDef};
use super::refusal::Refusal;

/// Hints of an explicit migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    pub renames: Vec<Rename>,
    pub values: Vec<ValueHint>,
}

/// `TABLE=TABLE` or `TABLE.COLUMN=COLUMN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    pub old: Arc<str>,
    pub new: Arc<str>,
}

/// `TABLE.COLUMN=LITERAL`: what old rows get in a new column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueHint {
    pub column: Arc<str>,
    pub literal: Arc<str>,
}

/// The hints with their names looked up.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// New name of a table by its old one.
    pub tables: BTreeMap<Arc<str>, Arc<str>>,
    /// Old name of a column by its table's new name and its new name.
    pub columns: BTreeMap<(Arc<str>, Arc<str>), Arc<str>>,
    /// What old rows get in new columns.
    pub values: ColumnValues,
}

impl Hints {
    pub(super) fn resolve(
        &self,
        old: &DatabaseDef,
        new: &DatabaseDef,
        refusals: &mut Vec<Refusal>,
    ) -> Resolved {
        let mut resolved = Resolved::default();
        let mut refuse = |hint: String, why: String| refusals.push(Refusal::Hint { hint, why });
        let (tables, columns): (Vec<&Rename>, Vec<&Rename>) = self
            .renames
            .iter()
            .partition(|rename| is_table(old, &rename.old) || !rename.old.contains('.'));
        for rename in tables {
            if let Err(why) = resolved.rename_table(rename, old, new) {
                refuse(rename.text(), why);
            }
        }
        for rename in columns {
            if let Err(why) = resolved.rename_column(rename, old, new) {
                refuse(rename.text(), why);
            }
        }
        for value in &self.values {
            if let Err(why) = resolved.set_value(value, new) {
                refuse(format!("{}={}", value.column, value.literal), why);
            }
        }
        resolved
    }
}

impl Rename {
    fn text(&self) -> String {
        format!("{}={}", self.old, self.new)
    }
}

impl Resolved {
    /// The name that a table of the old module has in the new one, if it is there.
    pub fn new_name<'a>(&'a self, old: &'a Arc<str>) -> &'a Arc<str> {
        self.tables.get(old).unwrap_or(old)
    }

    fn rename_table(
        &mut self,
        rename: &Rename,
        old: &DatabaseDef,
        new: &DatabaseDef,
    ) -> Result<(), String> {
        if !is_table(old, &rename.old) {
            return Err(format!("there is no table `{}`", rename.old));
        }
        if !is_table(new, &rename.new) {
            return Err(format!("the new module has no table `{}`", rename.new));
        }
        let is_taken = self.tables.values().any(|taken| *taken == rename.new);
        if is_taken || self.tables.contains_key(&rename.old) {
            return Err("the table is renamed twice".to_owned());
        }
        self.tables.insert(rename.old.clone(), rename.new.clone());
        Ok(())
    }

    fn rename_column(
        &mut self,
        rename: &Rename,
        old: &DatabaseDef,
        new: &DatabaseDef,
    ) -> Result<(), String> {
        let (table, column) = split_column(&rename.old)?;
        let old_table = match old.table(table) {
            Some(found) => found,
            // The table may be called by the name that it gets.
            None => {
                let mut renamed = self.tables.iter();
                let before = renamed.find(|(_, new)| &***new == table);
                before
                    .and_then(|(before, _)| old.table(before))
                    .ok_or_else(|| format!("there is no table `{table}`"))?
            }
        };
        if old_table.column_position(column).is_none() {
            return Err(format!("the table `{table}` has no column `{column}`"));
        }
        let new_table = self.new_name(&old_table.name);
        // The table before the new name may be repeated.
        let new_column = match split_column(&rename.new) {
            Ok((again, column)) if again == table || again == &**new_table => column,
            _ => &rename.new,
        };
        let found = new
            .table(new_table)
            .ok_or_else(|| format!("the new module has no table `{new_table}`"))?;
        if found.column_position(new_column).is_none() {
            return Err(format!(
                "the new table `{new_table}` has no column `{new_column}`"
            ));
        }
        let key = (found.name.clone(), Arc::from(new_column));
        let is_again = self
            .columns
            .iter()
            .any(|((table, _), old)| *table == found.name && &**old == column);
        if is_again || self.columns.contains_key(&key) {
            return Err("the column is renamed twice".to_owned());
        }
        self.columns.insert(key, column.into());
        Ok(())
    }

    fn set_value(&mut self, hint: &ValueHint, new: &DatabaseDef) -> Result<(), String> {
        let (table, column) = split_column(&hint.column)?;
        let found = new
            .table(table)
            .ok_or_else(|| format!("the new module has no table `{table}`"))?;
        let mut columns = found.columns.iter();
        let column = columns
            .find(|found| &*found.name == column)
            .ok_or_else(|| format!("the new table `{table}` has no column `{column}`"))?;
        let value = literal(&hint.literal, &column.column_type)?;
        let key = (found.name.clone(), column.name.clone());
        self.values.insert(key, value.into());
        Ok(())
    }
}

fn is_table(definition: &DatabaseDef, name: &str) -> bool {
    definition
        .table(name)
        .is_some_and(|table| table.view.is_none())
}

fn split_column(text: &str) -> Result<(&str, &str), String> {
    text.rsplit_once('.')
        .ok_or_else(|| format!("`{text}` is not TABLE.COLUMN"))
}

/// JSON, or the bare text of a string.
fn literal(text: &str, column_type: &AlgebraicType) -> Result<Vec<u8>, String> {
    let mut value = Vec::new();
    let parsed = json::json_to_bsatn(&Typespace::default(), column_type, text, &mut value);
    if parsed.is_ok() {
        return Ok(value);
    }
    if *column_type == AlgebraicType::String {
        value.clear();
        encode_value(&AlgebraicValue::String(text.into()), &mut value);
        return Ok(value);
    }
    parsed.map_err(|error| format!("not a value of the type {column_type}: {error}"))?;
    Ok(value)
}

/// BSATN of nothing, if the type has that value.
pub(super) fn none_of(column_type: &AlgebraicType) -> Option<Arc<[u8]>> {
    const NONE_TAG: u8 = 1;
    column_type.as_option().map(|_| Arc::from([NONE_TAG]))
}

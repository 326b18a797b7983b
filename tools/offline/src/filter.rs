//! Which transactions and rows are wanted.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use spacetime_types::{
    AlgebraicType, ConnectionId, Identity, TableId, Timestamp, Typespace, bsatn, json,
};

use crate::error::OfflineError;
use crate::schemas::TableShape;

/// `column=value`: rows with another value, and of tables without the column, are not wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub column: String,
    /// As people write it: a number, text with or without quotes, hex, a time, or JSON.
    pub value: String,
}

impl Condition {
    /// Takes `column=value` apart.
    pub fn parse(text: &str) -> Result<Condition, OfflineError> {
        match text.split_once('=') {
            Some((column, value)) if !column.trim().is_empty() => Ok(Condition {
                column: column.trim().to_owned(),
                value: value.trim().to_owned(),
            }),
            _ => Err(OfflineError::Condition {
                condition: text.to_owned(),
                cause: "it is not of the form column=value".to_owned(),
            }),
        }
    }
}

/// What to show. Everything that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Names or ids of tables. Empty means all.
    pub tables: Vec<String>,
    /// Names of reducers. Empty means all, and transactions without a call too.
    pub reducers: Vec<String>,
    pub from: Option<u64>,
    /// The last wanted transaction.
    pub to: Option<u64>,
    /// Microseconds since the Unix epoch. A transaction without a time of its own counts as
    /// made at the time of the one before.
    pub since_micros: Option<i64>,
    pub until_micros: Option<i64>,
    pub conditions: Vec<Condition>,
    /// Most transactions.
    pub limit: Option<u64>,
}

impl Filter {
    /// Whether rows decide if a transaction is wanted.
    pub(crate) fn is_about_rows(&self) -> bool {
        !self.tables.is_empty() || !self.conditions.is_empty()
    }

    pub(crate) fn wants_offset(&self, offset: u64) -> bool {
        self.from.is_none_or(|from| offset >= from) && self.to.is_none_or(|to| offset <= to)
    }

    pub(crate) fn wants_time(&self, micros: Option<i64>) -> bool {
        let is_any_time = self.since_micros.is_none() && self.until_micros.is_none();
        match micros {
            None => is_any_time,
            Some(at) => {
                self.since_micros.is_none_or(|since| at >= since)
                    && self.until_micros.is_none_or(|until| at <= until)
            }
        }
    }

    pub(crate) fn wants_reducer(&self, reducer: Option<&str>) -> bool {
        self.reducers.is_empty()
            || reducer.is_some_and(|name| self.reducers.iter().any(|r| r == name))
    }

    pub(crate) fn wants_table(&self, id: TableId, name: Option<&str>) -> bool {
        self.tables.is_empty()
            || self
                .tables
                .iter()
                .any(|wanted| name == Some(wanted.as_str()) || wanted.parse() == Ok(id.0))
    }
}

/// The conditions for the rows of one shape of a table.
#[derive(Debug)]
struct Compiled {
    shape: Arc<TableShape>,
    /// Column and wanted bytes. `None` if no row can match.
    columns: Option<Vec<(usize, Vec<Vec<u8>>)>>,
}

/// Compares rows with conditions.
#[derive(Debug, Default)]
pub(crate) struct RowMatcher {
    compiled: FxHashMap<TableId, Compiled>,
    /// Whether each condition could be understood for some table so far.
    understood: Vec<bool>,
}

impl RowMatcher {
    /// Whether a row fulfils all conditions.
    pub(crate) fn matches(
        &mut self,
        conditions: &[Condition],
        shape: &Arc<TableShape>,
        row: &[u8],
    ) -> bool {
        if conditions.is_empty() {
            return true;
        }
        self.understood.resize(conditions.len(), false);
        let compiled = self.compiled.get(&shape.id);
        if compiled.is_none_or(|compiled| !Arc::ptr_eq(&compiled.shape, shape)) {
            let columns = self.compile(conditions, shape);
            let shape = Arc::clone(shape);
            self.compiled.insert(shape.id, Compiled { shape, columns });
        }
        let compiled = self.compiled.get(&shape.id);
        let Some(columns) = compiled.and_then(|compiled| compiled.columns.as_ref()) else {
            return false;
        };
        columns.iter().all(|(column, wanted)| {
            let value = row.get(shape.layout.column_range(row, *column));
            value.is_some_and(|value| wanted.iter().any(|wanted| wanted == value))
        })
    }

    fn compile(
        &mut self,
        conditions: &[Condition],
        shape: &TableShape,
    ) -> Option<Vec<(usize, Vec<Vec<u8>>)>> {
        let mut columns = Vec::with_capacity(conditions.len());
        let mut all_possible = true;
        for (condition, understood) in conditions.iter().zip(&mut self.understood) {
            let elements = &shape.row_type.elements;
            let position = elements
                .iter()
                .position(|element| element.name.as_deref() == Some(&condition.column));
            let Some(position) = position else {
                all_possible = false;
                continue;
            };
            let values = elements
                .get(position)
                .map(|element| parse_value(&element.algebraic_type, &condition.value))
                .unwrap_or_default();
            *understood |= !values.is_empty();
            all_possible &= !values.is_empty();
            columns.push((position, values));
        }
        all_possible.then_some(columns)
    }

    /// The conditions that no table had a column of the right name and type for.
    pub(crate) fn never_understood<'a>(
        &self,
        conditions: &'a [Condition],
    ) -> impl Iterator<Item = &'a Condition> {
        conditions
            .iter()
            .enumerate()
            .filter(|(n, _)| !self.understood.get(*n).copied().unwrap_or(false))
            .map(|(_, condition)| condition)
    }
}

/// The values of a type that a text can mean, as BSATN. An option's value is meant inside it.
pub(crate) fn parse_value(ty: &AlgebraicType, text: &str) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    if let Some(some) = ty.as_option() {
        if matches!(text, "null" | "none") {
            values.push(vec![1]);
        }
        let inner = parse_value(some, text).into_iter();
        values.extend(inner.map(|value| [&[0], &value[..]].concat()));
        return values;
    }
    if let Some(value) = parse_special(ty, text) {
        return vec![value];
    }
    let typespace = Typespace::default();
    let quoted = serde_json::Value::from(text).to_string();
    for candidate in [text, &quoted] {
        let mut bytes = Vec::new();
        if json::json_to_bsatn(&typespace, ty, candidate, &mut bytes).is_ok()
            && !values.contains(&bytes)
        {
            values.push(bytes);
        }
    }
    // A variant without a payload, by its name.
    if let Some(sum) = ty.as_sum() {
        let tag = sum.variants.iter().position(|variant| {
            variant.name.as_deref() == Some(text) && variant.algebraic_type.is_unit()
        });
        values.extend(
            tag.and_then(|tag| u8::try_from(tag).ok())
                .map(|tag| vec![tag]),
        );
    }
    values
}

fn parse_special(ty: &AlgebraicType, text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if ty.is_identity() {
        let identity = Identity::from_hex(digits).ok()?;
        return Some(bsatn::to_vec(&identity));
    }
    if ty.is_connection_id() {
        let connection = ConnectionId::from_hex(digits).ok()?;
        return Some(bsatn::to_vec(&connection));
    }
    if ty.is_timestamp() {
        let micros = text.parse().ok().map(Timestamp::from_micros);
        let time = micros.or_else(|| Timestamp::parse(text).ok())?;
        return Some(bsatn::to_vec(&time));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use AlgebraicType as Ty;

    fn check(ty: &Ty, text: &str, expect: &[&[u8]]) {
        assert_eq!(parse_value(ty, text), expect, "{text} as {ty}");
    }

    #[test]
    fn values_as_people_write_them() {
        check(&Ty::U32, "7", &[&[7, 0, 0, 0]]);
        check(&Ty::U32, "seven", &[]);
        check(&Ty::U32, "-1", &[]);
        check(&Ty::Bool, "true", &[&[1]]);
        check(&Ty::String, "ab", &[&[2, 0, 0, 0, b'a', b'b']]);
        // With quotes it may be meant either way.
        let quoted: [&[u8]; 2] = [b"\x01\0\0\0a", b"\x03\0\0\0\"a\""];
        check(&Ty::String, "\"a\"", &quoted);
        check(&Ty::option(Ty::U8), "5", &[&[0, 5]]);
        check(&Ty::option(Ty::U8), "none", &[&[1]]);
        check(&Ty::timestamp(), "1", &[&[1, 0, 0, 0, 0, 0, 0, 0]]);
        check(
            &Ty::timestamp(),
            "1970-01-01T00:00:00.000002Z",
            &[&[2, 0, 0, 0, 0, 0, 0, 0]],
        );
        check(&Ty::plain_enum(["on", "off"]), "off", &[&[1]]);
        check(&Ty::bytes(), "0aff", &[&[2, 0, 0, 0, 0x0a, 0xff]]);
        let one = Ty::identity();
        let digits = format!("0x{:064x}", 1);
        let mut bytes = vec![1];
        bytes.resize(32, 0);
        check(&one, &digits, &[&bytes]);
    }

    #[test]
    fn conditions_need_a_column_and_a_value() {
        let condition = Condition::parse("name = a=b").unwrap();
        assert_eq!((&*condition.column, &*condition.value), ("name", "a=b"));
        assert!(Condition::parse("name").is_err());
        assert!(Condition::parse("=3").is_err());
    }
}

//! Rows as tests read them.

use std::fmt;
use std::ops::{Deref, Index};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value;
use spacetime_table::RowList;
use spacetime_types::bsatn::{self, Decode, Reader};
use spacetime_types::json::{Flavour, write_bsatn};
use spacetime_types::{AlgebraicType, ProductType, Typespace};

/// What a column can be read as: any type with the same BSATN, such as numbers, `String`,
/// `Option`, `Vec`, `Identity` and `Timestamp`.
pub trait ColumnType: for<'a> Decode<'a> {}

impl<T: for<'a> Decode<'a>> ColumnType for T {}

/// One row. Columns are read as JSON (`row["name"]`) or as what they are (`row.get("name")`).
#[derive(Clone)]
pub struct Row {
    columns: Arc<ProductType>,
    bytes: Bytes,
    json: OnceLock<Value>,
}

impl Row {
    pub(crate) fn new(columns: &Arc<ProductType>, bytes: Bytes) -> Row {
        Row {
            columns: Arc::clone(columns),
            bytes,
            json: OnceLock::new(),
        }
    }

    /// The row as a JSON object. Sums are written by name: `{"some": 5}`, `{"none": {}}`.
    #[must_use]
    pub fn json(&self) -> &Value {
        self.json.get_or_init(|| {
            let row_type = AlgebraicType::Product((*self.columns).clone());
            let (mut text, mut reader) = (String::new(), Reader::new(&self.bytes));
            let flavour = Flavour::TypedValue;
            write_bsatn(
                &Typespace::default(),
                &row_type,
                &mut reader,
                flavour,
                &mut text,
            )
            .expect("rows are of their type");
            serde_json::from_str(&text).expect("the text is JSON")
        })
    }

    /// A column as a value of a type with the same BSATN.
    ///
    /// # Panics
    /// If there is no such column, or it is of another type.
    #[must_use]
    pub fn get<T: ColumnType>(&self, column: &str) -> T {
        let mut reader = Reader::new(&self.bytes);
        for element in &self.columns.elements {
            let ty = &element.algebraic_type;
            let start = reader.offset();
            bsatn::skip_value(&Typespace::default(), ty, &mut reader)
                .expect("rows are of their type");
            if element.name.as_deref() == Some(column) {
                let value = &self.bytes[start..reader.offset()];
                return bsatn::from_slice_exact(value).unwrap_or_else(|error| {
                    let name = std::any::type_name::<T>();
                    panic!("column `{column}` of {self:?} is no {name}: {error}")
                });
            }
        }
        panic!("{self:?} has no column `{column}`")
    }

    /// The row as BSATN.
    #[must_use]
    pub fn bsatn(&self) -> &Bytes {
        &self.bytes
    }
}

impl Index<&str> for Row {
    type Output = Value;

    fn index(&self, column: &str) -> &Value {
        let value = self.json().get(column);
        value.unwrap_or_else(|| panic!("{self:?} has no column `{column}`"))
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Row) -> bool {
        self.columns == other.columns && self.bytes == other.bytes
    }
}

impl PartialEq<Value> for Row {
    fn eq(&self, other: &Value) -> bool {
        self.json() == other
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.json())
    }
}

/// Rows, in no order that a test may rely on unless the query had one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows(Vec<Row>);

impl Rows {
    pub(crate) fn new(columns: &ProductType, rows: &RowList) -> Rows {
        let columns = Arc::new(columns.clone());
        let rows = rows.iter();
        Rows(
            rows.map(|row| Row::new(&columns, Bytes::copy_from_slice(row)))
                .collect(),
        )
    }

    /// The only row.
    ///
    /// # Panics
    /// If there is none, or more than one.
    #[must_use]
    pub fn one(&self) -> Row {
        match &self.0[..] {
            [row] => row.clone(),
            rows => panic!("one row was expected, not {}: {rows:?}", rows.len()),
        }
    }

    /// All rows as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        self.0.iter().map(|row| row.json().clone()).collect()
    }

    /// One column of every row.
    #[must_use]
    pub fn column<T: ColumnType>(&self, column: &str) -> Vec<T> {
        self.0.iter().map(|row| row.get(column)).collect()
    }

    /// In the order of a column.
    #[must_use]
    pub fn sorted_by<T: ColumnType + Ord>(mut self, column: &str) -> Rows {
        self.0.sort_by_key(|row| row.get::<T>(column));
        self
    }
}

impl Deref for Rows {
    type Target = [Row];

    fn deref(&self) -> &[Row] {
        &self.0
    }
}

impl IntoIterator for Rows {
    type Item = Row;
    type IntoIter = std::vec::IntoIter<Row>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<Row> for Rows {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Rows {
        Rows(rows.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use spacetime_types::Identity;

    use super::*;

    fn row(id: u32, name: Option<&str>) -> Row {
        let columns = AlgebraicType::product([
            ("id", AlgebraicType::U32),
            ("name", AlgebraicType::option(AlgebraicType::String)),
            ("owner", AlgebraicType::identity()),
        ]);
        let AlgebraicType::Product(columns) = columns else {
            unreachable!("a product is a product");
        };
        let mut bytes = bsatn::to_vec(&id);
        bytes.extend(bsatn::to_vec(&name.map(str::to_owned)));
        bytes.extend(bsatn::to_vec(&Identity::from_claims("a", "b")));
        Row::new(&Arc::new(columns), bytes.into())
    }

    #[test]
    fn columns_are_read_as_json_and_as_what_they_are() {
        let row = row(7, Some("seven"));
        assert_eq!(row["id"], 7);
        assert_eq!(row["name"], json!({"some": "seven"}));
        assert_eq!(row.get::<u32>("id"), 7);
        assert_eq!(row.get::<Option<String>>("name").as_deref(), Some("seven"));
        let owner: Identity = row.get("owner");
        assert_eq!(owner, Identity::from_claims("a", "b"));
    }

    #[test]
    fn rows_are_sorted_and_counted() {
        let rows: Rows = [row(3, None), row(1, None)].into_iter().collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.sorted_by::<u32>("id").column::<u32>("id"), [1, 3]);
        let wrong = std::panic::catch_unwind(|| row(1, None).get::<u64>("id"));
        assert!(wrong.is_err(), "a u32 is no u64");
    }
}

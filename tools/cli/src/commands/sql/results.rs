//! What statements gave, and how it is shown.

use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent};
use serde_json::Value;
use spacetime_types::bsatn::Reader;
use spacetime_types::json::json_to_bsatn;
use spacetime_types::satn::{Style, write_bsatn};
use spacetime_types::{AlgebraicType, ProductType, Typespace};

use crate::schema::product_from_json;

/// What one statement gave.
#[derive(Debug)]
pub(super) struct StatementResult {
    columns: ProductType,
    pub(super) rows: Vec<Vec<Value>>,
    counts: [(&'static str, u64); 3],
    duration: Duration,
}

pub(super) fn read_results(body: &str) -> Result<Vec<StatementResult>> {
    let damaged = "the server sent a result that cannot be read";
    let results: Vec<Value> = serde_json::from_str(body).context(damaged)?;
    results
        .iter()
        .map(|result| read_result(result).context(damaged))
        .collect()
}

fn read_result(result: &Value) -> Result<StatementResult> {
    let rows = result["rows"].as_array().context("it has no rows")?;
    let rows = rows
        .iter()
        .map(|row| row.as_array().cloned().context("a row is not an array"));
    let count = |key: &str| result["stats"][key].as_u64().unwrap_or_default();
    Ok(StatementResult {
        columns: product_from_json(&result["schema"])?,
        rows: rows.collect::<Result<_>>()?,
        counts: [
            ("inserted", count("rows_inserted")),
            ("deleted", count("rows_deleted")),
            ("updated", count("rows_updated")),
        ],
        duration: Duration::from_micros(
            result["total_duration_micros"].as_u64().unwrap_or_default(),
        ),
    })
}

impl StatementResult {
    /// The rows as `psql` shows them; nothing for a statement without columns.
    pub(super) fn table(&self) -> String {
        if self.columns.elements.is_empty() {
            return String::new();
        }
        psql_table(self.names(), self.rows.iter().map(|row| self.cells(row)))
    }

    /// The rows as comma separated values, with the names first. Texts and what options hold are
    /// bare; an option that holds nothing is an empty field, an empty text one with quotes.
    pub(super) fn csv(&self) -> String {
        if self.columns.elements.is_empty() {
            return String::new();
        }
        let names: Vec<String> = self.names().iter().map(|name| csv_text(name)).collect();
        let rows = self.rows.iter().map(|row| {
            let columns = self.columns.elements.iter();
            let types = columns.map(|column| &column.algebraic_type);
            let fields = types.zip(row).map(|(ty, value)| csv_field(ty, value));
            fields.collect::<Vec<String>>()
        });
        let lines = std::iter::once(names).chain(rows);
        let lines: Vec<String> = lines.map(|fields| fields.join(",")).collect();
        lines.join("\n")
    }

    fn names(&self) -> Vec<String> {
        let names = self.columns.elements.iter().enumerate();
        let names = names.map(|(position, column)| match &column.name {
            Some(name) => name.to_string(),
            None => format!("column {position}"),
        });
        names.collect()
    }

    fn cells(&self, row: &[Value]) -> Vec<String> {
        let columns = self.columns.elements.iter();
        let types = columns.map(|column| &column.algebraic_type);
        types.zip(row).map(|(ty, value)| cell(ty, value)).collect()
    }

    /// `(2 rows) [inserted: 1, server: 0.10ms]`
    pub(super) fn summary(&self) -> String {
        let rows = self.rows.len();
        let unit = if rows == 1 { "row" } else { "rows" };
        let counts = self.counts.iter().filter(|(_, count)| *count > 0);
        let mut parts: Vec<String> = counts
            .map(|(what, count)| format!("{what}: {count}"))
            .collect();
        parts.push(format!("server: {}", milliseconds(self.duration)));
        format!("({rows} {unit}) [{}]", parts.join(", "))
    }
}

/// A value in the console's notation. What that cannot show (a NaN is null here) is left as JSON.
fn cell(ty: &AlgebraicType, value: &Value) -> String {
    let typespace = Typespace::default();
    let mut bytes = Vec::new();
    let mut text = String::new();
    let json = value.to_string();
    if json_to_bsatn(&typespace, ty, &json, &mut bytes).is_err() {
        return json;
    }
    match write_bsatn(
        &typespace,
        ty,
        &mut Reader::new(&bytes),
        Style::Console,
        &mut text,
    ) {
        Ok(()) => text,
        Err(_) => json,
    }
}

fn csv_field(ty: &AlgebraicType, value: &Value) -> String {
    if let (Some(inner), Some([tag, some])) = (ty.as_option(), value.as_array().map(Vec::as_slice))
    {
        return match tag.as_u64() {
            Some(0) => csv_field(inner, some),
            _ => String::new(),
        };
    }
    match (ty, value) {
        (AlgebraicType::String, Value::String(text)) => csv_text(text),
        (AlgebraicType::Product(product), _) if product.is_uuid() => {
            csv_text(cell(ty, value).trim_matches('"'))
        }
        _ => csv_text(&cell(ty, value)),
    }
}

fn csv_text(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A table as `psql` prints it.
pub(crate) fn psql_table(names: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_style(TableComponent::VerticalLines, '|')
        .set_style(TableComponent::HeaderLines, '-')
        .set_style(TableComponent::MiddleHeaderIntersections, '+')
        .set_header(names);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Left);
    }
    table.to_string()
}

pub(super) fn milliseconds(duration: Duration) -> String {
    format!("{:.2}ms", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result(columns: &[(&str, Value)], rows: &Value) -> StatementResult {
        let elements = columns.iter().map(|(name, ty)| {
            let name = if name.is_empty() {
                json!({"none": []})
            } else {
                json!({"some": name})
            };
            json!({"name": name, "algebraic_type": ty})
        });
        let elements: Vec<Value> = elements.collect();
        let body = json!([{
            "schema": {"elements": elements},
            "rows": rows,
            "total_duration_micros": 1500,
            "stats": {"rows_inserted": 2, "rows_deleted": 0, "rows_updated": 1},
        }]);
        read_results(&body.to_string()).unwrap().remove(0)
    }

    #[test]
    fn tables_look_as_in_psql() {
        let columns = [("id", json!({"U32": []})), ("name", json!({"String": []}))];
        let full = result(&columns, &json!([[1, "Alice"], [22222, "B"]]));
        assert_eq!(
            full.table(),
            " id    | name    \n-------+---------\n 1     | \"Alice\" \n 22222 | \"B\"     "
        );
        assert_eq!(
            full.summary(),
            "(2 rows) [inserted: 2, updated: 1, server: 1.50ms]"
        );
        let empty = result(&columns, &json!([]));
        assert_eq!(empty.table(), " id | name \n----+------");
        assert_eq!(empty.csv(), "id,name");
        let odd = result(&columns, &json!([[1, "a,\"b\""], [2, "plain"]]));
        assert_eq!(odd.csv(), "id,name\n1,\"a,\"\"b\"\"\"\n2,plain");
        let unit = json!({"Product": {"elements": []}});
        let variant =
            |name: &str, ty: &Value| json!({"name": {"some": name}, "algebraic_type": ty});
        let variants = [
            variant("some", &json!({"String": []})),
            variant("none", &unit),
        ];
        let option = json!({"Sum": {"variants": variants}});
        let rows = json!([[[0, "a,b"]], [[0, ""]], [[1, []]]]);
        let options = result(&[("o", option)], &rows);
        assert_eq!(options.csv(), "o\n\"a,b\"\n\"\"\n");
        let one = result(&[("", json!({"Bool": []}))], &json!([[true]]));
        assert_eq!(one.table(), " column 0 \n----------\n true     ");
        assert!(one.summary().starts_with("(1 row) "));
        assert_eq!(result(&[], &json!([])).table(), "");
    }

    #[test]
    fn values_are_in_the_notation_of_the_console() {
        let check = |ty: Value, value: Value, expected: &str| {
            let ty = crate::schema::type_from_json(&ty).unwrap();
            assert_eq!(cell(&ty, &value), expected);
        };
        check(json!({"Array": {"U8": []}}), json!("01ff"), "0x01ff");
        check(json!({"F64": []}), Value::Null, "null");
        check(json!({"F64": []}), json!(1.0), "1");
        let unit =
            json!({"name": {"some": "none"}, "algebraic_type": {"Product": {"elements": []}}});
        let some = json!({"name": {"some": "some"}, "algebraic_type": {"I32": []}});
        let option = json!({"Sum": {"variants": [some, unit]}});
        check(option.clone(), json!([0, 5]), "(some = 5)");
        check(option, json!([1, []]), "(none = ())");
        let large = "340282366920938463463374607431768211455";
        check(
            json!({"U128": []}),
            serde_json::from_str(large).unwrap(),
            large,
        );
    }

    #[test]
    fn damaged_results_are_refused() {
        for body in [
            "",
            "{}",
            "[{}]",
            r#"[{"schema":{"elements":[]},"rows":[1]}]"#,
        ] {
            assert!(read_results(body).is_err(), "{body}");
        }
    }
}

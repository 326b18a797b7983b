//! The cases of `data/sql_cases.txt`: each text against its expected rows or class of error.

mod fixture;

use fixture::{OWNER, caller, change, named};
use spacetime_query::{
    Caller, Meter, RowBuffer, SelectPlan, Statement, SubscriptionPlan, compile, execute_explain,
    execute_select,
};
use spacetime_table::Datastore;
use spacetime_types::bsatn::Reader;
use spacetime_types::json::{Flavour, write_bsatn};
use spacetime_types::{AlgebraicType, Typespace};

#[test]
fn every_case_gives_what_it_says() {
    let text = include_str!("data/sql_cases.txt");
    let mut lines = text.lines();
    let mut datastore = Datastore::new();
    let mut failures = Vec::new();
    let mut count = 0;
    let mut is_served = false;
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(group) = line.strip_prefix('[') {
            let fixture = group.trim_end_matches(']').split(' ').nth(1);
            let fixture = fixture.expect("a fixture's name");
            // Views are computed by modules: these cases are run by a server's tests alone.
            is_served = fixture == "vw";
            if !is_served {
                datastore = named(fixture);
            }
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        let sql = unescape(lines.next().expect("a text"));
        let expected = unescape(lines.next().expect("an expectation"));
        if is_served {
            continue;
        }
        let caller = caller(match words[1] {
            "own" => OWNER,
            "u1" => 1,
            _ => 2,
        });
        let found = match words[2] {
            "query" => query(&mut datastore, &sql, &caller),
            "sub" => SubscriptionPlan::compile(&sql, &datastore, &caller)
                .map(|_| Found::Accepted)
                .map_err(|error| error.to_string()),
            _ => SubscriptionPlan::compile_one_off(&sql, &datastore, &caller)
                .map_err(|error| error.to_string())
                .and_then(|select| one_off(&select, &datastore)),
        };
        count += 1;
        if let Err(why) = compare(&expected, &found) {
            failures.push(format!("{} {sql}\n  {why}", words[0]));
        }
    }
    assert!(
        failures.is_empty(),
        "{}\n{} failures",
        failures.join("\n"),
        failures.len()
    );
    assert!(count > 600, "the file holds {count} cases");
}

enum Found {
    Rows(Vec<String>, Vec<String>),
    Changed(String),
    Accepted,
    Table(String, Vec<String>),
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        if let Some(after) = tail.strip_prefix('n') {
            out.push('\n');
            rest = after;
        } else if tail.starts_with('u') {
            let code = u32::from_str_radix(&tail[1..5], 16).expect("four hex digits");
            out.push(char::from_u32(code).expect("a character"));
            rest = &tail[5..];
        } else {
            out.push('\\');
            rest = tail;
        }
    }
    out + rest
}

fn query(datastore: &mut Datastore, sql: &str, caller: &Caller) -> Result<Found, String> {
    match compile(sql, datastore, caller).map_err(|error| error.to_string())? {
        Statement::Select(select) => {
            let columns = select.result_type().elements.iter();
            let columns = columns.map(|e| e.name.as_deref().unwrap_or("").to_owned());
            Ok(Found::Rows(columns.collect(), rows(&select, datastore)?))
        }
        Statement::Explain(plan) => {
            let mut buffer = RowBuffer::new(None);
            execute_explain(&plan, datastore, &mut buffer, &Meter::unlimited(), &|| 0)
                .map_err(|error| error.to_string())?;
            let lines = buffer.finish().iter().map(|_| String::new()).collect();
            Ok(Found::Rows(vec!["plan".to_owned()], lines))
        }
        Statement::Change(_) => {
            let stats = change(datastore, sql)?;
            Ok(Found::Changed(format!(
                "ok ins={} del={} upd={}",
                stats.inserted, stats.deleted, stats.updated
            )))
        }
    }
}

fn one_off(select: &SelectPlan, datastore: &Datastore) -> Result<Found, String> {
    let table = select
        .returned_table()
        .expect("one-off queries return a table");
    Ok(Found::Table(
        table.name.to_string(),
        rows(select, datastore)?,
    ))
}

fn rows(select: &SelectPlan, datastore: &Datastore) -> Result<Vec<String>, String> {
    let mut buffer = RowBuffer::new(None);
    execute_select(select, datastore, &mut buffer).map_err(|error| error.to_string())?;
    let ty = AlgebraicType::Product(select.result_type().clone());
    let list = buffer.finish();
    let mut rows: Vec<String> = list
        .iter()
        .map(|row| {
            let mut text = String::new();
            let mut reader = Reader::new(row);
            let typespace = Typespace::default();
            write_bsatn(&typespace, &ty, &mut reader, Flavour::Untyped, &mut text)
                .expect("a row of the result type");
            reader.finish().expect("the row and nothing else");
            text
        })
        .collect();
    rows.sort();
    Ok(rows)
}

/// `[1,"a"] [2,"b"]` in pieces, sorted.
fn split_rows(text: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let (mut depth, mut quoted, mut row) = (0, false, String::new());
    for ch in text.trim().chars() {
        match ch {
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth -= 1,
            ' ' if !quoted && depth == 0 => continue,
            _ => {}
        }
        if ch == '\n' {
            row.push_str("\\n");
        } else {
            row.push(ch);
        }
        if depth == 0 && !quoted {
            rows.push(std::mem::take(&mut row));
        }
    }
    rows.sort();
    rows
}

fn compare_rows(expected: &str, found: &[String]) -> Result<(), String> {
    let expected = match expected.trim() {
        "none" => Vec::new(),
        text => split_rows(text),
    };
    match expected == found {
        true => Ok(()),
        false => Err(format!("expected {expected:?}\n  found    {found:?}")),
    }
}

fn compare(expected: &str, found: &Result<Found, String>) -> Result<(), String> {
    if let Some(class) = expected.strip_prefix("err ") {
        return match found {
            Ok(_) => Err(format!("expected the error {class}, found none")),
            Err(text) if is_class(class, text) => Ok(()),
            Err(text) => Err(format!("expected {class}, found: {text}")),
        };
    }
    match found {
        Err(text) => Err(format!("expected {expected}, found the error: {text}")),
        Ok(Found::Accepted) if expected == "accept" => Ok(()),
        Ok(Found::Changed(text)) if text == expected => Ok(()),
        Ok(Found::Changed(text)) => Err(format!("expected {expected}, found {text}")),
        Ok(Found::Table(table, rows)) => {
            let wanted = format!("table {table}, rows ");
            match expected.strip_prefix(&wanted) {
                Some(rest) => compare_rows(rest, rows),
                None => Err(format!("expected {expected}, found table {table}")),
            }
        }
        Ok(Found::Rows(columns, rows)) => {
            if let Some(any) = expected.strip_prefix("any ") {
                let count = any.split(' ').next().and_then(|count| count.parse().ok());
                return match count == Some(rows.len()) {
                    true => Ok(()),
                    false => Err(format!("expected {expected}, found {} rows", rows.len())),
                };
            }
            let mut rest = expected;
            if let Some(text) = expected.strip_prefix("cols ") {
                let (names, after) = text.split_once(" ; ").ok_or("columns, then rows")?;
                if names != columns.join(" | ") {
                    return Err(format!("expected columns {names}, found {columns:?}"));
                }
                rest = after;
            }
            match rest.strip_prefix("rows ") {
                Some(rest) => compare_rows(rest, rows),
                None => Err(format!("expected {expected}, found rows {rows:?}")),
            }
        }
        Ok(Found::Accepted) => Err(format!("expected {expected}, found a subscription")),
    }
}

fn is_class(class: &str, text: &str) -> bool {
    // The place in the text comes in further lines, a hint behind the class.
    let text = text.lines().next().unwrap_or_default();
    let unsupported = text.starts_with("Unsupported") || text.contains("not supported");
    match class {
        "EMPTY" => text == "Empty SQL query",
        "MULTI" => text.starts_with("Multiple SQL statements"),
        // A more capable parser may draw the line between these two elsewhere.
        "SYNTAX" | "UNSUP" => text.starts_with("sql parser error: ") || unsupported,
        "NOFROM" => text == "A FROM clause is required",
        "JOINKIND" => text == "Non-inner joins are not supported",
        "COMMAJOIN" => text == "Implicit joins are not supported",
        "MIXED" => text == "Mixed wildcard projections are not supported",
        "STARJOIN" => text == "SELECT * is not supported for joins",
        "AGGALIAS" => text == "Aggregate expressions must have column aliases",
        "QUALIFY" => text == "Names must be qualified when using joins",
        "NOTABLE" => text.starts_with("no such table: `"),
        "SCOPE" => text.contains("` is not in scope"),
        "NOFIELD" => text.contains("` does not have a field `"),
        "DUP" => text.starts_with("Duplicate name `"),
        "TYPE" => text.starts_with("Unexpected type: (expected) ") && text.ends_with(" (inferred)"),
        "LITERAL" => {
            text.starts_with("The literal expression `")
                && text.contains("` cannot be parsed as type `")
        }
        "NOTYPE" => text == "Cannot resolve type for literal expression",
        "OP" => text.starts_with("Invalid binary operator `"),
        "FIELDS" => text.starts_with("The number of fields ("),
        "VALUES" => text.starts_with("Inserting a row with "),
        "VAR" => text.ends_with(" is not a valid system variable"),
        "AUTH" => {
            text.starts_with("Caller ")
                && text.ends_with("not authorized to run SQL DML statements")
        }
        "UNIQUE" => text.starts_with("IndexError: Unique constraint violation '"),
        "RLSCYCLE" => text.contains("Discovered cyclic dependency"),
        "OVERFLOW" => text.starts_with("arithmetic overflow"),
        "ZERO" => text == "division by zero",
        "PLAN" => text.starts_with("Could not compute positional arguments"),
        "SUBROWS" => text.starts_with("Column projections are not supported in subscriptions"),
        "SUBINDEX" => text == "Subscriptions require indexes on join columns",
        "SUBTABLES" => text.starts_with("Invalid number of tables in subscription: "),
        other => panic!("unknown class {other}"),
    }
}

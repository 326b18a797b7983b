//! The cases of `query/tests/data/sql_cases.txt`.

use spacetime_types::bsatn::Reader;
use spacetime_types::json::{Flavour, json_to_bsatn, write_bsatn};
use spacetime_types::{AlgebraicType, ProductType};

use crate::harness::websocket::v2::Client;
use crate::harness::{Login, Server};
use crate::program::{FIRST_TABLE, Module, Table, View, program, typespace};

const CASES: &str = include_str!("../../../../query/tests/data/sql_cases.txt");
const FIXTURES: &str = include_str!("../../../../query/tests/data/fixtures.txt");

/// The callers of the cases, by the byte that their identities repeat there.
const CALLERS: [(&str, &str); 3] = [("own", "aa"), ("u1", "01"), ("u2", "02")];

/// What is otherwise over HTTP, where the request itself is a client as long as it takes.
const OVER_HTTP: [(&str, &str); 2] = [("PM11", "any 1 row"), ("SY05", "rows [1]")];

/// Logins in the order of [`CALLERS`].
pub struct Callers(Vec<Login>);

impl Callers {
    pub fn new(server: &Server) -> Self {
        let logins = CALLERS.iter().map(|_| server.new_login());
        let mut logins: Vec<Login> = logins.collect();
        // As numbers, the owner's is the largest, and u1's the smallest: some cases compare them.
        logins.sort_by(|a, b| a.identity.cmp(&b.identity));
        logins.rotate_right(1);
        Callers(logins)
    }

    pub fn get(&self, name: &str) -> &Login {
        let position = CALLERS.iter().position(|(known, _)| *known == name);
        &self.0[position.expect("a caller")]
    }

    pub fn owner(&self) -> &Login {
        &self.0[0]
    }

    /// What a module is told first of a caller's identity; of nobody's, zero.
    fn first_word(&self, name: &str) -> u64 {
        match name {
            "any" => 0,
            name => u64::from_str_radix(&self.get(name).identity[48..], 16).unwrap(),
        }
    }

    /// A row in which callers are named.
    pub fn name_in_row(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for ((name, _), login) in CALLERS.iter().zip(&self.0) {
            for (before, after) in [("[", ","), (",", ","), (",", "]")] {
                let identity = format!("{before}[\"0x{}\"]{after}", login.identity);
                line = line.replace(&format!("{before}{name}{after}"), &identity);
            }
        }
        line
    }

    /// The text with the server's identities.
    fn translate(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for ((_, byte), login) in CALLERS.iter().zip(&self.0) {
            text = text.replace(&byte.repeat(32), &login.identity);
            // As a number it has no zeros in front.
            let (short, real) = (byte.repeat(32), login.identity.as_str());
            let (short, real) = (short.trim_start_matches('0'), real.trim_start_matches('0'));
            text = text.replace(&format!("0x{short}\""), &format!("0x{real}\""));
        }
        text
    }
}

/// The module of a fixture.
pub fn fixture(name: &str, callers: &Callers) -> Module {
    let heading = format!("[{name}]\n");
    let start = FIXTURES.find(&heading).expect("the fixture exists") + heading.len();
    // Rows start with a bracket, too: the next fixture is behind an empty line.
    let body = FIXTURES[start..].split("\n\n").next().unwrap_or_default();
    let mut module = Module::default();
    for line in body.lines() {
        if let Some(definition) = line.strip_prefix("table ") {
            let number = FIRST_TABLE + u32::try_from(module.tables.len()).unwrap();
            module.tables.push(Table::parse(definition, number));
        } else if let Some(definition) = line.strip_prefix("view ") {
            module.views.push(View::parse(definition));
        } else if let Some(sql) = line.strip_prefix("rule ") {
            module.rules.push(sql.to_owned());
        } else if let Some(view) = module.views.last_mut() {
            let (reader, row) = line.split_once(' ').expect("a reader and a row");
            let reader = callers.first_word(reader);
            view.rows.push((reader, row_bytes(&view.row_type, row)));
        } else {
            let table = module.tables.last_mut().expect("rows follow a table");
            let row = callers.name_in_row(line);
            table.rows.push(row_bytes(&table.row_type, &row));
        }
    }
    module
}

/// A row from its JSON.
pub fn row_bytes(ty: &ProductType, json: &str) -> Vec<u8> {
    let mut row = Vec::new();
    let ty = AlgebraicType::Product(ty.clone());
    json_to_bsatn(&typespace(), &ty, json, &mut row).expect("a row");
    row
}

/// What came back.
enum Found {
    Rows(Vec<String>, Vec<String>),
    Changed(String),
    Accepted,
    Table(String, Vec<String>),
}

/// A database with a fixture.
struct Database<'a> {
    server: &'a Server,
    callers: &'a Callers,
    name: String,
    tables: Vec<Table>,
}

impl<'a> Database<'a> {
    fn new(server: &'a Server, callers: &'a Callers, name: String, fixture_name: &str) -> Self {
        let module = fixture(fixture_name, callers);
        server.publish(callers.owner(), &name, &program(&module));
        Database {
            server,
            callers,
            name,
            tables: module.tables,
        }
    }

    /// A connection of its own: nothing that was subscribed to before is told in between.
    fn client(&self, caller: &str) -> Client {
        Client::of(self.server, &self.name, self.callers.get(caller))
    }

    fn run(&self, caller: &str, kind: &str, sql: &str) -> Result<Found, String> {
        match kind {
            "query" => self.query(caller, sql),
            "sub" => {
                let applied = self.client(caller).subscribe(1, &[sql]);
                applied.map(|_| Found::Accepted)
            }
            _ => {
                let found = self.client(caller).query(sql)?;
                let [rows] = found.as_slice() else {
                    panic!("{sql}: {found:?}");
                };
                let table = self.tables.iter().find(|table| table.name == rows.table);
                let ty = table.map_or_else(ProductType::default, |table| table.row_type.clone());
                let ty = AlgebraicType::Product(ty);
                let rows_json = rows.rows.iter().map(|row| json(&ty, row)).collect();
                Ok(Found::Table(rows.table.clone(), rows_json))
            }
        }
    }

    fn query(&self, caller: &str, sql: &str) -> Result<Found, String> {
        let login = self.callers.get(caller);
        let url = self
            .server
            .v1(&format!("database/{}/sql?confirmed=false", self.name));
        let request = self.server.http().post(url).bearer_auth(&login.token);
        let answer = self.server.send(request.body(sql.to_owned()));
        let answer = answer.map_err(|refusal| {
            assert_eq!(refusal.status, 400, "{sql}: {}", refusal.text);
            refusal.text
        })?;
        // Rows are compared as texts: numbers of any size stay what they are.
        let rows = between(&answer, "\"rows\":", ",\"total_duration_micros\"");
        let results: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        let columns: Vec<String> = results[0]["schema"]["elements"]
            .as_array()
            .expect("columns")
            .iter()
            .map(|column| column["name"]["some"].as_str().expect("a name").to_owned())
            .collect();
        if columns.is_empty() {
            let stats = &results[0]["stats"];
            return Ok(Found::Changed(format!(
                "ok ins={} del={} upd={}",
                stats["rows_inserted"], stats["rows_deleted"], stats["rows_updated"]
            )));
        }
        Ok(Found::Rows(columns, split_rows(&rows[1..rows.len() - 1])))
    }
}

fn json(ty: &AlgebraicType, row: &[u8]) -> String {
    let mut text = String::new();
    let mut reader = Reader::new(row);
    write_bsatn(&typespace(), ty, &mut reader, Flavour::Untyped, &mut text).expect("a row");
    text
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).expect("the start") + start.len();
    let to = text.rfind(end).expect("the end");
    &text[from..to]
}

#[test]
fn every_case_gives_what_it_says() {
    let server = Server::start();
    let callers = Callers::new(&server);
    let mut database: Option<Database<'_>> = None;
    let mut failures = Vec::new();
    let mut count = 0;
    let mut lines = CASES.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(group) = line.strip_prefix('[') {
            let (group, fixture) = group.trim_end_matches(']').split_once(' ').unwrap();
            let name = format!("sql-{}", group.to_lowercase());
            database = Some(Database::new(&server, &callers, name, fixture));
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        let sql = callers.translate(&unescape(lines.next().expect("a text")));
        let expected = unescape(lines.next().expect("an expectation"));
        let over_http = OVER_HTTP.iter().find(|(case, _)| *case == words[0]);
        let expected = over_http.map_or(expected, |(_, other)| (*other).to_owned());
        let expected = callers.translate(&expected);
        let database = database.as_ref().expect("a group");
        let found = database.run(words[1], words[2], &sql);
        count += 1;
        if let Err(why) = compare(&expected, &found) {
            failures.push(format!("{} {sql}\n  {why}", words[0]));
        }
    }
    let text = failures.join("\n");
    assert!(failures.is_empty(), "{text}\n{} failures", failures.len());
    assert!(count > 600, "the file holds {count} cases");
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
        } else if let Some(hex) = tail.strip_prefix('u') {
            let code = u32::from_str_radix(&hex[..4], 16).expect("four hex digits");
            out.push(char::from_u32(code).expect("a character"));
            rest = &hex[4..];
        } else {
            out.push('\\');
            rest = tail;
        }
    }
    out + rest
}

/// `[1,"a"] [2,"b"]` or `[1,"a"],[2,"b"]` in pieces, sorted.
fn split_rows(text: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let (mut depth, mut quoted, mut escaped, mut row) = (0, false, false, String::new());
    for ch in text.trim().chars() {
        match ch {
            _ if escaped => {}
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth -= 1,
            ' ' | ',' if !quoted && depth == 0 => continue,
            _ => {}
        }
        escaped = quoted && ch == '\\' && !escaped;
        match ch {
            '\n' => row.push_str("\\n"),
            ch => row.push(ch),
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
    let mut found = found.to_vec();
    found.sort();
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
        Ok(Found::Accepted) => Err(format!("expected {expected}, found a subscription")),
        Ok(Found::Changed(text)) if text == expected => Ok(()),
        Ok(Found::Changed(text)) => Err(format!("expected {expected}, found {text}")),
        Ok(Found::Table(table, rows)) => {
            match expected.strip_prefix(&format!("table {table}, rows ")) {
                Some(rest) => compare_rows(rest, rows),
                None => Err(format!("expected {expected}, found table {table}")),
            }
        }
        Ok(Found::Rows(columns, rows)) => compare_result(expected, columns, rows),
    }
}

fn compare_result(expected: &str, columns: &[String], rows: &[String]) -> Result<(), String> {
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

/// Whether an error is of a class; the place in the text comes in further lines.
fn is_class(class: &str, text: &str) -> bool {
    let text = text.lines().next().unwrap_or_default();
    let part = match class {
        "EMPTY" => "Empty SQL query",
        "MULTI" => "Multiple SQL statements",
        // A more capable parser may draw the line between these two elsewhere.
        "SYNTAX" | "UNSUP" => {
            return text.starts_with("sql parser error: ")
                || text.starts_with("Unsupported")
                || text.contains("not supported");
        }
        "NOFROM" => "A FROM clause is required",
        "JOINKIND" => "Non-inner joins are not supported",
        "COMMAJOIN" => "Implicit joins are not supported",
        "MIXED" => "Mixed wildcard projections are not supported",
        "STARJOIN" => "SELECT * is not supported for joins",
        "AGGALIAS" => "Aggregate expressions must have column aliases",
        "QUALIFY" => "Names must be qualified when using joins",
        "NOTABLE" => "no such table: `",
        "SCOPE" => "` is not in scope",
        "NOFIELD" => "` does not have a field `",
        "DUP" => "Duplicate name `",
        "TYPE" => "Unexpected type: (expected) ",
        "LITERAL" => "` cannot be parsed as type `",
        "NOTYPE" => "Cannot resolve type for literal expression",
        "OP" => "Invalid binary operator `",
        "FIELDS" => "The number of fields (",
        "VALUES" => "Inserting a row with ",
        "VAR" => " is not a valid system variable",
        "AUTH" => "not authorized to run SQL DML statements",
        "UNIQUE" => "IndexError: Unique constraint violation '",
        "RLSCYCLE" => "Discovered cyclic dependency",
        "VIEWDML" => "is a view; DML on views is not supported",
        "OVERFLOW" => "arithmetic overflow",
        "ZERO" => "division by zero",
        "PLAN" => "Could not compute positional arguments",
        "SUBROWS" => "Column projections are not supported in subscriptions",
        "SUBINDEX" => "Subscriptions require indexes on join columns",
        "SUBTABLES" => "Invalid number of tables in subscription: ",
        other => panic!("unknown class {other}"),
    };
    text.contains(part)
}

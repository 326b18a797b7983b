//! Random tables, rows and queries in the dialect that both engines know.
//!
//! Nothing here overflows or divides by zero, and where the order of rows matters it is complete.

use crate::random::Random;
use crate::{Kind, Stored, Table};

const KINDS: [Kind; 6] = [
    Kind::I64,
    Kind::U32,
    Kind::Bool,
    Kind::Text,
    Kind::F64,
    Kind::Option,
];
const TEXTS: [&str; 9] = ["", "a", "ab", "abc", "b", "B", "O'R", "\u{e9}", "%_"];

/// A table with a few random columns beside one of each kind of key.
pub fn table(random: &mut Random, name: &str) -> Table {
    let mut columns = vec![("id".to_owned(), Kind::I64), ("k".to_owned(), Kind::I64)];
    for number in 0..1 + random.below(4) {
        columns.push((format!("c{number}"), *random.pick(&KINDS)));
    }
    let keys: Vec<usize> = (0..columns.len())
        .filter(|column| columns[*column].1 != Kind::Option)
        .collect();
    let mut indexes = Vec::new();
    for _ in 0..random.below(3) {
        let mut index = vec![*random.pick(&keys)];
        if random.chance(40) {
            let second = *random.pick(&keys);
            if second != index[0] {
                index.push(second);
            }
        }
        if !indexes.contains(&index) {
            indexes.push(index);
        }
    }
    let has_key = random.chance(70);
    indexes.retain(|index| !has_key || *index != [0]);
    Table {
        name: name.to_owned(),
        columns,
        has_key,
        indexes,
    }
}

/// Rows of a table. The first column counts, so no two are equal.
pub fn rows(random: &mut Random, table: &Table, count: usize) -> Vec<Vec<Stored>> {
    let row = |random: &mut Random, id: usize| {
        let mut row = vec![Stored::I64(i64::try_from(id).expect("few rows"))];
        let rest = table.columns.iter().skip(1);
        row.extend(rest.map(|(_, kind)| stored(random, *kind)));
        row
    };
    (0..count).map(|id| row(random, id)).collect()
}

fn small(random: &mut Random) -> i64 {
    i64::try_from(random.below(9)).expect("small") - 3
}

fn quarter(random: &mut Random) -> f64 {
    [0.0, 0.25, -1.5, 2.0, 3.75, 1.0][random.below(6)]
}

fn stored(random: &mut Random, kind: Kind) -> Stored {
    match kind {
        Kind::I64 => Stored::I64(small(random)),
        Kind::U32 => Stored::U32(u32::try_from(random.below(6)).expect("small")),
        Kind::Bool => Stored::Bool(random.chance(50)),
        Kind::Text => Stored::Text((*random.pick(&TEXTS)).to_owned()),
        Kind::F64 => Stored::F64(quarter(random)),
        Kind::Option => Stored::Option(random.chance(60).then(|| small(random))),
    }
}

/// A column in the scope of a query.
#[derive(Clone, Debug)]
struct Column {
    /// As the query writes it.
    text: String,
    kind: Kind,
}

/// A query, and whether its rows come in a certain order.
#[derive(Clone, Debug)]
pub struct Query {
    pub sql: String,
    pub is_ordered: bool,
}

/// A query over some of the tables.
pub fn query(random: &mut Random, tables: &[Table]) -> Query {
    let (from, columns) = from(random, tables);
    let mut sql = String::from("SELECT ");
    let is_grouped = random.chance(35);
    let filter = random.chance(70).then(|| condition(random, &columns, 3));
    let filter = filter.map(|filter| format!(" WHERE {filter}"));
    let filter = filter.unwrap_or_default();
    let mut names = Vec::new();
    if is_grouped {
        let keys: Vec<Column> = (0..random.below(3))
            .map(|_| random.pick(&columns).clone())
            .collect();
        let mut items: Vec<String> = keys.iter().map(|key| key.text.clone()).collect();
        let aggregates: Vec<String> = (0..1 + random.below(3))
            .map(|_| aggregate(random, &columns))
            .collect();
        items.extend(aggregates);
        push_items(&mut sql, &items, &mut names);
        sql.push_str(&format!(" FROM {from}{filter}"));
        if !keys.is_empty() {
            let texts: Vec<&str> = keys.iter().map(|key| &*key.text).collect();
            sql.push_str(&format!(" GROUP BY {}", texts.join(", ")));
        }
        if !keys.is_empty() && random.chance(40) {
            let operator = *random.pick(&["=", ">", "<=", "<>"]);
            let aggregate = *random.pick(&["COUNT(*)", "COUNT(*) + 1"]);
            sql.push_str(&format!(
                " HAVING {aggregate} {operator} {}",
                random.below(4)
            ));
        }
    } else {
        let distinct = random.chance(25);
        if distinct {
            sql.push_str("DISTINCT ");
        }
        let items: Vec<String> = (0..1 + random.below(4))
            .map(|_| match random.chance(70) {
                true => random.pick(&columns).text.clone(),
                false => value(random, &columns),
            })
            .collect();
        push_items(&mut sql, &items, &mut names);
        sql.push_str(&format!(" FROM {from}{filter}"));
    }
    let is_ordered = random.chance(50);
    if is_ordered {
        order(random, &mut sql, &names);
    }
    Query { sql, is_ordered }
}

fn push_items(sql: &mut String, items: &[String], names: &mut Vec<String>) {
    for (position, item) in items.iter().enumerate() {
        let name = format!("r{position}");
        let comma = if position > 0 { ", " } else { "" };
        sql.push_str(&format!("{comma}{item} AS {name}"));
        names.push(name);
    }
}

/// By every column of the result, so that equal keys are equal rows; then perhaps a piece of it.
fn order(random: &mut Random, sql: &mut String, names: &[String]) {
    let mut keys = Vec::new();
    let first = random.below(names.len());
    for offset in 0..names.len() {
        let position = (first + offset) % names.len();
        let mut key = match random.chance(80) {
            true => names[position].clone(),
            false => (position + 1).to_string(),
        };
        let direction = ["", " ASC", " DESC", " DESC NULLS FIRST", " NULLS LAST"];
        key.push_str(direction[random.below(direction.len())]);
        keys.push(key);
    }
    sql.push_str(&format!(" ORDER BY {}", keys.join(", ")));
    if random.chance(50) {
        sql.push_str(&format!(" LIMIT {}", random.below(12)));
        if random.chance(50) {
            sql.push_str(&format!(" OFFSET {}", random.below(6)));
        }
    }
}

/// The FROM clause and the columns in its scope.
fn from(random: &mut Random, tables: &[Table]) -> (String, Vec<Column>) {
    let count = *random.pick(&[1, 1, 1, 2, 2, 2, 3]);
    let mut text = String::new();
    let mut columns: Vec<Column> = Vec::new();
    for number in 0..count {
        let table = random.pick(tables);
        let alias = format!("x{number}");
        let scope = |name: &str| match count {
            1 => name.to_owned(),
            _ => format!("{alias}.{name}"),
        };
        let own: Vec<Column> = table
            .columns
            .iter()
            .map(|(name, kind)| Column {
                text: scope(name),
                kind: *kind,
            })
            .collect();
        if number == 0 {
            text.push_str(&format!("{} {alias}", table.name));
            columns.extend(own);
            continue;
        }
        let keys = |columns: &[Column]| -> Vec<String> {
            let keys = columns.iter().filter(|column| column.kind == Kind::I64);
            keys.map(|column| column.text.clone()).collect()
        };
        let (left, right) = (keys(&columns), keys(&own));
        let equality = format!("{} = {}", random.pick(&left), random.pick(&right));
        let name = &table.name;
        match random.below(10) {
            0 => text.push_str(&format!(" CROSS JOIN {name} {alias}")),
            1..=5 => text.push_str(&format!(" JOIN {name} {alias} ON {equality}")),
            _ => {
                let mut all = columns.clone();
                all.extend(own.clone());
                let on = match random.below(3) {
                    0 => condition(random, &all, 1),
                    1 => format!("{equality} AND {}", condition(random, &all, 1)),
                    _ => equality,
                };
                text.push_str(&format!(" LEFT JOIN {name} {alias} ON {on}"));
            }
        }
        columns.extend(own);
    }
    (text, columns)
}

fn literal(random: &mut Random, kind: Kind) -> String {
    match kind {
        Kind::I64 | Kind::Option => small(random).to_string(),
        Kind::U32 => random.below(6).to_string(),
        Kind::Bool => (*random.pick(&["TRUE", "FALSE"])).to_owned(),
        Kind::Text => format!("'{}'", random.pick(&TEXTS).replace('\'', "''")),
        Kind::F64 => format!("{:?}", quarter(random)),
    }
}

/// A column that has values which can be compared.
fn comparable<'a>(random: &mut Random, columns: &'a [Column]) -> &'a Column {
    loop {
        let column = random.pick(columns);
        if column.kind != Kind::Option {
            return column;
        }
    }
}

/// An expression of numbers.
fn value(random: &mut Random, columns: &[Column]) -> String {
    let column = random.pick(columns);
    let text = &column.text;
    match column.kind {
        Kind::I64 => match random.below(6) {
            0 => format!("{text} + {}", small(random)),
            1 => format!("{text} * {} - {text}", small(random)),
            2 => format!("({text} - {}) * 2", small(random)),
            3 => format!("{text} / {}", 1 + random.below(4)),
            4 => format!("{text} % {}", 1 + random.below(4)),
            _ => format!("{} - {text}", small(random)),
        },
        Kind::U32 => format!("{text} * 2 + {}", random.below(5)),
        Kind::F64 => match random.below(3) {
            0 => format!("{text} + 0.5"),
            1 => format!("{text} / 2.0"),
            _ => format!("{text} * {text}"),
        },
        Kind::Bool | Kind::Text | Kind::Option => text.clone(),
    }
}

fn aggregate(random: &mut Random, columns: &[Column]) -> String {
    let column = random.pick(columns);
    let text = &column.text;
    let distinct = if random.chance(25) { "DISTINCT " } else { "" };
    match column.kind {
        Kind::I64 | Kind::U32 | Kind::F64 | Kind::Option => {
            let function = *random.pick(&["SUM", "MIN", "MAX", "AVG", "COUNT"]);
            format!("{function}({distinct}{text})")
        }
        Kind::Text | Kind::Bool => match random.below(4) {
            0 => "COUNT(*)".to_owned(),
            1 => format!("MIN({text})"),
            2 => format!("MAX({text})"),
            _ => format!("COUNT({distinct}{text})"),
        },
    }
}

/// A condition on the columns.
pub fn condition_on(random: &mut Random, table: &Table) -> String {
    let columns: Vec<Column> = table
        .columns
        .iter()
        .map(|(name, kind)| Column {
            text: name.clone(),
            kind: *kind,
        })
        .collect();
    condition(random, &columns, 3)
}

fn condition(random: &mut Random, columns: &[Column], depth: usize) -> String {
    if depth > 0 && random.chance(45) {
        let left = condition(random, columns, depth - 1);
        let right = condition(random, columns, depth - 1);
        return match random.below(5) {
            0 => format!("(NOT {left})"),
            1 | 2 => format!("({left} AND {right})"),
            _ => format!("({left} OR {right})"),
        };
    }
    if let Some(option) = columns.iter().find(|column| column.kind == Kind::Option)
        && random.chance(15)
    {
        let word = random.pick(&["IS NULL", "IS NOT NULL"]);
        return format!("{} {word}", option.text);
    }
    let column = comparable(random, columns);
    let text = &column.text;
    let operator = *random.pick(&["=", "=", "<>", "<", "<=", ">", ">="]);
    match random.below(10) {
        0 | 1 => {
            let list: Vec<String> = (0..1 + random.below(4))
                .map(|_| literal(random, column.kind))
                .collect();
            let not = random.pick(&["", "NOT "]);
            format!("{text} {not}IN ({})", list.join(", "))
        }
        2 => {
            let (low, high) = (literal(random, column.kind), literal(random, column.kind));
            let not = random.pick(&["", "NOT "]);
            format!("{text} {not}BETWEEN {low} AND {high}")
        }
        3 if column.kind == Kind::Text => {
            let pattern = random.pick(&["a%", "%b%", "_", "%", "ab_", "", "%c", "!%!_"]);
            let not = random.pick(&["", "NOT "]);
            format!("{text} {not}LIKE '{pattern}' ESCAPE '!'")
        }
        4 | 5 if column.kind == Kind::I64 => {
            format!("{text} * 2 + 1 {operator} {}", small(random))
        }
        6 => {
            let same: Vec<&Column> = columns.iter().filter(|c| c.kind == column.kind).collect();
            format!("{text} {operator} {}", random.pick(&same).text)
        }
        _ if column.kind == Kind::Bool && random.chance(50) => text.clone(),
        _ => format!("{text} {operator} {}", literal(random, column.kind)),
    }
}

//! `export`: the rows of a state as JSON lines, CSV or SQL.
//!
//! Invariants
//!   * Rows come in the order of their primary key if that is ordered, else in that of storage.
//!   * Nothing that is there already is overwritten.

mod csv;
mod sql;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use spacetime_table::{Datastore, RowPtr, TableSchema};
use spacetime_types::json;

use crate::error::OfflineError;
use crate::progress::Progress;
use crate::row_text;
use crate::schemas::TableShape;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// RFC 4180 with a line of names; nested values are JSON.
    Csv,
    /// `CREATE TABLE` and `INSERT` statements that SQLite and PostgreSQL understand; nested
    /// values are JSON text.
    Sql,
}

impl Format {
    /// What file names end in.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Format::JsonLines => "jsonl",
            Format::Csv => "csv",
            Format::Sql => "sql",
        }
    }
}

/// Which tables to write.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Names of tables. Empty means all that the module made.
    pub tables: Vec<String>,
    /// The built-in tables too.
    pub system: bool,
}

/// A written table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportedTable {
    pub name: String,
    pub rows: u64,
    /// `None` if it was written to a stream.
    pub file: Option<PathBuf>,
}

/// The tables that `choice` means, by name.
pub fn chosen(
    datastore: &Datastore,
    choice: &Choice,
) -> Result<Vec<Arc<TableSchema>>, OfflineError> {
    let mut schemas: Vec<Arc<TableSchema>> = datastore.tables().cloned().collect();
    schemas.sort_by(|a, b| a.name.cmp(&b.name));
    for wanted in &choice.tables {
        if !schemas.iter().any(|schema| *schema.name == **wanted) {
            let users = schemas.iter().filter(|schema| !schema.is_system());
            return Err(OfflineError::NoSuchTable {
                wanted: wanted.clone(),
                known: users.map(|schema| schema.name.to_string()).collect(),
            });
        }
    }
    schemas.retain(|schema| match choice.tables.is_empty() {
        true => choice.system || !schema.is_system(),
        false => choice.tables.iter().any(|name| **name == *schema.name),
    });
    Ok(schemas)
}

/// Writes each table into a file of its own in `dir`, which is made if it is not there.
pub fn to_directory(
    datastore: &Datastore,
    choice: &Choice,
    format: Format,
    dir: &Path,
    progress: &dyn Progress,
) -> Result<Vec<ExportedTable>, OfflineError> {
    let schemas = chosen(datastore, choice)?;
    std::fs::create_dir_all(dir)?;
    let mut exported = Vec::with_capacity(schemas.len());
    let total = row_count(datastore, &schemas);
    let mut done = 0;
    for schema in &schemas {
        let path = dir.join(format!("{}.{}", file_stem(schema), format.extension()));
        let mut file = BufWriter::new(create(&path)?);
        let rows = write_table(datastore, schema, format, false, &mut file, &mut || {
            done += 1;
            tell(progress, done, total);
        })?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        exported.push(ExportedTable {
            name: schema.name.to_string(),
            rows,
            file: Some(path),
        });
    }
    Ok(exported)
}

/// Writes all tables one after the other. JSON lines then name the table: `{"table", "row"}`.
/// CSV holds one table only.
pub fn to_stream(
    datastore: &Datastore,
    choice: &Choice,
    format: Format,
    out: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<Vec<ExportedTable>, OfflineError> {
    let schemas = chosen(datastore, choice)?;
    if format == Format::Csv && schemas.len() > 1 {
        let names: Vec<&str> = schemas.iter().map(|schema| &*schema.name).collect();
        let text = format!(
            "one CSV stream holds one table; choose one, or write to a directory: {}",
            names.join(", ")
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text).into());
    }
    let total = row_count(datastore, &schemas);
    let (mut done, mut exported) = (0, Vec::with_capacity(schemas.len()));
    for schema in &schemas {
        let rows = write_table(datastore, schema, format, true, out, &mut || {
            done += 1;
            tell(progress, done, total);
        })?;
        exported.push(ExportedTable {
            name: schema.name.to_string(),
            rows,
            file: None,
        });
    }
    out.flush()?;
    Ok(exported)
}

fn tell(progress: &dyn Progress, done: u64, total: u64) {
    if done.is_multiple_of(4096) || done == total {
        progress.at(done, total);
    }
}

fn row_count(datastore: &Datastore, schemas: &[Arc<TableSchema>]) -> u64 {
    let counts = schemas.iter().map(|schema| datastore.row_count(schema.id));
    counts.map(Option::unwrap_or_default).sum()
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// The name of a table as a file name: a damaged log may name tables in any way.
fn file_stem(schema: &TableSchema) -> String {
    const NAME_LEN_MAX: usize = 100;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let plain: String = schema
        .name
        .chars()
        .filter(|&c| is_plain(c))
        .take(NAME_LEN_MAX)
        .collect();
    if plain == *schema.name && !plain.starts_with('.') && !plain.is_empty() {
        plain
    } else {
        format!("table-{}-{}", schema.id, plain.trim_start_matches('.'))
    }
}

fn write_table(
    datastore: &Datastore,
    schema: &Arc<TableSchema>,
    format: Format,
    named: bool,
    out: &mut dyn Write,
    written: &mut dyn FnMut(),
) -> Result<u64, OfflineError> {
    let shape = TableShape::of(schema);
    match format {
        Format::JsonLines => {}
        Format::Csv => csv::write_head(&shape, out)?,
        Format::Sql => sql::write_head(&shape, out)?,
    }
    let mut row = Vec::new();
    let mut line = String::new();
    let mut count = 0;
    let mut write = |ptr: RowPtr| -> Result<(), OfflineError> {
        row.clear();
        line.clear();
        datastore.read_row(schema.id, ptr, &mut row);
        match format {
            Format::JsonLines if named => {
                line.push_str("{\"table\":");
                json::push_string(&shape.name, &mut line);
                line.push_str(",\"row\":");
                row_text::push_json(&shape, &row, &mut line);
                line.push('}');
            }
            Format::JsonLines => row_text::push_json(&shape, &row, &mut line),
            Format::Csv => csv::push_row(&shape, &row, &mut line),
            Format::Sql => sql::push_row(&shape, &row, &mut line),
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
        count += 1;
        written();
        Ok(())
    };
    let by_key = schema.primary_key_index().and_then(|index| {
        let all = Bound::Unbounded;
        let rows = datastore.index_range(index.id, &[], 0, all, all);
        rows.ok().map(|(_, rows)| rows)
    });
    match by_key {
        Some(rows) => rows.into_iter().try_for_each(&mut write)?,
        None => {
            let rows = datastore.scan(schema.id).into_iter().flatten();
            rows.into_iter().try_for_each(&mut write)?;
        }
    }
    Ok(count)
}

//! Many operations inside one reducer: what one operation costs without calls and commits.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::http::Http;
use crate::process;
use crate::report::{BulkFigures, BulkOperation};

/// Rows touched by one call, so that a transaction stays of a usual size.
const ROWS_PER_CALL_MAX: u32 = 100_000;

/// A table of the module to work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cells {
    /// A u32 key with an ordered index, and an i32.
    Ordered,
    /// A u32 key with a hash index, and an i64.
    Hash,
    /// A u64 key with an ordered index, and a text of 20 bytes with another.
    Text,
}

impl Cells {
    /// The reducer that does something with this table.
    pub(crate) fn reducer(self, name: &str) -> String {
        match self {
            Cells::Ordered => name.to_owned(),
            Cells::Hash => format!("{name}_hash"),
            Cells::Text => format!("{name}_text"),
        }
    }
}

/// Runs every operation over `rows` rows; the table must be empty and is left so.
pub(crate) fn run(
    http: &Http,
    database: &str,
    cells: Cells,
    rows: u32,
    server_pid: Option<u32>,
) -> Result<BulkFigures> {
    ensure!(1 < rows, "at least two rows are needed");
    let resident = || server_pid.and_then(process::resident_bytes);
    let before = resident();
    let over = |name, start: u32, count: u32| {
        let operation = Operation {
            name,
            calls: pieces(start, count),
        };
        operation.run(http, database, cells)
    };
    let insert = over("insert_many", 0, rows)?;
    let after = resident();
    let mut operations = vec![insert];
    operations.push(over("find_many", 0, rows)?);
    operations.push(over("update_many", 0, rows)?);
    let iterate = Operation {
        name: "iterate_all",
        calls: vec![(format!("[{rows}]"), rows)],
    };
    operations.push(iterate.run(http, database, cells)?);
    let half = rows / 2;
    operations.push(over("delete_many", 0, half)?);
    let clear = Operation {
        name: "delete_all",
        calls: vec![("[]".to_owned(), rows - half)],
    };
    operations.push(clear.run(http, database, cells)?);
    let grown = after
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    Ok(BulkFigures {
        cells,
        rows,
        operations,
        memory_bytes_per_row: grown.map(|bytes| bytes as f64 / f64::from(rows)),
    })
}

/// One reducer, called until it has covered all rows.
struct Operation {
    name: &'static str,
    /// Arguments as JSON, and how many rows they are about.
    calls: Vec<(String, u32)>,
}

impl Operation {
    fn run(self, http: &Http, database: &str, cells: Cells) -> Result<BulkOperation> {
        let reducer = cells.reducer(self.name);
        let mut rows = 0;
        let mut server_time = Some(Duration::ZERO);
        let mut total_time = Duration::ZERO;
        for (args, count) in self.calls {
            let called = http.call(database, &reducer, &args)?;
            rows += count;
            server_time = server_time
                .zip(called.server_time)
                .map(|(sum, one)| sum + one);
            total_time += called.total_time;
        }
        let nanos_per_row = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(rows);
        Ok(BulkOperation {
            name: self.name,
            rows,
            server_nanos_per_row: server_time.map(nanos_per_row),
            total_nanos_per_row: nanos_per_row(total_time),
            rows_per_second: f64::from(rows) / total_time.as_secs_f64(),
        })
    }
}

/// The arguments `[start, count]` of calls that together cover the rows.
pub(crate) fn pieces(start: u32, count: u32) -> Vec<(String, u32)> {
    let end = start + count;
    let mut pieces = Vec::new();
    let mut next = start;
    while next < end {
        let len = ROWS_PER_CALL_MAX.min(end - next);
        pieces.push((format!("[{next},{len}]"), len));
        next += len;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_all_rows_once() {
        let own = |pairs: &[(&str, u32)]| -> Vec<_> {
            pairs
                .iter()
                .map(|(args, len)| ((*args).to_owned(), *len))
                .collect()
        };
        assert_eq!(pieces(0, 3), own(&[("[0,3]", 3)]));
        assert_eq!(
            pieces(5, 250_000),
            own(&[
                ("[5,100000]", 100_000),
                ("[100005,100000]", 100_000),
                ("[200005,50000]", 50_000)
            ])
        );
        assert_eq!(pieces(0, 0), own(&[]));
    }
}

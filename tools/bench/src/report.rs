//! The figures, and how they are shown: a table for people, JSON for programs.
//!
//! A figure that could not be had is `n/a` in the table and `null` in JSON, never zero.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::bulk::Cells;
use crate::commit::CommitFigures;
use crate::fanout::Mode;
use crate::histogram::Histogram;
use crate::http::Pauses;
use crate::limit::LimitFigures;
use crate::memory::MemoryFigures;
use crate::message::Protocol;

/// How long calls took, in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latency {
    pub mean_us: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

impl Latency {
    /// From nanoseconds.
    pub(crate) fn of(histogram: &Histogram) -> Self {
        let micros = |nanos: u64| nanos as f64 / 1000.0;
        Self {
            mean_us: histogram.mean() / 1000.0,
            p50_us: micros(histogram.quantile(0.5)),
            p99_us: micros(histogram.quantile(0.99)),
            p999_us: micros(histogram.quantile(0.999)),
            max_us: micros(histogram.max()),
        }
    }
}

/// One run of a load.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LoadFigures {
    pub name: &'static str,
    pub alpha: Option<f64>,
    pub protocol: Protocol,
    pub confirmed: bool,
    pub connections: u32,
    pub in_flight: u32,
    pub seconds: f64,
    pub transactions: u64,
    pub transactions_per_second: f64,
    pub latency: Latency,
    /// The longest time in which no call of any connection ended.
    pub longest_pause_us: f64,
    /// What the server's writer thread was busy with at a time, if the server measures it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pauses: Option<Pauses>,
    /// What was read at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<BesideFigures>,
    pub errors: u64,
    pub first_error: Option<String>,
    /// Per transaction, user and system time of all threads.
    pub server_cpu_us: Option<f64>,
    pub client_cpu_us: Option<f64>,
    /// Per transaction, as the kernel counts it: whole pages.
    pub server_written_bytes: Option<f64>,
    /// Whether every account holds what the committed calls make it.
    pub balances_right: Option<bool>,
    pub balances_error: Option<String>,
}

/// What went on beside a load: reads, one after the other, or a flood of calls.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BesideFigures {
    pub name: &'static str,
    /// Of each read; of a flood, the calls in flight.
    pub rows: u32,
    pub reads: u64,
    pub mean_ms: f64,
    pub max_ms: f64,
    /// Against the load alone, in percent: negative is slower.
    pub transactions_change: f64,
}

/// One run with subscribers.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FanOutFigures {
    pub mode: Mode,
    /// Subscribers, or registered queries.
    pub count: u32,
    pub protocol: Protocol,
    pub confirmed: bool,
    pub in_flight: u32,
    pub seconds: f64,
    pub calls_per_second: f64,
    /// Rows told to subscribers.
    pub deliveries_per_second: f64,
    /// WebSocket messages to subscribers.
    pub frames_per_second: f64,
    pub server_cpu_us_per_call: Option<f64>,
    pub server_cpu_us_per_delivery: Option<f64>,
    pub client_cpu_us_per_delivery: Option<f64>,
    /// From a call to its result.
    pub call_latency: Latency,
    /// From a call to each subscriber's knowledge of it.
    pub delivery_latency: Latency,
    /// Mean size of a message to a subscriber.
    pub frame_bytes: Option<f64>,
    /// What the kernel takes to send as many bytes.
    pub send_us: Option<f64>,
    /// Why the run is not right, if so.
    pub error: Option<String>,
}

/// Operations inside reducers.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BulkFigures {
    pub cells: Cells,
    pub rows: u32,
    pub operations: Vec<BulkOperation>,
    /// Growth of the server's resident memory while the rows were inserted.
    pub memory_bytes_per_row: Option<f64>,
}

/// One kind of operation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BulkOperation {
    pub name: &'static str,
    pub rows: u32,
    /// By the server's own clock, without request and response.
    pub server_nanos_per_row: Option<f64>,
    pub total_nanos_per_row: f64,
    pub rows_per_second: f64,
}

/// Everything that one run of the tool found out.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    pub server: Option<String>,
    pub server_pid: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loads: Vec<LoadFigures>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fan_out: Vec<FanOutFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulk: Option<BulkFigures>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<CommitFigures>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryFigures>,
}

impl Report {
    /// Why the run must not count as a success, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        let wrong = self.fan_out.iter().find_map(|run| {
            let error = run.error.as_deref()?;
            Some(format!("{:?} {}: {error}", run.mode, run.count))
        });
        if wrong.is_some() {
            return wrong;
        }
        self.loads.iter().find_map(|load| {
            if let Some(error) = &load.balances_error {
                return Some(format!("{}: the balances are wrong: {error}", load.name));
            }
            let error = load.first_error.as_deref().unwrap_or("unknown");
            (load.transactions == 0 && 0 < load.errors)
                .then(|| format!("{}: every call failed: {error}", load.name))
        })
    }

    /// The tables, one below the other.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        if !self.loads.is_empty() {
            out += "Calls (latency in ms, CPU in us a transaction, disk in bytes a transaction)\n";
            out += &format!("{}\n", self.load_table());
        }
        for load in self.loads.iter().filter(|load| 0 < load.errors) {
            let error = load.first_error.as_deref().unwrap_or("unknown");
            out += &format!(
                "{}: {} errors, the first: {error}\n",
                load.name, load.errors
            );
        }
        if self.loads.iter().any(|load| load.beside.is_some()) {
            out += "\nBeside others (in ms; pause: the longest time without any result)\n";
            out += &format!("{}\n", self.beside_table());
        }
        if self.loads.iter().any(|load| load.pauses.is_some()) {
            out += "\nThe writer thread, busy with one thing (in us of processor time)\n";
            out += &format!("{}\n", self.pauses_table());
        }
        if !self.fan_out.is_empty() {
            out += "Subscribers (latency in ms, CPU and send in us)\n";
            out += &format!("{}\n", fan_out_table(&self.fan_out));
        }
        if let Some(bulk) = &self.bulk {
            let memory = maybe(bulk.memory_bytes_per_row, 1);
            out += &format!(
                "\nInside a reducer ({:?} index, {} rows, {memory} bytes a row)\n",
                bulk.cells, bulk.rows
            );
            out += &format!("{}\n", bulk_table(bulk));
        }
        if !self.commits.is_empty() {
            out += "\nThe disk alone (latency of write and sync in ms)\n";
            out += &format!("{}\n", commit_table(&self.commits));
        }
        if !self.limits.is_empty() {
            out += "\nAgainst the disk (all calls in flight with each sync)\n";
            out += &format!("{}\n", limit_table(&self.limits));
        }
        if let Some(memory) = &self.memory {
            out += &format!("\n{}\n", memory.text());
        }
        out
    }

    fn load_table(&self) -> Table {
        let mut table = table(&[
            "load",
            "alpha",
            "proto",
            "confirmed",
            "conns",
            "in flight",
            "tx/s",
            "p50",
            "p99",
            "p99.9",
            "max",
            "errors",
            "server CPU",
            "client CPU",
            "disk",
            "balances",
        ]);
        for load in &self.loads {
            let latency = &load.latency;
            let balances = match load.balances_right {
                None => "-",
                Some(true) => "right",
                Some(false) => "WRONG",
            };
            table.add_row([
                load.name.to_owned(),
                load.alpha.map_or("-".to_owned(), |alpha| alpha.to_string()),
                format!("{:?}", load.protocol).to_lowercase(),
                load.confirmed.to_string(),
                load.connections.to_string(),
                load.in_flight.to_string(),
                grouped(load.transactions_per_second),
                millis(latency.p50_us),
                millis(latency.p99_us),
                millis(latency.p999_us),
                millis(latency.max_us),
                load.errors.to_string(),
                maybe(load.server_cpu_us, 2),
                maybe(load.client_cpu_us, 2),
                maybe(load.server_written_bytes, 0),
                balances.to_owned(),
            ]);
        }
        aligned(table)
    }
}

impl Report {
    fn beside_table(&self) -> Table {
        let mut table = table(&[
            "beside", "size", "times", "mean", "max", "tx/s", "change", "p50", "p99", "p99.9",
            "pause",
        ]);
        for load in &self.loads {
            let latency = &load.latency;
            let mut row = match &load.beside {
                None => ["nothing", "-", "-", "-", "-"].map(str::to_owned).to_vec(),
                Some(beside) => vec![
                    beside.name.to_owned(),
                    beside.rows.to_string(),
                    beside.reads.to_string(),
                    format!("{:.2}", beside.mean_ms),
                    format!("{:.2}", beside.max_ms),
                ],
            };
            let change = load.beside.as_ref().map(|it| it.transactions_change);
            row.extend([
                grouped(load.transactions_per_second),
                change.map_or("-".to_owned(), |change| format!("{change:+.1} %")),
                millis(latency.p50_us),
                millis(latency.p99_us),
                millis(latency.p999_us),
                millis(load.longest_pause_us),
            ]);
            table.add_row(row);
        }
        aligned(table)
    }

    fn pauses_table(&self) -> Table {
        let mut table = table(&[
            "beside",
            "count",
            "p50",
            "p99",
            "p99.9",
            "longest",
            "over 1 ms",
        ]);
        for load in &self.loads {
            let Some(pauses) = &load.pauses else { continue };
            let micros = |nanos: u64| format!("{:.1}", nanos as f64 / 1000.0);
            table.add_row([
                load.beside
                    .as_ref()
                    .map_or("nothing", |it| it.name)
                    .to_owned(),
                pauses.count.to_string(),
                micros(pauses.p50),
                micros(pauses.p99),
                micros(pauses.p999),
                micros(pauses.longest),
                pauses.over_1_ms.to_string(),
            ]);
        }
        aligned(table)
    }
}

fn fan_out_table(runs: &[FanOutFigures]) -> Table {
    let mut table = table(&[
        "mode",
        "count",
        "proto",
        "confirmed",
        "in flight",
        "calls/s",
        "call p50",
        "call p99",
        "CPU/call",
        "told/s",
        "CPU/told",
        "client CPU",
        "p50",
        "p99",
        "p99.9",
        "frames/s",
        "bytes",
        "send",
        "right",
    ]);
    for run in runs {
        let (call, told) = (&run.call_latency, &run.delivery_latency);
        table.add_row([
            format!("{:?}", run.mode).to_lowercase(),
            run.count.to_string(),
            format!("{:?}", run.protocol).to_lowercase(),
            run.confirmed.to_string(),
            run.in_flight.to_string(),
            grouped(run.calls_per_second),
            millis(call.p50_us),
            millis(call.p99_us),
            maybe(run.server_cpu_us_per_call, 2),
            grouped(run.deliveries_per_second),
            maybe(run.server_cpu_us_per_delivery, 2),
            maybe(run.client_cpu_us_per_delivery, 2),
            millis(told.p50_us),
            millis(told.p99_us),
            millis(told.p999_us),
            grouped(run.frames_per_second),
            maybe(run.frame_bytes, 0),
            maybe(run.send_us, 2),
            if run.error.is_none() { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    aligned(table)
}

fn bulk_table(bulk: &BulkFigures) -> Table {
    let mut table = table(&["operation", "rows", "ns a row", "ns with request", "rows/s"]);
    for operation in &bulk.operations {
        table.add_row([
            operation.name.to_owned(),
            operation.rows.to_string(),
            maybe(operation.server_nanos_per_row, 0),
            format!("{:.0}", operation.total_nanos_per_row),
            grouped(operation.rows_per_second),
        ]);
    }
    aligned(table)
}

fn commit_table(commits: &[CommitFigures]) -> Table {
    let mut table = table(&["manner", "bytes", "syncs/s", "MB/s", "p50", "p99", "max"]);
    for commit in commits {
        table.add_row([
            format!("{:?}", commit.manner).to_lowercase(),
            commit.batch_bytes.to_string(),
            grouped(commit.syncs_per_second),
            format!("{:.1}", commit.bytes_per_second / 1e6),
            millis(commit.latency.p50_us),
            millis(commit.latency.p99_us),
            millis(commit.latency.max_us),
        ]);
    }
    aligned(table)
}

fn limit_table(limits: &[LimitFigures]) -> Table {
    let head = [
        "load",
        "alpha",
        "calls",
        "bytes",
        "limit tx/s",
        "tx/s",
        "reached",
    ];
    let mut table = table(&head);
    for limit in limits {
        let reached = limit.transactions_per_second / limit.limit_per_second;
        table.add_row([
            limit.name.to_owned(),
            maybe(limit.alpha, 1),
            limit.calls_in_flight.to_string(),
            limit.batch_bytes.to_string(),
            grouped(limit.limit_per_second),
            grouped(limit.transactions_per_second),
            format!("{:.1} %", 100.0 * reached),
        ]);
    }
    aligned(table)
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(head);
    table
}

/// Numbers to the right, the first column to the left.
fn aligned(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn maybe(value: Option<f64>, digits: usize) -> String {
    value.map_or("n/a".to_owned(), |value| format!("{value:.digits$}"))
}

fn millis(micros: f64) -> String {
    format!("{:.3}", micros / 1000.0)
}

/// Rounded, with a space between groups of three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A load for tests, all well.
#[cfg(test)]
pub(crate) fn example_load() -> LoadFigures {
    LoadFigures {
        name: "transfers",
        alpha: Some(1.5),
        protocol: Protocol::V3,
        confirmed: true,
        connections: 64,
        in_flight: 40,
        seconds: 10.0,
        transactions: 1_234_560,
        transactions_per_second: 123_456.0,
        latency: Latency::of(&Histogram::new()),
        longest_pause_us: 0.0,
        pauses: None,
        beside: None,
        errors: 0,
        first_error: None,
        server_cpu_us: None,
        client_cpu_us: Some(1.25),
        server_written_bytes: None,
        balances_right: Some(true),
        balances_error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> LoadFigures {
        example_load()
    }

    #[test]
    fn digits_are_grouped() {
        let check = |value: f64, expect: &str| assert_eq!(grouped(value), expect);
        check(0.0, "0");
        check(999.4, "999");
        check(1000.0, "1 000");
        check(1_234_567.0, "1 234 567");
    }

    #[test]
    fn what_is_not_known_is_not_zero() {
        let report = Report {
            loads: vec![load()],
            ..Report::default()
        };
        let text = report.text();
        assert!(text.contains("123 456") && text.contains("n/a") && text.contains("right"));
        assert!(!text.contains("The disk alone"));
        let json = serde_json::to_value(&report).unwrap();
        assert!(json["loads"][0]["server_cpu_us"].is_null());
        assert!(json.get("bulk").is_none());
        assert_eq!(json["loads"][0]["protocol"], "v3");
    }

    #[test]
    fn wrong_balances_and_calls_that_all_fail_are_failures() {
        let failure = |load: LoadFigures| {
            let report = Report {
                loads: vec![load],
                ..Report::default()
            };
            report.failure()
        };
        assert_eq!(failure(load()), None);
        let wrong = LoadFigures {
            balances_right: Some(false),
            balances_error: Some("530: one too many".to_owned()),
            ..load()
        };
        assert!(failure(wrong).is_some_and(|text| text.contains("one too many")));
        let failing = LoadFigures {
            transactions: 0,
            errors: 3,
            first_error: Some("no such reducer".to_owned()),
            ..load()
        };
        assert!(failure(failing).is_some_and(|text| text.contains("no such reducer")));
    }
}

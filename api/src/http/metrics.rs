//! `/v1/metrics`: the server in numbers, as Prometheus reads them; and the busiest queries of one
//! database, for its owner.
//!
//! The text is written here by hand: it is a name, a type and a number for each line. No row and
//! no text of a query is in it: everybody may read it.

use std::fmt::Write as _;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use spacetime_host::{CountersNow, Gauges};

use super::ApiState;
use super::error::ApiError;
use super::params::open;
use super::session::Caller;

/// Queries that the owner is shown.
const BUSIEST: usize = 50;

/// How long a database may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The first of the two fields of /proc/self/stat with processor time, after the name.
const CPU_FIELD: usize = 11;
/// What these fields count; Linux has had this value on all its platforms for long.
const TICKS_PER_SECOND: f64 = 100.0;

/// One database.
struct Sample {
    database: String,
    counters: CountersNow,
    gauges: Gauges,
}

/// A line for each database.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    of: fn(&Sample) -> f64,
}

const fn counter(name: &'static str, help: &'static str, of: fn(&Sample) -> f64) -> Metric {
    let kind = "counter";
    Metric {
        name,
        kind,
        help,
        of,
    }
}

const fn gauge(name: &'static str, help: &'static str, of: fn(&Sample) -> f64) -> Metric {
    let kind = "gauge";
    Metric {
        name,
        kind,
        help,
        of,
    }
}

const METRICS: &[Metric] = &[
    counter(
        "transactions_total",
        "Transactions that were committed.",
        |it| it.counters.transactions as f64,
    ),
    counter(
        "transaction_seconds_total",
        "Time that calls had the rows for, committed or not.",
        |it| it.counters.transaction_time.as_secs_f64(),
    ),
    gauge("connected_clients", "Clients that are connected.", |it| {
        it.gauges.clients as f64
    }),
    gauge(
        "active_queries",
        "Distinct queries that are kept current.",
        |it| it.gauges.queries as f64,
    ),
    gauge("subscription_sets", "Query sets of all clients.", |it| {
        it.gauges.query_sets as f64
    }),
    gauge(
        "total_outgoing_queue_length",
        "Messages that wait to be written to clients.",
        |it| it.gauges.outbox_messages as f64,
    ),
    gauge(
        "outgoing_queue_bytes",
        "Bytes that wait to be written to clients.",
        |it| it.gauges.outbox_bytes as f64,
    ),
    gauge(
        "outgoing_queue_bytes_max",
        "Of the client for which most bytes wait.",
        |it| it.gauges.outbox_bytes_max as f64,
    ),
    gauge(
        "module_memory_bytes",
        "Linear memory of all instances of the module.",
        |it| it.gauges.module_memory_bytes as f64,
    ),
    gauge(
        "total_incoming_queue_length",
        "Requests that wait for the database.",
        |it| it.counters.requests_waiting as f64,
    ),
    counter("client_connects_total", "Clients that were let in.", |it| {
        it.counters.connects as f64
    }),
    counter(
        "client_outgoing_queue_disconnects_total",
        "Clients that were cut off because they did not read.",
        |it| it.counters.slow_clients as f64,
    ),
    counter("subscribes_total", "Requests for query sets.", |it| {
        it.counters.subscribes as f64
    }),
    counter("subscribe_errors_total", "Those that were refused.", |it| {
        it.counters.subscribe_errors as f64
    }),
    counter(
        "subscription_evaluations_total",
        "Transactions that were held against the queries.",
        |it| it.counters.evaluations as f64,
    ),
    counter(
        "subscription_evaluation_seconds_total",
        "Time that this took.",
        |it| it.counters.evaluation_time.as_secs_f64(),
    ),
    counter(
        "num_delta_queries_matched",
        "Results of queries that transactions changed.",
        |it| it.counters.changed_queries as f64,
    ),
    counter(
        "subscription_rows_total",
        "Rows of these changes, counted once however many clients were told.",
        |it| it.counters.rows as f64,
    ),
    counter("subscription_row_bytes_total", "Their bytes.", |it| {
        it.counters.row_bytes as f64
    }),
    counter(
        "transaction_updates_total",
        "Messages that told clients of other transactions than their own.",
        |it| it.counters.updates as f64,
    ),
];

/// Everything, in the text format of Prometheus.
pub(super) async fn metrics(State(state): State<ApiState>) -> Response {
    let mut samples = Vec::new();
    for database in state.host.running() {
        // One that stops meanwhile, or is busy with a long call, is left out.
        let asked = tokio::time::timeout(ANSWER_TIMEOUT, database.numbers(0)).await;
        if let Ok(Ok((counters, gauges))) = asked {
            samples.push(Sample {
                database: database.identity().to_hex(),
                counters,
                gauges,
            });
        }
    }
    samples.sort_by(|a, b| a.database.cmp(&b.database));
    let text = [(CONTENT_TYPE, "text/plain; version=0.0.4")];
    let mut body = write_text(&samples);
    body.push_str(&process_text());
    (text, body).into_response()
}

/// The process itself, by the names that Prometheus has for these numbers; only where the kernel
/// tells them in files.
fn process_text() -> String {
    let mut out = String::new();
    let mut write = |name: &str, kind: &str, help: &str, value: f64| {
        let line = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        out.push_str(&line);
    };
    if let Some(bytes) = resident_bytes() {
        let (name, help) = ("process_resident_memory_bytes", "Memory of this process.");
        write(name, "gauge", help, bytes as f64);
    }
    if let Some(seconds) = cpu_seconds() {
        let (name, help) = (
            "process_cpu_seconds_total",
            "Processor time of this process.",
        );
        write(name, "counter", help, seconds);
    }
    out
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Of all threads, those that have ended too.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name comes before and may hold anything, but ends with the last parenthesis.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(CPU_FIELD);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

fn write_text(samples: &[Sample]) -> String {
    let mut out = String::new();
    for metric in METRICS {
        let Metric {
            name, kind, help, ..
        } = metric;
        let mut write = || -> std::fmt::Result {
            writeln!(out, "# HELP spacetime_{name} {help}")?;
            writeln!(out, "# TYPE spacetime_{name} {kind}")?;
            for sample in samples {
                let (database, value) = (&sample.database, (metric.of)(sample));
                writeln!(
                    out,
                    "spacetime_{name}{{database_identity=\"{database}\"}} {value}"
                )?;
            }
            Ok(())
        };
        let written = write();
        assert!(written.is_ok(), "writing into memory does not fail");
    }
    out
}

/// What the queries of a database cost and tell, the busiest first. For its owner: the texts hold
/// whatever clients put into them.
pub(super) async fn queries(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let database = open(&state, &database)?;
    if session.identity() != database.owner() {
        let text = "only the owner of a database sees its queries";
        return Err(ApiError::text(StatusCode::FORBIDDEN, text));
    }
    let numbers = database.numbers(BUSIEST).await;
    let (_, gauges) = numbers.map_err(|gone| ApiError::gone(&gone))?;
    let queries = gauges.busiest.iter().map(|query| {
        json!({
            "sql": query.sql,
            "subscribers": query.subscribers,
            "evaluations": query.stats.evaluations,
            "updates": query.stats.updates,
            "rows": query.stats.rows,
        })
    });
    Ok(Json(json!({
        "clients": gauges.clients,
        "query_sets": gauges.query_sets,
        "queries": gauges.queries,
        "busiest": queries.collect::<Vec<Value>>(),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_line_for_each_database() {
        let sample = |database: &str, clients| Sample {
            database: database.to_owned(),
            counters: CountersNow {
                slow_clients: 3,
                ..CountersNow::default()
            },
            gauges: Gauges {
                clients,
                ..Gauges::default()
            },
        };
        let text = write_text(&[sample("aa", 2), sample("bb", 5)]);
        let has = |line: &str| text.lines().any(|it| it == line);
        assert!(has("# TYPE spacetime_connected_clients gauge"));
        assert!(has(
            "spacetime_connected_clients{database_identity=\"aa\"} 2"
        ));
        assert!(has(
            "spacetime_connected_clients{database_identity=\"bb\"} 5"
        ));
        assert!(has(
            "spacetime_client_outgoing_queue_disconnects_total{database_identity=\"aa\"} 3"
        ));
        assert_eq!(text.lines().count(), METRICS.len() * 4);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_tells_its_memory_and_time() {
        assert!(resident_bytes().unwrap() > 1 << 20);
        let before = cpu_seconds().unwrap();
        let start = std::time::Instant::now();
        let mut sum = 0_u64;
        while start.elapsed() < Duration::from_millis(100) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(cpu_seconds().unwrap() > before);
        assert_eq!(process_text().lines().count(), 6);
    }
}

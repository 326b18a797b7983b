//! `spacetime commitlog list`.

use anyhow::{Context, Result};
use spacetime_offline::IndexState;
use spacetime_offline::list::{ListReport, SegmentReport, list};

use super::LogArguments;
use crate::commands::sql::psql_table;
use crate::output::say;
use crate::progress_bar::{Bar, size};

pub(super) fn run(arguments: &LogArguments) -> Result<()> {
    let place = arguments.log.open()?;
    let bar = Bar::new("reading");
    let report = list(&place, &bar)?;
    bar.finish(0);
    if arguments.json {
        say(serde_json::to_string_pretty(&report).context("the report as JSON")?);
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &ListReport) {
    let names = [
        "segment",
        "transactions",
        "commits",
        "bytes",
        "ver",
        "index",
        "remarks",
    ];
    let names = names.map(str::to_owned).to_vec();
    say(psql_table(names, report.segments.iter().map(segment_row)));
    say(format_args!(
        "\n{} segments, {} transactions, {} in {}",
        report.segments.len(),
        report.transactions,
        size(report.bytes),
        report.log
    ));
    if let Some(durable_end) = report.durable_end {
        say(format_args!(
            "known to be on disk: all transactions before {durable_end}"
        ));
    }
    for other in &report.other_files {
        say(format_args!(
            "not part of the log: {} ({})",
            other.file,
            size(other.bytes)
        ));
    }
    for finding in report.segments.iter().flat_map(|segment| &segment.findings) {
        say(finding);
    }
}

fn segment_row(segment: &SegmentReport) -> Vec<String> {
    let range = match (segment.first, segment.last) {
        (Some(first), Some(last)) => format!("{first} - {last}"),
        _ => "none".to_owned(),
    };
    let bytes = match segment.compressed {
        true => format!("{} of {}", segment.bytes, segment.content_bytes),
        false => segment.bytes.to_string(),
    };
    let version = segment
        .version
        .map_or_else(|| "?".to_owned(), |v| v.to_string());
    let index = &segment.index;
    let index = match index.state {
        IndexState::None => "none".to_owned(),
        IndexState::Good => format!("{} entries", index.entries),
        IndexState::Wrong => format!("{} of {} wrong", index.wrong_entries, index.entries),
        IndexState::Unreadable => "unreadable".to_owned(),
    };
    let mut remarks = Vec::new();
    if segment.compressed {
        remarks.push("compressed".to_owned());
    }
    if segment.epoch > 0 {
        remarks.push(format!("epoch {}", segment.epoch));
    }
    if !segment.findings.is_empty() {
        remarks.push(format!("{} remarks below", segment.findings.len()));
    }
    vec![
        segment.file.clone(),
        range,
        segment.commits.to_string(),
        bytes,
        version,
        index,
        remarks.join(", "),
    ]
}

//! `spacetime commitlog stat`.

use anyhow::{Context, Result};
use spacetime_offline::histogram::{SizeHistogram, TimeHistogram};
use spacetime_offline::stat::{ReducerStat, StatReport, TableStat, stat};
use spacetime_types::Timestamp;

use super::LogArguments;
use crate::commands::sql::psql_table;
use crate::output::{note, say};
use crate::progress_bar::{Bar, size};

/// Most lines of a table in the text report.
const LINE_COUNT_MAX: usize = 30;
const BAR_LEN: usize = 30;

pub(super) fn run(arguments: &LogArguments) -> Result<()> {
    let place = arguments.log.open()?;
    let bar = Bar::new("counting");
    let report = stat(&place, &bar)?;
    let speed = bar.finish(report.content_bytes);
    if arguments.json {
        say(serde_json::to_string_pretty(&report).context("the report as JSON")?);
    } else {
        print(&report);
        note(format_args!("read {speed}"));
    }
    Ok(())
}

fn print(report: &StatReport) {
    say(format_args!("{}\n", report.log));
    let line = |name: &str, value: String| say(format_args!("{name:<14}{value}"));
    let range = match (report.first, report.last) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "none".to_owned(),
    };
    line("transactions", format!("{} ({range})", report.transactions));
    if let Some(mean) = report.transactions_per_commit {
        line(
            "commits",
            format!("{} ({mean:.1} transactions each)", report.commits),
        );
    }
    let on_disk = match report.bytes == report.content_bytes {
        true => size(report.bytes),
        false => format!(
            "{} ({} decompressed)",
            size(report.bytes),
            size(report.content_bytes)
        ),
    };
    line(
        "bytes",
        format!("{on_disk} in {} segments", report.segments),
    );
    if let (Some(first), Some(last)) = (report.first_micros, report.last_micros) {
        let text = |micros| Timestamp::from_micros(micros).to_string();
        line("time", format!("{} to {}", text(first), text(last)));
    }
    if let (Some(rate), Some(bytes)) = (report.transactions_per_second, report.bytes_per_second) {
        line(
            "mean rate",
            format!("{rate:.2} transactions/s, {bytes:.0} bytes/s"),
        );
    }
    if report.damages > 0 {
        let text = "counted is what could be read; see `spacetime commitlog verify`";
        line("damage", format!("{} places: {text}", report.damages));
    }
    tables(&report.tables);
    reducers(&report.reducers, report.internal_transactions);
    sizes(&report.sizes);
    times(&report.times);
}

fn tables(tables: &[TableStat]) {
    let most = tables.iter().map(bytes_of).max().unwrap_or_default();
    let names = [
        "table",
        "transactions",
        "inserts",
        "deletes",
        "emptied",
        "bytes",
        "",
    ];
    let names = names.map(str::to_owned).to_vec();
    let rows = tables.iter().take(LINE_COUNT_MAX).map(|table| {
        let name = match table.name.is_empty() {
            true => format!("id {}", table.id),
            false => table.name.clone(),
        };
        vec![
            name,
            table.transactions.to_string(),
            table.inserts.to_string(),
            table.deletes.to_string(),
            table.truncates.to_string(),
            bytes_of(table).to_string(),
            bar(bytes_of(table), most),
        ]
    });
    say(format_args!("\n{}", psql_table(names, rows)));
    more(tables.len());
}

fn bytes_of(table: &TableStat) -> u64 {
    table.insert_bytes + table.delete_bytes
}

fn reducers(reducers: &[ReducerStat], internal: u64) {
    let most = reducers
        .iter()
        .map(|reducer| reducer.calls)
        .max()
        .unwrap_or_default();
    let names = ["reducer", "calls", "rows", "bytes", ""];
    let names = names.map(str::to_owned).to_vec();
    let without = (internal > 0).then(|| {
        let none = String::new;
        vec![
            "(no call)".to_owned(),
            internal.to_string(),
            none(),
            none(),
            none(),
        ]
    });
    let rows = reducers.iter().take(LINE_COUNT_MAX).map(|reducer| {
        vec![
            reducer.name.clone(),
            reducer.calls.to_string(),
            reducer.rows.to_string(),
            reducer.bytes.to_string(),
            bar(reducer.calls, most),
        ]
    });
    say(format_args!("\n{}", psql_table(names, rows.chain(without))));
    more(reducers.len());
}

fn more(count: usize) {
    if count > LINE_COUNT_MAX {
        say(format_args!(
            "(and {} more; --json has all)",
            count - LINE_COUNT_MAX
        ));
    }
}

fn sizes(sizes: &SizeHistogram) {
    let most = sizes.counts().iter().copied().max().unwrap_or_default();
    say("\nbytes of a transaction");
    for (bucket, &count) in sizes.counts().iter().enumerate() {
        if count > 0 {
            let (from, below) = SizeHistogram::range(bucket);
            let last = below.saturating_sub(1);
            let line = format!("{from:>12} - {last:<12} {count:>10}  {}", bar(count, most));
            say(line.trim_end());
        }
    }
}

fn times(times: &TimeHistogram) {
    let (Some(first), Ok(count)) = (times.buckets.first(), i64::try_from(times.buckets.len()))
    else {
        return;
    };
    let most = |of: fn(&spacetime_offline::histogram::TimeBucket) -> u64| {
        times.buckets.iter().map(of).max().unwrap_or(of(first))
    };
    let (transactions, bytes) = (
        most(|bucket| bucket.transactions),
        most(|bucket| bucket.bytes),
    );
    let seconds = times.bucket_micros as f64 / 1e6;
    say(format_args!("\nover time, {seconds} s a column"));
    let line = |of: fn(&spacetime_offline::histogram::TimeBucket) -> u64, most: u64| {
        let columns = times.buckets.iter().map(|bucket| spark(of(bucket), most));
        columns.collect::<String>()
    };
    say(format_args!(
        "transactions  {}  up to {transactions}",
        line(|bucket| bucket.transactions, transactions)
    ));
    say(format_args!(
        "bytes         {}  up to {bytes}",
        line(|bucket| bucket.bytes, bytes)
    ));
    let end = times
        .start_micros
        .saturating_add(times.bucket_micros.saturating_mul(count));
    let text = |micros| Timestamp::from_micros(micros).to_string();
    say(format_args!(
        "              {} to {}",
        text(times.start_micros),
        text(end)
    ));
}

/// A bar as long as the share of `most`; anything above nothing is seen.
fn bar(value: u64, most: u64) -> String {
    const EIGHTHS: [char; 8] = [
        ' ', '\u{258f}', '\u{258e}', '\u{258d}', '\u{258c}', '\u{258b}', '\u{258a}', '\u{2589}',
    ];
    if value == 0 || most == 0 {
        return String::new();
    }
    let eighths = u128::from(value) * (BAR_LEN as u128) * 8 / u128::from(most);
    let eighths = usize::try_from(eighths.max(1)).unwrap_or(BAR_LEN * 8);
    let mut text = "\u{2588}".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.extend(EIGHTHS.get(eighths % 8));
    }
    text
}

/// One column of a line of columns.
fn spark(value: u64, most: u64) -> char {
    const LEVELS: [char; 9] = [
        ' ', '\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}',
        '\u{2588}',
    ];
    let level = (u128::from(value) * 8).div_ceil(u128::from(most.max(1)));
    let level = usize::try_from(level).unwrap_or(8);
    LEVELS.get(level).copied().unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_with_what_they_show() {
        assert_eq!(bar(0, 10), "");
        assert_eq!(bar(1, 1_000_000), "\u{258f}");
        assert_eq!(bar(10, 10).chars().count(), BAR_LEN);
        assert_eq!(bar(5, 10).chars().count(), BAR_LEN / 2);
        assert_eq!(bar(u64::MAX, u64::MAX).chars().count(), BAR_LEN);
        assert_eq!(spark(0, 7), ' ');
        assert_eq!(spark(1, 1_000_000), '\u{2581}');
        assert_eq!(spark(7, 7), '\u{2588}');
        assert_eq!(spark(u64::MAX, u64::MAX), '\u{2588}');
    }
}

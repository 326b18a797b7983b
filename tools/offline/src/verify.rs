//! `verify`: every checksum and every invariant, with the exact place of whatever is wrong.

use std::sync::Arc;

use serde::Serialize;
use spacetime_durability::read_watermark;
use spacetime_types::TableId;

use crate::error::OfflineError;
use crate::finding::{Finding, FindingKind, Severity};
use crate::index_check::{self, IndexState};
use crate::list::other_files;
use crate::pass::{self, PassListener};
use crate::place::Place;
use crate::progress::Progress;
use crate::records::{RecordListener, RecordPlace};
use crate::scan::{ScannedCommit, ScannedSegment};
use crate::schemas::{Schemas, TableShape};
use crate::state;

/// Most findings that a report holds; further ones are counted.
pub const FINDING_COUNT_MAX: usize = 1000;

/// What to check beyond the log itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifyOptions {
    /// Apply all transactions to tables, and check those.
    pub replay: bool,
}

/// The state that a replay led to.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayReport {
    pub tables: u64,
    pub rows: u64,
    /// The next transaction after those that were applied.
    pub next: u64,
}

/// The result of a check.
#[derive(Clone, Debug, Default, Serialize)]
pub struct VerifyReport {
    pub log: String,
    pub damaged: bool,
    pub segments: u64,
    pub commits: u64,
    /// First transaction, and the one after the last. `None` if there is no segment.
    pub first: Option<u64>,
    pub next: Option<u64>,
    /// Transactions that were read to their last row.
    pub readable_transactions: u64,
    /// Those in whole commits whose rows could not all be read.
    pub unreadable_transactions: u64,
    /// Those that are in no whole commit, as far as offsets tell.
    pub lost_transactions: u64,
    pub rows: u64,
    /// Bytes of content that were read.
    pub bytes: u64,
    /// All transactions before this one are whole: what a repair would keep.
    pub good_until: Option<u64>,
    pub durable_end: Option<u64>,
    pub findings: Vec<Finding>,
    /// Findings beyond the ones that are listed.
    pub further_findings: u64,
    pub replay: Option<ReplayReport>,
}

impl VerifyReport {
    pub(crate) fn add(&mut self, finding: Finding) {
        self.damaged |= finding.severity == Severity::Damage;
        if finding.severity == Severity::Damage {
            let good_until = self.good_until.unwrap_or(u64::MAX).min(finding.offset);
            self.good_until = Some(good_until);
        }
        if self.findings.len() < FINDING_COUNT_MAX {
            self.findings.push(finding);
        } else {
            self.further_findings += 1;
        }
    }
}

/// Checks a log. Damage is in the report; an error means that the check was not possible.
pub fn verify(
    place: &Place,
    options: &VerifyOptions,
    progress: &dyn Progress,
) -> Result<VerifyReport, OfflineError> {
    let mut listener = Listener {
        report: VerifyReport {
            log: place.log_dir().display().to_string(),
            ..VerifyReport::default()
        },
        place,
    };
    check_names(place, &mut listener.report)?;
    let passed = pass::run(
        place,
        &mut Schemas::at_start_of(place),
        &mut listener,
        progress,
    )?;
    let mut report = listener.report;
    report.next = passed.next;
    report.bytes = passed.bytes;
    report.readable_transactions = passed.readable;
    report.unreadable_transactions -= passed.readable;
    check_watermark(place, &mut report);
    if report.good_until.is_none() {
        report.good_until = report.next;
    }
    if options.replay && !report.damaged {
        replay(place, &mut report, progress);
    }
    Ok(report)
}

fn replay(place: &Place, report: &mut VerifyReport, progress: &dyn Progress) {
    let file = report.log.clone();
    let state = state::by_log(place, progress).and_then(|mut state| {
        state.datastore_mut().check_integrity()?;
        Ok(state)
    });
    match state {
        Ok(state) => {
            let datastore = state.datastore();
            let tables = datastore.tables();
            let counts = tables.map(|schema| datastore.row_count(schema.id).unwrap_or_default());
            let (tables, rows) = counts.fold((0, 0), |(tables, rows), n| (tables + 1, rows + n));
            let next = state.next();
            report.replay = Some(ReplayReport { tables, rows, next });
        }
        Err(error) => {
            let kind = match &error {
                OfflineError::Integrity(_) => FindingKind::Integrity,
                _ => FindingKind::Replay,
            };
            let (offset, text, good_until) = match &error {
                OfflineError::Apply { offset, .. } => (*offset, error.to_string(), Some(*offset)),
                // Found when all were applied.
                _ => {
                    let text = format!("{error} (which transaction did that is not known)");
                    (report.first.unwrap_or_default(), text, report.good_until)
                }
            };
            report.add(Finding::new(Severity::Damage, kind, &file, 0, offset, text));
            report.good_until = good_until;
        }
    }
}

/// Names that end like a segment's, but are none, are passed over by servers.
fn check_names(place: &Place, report: &mut VerifyReport) -> Result<(), OfflineError> {
    for other in other_files(place)? {
        let (level, text) = if other.file.ends_with(".stdb.log") {
            let text = "a name that no segment has (20 digits and .stdb.log): it is not read";
            (Severity::Warning, text)
        } else {
            (Severity::Note, "not a part of the log")
        };
        report.add(Finding::new(
            level,
            FindingKind::Name,
            &other.file,
            0,
            0,
            text,
        ));
    }
    Ok(())
}

/// Compares the end of the log with what was known to be durable.
fn check_watermark(place: &Place, report: &mut VerifyReport) {
    let file = spacetime_durability::WATERMARK_FILE;
    let next = report.next.unwrap_or_default();
    match durable_end(place) {
        Ok(durable_end) => {
            report.durable_end = durable_end;
            if let Some(durable_end) = durable_end.filter(|&end| end > next) {
                let text = format!(
                    "all transactions before {durable_end} were on disk, but the log ends \
                     before {next}: its end is missing"
                );
                let kind = FindingKind::EndMissing;
                report.add(Finding::new(Severity::Damage, kind, file, 0, next, text));
            }
        }
        Err(text) => {
            let kind = FindingKind::Watermark;
            report.add(Finding::new(Severity::Damage, kind, file, 0, next, text));
        }
    }
}

/// The offset before which everything was known to be on disk.
pub(crate) fn durable_end(place: &Place) -> Result<Option<u64>, String> {
    let Some(replica) = place.replica_dir() else {
        return Ok(None);
    };
    match read_watermark(&*place.storage, replica) {
        Ok(Ok(end)) => Ok(end.map(|end| end.0)),
        Ok(Err(damaged)) => Err(damaged.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

struct Listener<'a> {
    report: VerifyReport,
    place: &'a Place,
}

impl RecordListener for Listener<'_> {
    fn begin(&mut self, _place: RecordPlace<'_>) {}

    fn insert(&mut self, _shape: &Arc<TableShape>, _row: &[u8]) {
        self.report.rows += 1;
    }

    fn delete(&mut self, _shape: &Arc<TableShape>, _row: &[u8]) {
        self.report.rows += 1;
    }

    fn truncate(&mut self, _table: TableId, _shape: Option<&Arc<TableShape>>) {}

    fn end(&mut self, _bytes: &[u8]) {}
}

impl PassListener for Listener<'_> {
    fn commit(&mut self, commit: &ScannedCommit<'_>) {
        self.report.commits += 1;
        self.report.first.get_or_insert(commit.header.start.0);
        self.report.unreadable_transactions += u64::from(commit.header.record_count);
    }

    fn finding(&mut self, finding: Finding) {
        if let Some(resumes) = &finding.resumes {
            self.report.lost_transactions += resumes.offset.saturating_sub(finding.offset);
        }
        self.report.add(finding);
    }

    fn segment(&mut self, segment: ScannedSegment) {
        self.report.segments += 1;
        let index = index_check::check(self.place, segment.start, segment.valid_len);
        if index.state == IndexState::Wrong || index.state == IndexState::Unreadable {
            let text = format!(
                "{} of {} entries of the offset index are wrong; readers do without it",
                index.wrong_entries, index.entries
            );
            let file = index_check::file_name(segment.start);
            let byte = index.first_wrong.unwrap_or_default();
            let (level, kind) = (Severity::Warning, FindingKind::Index);
            let finding = Finding::new(level, kind, &file, byte, segment.start, text);
            self.report.add(finding);
        }
    }
}

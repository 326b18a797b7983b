//! `list`: what segments there are and what is in them.

use serde::Serialize;
use spacetime_commitlog::segment;
use spacetime_commitlog::storage::{OpenMode, StorageError};

use crate::error::OfflineError;
use crate::finding::{Finding, Severity};
use crate::index_check::{self, IndexReport};
use crate::pass;
use crate::place::Place;
use crate::progress::{Progress, Throttled};
use crate::scan::{Event, Scan, ScannedSegment};

/// One segment.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentReport {
    pub file: String,
    /// The offset in the name.
    pub start: u64,
    /// First and last transaction that are there and whole.
    pub first: Option<u64>,
    pub last: Option<u64>,
    pub commits: u64,
    pub transactions: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes of the content; more than `bytes` if the segment is compressed.
    pub content_bytes: u64,
    /// Where the last whole commit ends in the content.
    pub valid_bytes: u64,
    /// `None` if the header is unreadable.
    pub version: Option<u8>,
    pub compressed: bool,
    pub epoch: u64,
    pub index: IndexReport,
    pub findings: Vec<Finding>,
}

/// A file in the log's directory that is no segment and no index of one.
#[derive(Clone, Debug, Serialize)]
pub struct OtherFile {
    pub file: String,
    pub bytes: u64,
}

/// All segments.
#[derive(Clone, Debug, Serialize)]
pub struct ListReport {
    pub log: String,
    pub segments: Vec<SegmentReport>,
    pub other_files: Vec<OtherFile>,
    /// Before this offset, everything was known to be on disk.
    pub durable_end: Option<u64>,
    pub transactions: u64,
    pub bytes: u64,
    pub damaged: bool,
}

/// Reads all segments, with all checksums, but not what is in the records.
pub fn list(place: &Place, progress: &dyn Progress) -> Result<ListReport, OfflineError> {
    let mut throttled = Throttled::new(progress, pass::total_bytes(place)?);
    let mut scan = Scan::open(place)?;
    let mut report = ListReport {
        log: place.log_dir().display().to_string(),
        segments: Vec::new(),
        other_files: other_files(place)?,
        durable_end: crate::verify::durable_end(place).ok().flatten(),
        transactions: 0,
        bytes: 0,
        damaged: false,
    };
    let mut findings = Vec::new();
    while let Some(event) = scan.next() {
        match event {
            Event::Commit(_) => {}
            Event::Finding(finding) => {
                report.damaged |= finding.severity == Severity::Damage;
                findings.push(finding);
            }
            Event::SegmentEnd(scanned) => {
                report.transactions += scanned.transactions;
                report.bytes += scanned.file_len;
                let found = std::mem::take(&mut findings);
                report.segments.push(segment_report(place, scanned, found));
            }
        }
        throttled.at(scan.bytes_read());
    }
    if let Some(last) = report.segments.last_mut() {
        last.findings.extend(findings);
    }
    Ok(report)
}

fn segment_report(place: &Place, scanned: ScannedSegment, findings: Vec<Finding>) -> SegmentReport {
    SegmentReport {
        index: index_check::check(place, scanned.start, scanned.valid_len),
        start: scanned.start,
        first: scanned.first,
        last: scanned.last,
        commits: scanned.commits,
        transactions: scanned.transactions,
        bytes: scanned.file_len,
        content_bytes: scanned.content_len,
        valid_bytes: scanned.valid_len,
        version: scanned.version,
        compressed: scanned.compressed,
        epoch: scanned.epoch_max,
        file: scanned.file,
        findings,
    }
}

/// Files that belong to no segment: leftovers of crashes and of repairs, strange names.
pub(crate) fn other_files(place: &Place) -> Result<Vec<OtherFile>, StorageError> {
    let mut names = place.storage.list(place.log_dir())?;
    names.sort_unstable();
    let mut others = Vec::new();
    for name in names {
        let index_of = name.strip_suffix(index_check::SUFFIX);
        let is_index = index_of.is_some_and(|stem| {
            let owner = format!("{stem}.stdb.log");
            segment::parse_file_name(&owner).is_some()
        });
        if segment::parse_file_name(&name).is_some() || is_index {
            continue;
        }
        let path = place.log_dir().join(&name);
        let file = place.storage.open(&path, OpenMode::Read);
        let bytes = file.and_then(|file| file.byte_len()).unwrap_or_default();
        others.push(OtherFile { file: name, bytes });
    }
    Ok(others)
}

//! Reading the commits of a log that may be damaged anywhere.
//!
//! Unlike the reader that servers use, this one does not stop at damage: it says what is wrong
//! and where, and goes on at the next commit that is whole.
//!
//! Invariants
//!   * Every commit that is returned has a good checksum.
//!   * Commits are returned in ascending order, none twice. Whatever is between two of them that
//!     do not meet was told as a finding before the second one is returned.
//!   * Nothing on disk is changed, and no bytes make it panic.
//!
//! Not here: what records mean (see `records`).

mod current;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use spacetime_commitlog::CommitHeader;
use spacetime_commitlog::CompressedDamage;
use spacetime_commitlog::commit::CHECKSUM_LEN;
use spacetime_commitlog::segment::{self, HEADER_LEN, HeaderError, Version};
use spacetime_commitlog::storage::{Storage, StorageError};
use spacetime_types::TxOffset;

use crate::file_view::FileView;
use crate::finding::{Finding, FindingKind, Resumption, Severity};
use crate::place::Place;
use current::{Current, Found};

/// Where a segment's header has its version.
const VERSION_BYTE: u64 = 6;

/// A whole commit.
#[derive(Debug)]
pub(crate) struct ScannedCommit<'a> {
    pub(crate) header: CommitHeader,
    pub(crate) version: Version,
    pub(crate) file: &'a str,
    pub(crate) at: u64,
    pub(crate) records: &'a [u8],
    /// Transactions before this one were lost to damage.
    pub(crate) after_damage: bool,
}

impl ScannedCommit<'_> {
    pub(crate) fn records_at(&self) -> u64 {
        self.at + self.version.commit_header_len() as u64
    }
}

/// What is known of a segment when it was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScannedSegment {
    pub(crate) start: u64,
    pub(crate) file: String,
    /// Bytes on disk.
    pub(crate) file_len: u64,
    /// Bytes of the content; more than `file_len` if it is compressed.
    pub(crate) content_len: u64,
    pub(crate) compressed: bool,
    /// `None` if the header is unreadable.
    pub(crate) version: Option<u8>,
    pub(crate) commits: u64,
    pub(crate) transactions: u64,
    pub(crate) first: Option<u64>,
    pub(crate) last: Option<u64>,
    pub(crate) epoch_max: u64,
    /// Where the last whole commit ends.
    pub(crate) valid_len: u64,
}

/// What comes next in a log.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    Commit(ScannedCommit<'a>),
    Finding(Finding),
    SegmentEnd(ScannedSegment),
}

/// Reads a log from its first segment to its last.
#[derive(Debug)]
pub(crate) struct Scan {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    pending: VecDeque<TxOffset>,
    current: Option<Current>,
    /// The offset that must come next. `None` before the first segment.
    expected: Option<u64>,
    /// Something was lost before this place.
    damaged: bool,
    waiting: VecDeque<Told>,
    bytes_before: u64,
    /// File and length of the segment before.
    last_end: (String, u64),
}

#[derive(Debug)]
enum Told {
    Finding(Finding),
    SegmentEnd(ScannedSegment),
}

impl Scan {
    /// Reads all segments of a place.
    pub(crate) fn open(place: &Place) -> Result<Scan, StorageError> {
        Scan::open_from(place, TxOffset(0))
    }

    /// Reads the segments that can hold `from` and later transactions.
    pub(crate) fn open_from(place: &Place, from: TxOffset) -> Result<Scan, StorageError> {
        let mut pending: VecDeque<TxOffset> = place.segments()?.into();
        while pending.get(1).is_some_and(|&second| second <= from) {
            pending.pop_front();
        }
        Ok(Scan {
            storage: Arc::clone(&place.storage),
            dir: place.log_dir().to_owned(),
            pending,
            current: None,
            expected: None,
            damaged: false,
            waiting: VecDeque::new(),
            bytes_before: 0,
            last_end: (String::new(), 0),
        })
    }

    /// Bytes of content that were passed.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_before + self.current.as_ref().map_or(0, |current| current.position)
    }

    /// The offset that the next transaction has.
    pub(crate) fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// The next commit or finding; `None` at the end of the log.
    pub(crate) fn next(&mut self) -> Option<Event<'_>> {
        let header = loop {
            match self.waiting.pop_front() {
                Some(Told::Finding(finding)) => return Some(Event::Finding(finding)),
                Some(Told::SegmentEnd(summary)) => return Some(Event::SegmentEnd(summary)),
                None => {}
            }
            if self.current.is_none() && !self.open_next() {
                if self.waiting.is_empty() {
                    return None;
                }
                continue;
            }
            if self.current.is_none() {
                continue;
            }
            match self.step() {
                Ok(Some(header)) => break header,
                Ok(None) => {}
                Err(error) => self.leave_unreadable(&error),
            }
        };
        self.commit_event(header)
    }

    fn commit_event(&mut self, header: CommitHeader) -> Option<Event<'_>> {
        let after_damage = self.damaged;
        let current = self.current.as_mut()?;
        let records_len = u64::from(header.records_len);
        let records_at = current.position - CHECKSUM_LEN as u64 - records_len;
        let at = current.position - header.frame_len(current.version);
        let file = current.summary.file.as_str();
        match current.view.get(records_at, records_len) {
            Ok(records) => Some(Event::Commit(ScannedCommit {
                header,
                version: current.version,
                file,
                at,
                records,
                after_damage,
            })),
            // It was readable a moment ago, when its checksum was computed.
            Err(error) => {
                let finding = io_finding(file, at, header.start.0, &error);
                Some(Event::Finding(finding))
            }
        }
    }

    /// Opens the next segment. False if there is none.
    fn open_next(&mut self) -> bool {
        let Some(start) = self.pending.pop_front() else {
            return false;
        };
        let file = segment::file_name(start);
        self.check_start(start.0, &file);
        self.expected = Some(self.expected.unwrap_or(start.0).max(start.0));
        let opened = segment::open(&*self.storage, &self.dir.join(&file));
        let opened = opened.and_then(|opened| {
            let stored = (opened.stored_len, opened.is_compressed);
            Ok((FileView::new(opened.file)?, stored, opened.table_damage))
        });
        match opened {
            Ok((view, stored, table_damage)) => {
                if let Some(damage) = table_damage {
                    let text = format!("{damage}; its frames were read one after another");
                    let (level, kind) = (Severity::Warning, FindingKind::Compression);
                    let finding = Finding::new(level, kind, &file, 0, start.0, text);
                    self.tell(finding);
                }
                self.begin(start, file, view, stored);
            }
            Err(error) => {
                self.damaged = true;
                self.tell(io_finding(&file, 0, start.0, &error));
            }
        }
        true
    }

    /// Compares a segment's name with the end of what was read.
    fn check_start(&mut self, start: u64, file: &str) {
        let Some(expected) = self.expected else {
            if start > 0 {
                let text = format!(
                    "the log starts at transaction {start}; the ones before were removed, \
                     and a snapshot is needed for their rows"
                );
                let kind = FindingKind::StartsLate;
                self.tell(Finding::new(Severity::Note, kind, file, 0, start, text));
            }
            return;
        };
        if start > expected {
            let text = format!("transactions {expected} to {} are missing", start - 1);
            // What is missing may be a file, or the end of the one before.
            let (before, end) = &self.last_end;
            let (at, byte) = match before.is_empty() {
                true => (file, 0),
                false => (before.as_str(), *end),
            };
            let mut finding = damage(FindingKind::Gap, at, byte, expected, text);
            finding.resumes = Some(resumption(file, 0, start));
            self.damaged = true;
            self.tell(finding);
        } else if start < expected {
            let text = format!(
                "the segment starts at transaction {start}, but the one before it goes up to {}",
                expected - 1
            );
            self.tell(damage(FindingKind::Overlap, file, 0, expected, text));
        }
    }

    fn begin(&mut self, start: TxOffset, file: String, mut view: FileView, stored: (u64, bool)) {
        let mut summary = ScannedSegment {
            start: start.0,
            file,
            file_len: stored.0,
            content_len: view.len(),
            compressed: stored.1,
            version: None,
            commits: 0,
            transactions: 0,
            first: None,
            last: None,
            epoch_max: 0,
            valid_len: 0,
        };
        if view.len() < HEADER_LEN as u64 {
            self.tell_short_header(&summary);
            self.waiting.push_back(Told::SegmentEnd(summary));
            return;
        }
        let header = view.get(0, HEADER_LEN as u64);
        let header: Result<[u8; HEADER_LEN], _> =
            header.map(|bytes| *bytes.first_chunk().expect("as long as asked for"));
        let version = match header {
            Err(error) => {
                self.damaged = true;
                self.tell(io_finding(&summary.file, 0, start.0, &error));
                self.waiting.push_back(Told::SegmentEnd(summary));
                return;
            }
            Ok(header) => {
                if header[8..] != [0, 0] {
                    let text = "the reserved bytes of the header are not zero";
                    let (level, kind) = (Severity::Note, FindingKind::ReservedBytes);
                    let finding = Finding::new(level, kind, &summary.file, 8, start.0, text);
                    self.tell(finding);
                }
                match segment::decode_header(&header) {
                    Ok(version) => {
                        summary.version = Some(version_number(version));
                        version
                    }
                    Err(error) => {
                        self.tell_bad_header(&summary, &error, &header);
                        Version::V1
                    }
                }
            }
        };
        summary.valid_len = HEADER_LEN as u64;
        self.current = Some(Current {
            view,
            version,
            position: HEADER_LEN as u64,
            summary,
            overlap_told: false,
            unreadable_told: None,
        });
    }

    fn tell_short_header(&mut self, summary: &ScannedSegment) {
        let file = &summary.file;
        let len = summary.content_len;
        if self.pending.is_empty() {
            let text = format!("the segment was just being created: {len} of {HEADER_LEN} bytes");
            let kind = FindingKind::TornTail;
            self.tell(Finding::new(
                Severity::Note,
                kind,
                file,
                0,
                summary.start,
                text,
            ));
        } else {
            let text = "the file ends within its header";
            self.damaged = true;
            self.tell(damage(
                FindingKind::ShortHeader,
                file,
                0,
                summary.start,
                text,
            ));
        }
    }

    fn tell_bad_header(
        &mut self,
        summary: &ScannedSegment,
        error: &HeaderError,
        header: &[u8; HEADER_LEN],
    ) {
        // To the byte, so that somebody with a hex editor finds the place.
        let byte = match error {
            HeaderError::UnknownVersion { .. } => VERSION_BYTE,
            HeaderError::UnknownChecksum { .. } => 7,
            _ => (0..6_u64)
                .zip(header.iter().zip(&segment::MAGIC))
                .find(|(_, (found, right))| found != right)
                .map_or(0, |(byte, _)| byte),
        };
        let (file, start) = (&summary.file, summary.start);
        self.tell(damage(
            FindingKind::Header,
            file,
            byte,
            start,
            error.to_string(),
        ));
    }

    /// Reads what is at the current position. `None` if that was no commit to return.
    fn step(&mut self) -> Result<Option<CommitHeader>, StorageError> {
        let expected = self.expected.unwrap_or_default();
        let Some(current) = self.current.as_mut() else {
            return Ok(None);
        };
        let header = match current.look()? {
            Found::Commit(header) => header,
            Found::Bad => {
                self.tell_unreadable();
                if !self.search()? {
                    self.leave_with_tail(false);
                }
                return Ok(None);
            }
            Found::Zeros => {
                self.tell_unreadable();
                self.leave_with_tail(true);
                return Ok(None);
            }
            Found::End => {
                self.leave();
                return Ok(None);
            }
        };
        let start = header.start.0;
        if start > expected {
            let (file, at) = (current.summary.file.clone(), current.position);
            let text = format!("transactions {expected} to {} are missing", start - 1);
            let mut finding = damage(FindingKind::WrongOffset, &file, at, expected, text);
            finding.resumes = Some(resumption(&file, at, start));
            self.damaged = true;
            self.expected = Some(start);
            self.tell(finding);
            return Ok(None);
        }
        Ok(self.take(header, expected))
    }

    /// Steps over a whole commit; gives it back unless all of it was there before.
    fn take(&mut self, header: CommitHeader, expected: u64) -> Option<CommitHeader> {
        let current = self.current.as_mut()?;
        let at = current.position;
        let start = header.start.0;
        // Checked when the header was read.
        let end = header.end().map_or(start, |end| end.0);
        current.position += header.frame_len(current.version);
        current.summary.valid_len = current.position;
        if start < expected {
            // Half of a commit cannot be told from the other half; none of it is taken.
            if !current.overlap_told {
                current.overlap_told = true;
                let file = current.summary.file.clone();
                let text = format!("a commit of transaction {start}, which was there before");
                self.tell(damage(FindingKind::Overlap, &file, at, expected, text));
            }
            if end <= expected {
                return None;
            }
            self.damaged = true;
            self.expected = Some(end);
            return None;
        }
        let summary = &mut current.summary;
        summary.commits += 1;
        summary.transactions += u64::from(header.record_count);
        summary.first.get_or_insert(start);
        summary.last = Some(end.saturating_sub(1));
        summary.epoch_max = summary.epoch_max.max(header.epoch);
        self.expected = Some(end);
        Some(header)
    }

    /// Looks behind a bad place for the next whole commit and goes there. False if there is none.
    fn search(&mut self) -> Result<bool, StorageError> {
        let expected = self.expected.unwrap_or_default();
        let Some(current) = self.current.as_mut() else {
            return Ok(false);
        };
        let (file, bad) = (current.summary.file.clone(), current.position);
        let Some((at, version, header)) = current.find_commit(expected)? else {
            return Ok(false);
        };
        let start = header.start.0;
        let told = std::mem::replace(&mut current.version, version);
        current.position = at;
        let (told, found) = (version_number(told), version_number(version));
        let (kind, byte, text) = if at == HEADER_LEN as u64 && told != found {
            let text = format!("the header says version {told}, the commits are of {found}");
            (FindingKind::Header, VERSION_BYTE, text)
        } else if at == bad && told != found {
            let text = format!("the commits here are of version {found}");
            (FindingKind::BadCommit, bad, text)
        } else if start == expected {
            let text = format!("{} bytes that are no commit", at - bad);
            (FindingKind::BadCommit, bad, text)
        } else {
            let text = format!(
                "no valid commit in {} bytes: transactions {expected} to {} are lost",
                at - bad,
                start - 1
            );
            (FindingKind::BadCommit, bad, text)
        };
        self.damaged |= start != expected;
        self.expected = Some(start);
        let mut finding = damage(kind, &file, byte, expected, text);
        finding.resumes = Some(resumption(&file, at, start));
        self.tell(finding);
        Ok(true)
    }

    /// Judges bytes that no commit follows in this segment, and leaves it.
    fn leave_with_tail(&mut self, zeros: bool) {
        let Some(current) = &self.current else { return };
        let (file, at) = (current.summary.file.clone(), current.position);
        let len = current.view.len() - at;
        let expected = self.expected.unwrap_or_default();
        let next_start = self.pending.front().map(|start| start.0);
        let finding = match next_start {
            _ if zeros => {
                let text = format!("{len} zero bytes, allocated in advance");
                let kind = FindingKind::Preallocated;
                Finding::new(Severity::Note, kind, &file, at, expected, text)
            }
            None => {
                let text = format!(
                    "the last {len} bytes are an interrupted write, never acknowledged; \
                     a server cuts them off when it opens the log"
                );
                let kind = FindingKind::TornTail;
                Finding::new(Severity::Note, kind, &file, at, expected, text)
            }
            // An overlap is told when the next segment is opened.
            Some(start) if start <= expected => {
                let text = format!(
                    "the last {len} bytes are an interrupted write; the next segment continues"
                );
                let kind = FindingKind::SealedTail;
                Finding::new(Severity::Note, kind, &file, at, expected, text)
            }
            Some(start) => {
                let text = format!(
                    "no valid commit in the last {len} bytes, \
                     and the next segment starts at transaction {start}"
                );
                let mut finding = damage(FindingKind::BadEnd, &file, at, expected, text);
                let next = segment::file_name(TxOffset(start));
                finding.resumes = Some(resumption(&next, 0, start));
                self.damaged = true;
                self.expected = Some(start);
                finding
            }
        };
        self.tell(finding);
        self.leave();
    }

    /// Tells of bytes that could not be read and were taken for zeros. They are in no whole
    /// commit, so it is time when something that is no commit was met.
    fn tell_unreadable(&mut self) {
        let Some(current) = self.current.as_mut() else {
            return;
        };
        let Some((at, error)) = current.view.take_error() else {
            return;
        };
        if current.unreadable_told.is_some_and(|told| at <= told) {
            return;
        }
        current.unreadable_told = Some(at);
        let expected = self.expected.unwrap_or_default();
        let finding = io_finding(&current.summary.file, at, expected, &error);
        self.damaged = true;
        self.tell(finding);
    }

    fn leave_unreadable(&mut self, error: &StorageError) {
        let Some(current) = &self.current else { return };
        let (file, at) = (current.summary.file.clone(), current.position);
        self.damaged = true;
        let expected = self.expected.unwrap_or_default();
        self.tell(io_finding(&file, at, expected, error));
        self.leave();
    }

    fn leave(&mut self) {
        if let Some(current) = self.current.take() {
            self.bytes_before += current.view.len();
            self.last_end = (current.summary.file.clone(), current.position);
            self.waiting.push_back(Told::SegmentEnd(current.summary));
        }
    }

    fn tell(&mut self, finding: Finding) {
        self.waiting.push_back(Told::Finding(finding));
    }
}

/// The number of a version, as in the header.
pub(crate) fn version_number(version: Version) -> u8 {
    match version {
        Version::V0 => 0,
        Version::V1 => 1,
    }
}

fn damage(
    kind: FindingKind,
    file: &str,
    byte: u64,
    offset: u64,
    text: impl Into<String>,
) -> Finding {
    Finding::new(Severity::Damage, kind, file, byte, offset, text)
}

fn resumption(file: &str, byte: u64, offset: u64) -> Resumption {
    Resumption {
        file: file.to_owned(),
        byte,
        offset,
    }
}

fn io_finding(file: &str, byte: u64, offset: u64, error: &StorageError) -> Finding {
    let kind = match error.source.get_ref() {
        Some(source) if source.is::<CompressedDamage>() => FindingKind::Compression,
        _ => FindingKind::Io,
    };
    damage(kind, file, byte, offset, error.to_string())
}

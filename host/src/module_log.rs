//! What a module says: one JSON object a line, in files by day and size, and a live feed for
//! followers.
//!
//! Invariants
//!   * A record that cannot be written (disk full) is dropped and said in the server's log; it
//!     never stops the database.
//!   * A module that floods its log costs a bounded number of records a second and a bounded
//!     number of bytes on disk (see `flood` and `files`); what is left out is counted in the log.
//!   * Followers and readers of the files see the same records in the same order.

mod files;
mod flood;

use std::path::PathBuf;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::sync::broadcast;

use self::files::LogFiles;
use self::flood::{Flood, Verdict};
use crate::clock::TimeSource;

/// Lines a slow follower may fall behind before it misses some.
const FOLLOWER_LAG_MAX: usize = 1024;
/// Most bytes read back for a reader.
const TAIL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
    Panic,
}

impl Level {
    /// All of them, the worst last.
    pub const ALL: [Level; 6] = [
        Level::Trace,
        Level::Debug,
        Level::Info,
        Level::Warn,
        Level::Error,
        Level::Panic,
    ];

    /// The level of that name, in any case of letters.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Level> {
        let mut all = Level::ALL.into_iter();
        all.find(|level| level.name().eq_ignore_ascii_case(name))
    }

    /// As it is in a record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "Error",
            Level::Warn => "Warn",
            Level::Info => "Info",
            Level::Debug => "Debug",
            Level::Trace => "Trace",
            Level::Panic => "Panic",
        }
    }

    /// Whether it is as bad as `other`, or worse.
    #[must_use]
    pub fn is_at_least(self, other: Level) -> bool {
        let place = |level| Level::ALL.iter().position(|known| *known == level);
        place(self) >= place(other)
    }
}

/// How logs of modules are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Records that are less bad are not kept. Those of the host itself always are.
    pub level: Level,
    /// When a file has so many bytes, the next one is begun.
    pub file_bytes_max: u64,
    /// The oldest files go when all files of a database have more bytes than this.
    pub total_bytes_max: u64,
    /// Files of more than so many days ago go. 0 keeps them.
    pub days_max: u32,
    /// Records of one second beyond so many are left out. 0 is no bound.
    pub records_per_second_max: u32,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings {
            level: Level::Trace,
            file_bytes_max: 64 << 20,
            total_bytes_max: 512 << 20,
            days_max: 0,
            records_per_second_max: 20_000,
        }
    }
}

/// One call in a back trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Frame {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub func_name: Option<String>,
}

/// One record. The time is added when it is appended.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub level: Level,
    pub target: Option<&'a str>,
    pub filename: Option<&'a str>,
    pub line_number: Option<u32>,
    pub function: Option<&'a str>,
    pub message: &'a str,
    /// Where it came from; only panics have it.
    pub trace: &'a [Frame],
}

/// `target`, `filename` and, where no function runs, `function` of the host's own records.
const HOST: &str = "__spacetimedb__";

impl<'a> Record<'a> {
    /// A record of the host itself.
    #[must_use]
    pub fn host(level: Level, message: &'a str) -> Record<'a> {
        Record::host_for(level, HOST, message)
    }

    /// A record of the host about a function of the module.
    #[must_use]
    pub fn host_for(level: Level, function: &'a str, message: &'a str) -> Record<'a> {
        Record {
            level,
            target: Some(HOST),
            filename: Some(HOST),
            line_number: None,
            function: Some(function),
            message,
            trace: &[],
        }
    }

    fn is_hosts_own(&self) -> bool {
        self.function == Some(HOST)
    }

    /// The record as a line.
    fn line(&self, ts: i64) -> Bytes {
        let line = Line {
            level: self.level,
            ts,
            target: self.target,
            filename: self.filename,
            line_number: self.line_number,
            function: self.function,
            message: self.message,
            trace: (self.level == Level::Panic).then_some(self.trace),
        };
        let mut text = serde_json::to_vec(&line).unwrap_or_default();
        text.push(b'\n');
        text.into()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    level: Level,
    ts: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line_number: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a [Frame]>,
}

#[derive(Debug)]
struct Writing {
    /// `None`: nothing is written.
    files: Option<LogFiles>,
    /// What was said, for a database without files; the newest of it.
    memory: Option<Vec<u8>>,
    flood: Flood,
}

/// The log of one database.
#[derive(Debug)]
pub struct ModuleLog {
    level: Level,
    writing: Mutex<Writing>,
    time: TimeSource,
    feed: broadcast::Sender<Bytes>,
}

impl ModuleLog {
    /// A log in `directory`, which is made when the first record comes.
    #[must_use]
    pub fn new(directory: PathBuf, settings: LogSettings) -> ModuleLog {
        let files = LogFiles::new(directory, settings);
        ModuleLog::with_files(Some(files), settings)
    }

    /// A log that only has followers, and leaves nothing out.
    #[must_use]
    pub fn unwritten() -> ModuleLog {
        let settings = LogSettings {
            records_per_second_max: 0,
            ..LogSettings::default()
        };
        ModuleLog::with_files(None, settings)
    }

    /// A log that is kept in memory, for a database that has no files. Leaves nothing out.
    pub(crate) fn in_memory(time: TimeSource) -> ModuleLog {
        let log = ModuleLog {
            time,
            ..ModuleLog::unwritten()
        };
        log.writing.lock().memory = Some(Vec::new());
        log
    }

    /// Takes the lines of a log that is kept in memory.
    #[must_use]
    pub fn take_memory(&self) -> Vec<u8> {
        let mut writing = self.writing.lock();
        writing
            .memory
            .as_mut()
            .map_or_else(Vec::new, std::mem::take)
    }

    fn with_files(files: Option<LogFiles>, settings: LogSettings) -> ModuleLog {
        let (feed, _) = broadcast::channel(FOLLOWER_LAG_MAX);
        let flood = Flood::new(settings.records_per_second_max);
        ModuleLog {
            level: settings.level,
            writing: Mutex::new(Writing {
                files,
                memory: None,
                flood,
            }),
            time: TimeSource::System,
            feed,
        }
    }

    /// Whether records of this level are kept: others need not be made.
    #[must_use]
    pub fn takes(&self, level: Level) -> bool {
        level.is_at_least(self.level)
    }

    /// Adds a record, now.
    pub fn append(&self, record: &Record<'_>) {
        let nanos = i128::from(self.time.now().micros) * 1000;
        let now = OffsetDateTime::from_unix_timestamp_nanos(nanos);
        self.append_at(record, now.unwrap_or(OffsetDateTime::UNIX_EPOCH));
    }

    fn append_at(&self, record: &Record<'_>, now: OffsetDateTime) {
        let is_hosts_own = record.is_hosts_own();
        if !is_hosts_own && !self.takes(record.level) {
            return;
        }
        let micros = i64::try_from(now.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX);
        // The lock is held over the feed too, so that followers see the order of the files.
        let mut writing = self.writing.lock();
        let is_important = is_hosts_own || record.level.is_at_least(Level::Error);
        let verdict = writing.flood.judge(now.unix_timestamp(), is_important);
        let notice = verdict.notice();
        if let Some(notice) = &notice {
            let notice = Record::host(Level::Warn, notice);
            self.write(&mut writing, notice.line(micros), now);
        }
        if matches!(verdict, Verdict::Take { .. }) {
            self.write(&mut writing, record.line(micros), now);
        }
    }

    fn write(&self, writing: &mut Writing, line: Bytes, now: OffsetDateTime) {
        if let Some(files) = &mut writing.files
            && let Err(error) = files.write(now.date(), &line)
        {
            let directory = files.directory().display();
            tracing::warn!(%directory, %error, "log record dropped");
        }
        if let Some(memory) = &mut writing.memory {
            keep(memory, &line);
        }
        // Fails only if nobody follows.
        let _ = self.feed.send(line);
    }

    /// The last `lines` lines (all within the last 16 MiB if `None`) that are as bad as `least` or
    /// worse, and a feed of everything that comes after them, without a gap or a repeat.
    #[must_use]
    pub fn tail(
        &self,
        lines: Option<usize>,
        least: Option<Level>,
    ) -> (Vec<u8>, broadcast::Receiver<Bytes>) {
        let (feed, marked) = {
            // What is written after this comes over the feed.
            let writing = self.writing.lock();
            let files = writing.files.as_ref();
            let marked = match lines {
                Some(0) => None,
                _ => files.map(|files| files.mark(TAIL_BYTES_MAX)),
            };
            (self.feed.subscribe(), marked)
        };
        let mut text = marked.map(files::Marked::read).unwrap_or_default();
        if let Some(least) = least {
            text = only_from(&text, least);
        }
        if let Some(count) = lines {
            text.drain(..start_of_last_lines(&text, count));
        }
        (text, feed)
    }
}

/// Keeps the newest lines.
fn keep(memory: &mut Vec<u8>, line: &[u8]) {
    let len_max = usize::try_from(TAIL_BYTES_MAX).unwrap_or(usize::MAX);
    if memory.len() + line.len() > len_max {
        let half = memory.len() / 2;
        let line_end = memory[half..].iter().position(|&byte| byte == b'\n');
        memory.drain(..line_end.map_or(memory.len(), |end| half + end + 1));
    }
    memory.extend_from_slice(line);
}

/// The level of a record's line; `None` if it is not one.
#[must_use]
pub fn level_of_line(line: &[u8]) -> Option<Level> {
    #[derive(serde::Deserialize)]
    struct Head<'a> {
        level: &'a str,
    }
    let head: Head<'_> = serde_json::from_slice(line).ok()?;
    Level::from_name(head.level)
}

fn only_from(text: &[u8], least: Level) -> Vec<u8> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let is_wanted = |line: &&[u8]| level_of_line(line).is_none_or(|level| level.is_at_least(least));
    lines.filter(is_wanted).flatten().copied().collect()
}

fn start_of_last_lines(text: &[u8], count: usize) -> usize {
    let Some(before_last) = count.checked_sub(1) else {
        return text.len();
    };
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let breaks = body
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'\n');
    breaks.map(|(at, _)| at + 1).nth(before_last).unwrap_or(0)
}

#[cfg(test)]
mod tests;

//! What a module says: one JSON object a line, one file a UTC day, and a live feed for followers.
//!
//! Invariants
//!   * A record that cannot be written (disk full) is dropped and counted in the server's log; it
//!     never stops the database.
//!   * A day's file is bounded: when it is full it takes the place of the one before and a new one
//!     is begun, so a module that floods its log keeps at most two of them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use time::{Date, OffsetDateTime};
use tokio::sync::broadcast;

/// Largest file of one day.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Lines a slow follower may fall behind before it misses some.
const FOLLOWER_LAG_MAX: usize = 1024;
/// Most bytes read back for `tail`.
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

/// One record. The time is added when it is appended.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub level: Level,
    pub target: Option<&'a str>,
    pub filename: Option<&'a str>,
    pub line_number: Option<u32>,
    pub function: Option<&'a str>,
    pub message: &'a str,
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
        }
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
    trace: Option<&'a [()]>,
}

#[derive(Debug)]
struct OpenFile {
    day: Date,
    file: File,
    len: u64,
}

/// The log of one database.
#[derive(Debug)]
pub struct ModuleLog {
    /// `None`: nothing is written.
    directory: Option<PathBuf>,
    open: Mutex<Option<OpenFile>>,
    feed: broadcast::Sender<Bytes>,
}

impl ModuleLog {
    /// A log in `directory`, which is made when the first record comes.
    #[must_use]
    pub fn new(directory: PathBuf) -> ModuleLog {
        ModuleLog::with_directory(Some(directory))
    }

    /// A log that only has followers.
    #[must_use]
    pub fn unwritten() -> ModuleLog {
        ModuleLog::with_directory(None)
    }

    fn with_directory(directory: Option<PathBuf>) -> ModuleLog {
        let (feed, _) = broadcast::channel(FOLLOWER_LAG_MAX);
        ModuleLog {
            directory,
            open: Mutex::new(None),
            feed,
        }
    }

    /// Adds a record, now.
    pub fn append(&self, record: &Record<'_>) {
        let now = OffsetDateTime::from(SystemTime::now());
        let micros = now.unix_timestamp_nanos() / 1000;
        let line = Line {
            level: record.level,
            ts: i64::try_from(micros).unwrap_or(i64::MAX),
            target: record.target,
            filename: record.filename,
            line_number: record.line_number,
            function: record.function,
            message: record.message,
            trace: (record.level == Level::Panic).then_some(&[]),
        };
        let mut text = serde_json::to_vec(&line).unwrap_or_default();
        text.push(b'\n');
        // The lock is held over the feed too, so that followers see the order of the file.
        let mut open = self.open.lock();
        if let Some(directory) = &self.directory
            && let Err(error) = write(directory, &mut open, now.date(), &text)
        {
            tracing::warn!(directory = %directory.display(), %error, "log record dropped");
            *open = None;
        }
        // Fails only if nobody follows.
        let _ = self.feed.send(Bytes::from(text));
    }

    /// The newest file's last `lines` lines (all within the last 16 MiB if `None`), and a feed of
    /// what comes after them, without a gap or a repeat.
    #[must_use]
    pub fn tail(&self, lines: Option<usize>) -> (Vec<u8>, broadcast::Receiver<Bytes>) {
        let _appending = self.open.lock();
        let feed = self.feed.subscribe();
        let directory = self.directory.as_deref();
        let text = directory.and_then(|directory| read_newest(directory).ok());
        let text = text.unwrap_or_default();
        let start = match lines {
            Some(0) => text.len(),
            Some(count) => start_of_last_lines(&text, count),
            None => 0,
        };
        (text[start..].to_vec(), feed)
    }
}

fn write(
    directory: &Path,
    open: &mut Option<OpenFile>,
    day: Date,
    text: &[u8],
) -> Result<(), std::io::Error> {
    let current = match open {
        Some(current) if current.day == day && current.len < FILE_BYTES_MAX => current,
        _ => open.insert(open_file(directory, day)?),
    };
    current.file.write_all(text)?;
    current.len += u64::try_from(text.len()).unwrap_or(u64::MAX);
    Ok(())
}

fn open_file(directory: &Path, day: Date) -> Result<OpenFile, std::io::Error> {
    std::fs::create_dir_all(directory)?;
    let (year, month, date) = day.to_calendar_date();
    let path = directory.join(format!("{year:04}-{:02}-{date:02}.log", u8::from(month)));
    let open = || File::options().create(true).append(true).open(&path);
    let mut file = open()?;
    let mut len = file.metadata()?.len();
    if len >= FILE_BYTES_MAX {
        drop(file);
        std::fs::rename(&path, path.with_extension("log.full"))?;
        file = open()?;
        len = 0;
    }
    Ok(OpenFile { day, file, len })
}

fn read_newest(directory: &Path) -> Result<Vec<u8>, std::io::Error> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(directory)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    names.sort_unstable();
    let Some(newest) = names.pop() else {
        return Ok(Vec::new());
    };
    let mut file = File::open(newest)?;
    let len = file.metadata()?.len();
    let skipped = len.saturating_sub(TAIL_BYTES_MAX);
    file.seek(SeekFrom::Start(skipped))?;
    let mut text = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut text)?;
    if skipped > 0 {
        let first_whole = text.iter().position(|&b| b == b'\n').map_or(0, |at| at + 1);
        text.drain(..first_whole);
    }
    Ok(text)
}

fn start_of_last_lines(text: &[u8], count: usize) -> usize {
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let breaks = body
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'\n');
    breaks.map(|(at, _)| at + 1).nth(count - 1).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &[u8]) -> Vec<String> {
        text.split(|&b| b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                let json: serde_json::Value = serde_json::from_slice(line).expect("a JSON line");
                json["message"].as_str().expect("a message").to_owned()
            })
            .collect()
    }

    #[test]
    fn tail_gives_the_last_lines_and_the_feed_what_follows() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = ModuleLog::new(directory.path().join("module_logs"));
        assert!(log.tail(None).0.is_empty());
        for number in 0..5 {
            log.append(&Record::host(Level::Info, &format!("record {number}")));
        }
        assert_eq!(messages(&log.tail(Some(2)).0), ["record 3", "record 4"]);
        assert_eq!(messages(&log.tail(Some(9)).0).len(), 5);
        assert!(log.tail(Some(0)).0.is_empty());
        let (all, mut feed) = log.tail(None);
        assert_eq!(messages(&all).len(), 5);
        log.append(&Record::host_for(Level::Error, "add", "late \"quoted\""));
        let line = feed.try_recv().expect("a record was appended");
        assert_eq!(messages(&line), ["late \"quoted\""]);
        assert!(feed.try_recv().is_err());
    }

    #[test]
    fn a_panic_has_a_trace_and_absent_fields_are_left_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = ModuleLog::new(directory.path().to_owned());
        log.append(&Record {
            level: Level::Panic,
            target: None,
            filename: Some("src/lib.rs"),
            line_number: Some(7),
            function: None,
            message: "kaput",
        });
        let (text, _) = log.tail(None);
        let json: serde_json::Value = serde_json::from_slice(&text).expect("one line");
        assert_eq!(json["level"], "Panic");
        assert_eq!(json["line_number"], 7);
        assert!(json["trace"].is_array());
        assert!(json.get("target").is_none());
    }
}

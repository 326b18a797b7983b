//! The files of one database's log.
//!
//! `YYYY-MM-DD.log` is the file of a UTC day. When it is full it becomes `YYYY-MM-DD.NNN.log` and
//! a new one is begun, so the names sort by age, the file that is written last.
//!
//! Invariants
//!   * A file grows until it is renamed, and never again after.
//!   * All files together have at most `total_bytes_max` and one record, as long as the clock does
//!     not jump; the oldest go first, whole.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use time::{Date, Duration};

use super::LogSettings;

/// Files of one day are told apart by three digits; the last one only grows beyond them.
const NUMBER_MAX: u32 = 999;

#[derive(Debug)]
struct OpenFile {
    day: Date,
    file: File,
    len: u64,
}

/// The files, one of them open.
#[derive(Debug)]
pub(super) struct LogFiles {
    directory: PathBuf,
    settings: LogSettings,
    open: Option<OpenFile>,
}

/// A file's length at some moment, and the file, whatever it is called later.
#[derive(Debug)]
struct Part {
    file: File,
    len: u64,
}

/// The end of the files at some moment.
#[derive(Debug)]
pub(super) struct Marked {
    /// The newest first.
    parts: Vec<Part>,
    bytes_max: u64,
}

impl LogFiles {
    pub(super) fn new(directory: PathBuf, settings: LogSettings) -> LogFiles {
        LogFiles {
            directory,
            settings,
            open: None,
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Adds a line to the file of `day`.
    pub(super) fn write(&mut self, day: Date, line: &[u8]) -> Result<(), io::Error> {
        let written = self.try_write(day, line);
        if written.is_err() {
            // Its length is not known any more.
            self.open = None;
        }
        written
    }

    fn try_write(&mut self, day: Date, line: &[u8]) -> Result<(), io::Error> {
        let len = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let has_room = |open: &OpenFile| {
            open.day == day && (open.len == 0 || open.len + len <= self.settings.file_bytes_max)
        };
        if !self.open.as_ref().is_some_and(has_room) {
            self.open = None;
            self.open = Some(self.begin(day, len)?);
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        open.file.write_all(line)?;
        open.len += len;
        Ok(())
    }

    /// Opens the day's file, and another one in its place if it is full.
    fn begin(&self, day: Date, room: u64) -> Result<OpenFile, io::Error> {
        fs::create_dir_all(&self.directory)?;
        let path = self.directory.join(format!("{}.log", name_of(day)));
        let open = || File::options().create(true).append(true).open(&path);
        let mut file = open()?;
        let mut len = file.metadata()?.len();
        if len > 0 && len + room > self.settings.file_bytes_max {
            drop(file);
            fs::rename(&path, self.full_name(day))?;
            file = open()?;
            len = 0;
        }
        self.retire(day)?;
        Ok(OpenFile { day, file, len })
    }

    /// The first name for a full file of that day that is behind all others.
    fn full_name(&self, day: Date) -> PathBuf {
        let prefix = format!("{}.", name_of(day));
        let numbers = self.names().into_iter().filter_map(|name| {
            let middle = name.strip_prefix(&prefix)?.strip_suffix(".log")?;
            middle.parse::<u32>().ok()
        });
        let number = numbers.max().map_or(1, |last| last.saturating_add(1));
        let number = number.min(NUMBER_MAX);
        self.directory.join(format!("{prefix}{number:03}.log"))
    }

    /// Removes what is too old and what is too much, but never the day's own file.
    fn retire(&self, day: Date) -> Result<(), io::Error> {
        let settings = &self.settings;
        let current = format!("{}.log", name_of(day));
        let mut files: Vec<(PathBuf, String, u64)> = Vec::new();
        for name in self.names() {
            let path = self.directory.join(&name);
            let len = fs::metadata(&path)?.len();
            files.push((path, name, len));
        }
        let oldest_kept = match settings.days_max {
            0 => None,
            days => day
                .checked_sub(Duration::days(i64::from(days)))
                .map(name_of),
        };
        // The open file may fill up before the next look.
        let room = settings
            .total_bytes_max
            .saturating_sub(settings.file_bytes_max);
        let others = |name: &str| name != current;
        let mut total: u64 = files
            .iter()
            .filter(|(_, name, _)| others(name))
            .map(|(.., len)| len)
            .sum();
        for (path, name, len) in files.iter().filter(|(_, name, _)| others(name)) {
            let is_old = oldest_kept.as_ref().is_some_and(|kept| name < kept);
            if is_old || total > room {
                fs::remove_file(path)?;
                total -= len;
            }
        }
        Ok(())
    }

    /// Names of the files, the oldest first. None if there is no directory.
    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return Vec::new();
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| is_ours(name)).collect();
        names.sort_unstable();
        names
    }

    /// Remembers where the files end now, for a reader of the last `bytes_max` bytes.
    pub(super) fn mark(&self, bytes_max: u64) -> Marked {
        let mut parts = Vec::new();
        let mut bytes = 0;
        for name in self.names().iter().rev() {
            let opened = File::open(self.directory.join(name));
            let Ok((file, len)) = opened.and_then(|file| {
                let len = file.metadata()?.len();
                Ok((file, len))
            }) else {
                break;
            };
            parts.push(Part { file, len });
            bytes += len;
            if bytes >= bytes_max {
                break;
            }
        }
        Marked { parts, bytes_max }
    }
}

impl Marked {
    /// The whole lines among the last bytes before the mark.
    pub(super) fn read(self) -> Vec<u8> {
        let mut left = self.bytes_max;
        let mut texts = Vec::new();
        for part in self.parts {
            let wanted = part.len.min(left);
            left -= wanted;
            let is_cut = wanted < part.len;
            // With the byte before them: it tells whether they begin with a whole line.
            let Ok(mut text) = read_end(part, wanted + u64::from(is_cut)) else {
                break;
            };
            if is_cut {
                let line_end = text.iter().position(|&b| b == b'\n');
                text.drain(..line_end.map_or(text.len(), |at| at + 1));
            }
            texts.push(text);
            if is_cut {
                break;
            }
        }
        texts.reverse();
        texts.concat()
    }
}

fn read_end(mut part: Part, wanted: u64) -> Result<Vec<u8>, io::Error> {
    part.file.seek(SeekFrom::Start(part.len - wanted))?;
    let mut text = Vec::with_capacity(usize::try_from(wanted).unwrap_or(0));
    part.file.take(wanted).read_to_end(&mut text)?;
    Ok(text)
}

fn name_of(day: Date) -> String {
    let (year, month, date) = day.to_calendar_date();
    format!("{year:04}-{:02}-{date:02}", u8::from(month))
}

/// `YYYY-MM-DD.log` or `YYYY-MM-DD.NNN.log`.
fn is_ours(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".log") else {
        return false;
    };
    let digits = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (date, number) = stem.split_once('.').unwrap_or((stem, "000"));
    let mut parts = date.split('-');
    let date = [4, 2, 2].map(|len| parts.next().is_some_and(|part| digits(part, len)));
    date == [true; 3] && parts.next().is_none() && digits(number, 3)
}

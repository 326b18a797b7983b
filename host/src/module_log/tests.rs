use std::path::Path;

use time::Month;

use super::*;

fn lines(text: &[u8]) -> Vec<serde_json::Value> {
    text.split(|&b| b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("a JSON line"))
        .collect()
}

fn messages(text: &[u8]) -> Vec<String> {
    let message = |line: &serde_json::Value| line["message"].as_str().expect("text").to_owned();
    lines(text).iter().map(message).collect()
}

fn all(log: &ModuleLog) -> Vec<String> {
    messages(&log.tail(None, None).0)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("made");
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().expect("text");
    let mut names: Vec<String> = entries
        .map(|entry| name(entry.expect("readable")))
        .collect();
    names.sort_unstable();
    names
}

fn at(day: u8, second: i64) -> OffsetDateTime {
    let date = time::Date::from_calendar_date(2026, Month::March, day).expect("a day");
    date.midnight().assume_utc() + time::Duration::seconds(second)
}

fn says<'a>(level: Level, message: &'a str) -> Record<'a> {
    Record {
        function: Some("add"),
        target: None,
        filename: None,
        ..Record::host(level, message)
    }
}

#[test]
fn tail_gives_the_last_lines_and_the_feed_what_follows() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = ModuleLog::new(directory.path().join("logs"), LogSettings::default());
    assert!(log.tail(None, None).0.is_empty());
    for number in 0..5 {
        log.append(&Record::host(Level::Info, &format!("record {number}")));
    }
    let last = |count| messages(&log.tail(Some(count), None).0);
    assert_eq!(last(2), ["record 3", "record 4"]);
    assert_eq!(last(9).len(), 5);
    assert_eq!(last(0), [""; 0]);
    let (before, mut feed) = log.tail(None, None);
    assert_eq!(messages(&before).len(), 5);
    log.append(&Record::host_for(Level::Error, "add", "late \"quoted\""));
    let line = feed.try_recv().expect("a record was appended");
    assert_eq!(messages(&line), ["late \"quoted\""]);
    assert!(feed.try_recv().is_err());
}

#[test]
fn a_panic_has_a_trace_and_absent_fields_are_left_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = ModuleLog::new(directory.path().to_owned(), LogSettings::default());
    let frame = |name: &str| Frame {
        module_name: None,
        func_name: Some(name.to_owned()),
    };
    log.append(&Record {
        level: Level::Panic,
        target: None,
        filename: Some("src/lib.rs"),
        line_number: Some(7),
        function: None,
        message: "kaput",
        trace: &[frame("inner"), frame("outer")],
    });
    let (text, _) = log.tail(None, None);
    let json = &lines(&text)[0];
    assert_eq!(json["level"], "Panic");
    assert_eq!(json["line_number"], 7);
    let trace = serde_json::json!([{"func_name": "inner"}, {"func_name": "outer"}]);
    assert_eq!(json["trace"], trace);
    assert!(json.get("target").is_none());
}

#[test]
fn files_rotate_by_size_and_day_and_the_oldest_go() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = LogSettings {
        file_bytes_max: 1000,
        total_bytes_max: 6000,
        ..LogSettings::default()
    };
    let log = ModuleLog::new(directory.path().to_owned(), settings);
    let mut written = Vec::new();
    let mut say = |day: u8, count: usize| {
        for _ in 0..count {
            let message = format!("{:04}{}", written.len(), "x".repeat(200));
            log.append_at(&says(Level::Info, &message), at(day, 1));
            written.push(message);
        }
    };
    say(1, 7);
    say(2, 1);
    say(3, 7);
    let all_names = [
        "2026-03-01.001.log",
        "2026-03-01.002.log",
        "2026-03-01.log",
        "2026-03-02.log",
        "2026-03-03.001.log",
        "2026-03-03.002.log",
        "2026-03-03.log",
    ];
    assert_eq!(names(directory.path()), all_names);
    // A reader sees all of them as one.
    assert_eq!(all(&log), written);
    assert_eq!(messages(&log.tail(Some(9), None).0), written[6..]);
    let mut say = |count: usize| {
        for _ in 0..count {
            let message = format!("{:04}{}", written.len(), "x".repeat(200));
            log.append_at(&says(Level::Info, &message), at(3, 2));
            written.push(message);
        }
    };
    say(300);
    let kept = all(&log);
    assert_eq!(kept, written[written.len() - kept.len()..]);
    let bytes = names(directory.path()).into_iter().map(|name| {
        let metadata = std::fs::metadata(directory.path().join(name));
        metadata.expect("there").len()
    });
    let bytes: u64 = bytes.sum();
    assert!((3000..=6000).contains(&bytes), "{bytes}");
    // Opened again, it goes on with the same file.
    let count = names(directory.path()).len();
    let again = ModuleLog::new(directory.path().to_owned(), settings);
    again.append_at(&says(Level::Info, "small"), at(3, 3));
    assert_eq!(names(directory.path()).len(), count);
    assert_eq!(all(&again).last().map(String::as_str), Some("small"));
}

#[test]
fn days_have_a_bound_and_files_of_others_are_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("notes.log"), "mine\n").expect("writable");
    std::fs::write(directory.path().join("2026-03-01.txt"), "mine\n").expect("writable");
    let settings = LogSettings {
        days_max: 2,
        ..LogSettings::default()
    };
    let log = ModuleLog::new(directory.path().to_owned(), settings);
    for day in 1..6 {
        log.append_at(&says(Level::Info, &format!("day {day}")), at(day, 0));
    }
    assert_eq!(all(&log), ["day 3", "day 4", "day 5"]);
    assert!(directory.path().join("notes.log").exists());
    assert!(directory.path().join("2026-03-01.txt").exists());
}

#[test]
fn levels_are_dropped_when_written_and_when_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = LogSettings {
        level: Level::Info,
        ..LogSettings::default()
    };
    let log = ModuleLog::new(directory.path().to_owned(), settings);
    for level in Level::ALL {
        log.append(&says(level, level.name()));
        assert_eq!(log.takes(level), level.is_at_least(Level::Info));
    }
    log.append(&Record::host(Level::Debug, "the host's own"));
    assert_eq!(
        all(&log),
        ["Info", "Warn", "Error", "Panic", "the host's own"]
    );
    let bad = log.tail(None, Some(Level::Error)).0;
    assert_eq!(messages(&bad), ["Error", "Panic"]);
    // Counted after the choice.
    let bad = log.tail(Some(1), Some(Level::Warn)).0;
    assert_eq!(messages(&bad), ["Panic"]);
    assert_eq!(Level::from_name("wArN"), Some(Level::Warn));
    assert_eq!(Level::from_name("loud"), None);
}

#[test]
fn a_flood_is_cut_and_counted_and_errors_come_through() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = LogSettings {
        records_per_second_max: 10,
        ..LogSettings::default()
    };
    let log = ModuleLog::new(directory.path().to_owned(), settings);
    for _ in 0..50 {
        log.append_at(&says(Level::Info, "chatter"), at(1, 1));
    }
    log.append_at(&says(Level::Error, "it broke"), at(1, 1));
    log.append_at(&says(Level::Info, "later"), at(1, 2));
    let mut expected = vec!["chatter"; 10];
    expected.extend([
        "more than 10 records in one second: the others of this second are left out",
        "it broke",
        "40 records were left out: too many in one second",
        "later",
    ]);
    assert_eq!(all(&log), expected);
}

#[test]
fn a_reader_of_much_gets_whole_lines_of_the_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = LogSettings {
        file_bytes_max: 2000,
        ..LogSettings::default()
    };
    let mut files = LogFiles::new(directory.path().to_owned(), settings);
    for number in 0..100 {
        let line = format!("{number:03}{}\n", "x".repeat(96));
        files
            .write(at(1, 0).date(), line.as_bytes())
            .expect("writable");
    }
    for bytes in [0, 1, 99, 100, 101, 2000, 2001, 4550, 10_000, 20_000] {
        let text = files.mark(bytes).read();
        let wanted = usize::try_from(bytes / 100).expect("small").min(100);
        let found: Vec<&str> = std::str::from_utf8(&text).expect("text").lines().collect();
        assert_eq!(found.len(), wanted, "{bytes}");
        assert!(found.iter().all(|line| line.len() == 99), "{bytes}");
        if let Some(last) = found.last() {
            assert!(last.starts_with("099"), "{bytes}");
        }
    }
    // What comes after the mark is not read, also when the file gets another name meanwhile.
    let marked = files.mark(1_000_000);
    for _ in 0..30 {
        files.write(at(1, 0).date(), &[b'y'; 99]).expect("writable");
    }
    let text = marked.read();
    assert_eq!(text.len(), 10_000);
    assert!(!text.contains(&b'y'));
}

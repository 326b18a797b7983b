//! What the tools say of logs that are whole.

mod sample;

use std::ops::ControlFlow;

use spacetime_offline::filter::{Condition, Filter};
use spacetime_offline::finding::{FindingKind, Severity};
use spacetime_offline::show::{ShownTable, ShownTransaction, show};
use spacetime_offline::verify::{VerifyOptions, verify};
use spacetime_offline::{NoProgress, Place, PlaceError, diff, export, list, stat, state};
use spacetime_types::bsatn;

use sample::{NEXT, TIME, place, player};

fn shown(place: &Place, filter: &Filter) -> Vec<ShownTransaction> {
    let mut all = Vec::new();
    let report = show(place, filter, &NoProgress, &mut |transaction| {
        all.push(transaction.clone());
        ControlFlow::Continue(())
    });
    let report = report.unwrap_or_else(|error| panic!("{filter:?}: {error}"));
    assert_eq!(report.shown, all.len() as u64);
    assert_eq!(report.findings, []);
    all
}

fn offsets(place: &Place, filter: &Filter) -> Vec<u64> {
    shown(place, filter).iter().map(|t| t.offset).collect()
}

#[test]
fn a_whole_log_verifies_whatever_its_segments_are() {
    for starts in [&[][..], &[1], &[10, 20], &[1, 2, 3, 30]] {
        let disk = sample::disk_with_segments(starts);
        let options = VerifyOptions { replay: true };
        let report = verify(&place(&disk), &options, &NoProgress).unwrap();
        assert_eq!(report.findings, [], "{starts:?}");
        assert!(!report.damaged);
        assert_eq!(report.segments, starts.len() as u64 + 1);
        assert_eq!((report.first, report.next), (Some(0), Some(NEXT)));
        assert_eq!(report.readable_transactions, NEXT);
        assert_eq!(report.unreadable_transactions, 0);
        assert_eq!(report.good_until, Some(NEXT));
        assert_eq!(report.durable_end, Some(NEXT));
        assert_eq!(report.replay.expect("asked for").next, NEXT);
    }
}

#[test]
fn segments_are_listed_with_what_is_in_them() {
    let disk = sample::disk_with_segments(&[10, 20]);
    sample::write(&disk, "/replica/clog/7.stdb.log", b"?");
    let report = list::list(&place(&disk), &NoProgress).unwrap();
    let ranges: Vec<_> = report
        .segments
        .iter()
        .map(|segment| (segment.start, segment.first, segment.last, segment.commits))
        .collect();
    assert_eq!(
        ranges,
        [
            (0, Some(0), Some(9), 10),
            (10, Some(10), Some(19), 10),
            (20, Some(20), Some(30), 11)
        ]
    );
    for segment in &report.segments {
        assert_eq!(segment.version, Some(1));
        assert_eq!(
            segment.bytes,
            sample::content(&disk, segment.start).len() as u64
        );
        assert_eq!(segment.valid_bytes, segment.bytes);
        assert!(!segment.compressed && segment.findings.is_empty());
    }
    assert_eq!(report.other_files.len(), 1);
    assert_eq!(report.transactions, NEXT);
    assert!(!report.damaged);
}

#[test]
fn rows_are_shown_with_the_columns_of_their_time() {
    let place = place(&sample::disk_with_segments(&[12]));
    let all = shown(&place, &Filter::default());
    assert_eq!(all.len() as u64, NEXT);
    let join = &all[1];
    let call = join.call.as_ref().unwrap();
    assert_eq!(
        (&*call.reducer, call.caller),
        ("join", Some(sample::identity()))
    );
    assert_eq!(call.time.unwrap().micros, TIME + 1_000_000);
    assert_eq!(call.arguments, bsatn::to_vec(&1_u64));
    let names: Vec<String> = join.tables.iter().map(ShownTable::name).collect();
    // The first generated key moves the sequence's row.
    assert_eq!(names, ["st_sequence", "player", "note", "passing", "old"]);
    assert_eq!(join.tables[1].inserts, [player(1, "player 1", 0)]);
    let json = all[2].to_json();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["reducer"], "join");
    assert_eq!(json["time"], "2023-11-14T22:13:22+00:00");
    assert_eq!(
        json["tables"][1]["inserts"][0].to_string(),
        r#"{"text":"welcome, player 2","about":2,"kind":{"plain":[]}}"#
    );
    // The enum has grown, and the table `old` is dropped by truncation.
    let json: serde_json::Value = serde_json::from_str(&all[26].to_json()).unwrap();
    assert_eq!(
        json["tables"][0]["inserts"][0]["kind"].to_string(),
        r#"{"red":[]}"#
    );
    assert_eq!(
        json["tables"][0]["inserts"][0]["about"],
        serde_json::Value::Null
    );
    let dropped = all[25].tables.iter().find(|table| table.name() == "old");
    assert!(dropped.is_some_and(|table| table.truncated));
}

#[test]
fn filters_hold_all_at_once() {
    let place = place(&sample::disk());
    let check = |filter: Filter, expect: &[u64]| {
        assert_eq!(offsets(&place, &filter), expect, "{filter:?}");
    };
    let all = Filter::default;
    check(
        Filter {
            from: Some(3),
            to: Some(5),
            ..all()
        },
        &[3, 4, 5],
    );
    check(
        Filter {
            from: Some(3),
            limit: Some(2),
            ..all()
        },
        &[3, 4],
    );
    let reducers = vec!["leave".to_owned(), "forget".to_owned()];
    check(Filter { reducers, ..all() }, &[23, 24]);
    let tables = vec!["player".to_owned()];
    check(
        Filter {
            tables,
            from: Some(20),
            ..all()
        },
        &[20, 21, 23],
    );
    let since_micros = Some(TIME + 29_000_000);
    check(
        Filter {
            since_micros,
            ..all()
        },
        &[29, 30],
    );
    // Transaction 25 has no time of its own.
    let until_micros = Some(TIME + 25_000_000);
    check(
        Filter {
            until_micros,
            from: Some(24),
            ..all()
        },
        &[24, 25],
    );
    let condition = |text: &str| vec![Condition::parse(text).unwrap()];
    check(
        Filter {
            conditions: condition("name=player 3"),
            ..all()
        },
        &[3, 21],
    );
    check(
        Filter {
            conditions: condition("score=30"),
            ..all()
        },
        &[21],
    );
    check(
        Filter {
            conditions: condition("about=7"),
            ..all()
        },
        &[7],
    );
    check(
        Filter {
            conditions: condition("kind=red"),
            to: Some(27),
            ..all()
        },
        &[26, 27],
    );
    let wrong = Filter {
        conditions: condition("score=much"),
        ..all()
    };
    let error = show(&place, &wrong, &NoProgress, &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(error.unwrap_err().to_string().contains("score=much"));
}

#[test]
fn counts_add_up() {
    let report = stat::stat(&place(&sample::disk_with_segments(&[5])), &NoProgress).unwrap();
    assert_eq!((report.transactions, report.commits), (NEXT, NEXT));
    assert_eq!((report.first, report.last), (Some(0), Some(NEXT - 1)));
    assert_eq!(report.internal_transactions, 2);
    let table = |name: &str| {
        report
            .tables
            .iter()
            .find(|table| table.name == name)
            .unwrap()
    };
    let player = table("player");
    assert_eq!((player.inserts, player.deletes), (21, 2));
    assert_eq!(player.transactions, 22);
    let note = table("note");
    assert_eq!((note.inserts, note.deletes, note.truncates), (25, 0, 1));
    assert_eq!(report.reducers[0].name, "join");
    assert_eq!(report.reducers[0].calls, 20);
    let calls: u64 = report.reducers.iter().map(|reducer| reducer.calls).sum();
    assert_eq!(calls + report.internal_transactions, NEXT);
    assert_eq!(report.sizes.counts().iter().sum::<u64>(), NEXT);
    let timed: u64 = report.times.buckets.iter().map(|b| b.transactions).sum();
    assert_eq!(timed, calls);
    assert_eq!(report.first_micros, Some(TIME + 1_000_000));
    assert_eq!(report.damages, 0);
}

#[test]
fn states_of_the_past_are_what_they_were() {
    let place = place(&sample::disk_with_segments(&[10, 20]));
    for offset in 1..=20 {
        let state = state::after(&place, offset, &NoProgress).unwrap();
        let players = sample::rows(state.datastore(), "player");
        assert_eq!(players.len() as u64, offset);
        assert_eq!(state.next(), offset + 1);
    }
    let mut latest = state::latest(&place, &NoProgress).unwrap();
    latest.datastore_mut().check_integrity().unwrap();
    assert_eq!(sample::rows(latest.datastore(), "player").len(), 19);
    assert_eq!(sample::rows(latest.datastore(), "note").len(), 5);
    let error = state::after(&place, NEXT, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("the last one is 30"), "{error}");
}

#[test]
fn a_diff_is_the_net_change_either_way() {
    let place = place(&sample::disk());
    let forth = diff::between(&place, 20, 24, &NoProgress).unwrap();
    let names: Vec<&str> = forth
        .tables
        .iter()
        .map(|table| &*table.shape.name)
        .collect();
    assert_eq!(names, ["player", "note"]);
    let players = &forth.tables[0];
    assert_eq!(players.removed, [player(5, "player 5", 0)]);
    assert_eq!(
        players.changed,
        [(player(3, "player 3", 0), player(3, "player 3", 30))]
    );
    assert!(players.added.is_empty());
    assert_eq!(forth.tables[1].removed.len(), 20);
    let back = diff::between(&place, 24, 20, &NoProgress).unwrap();
    assert_eq!(back.tables[0].added, players.removed);
    assert_eq!(back.tables[1].added, forth.tables[1].removed);
    let none = diff::between(&place, 22, 22, &NoProgress).unwrap();
    assert!(none.tables.is_empty());
}

#[test]
fn exports_hold_every_row_in_key_order() {
    let place = place(&sample::disk());
    let state = state::after(&place, 24, &NoProgress).unwrap();
    let text = |format, tables: &[&str]| {
        let tables = tables.iter().map(|&name| name.to_owned()).collect();
        let choice = export::Choice {
            tables,
            system: false,
        };
        let mut out = Vec::new();
        export::to_stream(state.datastore(), &choice, format, &mut out, &NoProgress)
            .map(|_| String::from_utf8(out).unwrap())
    };
    let csv = text(export::Format::Csv, &["player"]).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "id,name,score",
            "1,player 1,0",
            "2,player 2,0",
            "3,player 3,30"
        ]
    );
    assert_eq!(lines.len(), 20);
    let sql = text(export::Format::Sql, &["player"]).unwrap();
    assert!(sql.starts_with(
        "CREATE TABLE \"player\" (\"id\" BIGINT NOT NULL PRIMARY KEY, \"name\" TEXT NOT NULL, \
         \"score\" BIGINT NOT NULL);\nINSERT INTO \"player\" VALUES (1, 'player 1', 0);\n"
    ));
    let json = text(export::Format::JsonLines, &[]).unwrap();
    let first = json
        .lines()
        .find(|line| line.contains("\"player\""))
        .unwrap();
    assert_eq!(
        first,
        r#"{"table":"player","row":{"id":1,"name":"player 1","score":0}}"#
    );
    assert!(text(export::Format::Csv, &[]).is_err());
    assert!(text(export::Format::Csv, &["nobody"]).is_err());
}

#[test]
fn quotes_and_nothing_survive_in_every_format() {
    let place = place(&sample::disk());
    let state = state::latest(&place, &NoProgress).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let choice = export::Choice {
        tables: vec!["note".to_owned()],
        system: false,
    };
    for format in [
        export::Format::Csv,
        export::Format::Sql,
        export::Format::JsonLines,
    ] {
        let written = export::to_directory(
            state.datastore(),
            &choice,
            format,
            folder.path(),
            &NoProgress,
        );
        let written = written.unwrap();
        assert_eq!(written[0].rows, 5);
        let text = std::fs::read_to_string(written[0].file.as_ref().unwrap()).unwrap();
        let expect = match format {
            export::Format::Csv => "\"it's \"\"26\"\", \u{fc}\",,\"{\"\"red\"\":[]}\"",
            export::Format::Sql => "('it''s \"26\", \u{fc}', NULL, '{\"red\":[]}');",
            export::Format::JsonLines => "{\"text\":\"it's \\\"26\\\", \u{fc}\",\"about\":null",
        };
        assert!(text.contains(expect), "{text}");
        // What is there is never overwritten.
        let again = export::to_directory(
            state.datastore(),
            &choice,
            format,
            folder.path(),
            &NoProgress,
        );
        assert!(again.is_err());
    }
}

#[test]
fn an_interrupted_write_and_unused_space_are_no_damage() {
    for (tail, kind) in [
        (&[7, 7, 7][..], FindingKind::TornTail),
        (&[0; 64], FindingKind::Preallocated),
    ] {
        let disk = sample::disk();
        let path = sample::segment_path(0);
        assert!(disk.damage(path.as_ref(), |bytes| bytes.extend_from_slice(tail)));
        let report = verify(&place(&disk), &VerifyOptions::default(), &NoProgress).unwrap();
        let found: Vec<_> = report
            .findings
            .iter()
            .map(|f| (f.kind, f.severity))
            .collect();
        assert_eq!(found, [(kind, Severity::Note)]);
        assert_eq!(report.good_until, Some(NEXT));
    }
}

#[test]
fn directories_are_recognised() {
    let disk = sample::disk();
    let open = |path: &str| Place::open_on(std::sync::Arc::new(disk.clone()), path.as_ref());
    let log = open(sample::LOG).unwrap();
    assert_eq!(log.replica_dir(), Some(sample::REPLICA.as_ref()));
    assert_eq!(log.segments().unwrap().len(), 1);
    assert!(matches!(open("/"), Err(PlaceError::NoLog { .. })));
    assert!(matches!(open("/nowhere"), Err(PlaceError::Storage(_))));
}

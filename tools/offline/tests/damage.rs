//! What the tools say of logs that are not whole: always the right place, never a panic.

mod sample;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use spacetime_commitlog::{SealedSegments, segment};
use spacetime_durability::storage::{Fault, SimStorage};
use spacetime_offline::filter::Filter;
use spacetime_offline::finding::{Finding, FindingKind, Severity};
use spacetime_offline::verify::{VerifyOptions, VerifyReport, verify};
use spacetime_offline::{NoProgress, compare, list, repair, show, stat};
use spacetime_types::TxOffset;

use sample::{NEXT, place, position, segment_path};

fn check(disk: &SimStorage) -> VerifyReport {
    verify(&place(disk), &VerifyOptions { replay: true }, &NoProgress).unwrap()
}

fn damages(report: &VerifyReport) -> Vec<&Finding> {
    let findings = report.findings.iter();
    findings
        .filter(|finding| finding.severity == Severity::Damage)
        .collect()
}

fn change(disk: &SimStorage, start: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let path = segment_path(start);
    assert!(disk.damage(path.as_ref(), change));
}

#[test]
fn a_flipped_bit_is_found_to_the_byte_and_the_rest_is_read() {
    let disk = sample::disk_with_segments(&[15]);
    let content = sample::content(&disk, 0);
    let at = position(&content, 7);
    change(&disk, 0, |bytes| bytes[at + 40] ^= 4);
    let report = check(&disk);
    let [finding] = damages(&report)[..] else {
        panic!("{:?}", report.findings);
    };
    assert_eq!(finding.kind, FindingKind::BadCommit);
    assert_eq!((finding.byte, finding.offset), (at as u64, 7));
    assert_eq!(finding.file, "00000000000000000000.stdb.log");
    let resumes = finding.resumes.as_ref().unwrap();
    assert_eq!(
        (resumes.byte, resumes.offset),
        (position(&content, 8) as u64, 8)
    );
    assert_eq!(report.readable_transactions, NEXT - 1);
    assert_eq!(report.lost_transactions, 1);
    assert_eq!(report.good_until, Some(7));
    assert!(report.replay.is_none());
}

#[test]
fn gaps_and_repetitions_are_found() {
    let disk = sample::disk_with_segments(&[10, 20]);
    assert!(disk.lose(segment_path(10).as_ref()));
    let report = check(&disk);
    let [gap] = damages(&report)[..] else {
        panic!("{:?}", report.findings);
    };
    assert_eq!((gap.kind, gap.offset), (FindingKind::Gap, 10));
    assert_eq!(report.lost_transactions, 10);
    assert_eq!(report.readable_transactions, NEXT - 10);

    let disk = sample::disk_with_segments(&[10]);
    let content = sample::content(&disk, 10);
    let (from, to) = (position(&content, 12), position(&content, 14));
    change(&disk, 10, |bytes| drop(bytes.drain(from..to)));
    let report = check(&disk);
    let [wrong] = damages(&report)[..] else {
        panic!("{:?}", report.findings);
    };
    assert_eq!(wrong.kind, FindingKind::WrongOffset);
    assert_eq!((wrong.byte, wrong.offset), (from as u64, 12));

    let disk = sample::disk_with_segments(&[10]);
    change(&disk, 10, |bytes| bytes.extend_from_within(from..to));
    let report = check(&disk);
    assert_eq!(damages(&report)[0].kind, FindingKind::Overlap);
    assert_eq!(report.readable_transactions, NEXT);
}

#[test]
fn a_bad_header_hides_no_commits() {
    for (at, value) in [(0, 0), (3, 7), (6, 2), (6, 0), (7, 1)] {
        let disk = sample::disk_with_segments(&[10, 20]);
        change(&disk, 10, |bytes| bytes[at] = value);
        let report = check(&disk);
        assert!(report.damaged, "byte {at}");
        assert_eq!(report.readable_transactions, NEXT, "byte {at}");
        let first = damages(&report)[0];
        assert_eq!(first.file, "00000000000000000010.stdb.log");
        assert_eq!((first.kind, first.byte), (FindingKind::Header, at as u64));
    }
}

#[test]
fn records_that_make_no_sense_are_found_behind_good_checksums() {
    let disk = sample::disk();
    let end = sample::content(&disk, 0).len() as u64;
    let records = [
        (
            vec![0x20, 1, 0xff, 0xff, 0, 0, 1, 7],
            FindingKind::UnknownTable,
        ),
        (vec![0x20, 1, 0, 0x10, 0, 0, 1, 7], FindingKind::Row),
        (vec![0x20, 0xff], FindingKind::Record),
        (vec![0x20, 0, 0, 0, 9], FindingKind::SurplusBytes),
        (
            vec![0x20, 0, 0, 1, 0xff, 0xff, 0, 0],
            FindingKind::UnknownTable,
        ),
    ];
    for (record, kind) in records {
        let disk = disk.fork(0);
        let frame = sample::commit(NEXT, std::slice::from_ref(&record));
        change(&disk, 0, |bytes| bytes.extend_from_slice(&frame));
        let report = check(&disk);
        let [finding] = damages(&report)[..] else {
            panic!("{kind:?}: {:?}", report.findings);
        };
        assert_eq!((finding.kind, finding.offset), (kind, NEXT));
        assert!(finding.byte >= end, "{finding}");
        assert_eq!(report.good_until, Some(NEXT));
    }
}

#[test]
fn rows_that_cannot_be_applied_are_found_by_a_replay() {
    let disk = sample::disk();
    // Player 3 a second time.
    let mut record = vec![0x20, 1, 0, 0x10, 0, 0, 1];
    record.extend_from_slice(&sample::player(3, "player 3", 30));
    record.extend_from_slice(&[0, 0]);
    let frame = sample::commit(NEXT, &[record]);
    change(&disk, 0, |bytes| bytes.extend_from_slice(&frame));
    let options = VerifyOptions::default();
    assert!(
        !verify(&place(&disk), &options, &NoProgress)
            .unwrap()
            .damaged
    );
    let report = check(&disk);
    let [finding] = damages(&report)[..] else {
        panic!("{:?}", report.findings);
    };
    // Rows are compared when all are there, so the transaction may not be known.
    assert_eq!(finding.kind, FindingKind::Replay);
    assert!(finding.offset <= NEXT, "{finding}");
    assert!(finding.text.contains("player"), "{finding}");
}

#[test]
fn a_log_that_ends_early_contradicts_the_watermark() {
    let disk = sample::disk();
    let at = position(&sample::content(&disk, 0), 28);
    change(&disk, 0, |bytes| bytes.truncate(at));
    let report = check(&disk);
    assert_eq!(damages(&report)[0].kind, FindingKind::EndMissing);
    assert_eq!(report.next, Some(28));
}

#[test]
fn compressed_segments_are_read_and_damage_in_them_is_found() {
    let disk = sample::disk_with_segments(&[10, 20]);
    let before = check(&disk);
    let storage = Arc::new(disk.clone());
    let mut sealed = SealedSegments::new(storage, Path::new(sample::LOG));
    while sealed.compress_next_before(TxOffset(20)).unwrap().is_some() {}
    let report = check(&disk);
    assert_eq!(report.findings, []);
    assert_eq!(report.rows, before.rows);
    let listed = list::list(&place(&disk), &NoProgress).unwrap();
    let compressed: Vec<bool> = listed.segments.iter().map(|s| s.compressed).collect();
    assert_eq!(compressed, [true, true, false]);
    assert!(listed.segments[0].bytes < listed.segments[0].content_bytes);
    let len = sample::content(&disk, 10).len();
    let mut damaged = 0;
    for at in 0..len {
        let disk = disk.fork(0);
        change(&disk, 10, |bytes| bytes[at] ^= 0x55);
        let report = check(&disk);
        match damages(&report).first() {
            Some(first) => assert_eq!(first.file, "00000000000000000010.stdb.log", "{first}"),
            // Some bits of that format mean nothing.
            None => assert_eq!(
                (report.rows, report.next),
                (before.rows, Some(NEXT)),
                "byte {at}"
            ),
        }
        damaged += u64::from(report.damaged);
    }
    assert!(damaged > len as u64 * 9 / 10, "{damaged} of {len}");
}

#[test]
fn what_the_disk_does_not_give_is_told() {
    let disk = sample::disk_with_segments(&[10, 20]);
    for nth in 0..40 {
        for fault in [Fault::ReadError, Fault::OpenError, Fault::ShortRead] {
            let disk = disk.fork(0);
            disk.fail_nth(fault, nth);
            // One bad read is followed by a good one of the same place, so this may find nothing.
            let _ = verify(&place(&disk), &VerifyOptions::default(), &NoProgress);
        }
    }
}

#[test]
fn the_first_difference_of_two_logs_is_named() {
    let one = sample::disk();
    let compare = |other: &SimStorage| compare::logs(&place(&one), &place(other), &NoProgress);
    // Other segments and the order of rows are no difference.
    let same = compare(&sample::disk_with_segments(&[4, 9])).unwrap();
    assert!(same.difference.is_none());
    assert_eq!((same.equal, same.stored_differently), (NEXT, 0));

    let shorter = sample::disk();
    let at = position(&sample::content(&shorter, 0), 28);
    change(&shorter, 0, |bytes| bytes.truncate(at));
    let difference = compare(&shorter).unwrap().difference.unwrap();
    assert_eq!(difference.offset, 28);
    assert!(difference.left.is_some() && difference.right.is_none());

    let other = sample::disk();
    let mut record = vec![0x20, 1, 0, 0x10, 0, 0, 1];
    record.extend_from_slice(&sample::player(77, "nobody", 1));
    record.extend_from_slice(&[0, 0]);
    let frame = sample::commit(28, &[record]);
    change(&other, 0, |bytes| {
        bytes.truncate(at);
        bytes.extend_from_slice(&frame);
    });
    let difference = compare(&other).unwrap().difference.unwrap();
    assert_eq!(difference.offset, 28);
    let what = difference.what.join("\n");
    assert!(
        what.contains("`player` changes only in the right"),
        "{what}"
    );
    assert!(what.contains("`note` changes only in the left"), "{what}");
    assert!(what.contains("comes from a call"), "{what}");
}

/// Runs every tool; none may panic, and all must end.
fn run_all(disk: &SimStorage) -> VerifyReport {
    let place = place(disk);
    list::list(&place, &NoProgress).unwrap();
    stat::stat(&place, &NoProgress).unwrap();
    let all = Filter::default();
    let shown = show::show(&place, &all, &NoProgress, &mut |transaction| {
        let json = transaction.to_json();
        serde_json::from_str::<serde_json::Value>(&json).expect("it is JSON");
        ControlFlow::Continue(())
    });
    shown.unwrap();
    compare::logs(&place, &place, &NoProgress).unwrap();
    drop(repair::plan(&place, None, &NoProgress).unwrap());
    check(disk)
}

#[derive(Clone, Debug)]
enum Harm {
    Flip { at: usize, bit: u8 },
    Cut { to: usize },
    Fill { at: usize, len: usize, with: u8 },
    Remove { at: usize, len: usize },
    Repeat { at: usize, len: usize },
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = || 0..100_000_usize;
    prop_oneof![
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Harm::Flip { at, bit }),
        1 => at().prop_map(|to| Harm::Cut { to }),
        2 => (at(), 1..3000_usize, any::<u8>())
            .prop_map(|(at, len, with)| Harm::Fill { at, len, with }),
        1 => (at(), 1..3000_usize).prop_map(|(at, len)| Harm::Remove { at, len }),
        1 => (at(), 1..3000_usize).prop_map(|(at, len)| Harm::Repeat { at, len }),
    ]
}

impl Harm {
    /// Does it; the first byte that differs.
    fn do_to(&self, bytes: &mut Vec<u8>) -> Option<usize> {
        let before = bytes.clone();
        let range = |at: usize, len: usize| {
            let at = at % before.len();
            at..(at + len).min(before.len())
        };
        match *self {
            Harm::Flip { at, bit } => bytes[at % before.len()] ^= 1 << bit,
            Harm::Cut { to } => bytes.truncate(to % before.len()),
            Harm::Fill { at, len, with } => bytes[range(at, len)].fill(with),
            Harm::Remove { at, len } => drop(bytes.drain(range(at, len))),
            Harm::Repeat { at, len } => {
                let range = range(at, len);
                let piece = before[range.clone()].to_vec();
                bytes.splice(range.start..range.start, piece);
            }
        }
        let differing = before.iter().zip(&*bytes).position(|(a, b)| a != b);
        differing.or((before.len() != bytes.len()).then_some(before.len().min(bytes.len())))
    }
}

fn cases() -> u32 {
    let set = std::env::var("OFFLINE_DAMAGE_CASES");
    set.ok().and_then(|set| set.parse().ok()).unwrap_or(300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn any_damage_is_told_at_or_before_its_place(
        segment in 0..3_usize,
        harm in harm(),
    ) {
        let starts = [0, 10, 20];
        let disk = sample_disk();
        let start = starts[segment];
        let mut first = None;
        change(&disk, start, |bytes| first = harm.do_to(bytes));
        let report = run_all(&disk);
        let Some(first) = first else { return Ok(()) };
        // A header that says something else, but nothing impossible, shows at what is behind it.
        let first = first.max(segment::HEADER_LEN);
        let file = spacetime_commitlog::segment::file_name(TxOffset(start));
        let tells = |finding: &Finding| {
            let is_before = finding.file < file;
            let is_there = finding.file == file && finding.byte <= first as u64;
            // Whole commits taken off the end leave no place: the watermark tells.
            is_before || is_there || finding.kind == FindingKind::EndMissing
        };
        let is_told = report.findings.iter().any(tells);
        prop_assert!(is_told, "{first}: {:?}", report.findings);
        // Whatever is told to be whole is: a cut there is a log that opens.
        let kept = report.good_until.unwrap_or_default();
        let plan = repair::plan(&place(&disk), None, &NoProgress).unwrap();
        prop_assert!(plan.new_end <= kept || !report.damaged);
        if report.damaged {
            plan.apply().unwrap();
            let again = check(&disk);
            prop_assert!(!again.damaged, "{:?}", again.findings);
            let store = sample::open_store(&disk);
            prop_assert!(store.is_ok(), "{}", store.err().unwrap_or_default());
        }
    }

    #[test]
    fn no_bytes_take_a_tool_down(
        content in proptest::collection::vec(any::<u8>(), 0..2000),
        keep in 0..2000_usize,
    ) {
        let disk = sample_disk();
        change(&disk, 10, |bytes| {
            let keep = keep % bytes.len();
            bytes.truncate(keep);
            bytes.extend_from_slice(&content);
        });
        run_all(&disk);
    }

    #[test]
    fn no_record_takes_a_tool_down(
        flags in any::<u8>(),
        content in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let disk = sample_disk();
        let record = [&[flags], &content[..]].concat();
        let frame = sample::commit(NEXT, &[record, vec![0]]);
        change(&disk, 20, |bytes| bytes.extend_from_slice(&frame));
        run_all(&disk);
    }
}

fn sample_disk() -> SimStorage {
    static DISK: std::sync::OnceLock<SimStorage> = std::sync::OnceLock::new();
    DISK.get_or_init(|| sample::disk_with_segments(&[10, 20]))
        .fork(0)
}

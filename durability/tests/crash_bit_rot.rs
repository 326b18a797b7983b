//! Stored bytes change, vanish, or turn up in the wrong place. The state is the same as before,
//! or the replica is refused; never is a row wrong or a transaction missing.

mod history;

use std::path::{Path, PathBuf};

use history::{append, mix, open, options, two_sessions};
use spacetime_commitlog::{DamageKind, LogError, ReplayError};
use spacetime_durability::storage::SimStorage;
use spacetime_durability::{Options, RecoverError, WATERMARK_FILE};

const TRANSACTIONS: u64 = 24;

/// What came of opening a damaged replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Same,
    Refused,
    Shorter(u64),
}

/// A replica in two segments whose watermark is up to date.
fn cleanly_closed() -> SimStorage {
    let disk = SimStorage::new(0);
    let (acknowledged, result) = two_sessions(&disk, TRANSACTIONS);
    assert_eq!((acknowledged, result), (TRANSACTIONS, Ok(())));
    assert!(segments(&disk).len() >= 2);
    disk.fork(0)
}

/// The same after a killed process: the watermark was never synced but at the start.
fn killed() -> SimStorage {
    let disk = SimStorage::new(0);
    let options = Options {
        commits_per_watermark: u32::MAX,
        log: spacetime_commitlog::LogOptions::default(),
        ..options()
    };
    let mut opened = history::open_with(&disk, &options).expect("an empty disk");
    append(&mut opened.group_commit, TRANSACTIONS, &mut 0).expect("no fault is planned");
    disk
}

fn segments(disk: &SimStorage) -> Vec<PathBuf> {
    let mut files = disk.files();
    files.retain(|file| file.to_string_lossy().ends_with(".stdb.log"));
    files
}

/// What holds for damage to a file, whatever the damage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Segment,
    /// Has two copies of what it says.
    Watermark,
    /// The log is as good without it.
    Index,
}

fn kind(file: &Path) -> Kind {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("log") => Kind::Segment,
        Some("ofs") => Kind::Index,
        _ => Kind::Watermark,
    }
}

fn outcome(disk: &SimStorage, context: &str) -> Outcome {
    match open(disk) {
        Err(_) => Outcome::Refused,
        Ok(opened) => match opened.check_prefix(context) {
            TRANSACTIONS => Outcome::Same,
            shorter => Outcome::Shorter(shorter),
        },
    }
}

#[test]
fn every_flipped_bit_of_a_cleanly_closed_replica() {
    let disk = cleanly_closed();
    let (mut same, mut refused, mut of_index) = (0, 0, 0);
    for file in disk.files() {
        let len = disk.content(&file).expect("listed").len();
        for bit in 0..8 * len {
            let copy = disk.fork(0);
            copy.damage(&file, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let context = format!("{} bit {bit}", file.display());
            match outcome(&copy, &context) {
                Outcome::Same if kind(&file) == Kind::Index => of_index += 1,
                Outcome::Same => same += 1,
                Outcome::Refused => refused += 1,
                Outcome::Shorter(to) => panic!("{context}: silently cut to {to}"),
            }
        }
    }
    // The reserved bytes of two headers, and the watermark, which has two copies.
    assert_eq!(same, 2 * 16 + 8 * 1024);
    assert!(refused > 25_000, "{refused}");
    assert!(of_index >= 256, "{of_index}");
}

/// Flips every bit of the only segment, and returns the prefixes that were taken for the whole.
fn shortened_by_a_bit(disk: &SimStorage) -> Vec<u64> {
    let [log] = &segments(disk)[..] else {
        panic!("one segment is expected");
    };
    let len = disk.content(log).expect("listed").len();
    let mut shortened_to = Vec::new();
    for bit in 0..8 * len {
        let copy = disk.fork(0);
        copy.damage(log, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        if let Outcome::Shorter(to) = outcome(&copy, &format!("bit {bit}")) {
            shortened_to.push(to);
        }
    }
    shortened_to.dedup();
    shortened_to
}

#[test]
fn after_a_kill_no_commit_can_pass_for_torn() {
    assert_eq!(shortened_by_a_bit(&killed()), Vec::<u64>::new());
}

#[test]
fn after_a_power_cut_only_the_last_commit_can_pass_for_torn() {
    let disk = killed();
    let mark = Path::new(history::REPLICA).join(WATERMARK_FILE);
    let synced = disk.synced_content(&mark).expect("it was created");
    disk.damage(&mark, |bytes| bytes.clone_from(&synced));
    let shortened_to = shortened_by_a_bit(&disk);
    assert_eq!(shortened_to.len(), 1, "{shortened_to:?}");
    assert!(shortened_to[0] >= TRANSACTIONS - 4, "{shortened_to:?}");
}

#[test]
fn every_truncation_of_every_file_is_noticed() {
    let disk = cleanly_closed();
    for file in disk.files() {
        let full = disk.content(&file).expect("listed").len();
        for len in 0..full {
            let copy = disk.fork(0);
            copy.damage(&file, |bytes| bytes.truncate(len));
            let found = outcome(&copy, &format!("{} cut to {len}", file.display()));
            // Half of the watermark file is one of its two copies.
            let expected = match kind(&file) {
                Kind::Index => Outcome::Same,
                Kind::Watermark if len >= 512 => Outcome::Same,
                Kind::Watermark | Kind::Segment => Outcome::Refused,
            };
            assert_eq!(found, expected, "{} cut to {len}", file.display());
        }
    }
}

#[test]
fn every_missing_file_is_noticed() {
    let disk = cleanly_closed();
    for file in disk.files() {
        let copy = disk.fork(0);
        assert!(copy.lose(&file));
        let expected = match kind(&file) {
            Kind::Index | Kind::Watermark => Outcome::Same,
            Kind::Segment => Outcome::Refused,
        };
        assert_eq!(outcome(&copy, "missing"), expected, "{}", file.display());
    }
    let copy = disk.fork(0);
    for file in segments(&copy) {
        assert!(copy.lose(&file));
    }
    assert!(matches!(open(&copy), Err(RecoverError::LogMissing { .. })));
    let nothing = SimStorage::new(0);
    let must_exist = Options {
        must_exist: true,
        ..options()
    };
    let refused = history::open_with(&nothing, &must_exist);
    assert!(matches!(refused, Err(RecoverError::LogMissing { .. })));
    assert_eq!(
        nothing.files(),
        Vec::<PathBuf>::new(),
        "nothing was created"
    );
}

/// Overwrites a piece of one file with something that was stored elsewhere, or with zeros.
fn misplace(disk: &SimStorage, files: &[PathBuf], seed: u64) {
    let pick = |salt: u64, below: usize| {
        usize::try_from(mix(seed ^ (salt << 40)) % below as u64).expect("below a usize")
    };
    let source_file = &files[pick(1, files.len())];
    let target_file = &files[pick(2, files.len())];
    let source = disk.content(source_file).expect("listed");
    let block = [16, 64, 512, 4096][pick(3, 4)];
    let from = pick(4, source.len() / block + 1) * block;
    let mut piece = source[from.min(source.len())..(from + block).min(source.len())].to_vec();
    if pick(5, 4) == 0 {
        piece.fill(0);
    }
    disk.damage(target_file, |bytes| {
        let at = (pick(6, bytes.len() / block + 1) * block).min(bytes.len());
        let len = piece.len();
        match pick(7, 3) {
            0 => drop(bytes.splice(at..(at + len).min(bytes.len()), piece)),
            1 => drop(bytes.splice(at..at, piece)),
            _ => drop(bytes.drain(at..(at + len).min(bytes.len()))),
        }
    });
}

#[test]
fn misplaced_duplicated_zeroed_and_lost_blocks() {
    let disk = cleanly_closed();
    let files = segments(&disk);
    let mut refused = 0;
    for seed in 0..20_000 {
        let copy = disk.fork(0);
        misplace(&copy, &files, seed);
        match outcome(&copy, &format!("seed {seed}")) {
            Outcome::Same => {}
            Outcome::Refused => refused += 1,
            Outcome::Shorter(to) => panic!("seed {seed}: silently cut to {to}"),
        }
    }
    assert!(refused > 10_000);
}

#[test]
fn swapped_segments_are_refused() {
    let disk = cleanly_closed();
    let files = segments(&disk);
    let contents: Vec<_> = files.iter().filter_map(|file| disk.content(file)).collect();
    disk.damage(&files[0], |bytes| bytes.clone_from(&contents[1]));
    disk.damage(&files[1], |bytes| bytes.clone_from(&contents[0]));
    let Err(RecoverError::Replay(ReplayError::Log(LogError::Damaged(damage)))) = open(&disk) else {
        panic!("not refused as damage");
    };
    assert_eq!((&*damage.file, damage.at), (&*files[0], 10));
    assert!(matches!(damage.what, DamageKind::WrongOffset { .. }));
}

#[test]
fn a_refusal_names_file_byte_and_transaction() {
    let disk = killed();
    let log = Path::new("/replica/clog/00000000000000000000.stdb.log");
    disk.damage(log, |bytes| bytes[40] ^= 1);
    let message = match open(&disk) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("damage was not noticed"),
    };
    let expected = "the log is damaged in /replica/clog/00000000000000000000.stdb.log at byte 10, \
                    transaction 0: no valid commit, but one of transaction";
    assert!(message.starts_with(expected), "{message}");
}

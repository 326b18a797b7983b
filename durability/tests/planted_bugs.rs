//! Each defect that can be switched on is found, and without one nothing is.

mod history;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use history::{append, long_life, mix, open, open_from, open_with, options};
use spacetime_commitlog::LogOptions;
use spacetime_commitlog::planted::{self, Bug};
use spacetime_durability::storage::SimStorage;
use spacetime_durability::{Options, WATERMARK_FILE};

const TRANSACTIONS: u64 = 60;
const SEEDS: u64 = 1000;

/// The power goes somewhere; all that was acknowledged is still there.
fn power_cut(seed: u64) -> bool {
    let disk = SimStorage::new(mix(seed));
    disk.cut_power_before_change(mix(seed ^ 1) % 300);
    let life = long_life(&disk, TRANSACTIONS);
    if life.result.is_err() && !disk.power_is_off() {
        return false;
    }
    match open_from(&disk.after_power_cut(), life.restore_point) {
        Err(_) => false,
        Ok(opened) => opened.check_from(life.restore_point, "power cut") >= life.acknowledged,
    }
}

/// Something on the disk changes; it is refused, or makes no difference.
fn damage(seed: u64) -> bool {
    let disk = SimStorage::new(0);
    let life = long_life(&disk, TRANSACTIONS);
    if life.result.is_err() {
        return false;
    }
    let disk = disk.fork(0);
    let pick = |salt: u64, below: usize| {
        usize::try_from(mix(seed ^ (salt << 40)) % below as u64).expect("below a usize")
    };
    let files = disk.files();
    let file = &files[pick(1, files.len())];
    if pick(2, 10) == 0 {
        disk.lose(file);
    } else {
        disk.damage(file, |bytes| {
            let bit = pick(3, 8 * bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        });
    }
    match open_from(&disk, life.restore_point) {
        Err(_) => true,
        Ok(opened) => opened.check_from(life.restore_point, "damage") == TRANSACTIONS,
    }
}

/// A killed process leaves an old watermark, and then the log rots: no more than the very last
/// commit can be taken for an interrupted write.
fn damage_after_a_kill(seed: u64) -> bool {
    let disk = SimStorage::new(0);
    let options = Options {
        commits_per_watermark: u32::MAX,
        log: LogOptions::default(),
        ..options()
    };
    let Ok(mut opened) = open_with(&disk, &options) else {
        return false;
    };
    let mut before_last = 0;
    for until in [TRANSACTIONS - 1, TRANSACTIONS] {
        let mut acknowledged = 0;
        if append(&mut opened.group_commit, until, &mut acknowledged).is_err() {
            return false;
        }
        before_last = before_last.max(acknowledged.min(TRANSACTIONS - 1));
    }
    // The power went as well, and with it what was not synced.
    let mark = Path::new("/replica").join(WATERMARK_FILE);
    if let Some(synced) = disk.synced_content(&mark) {
        disk.damage(&mark, |bytes| bytes.clone_from(&synced));
    }
    let disk = disk.fork(0);
    let log = Path::new("/replica/clog/00000000000000000000.stdb.log");
    disk.damage(log, |bytes| {
        let bit = usize::try_from(mix(seed) % (8 * bytes.len() as u64)).expect("small");
        bytes[bit / 8] ^= 1 << (bit % 8);
    });
    match open(&disk) {
        Err(_) => true,
        Ok(opened) => opened.check_prefix("killed") >= before_last,
    }
}

/// The first seed that shows that something is wrong.
fn first_found() -> Option<u64> {
    (0..SEEDS).find(|&seed| {
        let holds = catch_unwind(AssertUnwindSafe(|| {
            power_cut(seed) && damage(seed) && damage_after_a_kill(seed)
        }));
        !holds.unwrap_or(false)
    })
}

#[test]
fn each_is_found_and_nothing_is_found_without_one() {
    // The panics are expected; there would be pages of them.
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        assert_eq!(Bug::from_name(bug.name()), Some(bug));
        planted::switch(Some(bug));
        match first_found() {
            Some(seed) => eprintln!("{}: found with seed {seed}", bug.name()),
            None => missed.push(bug.name()),
        }
    }
    planted::switch(None);
    let without = first_found();
    drop(std::panic::take_hook());
    assert_eq!(missed, Vec::<&str>::new(), "not found within {SEEDS} seeds");
    assert_eq!(without, None, "found something where nothing is");
}

//! A workload that writes, retains, removes and reopens; the power goes before every single
//! operation; and the oracle for what is left.

use super::{check_all, files, mix, open, write};
use spacetime_durability::storage::SimStorage;
use spacetime_snapshot::{Retention, SnapshotError, SnapshotRepo};
use spacetime_types::TxOffset;

/// What must be there after a crash.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Reported as finished, and not asked to be removed since.
    pub finished: Vec<u64>,
    /// Asked to be removed, and reported as such.
    pub removed: Vec<u64>,
}

/// Two sessions. Stops at the first error, which is returned.
pub fn two_sessions(disk: &SimStorage, expected: &mut Expected) -> Result<(), SnapshotError> {
    for session in [0..5, 5..9] {
        let repo = open(disk)?;
        for offset in session {
            write(&repo, offset)?;
            expected.finished.push(offset);
            if offset % 2 == 1 {
                retain(&repo, expected)?;
            }
            if offset == 6 {
                remove(&repo, expected)?;
            }
        }
    }
    Ok(())
}

fn retain(repo: &SnapshotRepo, expected: &mut Expected) -> Result<(), SnapshotError> {
    let newest = 2;
    let keep_from = expected.finished.len().saturating_sub(newest);
    // If removing them fails, they may be there or not.
    let going: Vec<u64> = expected.finished.drain(..keep_from).collect();
    let removed = repo.retain(&Retention {
        newest,
        restore_points: None,
    })?;
    let removed: Vec<u64> = removed.snapshots.iter().map(|offset| offset.0).collect();
    // What a failing disk hides is neither counted nor removed.
    match repo.unusable().is_empty() {
        true => assert_eq!(removed, going),
        false => assert!(removed.iter().all(|offset| going.contains(offset))),
    }
    let stayed = going.iter().filter(|offset| !removed.contains(offset));
    expected.finished.splice(0..0, stayed.copied());
    expected.removed.extend(removed);
    Ok(())
}

fn remove(repo: &SnapshotRepo, expected: &mut Expected) -> Result<(), SnapshotError> {
    let offset = expected.finished.remove(0);
    repo.remove(TxOffset(offset))?;
    expected.removed.push(offset);
    Ok(())
}

/// Crash images, and what was found in them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sweep {
    pub images: u64,
    pub snapshots_checked: u64,
    pub leftovers_removed: u64,
    pub open_failed: u64,
    /// Reported as finished and not there, or not usable.
    pub lost: u64,
    /// Manifests without what they need.
    pub unusable: u64,
    /// Came back although their removal was reported.
    pub came_back: u64,
    /// Pack files that nothing refers to, after the cleaning.
    pub stray_packs: u64,
    pub sectors_lost: u64,
    pub lengths_lost: u64,
    pub entries_lost: u64,
}

impl Sweep {
    pub fn failures(&self) -> u64 {
        self.open_failed + self.lost + self.unusable + self.came_back + self.stray_packs
    }

    /// Looks at what a crash has left.
    pub fn examine(&mut self, disk: &SimStorage, expected: &Expected, context: &str) {
        self.images += 1;
        let Ok(repo) = open(disk) else {
            self.open_failed += 1;
            return;
        };
        self.leftovers_removed += repo.open_report().removed.len() as u64;
        self.unusable += repo.unusable().len() as u64;
        let mut usable = Vec::new();
        for info in repo.list() {
            match repo.verify(info.tx_offset) {
                Ok(verified) if verified.is_good() => usable.push(info.tx_offset.0),
                _ => self.unusable += 1,
            }
        }
        if repo.unusable().is_empty() {
            // Nothing wrong, not only nothing damaged.
            assert_eq!(check_all(&repo, context), usable, "{context}");
            self.snapshots_checked += usable.len() as u64;
            let packs = files(disk, ".pack").len() as u64;
            self.stray_packs += packs.abs_diff(repo.stats().pack_count);
        }
        let lost = expected
            .finished
            .iter()
            .filter(|offset| !usable.contains(offset));
        self.lost += lost.count() as u64;
        let came_back = expected
            .removed
            .iter()
            .filter(|offset| usable.contains(offset));
        self.came_back += came_back.count() as u64;
    }
}

/// Cuts the power before every operation, with several outcomes each.
pub fn sweep(seeds_per_cut: u64, prepare: impl Fn(&SimStorage)) -> Sweep {
    let mut sweep = Sweep::default();
    for cut in 0.. {
        let mut reached = false;
        for seed in 0..seeds_per_cut {
            let disk = SimStorage::new(mix((cut << 32) | seed));
            prepare(&disk);
            disk.cut_power_before_change(cut);
            let mut expected = Expected::default();
            let result = two_sessions(&disk, &mut expected);
            assert_eq!(result.is_err(), disk.power_is_off(), "{result:?}");
            reached |= disk.power_is_off();
            let left = disk.after_power_cut();
            let counts = disk.counts();
            sweep.sectors_lost += counts.sectors_lost;
            sweep.lengths_lost += counts.lengths_lost;
            sweep.entries_lost += counts.entries_lost;
            sweep.examine(&left, &expected, &format!("cut {cut} seed {seed}"));
        }
        if !reached {
            return sweep;
        }
    }
    unreachable!("the workload ends")
}

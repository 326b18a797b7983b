//! Which snapshots to keep.
//!
//! Only good snapshots count. A damaged one goes once there is a good one after it; before that
//! it is left for whoever wants to look into it. One that could not be read because the disk
//! failed, or that a newer version wrote, is never touched.

use std::collections::BTreeSet;

use spacetime_types::{TimeDuration, TxOffset};

use crate::error::{DamageKind, SnapshotError};
use crate::repo::SnapshotRepo;
use crate::state::{Known, State};

/// What to keep; the newest good snapshot is kept in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest.
    pub newest: usize,
    /// And some of the older ones.
    pub restore_points: Option<RestorePoints>,
}

/// The last snapshot of each interval of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestorePoints {
    pub interval: TimeDuration,
    /// How many intervals that have a snapshot, counted from the newest.
    pub count: usize,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    pub snapshots: Vec<TxOffset>,
    pub pack_count: u64,
    pub pack_bytes: u64,
}

impl SnapshotRepo {
    /// The good snapshots that the policy keeps, oldest first.
    #[must_use]
    pub fn kept_by(&self, retention: &Retention) -> Vec<TxOffset> {
        let state = &*self.shared.state();
        to_keep(&good(state), retention).into_iter().collect()
    }

    /// Removes all snapshots that the policy does not keep, and the packs that are of no use then.
    pub fn retain(&self, retention: &Retention) -> Result<Removed, SnapshotError> {
        let state = &mut *self.shared.state();
        let snapshots = to_remove(state, retention);
        let (pack_count, pack_bytes) = self.shared.remove(state, &snapshots)?;
        Ok(Removed {
            snapshots,
            pack_count,
            pack_bytes,
        })
    }
}

fn good(state: &State) -> Vec<(&TxOffset, &Known)> {
    let snapshots = state.snapshots.iter();
    snapshots
        .filter(|(_, known)| state.is_good(known))
        .collect()
}

fn to_remove(state: &State, retention: &Retention) -> Vec<TxOffset> {
    let good = good(state);
    let Some(&(&newest, _)) = good.last() else {
        return Vec::new();
    };
    let keep = to_keep(&good, retention);
    let known = state
        .snapshots
        .iter()
        .filter(|(offset, known)| match state.is_good(known) {
            true => !keep.contains(offset),
            false => **offset < newest,
        });
    let damaged = state
        .unusable
        .iter()
        .filter(|(offset, error)| **offset < newest && is_beyond_help(error));
    let known = known.map(|(offset, _)| *offset);
    let mut remove: Vec<_> = known.chain(damaged.map(|(offset, _)| *offset)).collect();
    remove.retain(|offset| !state.holds.contains_key(offset));
    remove.sort_unstable();
    remove
}

fn to_keep(good: &[(&TxOffset, &Known)], retention: &Retention) -> BTreeSet<TxOffset> {
    let newest_first = || good.iter().rev();
    let newest = newest_first().take(retention.newest.max(1));
    let mut keep: BTreeSet<TxOffset> = newest.map(|(offset, _)| **offset).collect();
    if let Some(points) = retention.restore_points {
        let interval = points.interval.micros.max(1);
        let mut intervals = BTreeSet::new();
        for (offset, known) in newest_first() {
            let number = known.info.taken_at.micros.div_euclid(interval);
            if intervals.len() < points.count && intervals.insert(number) {
                keep.insert(**offset);
            }
        }
    }
    keep
}

fn is_beyond_help(error: &SnapshotError) -> bool {
    match error {
        SnapshotError::Damaged(damage) => !matches!(damage.what, DamageKind::UnknownVersion { .. }),
        _ => false,
    }
}

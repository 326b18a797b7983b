//! The part of one transaction that concerns a client, shared by all clients whose part is equal.
//!
//! Invariants
//!   * The changes are ordered by query set, and within a set by table name.
//!   * What is encoded for one receiver is the same for all: nothing here depends on the client.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{EncodedOnce, QuerySetId, TableChange};

/// Changes of a client's query sets.
#[derive(Debug)]
pub struct ClientUpdate {
    changes: Vec<(QuerySetId, Arc<TableChange>)>,
    serial: u64,
    is_shared: bool,
    row_bytes: usize,
    /// The whole update in its wire forms, filled in by the API.
    pub encoded: EncodedOnce,
    /// Frames that end with this update.
    pub frames: FrameCache,
}

impl ClientUpdate {
    /// `is_shared`: whether more than one client is told this.
    #[must_use]
    pub fn new(changes: Vec<(QuerySetId, Arc<TableChange>)>, is_shared: bool) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let row_bytes = changes
            .iter()
            .map(|(_, change)| change.inserts.bytes().len() + change.deletes.bytes().len())
            .sum();
        ClientUpdate {
            changes,
            serial: NEXT.fetch_add(1, Ordering::Relaxed),
            is_shared,
            row_bytes,
            encoded: EncodedOnce::default(),
            frames: FrameCache::default(),
        }
    }

    /// Whether it pays to keep what is encoded: other clients need it, too.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Different for different updates, as long as the process lives.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Bytes of all rows.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }
}

impl Default for ClientUpdate {
    fn default() -> Self {
        ClientUpdate::new(Vec::new(), false)
    }
}

impl Deref for ClientUpdate {
    type Target = [(QuerySetId, Arc<TableChange>)];

    fn deref(&self) -> &Self::Target {
        &self.changes
    }
}

impl From<Vec<(QuerySetId, Arc<TableChange>)>> for ClientUpdate {
    fn from(changes: Vec<(QuerySetId, Arc<TableChange>)>) -> Self {
        ClientUpdate::new(changes, false)
    }
}

impl FromIterator<(QuerySetId, Arc<TableChange>)> for ClientUpdate {
    fn from_iter<I: IntoIterator<Item = (QuerySetId, Arc<TableChange>)>>(changes: I) -> Self {
        ClientUpdate::new(changes.into_iter().collect(), false)
    }
}

/// Frames by form and by the updates in them, each made by the connection that needs it first.
/// Connections that wake together for the same updates need the same few frames.
#[derive(Debug, Default)]
pub struct FrameCache(Mutex<Vec<Frame>>);

/// Its form, the serials of the updates in it, and its bytes.
type Frame = (u8, Box<[u64]>, Bytes);

impl FrameCache {
    /// More are made for whoever needs them, and not kept.
    const KEPT: usize = 16;

    /// The frame in `form` that holds the updates with these serials, the last of them the owner
    /// of this cache. What a form means is the API's business.
    pub fn get_or_make(&self, form: u8, serials: &[u64], make: impl FnOnce() -> Bytes) -> Bytes {
        // Held while the frame is made: whoever wants the same waits instead of doing it again.
        let mut frames = self.0.lock();
        let known = frames
            .iter()
            .find(|(known, key, _)| *known == form && **key == *serials);
        if let Some((_, _, frame)) = known {
            return frame.clone();
        }
        let frame = make();
        if frames.len() < Self::KEPT {
            frames.push((form, serials.into(), frame.clone()));
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_made_once_for_each_form_and_sequence() {
        let cache = FrameCache::default();
        let made = std::cell::Cell::new(0);
        let get = |form, serials: &[u64]| {
            cache.get_or_make(form, serials, || {
                made.set(made.get() + 1);
                Bytes::from(vec![form; serials.len()])
            })
        };
        for _ in 0..3 {
            assert_eq!(get(0, &[1, 2]), [0, 0][..]);
            assert_eq!(get(1, &[1, 2]), [1, 1][..]);
            assert_eq!(get(0, &[2]), [0][..]);
        }
        assert_eq!(made.get(), 3);
        for serial in 0..50 {
            get(2, &[serial]);
        }
        assert_eq!(cache.0.lock().len(), FrameCache::KEPT);
    }

    #[test]
    fn updates_have_different_serials() {
        assert_ne!(
            ClientUpdate::default().serial(),
            ClientUpdate::default().serial()
        );
    }
}

//! Keeping a snapshot's files where they are, for whoever copies them.

use std::path::PathBuf;
use std::sync::Arc;

use spacetime_types::TxOffset;

use crate::error::SnapshotError;
use crate::file_name;
use crate::repo::{Shared, SnapshotRepo};

/// While this lives, the snapshot is not removed, and its files do not change.
#[derive(Debug)]
pub struct SnapshotHold {
    shared: Arc<Shared>,
    tx_offset: TxOffset,
    files: Vec<PathBuf>,
}

impl SnapshotRepo {
    /// Protects a good snapshot from retention and removal, by this handle and its clones.
    pub fn hold(&self, offset: TxOffset) -> Result<SnapshotHold, SnapshotError> {
        let state = &mut *self.shared.state();
        let known = state.snapshots.get(&offset);
        let Some(known) = known.filter(|known| state.is_good(known)) else {
            return Err(SnapshotError::NotFound {
                dir: self.shared.dir.clone(),
                tx_offset: offset,
            });
        };
        let packs = known.live.iter().map(|(pack, _)| file_name::pack(*pack));
        let names = packs.chain([file_name::manifest(offset)]);
        let files = names.map(|name| self.shared.path(&name)).collect();
        *state.holds.entry(offset).or_insert(0) += 1;
        Ok(SnapshotHold {
            shared: Arc::clone(&self.shared),
            tx_offset: offset,
            files,
        })
    }
}

impl SnapshotHold {
    /// The last transaction of the snapshot.
    #[must_use]
    pub fn tx_offset(&self) -> TxOffset {
        self.tx_offset
    }

    /// What the snapshot consists of, the manifest last. Packs never change and are shared with
    /// other snapshots: whoever copies them need not copy them twice.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

impl Drop for SnapshotHold {
    fn drop(&mut self) {
        let state = &mut *self.shared.state();
        if let Some(count) = state.holds.get_mut(&self.tx_offset) {
            *count -= 1;
            if *count == 0 {
                state.holds.remove(&self.tx_offset);
            }
        }
    }
}

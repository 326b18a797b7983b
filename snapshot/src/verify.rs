//! Reading a whole snapshot to see whether it is good.

use spacetime_types::TxOffset;

use crate::error::{Damage, SnapshotError};
use crate::load::ObjectBuffer;
use crate::repo::SnapshotRepo;

/// Findings that are listed at most; more are only counted.
const DAMAGES_LISTED_MAX: usize = 1000;

/// What reading every byte of a snapshot showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    pub object_count: u64,
    /// Content bytes of the objects that are good.
    pub content_bytes: u64,
    pub damage_count: u64,
    /// The first of them.
    pub damages: Vec<Damage>,
}

impl Verified {
    /// True if everything is as it was written.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.damage_count == 0
    }

    pub(crate) fn add(&mut self, damage: Damage) {
        self.damage_count += 1;
        if self.damages.len() < DAMAGES_LISTED_MAX {
            self.damages.push(damage);
        }
    }
}

impl SnapshotRepo {
    /// Reads and checks all of a snapshot. Damage is the result; errors are the disk's.
    ///
    /// What is found is remembered: the next snapshot does not build upon damaged packs.
    pub fn verify(&self, offset: TxOffset) -> Result<Verified, SnapshotError> {
        let mut verified = Verified::default();
        let snapshot = match self.load(offset) {
            Ok(snapshot) => snapshot,
            Err(SnapshotError::Damaged(damage)) => {
                verified.add(*damage);
                return Ok(verified);
            }
            Err(error) => return Err(error),
        };
        let mut buffer = ObjectBuffer::default();
        for index in snapshot.indices() {
            match snapshot.read(index, &mut buffer) {
                Ok(content) => {
                    verified.object_count += 1;
                    verified.content_bytes += content.len() as u64;
                }
                Err(SnapshotError::Damaged(damage)) => verified.add(*damage),
                Err(error) => return Err(error),
            }
        }
        Ok(verified)
    }
}

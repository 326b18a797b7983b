//! Large columns by content, shared by all rows of a database that have the same bytes.
//!
//! Invariants
//!   * A blob's name is the BLAKE3 hash of its bytes.
//!   * A blob lives as long as its use count is above zero; the last user frees it.
//!   * Cloning copies reference counts; shards are copied when written while shared.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// The BLAKE3 hash of a blob's bytes.
pub type BlobName = [u8; 32];

/// Why a blob cannot be brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The bytes are damaged.
    #[error("the bytes of a large value do not have the hash that they are stored under")]
    WrongName,
    /// Each blob is stored once.
    #[error("a large value is there twice")]
    Twice,
}

/// By the first byte of the name. Writing to a shared store copies one shard's index, not the
/// blobs.
const SHARD_COUNT: usize = 256;

/// Names are hashes already: eight of their bytes serve.
#[derive(Clone, Debug, Default)]
struct NameHasher(u64);

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(word) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*word);
        }
    }

    fn write_usize(&mut self, _array_len: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

type Shard = HashMap<BlobName, Blob, BuildHasherDefault<NameHasher>>;

#[derive(Clone, Debug)]
struct Blob {
    bytes: Arc<[u8]>,
    uses: u64,
}

/// The large columns of all tables of one database.
#[derive(Clone)]
pub struct BlobStore {
    shards: Arc<[Arc<Shard>]>,
    count: u64,
    bytes: usize,
}

impl Default for BlobStore {
    fn default() -> Self {
        BlobStore {
            shards: vec![Arc::default(); SHARD_COUNT].into(),
            count: 0,
            bytes: 0,
        }
    }
}

impl std::fmt::Debug for BlobStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobStore")
            .field("count", &self.count)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl BlobStore {
    /// Number of different blobs.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is no blob.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of all blobs, each counted once.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of uses of all blobs together.
    #[must_use]
    pub fn uses(&self) -> u64 {
        self.shards
            .iter()
            .flat_map(|shard| shard.values())
            .map(|blob| blob.uses)
            .sum()
    }

    /// All blobs: name, bytes and number of uses, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&BlobName, &Arc<[u8]>, u64)> {
        let blobs = self.shards.iter().flat_map(|shard| shard.iter());
        blobs.map(|(name, blob)| (name, &blob.bytes, blob.uses))
    }

    /// Number of uses of a blob that is there.
    #[must_use]
    pub fn uses_of(&self, name: &BlobName) -> Option<u64> {
        let blob = self.shards[usize::from(name[0])].get(name);
        blob.map(|blob| blob.uses)
    }

    /// Brings a blob back that no row uses so far. Restored rows add their uses; the caller sees
    /// to it that none is left without.
    pub fn restore(
        &mut self,
        name: &BlobName,
        bytes: impl Into<Arc<[u8]>>,
    ) -> Result<(), BlobError> {
        let bytes = bytes.into();
        if blake3::hash(&bytes).as_bytes() != name {
            return Err(BlobError::WrongName);
        }
        if self.uses_of(name).is_some() {
            return Err(BlobError::Twice);
        }
        self.count += 1;
        self.bytes += bytes.len();
        let blob = Blob { bytes, uses: 0 };
        self.shard_mut(name).insert(*name, blob);
        Ok(())
    }

    /// Adds a use of a blob that is there.
    pub(crate) fn add_use(&mut self, name: &BlobName) {
        let blob = self.shard_mut(name).get_mut(name);
        assert!(blob.is_some(), "a row refers to a blob that is not there");
        if let Some(blob) = blob {
            blob.uses += 1;
        }
    }

    /// Adds a use of these bytes.
    pub(crate) fn insert(&mut self, bytes: &[u8]) -> BlobName {
        let name = *blake3::hash(bytes).as_bytes();
        let mut is_new = false;
        let blob = self.shard_mut(&name).entry(name).or_insert_with(|| {
            is_new = true;
            Blob {
                bytes: bytes.into(),
                uses: 0,
            }
        });
        blob.uses += 1;
        if is_new {
            self.count += 1;
            self.bytes += bytes.len();
        }
        name
    }

    /// Takes back a use.
    pub(crate) fn release(&mut self, name: &BlobName) {
        let shard = self.shard_mut(name);
        let uses_left = shard.get_mut(name).map(|blob| {
            blob.uses -= 1;
            blob.uses
        });
        assert!(
            uses_left.is_some(),
            "a row refers to a blob that is not there"
        );
        if uses_left == Some(0) {
            let freed = shard.remove(name).map_or(0, |blob| blob.bytes.len());
            self.count -= 1;
            self.bytes -= freed;
        }
    }

    /// The bytes of a blob that some row uses.
    #[inline]
    pub(crate) fn get(&self, name: &BlobName) -> &[u8] {
        let blob = self.shards[usize::from(name[0])].get(name);
        assert!(blob.is_some(), "a row refers to a blob that is not there");
        blob.map_or(&[], |blob| &blob.bytes)
    }

    fn shard_mut(&mut self, name: &BlobName) -> &mut Shard {
        let shards = Arc::make_mut(&mut self.shards);
        Arc::make_mut(&mut shards[usize::from(name[0])])
    }
}

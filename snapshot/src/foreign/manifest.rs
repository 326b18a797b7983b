//! Manifests of SpacetimeDB: BLAKE3 of the rest, and a BSATN product.

use std::path::Path;

use spacetime_commitlog::storage::Storage;
use spacetime_types::bsatn::{DecodeError, Reader};
use spacetime_types::{Identity, TableId, TxOffset};

use super::object;
use crate::error::{DamageKind, SnapshotError};
use crate::manifest::MANIFEST_BYTES_MAX;
use crate::object::ObjectHash;

const MAGIC: [u8; 4] = *b"txyz";
const VERSION: u8 = 0;
const HASH_LEN: usize = 32;
/// Encoded bytes of a hash: its length and itself.
const HASH_ENTRY_LEN: usize = 4 + HASH_LEN;
const BLOB_ENTRY_LEN: usize = HASH_ENTRY_LEN + 4;
const TABLE_ENTRY_LEN_MIN: usize = 8;

/// What a snapshot of SpacetimeDB consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignManifest {
    pub identity: Identity,
    pub replica_id: u64,
    /// Major and minor version of the module interface.
    pub module_abi: (u16, u16),
    pub tx_offset: TxOffset,
    pub blobs: Vec<ForeignBlob>,
    /// By id.
    pub tables: Vec<ForeignTable>,
    /// The manifest is a zstd file.
    pub is_compressed: bool,
}

/// A large object and the number of its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignBlob {
    pub hash: ObjectHash,
    pub uses: u32,
}

/// A table and the hashes of its pages; `None` is an absent page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignTable {
    pub table: TableId,
    pub pages: Vec<Option<ObjectHash>>,
}

struct Wrong(DamageKind);

impl From<DecodeError> for Wrong {
    fn from(_: DecodeError) -> Self {
        Wrong(DamageKind::Invalid("the manifest ends too early"))
    }
}

fn wrong(what: &'static str) -> Wrong {
    Wrong(DamageKind::Invalid(what))
}

/// Reads and verifies a manifest.
pub(super) fn read(storage: &dyn Storage, path: &Path) -> Result<ForeignManifest, SnapshotError> {
    let bytes = object::read_file(storage, path, MANIFEST_BYTES_MAX)?;
    decode_file(&bytes, path)
}

/// As [`read`], from the file's bytes.
pub(super) fn decode_file(bytes: &[u8], path: &Path) -> Result<ForeignManifest, SnapshotError> {
    // A plain one begins with a hash, which may look like anything. So that comes first.
    if let Some(body) = checked_body(bytes) {
        return decode(body, false, path);
    }
    if object::is_compressed(bytes) {
        let plain = object::decompress(bytes, MANIFEST_BYTES_MAX, path)?;
        if let Some(body) = checked_body(&plain) {
            return decode(body, true, path);
        }
    }
    Err(SnapshotError::damaged(path, 0, DamageKind::Checksum))
}

fn checked_body(bytes: &[u8]) -> Option<&[u8]> {
    let (hash, body) = bytes.split_at_checked(HASH_LEN)?;
    (ObjectHash::of(body).0 == hash).then_some(body)
}

fn decode(body: &[u8], is_compressed: bool, path: &Path) -> Result<ForeignManifest, SnapshotError> {
    let mut reader = Reader::new(body);
    decode_body(&mut reader, is_compressed).map_err(|Wrong(what)| {
        let at = (HASH_LEN + reader.offset()) as u64;
        SnapshotError::damaged(path, at, what)
    })
}

fn decode_body(reader: &mut Reader<'_>, is_compressed: bool) -> Result<ForeignManifest, Wrong> {
    if reader.u32()? != 4 || reader.array::<4>("magic")? != MAGIC {
        return Err(Wrong(DamageKind::NotSuchAFile));
    }
    let version = reader.u8()?;
    if version != VERSION {
        return Err(Wrong(DamageKind::UnknownVersion {
            found: u32::from(version),
            newest_known: u32::from(VERSION),
        }));
    }
    let identity = Identity::from_le_bytes(reader.array("identity")?);
    let replica_id = u64::from_le_bytes(reader.array("u64")?);
    if reader.u32()? != 2 {
        return Err(wrong("the version of the module interface has two numbers"));
    }
    let major = u16::from_le_bytes(reader.array("u16")?);
    let minor = u16::from_le_bytes(reader.array("u16")?);
    let tx_offset = TxOffset(u64::from_le_bytes(reader.array("u64")?));
    let blob_count = count(reader, BLOB_ENTRY_LEN)?;
    let mut blobs = Vec::with_capacity(blob_count);
    for _ in 0..blob_count {
        let hash = hash(reader)?;
        let uses = reader.u32()?;
        blobs.push(ForeignBlob { hash, uses });
    }
    let tables = decode_tables(reader)?;
    if !reader.rest().is_empty() {
        return Err(wrong("bytes follow the manifest"));
    }
    Ok(ForeignManifest {
        identity,
        replica_id,
        module_abi: (major, minor),
        tx_offset,
        blobs,
        tables,
        is_compressed,
    })
}

fn decode_tables(reader: &mut Reader<'_>) -> Result<Vec<ForeignTable>, Wrong> {
    let table_count = count(reader, TABLE_ENTRY_LEN_MIN)?;
    let mut tables = Vec::with_capacity(table_count);
    for _ in 0..table_count {
        let table = TableId(reader.u32()?);
        let page_count = count(reader, HASH_ENTRY_LEN)?;
        let mut pages = Vec::with_capacity(page_count);
        for _ in 0..page_count {
            let hash = hash(reader)?;
            pages.push((hash.0 != [0; HASH_LEN]).then_some(hash));
        }
        tables.push(ForeignTable { table, pages });
    }
    // They come in any order.
    tables.sort_by_key(|table| table.table);
    match tables.windows(2).any(|pair| pair[0].table == pair[1].table) {
        true => Err(wrong("a table is listed twice")),
        false => Ok(tables),
    }
}

/// A count of entries, each of at least `entry_len` bytes: more than can follow is refused
/// before any memory is taken.
fn count(reader: &mut Reader<'_>, entry_len: usize) -> Result<usize, Wrong> {
    let count = usize::try_from(reader.u32()?).map_err(|_| wrong("a count is too large"))?;
    match count.checked_mul(entry_len) {
        Some(bytes) if bytes <= reader.rest().len() => Ok(count),
        _ => Err(wrong("a count is too large")),
    }
}

fn hash(reader: &mut Reader<'_>) -> Result<ObjectHash, Wrong> {
    match reader.u32()? {
        32 => Ok(ObjectHash(reader.array("hash")?)),
        _ => Err(wrong("a hash has 32 bytes")),
    }
}

//! Manifests: what a snapshot consists of, and where each of its objects is.
//!
//! ```text
//!    0   8   "stdbsnap"
//!    8   4   format version, 1
//!   12   8   length of the body
//!   20  32   BLAKE3 of bytes 0..20 and the body
//!   52   -   body:
//!
//!    32   identity of the database
//!     8   transaction offset, as in the name
//!     8   when it was taken, as the caller said (microseconds, signed)
//!     4   length of the extra bytes, then those: the caller's own
//!     4   number of packs, then for each, by ascending number
//!             8   number
//!             8   length of the file
//!     4   number of objects, then for each, by pack and position
//!            32   hash of the content
//!             4   pack, as index into the list above
//!             8   position of the object's header in the pack
//!             4   stored length
//!             4   content length
//!             1   codec: 0 plain, 1 one LZ4 block
//!     4   number of blobs, then for each, by ascending object
//!             4   object, as index into the list above
//!             8   uses
//!     4   number of tables, then for each, by ascending id
//!             4   table id
//!            16   fingerprint of the layout of its pages
//!             8   number of rows
//!             4   number of pages, then for each
//!                     4   object, or ffffffff for an absent page
//! ```
//!
//! A manifest is read only after its checksum was verified, and even then everything is checked:
//! a checksum proves that nothing has changed, not that the writer was right.

use std::path::Path;

use spacetime_types::bsatn::{DecodeError, Reader};
use spacetime_types::{Identity, TableId, Timestamp, TxOffset};

use crate::error::{DamageKind, SnapshotError};
use crate::object::{Codec, ObjectHash};
use crate::pack;

const MAGIC: [u8; 8] = *b"stdbsnap";
const VERSION: u32 = 1;
const HASHED_PREFIX_LEN: usize = 20;
const HEAD_LEN: usize = 52;
const ABSENT_PAGE: u32 = u32::MAX;
const PACK_ENTRY_LEN: usize = 16;
const OBJECT_ENTRY_LEN: usize = 53;
const BLOB_ENTRY_LEN: usize = 12;
const TABLE_ENTRY_LEN_MIN: usize = 32;
const PAGE_ENTRY_LEN: usize = 4;

/// Bytes of a manifest at most: that of some two terabytes of pages.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 2 << 30;
/// The caller's own bytes at most.
pub const EXTRA_BYTES_MAX: usize = 1 << 20;

/// Tells layouts apart that place bytes differently.
pub type Fingerprint = [u8; 16];

/// What a snapshot consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub identity: Identity,
    /// The last transaction that is in the state.
    pub tx_offset: TxOffset,
    pub taken_at: Timestamp,
    /// The caller's own.
    pub extra: Vec<u8>,
    pub packs: Vec<PackEntry>,
    pub objects: Vec<ObjectEntry>,
    pub blobs: Vec<BlobEntry>,
    pub tables: Vec<TableEntry>,
}

/// A pack file that holds some of the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackEntry {
    pub number: u64,
    pub byte_len: u64,
}

/// Index into [`Manifest::objects`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectIndex(pub u32);

/// An object and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectEntry {
    pub hash: ObjectHash,
    /// Index into [`Manifest::packs`].
    pub pack: u32,
    /// Where its header begins in the pack.
    pub position: u64,
    pub stored_len: u32,
    pub content_len: u32,
    pub codec: Codec,
}

/// A blob and the number of its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobEntry {
    pub object: ObjectIndex,
    pub uses: u64,
}

/// A table and its pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEntry {
    pub table: TableId,
    pub fingerprint: Fingerprint,
    pub row_count: u64,
    /// By page index; `None` is an absent page.
    pub pages: Vec<Option<ObjectIndex>>,
}

impl Manifest {
    /// The entry of an object of this manifest.
    #[must_use]
    pub fn object(&self, index: ObjectIndex) -> Option<&ObjectEntry> {
        self.objects.get(usize::try_from(index.0).ok()?)
    }

    /// Content bytes of all objects.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        let lens = self
            .objects
            .iter()
            .map(|entry| u64::from(entry.content_len));
        lens.sum()
    }

    /// Bytes in packs that this snapshot needs, per pack.
    pub(crate) fn live_bytes(&self) -> Vec<(u64, u64)> {
        let mut live: Vec<_> = self.packs.iter().map(|pack| (pack.number, 0)).collect();
        for entry in &self.objects {
            let pack = usize::try_from(entry.pack).ok();
            if let Some((_, bytes)) = pack.and_then(|pack| live.get_mut(pack)) {
                *bytes += entry.file_len();
            }
        }
        live
    }

    /// The file's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, SnapshotError> {
        let mut out = vec![0; HEAD_LEN];
        out.extend_from_slice(&self.identity.to_le_bytes());
        out.extend_from_slice(&self.tx_offset.0.to_le_bytes());
        out.extend_from_slice(&self.taken_at.micros.to_le_bytes());
        put_len("extra bytes", self.extra.len(), EXTRA_BYTES_MAX, &mut out)?;
        out.extend_from_slice(&self.extra);
        put_count("packs", self.packs.len(), &mut out)?;
        for pack in &self.packs {
            out.extend_from_slice(&pack.number.to_le_bytes());
            out.extend_from_slice(&pack.byte_len.to_le_bytes());
        }
        put_count("objects", self.objects.len(), &mut out)?;
        for entry in &self.objects {
            entry.encode(&mut out);
        }
        put_count("blobs", self.blobs.len(), &mut out)?;
        for blob in &self.blobs {
            out.extend_from_slice(&blob.object.0.to_le_bytes());
            out.extend_from_slice(&blob.uses.to_le_bytes());
        }
        put_count("tables", self.tables.len(), &mut out)?;
        for table in &self.tables {
            out.extend_from_slice(&table.table.0.to_le_bytes());
            out.extend_from_slice(&table.fingerprint);
            out.extend_from_slice(&table.row_count.to_le_bytes());
            put_count("pages of a table", table.pages.len(), &mut out)?;
            for page in &table.pages {
                let index = page.map_or(ABSENT_PAGE, |page| page.0);
                out.extend_from_slice(&index.to_le_bytes());
            }
        }
        seal(&mut out);
        Ok(out)
    }

    /// Reads a whole file, which `file` names in errors.
    ///
    /// The transaction offset is not compared with the file's name: that is up to the caller.
    pub fn decode(bytes: &[u8], file: &Path) -> Result<Manifest, SnapshotError> {
        let damaged =
            |(at, what): (usize, DamageKind)| SnapshotError::damaged(file, at as u64, what);
        let body = open_seal(bytes).map_err(damaged)?;
        let mut reader = Reader::new(body);
        match decode_body(&mut reader) {
            Ok(manifest) => Ok(manifest),
            Err(what) => Err(damaged((HEAD_LEN + reader.offset(), what.0))),
        }
    }
}

fn put_count(what: &'static str, count: usize, out: &mut Vec<u8>) -> Result<(), SnapshotError> {
    put_len(
        what,
        count,
        usize::try_from(ABSENT_PAGE - 1).unwrap_or(usize::MAX),
        out,
    )
}

fn put_len(
    what: &'static str,
    count: usize,
    max: usize,
    out: &mut Vec<u8>,
) -> Result<(), SnapshotError> {
    let too_large = SnapshotError::TooLarge {
        what,
        count: count as u64,
        max: max as u64,
    };
    match u32::try_from(count) {
        Ok(len) if count <= max => {
            out.extend_from_slice(&len.to_le_bytes());
            Ok(())
        }
        _ => Err(too_large),
    }
}

/// Fills in the head of a file whose body is complete.
fn seal(file: &mut [u8]) {
    let (head, body) = file.split_at_mut(HEAD_LEN);
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[12..HASHED_PREFIX_LEN].copy_from_slice(&(body.len() as u64).to_le_bytes());
    let hash = checksum(&head[..HASHED_PREFIX_LEN], body);
    head[HASHED_PREFIX_LEN..].copy_from_slice(&hash);
}

fn checksum(prefix: &[u8], body: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(prefix);
    hasher.update(body);
    *hasher.finalize().as_bytes()
}

/// The body of a file whose head is right.
fn open_seal(file: &[u8]) -> Result<&[u8], (usize, DamageKind)> {
    let known_magic = MAGIC.iter().zip(file).all(|(a, b)| a == b);
    if !known_magic {
        return Err((0, DamageKind::NotSuchAFile));
    }
    let wrong_length = |expected: u64| {
        let found = file.len() as u64;
        (file.len(), DamageKind::WrongLength { expected, found })
    };
    let Some((head, body)) = file.split_at_checked(HEAD_LEN) else {
        return Err(wrong_length(HEAD_LEN as u64));
    };
    let (prefix, hash) = head.split_at(HASHED_PREFIX_LEN);
    let mut fields = Reader::new(&prefix[8..]);
    let found = fields.u32().map_err(|_| (8, DamageKind::Checksum))?;
    if found != VERSION {
        let newest_known = VERSION;
        let what = DamageKind::UnknownVersion {
            found,
            newest_known,
        };
        return Err((8, what));
    }
    let body_len = u64_of(&mut fields).map_err(|_| (12, DamageKind::Checksum))?;
    if body_len != body.len() as u64 {
        return Err(wrong_length(body_len.saturating_add(HEAD_LEN as u64)));
    }
    if checksum(prefix, body) != hash {
        return Err((HASHED_PREFIX_LEN, DamageKind::Checksum));
    }
    Ok(body)
}

impl ObjectEntry {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.hash.0);
        out.extend_from_slice(&self.pack.to_le_bytes());
        out.extend_from_slice(&self.position.to_le_bytes());
        out.extend_from_slice(&self.stored_len.to_le_bytes());
        out.extend_from_slice(&self.content_len.to_le_bytes());
        out.push(self.codec.to_byte());
    }

    /// Bytes that it takes in its pack.
    pub(crate) fn file_len(&self) -> u64 {
        pack::OBJECT_HEADER_BYTES + u64::from(self.stored_len)
    }
}

/// What is wrong with a body.
struct Wrong(DamageKind);

impl From<DecodeError> for Wrong {
    fn from(_: DecodeError) -> Self {
        Wrong(DamageKind::Invalid("the body ends too early"))
    }
}

fn wrong(what: &'static str) -> Wrong {
    Wrong(DamageKind::Invalid(what))
}

fn u64_of(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    reader.array("u64").map(u64::from_le_bytes)
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

fn decode_body(reader: &mut Reader<'_>) -> Result<Manifest, Wrong> {
    let identity = Identity::from_le_bytes(reader.array("identity")?);
    let tx_offset = TxOffset(u64_of(reader)?);
    let taken_at = Timestamp::from_micros(i64::from_le_bytes(reader.array("i64")?));
    let extra_len = count(reader, 1)?;
    if extra_len > EXTRA_BYTES_MAX {
        return Err(wrong("too many extra bytes"));
    }
    let extra = reader.take(extra_len)?.to_vec();
    let packs = decode_packs(reader)?;
    let objects = decode_objects(reader, &packs)?;
    let blobs = decode_blobs(reader, objects.len())?;
    let tables = decode_tables(reader, objects.len())?;
    if !reader.rest().is_empty() {
        return Err(wrong("bytes follow the body"));
    }
    Ok(Manifest {
        identity,
        tx_offset,
        taken_at,
        extra,
        packs,
        objects,
        blobs,
        tables,
    })
}

fn decode_packs(reader: &mut Reader<'_>) -> Result<Vec<PackEntry>, Wrong> {
    let count = count(reader, PACK_ENTRY_LEN)?;
    let mut packs: Vec<PackEntry> = Vec::with_capacity(count);
    for _ in 0..count {
        let number = u64_of(reader)?;
        let byte_len = u64_of(reader)?;
        if packs.last().is_some_and(|last| last.number >= number) {
            return Err(wrong("packs out of order"));
        }
        packs.push(PackEntry { number, byte_len });
    }
    Ok(packs)
}

fn decode_objects(reader: &mut Reader<'_>, packs: &[PackEntry]) -> Result<Vec<ObjectEntry>, Wrong> {
    let count = count(reader, OBJECT_ENTRY_LEN)?;
    let mut objects = Vec::with_capacity(count);
    // The next object must not begin before this place.
    let mut free_from = (0, pack::HEADER_BYTES);
    for _ in 0..count {
        let hash = ObjectHash(reader.array("hash")?);
        let pack = reader.u32()?;
        let position = u64_of(reader)?;
        let stored_len = reader.u32()?;
        let content_len = reader.u32()?;
        let codec = Codec::from_byte(reader.u8()?).ok_or_else(|| wrong("unknown codec"))?;
        let entry = ObjectEntry {
            hash,
            pack,
            position,
            stored_len,
            content_len,
            codec,
        };
        let in_packs = usize::try_from(pack).ok().and_then(|pack| packs.get(pack));
        let pack_len = in_packs.ok_or_else(|| wrong("no such pack"))?.byte_len;
        if free_from.0 < pack {
            free_from = (pack, pack::HEADER_BYTES);
        }
        if (pack, position) < free_from {
            return Err(wrong("objects out of order"));
        }
        let end = position.checked_add(entry.file_len());
        match end.filter(|&end| end <= pack_len) {
            Some(end) => free_from = (pack, end),
            None => return Err(wrong("an object beyond the end of its pack")),
        }
        if !codec.can_hold(stored_len, content_len) {
            return Err(wrong("the lengths of an object do not fit"));
        }
        objects.push(entry);
    }
    Ok(objects)
}

fn object_index(index: u32, object_count: usize) -> Result<ObjectIndex, Wrong> {
    match usize::try_from(index) {
        Ok(number) if number < object_count => Ok(ObjectIndex(index)),
        _ => Err(wrong("no such object")),
    }
}

fn decode_blobs(reader: &mut Reader<'_>, object_count: usize) -> Result<Vec<BlobEntry>, Wrong> {
    let count = count(reader, BLOB_ENTRY_LEN)?;
    let mut blobs: Vec<BlobEntry> = Vec::with_capacity(count);
    for _ in 0..count {
        let object = object_index(reader.u32()?, object_count)?;
        let uses = u64_of(reader)?;
        if blobs.last().is_some_and(|last| last.object >= object) {
            return Err(wrong("blobs out of order"));
        }
        if uses == 0 {
            return Err(wrong("a blob that nobody uses"));
        }
        blobs.push(BlobEntry { object, uses });
    }
    Ok(blobs)
}

fn decode_tables(reader: &mut Reader<'_>, object_count: usize) -> Result<Vec<TableEntry>, Wrong> {
    let table_count = count(reader, TABLE_ENTRY_LEN_MIN)?;
    let mut tables: Vec<TableEntry> = Vec::with_capacity(table_count);
    for _ in 0..table_count {
        let table = TableId(reader.u32()?);
        if tables.last().is_some_and(|last| last.table >= table) {
            return Err(wrong("tables out of order"));
        }
        let fingerprint = reader.array("fingerprint")?;
        let row_count = u64_of(reader)?;
        let page_count = count(reader, PAGE_ENTRY_LEN)?;
        let mut pages = Vec::with_capacity(page_count);
        for _ in 0..page_count {
            pages.push(match reader.u32()? {
                ABSENT_PAGE => None,
                index => Some(object_index(index, object_count)?),
            });
        }
        tables.push(TableEntry {
            table,
            fingerprint,
            row_count,
            pages,
        });
    }
    Ok(tables)
}

#[cfg(test)]
mod tests;

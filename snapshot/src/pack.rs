//! Pack files: objects, one after the other.
//!
//! ```text
//! header, 56 bytes
//!    0   8   "stdbpack"
//!    8   4   format version, 1
//!   12   8   number of the pack, as in its name
//!   20  32   identity of the database
//!   52   4   CRC-32 of bytes 0..52
//! then objects without gaps, each
//!    0  32   hash of the content (BLAKE3)
//!   32   4   stored length
//!   36   4   content length
//!   40   1   codec: 0 plain, 1 one LZ4 block
//!   41   3   zero
//!   44   4   CRC-32 of the object's position in the file (8 bytes), bytes 0..44, stored bytes
//!   48   -   stored bytes
//! ```
//!
//! A pack has no index and no end mark: manifests say where its objects are and how long it is.
//! The object headers repeat that, so that a pack can be read without any manifest.
//!
//! Not here: which objects go into which pack (`writer`).

use std::path::{Path, PathBuf};

use spacetime_commitlog::storage::{OpenMode, Storage, StorageError, StorageFile};
use spacetime_types::Identity;

use crate::error::{DamageKind, SnapshotError};
use crate::manifest::ObjectEntry;
use crate::object::{self, Codec, ObjectHash};

const MAGIC: [u8; 8] = *b"stdbpack";
const VERSION: u32 = 1;
const CHECKED_BYTES: usize = 52;
pub(crate) const HEADER_BYTES: u64 = 56;
const OBJECT_CHECKED_BYTES: usize = 44;
const OBJECT_HEADER_LEN: usize = 48;
pub(crate) const OBJECT_HEADER_BYTES: u64 = OBJECT_HEADER_LEN as u64;

const _: () = assert!(HEADER_BYTES == CHECKED_BYTES as u64 + 4);
const _: () = assert!(OBJECT_HEADER_LEN == OBJECT_CHECKED_BYTES + 4);

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 1 << 20;

fn encode_header(number: u64, identity: Identity) -> Vec<u8> {
    let mut header = Vec::with_capacity(CHECKED_BYTES + 4);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&number.to_le_bytes());
    header.extend_from_slice(&identity.to_le_bytes());
    assert_eq!(header.len(), CHECKED_BYTES);
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    header
}

fn encode_object_fields(entry: &ObjectEntry) -> [u8; OBJECT_CHECKED_BYTES] {
    let mut fields = [0; OBJECT_CHECKED_BYTES];
    fields[..32].copy_from_slice(&entry.hash.0);
    fields[32..36].copy_from_slice(&entry.stored_len.to_le_bytes());
    fields[36..40].copy_from_slice(&entry.content_len.to_le_bytes());
    fields[40] = entry.codec.to_byte();
    fields
}

/// Covers every byte of an object, and its place: also those bytes of a compressed form that
/// could be others without any difference to the content.
fn object_crc(position: u64, fields: &[u8], stored: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&position.to_le_bytes());
    crc.update(fields);
    crc.update(stored);
    crc.finalize().to_le_bytes()
}

/// A pack that is being written.
#[derive(Debug)]
pub(crate) struct PackWriter {
    file: Box<dyn StorageFile>,
    buffer: Vec<u8>,
    /// Length of the file without the buffer.
    flushed: u64,
    unsynced: u64,
    /// After so many bytes the file is synced, so that no single sync holds up others for long.
    sync_bytes: u64,
}

impl PackWriter {
    pub(crate) fn create(
        storage: &dyn Storage,
        path: &Path,
        number: u64,
        identity: Identity,
        sync_bytes: u64,
    ) -> Result<Self, StorageError> {
        let file = storage.open(path, OpenMode::CreateOrTruncate)?;
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        buffer.extend_from_slice(&encode_header(number, identity));
        assert_eq!(buffer.len() as u64, HEADER_BYTES);
        Ok(PackWriter {
            file,
            buffer,
            flushed: 0,
            unsynced: 0,
            sync_bytes,
        })
    }

    pub(crate) fn byte_len(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    /// Adds an object at the end, which is where `entry` must say that it is.
    pub(crate) fn append(
        &mut self,
        entry: &ObjectEntry,
        stored: &[u8],
    ) -> Result<(), StorageError> {
        assert_eq!(entry.position, self.byte_len(), "objects lie without gaps");
        assert_eq!(u64::from(entry.stored_len), stored.len() as u64);
        let fields = encode_object_fields(entry);
        self.buffer.extend_from_slice(&fields);
        let crc = object_crc(entry.position, &fields, stored);
        self.buffer.extend_from_slice(&crc);
        if self.buffer.len() + stored.len() <= BUFFER_BYTES {
            self.buffer.extend_from_slice(stored);
            return Ok(());
        }
        self.flush()?;
        if stored.len() < BUFFER_BYTES {
            self.buffer.extend_from_slice(stored);
            return Ok(());
        }
        self.write(stored)
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.write(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.write_all_at(self.flushed, bytes)?;
        self.flushed += bytes.len() as u64;
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= self.sync_bytes {
            self.unsynced = 0;
            self.file.sync_data()?;
        }
        Ok(())
    }

    /// Brings everything to the disk; returns the pack's length.
    pub(crate) fn finish(mut self, sync: bool) -> Result<u64, StorageError> {
        self.flush()?;
        if sync {
            self.file.sync_data()?;
        }
        Ok(self.flushed)
    }
}

/// A pack that is open for reading, of the right length and with a good header.
#[derive(Debug)]
pub(crate) struct PackReader {
    file: Box<dyn StorageFile>,
    path: PathBuf,
}

impl PackReader {
    pub(crate) fn open(
        storage: &dyn Storage,
        path: &Path,
        number: u64,
        identity: Identity,
        byte_len: u64,
    ) -> Result<Self, SnapshotError> {
        let file = match storage.open(path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.is_not_found() => {
                return Err(SnapshotError::damaged(path, 0, DamageKind::Missing));
            }
            Err(error) => return Err(error.into()),
        };
        let found = file.byte_len()?;
        if found != byte_len {
            let at = found.min(byte_len);
            let what = DamageKind::WrongLength {
                expected: byte_len,
                found,
            };
            return Err(SnapshotError::damaged(path, at, what));
        }
        let mut header = [0; CHECKED_BYTES + 4];
        file.read_exact_at(0, &mut header)?;
        check_header(&header, number, identity)
            .map_err(|(at, what)| SnapshotError::damaged(path, at, what))?;
        Ok(PackReader {
            file,
            path: path.to_owned(),
        })
    }

    /// Reads an object and checks its content. `stored` is for reuse; the content is in `content`
    /// then, if the result is `Ok`.
    pub(crate) fn read(
        &self,
        entry: &ObjectEntry,
        stored: &mut Vec<u8>,
        content: &mut Vec<u8>,
    ) -> Result<(), SnapshotError> {
        let damaged = |at, what| SnapshotError::damaged(&self.path, at, what);
        let expected = entry.hash;
        let stored_len = usize::try_from(entry.stored_len).expect("a u32 fits a usize");
        let content_len = usize::try_from(entry.content_len).expect("a u32 fits a usize");
        // Both lengths were checked against the pack's length when the manifest was read.
        stored.resize(OBJECT_HEADER_LEN + stored_len, 0);
        self.file.read_exact_at(entry.position, stored)?;
        let (header, body) = stored.split_at(OBJECT_HEADER_LEN);
        let (fields, crc) = header.split_at(OBJECT_CHECKED_BYTES);
        let wanted = encode_object_fields(entry);
        if let Some(at) = fields.iter().zip(&wanted).position(|(a, b)| a != b) {
            let at = entry.position + at as u64;
            return Err(damaged(at, DamageKind::WrongObject { expected }));
        }
        if object_crc(entry.position, fields, body) != crc {
            return Err(damaged(entry.position, DamageKind::Checksum));
        }
        let whole = match entry.codec {
            Codec::Plain => {
                content.clear();
                content.extend_from_slice(body);
                true
            }
            Codec::Lz4 => object::decompress(body, content_len, content),
        };
        if !whole || ObjectHash::of(content) != expected {
            let at = entry.position + OBJECT_HEADER_BYTES;
            return Err(damaged(at, DamageKind::WrongContent { expected }));
        }
        Ok(())
    }
}

fn check_header(
    header: &[u8; CHECKED_BYTES + 4],
    number: u64,
    identity: Identity,
) -> Result<(), (u64, DamageKind)> {
    let (magic, rest) = header.split_first_chunk().expect("longer than that");
    if *magic != MAGIC {
        return Err((0, DamageKind::NotSuchAFile));
    }
    let (version, rest) = rest.split_first_chunk().expect("longer than that");
    let found = u32::from_le_bytes(*version);
    if found != VERSION {
        let newest_known = VERSION;
        return Err((
            8,
            DamageKind::UnknownVersion {
                found,
                newest_known,
            },
        ));
    }
    let crc = crc32fast::hash(&header[..CHECKED_BYTES]).to_le_bytes();
    if header[CHECKED_BYTES..] != crc {
        return Err((CHECKED_BYTES as u64, DamageKind::Checksum));
    }
    let (found, rest) = rest.split_first_chunk().expect("longer than that");
    let belongs_to = u64::from_le_bytes(*found);
    if belongs_to != number {
        return Err((12, DamageKind::WrongName { belongs_to }));
    }
    let (found, _) = rest.split_first_chunk().expect("longer than that");
    let found = Identity::from_le_bytes(*found);
    if found != identity {
        return Err((20, DamageKind::WrongDatabase { found }));
    }
    Ok(())
}

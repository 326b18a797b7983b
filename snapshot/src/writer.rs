//! Writing a snapshot.
//!
//! The order of what happens on disk, which is all that makes it safe:
//!   1. objects that no pack holds go to a new pack; the pack is synced;
//!   2. the manifest goes to a file with another name, which is synced;
//!   3. the directory is synced: both names are on disk;
//!   4. the manifest gets its name, and the directory is synced again.
//!
//! Nothing that exists is changed before step 4. Whatever fails before it leaves files that
//! nobody refers to; they are removed at once or by the next open.
//!
//! Not here: which objects there are, and when to write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use spacetime_commitlog::storage::OpenMode;
use spacetime_types::{Identity, TableId, Timestamp, TxOffset};

use crate::error::SnapshotError;
use crate::file_name;
use crate::manifest::{
    BlobEntry, Fingerprint, Manifest, ObjectEntry, ObjectIndex, PackEntry, TableEntry,
};
use crate::object::{self, Codec, OBJECT_BYTES_MAX, ObjectHash};
use crate::pack::PackWriter;
use crate::planted::{PlantedBug, is_planted};
use crate::repo::{Shared, SnapshotRepo};
use crate::state::{Place, SnapshotInfo};

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    pub identity: Identity,
    /// The last transaction that is in the state. It must be durable in the log.
    pub tx_offset: TxOffset,
    /// For retention by time, and for people.
    pub taken_at: Timestamp,
    /// The caller's own, see [`EXTRA_BYTES_MAX`](crate::manifest::EXTRA_BYTES_MAX).
    pub extra: Vec<u8>,
}

/// What writing a snapshot came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteReport {
    pub info: SnapshotInfo,
    pub objects_written: u64,
    /// Bytes of those before compression.
    pub content_bytes_written: u64,
    /// Bytes written to packs and to the manifest.
    pub file_bytes_written: u64,
    pub objects_reused: u64,
    pub content_bytes_reused: u64,
}

/// A pack that is being written.
#[derive(Debug)]
struct OpenPack {
    number: u64,
    path: PathBuf,
    file: PackWriter,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    objects_written: u64,
    content_bytes_written: u64,
    objects_reused: u64,
    content_bytes_reused: u64,
}

/// A snapshot that is being written. Nothing of it is visible before
/// [`finish`](SnapshotWriter::finish); dropped, it never was.
#[derive(Debug)]
pub struct SnapshotWriter {
    shared: Arc<Shared>,
    head: SnapshotHead,
    avoid: BTreeSet<u64>,
    objects: FxHashMap<ObjectHash, ObjectIndex>,
    /// By index.
    places: Vec<(ObjectHash, Place)>,
    blobs: BTreeMap<ObjectIndex, u64>,
    tables: BTreeMap<TableId, TableEntry>,
    current_table: Option<TableId>,
    pack: Option<OpenPack>,
    new_packs: BTreeMap<u64, u64>,
    /// Files to remove unless this is finished.
    created: Vec<PathBuf>,
    sums: Sums,
    content: Vec<u8>,
    stored: Vec<u8>,
    failed: bool,
}

impl SnapshotRepo {
    /// Begins a snapshot. Fails if another one is being written, and if there is a good one of
    /// this transaction.
    pub fn begin(&self, head: SnapshotHead) -> Result<SnapshotWriter, SnapshotError> {
        let state = &mut *self.shared.state();
        let dir = || self.shared.dir.clone();
        if state.writer_active {
            return Err(SnapshotError::WriterBusy { dir: dir() });
        }
        let infos = state.snapshots.values().map(|known| &known.info);
        let mut others = infos.filter(|info| info.identity != head.identity);
        if let Some(other) = others.next() {
            return Err(SnapshotError::WrongDatabase {
                dir: dir(),
                expected: head.identity,
                found: other.identity,
            });
        }
        let same = state.snapshots.get(&head.tx_offset);
        if same.is_some_and(|known| state.is_good(known)) {
            return Err(SnapshotError::AlreadyExists {
                dir: dir(),
                tx_offset: head.tx_offset,
            });
        }
        let options = &self.shared.options;
        let avoid = state.packs_to_avoid(options.small_packs_max, options.pack_bytes_max);
        state.writer_active = true;
        Ok(SnapshotWriter {
            shared: Arc::clone(&self.shared),
            head,
            avoid,
            objects: FxHashMap::default(),
            places: Vec::new(),
            blobs: BTreeMap::new(),
            tables: BTreeMap::new(),
            current_table: None,
            pack: None,
            new_packs: BTreeMap::new(),
            created: Vec::new(),
            sums: Sums::default(),
            content: Vec::new(),
            stored: Vec::new(),
            failed: false,
        })
    }
}

impl SnapshotWriter {
    /// Adds a blob. `write` appends its bytes; it is called only if they are not stored yet.
    pub fn blob(
        &mut self,
        hash: ObjectHash,
        uses: u64,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), SnapshotError> {
        if uses == 0 {
            return Err(SnapshotError::Misuse {
                what: "a blob that nobody uses",
            });
        }
        let index = self.object(hash, write)?;
        match self.blobs.insert(index, uses) {
            None => Ok(()),
            Some(_) => Err(SnapshotError::Misuse {
                what: "a blob was given twice",
            }),
        }
    }

    /// Begins a table, whose pages follow.
    pub fn table(
        &mut self,
        table: TableId,
        fingerprint: Fingerprint,
        row_count: u64,
    ) -> Result<(), SnapshotError> {
        let entry = TableEntry {
            table,
            fingerprint,
            row_count,
            pages: Vec::new(),
        };
        if self.tables.insert(table, entry).is_some() {
            return Err(SnapshotError::Misuse {
                what: "a table was given twice",
            });
        }
        self.current_table = Some(table);
        Ok(())
    }

    /// Adds the next page of the current table. `write` appends its image; it is called only if
    /// it is not stored yet.
    pub fn page(
        &mut self,
        hash: ObjectHash,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), SnapshotError> {
        let index = self.object(hash, write)?;
        self.push_page(Some(index))
    }

    /// Adds a page that is not there to the current table.
    pub fn absent_page(&mut self) -> Result<(), SnapshotError> {
        self.push_page(None)
    }

    fn push_page(&mut self, page: Option<ObjectIndex>) -> Result<(), SnapshotError> {
        let table = self
            .current_table
            .and_then(|table| self.tables.get_mut(&table));
        let Some(table) = table else {
            return Err(SnapshotError::Misuse {
                what: "a page before any table",
            });
        };
        table.pages.push(page);
        Ok(())
    }

    /// Finds an object in a pack, or puts it into one.
    fn object(
        &mut self,
        hash: ObjectHash,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<ObjectIndex, SnapshotError> {
        if self.failed {
            return Err(SnapshotError::WriterFailed);
        }
        if let Some(&index) = self.objects.get(&hash) {
            return Ok(index);
        }
        let index = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        if index == u32::MAX {
            return Err(SnapshotError::TooLarge {
                what: "objects",
                count: u64::from(index),
                max: u64::from(u32::MAX - 1),
            });
        }
        let stored = self.shared.state().objects.get(&hash).copied();
        let place = match stored.filter(|place| !self.avoid.contains(&place.pack)) {
            Some(place) => {
                self.sums.objects_reused += 1;
                self.sums.content_bytes_reused += u64::from(place.content_len);
                place
            }
            None => {
                self.content.clear();
                write(&mut self.content);
                let stored = self.store(hash);
                self.failed = stored.is_err();
                stored?
            }
        };
        self.objects.insert(hash, ObjectIndex(index));
        self.places.push((hash, place));
        Ok(ObjectIndex(index))
    }

    /// Puts `self.content` into the pack that is being written.
    fn store(&mut self, hash: ObjectHash) -> Result<Place, SnapshotError> {
        let content_len = match u32::try_from(self.content.len()) {
            Ok(len) if len <= OBJECT_BYTES_MAX => len,
            _ => {
                return Err(SnapshotError::TooLarge {
                    what: "bytes of an object",
                    count: self.content.len() as u64,
                    max: u64::from(OBJECT_BYTES_MAX),
                });
            }
        };
        let found = ObjectHash::of(&self.content);
        if found != hash {
            return Err(SnapshotError::WrongContent {
                announced: hash,
                found,
            });
        }
        let codec = object::compress(&self.content, &mut self.stored);
        let mut pack = match self.pack.take() {
            Some(pack) => pack,
            None => self.create_pack()?,
        };
        let bytes = match codec {
            Codec::Plain => &self.content,
            Codec::Lz4 => &self.stored,
        };
        let stored_len = u32::try_from(bytes.len()).expect("not longer than the content");
        let entry = ObjectEntry {
            hash,
            pack: 0,
            position: pack.file.byte_len(),
            stored_len,
            content_len,
            codec,
        };
        pack.file.append(&entry, bytes)?;
        let place = Place {
            pack: pack.number,
            position: entry.position,
            stored_len,
            content_len,
            codec,
        };
        self.sums.objects_written += 1;
        self.sums.content_bytes_written += u64::from(content_len);
        match pack.file.byte_len() < self.shared.options.pack_bytes_max {
            true => self.pack = Some(pack),
            false => self.finish_pack(pack)?,
        }
        Ok(place)
    }

    fn create_pack(&mut self) -> Result<OpenPack, SnapshotError> {
        let number = {
            let mut state = self.shared.state();
            let number = state.next_pack;
            let next = number.checked_add(1).ok_or(SnapshotError::TooLarge {
                what: "pack numbers",
                count: number,
                max: u64::MAX - 1,
            })?;
            state.next_pack = next;
            number
        };
        let path = self.shared.path(&file_name::pack(number));
        self.created.push(path.clone());
        let file = PackWriter::create(
            &*self.shared.storage,
            &path,
            number,
            self.head.identity,
            self.shared.options.sync_bytes,
        )?;
        Ok(OpenPack { number, path, file })
    }

    fn finish_pack(&mut self, pack: OpenPack) -> Result<(), SnapshotError> {
        let sync = !is_planted(PlantedBug::ManifestBeforePackSync);
        let byte_len = pack.file.finish(sync)?;
        self.new_packs.insert(pack.number, byte_len);
        Ok(())
    }

    /// Makes the snapshot visible, and durable.
    pub fn finish(mut self) -> Result<WriteReport, SnapshotError> {
        if self.failed {
            return Err(SnapshotError::WriterFailed);
        }
        let last_pack = self.pack.take();
        let last_path = last_pack.as_ref().map(|pack| pack.path.clone());
        if let Some(pack) = last_pack {
            self.finish_pack(pack)?;
        }
        let manifest = self.manifest()?;
        let bytes = manifest.encode()?;
        let manifest_bytes = bytes.len() as u64;
        self.publish(&bytes)?;
        if let Some(path) = last_path.filter(|_| is_planted(PlantedBug::ManifestBeforePackSync)) {
            self.shared
                .storage
                .open(&path, OpenMode::ReadWrite)?
                .sync_data()?;
        }
        self.shared.state().add(&manifest, manifest_bytes);
        let pack_bytes: u64 = self.new_packs.values().sum();
        Ok(WriteReport {
            info: SnapshotInfo::new(&manifest, manifest_bytes),
            objects_written: self.sums.objects_written,
            content_bytes_written: self.sums.content_bytes_written,
            file_bytes_written: pack_bytes + manifest_bytes,
            objects_reused: self.sums.objects_reused,
            content_bytes_reused: self.sums.content_bytes_reused,
        })
    }

    /// Steps 2 to 4.
    fn publish(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let storage = Arc::clone(&self.shared.storage);
        let unfinished = self
            .shared
            .path(&file_name::unfinished(self.head.tx_offset));
        let path = self.shared.path(&file_name::manifest(self.head.tx_offset));
        self.created.push(unfinished.clone());
        let file = storage.open(&unfinished, OpenMode::CreateOrTruncate)?;
        file.write_all_at(0, bytes)?;
        file.sync_data()?;
        storage.sync_dir(&self.shared.dir)?;
        // From here on the manifest may be there, whatever is reported: the packs must stay.
        self.created.clear();
        let renamed = storage.rename(&unfinished, &path);
        let published =
            renamed.and_then(|()| match is_planted(PlantedBug::NoDirSyncAfterManifest) {
                true => Ok(()),
                false => storage.sync_dir(&self.shared.dir),
            });
        if let Err(error) = &published {
            self.shared
                .state()
                .set_uncertain(self.head.tx_offset, error);
        }
        Ok(published?)
    }

    /// Puts what was collected into the manifest's order.
    fn manifest(&mut self) -> Result<Manifest, SnapshotError> {
        let places = std::mem::take(&mut self.places);
        let mut by_place: Vec<usize> = (0..places.len()).collect();
        by_place.sort_unstable_by_key(|&old| (places[old].1.pack, places[old].1.position));
        let mut packs: Vec<PackEntry> = Vec::new();
        let mut objects = Vec::with_capacity(places.len());
        let mut new_index = vec![ObjectIndex(0); places.len()];
        for old in by_place {
            let (hash, place) = places[old];
            if packs.last().is_none_or(|last| last.number != place.pack) {
                packs.push(PackEntry {
                    number: place.pack,
                    byte_len: self.pack_len(place.pack)?,
                });
            }
            let index = u32::try_from(objects.len()).expect("counted when it was added");
            new_index[old] = ObjectIndex(index);
            objects.push(ObjectEntry {
                hash,
                pack: u32::try_from(packs.len() - 1).expect("not more packs than objects"),
                position: place.position,
                stored_len: place.stored_len,
                content_len: place.content_len,
                codec: place.codec,
            });
        }
        let renumber = |old: ObjectIndex| new_index[old.0 as usize];
        let mut tables: Vec<_> = std::mem::take(&mut self.tables).into_values().collect();
        for page in tables.iter_mut().flat_map(|table| &mut table.pages) {
            *page = page.map(renumber);
        }
        let blobs = std::mem::take(&mut self.blobs).into_iter();
        let mut blobs: Vec<_> = blobs
            .map(|(old, uses)| BlobEntry {
                object: renumber(old),
                uses,
            })
            .collect();
        blobs.sort_unstable_by_key(|blob| blob.object);
        Ok(Manifest {
            identity: self.head.identity,
            tx_offset: self.head.tx_offset,
            taken_at: self.head.taken_at,
            extra: std::mem::take(&mut self.head.extra),
            packs,
            objects,
            blobs,
            tables,
        })
    }

    fn pack_len(&self, number: u64) -> Result<u64, SnapshotError> {
        let new = self.new_packs.get(&number).copied();
        let known = || self.shared.state().packs.get(&number).copied();
        new.or_else(known).ok_or(SnapshotError::Misuse {
            what: "a pack went away while it was needed",
        })
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        for path in &self.created {
            // If this fails, the next open does it.
            let _ = self.shared.storage.remove(path);
        }
        self.shared.state().writer_active = false;
    }
}

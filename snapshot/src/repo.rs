//! The snapshots of one database.
//!
//! A handle is cheap to clone and can be used from any thread; one snapshot is written at a time.
//! Writing does not disturb loading, and neither does removal: what is loaded stays readable.
//!
//! Not here: the formats (`manifest`, `pack`), and which snapshots to keep (`retention`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spacetime_commitlog::storage::{OpenMode, Storage};
use spacetime_types::TxOffset;

use crate::error::{DamageKind, SnapshotError};
use crate::file_name::{self, FileKind};
use crate::load::LoadedSnapshot;
use crate::manifest::{MANIFEST_BYTES_MAX, Manifest};
use crate::pack::PackReader;
use crate::state::{SnapshotInfo, State};

/// Sizes; the defaults are right unless a test wants otherwise.
#[derive(Clone, Debug)]
pub struct SnapshotOptions {
    /// A pack that has reached this length is not extended; the next object begins another one.
    pub pack_bytes_max: u64,
    /// While a snapshot is written, its pack is synced after so many bytes, so that the log's
    /// syncs never wait for gigabytes.
    pub sync_bytes: u64,
    /// If a snapshot needs more small packs than this, the next one merges the smallest.
    pub small_packs_max: usize,
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        SnapshotOptions {
            pack_bytes_max: 512 << 20,
            sync_bytes: 32 << 20,
            small_packs_max: 32,
        }
    }
}

/// What opening found and did.
#[derive(Clone, Debug, Default)]
pub struct OpenReport {
    /// Files left by a crash, and removed.
    pub removed: Vec<String>,
    /// Files of no use that were left: because there are manifests that cannot be read, which may
    /// refer to them, or because they could not be removed.
    pub left: Vec<String>,
}

/// A manifest that cannot be used, and why.
#[derive(Clone, Debug)]
pub struct UnusableSnapshot {
    pub tx_offset: TxOffset,
    pub error: Arc<SnapshotError>,
}

/// Sums over a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepoStats {
    pub snapshot_count: u64,
    pub unusable_count: u64,
    pub pack_count: u64,
    /// Length of all packs.
    pub pack_bytes: u64,
    pub manifest_bytes: u64,
    /// Distinct objects that the packs are known to hold, and their bytes before and after
    /// compression.
    pub object_count: u64,
    pub content_bytes: u64,
    pub stored_bytes: u64,
    /// Sum over all snapshots of what each would take alone: how much sharing saves.
    pub unshared_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub storage: Arc<dyn Storage>,
    pub dir: PathBuf,
    pub options: SnapshotOptions,
    state: Mutex<State>,
}

/// The snapshots of one database.
#[derive(Clone, Debug)]
pub struct SnapshotRepo {
    pub(crate) shared: Arc<Shared>,
    report: Arc<OpenReport>,
}

impl Shared {
    /// The state is consistent between any two statements that change it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Remembers what an error says about stored files, and passes it on.
    pub(crate) fn note(&self, state: &mut State, error: SnapshotError) -> SnapshotError {
        let SnapshotError::Damaged(damage) = &error else {
            return error;
        };
        let name = damage.file.file_name().and_then(|name| name.to_str());
        match name.and_then(file_name::parse) {
            Some(FileKind::Pack(number)) => {
                state.suspect.insert(number);
            }
            Some(FileKind::Manifest(offset)) => {
                state.snapshots.remove(&offset);
                let copy = SnapshotError::Damaged(damage.clone());
                state.unusable.insert(offset, Arc::new(copy));
            }
            Some(FileKind::Unfinished) | None => {}
        }
        error
    }

    pub(crate) fn read_manifest(&self, offset: TxOffset) -> Result<(Manifest, u64), SnapshotError> {
        let path = self.path(&file_name::manifest(offset));
        let file = match self.storage.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.is_not_found() => {
                return Err(SnapshotError::NotFound {
                    dir: self.dir.clone(),
                    tx_offset: offset,
                });
            }
            Err(error) => return Err(error.into()),
        };
        let found = file.byte_len()?;
        let len = match usize::try_from(found) {
            Ok(len) if found <= MANIFEST_BYTES_MAX => len,
            _ => {
                let expected = MANIFEST_BYTES_MAX;
                let what = DamageKind::WrongLength { expected, found };
                return Err(SnapshotError::damaged(&path, expected, what));
            }
        };
        let mut bytes = vec![0; len];
        file.read_exact_at(0, &mut bytes)?;
        let manifest = Manifest::decode(&bytes, &path)?;
        if manifest.tx_offset != offset {
            let belongs_to = manifest.tx_offset.0;
            let what = DamageKind::WrongName { belongs_to };
            return Err(SnapshotError::damaged(&path, 0, what));
        }
        Ok((manifest, found))
    }

    /// The packs of a manifest, in its order.
    pub(crate) fn open_packs(&self, manifest: &Manifest) -> Result<Vec<PackReader>, SnapshotError> {
        let mut packs = Vec::with_capacity(manifest.packs.len());
        for pack in &manifest.packs {
            packs.push(PackReader::open(
                &*self.storage,
                &self.path(&file_name::pack(pack.number)),
                pack.number,
                manifest.identity,
                pack.byte_len,
            )?);
        }
        Ok(packs)
    }
}

impl SnapshotRepo {
    /// Opens the snapshots in `dir`, which is created if missing, and removes what a crash left.
    ///
    /// Snapshots that cannot be used are no error: see [`SnapshotRepo::unusable`].
    pub fn open(storage: Arc<dyn Storage>, dir: &Path) -> Result<Self, SnapshotError> {
        SnapshotRepo::open_with(storage, dir, SnapshotOptions::default())
    }

    /// As [`SnapshotRepo::open`], with other sizes.
    pub fn open_with(
        storage: Arc<dyn Storage>,
        dir: &Path,
        options: SnapshotOptions,
    ) -> Result<Self, SnapshotError> {
        let names = match storage.list(dir) {
            Ok(names) => names,
            Err(error) if error.is_not_found() => {
                storage.create_dir(dir)?;
                Vec::new()
            }
            Err(error) => return Err(error.into()),
        };
        // An earlier start may have created the directory and failed right here.
        if let (true, Some(parent)) = (names.is_empty(), dir.parent()) {
            storage.sync_dir(parent)?;
        }
        let (mut repo, leftovers) = SnapshotRepo::scan(storage, dir, options, &names);
        let mut report = OpenReport::default();
        for (name, removable) in leftovers {
            let path = repo.shared.path(&name);
            match removable && repo.shared.storage.remove(&path).is_ok() {
                true => report.removed.push(name),
                false => report.left.push(name),
            }
        }
        repo.report = Arc::new(report);
        Ok(repo)
    }

    /// Opens the snapshots in `dir` without changing anything. A missing directory is empty.
    pub fn open_read_only(storage: Arc<dyn Storage>, dir: &Path) -> Result<Self, SnapshotError> {
        let names = match storage.list(dir) {
            Ok(names) => names,
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let options = SnapshotOptions::default();
        let (mut repo, leftovers) = SnapshotRepo::scan(storage, dir, options, &names);
        repo.report = Arc::new(OpenReport {
            removed: Vec::new(),
            left: leftovers.into_iter().map(|(name, _)| name).collect(),
        });
        Ok(repo)
    }

    /// Reads all manifests. Returns what is of no use as well, and whether it can be removed.
    fn scan(
        storage: Arc<dyn Storage>,
        dir: &Path,
        options: SnapshotOptions,
        names: &[String],
    ) -> (Self, Vec<(String, bool)>) {
        let shared = Shared {
            storage,
            dir: dir.to_owned(),
            options,
            state: Mutex::default(),
        };
        let kinds: BTreeMap<&String, FileKind> = names
            .iter()
            .filter_map(|name| Some((name, file_name::parse(name)?)))
            .collect();
        let mut state = State::default();
        for kind in kinds.values() {
            match *kind {
                FileKind::Manifest(offset) => shared.scan_manifest(offset, &mut state),
                FileKind::Pack(number) => {
                    state.next_pack = state.next_pack.max(number.saturating_add(1));
                }
                FileKind::Unfinished => {}
            }
        }
        let all_known = state.unusable.is_empty();
        let leftovers = kinds.iter().filter_map(|(name, kind)| match kind {
            FileKind::Manifest(_) => None,
            FileKind::Pack(number) if state.packs.contains_key(number) => None,
            FileKind::Pack(_) => Some(((*name).clone(), all_known)),
            FileKind::Unfinished => Some(((*name).clone(), true)),
        });
        let leftovers = leftovers.collect();
        *shared.state() = state;
        let repo = SnapshotRepo {
            shared: Arc::new(shared),
            report: Arc::default(),
        };
        (repo, leftovers)
    }

    /// Where the snapshots are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// What the snapshots lie on.
    #[must_use]
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.shared.storage
    }

    /// What opening found and did.
    #[must_use]
    pub fn open_report(&self) -> &OpenReport {
        &self.report
    }

    /// The complete snapshots, oldest first, without those in which damage was found since.
    #[must_use]
    pub fn list(&self) -> Vec<SnapshotInfo> {
        let state = self.shared.state();
        let good = state
            .snapshots
            .values()
            .filter(|known| state.is_good(known));
        good.map(|known| known.info.clone()).collect()
    }

    /// Snapshots that are there but cannot be used, oldest first.
    #[must_use]
    pub fn unusable(&self) -> Vec<UnusableSnapshot> {
        let state = self.shared.state();
        let mut unusable = state.unusable.clone();
        for (&offset, known) in &state.snapshots {
            let suspect = known
                .live
                .iter()
                .find(|(pack, _)| state.suspect.contains(pack));
            if let Some((pack, _)) = suspect {
                let file = self.shared.path(&file_name::pack(*pack));
                let what = DamageKind::Invalid("damage was found in this pack");
                unusable.insert(offset, Arc::new(SnapshotError::damaged(&file, 0, what)));
            }
        }
        let unusable = unusable.into_iter();
        unusable
            .map(|(tx_offset, error)| UnusableSnapshot { tx_offset, error })
            .collect()
    }

    /// Opens a snapshot for reading. Its manifest is verified now, each object when it is read.
    pub fn load(&self, offset: TxOffset) -> Result<LoadedSnapshot, SnapshotError> {
        let mut state = self.shared.state();
        let opened = self.shared.read_manifest(offset).and_then(|(manifest, _)| {
            let packs = self.shared.open_packs(&manifest)?;
            Ok((manifest, packs))
        });
        match opened {
            Ok((manifest, packs)) => {
                drop(state);
                Ok(LoadedSnapshot::new(&self.shared, manifest, packs))
            }
            Err(error) => Err(self.shared.note(&mut state, error)),
        }
    }

    /// Sums over all snapshots.
    #[must_use]
    pub fn stats(&self) -> RepoStats {
        let state = self.shared.state();
        let infos = || state.snapshots.values().map(|known| &known.info);
        let places = || state.objects.values();
        RepoStats {
            snapshot_count: state.snapshots.len() as u64,
            unusable_count: state.unusable.len() as u64,
            pack_count: state.packs.len() as u64,
            pack_bytes: state.packs.values().sum(),
            manifest_bytes: infos().map(|info| info.manifest_bytes).sum(),
            object_count: state.objects.len() as u64,
            content_bytes: places().map(|place| u64::from(place.content_len)).sum(),
            stored_bytes: places().map(|place| u64::from(place.stored_len)).sum(),
            unshared_bytes: infos().map(|info| info.stored_bytes).sum(),
        }
    }

    /// Takes a snapshot for unusable from now on: its bytes are as they were written, and yet what
    /// they say makes no sense to the caller. It is not listed, another one of the same
    /// transaction can be taken, and retention does not count it. The next open forgets this.
    pub fn distrust(&self, offset: TxOffset, why: &'static str) {
        let state = &mut *self.shared.state();
        if !state.snapshots.contains_key(&offset) {
            return;
        }
        let file = self.shared.path(&file_name::manifest(offset));
        let error = SnapshotError::damaged(&file, 0, DamageKind::Invalid(why));
        let _noted = self.shared.note(state, error);
    }

    /// Removes a snapshot, usable or not, and the packs that only it needed.
    pub fn remove(&self, offset: TxOffset) -> Result<(), SnapshotError> {
        let state = &mut *self.shared.state();
        let known = state.snapshots.contains_key(&offset) || state.unusable.contains_key(&offset);
        if !known {
            return Err(SnapshotError::NotFound {
                dir: self.shared.dir.clone(),
                tx_offset: offset,
            });
        }
        if state.holds.contains_key(&offset) {
            return Err(SnapshotError::Held { tx_offset: offset });
        }
        self.shared.remove(state, &[offset]).map(drop)
    }
}

impl Shared {
    fn scan_manifest(&self, offset: TxOffset, state: &mut State) {
        let read = self.read_manifest(offset).and_then(|(manifest, bytes)| {
            self.open_packs(&manifest)?;
            Ok((manifest, bytes))
        });
        match read {
            Ok((manifest, bytes)) => state.add(&manifest, bytes),
            Err(error) => {
                state.unusable.insert(offset, Arc::new(error));
            }
        }
    }

    /// Removes manifests, then the packs that nothing needs any more; returns the bytes of those.
    pub(crate) fn remove(
        &self,
        state: &mut State,
        offsets: &[TxOffset],
    ) -> Result<(u64, u64), SnapshotError> {
        for &offset in offsets {
            let path = self.path(&file_name::manifest(offset));
            match self.storage.remove(&path) {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {}
            }
            state.snapshots.remove(&offset);
            state.unusable.remove(&offset);
        }
        // A snapshot that is being written may need any pack; a manifest that cannot be read, too.
        let keep_packs = state.writer_active || !state.unusable.is_empty();
        let mut unused = match keep_packs {
            true => Vec::new(),
            false => state.unused_packs(),
        };
        if crate::planted::is_planted(crate::planted::PlantedBug::RetentionRemovesNeededPack) {
            let newest = state.snapshots.values().next_back();
            unused.extend(
                newest
                    .and_then(|known| known.live.first())
                    .map(|live| live.0),
            );
        }
        if !offsets.is_empty() || !unused.is_empty() {
            // Without this, a removed manifest could come back after its packs are gone.
            self.storage.sync_dir(&self.dir)?;
        }
        let gone: BTreeSet<u64> = unused.into_iter().collect();
        let lens = state.packs.iter().filter(|(pack, _)| gone.contains(pack));
        let bytes = lens.map(|(_, len)| len).sum();
        state.forget_packs(&gone);
        for &pack in &gone {
            match self.storage.remove(&self.path(&file_name::pack(pack))) {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {}
            }
        }
        Ok((gone.len() as u64, bytes))
    }
}

//! A simulated disk. One seed is one behaviour, byte for byte.
//!
//! It keeps two images: what running programs see, and what would be left after a power cut.
//! Between the two are pending writes, lengths and directory entries. A power cut applies a
//! random subset of them, writes in sectors of 512 bytes. A failed sync loses a random subset
//! for good, as kernels do: a later sync that succeeds does not bring them back.
//!
//! It can also cut the power at a chosen operation, fail the n-th operation of a kind, flip
//! bits, and pretend to sync (the null control of crash tests).
//!
//! Not here: stalls (time is not simulated).

mod file;
mod image;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{OpenMode, Storage, StorageError, StorageFile, StorageLock};
use file::SimFile;
use image::Image;

/// An operation that fails when its turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A write stores half of its bytes; then, and ever after, the disk is full.
    WriteNoSpace,
    /// A write fails with EIO.
    WriteError,
    /// A write stores half of its bytes and says so.
    ShortWrite,
    /// A read or write is interrupted before anything happened.
    Interrupted,
    /// A file sync fails with EIO.
    SyncError,
    /// A directory sync fails with EIO.
    SyncDirError,
    /// A read fails with EIO.
    ReadError,
    /// A read returns half of what was asked for.
    ShortRead,
    /// A file cannot be opened: too many open files.
    OpenError,
    /// A rename fails with EIO.
    RenameError,
    /// A change of length fails with EIO.
    SetLenError,
    /// A file cannot be removed: EIO.
    RemoveError,
    /// No room can be set aside: the disk is full.
    AllocateNoSpace,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Fault; 13] = [
        Fault::WriteNoSpace,
        Fault::WriteError,
        Fault::ShortWrite,
        Fault::Interrupted,
        Fault::SyncError,
        Fault::SyncDirError,
        Fault::ReadError,
        Fault::ShortRead,
        Fault::OpenError,
        Fault::RenameError,
        Fault::SetLenError,
        Fault::RemoveError,
        Fault::AllocateNoSpace,
    ];
}

/// What happened on a simulated disk: proof that its faults are not idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimCounts {
    /// Operations that change something or make it durable.
    pub changes: u64,
    pub syncs: u64,
    /// Faults that fired.
    pub faults: u64,
    /// Lost in power cuts.
    pub sectors_lost: u64,
    pub lengths_lost: u64,
    pub entries_lost: u64,
}

/// A simulated disk; clones share it. There is one directory, `/`, at first.
#[derive(Clone, Debug)]
pub struct SimStorage {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug)]
struct Disk {
    image: Image,
    counts: SimCounts,
    fault: Option<PlannedFault>,
    fault_hit: Option<PathBuf>,
    disk_full: bool,
    power_cut_at: Option<u64>,
    power_is_off: bool,
    file_syncs_disabled: bool,
    dir_syncs_disabled: bool,
    locks: Vec<PathBuf>,
}

#[derive(Debug)]
struct PlannedFault {
    kind: Fault,
    /// Operations of this kind still to let through.
    left: u64,
}

impl SimStorage {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        SimStorage::with_image(Image::new(seed))
    }

    fn with_image(image: Image) -> Self {
        SimStorage {
            disk: Arc::new(Mutex::new(Disk {
                image,
                counts: SimCounts::default(),
                fault: None,
                fault_hit: None,
                disk_full: false,
                power_cut_at: None,
                power_is_off: false,
                file_syncs_disabled: false,
                dir_syncs_disabled: false,
                locks: Vec::new(),
            })),
        }
    }

    /// A copy of this disk as programs see it, all of it durable, without faults or locks.
    #[must_use]
    pub fn fork(&self, seed: u64) -> Self {
        SimStorage::with_image(self.disk.lock().image.fork(seed))
    }

    /// The disk that a power cut now would leave. This one is dead afterwards.
    #[must_use]
    pub fn after_power_cut(&self) -> Self {
        let mut disk = self.disk.lock();
        disk.power_is_off = true;
        let mut counts = disk.counts;
        let image = disk.image.after_power_cut(&mut counts);
        disk.counts = counts;
        SimStorage::with_image(image)
    }

    /// What a power cut now could leave, while this one goes on.
    #[must_use]
    pub fn power_cut_copy(&self, seed: u64) -> Self {
        let mut image = self.disk.lock().image.clone();
        image.reseed(seed);
        SimStorage::with_image(image.after_power_cut(&mut SimCounts::default()))
    }

    /// Cuts the power right before the n-th change from now (0 is the next one).
    pub fn cut_power_before_change(&self, nth: u64) {
        let mut disk = self.disk.lock();
        disk.power_cut_at = Some(disk.counts.changes + nth);
    }

    /// Fails the n-th operation of a kind from now (0 is the next one).
    pub fn fail_nth(&self, kind: Fault, nth: u64) {
        self.disk.lock().fault = Some(PlannedFault { kind, left: nth });
    }

    /// The file that the last fault hit.
    #[must_use]
    pub fn fault_hit(&self) -> Option<PathBuf> {
        self.disk.lock().fault_hit.clone()
    }

    /// The disk as a restarted process finds it: no faults planned, no locks held, and what is
    /// pending is still pending. This one is dead afterwards.
    #[must_use]
    pub fn after_restart(&self) -> Self {
        let mut disk = self.disk.lock();
        disk.power_is_off = true;
        SimStorage::with_image(disk.image.clone())
    }

    /// From now on file syncs report success and do nothing.
    pub fn disable_file_syncs(&self) {
        self.disk.lock().file_syncs_disabled = true;
    }

    /// From now on directory syncs report success and do nothing.
    pub fn disable_dir_syncs(&self) {
        self.disk.lock().dir_syncs_disabled = true;
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> SimCounts {
        self.disk.lock().counts
    }

    /// True once the power was cut.
    #[must_use]
    pub fn power_is_off(&self) -> bool {
        self.disk.lock().power_is_off
    }

    /// Paths of all files, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.disk.lock().image.files()
    }

    /// The content of a file as programs see it.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        self.disk.lock().image.content(path)
    }

    /// The content of a file without what is pending: what a power cut leaves at least.
    #[must_use]
    pub fn synced_content(&self, path: &Path) -> Option<Vec<u8>> {
        self.disk.lock().image.synced_content(path)
    }

    /// Replaces the content of an existing file, on the platter too: what rot, or a bad copy,
    /// would do. Returns false if there is no such file.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.disk.lock().image.damage(path, change)
    }

    /// Makes a file vanish from the platter. Returns false if there is no such file.
    pub fn lose(&self, path: &Path) -> bool {
        self.disk.lock().image.lose(path)
    }
}

impl Disk {
    fn check_power(&self, operation: &'static str, path: &Path) -> Result<(), StorageError> {
        if self.power_is_off {
            let source = io::Error::other("the power is off");
            return Err(StorageError::new(operation, path, source));
        }
        Ok(())
    }

    /// Counts a change; the power may go before it.
    fn begin_change(&mut self, operation: &'static str, path: &Path) -> Result<(), StorageError> {
        self.power_is_off |= self.power_cut_at == Some(self.counts.changes);
        self.check_power(operation, path)?;
        self.counts.changes += 1;
        Ok(())
    }

    /// True if the planned fault is of this kind and its turn has come.
    fn fires(&mut self, kind: Fault, path: &Path) -> bool {
        let Some(planned) = self.fault.as_mut().filter(|planned| planned.kind == kind) else {
            return false;
        };
        if planned.left > 0 {
            planned.left -= 1;
            return false;
        }
        self.fault = None;
        self.fault_hit = Some(path.to_owned());
        self.counts.faults += 1;
        true
    }
}

fn io_error(operation: &'static str, path: &Path) -> StorageError {
    // What EIO becomes, without the number, which differs between systems.
    StorageError::new(operation, path, io::Error::other("input/output error"))
}

impl Storage for SimStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn StorageFile>, StorageError> {
        let mut disk = self.disk.lock();
        disk.check_power("open", path)?;
        if disk.fires(Fault::OpenError, path) {
            let source = io::Error::other("too many open files");
            return Err(StorageError::new("open", path, source));
        }
        let existing = disk.image.file_id(path);
        let id = match (mode, existing) {
            (OpenMode::Read | OpenMode::ReadWrite, Some(id)) => id,
            (OpenMode::Read | OpenMode::ReadWrite, None) => {
                let source = io::ErrorKind::NotFound.into();
                return Err(StorageError::new("open", path, source));
            }
            (OpenMode::CreateOrTruncate, Some(id)) => {
                disk.begin_change("truncate", path)?;
                disk.image.set_len(id, 0);
                id
            }
            (OpenMode::CreateOrTruncate, None) => {
                disk.begin_change("create", path)?;
                let created = disk.image.create_file(path);
                created.map_err(|e| StorageError::new("create", path, e))?
            }
        };
        drop(disk);
        Ok(Box::new(SimFile::new(&self.disk, id, path, mode)))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, StorageError> {
        let disk = self.disk.lock();
        disk.check_power("list", dir)?;
        let names = disk.image.list(dir);
        names.ok_or_else(|| StorageError::new("list", dir, io::ErrorKind::NotFound.into()))
    }

    fn create_dir(&self, dir: &Path) -> Result<(), StorageError> {
        let mut disk = self.disk.lock();
        disk.begin_change("create directory", dir)?;
        let created = disk.image.create_dir(dir);
        created.map_err(|e| StorageError::new("create directory", dir, e))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        let mut disk = self.disk.lock();
        disk.begin_change("rename to", to)?;
        if disk.fires(Fault::RenameError, to) {
            return Err(io_error("rename to", to));
        }
        let renamed = disk.image.rename(from, to);
        renamed.map_err(|e| StorageError::new("rename to", to, e))
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        let mut disk = self.disk.lock();
        disk.begin_change("remove", path)?;
        if disk.fires(Fault::RemoveError, path) {
            return Err(io_error("remove", path));
        }
        let removed = disk.image.remove(path);
        removed.map_err(|e| StorageError::new("remove", path, e))
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), StorageError> {
        let mut disk = self.disk.lock();
        disk.begin_change("sync directory", dir)?;
        disk.counts.syncs += 1;
        if disk.fires(Fault::SyncDirError, dir) {
            return Err(io_error("sync directory", dir));
        }
        if !disk.dir_syncs_disabled {
            disk.image.sync_dir(dir);
        }
        Ok(())
    }

    fn lock(&self, path: &Path, _content: &str) -> Result<Box<dyn StorageLock>, StorageError> {
        let mut disk = self.disk.lock();
        disk.check_power("lock", path)?;
        if disk.locks.iter().any(|held| held == path) {
            let source = io::ErrorKind::WouldBlock.into();
            return Err(StorageError::new("lock", path, source));
        }
        disk.locks.push(path.to_owned());
        drop(disk);
        Ok(Box::new(SimLock {
            disk: Arc::clone(&self.disk),
            path: path.to_owned(),
        }))
    }
}

#[derive(Debug)]
struct SimLock {
    disk: Arc<Mutex<Disk>>,
    path: PathBuf,
}

impl StorageLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.lock().locks.retain(|held| *held != self.path);
    }
}

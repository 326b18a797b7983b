//! Open files of the simulated disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::image::FileId;
use super::{Disk, Fault, OpenMode, StorageError, StorageFile, io_error};

#[derive(Debug)]
pub(super) struct SimFile {
    disk: Arc<Mutex<Disk>>,
    id: FileId,
    path: PathBuf,
    mode: OpenMode,
}

impl SimFile {
    pub(super) fn new(disk: &Arc<Mutex<Disk>>, id: FileId, path: &Path, mode: OpenMode) -> Self {
        SimFile {
            disk: Arc::clone(disk),
            id,
            path: path.to_owned(),
            mode,
        }
    }

    fn error(&self, operation: &'static str, kind: io::ErrorKind) -> StorageError {
        StorageError::new(operation, &self.path, kind.into())
    }

    fn check_writable(&self, operation: &'static str) -> Result<(), StorageError> {
        match self.mode {
            OpenMode::Read => Err(self.error(operation, io::ErrorKind::PermissionDenied)),
            OpenMode::ReadWrite | OpenMode::CreateOrTruncate => Ok(()),
        }
    }
}

impl StorageFile for SimFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        let mut disk = self.disk.lock();
        disk.check_power("read", &self.path)?;
        if disk.fires(Fault::Interrupted, &self.path) {
            return Err(self.error("read", io::ErrorKind::Interrupted));
        }
        if disk.fires(Fault::ReadError, &self.path) {
            return Err(io_error("read", &self.path));
        }
        let wanted = match buf.len() {
            len if len > 1 && disk.fires(Fault::ShortRead, &self.path) => len / 2,
            len => len,
        };
        Ok(disk.image.read(self.id, offset, &mut buf[..wanted]))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize, StorageError> {
        self.check_writable("write")?;
        let mut disk = self.disk.lock();
        disk.begin_change("write", &self.path)?;
        if disk.disk_full {
            return Err(self.error("write", io::ErrorKind::StorageFull));
        }
        if disk.fires(Fault::Interrupted, &self.path) {
            return Err(self.error("write", io::ErrorKind::Interrupted));
        }
        if disk.fires(Fault::WriteError, &self.path) {
            return Err(io_error("write", &self.path));
        }
        let half = &bytes[..bytes.len() / 2];
        if disk.fires(Fault::WriteNoSpace, &self.path) {
            disk.disk_full = true;
            disk.image.write(self.id, offset, half);
            return match half.len() {
                0 => Err(self.error("write", io::ErrorKind::StorageFull)),
                written => Ok(written),
            };
        }
        if !half.is_empty() && disk.fires(Fault::ShortWrite, &self.path) {
            disk.image.write(self.id, offset, half);
            return Ok(half.len());
        }
        disk.image.write(self.id, offset, bytes);
        Ok(bytes.len())
    }

    fn byte_len(&self) -> Result<u64, StorageError> {
        let disk = self.disk.lock();
        disk.check_power("examine", &self.path)?;
        Ok(disk.image.byte_len(self.id))
    }

    fn set_len(&self, len: u64) -> Result<(), StorageError> {
        self.check_writable("resize")?;
        let mut disk = self.disk.lock();
        disk.begin_change("resize", &self.path)?;
        if disk.fires(Fault::SetLenError, &self.path) {
            return Err(io_error("resize", &self.path));
        }
        disk.image.set_len(self.id, len);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), StorageError> {
        let mut disk = self.disk.lock();
        disk.begin_change("sync", &self.path)?;
        disk.counts.syncs += 1;
        if disk.fires(Fault::SyncError, &self.path) {
            disk.image.fail_sync(self.id);
            return Err(io_error("sync", &self.path));
        }
        if !disk.file_syncs_disabled {
            disk.image.sync_file(self.id);
        }
        Ok(())
    }

    fn allocate(&self, _: u64) -> Result<(), StorageError> {
        self.check_writable("set room aside for")?;
        let mut disk = self.disk.lock();
        disk.begin_change("set room aside for", &self.path)?;
        if disk.disk_full || disk.fires(Fault::AllocateNoSpace, &self.path) {
            return Err(self.error("set room aside for", io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

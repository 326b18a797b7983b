//! A moving window over a file: sequential reads in large pieces, random access in between.

use crate::storage::{StorageError, StorageFile};

const READ_BYTES: u64 = 1 << 20;

/// Reads a file of a length that was fixed when the window was made.
#[derive(Debug)]
pub(crate) struct Window {
    file: Box<dyn StorageFile>,
    file_len: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    pub(crate) fn new(file: Box<dyn StorageFile>) -> Result<Self, StorageError> {
        let file_len = file.byte_len()?;
        Ok(Window {
            file,
            file_len,
            start: 0,
            bytes: Vec::new(),
        })
    }

    pub(crate) fn file(&self) -> &dyn StorageFile {
        &*self.file
    }

    pub(crate) fn file_len(&self) -> u64 {
        self.file_len
    }

    /// Bytes `at .. at + len` of the file.
    ///
    /// # Panics
    /// If they are not all within the file. Callers check lengths that come from the file first.
    #[inline]
    pub(crate) fn get(&mut self, at: u64, len: u64) -> Result<&[u8], StorageError> {
        assert!(at <= self.file_len, "window behind the end of the file");
        assert!(len <= self.file_len - at, "window over the end of the file");
        let held_end = self.start + self.bytes.len() as u64;
        if at < self.start || at + len > held_end {
            self.fill(at, len)?;
        }
        let begin = usize::try_from(at - self.start).map_err(|_| self.too_large())?;
        let len = usize::try_from(len).map_err(|_| self.too_large())?;
        Ok(&self.bytes[begin..begin + len])
    }

    #[cold]
    fn fill(&mut self, at: u64, len: u64) -> Result<(), StorageError> {
        let read_len = len.max(READ_BYTES).min(self.file_len - at);
        let read_len = usize::try_from(read_len).map_err(|_| self.too_large())?;
        // Until it is filled, the window holds nothing.
        let mut bytes = std::mem::take(&mut self.bytes);
        self.start = at;
        bytes.resize(read_len, 0);
        self.file.read_exact_at(at, &mut bytes)?;
        self.bytes = bytes;
        Ok(())
    }

    fn too_large(&self) -> StorageError {
        let source = std::io::Error::from(std::io::ErrorKind::FileTooLarge);
        StorageError::new("read", self.file.path(), source)
    }
}

//! Reading a snapshot.
//!
//! A loaded snapshot can be shared between threads, each with an [`ObjectBuffer`] of its own;
//! reading objects in the manifest's order reads each pack from its beginning to its end. Memory
//! is bounded by the largest object times the number of buffers.

use std::sync::Arc;

use crate::error::SnapshotError;
use crate::manifest::{Manifest, ObjectIndex};
use crate::pack::PackReader;
use crate::repo::Shared;

/// A snapshot that is open for reading. Removing it from the repository does not disturb this.
#[derive(Debug)]
pub struct LoadedSnapshot {
    shared: Arc<Shared>,
    manifest: Manifest,
    packs: Vec<PackReader>,
}

/// Memory for one object, to be used again for the next.
#[derive(Debug, Default)]
pub struct ObjectBuffer {
    stored: Vec<u8>,
    content: Vec<u8>,
}

impl LoadedSnapshot {
    pub(crate) fn new(shared: &Arc<Shared>, manifest: Manifest, packs: Vec<PackReader>) -> Self {
        assert_eq!(manifest.packs.len(), packs.len(), "each pack is open");
        LoadedSnapshot {
            shared: Arc::clone(shared),
            manifest,
            packs,
        }
    }

    /// What the snapshot consists of.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The content of an object, checked against its hash. The index must come from this
    /// snapshot's manifest.
    pub fn object(&self, index: ObjectIndex) -> Result<Vec<u8>, SnapshotError> {
        let mut buffer = ObjectBuffer::default();
        self.read(index, &mut buffer)?;
        Ok(buffer.content)
    }

    /// As [`LoadedSnapshot::object`], without taking memory each time.
    pub fn read<'b>(
        &self,
        index: ObjectIndex,
        buffer: &'b mut ObjectBuffer,
    ) -> Result<&'b [u8], SnapshotError> {
        let misuse = || SnapshotError::Misuse {
            what: "the object is not in this snapshot",
        };
        let entry = self.manifest.object(index).ok_or_else(misuse)?;
        let pack = usize::try_from(entry.pack).ok();
        let pack = pack
            .and_then(|pack| self.packs.get(pack))
            .ok_or_else(misuse)?;
        match pack.read(entry, &mut buffer.stored, &mut buffer.content) {
            Ok(()) => Ok(&buffer.content),
            Err(error) => Err(self.shared.note(&mut self.shared.state(), error)),
        }
    }

    /// Passes all objects to `visit`, in the order in which they lie in the packs. Its errors and
    /// those of reading end the walk.
    pub fn for_each_object<E: From<SnapshotError>>(
        &self,
        mut visit: impl FnMut(ObjectIndex, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = ObjectBuffer::default();
        for index in self.indices() {
            visit(index, self.read(index, &mut buffer)?)?;
        }
        Ok(())
    }

    pub(crate) fn indices(&self) -> impl Iterator<Item = ObjectIndex> {
        let count = u32::try_from(self.manifest.objects.len()).expect("a manifest counts in u32");
        (0..count).map(ObjectIndex)
    }
}

//! Undoing changes of the schema. The rows of the system tables are undone by themselves.

use crate::Datastore;
use crate::transaction::CatalogueOp;

impl Datastore {
    pub(crate) fn undo_catalogue(&mut self, change: CatalogueOp) {
        match change {
            CatalogueOp::Created(table) => {
                let table = self.unregister(table);
                assert!(
                    table.is_some_and(|table| table.rows.is_empty()),
                    "the rows of a new table were undone first"
                );
            }
            CatalogueOp::Dropped(table) => self.register(table),
            CatalogueOp::Reindexed(before) => {
                let table = self.unregister(before.schema.id);
                let mut table = table.unwrap_or_else(|| panic!("a changed table is there"));
                table.restore_indexes(before);
                self.register(table);
            }
            CatalogueOp::Replaced(old) => {
                let new = self.unregister(old.schema.id);
                let mut new = new.unwrap_or_else(|| panic!("a changed table is there"));
                new.clear(&mut self.blobs);
                self.register(old);
            }
            CatalogueOp::SequenceCreated(sequence) => {
                let sequence = self.sequences.remove(&sequence);
                assert!(sequence.is_some(), "a new sequence is known");
            }
            CatalogueOp::SequenceDropped(sequence) => {
                self.sequences.insert(sequence.schema.id, sequence);
            }
        }
    }
}

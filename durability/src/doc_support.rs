//! A visitor for the example in the crate's documentation.

use std::convert::Infallible;

use spacetime_commitlog::TxVisitor;
use spacetime_types::bsatn::Reader;
use spacetime_types::{TableId, TxOffset};

/// Counts records; knows no tables.
#[derive(Debug, Default)]
pub struct CountRecords {
    pub records: u64,
}

impl TxVisitor for CountRecords {
    type Error = Infallible;

    fn begin(&mut self, _: TxOffset) -> Result<(), Infallible> {
        self.records += 1;
        Ok(())
    }

    fn insert(&mut self, _: TableId, _: &mut Reader<'_>) -> Result<(), Infallible> {
        Ok(())
    }

    fn delete(&mut self, _: TableId, _: &mut Reader<'_>) -> Result<(), Infallible> {
        Ok(())
    }

    fn truncate(&mut self, _: TableId) -> Result<(), Infallible> {
        Ok(())
    }

    fn end(&mut self, _: TxOffset) -> Result<(), Infallible> {
        Ok(())
    }

    fn skip_row(&mut self, _: TableId, _: &mut Reader<'_>) -> Result<(), Infallible> {
        Ok(())
    }
}

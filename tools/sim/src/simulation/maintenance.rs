//! Snapshots, and what is done with old parts of the log.

use super::Simulation;
use crate::activation::Kind;
use crate::replica::Replica;
use crate::violation::Violation;

impl Simulation {
    pub(super) fn take_snapshot(&mut self) -> Result<(), Violation> {
        Ok(())
    }

    /// Compresses a segment. If the disk refuses, the segment stays as it was.
    pub(super) fn maintain(&mut self) -> Result<(), Violation> {
        self.trace.line(format_args!("compress"));
        let compressed = self.replica().compress_segment();
        let had_reason = self.note_faults() || self.disk.power_is_off();
        match compressed {
            Ok(true) => self.activations.count(Kind::SegmentCompressed),
            Ok(false) => {}
            Err(_) if had_reason => {}
            Err(error) => return Err(Violation::new("compression", error.to_string())),
        }
        Ok(())
    }

    /// Counts what recovery had to do.
    pub(super) fn note_recovery(&mut self, replica: &Replica) {
        if replica.segment_count() > 1 {
            self.activations.count(Kind::SegmentRotated);
        }
    }
}

//! One pass over a log from its first record, with everything that can be read of it.

use spacetime_commitlog::segment;
use spacetime_commitlog::storage::{OpenMode, StorageError};

use crate::finding::Finding;
use crate::place::Place;
use crate::progress::{Progress, Throttled};
use crate::records::{RecordListener, read_commit};
use crate::scan::{Event, Scan, ScannedCommit, ScannedSegment};
use crate::schemas::Schemas;

/// Listens to a whole pass.
pub(crate) trait PassListener: RecordListener {
    /// A whole commit, before its records.
    fn commit(&mut self, _commit: &ScannedCommit<'_>) {}
    /// Something was found.
    fn finding(&mut self, _finding: Finding) {}
    /// A segment was read to its end.
    fn segment(&mut self, _segment: ScannedSegment) {}
    /// Nothing more is wanted.
    fn is_done(&self) -> bool {
        false
    }
}

/// What a pass went over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The offset that the next transaction has; `None` if there is no segment.
    pub(crate) next: Option<u64>,
    pub(crate) readable: u64,
    pub(crate) bytes: u64,
}

/// Reads a log and tells `listener` everything.
pub(crate) fn run<L: PassListener>(
    place: &Place,
    schemas: &mut Schemas,
    listener: &mut L,
    progress: &dyn Progress,
) -> Result<Passed, StorageError> {
    let mut throttled = Throttled::new(progress, total_bytes(place)?);
    let mut scan = Scan::open(place)?;
    let mut passed = Passed::default();
    while !listener.is_done() {
        throttled.at(scan.bytes_read());
        match scan.next() {
            None => break,
            Some(Event::Finding(finding)) => listener.finding(finding),
            Some(Event::SegmentEnd(segment)) => listener.segment(segment),
            Some(Event::Commit(commit)) => {
                listener.commit(&commit);
                let mut found = Vec::new();
                let tell = &mut |finding| found.push(finding);
                passed.readable += read_commit(&commit, schemas, listener, tell);
                for finding in found {
                    listener.finding(finding);
                }
            }
        }
    }
    passed.next = scan.expected();
    passed.bytes = scan.bytes_read();
    Ok(passed)
}

/// Bytes of all segments on disk. Of compressed ones that is less than what will be read.
pub(crate) fn total_bytes(place: &Place) -> Result<u64, StorageError> {
    let mut total = 0;
    for start in place.segments()? {
        let path = segment::path(place.log_dir(), start);
        // One that cannot be opened is told when its turn comes.
        if let Ok(file) = place.storage.open(&path, OpenMode::Read) {
            total += file.byte_len()?;
        }
    }
    Ok(total)
}

//! Commits taken out of the reader, so that another thread can read on meanwhile.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::commit::CommitHeader;
use crate::damage::LogError;
use crate::reader::{Commit, LogReader};
use crate::segment::{HEADER_LEN, Version};

/// A batch that has reached this takes no more commits.
const BYTES_MAX: usize = 1 << 20;
const COMMIT_COUNT_MAX: usize = 1 << 14;

/// Where the records of a segment's first commit can begin at most.
const FIRST_RECORDS_AT_MAX: u64 = (HEADER_LEN + Version::V1.commit_header_len()) as u64;

/// Some commits, in order, each checked. Reused from batch to batch.
#[derive(Debug, Default)]
pub struct CommitBatch {
    bytes: Vec<u8>,
    commits: Vec<Batched>,
    files: Vec<Arc<Path>>,
}

#[derive(Debug)]
struct Batched {
    header: CommitHeader,
    records: Range<usize>,
    records_at: u64,
    file: usize,
}

impl CommitBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        CommitBatch::default()
    }

    /// Replaces what is in the batch by the next commits of `log`. False if they are the last
    /// ones. After an error the batch holds what came before it.
    pub fn read(&mut self, log: &mut LogReader) -> Result<bool, LogError> {
        self.bytes.clear();
        self.commits.clear();
        self.files.clear();
        while self.bytes.len() < BYTES_MAX && self.commits.len() < COMMIT_COUNT_MAX {
            let Some(commit) = log.next_commit()? else {
                return Ok(false);
            };
            let begin = self.bytes.len();
            self.bytes.extend_from_slice(commit.records);
            let (header, records_at) = (commit.header, commit.records_at);
            // Within a segment commits only come later and later, and the first is near the front.
            let is_known = records_at > FIRST_RECORDS_AT_MAX && !self.files.is_empty();
            if !is_known {
                self.files.push(Arc::from(commit.file));
            }
            self.commits.push(Batched {
                header,
                records: begin..self.bytes.len(),
                records_at,
                file: self.files.len() - 1,
            });
        }
        Ok(true)
    }

    /// The commits.
    pub fn commits(&self) -> impl Iterator<Item = Commit<'_>> {
        self.commits.iter().map(|commit| Commit {
            header: commit.header,
            records: &self.bytes[commit.records.clone()],
            file: &self.files[commit.file],
            records_at: commit.records_at,
        })
    }
}

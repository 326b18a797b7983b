//! What the disk gives: write a batch at the end of a file, sync, again.
//!
//! The figures of a server that confirms only what is on disk stand next to these: it cannot
//! commit more batches a second than the disk syncs.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::histogram::Histogram;
use crate::report::Latency;

/// A size is measured no longer when it has written so much: rented disks are slowed down after.
const WRITTEN_BYTES_MAX: u64 = 256 << 20;
/// How much of the file exists before it is rewritten.
const REWRITTEN_BYTES: u64 = 16 << 20;
const BLOCK_BYTES: usize = 1 << 20;

/// How a batch reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Manner {
    /// The file grows with every batch, so each sync also writes its new size.
    Append,
    /// The space was written before: the least that a disk can be asked for.
    Rewrite,
}

/// The figures for one size of batch.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CommitFigures {
    pub manner: Manner,
    pub batch_bytes: u64,
    pub syncs_per_second: f64,
    pub bytes_per_second: f64,
    /// Of write and sync together.
    pub latency: Latency,
}

/// Removes the file when done, however it ended.
struct Scratch {
    path: PathBuf,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing more can be done about a file that cannot be removed.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Measures every size in both manners, in a new file in `folder`.
pub(crate) fn measure(folder: &Path, sizes: &[u64], time: Duration) -> Result<Vec<CommitFigures>> {
    let path = folder.join(format!("spacetime-bench-{}.tmp", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let mut file = options
        .open(&path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    let _scratch = Scratch { path };
    let mut figures = Vec::new();
    for size in sizes {
        file.set_len(0)?;
        file.sync_all()?;
        figures.push(measure_size(&mut file, Manner::Append, *size, time)?);
    }
    write_out(&mut file, sizes)?;
    for size in sizes {
        figures.push(measure_size(&mut file, Manner::Rewrite, *size, time)?);
    }
    Ok(figures)
}

/// Makes the file long enough for every size, once: writing much just before measuring would
/// measure a disk that is still busy, or one whose owner slows it down for a while.
fn write_out(file: &mut File, sizes: &[u64]) -> Result<()> {
    let largest = sizes.iter().copied().max().unwrap_or_default();
    let block = vec![1; BLOCK_BYTES];
    file.set_len(0)?;
    file.rewind()?;
    for _ in 0..REWRITTEN_BYTES.max(largest).div_ceil(BLOCK_BYTES as u64) {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    Ok(())
}

fn measure_size(
    file: &mut File,
    manner: Manner,
    batch_bytes: u64,
    time: Duration,
) -> Result<CommitFigures> {
    assert!(0 < batch_bytes, "nothing would be written");
    let batch: Vec<u8> = (0..batch_bytes)
        .map(|i| i.to_le_bytes()[0] ^ 0x5a)
        .collect();
    let rewritten_bytes = file.metadata()?.len();
    file.rewind()?;
    let mut latencies = Histogram::new();
    let (mut position, mut written_bytes) = (0, 0);
    let start = Instant::now();
    let mut before = start;
    while latencies.count() == 0 || (before - start < time && written_bytes < WRITTEN_BYTES_MAX) {
        if manner == Manner::Rewrite && rewritten_bytes < position + batch_bytes {
            position = 0;
            file.rewind()?;
        }
        file.write_all(&batch)?;
        file.sync_data()?;
        position += batch_bytes;
        written_bytes += batch_bytes;
        let after = Instant::now();
        let nanos = (after - before).as_nanos();
        latencies.record(u64::try_from(nanos).unwrap_or(u64::MAX));
        before = after;
    }
    let seconds = (before - start).as_secs_f64();
    let syncs_per_second = latencies.count() as f64 / seconds;
    Ok(CommitFigures {
        manner,
        batch_bytes,
        syncs_per_second,
        bytes_per_second: syncs_per_second * batch_bytes as f64,
        latency: Latency::of(&latencies),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_measured_in_both_manners_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let figures = measure(folder.path(), &[100, 5000], Duration::from_millis(5)).unwrap();
        let found: Vec<_> = figures
            .iter()
            .map(|it| (it.manner, it.batch_bytes))
            .collect();
        let expect = [Manner::Append, Manner::Rewrite].map(|it| [(it, 100), (it, 5000)]);
        assert_eq!(found, expect.concat());
        for it in &figures {
            assert!(0.0 < it.syncs_per_second && 0.0 < it.latency.p50_us);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

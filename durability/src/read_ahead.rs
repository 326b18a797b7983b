//! Replaying a log while another thread reads on and checks what comes next.
//!
//! Invariants
//!   * The visitor sees what it would see without the thread, in the same order, up to the same
//!     error.
//!   * A bounded number of batches is in flight, so memory is bounded however slow the visitor is.
//!   * A short log is read without a thread: starting one would take longer.

use std::sync::mpsc;

use spacetime_commitlog::{
    CommitBatch, LogEnd, LogError, LogReader, ReplayError, Replayed, TxVisitor, replay_commit,
};
use spacetime_types::TxOffset;

/// Batches that are read ahead.
const BATCHES: usize = 4;
/// Batches that are replayed before a thread is started.
const BATCHES_WITHOUT_THREAD: usize = 4;

/// What the thread has read: commits, and whether more may come.
type Read = (CommitBatch, Result<bool, LogError>);

/// Feeds every wanted record of `log` to `visitor`, up to the end of the log, and says what the
/// end looks like. `tell` is called after each commit.
pub fn replay_ahead<V: TxVisitor>(
    mut log: LogReader,
    visitor: &mut V,
    tell: &mut dyn FnMut(&Replayed),
) -> Result<(Replayed, LogEnd), ReplayError<V::Error>> {
    let from = log.from();
    let mut replayed = Replayed::default();
    let mut batch = CommitBatch::new();
    for _ in 0..BATCHES_WITHOUT_THREAD {
        let read = batch.read(&mut log);
        apply(from, &batch, visitor, &mut replayed, tell)?;
        if !read.map_err(ReplayError::Log)? {
            return Ok((replayed, log.into_end()));
        }
    }
    std::thread::scope(|scope| {
        let (full_sender, full) = mpsc::sync_channel::<Read>(BATCHES);
        let (empty, empty_receiver) = mpsc::channel::<CommitBatch>();
        for _ in 0..BATCHES {
            // The receiver is right here.
            let _ = empty.send(CommitBatch::new());
        }
        let reading = scope.spawn(move || {
            // Ends at the end of the log, or when the other side gives up.
            while let Ok(mut batch) = empty_receiver.recv() {
                let read = batch.read(&mut log);
                let goes_on = matches!(read, Ok(true));
                if full_sender.send((batch, read)).is_err() || !goes_on {
                    break;
                }
            }
            log
        });
        for (batch, read) in &full {
            apply(from, &batch, visitor, &mut replayed, tell)?;
            read.map_err(ReplayError::Log)?;
            // At the end of the log nobody wants it any more.
            let _ = empty.send(batch);
        }
        match reading.join() {
            Ok(log) => Ok((replayed, log.into_end())),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn apply<V: TxVisitor>(
    from: TxOffset,
    batch: &CommitBatch,
    visitor: &mut V,
    replayed: &mut Replayed,
    tell: &mut dyn FnMut(&Replayed),
) -> Result<(), ReplayError<V::Error>> {
    for commit in batch.commits() {
        replayed.transactions += replay_commit(&commit, from, visitor)?;
        replayed.commits += 1;
        replayed.record_bytes += commit.records.len() as u64;
        tell(replayed);
    }
    Ok(())
}

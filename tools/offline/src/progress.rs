//! Telling how far a long task is.

/// Is told how far a task is, now and then.
pub trait Progress {
    /// `done` of `total` bytes.
    fn at(&self, done: u64, total: u64);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn at(&self, _done: u64, _total: u64) {}
}

/// Calls through only after a further piece was done.
pub(crate) struct Throttled<'a> {
    progress: &'a dyn Progress,
    total: u64,
    next: u64,
}

impl<'a> Throttled<'a> {
    pub(crate) fn new(progress: &'a dyn Progress, total: u64) -> Self {
        Throttled {
            progress,
            total,
            next: 0,
        }
    }

    pub(crate) fn at(&mut self, done: u64) {
        const STEP_BYTES: u64 = 1 << 20;
        if done >= self.next {
            self.next = done + STEP_BYTES;
            self.progress.at(done.min(self.total), self.total);
        }
    }
}

//! Durability without a thread: a simulation decides when something is written.

use std::collections::VecDeque;

use super::Worker;
use crate::group_commit::{Entry, Failure, GroupCommit};

type Queued = VecDeque<Entry>;

/// The writing half of a [`Durability`](crate::Durability) that has no thread. What the thread does
/// by itself, this does when it is told. Dropped without [`Stepper::close`], it leaves what a
/// killed process does.
#[derive(Debug)]
pub struct Stepper {
    /// `None` after a failure.
    pub(super) running: Option<(Worker, GroupCommit)>,
    pub(super) entries: Queued,
}

impl Stepper {
    /// Writes one commit of what is queued. False if there was nothing to write, or never will
    /// be again because of a failure.
    pub fn step(&mut self) -> bool {
        self.attempt(|worker, group_commit, entries| {
            // What was taken before may be no more than the end of a commit.
            if worker.write_commit(group_commit, entries)? {
                return Ok(true);
            }
            worker.take_queued(entries);
            worker.write_commit(group_commit, entries)
        })
    }

    /// What the thread does if nothing is appended for a while.
    pub fn idle(&mut self) {
        self.attempt(|_, group_commit, _| group_commit.sync_watermark().map(|()| true));
    }

    /// Writes everything that is queued and ends in good order.
    pub fn close(mut self) {
        while self.step() {}
        self.idle();
        if let Some((worker, group_commit)) = self.running.take() {
            worker.end(group_commit, Ok(()));
        }
    }

    fn attempt(
        &mut self,
        action: impl FnOnce(&Worker, &mut GroupCommit, &mut Queued) -> Result<bool, Failure>,
    ) -> bool {
        let Some((worker, mut group_commit)) = self.running.take() else {
            return false;
        };
        match action(&worker, &mut group_commit, &mut self.entries) {
            Ok(done) => {
                self.running = Some((worker, group_commit));
                done
            }
            Err(failure) => {
                worker.end(group_commit, Err(failure));
                false
            }
        }
    }
}

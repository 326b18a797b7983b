//! The threads that readers run on: of their own, since they give way to all others.
//!
//! Not here: how many jobs there may be at once (see the semaphores of the pool).

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::{Receiver, Sender};
use tokio::runtime::Handle;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that run jobs, each the next one that comes. They end when this is dropped and what was
/// given to them is done.
#[derive(Debug)]
pub(super) struct Threads {
    jobs: Sender<Job>,
}

impl Threads {
    /// Jobs may use `runtime` as if it were theirs.
    pub(super) fn start(count: usize, runtime: &Handle) -> io::Result<Threads> {
        let (jobs, receiver) = crossbeam_channel::unbounded::<Job>();
        for number in 0..count {
            let (receiver, runtime) = (receiver.clone(), runtime.clone());
            std::thread::Builder::new()
                .name(format!("reader-{number}"))
                .spawn(move || run(&receiver, &runtime))?;
        }
        Ok(Threads { jobs })
    }

    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        // The threads live as long as `self`.
        let _ = self.jobs.send(Box::new(job));
    }
}

fn run(jobs: &Receiver<Job>, runtime: &Handle) {
    spacetime_store::give_way();
    let _entered = runtime.enter();
    for job in jobs {
        // Said by the panic hook; whoever waits for the answer sees that none comes.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

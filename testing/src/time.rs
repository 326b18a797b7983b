//! Time, and coming to rest.
//!
//! Invariants
//!   * The clock moves only here, and never past something that is due on the way: each scheduled
//!     row runs at its own time, and each procedure wakes up at its own.
//!   * The database is at rest when an operation of a test returns.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use spacetime_host::Work;
use spacetime_types::Timestamp;

use crate::database::Inner;

/// How long a database may take in real time to come to rest.
const REST_TIME_MAX: Duration = Duration::from_secs(120);

/// How often the clock may stop on one way.
const STOPS_MAX: usize = 1_000_000;

/// Looks at the database before a look is worth a pause.
const LOOKS_WITHOUT_PAUSE: usize = 20;

impl Inner {
    /// Waits until nothing happens any more unless time passes.
    pub(crate) async fn settle(&self) -> Work {
        let started = Instant::now();
        let mut looks = 0;
        loop {
            let work = self.handle().work().await;
            let work = work.unwrap_or_else(|gone| panic!("{gone}\n{}", self.bad_lines()));
            if work.is_settled() {
                return work;
            }
            assert!(
                started.elapsed() < REST_TIME_MAX,
                "the database does not come to rest: {work:?}"
            );
            looks += 1;
            match looks < LOOKS_WITHOUT_PAUSE || work.is_due {
                true => tokio::task::yield_now().await,
                false => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }

    /// Lets time pass until `target`.
    pub(crate) async fn pass_until(&self, target: Timestamp) {
        for _ in 0..STOPS_MAX {
            let work = self.settle().await;
            let left = target.micros - self.clock.now().micros;
            if left <= 0 {
                return;
            }
            let next = self.micros_to_next(&work);
            self.pass(next.unwrap_or(left).min(left));
        }
        panic!(
            "time has stopped {STOPS_MAX} times on the way to {target:?}: does a schedule run \
             without a pause? Then let less time pass at once"
        );
    }

    /// Lets time pass until the next thing that is due; gives the time then, or `None` if there is
    /// nothing to wait for.
    pub(crate) async fn pass_to_next(&self) -> Option<Timestamp> {
        let work = self.settle().await;
        let next = self.micros_to_next(&work)?;
        self.pass(next);
        self.settle().await;
        Some(self.clock.now())
    }

    /// Waits for an answer, and lets time pass if it needs time: a procedure may sleep.
    pub(crate) async fn answered<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                work = self.settle() => {
                    if let Some(answer) = answer.as_mut().now_or_never() {
                        return answer;
                    }
                    let next = self.micros_to_next(&work);
                    self.pass(next.expect("the answer comes, or something is due some time"));
                }
            }
        }
    }

    fn micros_to_next(&self, work: &Work) -> Option<i64> {
        let due = work
            .next_due
            .map(|due| due.micros.saturating_sub(work.now.micros));
        let wake = self.clock.next_wake();
        let wake = wake.map(|wake| wake.micros.saturating_sub(self.clock.now().micros));
        due.into_iter()
            .chain(wake)
            .min()
            .map(|micros| micros.max(1))
    }

    fn pass(&self, micros: i64) {
        let micros = u64::try_from(micros).expect("time goes forward");
        self.clock.advance(Duration::from_micros(micros));
    }
}

//! How fast one connection may send. A client that is faster is not read for a while: it notices
//! by its own full send buffer, and nothing is lost.

use std::time::{Duration, Instant};

/// Bounds on what one connection sends. 0 is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    pub messages_per_second: u32,
    pub bytes_per_second: u32,
}

/// The rest of one bound: what may be sent at once grows with time, up to one second's worth.
#[derive(Debug)]
struct Bucket {
    per_second: f64,
    left: f64,
}

impl Bucket {
    fn new(per_second: u32) -> Option<Bucket> {
        let per_second = f64::from(per_second);
        let left = per_second;
        (per_second > 0.0).then_some(Bucket { per_second, left })
    }

    fn refill(&mut self, passed: Duration) {
        let grown = self.left + passed.as_secs_f64() * self.per_second;
        self.left = grown.min(self.per_second);
    }

    /// How long until something is left.
    fn pause(&self, passed: Duration) -> Option<Duration> {
        let left = self.left + passed.as_secs_f64() * self.per_second;
        let missing = -left / self.per_second;
        (missing > 0.0).then(|| Duration::from_secs_f64(missing))
    }
}

/// What one connection may still send.
#[derive(Debug)]
pub(super) struct Throttle {
    messages: Option<Bucket>,
    bytes: Option<Bucket>,
    at: Option<Instant>,
}

impl Throttle {
    pub(super) fn new(limit: RateLimit) -> Throttle {
        Throttle {
            messages: Bucket::new(limit.messages_per_second),
            bytes: Bucket::new(limit.bytes_per_second),
            at: None,
        }
    }

    /// A message was received. It may be more than was left: then there is a pause.
    pub(super) fn spend(&mut self, bytes: usize, now: Instant) {
        let passed = self.passed(now);
        self.at = Some(now);
        let costs = [(&mut self.messages, 1.0), (&mut self.bytes, bytes as f64)];
        for (bucket, cost) in costs {
            if let Some(bucket) = bucket {
                bucket.refill(passed);
                bucket.left -= cost;
            }
        }
    }

    /// How long nothing may be read; `None` if something may.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let passed = self.passed(now);
        let buckets = [&self.messages, &self.bytes].into_iter().flatten();
        buckets.filter_map(|bucket| bucket.pause(passed)).max()
    }

    fn passed(&self, now: Instant) -> Duration {
        self.at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_bounds_there_is_no_pause() {
        let mut throttle = Throttle::new(RateLimit::default());
        let now = Instant::now();
        throttle.spend(1 << 30, now);
        assert_eq!(throttle.pause(now), None);
    }

    #[test]
    fn a_second_is_worth_what_the_bounds_say() {
        let mut throttle = Throttle::new(RateLimit {
            messages_per_second: 10,
            bytes_per_second: 1000,
        });
        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(throttle.pause(start), None);
            throttle.spend(1, start);
        }
        // All is spent, nothing is owed: one more goes, and then time has to pass.
        assert_eq!(throttle.pause(start), None);
        throttle.spend(1, start);
        let pause = throttle.pause(start).expect("a pause");
        assert!((pause.as_secs_f64() - 0.1).abs() < 1e-6, "{pause:?}");
        let later = start + Duration::from_millis(101);
        assert_eq!(throttle.pause(later), None);
        // A large message is paid for afterwards.
        throttle.spend(5000, later + Duration::from_secs(60));
        let pause = throttle.pause(later + Duration::from_secs(60));
        assert!((pause.expect("a pause").as_secs_f64() - 4.0).abs() < 1e-6);
    }
}

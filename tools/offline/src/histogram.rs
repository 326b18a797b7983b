//! Counting over sizes and over time, in bounded memory.

use serde::Serialize;

/// Buckets of a [`TimeHistogram`] before two become one.
pub const TIME_BUCKET_COUNT_MAX: usize = 64;

/// Counts by powers of two: bucket n holds sizes from 2^(n-1) up to below 2^n, bucket 0 zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SizeHistogram {
    counts: Vec<u64>,
}

impl SizeHistogram {
    pub(crate) fn add(&mut self, size: u64) {
        let bucket = (u64::BITS - size.leading_zeros()) as usize;
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
    }

    /// The counts, from the smallest sizes on.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The sizes of a bucket, from and up to below.
    #[must_use]
    pub fn range(bucket: usize) -> (u64, u64) {
        let power = |n: usize| u32::try_from(n).ok().and_then(|n| 1_u64.checked_shl(n));
        let below = power(bucket).unwrap_or(u64::MAX);
        let from = bucket.checked_sub(1).and_then(power).unwrap_or(0);
        (from, below)
    }
}

/// What happened in one span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TimeBucket {
    pub transactions: u64,
    pub bytes: u64,
}

/// Counts over time. The range need not be known before: buckets grow as needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimeHistogram {
    /// Start of the first bucket, microseconds since the Unix epoch.
    pub start_micros: i64,
    pub bucket_micros: i64,
    pub buckets: Vec<TimeBucket>,
}

impl Default for TimeHistogram {
    fn default() -> Self {
        TimeHistogram {
            start_micros: 0,
            bucket_micros: 1000,
            buckets: Vec::new(),
        }
    }
}

impl TimeHistogram {
    pub(crate) fn add(&mut self, at_micros: i64, bytes: u64) {
        if self.buckets.is_empty() {
            self.start_micros = at_micros;
        }
        // Clocks go back; what is before the start moves the start.
        let Some(index) = self.make_room(at_micros) else {
            return;
        };
        if self.buckets.len() <= index {
            self.buckets.resize(index + 1, TimeBucket::default());
        }
        if let Some(bucket) = self.buckets.get_mut(index) {
            bucket.transactions += 1;
            bucket.bytes += bytes;
        }
    }

    /// The bucket of a time, after widening all of them until it fits.
    fn make_room(&mut self, at_micros: i64) -> Option<usize> {
        // The width at most doubles up to the whole range of time.
        for _ in 0..i64::BITS {
            let since = i128::from(at_micros) - i128::from(self.start_micros);
            let index = since.div_euclid(i128::from(self.bucket_micros));
            if let Ok(index) = usize::try_from(index)
                && index < TIME_BUCKET_COUNT_MAX
            {
                return Some(index);
            }
            let missing = usize::try_from(-index).unwrap_or(usize::MAX);
            if index < 0 && self.buckets.len().saturating_add(missing) <= TIME_BUCKET_COUNT_MAX {
                self.buckets
                    .splice(0..0, vec![TimeBucket::default(); missing]);
                let shift = i128::from(self.bucket_micros) * -index;
                let start = i128::from(self.start_micros) - shift;
                self.start_micros = i64::try_from(start).unwrap_or(i64::MIN);
                return Some(0);
            }
            self.widen()?;
        }
        None
    }

    fn widen(&mut self) -> Option<()> {
        self.bucket_micros = self.bucket_micros.checked_mul(2)?;
        let pairs = self.buckets.chunks(2);
        self.buckets = pairs
            .map(|pair| {
                pair.iter()
                    .fold(TimeBucket::default(), |sum, one| TimeBucket {
                        transactions: sum.transactions + one.transactions,
                        bytes: sum.bytes + one.bytes,
                    })
            })
            .collect();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_fall_between_powers_of_two() {
        let mut sizes = SizeHistogram::default();
        for size in [0, 1, 2, 3, 4, 7, 8, u64::MAX] {
            sizes.add(size);
        }
        assert_eq!(&sizes.counts()[..5], [1, 1, 2, 2, 1]);
        assert_eq!(sizes.counts()[64], 1);
        for size in [1, 2, 3, 1000, u64::MAX - 1] {
            let mut one = SizeHistogram::default();
            one.add(size);
            let bucket = one.counts().len() - 1;
            let (from, below) = SizeHistogram::range(bucket);
            assert!(from <= size && size < below, "{size} in {from}..{below}");
        }
    }

    #[test]
    fn nothing_is_lost_when_buckets_grow_in_either_direction() {
        let mut times = TimeHistogram::default();
        let mut given = vec![0, 10, 5_000, -40_000, 1_000_000_000_000, i64::MAX, i64::MIN];
        given.extend((0..500).map(|n| n * 77_777));
        for (n, &at) in given.iter().enumerate() {
            times.add(at, 3);
            assert!(times.buckets.len() <= TIME_BUCKET_COUNT_MAX);
            let count: u64 = times.buckets.iter().map(|bucket| bucket.transactions).sum();
            assert_eq!(count, n as u64 + 1, "after {at}");
        }
    }

    #[test]
    fn a_time_is_counted_in_the_bucket_that_holds_it() {
        let mut times = TimeHistogram::default();
        for at in [1_000_000, 3_000_000, 200_000, 9_999_999] {
            times.add(at, 1);
        }
        for at in [1_000_000, 3_000_000, 200_000, 9_999_999] {
            let index = (at - times.start_micros) / times.bucket_micros;
            let bucket = times.buckets[usize::try_from(index).unwrap()];
            assert!(bucket.transactions > 0, "{at}");
        }
    }
}

//! Latencies counted in buckets whose width grows with the value: at most 0.8 % off, fixed size.
//!
//! Values below 128 have a bucket each; from there on every power of two is cut into 128 buckets.

const STEP_BITS: u32 = 7;
const STEPS: usize = 1 << STEP_BITS;
/// One row of exact values, and one for each power of two from 2^7 to 2^63.
const BUCKETS: usize = STEPS * 58;
const _: () = assert!(BUCKETS == STEPS * (64 - STEP_BITS as usize + 1));

/// How often which value was seen.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: u128,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            count: 0,
            sum: 0,
            max: 0,
        }
    }

    #[inline]
    pub(crate) fn record(&mut self, value: u64) {
        self.buckets[bucket_of(value)] += 1;
        self.count += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    pub(crate) fn mean(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        self.sum as f64 / self.count as f64
    }

    /// The smallest value that at least this share of all values does not exceed, as the upper
    /// end of its bucket. Zero when there are no values.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        assert!((0.0..=1.0).contains(&share), "a share is from 0 to 1");
        let wanted = (share * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if wanted <= seen {
                return last_value_of(bucket).min(self.max);
            }
        }
        self.max
    }
}

#[inline]
fn bucket_of(value: u64) -> usize {
    // The number of bits by which the value exceeds the exact rows.
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(STEP_BITS + 1);
    let row = shift as usize;
    // At most 2 * STEPS - 1: the cast cannot lose anything.
    row * STEPS + (value >> shift) as usize
}

fn last_value_of(bucket: usize) -> u64 {
    if bucket < 2 * STEPS {
        return bucket as u64;
    }
    let row = bucket / STEPS - 1;
    let first_of_next = (bucket - row * STEPS) as u128 + 1;
    u64::try_from((first_of_next << row) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::new();
        values.into_iter().for_each(|value| histogram.record(value));
        histogram
    }

    #[test]
    fn no_values_give_zeros() {
        let empty = of([]);
        assert_eq!((empty.quantile(0.5), empty.max(), empty.count()), (0, 0, 0));
        assert_eq!(empty.mean().to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn small_values_are_exact() {
        let histogram = of(1..=100);
        assert_eq!(histogram.quantile(0.5), 50);
        assert_eq!(histogram.quantile(0.99), 99);
        assert_eq!(histogram.quantile(1.0), 100);
        assert_eq!(histogram.quantile(0.0), 1);
        assert!((histogram.mean() - 50.5).abs() < 1e-9);
    }

    #[test]
    fn one_slow_call_shows_in_the_last_quantile_only() {
        let histogram = of(std::iter::repeat_n(1_000, 9_999).chain([5_000_000]));
        assert!((1_000..1_008).contains(&histogram.quantile(0.999)));
        assert_eq!(histogram.quantile(1.0), 5_000_000);
        assert_eq!(histogram.max(), 5_000_000);
    }

    #[test]
    fn every_bucket_holds_its_own_last_value() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(last_value_of(bucket)), bucket);
        }
        assert_eq!(last_value_of(BUCKETS - 1), u64::MAX);
    }

    proptest! {
        #[test]
        fn a_value_is_rounded_up_by_less_than_one_percent(value: u64) {
            let rounded = last_value_of(bucket_of(value));
            prop_assert!(value <= rounded);
            prop_assert!((rounded - value) as f64 <= value as f64 / 128.0);
        }

        #[test]
        fn quantiles_agree_with_the_sorted_values(
            mut values in prop::collection::vec(0_u64..10_000_000, 1..200),
            share in 0.0_f64..=1.0,
        ) {
            let found = of(values.iter().copied()).quantile(share);
            values.sort_unstable();
            let rank = ((share * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let expect = values[rank - 1];
            prop_assert!(expect <= found && found as f64 <= expect as f64 * 1.008 + 1.0);
        }
    }
}

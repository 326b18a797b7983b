//! Random indexes with Zipf weights: index `i` comes with a weight of `1 / (i + 1)^alpha`.
//!
//! Alias method (Walker, Vose): one random number and one cache line a sample, whatever the
//! weights, so that skewed loads cost the client what even ones cost.

use crate::random::Random;

/// One slot of the alias table.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// A 32-bit coin below this chooses the slot's own index, any other its alias.
    own_below: u32,
    alias: u32,
}

/// A sampler of `0 .. n`.
#[derive(Debug, Clone)]
pub(crate) struct Zipf {
    slots: Vec<Slot>,
}

impl Zipf {
    /// `alpha` zero: all indexes alike.
    pub(crate) fn new(count: u32, alpha: f64) -> Self {
        assert!(0 < count, "there must be something to choose from");
        assert!(alpha.is_finite(), "alpha must be a number");
        let weights: Vec<f64> = (1..=count)
            .map(|rank| f64::from(rank).powf(-alpha))
            .collect();
        let mean = weights.iter().sum::<f64>() / f64::from(count);
        // What is left of each weight, as a share of one slot.
        let mut shares: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
        let indexes = (0..count).zip(&shares);
        let (mut small, mut large): (Vec<_>, Vec<_>) = indexes
            .map(|(i, share)| (i, *share))
            .partition(|(_, share)| *share < 1.0);
        let own = |index: u32| Slot {
            own_below: u32::MAX,
            alias: index,
        };
        let mut slots: Vec<Slot> = (0..count).map(own).collect();
        while let (Some((low, share)), Some((high, _))) = (small.pop(), large.last().copied()) {
            slots[position(low)] = Slot {
                // A cast from float saturates; the share is below one.
                own_below: (share * f64::from(u32::MAX)) as u32,
                alias: high,
            };
            let left = &mut shares[position(high)];
            *left -= 1.0 - share;
            if *left < 1.0 {
                small.push((high, *left));
                large.pop();
            }
        }
        Self { slots }
    }

    /// The next index.
    #[inline]
    pub(crate) fn sample(&self, random: &mut Random) -> u32 {
        let (choice, coin) = random.pair();
        let scaled = (u64::from(choice) * self.slots.len() as u64) >> 32;
        let index = u32::try_from(scaled).unwrap_or(u32::MAX);
        let slot = self.slots[position(index)];
        if coin < slot.own_below {
            index
        } else {
            slot.alias
        }
    }

    /// Two different indexes; the first has the exact weights, the second those of the rest.
    pub(crate) fn sample_two(&self, random: &mut Random) -> (u32, u32) {
        let first = self.sample(random);
        // With two indexes of very different weight the loop could take long; a neighbour will do.
        for _ in 0..64 {
            let second = self.sample(random);
            if second != first {
                return (first, second);
            }
        }
        let neighbour = if first == 0 { 1 } else { first - 1 };
        (first, neighbour)
    }
}

fn position(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: u32 = 200_000;

    fn counts(count: u32, alpha: f64) -> Vec<u32> {
        let zipf = Zipf::new(count, alpha);
        let mut random = Random::new(7);
        let mut counts = vec![0; position(count)];
        for _ in 0..SAMPLES {
            counts[position(zipf.sample(&mut random))] += 1;
        }
        counts
    }

    fn check(count: u32, alpha: f64) {
        let total: f64 = (1..=count).map(|rank| f64::from(rank).powf(-alpha)).sum();
        for (rank, found) in (1..=count).zip(counts(count, alpha)) {
            let expect = f64::from(SAMPLES) * f64::from(rank).powf(-alpha) / total;
            let tolerance = 6.0 * expect.sqrt() + 1.0;
            let off = (f64::from(found) - expect).abs();
            assert!(off < tolerance, "rank {rank}: {found}, expected {expect}");
        }
    }

    #[test]
    fn alpha_zero_gives_all_indexes_alike() {
        check(10, 0.0);
        check(1, 0.0);
    }

    #[test]
    fn the_weights_fall_with_the_power_of_the_rank() {
        check(10, 1.5);
        check(1000, 1.0);
        check(5, 0.5);
    }

    #[test]
    fn the_seed_determines_the_samples() {
        assert_eq!(counts(100, 1.5), counts(100, 1.5));
    }

    #[test]
    fn two_indexes_are_never_the_same() {
        let zipf = Zipf::new(2, 30.0);
        let mut random = Random::new(1);
        for _ in 0..1000 {
            let (first, second) = zipf.sample_two(&mut random);
            assert_ne!(first, second);
            assert!(second < 2);
        }
    }
}

//! The one source of chance of a run.
//!
//! Invariant: the numbers depend on the seed and on how often was asked, on nothing else. A fork
//! goes its own way: what one part of a run draws does not shift the others.

/// A stream of numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// Another stream, for a part that has this name.
    #[must_use]
    pub fn fork(&self, name: &str) -> Self {
        let mut fork = Random(self.0);
        for byte in name.bytes() {
            fork.0 ^= u64::from(byte);
            fork.0 = fork.next_u64();
        }
        fork
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "there is no number below 0");
        self.next_u64() % end
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: usize, most: usize) -> usize {
        assert!(least <= most, "{least} is more than {most}");
        least + self.index(most - least + 1)
    }

    /// A position in something of this length, which must not be 0.
    pub fn index(&mut self, len: usize) -> usize {
        let position = self.below(u64::try_from(len).expect("a length fits 64 bits"));
        usize::try_from(position).expect("below a length")
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of several, which must not be none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// A position, each as likely as its weight. The weights must not all be 0.
    pub fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (position, weight) in weights.iter().enumerate() {
            match left.checked_sub(*weight) {
                None => return position,
                Some(rest) => left = rest,
            }
        }
        unreachable!("the number is below the sum of the weights")
    }
}

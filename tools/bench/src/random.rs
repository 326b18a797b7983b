//! A small seeded generator of random numbers (SplitMix64): fast, and the same on every machine.
//!
//! Not here: anything secret. The masks of WebSocket frames come from it, which is fine for a
//! tool that talks to the server under test.

/// A stream of random numbers that its seed determines.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The upper and the lower half of one number.
    #[inline]
    pub(crate) fn pair(&mut self) -> (u32, u32) {
        let bytes = self.next().to_le_bytes();
        let [a, b, c, d, e, f, g, h] = bytes;
        (
            u32::from_le_bytes([e, f, g, h]),
            u32::from_le_bytes([a, b, c, d]),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_the_published_algorithm() {
        let mut random = Random::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        let expect = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(first, expect);
    }

    #[test]
    fn a_pair_is_one_number_cut_in_two() {
        let number = Random::new(9).next();
        let (upper, lower) = Random::new(9).pair();
        assert_eq!(u64::from(upper) << 32 | u64::from(lower), number);
    }
}

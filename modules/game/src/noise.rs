//! Numbers that look random, the same for the same seed: reducers must not ask the machine.

pub struct Noise(u64);

impl Noise {
    pub fn new(seed: i64) -> Self {
        Self(seed.unsigned_abs() ^ 0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to just below 1.
    pub fn unit(&mut self) -> f32 {
        let bits = u16::try_from(self.next() >> 48).unwrap_or(u16::MAX);
        f32::from(bits) / 65536.0
    }

    pub fn below(&mut self, limit: u8) -> u8 {
        let wide = self.next() % u64::from(limit.max(1));
        u8::try_from(wide).unwrap_or(0)
    }
}

//! Random numbers that every run of a call draws again: they follow from the call's time alone.
//!
//! So they are no secret from whoever knows the time.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;

use rand08::rngs::StdRng;
use rand08::{Error, RngCore, SeedableRng};

use crate::types::Timestamp;

/// The random numbers of one call. Use it through `&`: `ctx.rng().gen_range(0..6)`.
pub struct StdbRng {
    generator: RefCell<StdRng>,
}

impl StdbRng {
    fn seed_from_timestamp(time: Timestamp) -> Self {
        let micros = time.to_micros_since_unix_epoch();
        let seed = u64::from_le_bytes(micros.to_le_bytes());
        StdbRng {
            generator: RefCell::new(StdRng::seed_from_u64(seed)),
        }
    }
}

impl fmt::Debug for StdbRng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdbRng").finish_non_exhaustive()
    }
}

macro_rules! generator {
    ($type:ty) => {
        impl RngCore for $type {
            fn next_u32(&mut self) -> u32 {
                self.generator.borrow_mut().next_u32()
            }

            fn next_u64(&mut self) -> u64 {
                self.generator.borrow_mut().next_u64()
            }

            fn fill_bytes(&mut self, bytes: &mut [u8]) {
                self.generator.borrow_mut().fill_bytes(bytes);
            }

            fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
                self.generator.borrow_mut().try_fill_bytes(bytes)
            }
        }
    };
}

generator!(StdbRng);
generator!(&StdbRng);

/// The generator of a call, once it is asked for, and the counter of its UUIDs.
#[derive(Debug, Default)]
pub(crate) struct Chance {
    rng: OnceCell<StdbRng>,
    uuid_counter: Cell<u32>,
}

impl Chance {
    pub(crate) fn rng(&self, time: Timestamp) -> &StdbRng {
        self.rng.get_or_init(|| StdbRng::seed_from_timestamp(time))
    }

    pub(crate) fn uuid_counter(&self) -> &Cell<u32> {
        &self.uuid_counter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(micros: i64, first: u64, v4: [&str; 2], v7: [&str; 2]) {
        let context = || {
            let time = Timestamp::from_micros_since_unix_epoch(micros);
            crate::ReducerContext::new(crate::Identity::ZERO, None, time)
        };
        assert_eq!(context().random::<u64>(), first);
        assert_eq!(u64::from(context().random::<u32>()), first & 0xffff_ffff);
        let drawn = context();
        let found = [(); 2].map(|()| drawn.new_uuid_v4().unwrap().to_string());
        assert_eq!(found, v4);
        let drawn = context();
        let found = [(); 2].map(|()| drawn.new_uuid_v7().unwrap().to_string());
        assert_eq!(found, v7);
    }

    #[test]
    fn random_values_follow_from_the_time() {
        check(
            0,
            0xbb2a_3fb2_cd2c_6f7f,
            [
                "7f6f2ccd-b23f-4abb-bb69-278e947c01c6",
                "160a31cf-02c1-4d06-90f6-e5ab1d768b95",
            ],
            [
                "00000000-0000-7000-8000-00007f6f2ccd",
                "00000000-0000-7000-8000-0002323f2abb",
            ],
        );
        check(
            1,
            0xf968_1a64_d330_1861,
            [
                "611830d3-641a-48f9-8a69-0dcc25d1f4b0",
                "dac94832-5ac1-4f6d-9325-64371735f32c",
            ],
            [
                "00000000-0000-7000-8000-0000611830d3",
                "00000000-0000-7000-8000-0002641a68f9",
            ],
        );
        check(
            1_700_000_000_123_456,
            0xefc4_4190_294a_c6cb,
            [
                "cbc64a29-9041-44ef-97ce-c1908d883d20",
                "be320210-1f2e-4143-8ffc-a6bcb61d620f",
            ],
            [
                "018bcfe5-687b-7000-8000-00004bc64a29",
                "018bcfe5-687b-7000-8000-00021041c4ef",
            ],
        );
    }
}

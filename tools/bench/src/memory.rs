//! How fast the machine's memory is just now.
//!
//! A call costs a few dozen reads that miss the caches of its core. Where a processor's last cache
//! is shared with strangers, as on most rented machines, such reads take two to five times as long
//! in some minutes as in others, while plain arithmetic keeps its speed. Seen with the same server
//! on the same machine: 250 to 290 thousand transfers/s while a read took 13 ns, 110 to 165
//! thousand while it took 20 to 95. So the tool measures it before and after its runs, and says so
//! when the figures should not be compared with others.

use std::time::Instant;

use serde::Serialize;

use crate::random::Random;

/// More than a core's own caches, less than most shared ones.
const BYTES: usize = 8 << 20;

/// Dependent reads: enough to visit every slot.
const READS: usize = BYTES / size_of::<u32>();

/// Latencies that differ by more than this factor are not the same machine.
const STEADY: f64 = 1.4;

/// The time of one read out of the shared cache, around the runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct MemoryFigures {
    pub read_ns_before: f64,
    pub read_ns_after: f64,
}

impl MemoryFigures {
    /// Measures before and after `runs`.
    pub(crate) fn around<T>(runs: impl FnOnce() -> T) -> (T, Self) {
        let read_ns_before = read_nanos();
        let value = runs();
        let read_ns_after = read_nanos();
        let figures = Self {
            read_ns_before,
            read_ns_after,
        };
        (value, figures)
    }

    pub(crate) fn text(&self) -> String {
        let Self {
            read_ns_before: before,
            read_ns_after: after,
        } = self;
        let advice = if before.max(*after) > before.min(*after) * STEADY {
            "; something else used the caches: measure again before comparing"
        } else {
            ""
        };
        format!(
            "Memory: a read out of 8 MiB took {before:.1} ns before, {after:.1} ns after{advice}"
        )
    }
}

/// The time of one read whose address the read before it gave, in nanoseconds.
fn read_nanos() -> f64 {
    let ring = ring(READS, &mut Random::new(7));
    // The first round brings it into the cache.
    let at = walk(&ring, 0);
    let started = Instant::now();
    let at = walk(&ring, at);
    let elapsed = started.elapsed();
    std::hint::black_box(at);
    elapsed.as_secs_f64() * 1e9 / READS as f64
}

/// One cycle through all slots in random order (Sattolo's algorithm): each slot names the next.
fn ring(slots: usize, random: &mut Random) -> Vec<u32> {
    let mut ring: Vec<u32> = (0..).take(slots).collect();
    for upper in (1..slots).rev() {
        let (number, _) = random.pair();
        // Modulo is uneven by less than one part in two thousand for so few slots.
        ring.swap(upper, number as usize % upper);
    }
    ring
}

fn walk(ring: &[u32], start: u32) -> u32 {
    (0..ring.len()).fold(start, |at, _| ring[at as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_one_cycle_through_all_slots() {
        for slots in [1, 2, 3, 1000] {
            let ring = ring(slots, &mut Random::new(slots as u64));
            let mut at = 0;
            let mut seen = vec![false; slots];
            for _ in 0..slots {
                assert!(!std::mem::replace(&mut seen[at as usize], true));
                at = ring[at as usize];
            }
            assert_eq!(at, 0);
            assert_eq!(walk(&ring, 0), 0);
        }
    }

    #[test]
    fn figures_of_an_unsteady_machine_say_so() {
        let figures = |before, after| MemoryFigures {
            read_ns_before: before,
            read_ns_after: after,
        };
        assert!(!figures(13.0, 15.0).text().contains("measure again"));
        assert!(figures(13.0, 48.0).text().contains("measure again"));
        assert!(figures(48.0, 13.0).text().contains("measure again"));
    }
}

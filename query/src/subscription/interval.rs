//! Which of many intervals contain a value.
//!
//! An interval lives at the smallest aligned block of numbers that holds it: the block is named by
//! the bits that both ends share. A value is in blocks of 65 sizes at most, and each block's middle
//! lies in all its intervals, so that in each the ones to report are a run of a sorted list.
//!
//! Values of columns are mapped to numbers that keep their order, though not always their
//! difference: an interval that is found may still not contain the value, and is tested by whoever
//! asked. Bounds are inclusive for the same reason.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use crate::column_kind::Order;

/// The lowest and the highest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub low: u64,
    pub high: u64,
}

const BITS: u32 = u64::BITS;

/// How many bits the ends share, and which.
type Block = (u32, u64);

#[derive(Debug)]
struct Node<T> {
    by_low: BTreeSet<(u64, T)>,
    by_high: BTreeSet<(u64, T)>,
}

/// Intervals with their owners.
#[derive(Debug)]
pub(super) struct Intervals<T> {
    nodes: HashMap<Block, Node<T>, FxBuildHasher>,
    /// Number of nodes by shared bits.
    sizes: Vec<(u32, usize)>,
}

impl<T> Default for Intervals<T> {
    fn default() -> Self {
        Intervals {
            nodes: HashMap::default(),
            sizes: Vec::new(),
        }
    }
}

fn block(value: u64, shared: u32) -> Block {
    let prefix = value.checked_shr(BITS - shared).unwrap_or(0);
    (shared, prefix)
}

fn home(interval: Interval) -> Block {
    block(interval.low, (interval.low ^ interval.high).leading_zeros())
}

impl<T: Copy + Ord> Intervals<T> {
    pub(super) fn insert(&mut self, interval: Interval, owner: T) {
        assert!(
            interval.low <= interval.high,
            "an interval has two ends in order"
        );
        let home = home(interval);
        if !self.nodes.contains_key(&home) {
            match self.sizes.iter_mut().find(|(shared, _)| *shared == home.0) {
                Some((_, count)) => *count += 1,
                None => self.sizes.push((home.0, 1)),
            }
        }
        let node = self.nodes.entry(home).or_insert_with(|| Node {
            by_low: BTreeSet::new(),
            by_high: BTreeSet::new(),
        });
        node.by_low.insert((interval.low, owner));
        node.by_high.insert((interval.high, owner));
    }

    pub(super) fn remove(&mut self, interval: Interval, owner: T) {
        let home = home(interval);
        let Some(node) = self.nodes.get_mut(&home) else {
            return;
        };
        node.by_low.remove(&(interval.low, owner));
        node.by_high.remove(&(interval.high, owner));
        if node.by_low.is_empty() {
            self.nodes.remove(&home);
            if let Some((_, count)) = self.sizes.iter_mut().find(|(shared, _)| *shared == home.0) {
                *count -= 1;
            }
            self.sizes.retain(|(_, count)| *count > 0);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Calls `found` with the owner of each interval that contains the value.
    pub(super) fn containing(&self, value: u64, found: &mut dyn FnMut(T)) {
        for (shared, _) in &self.sizes {
            let Some(node) = self.nodes.get(&block(value, *shared)) else {
                continue;
            };
            // Below the middle every interval's high end is far enough, above it every low end.
            let next_bit = BITS
                .checked_sub(shared + 1)
                .map(|shift| (value >> shift) & 1);
            match next_bit {
                Some(1) => {
                    let from_here = node.by_high.iter().rev();
                    for (_, owner) in from_here.take_while(|(high, _)| *high >= value) {
                        found(*owner);
                    }
                }
                _ => {
                    let up_to_here = node.by_low.iter();
                    for (_, owner) in up_to_here.take_while(|(low, _)| *low <= value) {
                        found(*owner);
                    }
                }
            }
        }
    }
}

/// A number for a value: never smaller than the number of a smaller value.
pub(super) fn number(order: Order, bytes: &[u8]) -> u64 {
    const SIGN: u64 = 1 << 63;
    match order {
        Order::Unsigned(_) => high_bytes(bytes, 0),
        Order::Signed(_) => {
            let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
            high_bytes(bytes, if is_negative { 0xff } else { 0 }) ^ SIGN
        }
        Order::F32 => {
            let value = bytes
                .first_chunk()
                .map_or(0.0, |bytes| f32::from_le_bytes(*bytes));
            // Widening keeps the order, and is exact.
            float(f64::from(value))
        }
        Order::F64 => float(
            bytes
                .first_chunk()
                .map_or(0.0, |bytes| f64::from_le_bytes(*bytes)),
        ),
        Order::Prefixed => {
            let mut buffer = [0; 8];
            let payload = bytes.get(4..).unwrap_or_default();
            let len = payload.len().min(8);
            buffer[..len].copy_from_slice(&payload[..len]);
            u64::from_be_bytes(buffer)
        }
    }
}

/// The most significant bytes of a little-endian number; shorter ones are filled up.
fn high_bytes(bytes: &[u8], fill: u8) -> u64 {
    let mut buffer = [fill; 8];
    let tail = &bytes[bytes.len().saturating_sub(8)..];
    buffer[..tail.len()].copy_from_slice(tail);
    u64::from_le_bytes(buffer)
}

fn float(value: f64) -> u64 {
    const SIGN: u64 = 1 << 63;
    if value.is_nan() {
        return u64::MAX;
    }
    // Adding zero makes one zero of two.
    let bits = (value + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

#[cfg(test)]
mod tests {
    use super::{Interval, Intervals, number};
    use crate::column_kind::Order;

    fn contained(intervals: &Intervals<usize>, value: u64) -> Vec<usize> {
        let mut found = Vec::new();
        intervals.containing(value, &mut |owner| found.push(owner));
        found.sort_unstable();
        found
    }

    #[test]
    fn intervals_are_found_exactly() {
        let edges = [0, 1, 2, 7, 8, 9, 1 << 32, u64::MAX - 1, u64::MAX];
        let mut all = Vec::new();
        for low in edges {
            all.extend(
                edges
                    .into_iter()
                    .filter(|high| *high >= low)
                    .map(|high| Interval { low, high }),
            );
        }
        let mut intervals = Intervals::default();
        for (owner, interval) in all.iter().enumerate() {
            intervals.insert(*interval, owner);
        }
        for round in 0..2 {
            for value in edges.into_iter().chain([3, 100, 1 << 40]) {
                let is_in = |(owner, interval): &(usize, &Interval)| {
                    (round == 0 || owner % 3 != 0)
                        && interval.low <= value
                        && value <= interval.high
                };
                let expected: Vec<usize> = all
                    .iter()
                    .enumerate()
                    .filter(is_in)
                    .map(|(owner, _)| owner)
                    .collect();
                assert_eq!(contained(&intervals, value), expected, "{value}");
            }
            for (owner, interval) in all.iter().enumerate().filter(|(owner, _)| owner % 3 == 0) {
                intervals.remove(*interval, owner);
            }
        }
        for (owner, interval) in all.iter().enumerate() {
            intervals.remove(*interval, owner);
        }
        assert!(intervals.is_empty());
    }

    #[test]
    fn numbers_keep_the_order_of_values() {
        let floats = [
            f64::NEG_INFINITY,
            -1.5,
            -0.0,
            0.0,
            1e-300,
            2.0,
            f64::INFINITY,
            f64::NAN,
        ];
        let signed = [i64::MIN, -2, -1, 0, 1, i64::MAX];
        let wide = [i128::MIN, -1 << 70, -1, 0, 5, 1 << 70, i128::MAX];
        let mut lists: Vec<(Order, Vec<Vec<u8>>)> = vec![
            (
                Order::F64,
                floats.map(|value| value.to_le_bytes().to_vec()).to_vec(),
            ),
            (
                Order::Signed(8),
                signed.map(|value| value.to_le_bytes().to_vec()).to_vec(),
            ),
            (
                Order::Signed(16),
                wide.map(|value| value.to_le_bytes().to_vec()).to_vec(),
            ),
            (Order::Unsigned(1), vec![vec![0], vec![1], vec![255]]),
        ];
        let text = |text: &str| [&[0; 4], text.as_bytes()].concat();
        lists.push((
            Order::Prefixed,
            ["", "a", "aa", "b", "longer than it"].map(text).to_vec(),
        ));
        for (order, values) in lists {
            for pair in values.windows(2) {
                assert!(
                    order.compare(&pair[0], &pair[1]).is_le(),
                    "{order:?} {pair:?}"
                );
                assert!(
                    number(order, &pair[0]) <= number(order, &pair[1]),
                    "{order:?} {pair:?}"
                );
            }
        }
    }
}

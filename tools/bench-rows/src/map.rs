//! The same with the ordered map of the standard library.

use std::collections::BTreeMap;

use crate::tables::scattered;
use crate::{Costs, black_box, measure, rounds};

pub(crate) fn costs(rows: u32) -> Costs {
    let rounds = rounds(rows);
    let count = u64::from(rounds) * u64::from(rows);
    let keys = || (0..rows).map(|n| scattered(n, rows));
    let mut map = BTreeMap::new();
    let (mut insert, mut delete) = (0.0, 0.0);
    for round in 0..rounds {
        insert += measure(count, || map.extend((0..rows).map(|key| (key, 1u32))));
        if round + 1 < rounds {
            delete += measure(count, || {
                keys().for_each(|key| {
                    black_box(map.remove(&key));
                });
            });
        }
    }
    let find = measure(count, || {
        for key in (0..rounds).flat_map(|_| keys()) {
            black_box(map.get(&key));
        }
    });
    let update = measure(count, || {
        for round in 0..rounds {
            for key in keys() {
                if let Some(value) = map.get_mut(&key) {
                    *value = round + 2;
                }
            }
        }
    });
    let scan = measure(count, || {
        for _ in 0..rounds {
            black_box(
                map.values()
                    .fold(0u32, |sum, value| sum.wrapping_add(*value)),
            );
        }
    });
    delete += measure(count, || {
        keys().for_each(|key| {
            black_box(map.remove(&key));
        });
    });
    [insert, find, update, scan, delete]
}

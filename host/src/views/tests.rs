use std::time::{Duration, Instant};

use spacetime_types::{Identity, TableId};

use super::{IDLE_INSTANCES_MAX, IDLE_TIME_MAX, InstanceKey, ReadSet, Views};

fn key(sender: u8) -> InstanceKey {
    InstanceKey {
        table: TableId(4096),
        sender: Some(Identity::from_be_bytes([sender; 32])),
    }
}

#[test]
fn instances_live_as_long_as_they_are_used() {
    let mut views: Views<u8> = Views::default();
    let start = Instant::now();
    let used = views.touch(key(1), start);
    let idle = views.touch(key(2), start);
    views.add_reader(7, used);
    views.set_fresh(used, ReadSet::default(), None);
    assert_eq!(views.touch(key(1), start), used);
    assert!(views.is_fresh(used) && !views.is_fresh(idle));
    assert_eq!(views.expired(start), []);
    assert_eq!(views.expired(start + IDLE_TIME_MAX), [idle]);
    assert_eq!(views.next_expiry(), Some(start + IDLE_TIME_MAX));

    views.remove_reader(7);
    assert!(views.readers(used).is_empty());
    let later = Instant::now() + IDLE_TIME_MAX + Duration::from_secs(1);
    assert_eq!(views.expired(later), [idle, used]);
    views.remove(idle);
    views.remove(used);
    assert!(views.is_empty());
    assert_eq!(views.next_expiry(), None);
}

#[test]
fn the_least_used_of_many_instances_go() {
    let mut views: Views<u8> = Views::default();
    let now = Instant::now();
    let first = views.touch(key(0), now);
    let second = views.touch(key(1), now);
    for number in 0..IDLE_INSTANCES_MAX - 1 {
        let table = TableId(5000 + u32::try_from(number).unwrap());
        let key = InstanceKey {
            table,
            sender: None,
        };
        views.touch(key, now);
    }
    assert_eq!(views.expired(now), [first]);
    views.touch(key(0), now);
    assert_eq!(views.expired(now), [second]);
}

//! How many connections one identity and one address may have at a time.
//!
//! Invariant: what was admitted counts until its [`Admitted`] is dropped, and no longer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use spacetime_types::Identity;

/// Whose connections are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Identity(Identity),
    Address(IpAddr),
}

impl Key {
    /// Of IPv6, whoever has one address has the 2^64 of its network.
    pub(crate) fn of_address(address: IpAddr) -> Key {
        let network = match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
            v4 => v4,
        };
        Key::Address(network)
    }
}

/// The connections that are open.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    open: Mutex<HashMap<Key, usize>>,
}

impl Admission {
    /// Counts one more, unless there are `max` already. 0 is no bound.
    pub(crate) fn admit(self: &Arc<Self>, key: Key, max: usize) -> Option<Admitted> {
        let mut open = self.open.lock();
        let count = open.entry(key).or_default();
        if max != 0 && *count >= max {
            return None;
        }
        *count += 1;
        Some(Admitted {
            admission: Arc::clone(self),
            key,
        })
    }
}

/// One connection that counts.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    key: Key,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock();
        let count = open.get_mut(&self.key).map(|count| {
            *count -= 1;
            *count
        });
        if count == Some(0) {
            open.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_makes_room() {
        let admission = Arc::new(Admission::default());
        let alice = Key::Identity(Identity::from_claims("localhost", "alice"));
        let bob = Key::Identity(Identity::from_claims("localhost", "bob"));
        let first = admission.admit(alice, 2).expect("room");
        let second = admission.admit(alice, 2).expect("room");
        assert!(admission.admit(alice, 2).is_none());
        assert!(admission.admit(bob, 2).is_some());
        assert!(admission.admit(alice, 0).is_some());
        drop(first);
        assert!(admission.admit(alice, 2).is_some());
        drop(second);
        assert!(admission.open.lock().is_empty());
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        let key = |text: &str| Key::of_address(text.parse().expect("an address"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:10.0.0.1"), key("10.0.0.1"));
        assert_ne!(key("10.0.0.1"), key("10.0.0.2"));
    }
}

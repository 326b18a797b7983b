use super::{Heads, LeafKeys, head_of, is_whole};
use crate::leaf_keys::KeySource;
use proptest::prelude::*;
use spacetime_page::RowPtr;

struct Keys(Vec<Vec<u8>>);

impl KeySource<[u8]> for Keys {
    fn with_key<T>(&self, ptr: RowPtr, see: impl FnOnce(&[u8]) -> T) -> T {
        see(&self.0[usize::try_from(ptr.0).unwrap()])
    }
}

fn hard_bytes(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0u8, 1, 0xff]), len)
}

proptest! {
    /// The order of heads is the order of keys, as far as it goes.
    #[test]
    fn heads_sort_as_keys_do(one in hard_bytes(0..10), other in hard_bytes(0..10)) {
        let (a, b) = (head_of(&one), head_of(&other));
        if a == b {
            prop_assert_eq!(is_whole(a), one == other || one.len() < 8);
            prop_assert!(!is_whole(a) || one == other);
        } else {
            prop_assert_eq!(a.cmp(&b), one.cmp(&other));
        }
    }

    /// Whatever keys come and go: heads are those of the keys, after what they have in common.
    #[test]
    fn heads_follow_the_keys(
        front in hard_bytes(0..20),
        keys in prop::collection::vec(hard_bytes(0..20), 1..30),
        split in any::<prop::sample::Index>(),
    ) {
        let mut keys: Vec<Vec<u8>> = keys.iter().map(|key| [&front[..], key].concat()).collect();
        keys.push(vec![]);
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|at| &keys[*at]);
        let ptr = |at: &usize| RowPtr(u32::try_from(*at).unwrap());
        let ptrs: Vec<RowPtr> = order.iter().map(ptr).collect();
        // Without the empty one at first.
        let rows = Keys(keys);
        let mut heads = Heads::default();
        let mut held: Vec<RowPtr> = Vec::new();
        for (nth, key) in rows.0.iter().enumerate() {
            let ptr = RowPtr(u32::try_from(nth).unwrap());
            let (at, has_key) = heads.find(&held, key, &rows);
            prop_assert_eq!(has_key, held.iter().any(|other| rows.with_key(*other, |k| k == key)));
            heads.insert(at, key);
            held.insert(at, ptr);
            heads.check(&held, &rows);
        }
        let at = split.index(held.len());
        let (mut right, mut right_ptrs) = (heads.split_off(at), held.split_off(at));
        for (keys, ptrs) in [(&mut heads, &held), (&mut right, &right_ptrs)] {
            keys.check(ptrs, &rows);
            keys.settle(ptrs, &rows);
            keys.check(ptrs, &rows);
        }
        heads.append(right);
        held.append(&mut right_ptrs);
        heads.check(&held, &rows);
        heads.settle(&held, &rows);
        heads.check(&held, &rows);
        let of_rows = Heads::of_rows(&ptrs, &rows);
        of_rows.check(&ptrs, &rows);
        for (at, ptr) in ptrs.iter().enumerate() {
            let key = &rows.0[usize::try_from(ptr.0).unwrap()];
            let (low, has_key) = of_rows.find(&ptrs, key, &rows);
            prop_assert!(has_key && low <= at);
            let end = of_rows.run_end(low, &ptrs, key, &rows);
            let is_it = |at: &usize| rows.with_key(ptrs[*at], |other| other == key);
            prop_assert!((low..end).all(|at| is_it(&at)) && end > at);
            prop_assert!(end == ptrs.len() || !is_it(&end));
            prop_assert!(low == 0 || !is_it(&(low - 1)));
        }
    }
}

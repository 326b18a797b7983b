use super::{FIRST, Leaf, NODE_LEN_MAX, Node, Tree};
use crate::leaf_keys::{Exact, Heads, KeySource, LeafKeys, Unasked};
use proptest::prelude::*;
use spacetime_page::RowPtr;
use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::Bound;

type Numbers = Tree<Exact<u32>>;
type Pair<K> = (K, RowPtr);
type Limits<K> = (Option<Pair<K>>, Option<Pair<K>>);
type Ends<T> = (Bound<T>, Bound<T>);

/// Whole keys of the pairs of a leaf.
trait Keyed: LeafKeys<Owned: Borrow<Self::Key>> {
    type Rows: KeySource<Self::Key>;

    fn keys(&self, ptrs: &[RowPtr], rows: &Self::Rows) -> Vec<Self::Owned>;
}

impl Keyed for Exact<u32> {
    type Rows = Unasked;

    fn keys(&self, _: &[RowPtr], _: &Unasked) -> Vec<u32> {
        self.0.clone()
    }
}

/// The keys of rows that wide trees are asked about.
#[derive(Clone, Default)]
struct Texts(BTreeMap<RowPtr, Vec<u8>>);

impl KeySource<[u8]> for Texts {
    fn with_key<T>(&self, ptr: RowPtr, see: impl FnOnce(&[u8]) -> T) -> T {
        see(&self.0[&ptr])
    }
}

impl Keyed for Heads {
    type Rows = Texts;

    fn keys(&self, ptrs: &[RowPtr], rows: &Texts) -> Vec<Self::Owned> {
        self.check(ptrs, rows);
        ptrs.iter()
            .map(|ptr| rows.0[ptr].as_slice().into())
            .collect()
    }
}

/// Checks the invariants of the nodes under this one and returns their depth.
fn check_node<L: Keyed>(
    node: &Node<L>,
    (low, high): Limits<L::Owned>,
    unique: bool,
    rows: &L::Rows,
) -> usize {
    assert!(node.len() <= NODE_LEN_MAX);
    let (keys, ptrs) = match node {
        Node::Leaf(Leaf { keys, ptrs }) => (keys.keys(ptrs, rows), ptrs),
        Node::Inner { separators, .. } => (separators.keys.clone(), &separators.ptrs),
    };
    assert_eq!(keys.len(), ptrs.len());
    let all: Vec<Pair<L::Owned>> = keys.into_iter().zip(ptrs.iter().copied()).collect();
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "out of order");
    assert!(
        all.iter()
            .all(|pair| low.as_ref().is_none_or(|low| pair >= low))
    );
    assert!(
        all.iter()
            .all(|pair| high.as_ref().is_none_or(|high| pair < high))
    );
    match node {
        Node::Leaf(_) => 1,
        Node::Inner { children, .. } => {
            assert_eq!(children.len(), all.len() + 1);
            assert!(!unique || all.iter().all(|pair| pair.1 == FIRST));
            let mut depths = BTreeSet::new();
            for (at, child) in children.iter().enumerate() {
                assert!(child.len() > 0, "empty node");
                let from = at.checked_sub(1).map(|before| all[before].clone());
                let to = all.get(at).cloned();
                let bounds = (from.or(low.clone()), to.or(high.clone()));
                depths.insert(check_node(child, bounds, unique, rows));
            }
            assert_eq!(depths.len(), 1, "leaves at different depths");
            depths.pop_first().unwrap() + 1
        }
    }
}

fn leaves_of<L: LeafKeys>(node: &Node<L>) -> u32 {
    match node {
        Node::Leaf(_) => 1,
        Node::Inner { children, .. } => children.iter().map(|child| leaves_of(child)).sum(),
    }
}

fn check_tree<L: Keyed, K: Debug>(
    tree: &Tree<L>,
    expected: &BTreeSet<Pair<K>>,
    unique: bool,
    rows: &L::Rows,
) -> usize {
    let depth = check_node(&tree.root, (None, None), unique, rows);
    assert_eq!(tree.leaves, leaves_of(&tree.root));
    assert_eq!(tree.len(), u64::try_from(expected.len()).unwrap());
    assert!(tree.iter().eq(expected.iter().map(|pair| pair.1)));
    depth
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Runs of inserts and removals that go up, down or at random, so that the tree grows to
    /// three levels and shrinks again.
    #[test]
    fn a_tree_is_an_ordered_set(
        unique in any::<bool>(),
        key_bits in 3..16u32,
        runs in prop::collection::vec((0..4u8, any::<u32>(), 1..6000u32, any::<bool>()), 1..8),
    ) {
        let mut tree = Numbers::new();
        let mut expected: BTreeSet<Pair<u32>> = BTreeSet::new();
        let mut view = None;
        for (direction, seed, count, removes) in runs {
            for n in 0..count {
                let n = match direction {
                    0 => n.wrapping_add(seed),
                    1 => seed.wrapping_sub(n),
                    _ => n.wrapping_mul(0x9e37_79b1).wrapping_add(seed) >> 7,
                };
                let key = n & ((1 << key_bits) - 1);
                let ptr = if unique { RowPtr(key ^ 5) } else { RowPtr(n % 60_000) };
                if removes {
                    let there = expected.remove(&(key, ptr));
                    prop_assert_eq!(tree.remove(&key, ptr, unique, &Unasked), there);
                } else if unique {
                    let taken = expected.contains(&(key, ptr));
                    prop_assert_eq!(tree.insert(&key, ptr, true, &Unasked).is_err(), taken);
                    expected.insert((key, ptr));
                } else if expected.insert((key, ptr)) {
                    prop_assert_eq!(tree.insert(&key, ptr, false, &Unasked), Ok(()));
                }
            }
            check_tree(&tree, &expected, unique, &Unasked);
            let scattered = expected.iter().rev().copied().collect();
            let built = Numbers::build(scattered, unique).unwrap();
            check_tree(&built, &expected, unique, &Unasked);
            if let Some(pair) = expected.first().filter(|_| removes) {
                // A built tree goes on like any other, and a pair cannot be built in twice.
                tree = built;
                let twice = expected.iter().chain([pair]).copied().collect();
                prop_assert_eq!(Numbers::build(twice, true).is_err(), true);
            }
            for key in 0..200 {
                let point = tree.range(Bound::Included(&key), Bound::Included(&key), &Unasked);
                let pairs = expected.range((key, FIRST)..(key + 1, FIRST));
                prop_assert!(point.eq(pairs.clone().map(|pair| pair.1)));
                prop_assert_eq!(tree.first(&key, &Unasked), pairs.map(|pair| pair.1).next());
                let end = key + 9;
                let after = tree.range(Bound::Excluded(&key), Bound::Excluded(&end), &Unasked);
                let pairs = expected.range((key + 1, FIRST)..(key + 9, FIRST));
                prop_assert!(after.eq(pairs.map(|pair| pair.1)));
            }
            view.get_or_insert_with(|| (tree.clone(), expected.clone()));
        }
        for pair in std::mem::take(&mut expected) {
            prop_assert!(tree.remove(&pair.0, pair.1, unique, &Unasked));
        }
        check_tree(&tree, &expected, unique, &Unasked);
        if let Some((tree, expected)) = view {
            check_tree(&tree, &expected, unique, &Unasked);
        }
    }
}

#[test]
fn keys_in_order_fill_the_nodes() {
    let mut tree = Numbers::new();
    for n in 0..1_000_000u32 {
        assert_eq!(tree.insert(&n, RowPtr(n), true, &Unasked), Ok(()));
    }
    let bytes = tree.allocated_bytes();
    assert!(bytes < 9_000_000, "{bytes} bytes for pairs of 8");
    let counted = tree.counted_bytes();
    assert!(
        counted.abs_diff(bytes) < bytes / 20,
        "{counted}, not {bytes}"
    );
    let expected = (0..1_000_000).map(|n| (n, RowPtr(n))).collect();
    assert!(check_tree(&tree, &expected, true, &Unasked) >= 3);
}

/// Keys that are hard to tell apart: few different bytes, 0 and 255 among them, long common
/// beginnings, keys that begin others, and the empty one.
fn text(n: u32, kind: u8) -> Vec<u8> {
    let digits = |base: u32, from: &[u8]| {
        let mut rest = n;
        let mut text = Vec::new();
        while rest > 0 {
            text.push(from[usize::try_from(rest % base).unwrap()]);
            rest /= base;
        }
        text
    };
    match kind {
        0 => digits(3, &[0, 0xff, b'a']),
        1 => [&[b'x'; 40][..], &digits(2, &[0, 1])].concat(),
        2 => format!("{:08}/{:>20}/{n}", n / 500, n % 7).into_bytes(),
        3 => vec![0; usize::try_from(n % 1200).unwrap()],
        _ => n.wrapping_mul(0x9e37_79b1).to_be_bytes().repeat(3),
    }
}

fn ends(from: &[u8], to: &[u8]) -> [Ends<Vec<u8>>; 4] {
    let (from, to) = (from.to_vec(), to.to_vec());
    [
        (Bound::Included(from.clone()), Bound::Included(to.clone())),
        (Bound::Excluded(from.clone()), Bound::Excluded(to.clone())),
        (Bound::Excluded(from), Bound::Unbounded),
        (Bound::Unbounded, Bound::Included(to)),
    ]
}

fn as_slices((from, to): &Ends<Vec<u8>>) -> Ends<&[u8]> {
    (
        from.as_ref().map(Vec::as_slice),
        to.as_ref().map(Vec::as_slice),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// The same for keys of which leaves hold only a part.
    #[test]
    fn a_tree_of_wide_keys_is_an_ordered_set(
        unique in any::<bool>(),
        kind in 0..5u8,
        key_bits in 2..12u32,
        runs in prop::collection::vec((0..4u8, any::<u32>(), 1..1500u32, 0..3u8), 1..8),
        probes in prop::collection::vec((any::<u32>(), any::<u32>()), 20),
    ) {
        let mask = (1u32 << key_bits) - 1;
        let (mut tree, mut rows) = (Tree::<Heads>::new(), Texts::default());
        let mut expected: BTreeSet<Pair<Vec<u8>>> = BTreeSet::new();
        let mut view = None;
        for (direction, seed, count, action) in runs {
            for n in 0..count {
                let n = match direction {
                    0 => n.wrapping_add(seed),
                    1 => seed.wrapping_sub(n),
                    _ => n.wrapping_mul(0x9e37_79b1).wrapping_add(seed) >> 7,
                };
                let ptr = RowPtr(n % 3000);
                let key = text(n & mask, kind);
                match (action, rows.0.get(&ptr).cloned()) {
                    (0, Some(old)) => {
                        let there = expected.contains(&(key.clone(), ptr));
                        prop_assert_eq!(tree.remove(&key, ptr, unique, &rows), there);
                        prop_assert_eq!(there, old == key);
                        if there {
                            expected.remove(&(key, ptr));
                            rows.0.remove(&ptr);
                        }
                    }
                    (1, Some(old)) => {
                        // Another row in its place, with the same key.
                        let new = RowPtr((n >> 3) % 3000);
                        if rows.0.contains_key(&new) {
                            continue;
                        }
                        rows.0.insert(new, old.clone());
                        let done = tree.exchange(&old, (ptr, new), unique, &rows);
                        prop_assert!(done || !unique);
                        if !done {
                            prop_assert!(tree.remove(&old, ptr, unique, &rows));
                            prop_assert_eq!(tree.insert(&old, new, unique, &rows), Ok(()));
                        }
                        rows.0.remove(&ptr);
                        expected.remove(&(old.clone(), ptr));
                        expected.insert((old, new));
                    }
                    (0, None) => prop_assert!(!tree.remove(&key, ptr, unique, &rows)),
                    (_, Some(_)) => {}
                    (_, None) => {
                        let mut same = expected.range((key.clone(), FIRST)..);
                        let holder = same.next().filter(|pair| pair.0 == key);
                        let holder = holder.filter(|_| unique).map(|pair| pair.1);
                        rows.0.insert(ptr, key.clone());
                        let inserted = tree.insert(&key, ptr, unique, &rows);
                        prop_assert_eq!(inserted, holder.map_or(Ok(()), Err));
                        match holder {
                            Some(_) => rows.0.remove(&ptr),
                            None => {
                                expected.insert((key, ptr));
                                None
                            }
                        };
                    }
                }
            }
            check_tree(&tree, &expected, unique, &rows);
            let scattered: Vec<RowPtr> = rows.0.keys().copied().collect();
            let built = Tree::<Heads>::build(scattered, unique, &rows).unwrap();
            check_tree(&built, &expected, unique, &rows);
            if seed % 3 == 0 {
                tree = built;
            }
            view.get_or_insert_with(|| (tree.clone(), expected.clone(), rows.clone()));
        }
        let view = view.into_iter().chain([(tree.clone(), expected.clone(), rows.clone())]);
        for (tree, expected, rows) in view {
            check_tree(&tree, &expected, unique, &rows);
            for (low, high) in &probes {
                let (low, high) = (text(low & mask, kind), text(high & mask, kind));
                let first = expected.range((low.clone(), FIRST)..).next();
                let first = first.filter(|pair| pair.0 == low).map(|pair| pair.1);
                prop_assert_eq!(tree.first(&low, &rows), first);
                let point = tree.range(Bound::Included(&low), Bound::Included(&low), &rows);
                let same = expected.iter().filter(|pair| pair.0 == low).map(|pair| pair.1);
                prop_assert!(point.eq(same));
                for bounds in ends(&low, &high) {
                    let within = |pair: &&Pair<Vec<u8>>| {
                        std::ops::RangeBounds::<Vec<u8>>::contains(&bounds, &pair.0)
                    };
                    let within = expected.iter().filter(within).map(|pair| pair.1);
                    let (from, to) = as_slices(&bounds);
                    prop_assert!(tree.range(from, to, &rows).eq(within));
                }
            }
        }
        for (key, ptr) in expected {
            prop_assert!(tree.remove(&key, ptr, unique, &rows));
            rows.0.remove(&ptr);
        }
        prop_assert_eq!(tree.len(), 0);
    }
}

#[test]
fn equal_unique_keys_are_found_while_building() {
    for kind in 0..5 {
        let mut rows = Texts::default();
        rows.0.extend((0..900).map(|n| (RowPtr(n), text(n, kind))));
        let all = || (0..900).map(RowPtr).collect::<Vec<_>>();
        assert!(Tree::<Heads>::build(all(), true, &rows).is_ok(), "{kind}");
        rows.0.insert(RowPtr(17), text(500, kind));
        let refused = Tree::<Heads>::build(all(), true, &rows);
        assert!(matches!(refused, Err(RowPtr(17 | 500))), "{kind}");
        assert!(Tree::<Heads>::build(all(), false, &rows).is_ok());
    }
}

#[test]
fn wide_keys_cost_no_more_than_their_heads() {
    let mut rows = Texts::default();
    let mut tree = Tree::<Heads>::new();
    for n in 0..100_000u32 {
        rows.0.insert(RowPtr(n), format!("{n:>60}").into_bytes());
        let key = rows.0[&RowPtr(n)].clone();
        assert_eq!(tree.insert(&key, RowPtr(n), true, &rows), Ok(()));
    }
    let bytes = tree.allocated_bytes();
    assert!(bytes < 1_550_000, "{bytes} bytes for pairs of 12");
}

use super::{FIRST, NODE_LEN_MAX, Node, Tree};
use proptest::prelude::*;
use spacetime_page::RowPtr;
use std::collections::BTreeSet;
use std::ops::Bound;

type Pair = (u32, RowPtr);

/// Checks the invariants of the nodes under this one and returns their depth.
fn check_node(node: &Node<u32>, low: Option<Pair>, high: Option<Pair>, unique: bool) -> usize {
    assert!(node.len() <= NODE_LEN_MAX);
    let pairs = match node {
        Node::Leaf(pairs) => pairs,
        Node::Inner { separators, .. } => separators,
    };
    let all: Vec<Pair> = pairs
        .keys
        .iter()
        .copied()
        .zip(pairs.ptrs.iter().copied())
        .collect();
    assert_eq!(pairs.keys.len(), pairs.ptrs.len());
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "out of order");
    assert!(all.iter().all(|pair| low.is_none_or(|low| *pair >= low)));
    assert!(all.iter().all(|pair| high.is_none_or(|high| *pair < high)));
    match node {
        Node::Leaf(_) => 1,
        Node::Inner { children, .. } => {
            assert_eq!(children.len(), all.len() + 1);
            assert!(!unique || all.iter().all(|pair| pair.1 == FIRST));
            let mut depths = BTreeSet::new();
            for (at, child) in children.iter().enumerate() {
                assert!(child.len() > 0, "empty node");
                let from = at.checked_sub(1).map(|before| all[before]).or(low);
                let to = all.get(at).copied().or(high);
                depths.insert(check_node(child, from, to, unique));
            }
            assert_eq!(depths.len(), 1, "leaves at different depths");
            depths.pop_first().unwrap() + 1
        }
    }
}

fn check_tree(tree: &Tree<u32>, expected: &BTreeSet<Pair>, unique: bool) -> usize {
    let depth = check_node(&tree.root, None, None, unique);
    assert_eq!(tree.len(), u64::try_from(expected.len()).unwrap());
    let all = tree.range(Bound::Unbounded, Bound::Unbounded);
    assert!(all.eq(expected.iter().map(|pair| pair.1)));
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
        let mut tree = Tree::new();
        let mut expected: BTreeSet<Pair> = BTreeSet::new();
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
                    prop_assert_eq!(tree.remove(&key, ptr, unique), expected.remove(&(key, ptr)));
                } else if unique {
                    let taken = expected.contains(&(key, ptr));
                    prop_assert_eq!(tree.insert(&key, ptr, true).is_err(), taken);
                    expected.insert((key, ptr));
                } else if expected.insert((key, ptr)) {
                    prop_assert_eq!(tree.insert(&key, ptr, false), Ok(()));
                }
            }
            check_tree(&tree, &expected, unique);
            let scattered = expected.iter().rev().copied().collect();
            let built = Tree::build(scattered, unique).unwrap();
            check_tree(&built, &expected, unique);
            if let Some(pair) = expected.first().filter(|_| removes) {
                // A built tree goes on like any other, and a pair cannot be built in twice.
                tree = built;
                let twice = expected.iter().chain([pair]).copied().collect();
                prop_assert_eq!(Tree::build(twice, true).is_err(), true);
            }
            for key in 0..200 {
                let point = tree.range(Bound::Included(&key), Bound::Included(key));
                let pairs = expected.range((key, FIRST)..(key + 1, FIRST));
                prop_assert!(point.eq(pairs.clone().map(|pair| pair.1)));
                prop_assert_eq!(tree.first(&key), pairs.map(|pair| pair.1).next());
                let after = tree.range(Bound::Excluded(&key), Bound::Excluded(key + 9));
                let pairs = expected.range((key + 1, FIRST)..(key + 9, FIRST));
                prop_assert!(after.eq(pairs.map(|pair| pair.1)));
            }
            view.get_or_insert_with(|| (tree.clone(), expected.clone()));
        }
        for pair in std::mem::take(&mut expected) {
            prop_assert!(tree.remove(&pair.0, pair.1, unique));
        }
        check_tree(&tree, &expected, unique);
        if let Some((tree, expected)) = view {
            check_tree(&tree, &expected, unique);
        }
    }
}

#[test]
fn keys_in_order_fill_the_nodes() {
    let mut tree = Tree::new();
    for n in 0..1_000_000u32 {
        assert_eq!(tree.insert(&n, RowPtr(n), true), Ok(()));
    }
    let bytes = tree.allocated_bytes(&|_| 0);
    assert!(bytes < 9_000_000, "{bytes} bytes for pairs of 8");
    let expected = (0..1_000_000).map(|n| (n, RowPtr(n))).collect();
    assert!(check_tree(&tree, &expected, true) >= 3);
}

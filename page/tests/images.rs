//! Page images: what they bring back, and what becomes of damaged ones.

mod generate;

use generate::{bsatn, rows};
use proptest::prelude::*;
use spacetime_page::{BlobError, BlobStore, RestoredPage, RowLayout, RowPtr, RowStore};
use std::sync::Arc;

fn images(rows: &RowStore) -> Vec<Vec<u8>> {
    let pages = rows.pages().map(|(_, page)| {
        let mut image = Vec::new();
        page.write_image(&mut image);
        assert_eq!(page.hash(), *blake3::hash(&image).as_bytes());
        image
    });
    pages.collect()
}

fn contents(rows: &RowStore, blobs: &BlobStore) -> Vec<Vec<u8>> {
    let read = |ptr| {
        let mut row = Vec::new();
        rows.read(ptr, blobs, &mut row);
        row
    };
    rows.iter().map(read).collect()
}

/// The same blobs, unused.
fn unused(blobs: &BlobStore) -> BlobStore {
    let mut copy = BlobStore::default();
    for (name, bytes, _) in blobs.iter() {
        copy.restore(name, Arc::clone(bytes)).unwrap();
    }
    copy
}

fn uses(blobs: &BlobStore) -> Vec<([u8; 32], u64)> {
    let mut uses: Vec<_> = blobs.iter().map(|(name, _, uses)| (*name, uses)).collect();
    uses.sort_unstable();
    uses
}

/// Rows put in, some of them taken out again.
fn filled(
    layout: &Arc<RowLayout>,
    pool: &[Vec<u8>],
    steps: &[(bool, prop::sample::Index)],
) -> (RowStore, BlobStore, Vec<RowPtr>) {
    let (mut rows, mut blobs) = (RowStore::new(Arc::clone(layout)), BlobStore::default());
    let mut ptrs = Vec::new();
    for (insert, at) in steps {
        if *insert || ptrs.is_empty() {
            let row: &Vec<u8> = at.get(pool);
            ptrs.push(rows.insert(row, &mut blobs).unwrap());
        } else {
            rows.remove(ptrs.swap_remove(at.index(ptrs.len())), &mut blobs);
        }
    }
    (rows, blobs, ptrs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn images_bring_the_rows_back(
        (row_type, values) in rows(0..6, 1..24, 6000),
        steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..160),
        more in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..60),
    ) {
        let layout = Arc::new(RowLayout::new(&row_type).unwrap());
        let pool: Vec<Vec<u8>> = values.iter().map(bsatn).collect();
        let (rows, blobs, _) = filled(&layout, &pool, &steps);
        let before = images(&rows);
        let mut again_blobs = unused(&blobs);
        let mut again = RowStore::restore(layout, &before, &mut again_blobs).unwrap();
        prop_assert_eq!(again.len(), rows.len());
        prop_assert_eq!(contents(&again, &again_blobs), contents(&rows, &blobs));
        prop_assert_eq!(uses(&again_blobs), uses(&blobs));
        prop_assert_eq!(images(&again), before.clone(), "equal rows have equal images");

        // The restored rows can be changed like any others, and what was frozen stays.
        let frozen = again.clone();
        let mut ptrs: Vec<RowPtr> = again.iter().collect();
        for (insert, at) in &more {
            if *insert || ptrs.is_empty() {
                let row = at.get(&pool);
                let ptr = again.insert(row, &mut again_blobs).unwrap();
                prop_assert!(again.row_eq(ptr, row, &again_blobs));
                ptrs.push(ptr);
            } else {
                again.remove(ptrs.swap_remove(at.index(ptrs.len())), &mut again_blobs);
            }
        }
        prop_assert_eq!(again.len(), u64::try_from(ptrs.len()).unwrap());
        prop_assert_eq!(images(&frozen), before);
        for ptr in ptrs {
            again.remove(ptr, &mut again_blobs);
        }
        prop_assert_eq!(again_blobs.uses(), 0);
    }

    /// A damaged image is refused, or is the image of other rows; nothing in between.
    #[test]
    fn damaged_images_are_refused_or_right(
        (row_type, values) in rows(0..5, 1..12, 40),
        steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..40),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..5u8, any::<u8>()), 1..4),
    ) {
        let layout = Arc::new(RowLayout::new(&row_type).unwrap());
        let pool: Vec<Vec<u8>> = values.iter().map(bsatn).collect();
        let (rows, blobs, _) = filled(&layout, &pool, &steps);
        for mut image in images(&rows) {
            for (at, kind, byte) in &damage {
                let at = at.index(image.len().max(1));
                match (kind, image.get_mut(at)) {
                    (0, Some(place)) => *place = *byte,
                    (1, Some(place)) => *place ^= 1 << (byte % 8),
                    (2, _) => image.truncate(at),
                    (3, _) => image.push(*byte),
                    _ => image.insert(at.min(image.len()), *byte),
                }
            }
            let mut again_blobs = unused(&blobs);
            let again = RowStore::restore(Arc::clone(&layout), [&image], &mut again_blobs);
            if let Ok(again) = again {
                for row in contents(&again, &again_blobs) {
                    prop_assert_eq!(layout.validate(&row), Ok(()));
                }
                prop_assert_eq!(images(&again), [image]);
            }
        }
    }

    #[test]
    fn any_bytes_are_decoded_without_a_panic(
        (row_type, _) in rows(0..5, 1..2, 4),
        bytes in prop::collection::vec(
            prop_oneof![Just(0u8), Just(1), Just(255), any::<u8>()],
            0..200,
        ),
        slots_end in 0..70u32,
    ) {
        let layout = RowLayout::new(&row_type).unwrap();
        let blobs = BlobStore::default();
        let _ = RestoredPage::decode(&layout, &bytes, &blobs);
        let with_head = [&slots_end.to_le_bytes()[..], &bytes].concat();
        let _ = RestoredPage::decode(&layout, &with_head, &blobs);
    }
}

#[test]
fn blobs_come_back_under_their_own_name_only() {
    let mut blobs = BlobStore::default();
    let name = *blake3::hash(b"large").as_bytes();
    assert_eq!(
        blobs.restore(&name, &b"lurge"[..]),
        Err(BlobError::WrongName)
    );
    assert_eq!(blobs.restore(&name, &b"large"[..]), Ok(()));
    assert_eq!(blobs.restore(&name, &b"large"[..]), Err(BlobError::Twice));
    assert_eq!((blobs.len(), blobs.bytes(), blobs.uses()), (1, 5, 0));
}

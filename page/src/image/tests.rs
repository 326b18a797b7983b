use super::{ImageError, PageRef, RestoredPage};
use crate::{BlobStore, RowLayout, RowStore};
use spacetime_types::{AlgebraicType, ProductType, ProductTypeElement};
use std::sync::Arc;

fn layout(types: Vec<AlgebraicType>) -> Arc<RowLayout> {
    let elements = types.into_iter().map(|algebraic_type| ProductTypeElement {
        name: None,
        algebraic_type,
    });
    let elements = elements.collect();
    Arc::new(RowLayout::new(&ProductType { elements }).unwrap())
}

fn images(rows: &RowStore) -> Vec<Vec<u8>> {
    let image = |page: PageRef<'_>| {
        let mut image = Vec::new();
        page.write_image(&mut image);
        assert_eq!(page.hash(), *blake3::hash(&image).as_bytes());
        image
    };
    rows.pages().map(|(_, page)| image(page)).collect()
}

#[test]
fn an_image_is_what_the_head_of_the_file_says() {
    let mut rows = RowStore::new(layout(vec![AlgebraicType::U8, AlgebraicType::String]));
    let mut blobs = BlobStore::default();
    let first = rows.insert(b"\x07\x02\0\0\0hi", &mut blobs).unwrap();
    rows.insert(b"\x08\x00\0\0\0", &mut blobs).unwrap();
    rows.insert(b"\x09\x03\0\0\0abc", &mut blobs).unwrap();
    let head = b"\x03\0\0\0\x07\0\0\0\0\0\0\0".as_slice();
    let expect = [head, b"\x07\x02\0\x08\0\0\x09\x03\0hiabc"].concat();
    assert_eq!(images(&rows), [expect]);
    rows.remove(first, &mut blobs);
    let head = b"\x03\0\0\0\x06\0\0\0\0\0\0\0".as_slice();
    assert_eq!(
        images(&rows),
        [[head, b"\x08\0\0\x09\x03\0abc"].concat()],
        "the hash was not forgotten, or the removed row not left out"
    );
}

#[test]
fn what_the_page_held_before_is_not_in_the_image() {
    let texts = layout(vec![AlgebraicType::U8, AlgebraicType::String]);
    let mut blobs = BlobStore::default();
    let mut plain = RowStore::new(Arc::clone(&texts));
    let mut worn = RowStore::new(texts);
    let row = |n: u8| {
        [
            &[n, n % 50, 0, 0, 0][..],
            &vec![b'a' + n % 26; usize::from(n % 50)],
        ]
        .concat()
    };
    let ptrs: Vec<_> = (0..200)
        .map(|n| worn.insert(&row(n + 1), &mut blobs).unwrap())
        .collect();
    for ptr in ptrs.iter().rev() {
        worn.remove(*ptr, &mut blobs);
    }
    for n in 0..200 {
        plain.insert(&row(n), &mut blobs).unwrap();
    }
    // The same rows in the same slots, put there in another order.
    for n in (0..200).rev() {
        worn.insert_at(ptrs[usize::from(n)], &row(n), &mut blobs);
    }
    assert_eq!(images(&plain), images(&worn));
}

fn refuse(layout: &RowLayout, image: &[u8], is_expected: impl Fn(&ImageError) -> bool) {
    let refused = RestoredPage::decode(layout, image, &BlobStore::default());
    let error = refused.expect_err("a wrong image was accepted");
    assert!(is_expected(&error), "{error:?}");
}

#[test]
fn wrong_images_are_refused_with_the_reason() {
    let bools = layout(vec![AlgebraicType::Bool, AlgebraicType::U8]);
    let word = |bits: u64| bits.to_le_bytes();
    let image =
        |end: u32, bits: u64, rest: &[u8]| [&end.to_le_bytes()[..], &word(bits), rest].concat();
    assert!(
        RestoredPage::decode(
            &bools,
            &image(2, 3, b"\x01\x02\0\x04"),
            &BlobStore::default()
        )
        .is_ok()
    );
    let is_length = |error: &ImageError| matches!(error, ImageError::Length { .. });
    let is_slots = |error: &ImageError| matches!(error, ImageError::Slots { .. });
    refuse(&bools, b"", is_length);
    refuse(&bools, &image(0, 0, b""), is_slots);
    refuse(&bools, &image(2, 1, b"\x01\x02"), is_slots);
    refuse(&bools, &image(2, 7, b"\x01\x02\0\0\0\0"), is_slots);
    refuse(&bools, &image(u32::MAX, 1, b""), is_slots);
    refuse(&bools, &image(2, 3, b"\x01\x02\0"), is_length);
    refuse(&bools, &image(2, 3, b"\x01\x02\0\x04\0"), is_length);
    refuse(&bools, &image(2, 3, b"\x01\x02\x02\x04"), |error| {
        matches!(error, ImageError::Row { slot: 1, .. })
    });
    let texts = layout(vec![AlgebraicType::String]);
    refuse(&texts, &image(1, 1, b"\x03\0ab"), is_length);
    refuse(&texts, &image(1, 1, b"\x02\0abc"), is_length);
    refuse(&texts, &image(1, 1, b"\x02\0\xff\xff"), |error| {
        matches!(error, ImageError::Row { slot: 0, .. })
    });
    refuse(
        &texts,
        &image(1, 1, &[&[0xff; 2][..], &[7; 32]].concat()),
        |error| matches!(error, ImageError::MissingBlob { slot: 0 }),
    );
    // A string too long for the page that is not in the blob store.
    let long = [&9_000u16.to_le_bytes()[..], &[b'x'; 9_000]].concat();
    refuse(&texts, &image(1, 1, &long), |error| {
        matches!(error, ImageError::NotCanonical { slot: 0 })
    });
}

#[test]
fn fingerprints_tell_layouts_apart() {
    use AlgebraicType as T;
    let all = [
        vec![],
        vec![T::U32],
        vec![T::U64],
        vec![T::U32, T::U32],
        vec![T::Bool],
        vec![T::String],
        vec![T::Array(Box::new(T::U8))],
        vec![T::Array(Box::new(T::String))],
        vec![T::Array(Box::new(T::Array(Box::new(T::U8))))],
        vec![T::String, T::U32],
        vec![T::U32, T::String],
    ];
    let mut fingerprints: Vec<_> = all.map(|types| layout(types).fingerprint()).to_vec();
    fingerprints.sort_unstable();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 11);
    let again = layout(vec![T::I32]).fingerprint();
    assert_eq!(
        again,
        layout(vec![T::U32]).fingerprint(),
        "same bytes, same places"
    );
}

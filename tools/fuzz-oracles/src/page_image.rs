//! Images of pages.

use std::sync::{Arc, OnceLock};

use spacetime_page::{BlobStore, RowLayout, RowStore};
use spacetime_types::{AlgebraicType as Ty, ProductType};

use crate::disk::bytes_or_changes;

fn row_types() -> [ProductType; 6] {
    let mixed = [
        Ty::U32,
        Ty::String,
        Ty::array(Ty::U8),
        Ty::option(Ty::U64),
        Ty::Bool,
    ];
    [
        ProductType::tuple([Ty::U32, Ty::I32]),
        ProductType::tuple([Ty::String]),
        ProductType::tuple(mixed),
        ProductType::tuple([Ty::sum([("a", Ty::Bool), ("b", Ty::String)]), Ty::Bool]),
        ProductType::tuple([Ty::array(Ty::option(Ty::String)), Ty::I16]),
        ProductType::default(),
    ]
}

/// Large enough not to lie in the page.
fn large() -> Vec<u8> {
    vec![b'x'; 5000]
}

/// Some rows of each type, as BSATN.
fn rows(row_type: usize) -> Vec<Vec<u8>> {
    let text = |text: &[u8]| {
        let mut row = u32::try_from(text.len())
            .unwrap_or(0)
            .to_le_bytes()
            .to_vec();
        row.extend_from_slice(text);
        row
    };
    let number = |n: u8| vec![n, 0, 0, 0];
    let numbers = || (0..20_u8).map(number);
    match row_type {
        0 => numbers().map(|n| [n.clone(), n].concat()).collect(),
        1 => vec![text(b""), text(b"one"), text(&large()), text(&[b'y'; 300])],
        2 => numbers()
            .map(|n| {
                let name = text(&b"a name that is long"[..usize::from(n[0] % 20)]);
                let bytes = text(if n[0] == 3 { &[7; 4000] } else { &[1, 2, 3] });
                let option = if n[0] % 2 == 0 {
                    vec![1]
                } else {
                    vec![0, 1, 2, 3, 4, 5, 6, 7, 8]
                };
                [n, name, bytes, option, vec![1]].concat()
            })
            .collect(),
        3 => vec![
            vec![0, 1, 0],
            vec![0, 0, 1],
            [vec![1], text(b"sum"), vec![0]].concat(),
        ],
        4 => {
            let some = [vec![2, 0, 0, 0, 0], text(b"in an array"), vec![1, 5, 0]].concat();
            vec![vec![0, 0, 0, 0, 9, 9], some]
        }
        _ => vec![vec![]],
    }
}

/// A page of rows of one type.
struct Good {
    layout: Arc<RowLayout>,
    blobs: BlobStore,
    image: Vec<u8>,
}

impl Good {
    fn new(number: usize, row_type: &ProductType) -> Good {
        let Ok(layout) = RowLayout::new(row_type) else {
            panic!("a layout for every type");
        };
        let layout = Arc::new(layout);
        let mut blobs = BlobStore::default();
        let mut store = RowStore::new(Arc::clone(&layout));
        for row in rows(number) {
            if let Err(error) = layout.validate(&row) {
                panic!("not a row of type {number}: {error}");
            }
            if let Err(error) = store.insert(&row, &mut blobs) {
                panic!("no room: {error}");
            }
        }
        let mut image = Vec::new();
        if let Some((_, page)) = store.pages().next() {
            page.write_image(&mut image);
        }
        Good {
            layout,
            blobs,
            image,
        }
    }
}

/// Any bytes as the image of a page of rows of some type; the first byte chooses the type, and
/// whether what follows is an image or changes to one. It is refused, or it is the image of the
/// rows that it brings back, each of which is a good one.
pub fn page_image(data: &[u8]) -> bool {
    static GOOD: OnceLock<Vec<Good>> = OnceLock::new();
    let good = GOOD.get_or_init(|| {
        let types = row_types();
        let numbered = types.iter().enumerate();
        numbered
            .map(|(number, row_type)| Good::new(number, row_type))
            .collect()
    });
    let Some(&choice) = data.first() else {
        return false;
    };
    let good = &good[usize::from(choice / 2) % good.len()];
    let image = bytes_or_changes(data, || good.image.clone());
    restore(&good.layout, &image, &good.blobs)
}

fn restore(layout: &Arc<RowLayout>, image: &[u8], good: &BlobStore) -> bool {
    let mut blobs = BlobStore::default();
    for (name, bytes, _) in good.iter() {
        let restored = blobs.restore(name, Arc::clone(bytes));
        assert!(restored.is_ok(), "a good blob");
    }
    let Ok(mut store) = RowStore::restore(Arc::clone(layout), [image], &mut blobs) else {
        return false;
    };
    let mut again = Vec::new();
    for (_, page) in store.pages() {
        page.write_image(&mut again);
        assert_eq!(page.hash(), *blake3::hash(&again).as_bytes());
    }
    if !store.is_empty() {
        assert_eq!(again, image, "not the image of what it brought back");
    }
    let ptrs: Vec<_> = store.iter().collect();
    assert_eq!(ptrs.len() as u64, store.len());
    let mut row = Vec::new();
    for &ptr in &ptrs {
        row.clear();
        store.read(ptr, &blobs, &mut row);
        assert!(layout.validate(&row).is_ok(), "a row that is none");
    }
    for ptr in ptrs {
        store.remove(ptr, &mut blobs);
    }
    assert_eq!(blobs.uses(), 0, "uses of blobs were miscounted");
    true
}

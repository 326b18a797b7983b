//! Fixed-size pages of packed BSATN rows.
//!
//! A [`RowStore`] holds the rows of one table. Rows come in and go out as BSATN; inside, the
//! fixed-size columns lie packed in a slot of a page, variable-length columns in the same page's
//! variable-length area, and large ones in the [`BlobStore`] by content hash. A row without
//! variable-length columns is stored as its BSATN, byte for byte.
//!
//! ```
//! use spacetime_page::{BlobStore, RowLayout, RowStore};
//! use spacetime_types::{AlgebraicType, ProductType, ProductTypeElement};
//! use std::sync::Arc;
//!
//! let column = |algebraic_type| ProductTypeElement { name: None, algebraic_type };
//! let row_type = ProductType {
//!     elements: vec![column(AlgebraicType::U32), column(AlgebraicType::String)],
//! };
//! let layout = Arc::new(RowLayout::new(&row_type).unwrap());
//! let row = b"\x07\0\0\0\x02\0\0\0hi";
//! layout.validate(row).unwrap();
//!
//! let (mut rows, mut blobs) = (RowStore::new(layout), BlobStore::default());
//! let ptr = rows.insert(row, &mut blobs).unwrap();
//! let mut out = Vec::new();
//! rows.read(ptr, &blobs, &mut out);
//! assert_eq!(out, row);
//! ```
//!
//! Not here: what rows mean (constraints, indexes, transactions), and the disk.

mod blob;
mod codec;
mod free_space;
mod image;
mod layout;
mod page;
mod row_hash;
mod row_ptr;
mod shape;
mod shared_vec;
mod store;

pub use blob::{BlobError, BlobName, BlobStore};
pub use image::{ImageError, PageRef, RestoredPage};
pub use layout::{LayoutError, LayoutFingerprint, RowLayout};
pub use row_hash::hash_row;
pub use row_ptr::RowPtr;
pub use shape::{RowError, ValueShape, ZERO_SIZED_COUNT_MAX};
pub use shared_vec::SharedVec;
pub use store::{InsertError, RestoreError, RowIter, RowStore};

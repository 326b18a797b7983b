//! Ordered, hash and direct indexes over row pointers.
//!
//! A [`KeyShape`] turns the columns of a row into a [`Key`] whose order is the order of the
//! values; an [`Index`] maps keys to row pointers. Cloning an index costs a few reference counts.
//!
//! ```
//! use spacetime_index::{Algorithm, Index, Key, KeyShape};
//! use spacetime_page::RowPtr;
//! use spacetime_types::AlgebraicType;
//! use std::ops::Bound;
//!
//! let shape = KeyShape::new(&[AlgebraicType::I32]).unwrap();
//! let mut index = Index::new(Algorithm::BTree, true, shape);
//! let mut key = Key::default();
//! for n in [3i32, -1, 2] {
//!     index.shape().encode(&[&n.to_le_bytes()], &mut key);
//!     index.insert(&key, RowPtr(n.unsigned_abs())).unwrap();
//! }
//! let from_zero = Bound::Excluded(&[0u8; 4][..]);
//! let range = index.shape().range(&[], 0, from_zero, Bound::Unbounded).unwrap();
//! let found: Vec<RowPtr> = index.range(&range).unwrap().collect();
//! assert_eq!(found, [RowPtr(2), RowPtr(3)]);
//! ```
//!
//! Not here: where rows are stored, and which indexes a table has.

mod direct;
mod hashed;
mod index;
mod key;
mod key_shape;
mod tree;

pub use index::{Algorithm, Index, IndexIter, NotOrdered};
pub use key::{Key, KeyBytes, KeyRange};
pub use key_shape::{KeyError, KeyShape, KeyShapeError};

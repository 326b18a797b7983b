//! Ordered, hash and direct indexes over row pointers.
//!
//! A [`KeyShape`] turns the columns of a row into a [`Key`] whose order is the order of the
//! values; an [`Index`] maps keys to row pointers. Cloning an index costs a few reference counts.
//!
//! ```
//! use spacetime_index::{Algorithm, Index, Key, KeyShape, RowKeys};
//! use spacetime_page::RowPtr;
//! use spacetime_types::AlgebraicType;
//! use std::ops::Bound;
//!
//! /// Rows that are their pointers.
//! struct Rows;
//!
//! impl RowKeys for Rows {
//!     fn key_of(&self, ptr: RowPtr, shape: &KeyShape, out: &mut Key) {
//!         shape.encode(&[&ptr.0.to_le_bytes()], out);
//!     }
//! }
//!
//! let shape = KeyShape::new(&[AlgebraicType::I32]).unwrap();
//! let mut index = Index::new(Algorithm::BTree, true, shape);
//! let mut key = Key::default();
//! for n in [3i32, 1, 2] {
//!     index.shape().encode(&[&n.to_le_bytes()], &mut key);
//!     index.insert(&key, RowPtr(n.unsigned_abs()), &Rows).unwrap();
//! }
//! let above_one = Bound::Excluded(&[1u8, 0, 0, 0][..]);
//! let range = index.shape().range(&[], 0, above_one, Bound::Unbounded).unwrap();
//! let found: Vec<RowPtr> = index.range(&range, &Rows).unwrap().collect();
//! assert_eq!(found, [RowPtr(2), RowPtr(3)]);
//! ```
//!
//! Not here: where rows are stored, and which indexes a table has.

mod check;
mod direct;
mod hashed;
mod index;
mod key;
mod key_shape;
mod leaf_keys;
mod tree;

pub use check::IndexFault;
pub use hashed::Hashed;
pub use index::{Algorithm, Index, IndexIter, NotOrdered, RowKeys};
pub use key::{Key, KeyBytes, KeyRange};
pub use key_shape::{KeyError, KeyShape, KeyShapeError};

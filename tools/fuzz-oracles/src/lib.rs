//! What must hold for any bytes whatever, one function for each thing that reads stored bytes.
//!
//! A function returns if all is well: true if the bytes were accepted, at least in part, and false
//! if they were refused. It panics if a promise was broken: a panic inside, a wrong result, or a
//! result that differs from that of another way to the same place. Fuzz targets
//! (`fuzz/fuzz_targets`) and property tests (`tests/any_bytes.rs`) both call these functions, with
//! bytes of their own.
//!
//! Not here: where the bytes come from.

mod commit;
mod disk;
mod foreign;
mod log;
mod page_image;
mod snapshot;
mod txdata;

pub use commit::commit;
pub use foreign::{foreign_manifest, foreign_page};
pub use log::{offset_index, segment};
pub use page_image::page_image;
pub use snapshot::{snapshot_files, snapshot_manifest};
pub use txdata::txdata;

/// A check, with the name that its fuzz target has.
pub type Oracle = (&'static str, fn(&[u8]) -> bool);

/// All of them.
pub const ALL: [Oracle; 9] = [
    ("commit", commit),
    ("segment", segment),
    ("offset_index", offset_index),
    ("txdata", txdata),
    ("page_image", page_image),
    ("snapshot_manifest", snapshot_manifest),
    ("snapshot_files", snapshot_files),
    ("foreign_manifest", foreign_manifest),
    ("foreign_page", foreign_page),
];

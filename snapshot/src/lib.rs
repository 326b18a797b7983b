//! Content-addressed snapshots of a database: not written yet.
//!
//! This crate is empty. Until it exists, a database is recovered by replaying its whole log, and
//! `spacetime-durability` takes the first wanted offset as an argument
//! (`Options::replay_from`), which is where a loaded snapshot will come in.
//!
//! What it will own: pages and blobs stored under their hash, a manifest for each snapshot,
//! verification on load, and retention.

//! Content-addressed snapshots.

//! The segmented, checksummed commitlog.

//! Fixed-size pages of packed BSATN rows.

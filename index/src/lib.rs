//! Ordered, hash and direct indexes over row pointers.

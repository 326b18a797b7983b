//! Nothing but a test: see `tests/chromium.rs`.

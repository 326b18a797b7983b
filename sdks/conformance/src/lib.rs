//! Nothing but tests: see `tests/scenarios` and `tests/client`.

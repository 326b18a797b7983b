//! Any bytes for `spacetime_fuzz_oracles::foreign_page`, which says what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _accepted = spacetime_fuzz_oracles::foreign_page(data);
});

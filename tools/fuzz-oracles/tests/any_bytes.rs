//! The checks of the fuzz targets, with a bounded number of random bytes each: for those who have
//! no fuzzer. `PROPTEST_CASES` makes the run larger.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use spacetime_fuzz_oracles::ALL;

/// Bytes of several kinds: any; mostly zeros; few changes to something good.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        vec(prop_oneof![9 => Just(0_u8), 1 => 0_u8..4], 0..500),
        // An odd first byte announces changes.
        (any::<u8>(), vec(any::<[u8; 4]>(), 0..4)).prop_map(|(first, edits)| [
            vec![first | 1],
            edits.concat()
        ]
        .concat()),
        vec(any::<[u8; 5]>(), 0..3).prop_map(|edits| edits.concat()),
    ]
}

/// Runs one check as often as it is worth in its time. It must have accepted some of the bytes
/// and refused others: a check that sees only one kind checks little.
fn check(name: &str, inputs_per_case: usize) {
    let (_, oracle) = ALL
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a known check");
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    });
    let accepted = std::cell::Cell::new((0_u64, 0_u64));
    let result = runner.run(&vec(bytes(), inputs_per_case), |inputs| {
        for input in inputs {
            let (yes, no) = accepted.get();
            match oracle(&input) {
                true => accepted.set((yes + 1, no)),
                false => accepted.set((yes, no + 1)),
            }
        }
        Ok(())
    });
    let (yes, no) = accepted.get();
    eprintln!("{name}: {yes} accepted, {no} refused");
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(yes > 0 && no > 0, "{name}: {yes} accepted, {no} refused");
}

macro_rules! any_bytes_are_fine {
    ($($name:ident, $inputs:literal;)*) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name), $inputs);
            }
        )*

        #[test]
        fn every_check_is_run_here() {
            let here = [$(stringify!($name)),*];
            assert_eq!(here.to_vec(), ALL.map(|(name, _)| name).to_vec());
        }
    };
}

any_bytes_are_fine! {
    commit, 40;
    segment, 10;
    offset_index, 4;
    txdata, 80;
    page_image, 40;
    snapshot_manifest, 80;
    snapshot_files, 20;
    foreign_manifest, 20;
    foreign_page, 4;
}

/// Inputs that once broke something, or that reach what random bytes hardly do.
#[test]
fn chosen_bytes() {
    let chosen: [&[u8]; 6] = [b"", b"\0", b"\x01", &[0; 64], &[255; 64], &[1; 64]];
    for (_, check) in ALL {
        for bytes in chosen {
            let _accepted = check(bytes);
        }
    }
}

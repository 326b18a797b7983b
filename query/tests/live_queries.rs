//! Live queries are at any time what their text gives when it is asked anew.
//!
//! `LIVE_QUERIES_SEEDS` sets how many databases are tried, `LIVE_QUERIES_FIRST` the first seed.

mod fixture;
mod live;

/// Enough for a hundred thousand comparisons.
const SEEDS: u64 = 1_200;

fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn updates_keep_results_equal_to_new_ones() {
    let (first, seeds) = (
        number("LIVE_QUERIES_FIRST", 0),
        number("LIVE_QUERIES_SEEDS", SEEDS),
    );
    let mut checks = 0;
    for seed in first..first + seeds {
        match live::run(seed) {
            Ok(done) => checks += done,
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(
        seeds < SEEDS || checks > 100_000,
        "only {checks} comparisons"
    );
}

//! Every planted defect of subscriptions is found by the random runs, and by nothing else than the
//! defect: without one they pass.

mod fixture;
mod live;

use spacetime_query::planted::{Bug, switch};

const SEEDS: u64 = 400;

#[test]
fn random_runs_find_each_defect() {
    switch(None);
    for seed in 0..SEEDS / 10 {
        if let Err(error) = live::run(seed) {
            panic!("seed {seed} without a defect: {error}");
        }
    }
    for bug in Bug::ALL {
        switch(Some(bug));
        let found = (0..SEEDS).any(|seed| live::run(seed).is_err());
        switch(None);
        assert!(found, "{} was not found", bug.name());
    }
}

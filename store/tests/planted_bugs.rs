//! The tests see the bugs that they are there for.

mod load;

use load::{Load, options};
use spacetime_store::LogRetention;
use spacetime_store::planted::{Bug, switch};

#[test]
fn a_snapshot_that_was_written_too_early_is_noticed() {
    for is_planted in [false, true] {
        switch(is_planted.then_some(Bug::SnapshotBeforeDurable));
        let mut load = Load::new(1, options(LogRetention::Keep));
        load.write_log();
        for _ in 0..5 {
            load.transact();
        }
        let job = load
            .store
            .begin_snapshot(load.time())
            .expect("transactions");
        assert_eq!(job.write().is_ok(), is_planted);
        load.disk = load.disk.after_power_cut();
        assert_eq!(load.open_again().is_err(), is_planted);
        switch(None);
    }
}

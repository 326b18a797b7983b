//! A disk that stands still for 1, 10 and 60 seconds of simulated time.

use spacetime_sim::stall::{QUEUE_LEN_MAX, StallRun, run};

const SECOND: u64 = 1_000_000;

#[test]
fn a_stalled_disk_delays_everything_and_breaks_nothing() {
    for (seed, seconds) in [(1, 1), (2, 10), (3, 60)] {
        let stall = StallRun {
            seed,
            stall_micros: seconds * SECOND,
            without_syncs: false,
        };
        let report = run(stall).unwrap_or_else(|violation| panic!("{seconds} s: {violation}"));
        // The queue fills up and no further; the rest waits before the writer.
        assert_eq!(report.queued_max, QUEUE_LEN_MAX, "{seconds} s: {report:?}");
        assert!(report.waiting_max > 0, "{seconds} s: {report:?}");
        // What has piled up goes in a few large commits.
        assert!(report.recovered_after_micros < SECOND, "{report:?}");
        assert_eq!(run(stall).as_ref(), Ok(&report), "one seed is one run");
    }
}

#[test]
fn without_syncs_a_loss_is_seen() {
    let seen = (0..10).any(|seed| {
        let stall = StallRun {
            seed,
            stall_micros: SECOND,
            without_syncs: true,
        };
        run(stall).is_err()
    });
    assert!(seen);
}

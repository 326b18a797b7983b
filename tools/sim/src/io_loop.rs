//! Every operation of a small run fails once: the first, the second, the third ... of each kind,
//! until a run ends without meeting the fault.

use spacetime_durability::storage::Fault;

use crate::scenario::IoFault;
use crate::seed::{Outcome, Settings, run_seed};
use crate::simulation::kind_of;
use crate::trace::Keep;

/// What came of it.
#[derive(Debug)]
pub struct IoLoop {
    /// Operations that were made to fail, by kind.
    pub failed: Vec<(Fault, u64)>,
    /// Runs that broke a promise, with their fault.
    pub failures: Vec<(IoFault, Outcome)>,
}

/// Makes every operation of the small run of a seed fail, one a run. Only every `stride`th of
/// each kind, to save time.
#[must_use]
pub fn fail_every_operation(seed: u64, stride: u64) -> IoLoop {
    let mut all = IoLoop {
        failed: Vec::new(),
        failures: Vec::new(),
    };
    for fault in Fault::ALL {
        let mut failed = 0;
        for in_recovery in [false, true] {
            for nth in 0.. {
                let io = IoFault {
                    fault,
                    after: nth * stride.max(1),
                    in_recovery,
                };
                let settings = Settings {
                    io_fault: Some(io),
                    ..Settings::default()
                };
                let outcome = run_seed(seed, settings, Keep::HashOnly);
                let was_met = outcome.activations.of(kind_of(fault)) > 0;
                if outcome.violation.is_some() {
                    all.failures.push((io, outcome));
                }
                if !was_met {
                    break;
                }
                failed += 1;
            }
        }
        all.failed.push((fault, failed));
    }
    all
}

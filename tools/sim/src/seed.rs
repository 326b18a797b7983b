//! One seed from beginning to end: its trace, its counts, and what went wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::activation::Activations;
use crate::scenario::{FaultFamilies, IoFault, NullControl};
use crate::simulation::Simulation;
use crate::trace::{Keep, Trace, TraceHash};
use crate::violation::Violation;

/// What is the same for all seeds of a run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub families: FaultFamilies,
    pub null: NullControl,
    /// Instead of the faults that the seed would draw.
    pub io_fault: Option<IoFault>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            families: FaultFamilies::ALL,
            null: NullControl::None,
            io_fault: None,
        }
    }
}

/// What a seed led to.
#[derive(Debug)]
pub struct Outcome {
    pub seed: u64,
    pub hash: TraceHash,
    pub activations: Activations,
    pub violation: Option<Violation>,
    pub lines: Vec<String>,
}

/// Runs one seed. A panic anywhere below is a broken promise like any other.
#[must_use]
pub fn run_seed(seed: u64, settings: Settings, keep: Keep) -> Outcome {
    let trace = Trace::new(keep);
    let mut simulation = Simulation::new(seed, settings, trace.clone());
    let result = catch_unwind(AssertUnwindSafe(|| simulation.run()));
    let violation = match result {
        Ok(result) => result.err(),
        Err(panic) => Some(Violation::new("panic", panic_text(&*panic))),
    };
    if let Some(violation) = &violation {
        trace.line(format_args!("violation: {violation}"));
    }
    Outcome {
        seed,
        hash: trace.hash(),
        activations: simulation.activations().clone(),
        violation,
        lines: trace.lines(),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

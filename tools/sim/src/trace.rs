//! What happened in a simulation, line by line, and its hash.
//!
//! Two runs of one seed have the same trace, or the simulation is not deterministic.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// The hash of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceHash([u8; 16]);

impl fmt::Display for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whether the lines are kept or only hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    HashOnly,
    Lines,
}

/// A trace; clones write to the same one.
#[derive(Clone, Debug)]
pub struct Trace {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    hasher: blake3::Hasher,
    text: String,
    lines: Option<Vec<String>>,
}

impl Trace {
    #[must_use]
    pub fn new(keep: Keep) -> Self {
        Trace {
            shared: Arc::new(Mutex::new(Shared {
                hasher: blake3::Hasher::new(),
                text: String::new(),
                lines: (keep == Keep::Lines).then(Vec::new),
            })),
        }
    }

    /// Adds a line.
    pub fn line(&self, line: fmt::Arguments<'_>) {
        let shared = &mut *self.shared.lock();
        shared.text.clear();
        fmt::write(&mut shared.text, line).expect("writing to a string cannot fail");
        if let Some(lines) = &mut shared.lines {
            lines.push(shared.text.clone());
        }
        shared.text.push('\n');
        shared.hasher.update(shared.text.as_bytes());
    }

    #[must_use]
    pub fn hash(&self) -> TraceHash {
        let hash = self.shared.lock().hasher.finalize();
        let half = hash.as_bytes().first_chunk();
        TraceHash(*half.expect("a hash has 32 bytes"))
    }

    /// The lines so far, if they are kept.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.shared.lock().lines.clone().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_the_lines_and_on_nothing_else() {
        let [kept, hashed, other] = [Keep::Lines, Keep::HashOnly, Keep::HashOnly].map(Trace::new);
        for number in 0..3 {
            kept.line(format_args!("line {number}"));
            hashed.line(format_args!("line {number}"));
            other.line(format_args!("line{number}"));
        }
        assert_eq!(kept.hash(), hashed.hash());
        assert_ne!(kept.hash(), other.hash());
        assert_eq!(kept.lines(), ["line 0", "line 1", "line 2"]);
        assert_eq!(hashed.lines(), Vec::<String>::new());
    }
}

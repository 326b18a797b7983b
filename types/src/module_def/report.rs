//! What validation has found, and how much it may still make.
//!
//! Invariant: memory that validation takes is bounded by the input's size plus the constants
//! here. Generated names and inlined types could otherwise be far larger than the definition.

use super::error::{ERROR_COUNT_MAX, ModuleDefError};

/// Most bytes of generated names in a definition.
pub(super) const GENERATED_NAME_BYTES_MAX: usize = 16 << 20;

/// Most nodes of all column types in a definition, after inlining.
pub(super) const COLUMN_TYPE_NODE_COUNT_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Report {
    errors: Vec<ModuleDefError>,
    pub warnings: Vec<String>,
    name_bytes_left: usize,
    type_nodes_left: usize,
}

impl Report {
    pub fn new() -> Self {
        Report {
            errors: Vec::new(),
            warnings: Vec::new(),
            name_bytes_left: GENERATED_NAME_BYTES_MAX,
            type_nodes_left: COLUMN_TYPE_NODE_COUNT_MAX,
        }
    }

    /// Adds an error; those past the limit are dropped, the definition is refused anyway.
    pub fn push(&mut self, error: ModuleDefError) {
        if self.errors.len() < ERROR_COUNT_MAX {
            self.errors.push(error);
        }
    }

    /// Takes bytes for a generated name. Without enough left there is an error, and no name.
    pub fn take_name_bytes(&mut self, len: usize) -> bool {
        let what = "generated names in bytes";
        let taken = take(&mut self.name_bytes_left, len);
        if !taken {
            let max = GENERATED_NAME_BYTES_MAX;
            self.push(ModuleDefError::TooLarge { what, max });
        }
        taken
    }

    /// Takes nodes for an inlined type.
    pub fn take_type_nodes(&mut self, count: usize) -> bool {
        let what = "parts of column types";
        let taken = take(&mut self.type_nodes_left, count);
        if !taken {
            let max = COLUMN_TYPE_NODE_COUNT_MAX;
            self.push(ModuleDefError::TooLarge { what, max });
        }
        taken
    }

    pub fn into_errors(self) -> Vec<ModuleDefError> {
        self.errors
    }
}

fn take(left: &mut usize, amount: usize) -> bool {
    match left.checked_sub(amount) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => {
            *left = 0;
            false
        }
    }
}

//! From names in the program to canonical names, and names for what the program left nameless.
//!
//! Invariant: a name of an entity is an identifier both as written and after conversion.

use std::collections::HashMap;

use super::def::{DefVersion, Name};
use super::draft::Draft;
use super::error::ModuleDefError;
use super::raw_v10::{CaseConversionPolicy, RawExplicitName};
use super::report::Report;
use crate::names::{self, IdentifierError};

/// How one module's names are converted.
#[derive(Debug)]
pub(super) struct Naming {
    pub version: DefVersion,
    policy: CaseConversionPolicy,
    tables: HashMap<Name, Name>,
    functions: HashMap<Name, Name>,
    indexes: HashMap<Name, Name>,
}

impl Naming {
    pub fn new(draft: &Draft, report: &mut Report) -> Self {
        let mut naming = Naming {
            version: draft.version,
            policy: draft.policy,
            tables: HashMap::new(),
            functions: HashMap::new(),
            indexes: HashMap::new(),
        };
        for entry in &draft.explicit_names {
            let (map, mapping) = match entry {
                RawExplicitName::Table(mapping) => (&mut naming.tables, mapping),
                RawExplicitName::Function(mapping) => (&mut naming.functions, mapping),
                RawExplicitName::Index(mapping) => (&mut naming.indexes, mapping),
            };
            if let Err(error) = names::check_identifier(&mapping.canonical_name) {
                report.push(error.into());
            }
            map.insert(mapping.source_name.clone(), mapping.canonical_name.clone());
        }
        naming
    }

    fn snake(&self, source: &str) -> Name {
        match self.policy {
            CaseConversionPolicy::None => source.into(),
            CaseConversionPolicy::SnakeCase => names::snake_case(source).into(),
        }
    }

    /// Canonical name of a column or field.
    pub fn column(&self, source: &str) -> Name {
        self.snake(source)
    }

    /// Canonical name of an enum's variant.
    pub fn variant(&self, source: &str) -> Name {
        match self.policy {
            CaseConversionPolicy::None => source.into(),
            CaseConversionPolicy::SnakeCase => names::camel_case(source).into(),
        }
    }

    /// Canonical name of a type or of a module around it.
    pub fn type_name(&self, source: &str) -> Name {
        match self.policy {
            CaseConversionPolicy::None => source.into(),
            CaseConversionPolicy::SnakeCase => names::pascal_case(source).into(),
        }
    }

    /// Canonical name of a table.
    pub fn table(&self, source: &str) -> Name {
        self.tables
            .get(source)
            .cloned()
            .unwrap_or_else(|| self.snake(source))
    }

    /// Canonical name of a reducer, procedure, view or HTTP handler.
    pub fn function(&self, source: &str) -> Name {
        self.functions
            .get(source)
            .cloned()
            .unwrap_or_else(|| self.snake(source))
    }

    /// The name that the author chose for an index.
    pub fn index(&self, source: &str) -> Option<Name> {
        self.indexes.get(source).cloned()
    }
}

/// Checks a name as written and after conversion.
pub(super) fn check_names(source: &str, canonical: &str) -> Result<(), IdentifierError> {
    names::check_identifier(source)?;
    if source == canonical {
        return Ok(());
    }
    names::check_identifier(canonical)
}

/// [`check_names`], reporting the error.
pub(super) fn report_names(source: &str, canonical: &str, report: &mut Report) -> bool {
    match check_names(source, canonical) {
        Ok(()) => true,
        Err(error) => {
            report.push(error.into());
            false
        }
    }
}

/// Joins the parts of a generated name with `_`. A name that is too long is cut off, and the
/// definition refused.
pub(super) fn generated_name(parts: &[&str], report: &mut Report) -> Name {
    let len = parts.iter().map(|part| part.len() + 1).sum();
    if report.take_name_bytes(len) {
        parts.join("_").into()
    } else {
        parts
            .first()
            .map_or_else(Name::default, |first| Name::from(*first))
    }
}

/// The names that tables, indexes, constraints, sequences, schedules and views of one module
/// share.
#[derive(Debug, Default)]
pub(super) struct SharedNames {
    owners: HashMap<Name, usize>,
    owner_count: usize,
}

impl SharedNames {
    /// Claims the names of one thing, which may be equal to each other.
    pub fn claim(&mut self, own_names: &[&Name], report: &mut Report) {
        let owner = self.owner_count;
        self.owner_count += 1;
        for &name in own_names {
            let first = *self.owners.entry(name.clone()).or_insert(owner);
            if first != owner {
                report.push(ModuleDefError::DuplicateName { name: name.clone() });
            }
        }
    }
}

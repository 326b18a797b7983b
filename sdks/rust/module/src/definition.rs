//! The module's description, as the host reads it.
//!
//! Invariants
//!   * It is written in version 10 of the format: a list of sections, each of which is a list.
//!   * Sections stand in the order of their first entry, so the same module always has the same
//!     bytes.

use crate::bsatn::{Serialize, write_len};
use crate::spacetime_type::{NamedType, SpacetimeType, TypeBuilder};
use crate::table::{IndexAlgorithm, TableDefinition};

/// The format's tag among the versions.
const VERSION_10: u8 = 2;

/// The kinds of sections, by their tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Typespace = 0,
    Types = 1,
    Tables = 2,
    Reducers = 3,
    Procedures = 4,
    Views = 5,
    Schedules = 6,
    LifeCycleReducers = 7,
    RowLevelSecurity = 8,
    CaseConversionPolicy = 9,
    ExplicitNames = 10,
    #[cfg(feature = "unstable")]
    HttpHandlers = 11,
    #[cfg(feature = "unstable")]
    HttpRoutes = 12,
    ViewPrimaryKeys = 13,
}

/// A renamed thing's kind, by its tag.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Renamed {
    Table = 0,
    Function = 1,
    Index = 2,
}

#[derive(Debug)]
struct Section {
    kind: Kind,
    count: usize,
    bytes: Vec<u8>,
}

/// The description so far.
#[derive(Debug, Default)]
pub(crate) struct Definition {
    types: TypeBuilder,
    sections: Vec<Section>,
}

/// A parameter: a name, if it has one, and a type.
#[doc(hidden)]
pub type Parameter = (
    Option<&'static str>,
    fn(&mut TypeBuilder) -> crate::algebraic_type::AlgebraicType,
);

impl Definition {
    /// Where the next entry of this kind goes.
    pub(crate) fn entry(&mut self, kind: Kind) -> &mut Vec<u8> {
        let section = self.section(kind);
        section.count += 1;
        &mut section.bytes
    }

    fn section(&mut self, kind: Kind) -> &mut Section {
        let place = self
            .sections
            .iter()
            .position(|section| section.kind == kind);
        let place = place.unwrap_or_else(|| {
            self.sections.push(Section {
                kind,
                count: 0,
                bytes: Vec::new(),
            });
            self.sections.len() - 1
        });
        &mut self.sections[place]
    }

    /// Describes a type; named ones get their places.
    pub(crate) fn describe(&mut self, (name, make): NamedType) -> Vec<u8> {
        let _ = name;
        let described = make(&mut self.types);
        if !self.types.is_empty() {
            // Written last, but standing where the first named type came.
            self.section(Kind::Typespace);
            self.section(Kind::Types);
        }
        let mut bytes = Vec::new();
        described.serialize(&mut bytes);
        bytes
    }

    /// Describes parameters, as a product.
    pub(crate) fn describe_parameters(&mut self, parameters: &[Parameter]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_len(parameters.len(), &mut bytes);
        for (name, make) in parameters {
            name.serialize(&mut bytes);
            bytes.extend_from_slice(&self.describe(("", *make)));
        }
        bytes
    }

    /// Keeps a name that was given, besides the one in the program.
    pub(crate) fn rename(&mut self, kind: Renamed, source: &str, canonical: Option<&str>) {
        // The section is there even if no name was given: that is what hosts have seen so far.
        let section = self.section(Kind::ExplicitNames);
        if let Some(canonical) = canonical {
            section.count += 1;
            section.bytes.push(kind as u8);
            source.serialize(&mut section.bytes);
            canonical.serialize(&mut section.bytes);
        }
    }

    /// Adds a table, with its schedule.
    pub(crate) fn table(&mut self, table: &TableDefinition) {
        let row = self.describe(table.row);
        // A row is a named type, so this is the tag of a reference, and its place.
        assert_eq!(
            row.first(),
            Some(&0),
            "rows of {} have no named type",
            table.name
        );
        if let Some(schedule) = &table.schedule {
            let out = self.entry(Kind::Schedules);
            write_no_name(out);
            table.name.serialize(out);
            schedule.at_column.serialize(out);
            schedule.function.serialize(out);
        }
        let out = self.entry(Kind::Tables);
        table.name.serialize(out);
        out.extend_from_slice(&row[1..]);
        table.primary_key.as_slice().serialize(out);
        write_indexes(table, out);
        write_len(table.unique.len(), out);
        for column in table.unique {
            write_no_name(out);
            out.push(0);
            [*column].serialize(out);
        }
        write_len(table.sequences.len(), out);
        for column in table.sequences {
            write_no_name(out);
            column.serialize(out);
            // No start, no smallest and no largest value; counted up by one.
            out.extend_from_slice(&[1, 1, 1]);
            1i128.serialize(out);
        }
        out.push(USER_TABLE);
        out.push(u8::from(!table.is_public));
        write_len(table.defaults.len(), out);
        for (column, write) in table.defaults {
            let mut value = Vec::new();
            write(&mut value);
            column.serialize(out);
            value.serialize(out);
        }
        table.is_event.serialize(out);
        self.rename(Renamed::Table, table.name, table.canonical_name);
        for index in table.indexes {
            self.rename(Renamed::Index, index.source_name, index.canonical_name);
        }
    }

    /// All of it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION_10];
        write_len(self.sections.len(), &mut out);
        for section in &self.sections {
            out.push(section.kind as u8);
            match section.kind {
                Kind::Typespace => self.types.write_types(&mut out),
                Kind::Types => self.types.write_names(&mut out),
                Kind::CaseConversionPolicy => out.extend_from_slice(&section.bytes),
                _ => {
                    write_len(section.count, &mut out);
                    out.extend_from_slice(&section.bytes);
                }
            }
        }
        out
    }
}

const USER_TABLE: u8 = 1;

/// The host makes the name.
fn write_no_name(out: &mut Vec<u8>) {
    None::<&str>.serialize(out);
}

fn write_indexes(table: &TableDefinition, out: &mut Vec<u8>) {
    write_len(table.indexes.len(), out);
    for index in table.indexes {
        Some(index.source_name).serialize(out);
        Some(index.accessor).serialize(out);
        match index.algorithm {
            IndexAlgorithm::BTree(columns) => {
                out.push(0);
                columns.serialize(out);
            }
            IndexAlgorithm::Hash(columns) => {
                out.push(1);
                columns.serialize(out);
            }
            IndexAlgorithm::Direct(column) => {
                out.push(2);
                column.serialize(out);
            }
        }
    }
}

/// What describes a type, for the tables of constants that the macros make.
#[doc(hidden)]
pub const fn make_type_of<T: SpacetimeType>()
-> fn(&mut TypeBuilder) -> crate::algebraic_type::AlgebraicType {
    T::make_type
}

//! What all generators start from: the parts of a definition that clients see, in the order of
//! the output, with types by name.
//!
//! Invariants
//!   * Private things are left out already, according to the options.
//!   * `Ty::Named` is a position in the `types` of the same module.
//!   * Columns, keys and indexes of a table refer to positions in its `columns`.
//!
//! Recursion follows the nesting of decoded types and submodules, which the decoder has bounded,
//! and chains of references, which are counted.

mod module;
mod ty;

pub(crate) use module::Model;
pub(crate) use ty::{Integer, Ty};

/// A module: the root or a submodule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Module {
    /// The namespace's segments; empty for the root.
    pub path: Vec<String>,
    /// By name.
    pub types: Vec<NamedType>,
    /// Tables by name, then views by name.
    pub tables: Vec<Table>,
    /// In the order of declaration.
    pub reducers: Vec<Function>,
    /// By name.
    pub procedures: Vec<Function>,
    pub submodules: Vec<Module>,
}

/// A type with a name.
#[derive(Clone, Debug)]
pub(crate) struct NamedType {
    /// The modules around it in the program, outermost first, then its own name.
    pub segments: Vec<String>,
    pub shape: Shape,
    /// How the language is to write the name where the usual way would mean something else.
    pub written: Option<String>,
}

/// What a named type is made of.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Product(Vec<Field>),
    Sum(Vec<Field>),
    /// A sum of one or more variants without data.
    PlainEnum(Vec<String>),
}

/// A field of a product, a variant of a sum, or a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub name: String,
    pub ty: Ty,
}

/// A table or a view.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub accessor: String,
    /// Canonical, with the namespace: the name on the wire.
    pub wire_name: String,
    /// Position of the row type in `Module::types`.
    pub row: usize,
    pub columns: Vec<Column>,
    pub primary_key: Option<usize>,
    pub constraints: Vec<Unique>,
    pub indexes: Vec<Index>,
    pub is_event: bool,
    pub is_view: bool,
}

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub accessor: String,
    /// Canonical.
    pub name: String,
    pub ty: Ty,
}

/// A unique constraint.
#[derive(Clone, Debug)]
pub(crate) struct Unique {
    pub name: String,
    pub columns: Vec<usize>,
}

/// An index.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub name: String,
    /// The index has an accessor only if the author or the module library gave it one.
    pub accessor: Option<String>,
    pub columns: Vec<usize>,
    pub is_unique: bool,
}

/// A reducer or procedure.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub accessor: String,
    /// Canonical, with the namespace.
    pub wire_name: String,
    pub params: Vec<Field>,
    /// Unit for reducers.
    pub returns: Ty,
}

impl Module {
    /// The named type at a position that a `Ty` or a table holds.
    pub fn named(&self, position: usize) -> &NamedType {
        self.types
            .get(position)
            .expect("the model only holds positions of its own types")
    }

    /// Whether a value of `ty` directly holds a value of the named type `wanted`.
    pub fn holds(&self, ty: &Ty, wanted: usize) -> bool {
        let mut pending = Vec::new();
        push_held(ty, &mut pending);
        let mut seen = vec![false; self.types.len()];
        while let Some(position) = pending.pop() {
            if position == wanted {
                return true;
            }
            if std::mem::replace(&mut seen[position], true) {
                continue;
            }
            if let Shape::Product(fields) | Shape::Sum(fields) = &self.named(position).shape {
                for field in fields {
                    push_held(&field.ty, &mut pending);
                }
            }
        }
        false
    }

    /// This module, then those below it, parents first.
    pub fn walk(&self) -> Vec<&Module> {
        let mut modules = vec![self];
        for submodule in &self.submodules {
            modules.extend(submodule.walk());
        }
        modules
    }

    /// The first table, not view, whose rows are of the type at `position`.
    pub fn first_table_of(&self, position: usize) -> Option<&Table> {
        let mut tables = self.tables.iter().filter(|table| !table.is_view);
        tables.find(|table| table.row == position)
    }

    /// The first table or view whose rows are of the type at `position`.
    pub fn first_source_of(&self, position: usize) -> Option<&Table> {
        self.first_table_of(position)
            .or_else(|| self.tables.iter().find(|table| table.row == position))
    }
}

fn push_held(ty: &Ty, pending: &mut Vec<usize>) {
    match ty {
        Ty::Named(position) => pending.push(*position),
        Ty::Option(some) => push_held(some, pending),
        Ty::Result(ok, err) => {
            push_held(ok, pending);
            push_held(err, pending);
        }
        // An array is a `Vec`, which is finite.
        _ => {}
    }
}

impl Table {
    /// The column at a position that the table itself holds.
    pub fn column(&self, position: usize) -> &Column {
        self.columns
            .get(position)
            .expect("validation has checked the positions of columns")
    }

    /// The column of the primary key.
    pub fn key(&self) -> Option<&Column> {
        self.primary_key.map(|position| self.column(position))
    }

    /// Columns that are unique by themselves, the primary key among them, each once, in order.
    pub fn unique_columns(&self) -> Vec<usize> {
        let single = self.constraints.iter().filter_map(|unique| {
            let [column] = unique.columns.as_slice() else {
                return None;
            };
            Some(*column)
        });
        let mut columns: Vec<usize> = single.chain(self.primary_key).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Columns with an index of their own, each once, in order.
    pub fn indexed_columns(&self) -> Vec<usize> {
        let single = self.indexes.iter().filter_map(|index| {
            let [column] = index.columns.as_slice() else {
                return None;
            };
            Some(*column)
        });
        let mut columns: Vec<usize> = single.collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

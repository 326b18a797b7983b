//! All indexes of a table, in the order in which they are described.
//!
//! Invariants
//!   * Every unique column has an index over it alone; if none was declared, it gets an ordered one
//!     with its own name.
//!   * Those that serve unique columns come first; then, as they were declared, those of the table,
//!     those of the columns.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{LitStr, Result};

use super::arguments::{Algorithm, Arguments};
use super::columns::{Column, FieldIndex};
use crate::item::{name_of, optional_name};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    BTree,
    Hash,
    Direct,
}

/// An index.
pub(super) struct Index<'a> {
    /// The name of the method that gives it, unless it serves a unique column.
    pub accessor: Ident,
    pub canonical_name: Option<LitStr>,
    pub kind: Kind,
    pub columns: Vec<&'a Column<'a>>,
    /// Whether it is the one that serves its unique column.
    pub is_unique: bool,
}

impl<'a> Index<'a> {
    /// The column, if there is only one.
    pub(super) fn single(&self) -> Option<&'a Column<'a>> {
        match self.columns.as_slice() {
            [column] => Some(column),
            _ => None,
        }
    }

    pub(super) fn direct_key(&self) -> Option<&'a Column<'a>> {
        self.single().filter(|_| self.kind == Kind::Direct)
    }

    /// The name by which the module asks the host for it.
    pub(super) fn source_name(&self, table: &str) -> String {
        let columns: Vec<String> = self.columns.iter().map(|c| name_of(c.ident)).collect();
        let kind = match self.kind {
            Kind::BTree => "btree",
            Kind::Hash => "hash",
            Kind::Direct => "direct",
        };
        format!("{table}_{}_idx_{kind}", columns.join("_"))
    }

    /// What the library is told.
    pub(super) fn definition(&self, table: &str) -> TokenStream {
        let source_name = self.source_name(table);
        let accessor = name_of(&self.accessor);
        let canonical_name = optional_name(self.canonical_name.as_ref());
        let columns = self.columns.iter().map(|column| column.place);
        let algorithm = match self.kind {
            Kind::BTree => quote!(BTree(&[#(#columns),*])),
            Kind::Hash => quote!(Hash(&[#(#columns),*])),
            Kind::Direct => quote!(Direct(#(#columns)*)),
        };
        quote! {
            ::spacetimedb::table::IndexDefinition {
                source_name: #source_name,
                accessor: #accessor,
                canonical_name: #canonical_name,
                algorithm: ::spacetimedb::table::IndexAlgorithm::#algorithm,
            }
        }
    }
}

pub(super) fn collect<'a>(
    arguments: &Arguments,
    columns: &'a [Column<'a>],
) -> Result<Vec<Index<'a>>> {
    let mut indexes = Vec::new();
    for index in &arguments.indexes {
        let (kind, names) = match index.algorithm.clone() {
            Algorithm::BTree(names) => (Kind::BTree, names),
            Algorithm::Hash(names) => (Kind::Hash, names),
            Algorithm::Direct(name) => (Kind::Direct, vec![name]),
        };
        let columns: Result<Vec<_>> = names.iter().map(|name| find(columns, name)).collect();
        indexes.push(Index {
            accessor: index.accessor.clone(),
            canonical_name: index.name.clone(),
            kind,
            columns: columns?,
            is_unique: false,
        });
    }
    for column in columns {
        indexes.extend(column.indexes.iter().map(|index| Index {
            kind: match index {
                FieldIndex::BTree => Kind::BTree,
                FieldIndex::Hash => Kind::Hash,
                FieldIndex::Direct => Kind::Direct,
            },
            ..plain(column, false)
        }));
    }
    for column in columns.iter().filter(|column| column.is_unique()) {
        let serving = indexes.iter_mut().find(|index| {
            index
                .single()
                .is_some_and(|single| single.place == column.place)
        });
        match serving {
            Some(index) => index.is_unique = true,
            None => indexes.push(plain(column, true)),
        }
    }
    check(&indexes)?;
    // Stable: within the two groups the order stays.
    indexes.sort_by_key(|index| !index.is_unique);
    Ok(indexes)
}

/// An ordered index over one column, with its name.
fn plain<'a>(column: &'a Column<'a>, is_unique: bool) -> Index<'a> {
    Index {
        accessor: column.ident.clone(),
        canonical_name: None,
        kind: Kind::BTree,
        columns: vec![column],
        is_unique,
    }
}

fn find<'a>(columns: &'a [Column<'a>], name: &Ident) -> Result<&'a Column<'a>> {
    columns
        .iter()
        .find(|column| column.ident == name)
        .ok_or_else(|| {
            syn::Error::new(
                name.span(),
                format!("`{name}` is not a column of the table"),
            )
        })
}

fn check(indexes: &[Index<'_>]) -> Result<()> {
    for index in indexes {
        if index.kind == Kind::Direct && !index.is_unique {
            let message = "a direct index needs a column that is `#[unique]` or `#[primary_key]`";
            return Err(syn::Error::new(index.accessor.span(), message));
        }
    }
    let mut methods: Vec<&Ident> = Vec::new();
    for index in indexes {
        let method = index.method();
        if methods.contains(&method) {
            let message = format!("there are two indexes with the accessor `{method}`");
            return Err(syn::Error::new(method.span(), message));
        }
        methods.push(method);
    }
    Ok(())
}

impl Index<'_> {
    /// The name of the method that gives it.
    pub(super) fn method(&self) -> &Ident {
        match self.single() {
            Some(column) if self.is_unique => column.ident,
            _ => &self.accessor,
        }
    }
}

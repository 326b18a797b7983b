//! The columns of a table: the fields of its struct, with their attributes.

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Attribute, FieldsNamed, Result, Type, Visibility};

/// A column.
pub(super) struct Column<'a> {
    pub place: u16,
    pub ident: &'a Ident,
    pub ty: &'a Type,
    pub visibility: &'a Visibility,
    pub is_primary_key: bool,
    pub has_unique: bool,
    pub is_auto_inc: bool,
    pub default: Option<TokenStream>,
    /// Indexes declared with the column.
    pub indexes: Vec<FieldIndex>,
}

/// How an index that was declared with a column finds rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldIndex {
    BTree,
    Hash,
    Direct,
}

impl Column<'_> {
    pub(super) fn is_unique(&self) -> bool {
        self.is_primary_key || self.has_unique
    }
}

pub(super) fn parse_columns(fields: &FieldsNamed) -> Result<Vec<Column<'_>>> {
    let mut columns = Vec::new();
    for field in &fields.named {
        let Some(ident) = &field.ident else {
            continue;
        };
        let too_many = |_| syn::Error::new(ident.span(), "a table has at most 65,536 columns");
        let mut column = Column {
            place: u16::try_from(columns.len()).map_err(too_many)?,
            ident,
            ty: &field.ty,
            visibility: &field.vis,
            is_primary_key: false,
            has_unique: false,
            is_auto_inc: false,
            default: None,
            indexes: Vec::new(),
        };
        for attribute in &field.attrs {
            column.add(attribute)?;
        }
        column.check()?;
        columns.push(column);
    }
    let mut keys = columns
        .iter()
        .filter(|column| column.is_primary_key)
        .skip(1);
    if let Some(second) = keys.next() {
        let message = "can only have one primary key per table";
        return Err(syn::Error::new(second.ident.span(), message));
    }
    Ok(columns)
}

/// Code that does not compile if a column is left out by its `cfg`. An attribute sees all fields,
/// and numbers columns by them.
pub(super) fn check_conditions(fields: &FieldsNamed) -> Result<TokenStream> {
    let mut checks = TokenStream::new();
    for field in &fields.named {
        for attribute in field.attrs.iter().filter(|a| a.path().is_ident("cfg")) {
            let condition = &attribute.meta.require_list()?.tokens;
            let message = "a column cannot be left out by `#[cfg]`: write the struct twice, each \
                           with a `#[cfg]` of its own";
            checks.extend(quote_spanned! {attribute.span()=>
                #[cfg(not(#condition))]
                ::core::compile_error!(#message);
            });
        }
    }
    Ok(checks)
}

impl Column<'_> {
    fn add(&mut self, attribute: &Attribute) -> Result<()> {
        let path = attribute.path();
        let flag = if path.is_ident("primary_key") {
            &mut self.is_primary_key
        } else if path.is_ident("unique") {
            &mut self.has_unique
        } else if path.is_ident("auto_inc") {
            &mut self.is_auto_inc
        } else if path.is_ident("index") {
            let index = parse_index(attribute)?;
            self.indexes.push(index);
            return Ok(());
        } else if path.is_ident("default") {
            let value = attribute.parse_args()?;
            if self.default.replace(value).is_some() {
                return Err(syn::Error::new_spanned(attribute, "duplicate attribute"));
            }
            return Ok(());
        } else {
            return Ok(());
        };
        attribute.meta.require_path_only()?;
        if *flag {
            return Err(syn::Error::new_spanned(attribute, "duplicate attribute"));
        }
        *flag = true;
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let refused = [
            (self.is_primary_key, "primary_key"),
            (self.has_unique, "unique"),
            (self.is_auto_inc, "auto_inc"),
        ];
        if let (Some(_), Some((_, name))) = (
            &self.default,
            refused.into_iter().find(|(present, _)| *present),
        ) {
            let message = format!(
                "invalid combination: `#[default]` is for rows that are there when the column is \
                 added, which then all have the same value; `#[{name}]` does not go with it"
            );
            return Err(syn::Error::new(self.ident.span(), message));
        }
        Ok(())
    }
}

fn parse_index(attribute: &Attribute) -> Result<FieldIndex> {
    let expected = "expected `#[index(btree)]`, `#[index(hash)]` or `#[index(direct)]`; an index \
                    over several columns, or with a name, is declared in `#[table(index(...))]`";
    let word = attribute.parse_args::<Ident>();
    match word.map(|word| word.to_string()).as_deref() {
        Ok("btree") => Ok(FieldIndex::BTree),
        Ok("hash") => Ok(FieldIndex::Hash),
        Ok("direct") => Ok(FieldIndex::Direct),
        _ => Err(syn::Error::new_spanned(attribute, expected)),
    }
}

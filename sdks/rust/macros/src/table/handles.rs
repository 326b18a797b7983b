//! What a table adds to the module's names: three traits, two handles, two structs of columns.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::Table;
use super::indexes::{Index, Kind};
use crate::item::name_of;

/// The structs of columns for queries. They belong to the row, so one table makes them.
pub(super) fn query_columns(table: &Table<'_>) -> TokenStream {
    let (row, visibility) = (&table.input.ident, &table.input.vis);
    let name = name_of(row);
    let columns = format_ident!("{name}Cols", span = row.span());
    let indexed_columns = format_ident!("{name}IxCols", span = row.span());
    let fields: Vec<_> = table.columns.iter().map(|column| column.ident).collect();
    let types = table.columns.iter().map(|column| column.ty);
    let names = fields.iter().map(|field| name_of(field));
    let singles: Vec<_> = table
        .indexes
        .iter()
        .filter_map(|index| Some((&index.accessor, index.single()?)))
        .collect();
    let accessors: Vec<_> = singles.iter().map(|(accessor, _)| accessor).collect();
    let indexed_types = singles.iter().map(|(_, column)| column.ty);
    let indexed_names = singles.iter().map(|(_, column)| name_of(column.ident));
    let lookup = (!table.arguments.is_event)
        .then(|| quote!(impl ::spacetimedb::query_builder::CanBeLookupTable for #row {}));
    quote! {
        #[allow(dead_code, missing_docs, missing_debug_implementations, private_interfaces)]
        #[doc(hidden)]
        #visibility struct #columns {
            #(pub #fields: ::spacetimedb::query_builder::Col<#row, #types>,)*
        }

        #[allow(dead_code, missing_docs, missing_debug_implementations, private_interfaces)]
        #[doc(hidden)]
        #visibility struct #indexed_columns {
            #(pub #accessors: ::spacetimedb::query_builder::IxCol<#row, #indexed_types>,)*
        }

        impl ::spacetimedb::query_builder::HasCols for #row {
            type Cols = #columns;

            fn cols(table: &'static str) -> #columns {
                #columns {
                    #(#fields: ::spacetimedb::query_builder::Col::new(table, #names),)*
                }
            }
        }

        impl ::spacetimedb::query_builder::HasIxCols for #row {
            type IxCols = #indexed_columns;

            #[allow(unused_variables)]
            fn ix_cols(table: &'static str) -> #indexed_columns {
                #indexed_columns {
                    #(#accessors: ::spacetimedb::query_builder::IxCol::new(table, #indexed_names),)*
                }
            }
        }

        #lookup
    }
}

/// The traits by which contexts give the table, and the handles that they give.
pub(super) fn expand(table: &Table<'_>) -> TokenStream {
    let accessor = &table.arguments.accessor;
    let (row, visibility) = (&table.input.ident, &table.input.vis);
    let (handle, view_handle) = (table.handle(), table.view_handle());
    let name = table.name();
    let view = format_ident!("{name}__view", span = accessor.span());
    let query = format_ident!("{name}__query", span = accessor.span());
    let allowed = quote! {
        #[allow(
            non_camel_case_types, non_snake_case, dead_code, missing_docs,
            missing_debug_implementations, private_interfaces
        )]
    };
    quote! {
        #allowed
        #visibility trait #accessor {
            fn #accessor(&self) -> &#handle;
        }

        #allowed
        #[doc(hidden)]
        #visibility trait #view {
            fn #accessor(&self) -> &#view_handle;
        }

        #allowed
        #[doc(hidden)]
        #visibility trait #query {
            fn #accessor(&self) -> ::spacetimedb::query_builder::Table<#row>;
        }

        #allowed
        #[doc(hidden)]
        #visibility struct #handle {}

        #allowed
        #[doc(hidden)]
        #visibility struct #view_handle {}

        #allowed
        impl #accessor for ::spacetimedb::Local {
            fn #accessor(&self) -> &#handle {
                &#handle {}
            }
        }

        #allowed
        impl #view for ::spacetimedb::LocalReadOnly {
            fn #accessor(&self) -> &#view_handle {
                &#view_handle {}
            }
        }

        #allowed
        impl #query for ::spacetimedb::QueryBuilder {
            fn #accessor(&self) -> ::spacetimedb::query_builder::Table<#row> {
                ::spacetimedb::query_builder::Table::new(#name)
            }
        }
    }
}

/// The handles' methods for indexes, and a type for each index.
pub(super) fn index_accessors(table: &Table<'_>) -> TokenStream {
    let (handle, view_handle) = (table.handle(), table.view_handle());
    let indexes = table.indexes.iter().enumerate().map(|(place, index)| {
        let marker = format_ident!("Index{place}");
        index_accessor(table, index, &marker)
    });
    quote! {
        #(#indexes)*

        impl #view_handle {
            /// How many rows there are.
            #[allow(dead_code)]
            pub fn count(&self) -> u64 {
                ::spacetimedb::Table::count(&#handle {})
            }
        }
    }
}

fn index_accessor(table: &Table<'_>, index: &Index<'_>, marker: &syn::Ident) -> TokenStream {
    let (handle, view_handle) = (table.handle(), table.view_handle());
    // As visible as the handle: in public, a private one could not be named.
    let row_visibility = &table.input.vis;
    let source_name = index.source_name(&table.name());
    let method = index.method();
    let types = index.columns.iter().map(|column| column.ty);
    let mut column_impl = TokenStream::new();
    let (kind, visibility, key) = match index.single() {
        Some(column) if index.is_unique => {
            let (row, ty, ident) = (&table.input.ident, column.ty, column.ident);
            let name = name_of(ident);
            let primary_key = column
                .is_primary_key
                .then(|| quote!(impl ::spacetimedb::table::PrimaryKey for #marker {}));
            column_impl = quote_spanned! {ty.span()=>
                impl ::spacetimedb::table::Column for #marker {
                    type Table = #handle;
                    type ColType = #ty;
                    const COLUMN_NAME: &'static str = #name;

                    fn get_field(row: &#row) -> &#ty {
                        &row.#ident
                    }
                }
                #primary_key
            };
            ("UniqueColumn", column.visibility, quote!(#ty))
        }
        _ => {
            let kind = match index.kind {
                Kind::BTree | Kind::Direct => "RangedIndex",
                Kind::Hash => "PointIndex",
            };
            (kind, &table.input.vis, quote!((#(#types,)*)))
        }
    };
    let writable = format_ident!("{kind}");
    let read_only = format_ident!("{kind}ReadOnly");
    quote! {
        #[allow(missing_debug_implementations)]
        #row_visibility struct #marker;

        impl ::spacetimedb::table::Index for #marker {
            fn id() -> ::spacetimedb::spacetimedb_lib::IndexId {
                static ID: ::spacetimedb::table::CachedId = ::spacetimedb::table::CachedId::new();
                ID.index(#source_name)
            }
        }

        #column_impl

        #[allow(dead_code, non_snake_case, missing_docs, private_interfaces)]
        impl #handle {
            #visibility fn #method(&self) -> ::spacetimedb::#writable<Self, #key, #marker> {
                ::spacetimedb::#writable::HANDLE
            }
        }

        #[allow(dead_code, non_snake_case, missing_docs, private_interfaces)]
        impl #view_handle {
            #visibility fn #method(&self) -> ::spacetimedb::#read_only<#handle, #key, #marker> {
                ::spacetimedb::#read_only::HANDLE
            }
        }
    }
}

//! The attribute `table`.

mod arguments;
mod columns;
mod handles;
mod indexes;

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, Result};

use crate::export;
use crate::item::{name_of, optional_name};
use arguments::{Access, Arguments};
use columns::{Column, parse_columns};
use indexes::Index;

/// The derive that the first attribute `table` of a struct adds.
const ROW_DERIVE: &str = "__TableRow";

/// Everything about a table.
struct Table<'a> {
    input: &'a DeriveInput,
    arguments: Arguments,
    columns: &'a [Column<'a>],
    /// In the order in which they are described: unique ones first.
    indexes: Vec<Index<'a>>,
}

pub(crate) fn expand(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(item.clone())?;
    let arguments = Arguments::parse(arguments.clone(), &input.ident)?;
    check_item(&input)?;
    let Data::Struct(data) = &input.data else {
        let message = "a table's rows are a struct";
        return Err(syn::Error::new(input.ident.span(), message));
    };
    let Fields::Named(fields) = &data.fields else {
        let message = "a table's columns have names: write `struct Name { column: Type }`";
        return Err(syn::Error::new(input.ident.span(), message));
    };
    let columns = parse_columns(fields)?;
    let conditions = columns::check_conditions(fields)?;
    let indexes = indexes::collect(&arguments, &columns)?;
    let table = Table {
        input: &input,
        arguments,
        columns: &columns,
        indexes,
    };
    let is_first = !has_row_derive(&input);
    let mut row = input.clone();
    if is_first {
        row.attrs
            .push(syn::parse_quote!(#[derive(::spacetimedb::__TableRow)]));
    }
    let query_columns = is_first.then(|| handles::query_columns(&table));
    let handles = handles::expand(&table);
    let definition = table.definition()?;
    let table_impl = table.table_impl();
    let accessors = handles::index_accessors(&table);
    let checks = table.checks();
    let register = table.register();
    Ok(quote! {
        #conditions
        #row
        #query_columns
        #handles
        const _: () = {
            #definition
            #table_impl
            #accessors
            #checks
            #register
        };
    })
}

fn check_item(input: &DeriveInput) -> Result<()> {
    if let Some(parameter) = input
        .generics
        .params
        .iter()
        .find(|p| !matches!(p, syn::GenericParam::Lifetime(_)))
    {
        let message = "a table's rows cannot have type or const parameters";
        return Err(syn::Error::new(parameter.span(), message));
    }
    for attribute in input
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"))
    {
        let twice = attribute.meta.to_token_stream().to_string();
        if twice
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| word == "SpacetimeType")
        {
            let message = "the attribute `table` derives `SpacetimeType` by itself: remove it";
            return Err(syn::Error::new(attribute.span(), message));
        }
    }
    Ok(())
}

fn has_row_derive(input: &DeriveInput) -> bool {
    input.attrs.iter().any(|attribute| {
        attribute.path().is_ident("derive")
            && attribute
                .meta
                .to_token_stream()
                .to_string()
                .contains(ROW_DERIVE)
    })
}

impl Table<'_> {
    fn name(&self) -> String {
        name_of(&self.arguments.accessor)
    }

    fn handle(&self) -> proc_macro2::Ident {
        let accessor = &self.arguments.accessor;
        format_ident!("{}__TableHandle", name_of(accessor), span = accessor.span())
    }

    fn view_handle(&self) -> proc_macro2::Ident {
        let accessor = &self.arguments.accessor;
        format_ident!("{}__ViewHandle", name_of(accessor), span = accessor.span())
    }

    /// What the library is told about the table, and how rows come back from it.
    fn definition(&self) -> Result<TokenStream> {
        let (handle, row, name) = (self.handle(), &self.input.ident, self.name());
        let row_name = name_of(row);
        let canonical_name = optional_name(self.arguments.name.as_ref());
        let is_public = self.arguments.access == Some(Access::Public);
        let is_event = self.arguments.is_event;
        let primary_key = match self.columns.iter().find(|column| column.is_primary_key) {
            Some(Column { place, .. }) => quote!(::core::option::Option::Some(#place)),
            None => quote!(::core::option::Option::None),
        };
        let indexes = self.indexes.iter().map(|index| index.definition(&name));
        let unique = self
            .columns
            .iter()
            .filter(|c| c.is_unique())
            .map(|c| c.place);
        let sequences: Vec<&Column<'_>> = self.columns.iter().filter(|c| c.is_auto_inc).collect();
        let sequence_places = sequences.iter().map(|column| column.place);
        let schedule = self.schedule()?;
        let defaults = self.columns.iter().filter_map(|column| {
            let (place, ty) = (column.place, column.ty);
            let value = column.default.as_ref()?;
            Some(quote_spanned! {value.span()=>
                (#place, |out| ::spacetimedb::rt::default_bytes::<#ty>(#value, out))
            })
        });
        Ok(quote! {
            impl ::spacetimedb::table::TableInternal for #handle {
                const TABLE_NAME: &'static str = #name;

                const DEFINITION: ::spacetimedb::table::TableDefinition =
                    ::spacetimedb::table::TableDefinition {
                        name: #name,
                        canonical_name: #canonical_name,
                        is_public: #is_public,
                        is_event: #is_event,
                        primary_key: #primary_key,
                        indexes: &[#(#indexes),*],
                        unique: &[#(#unique),*],
                        sequences: &[#(#sequence_places),*],
                        schedule: #schedule,
                        defaults: &[#(#defaults),*],
                        row: (#row_name, ::spacetimedb::rt::make_type_of::<#row>()),
                    };

                fn table_id() -> ::spacetimedb::TableId {
                    static ID: ::spacetimedb::table::CachedId =
                        ::spacetimedb::table::CachedId::new();
                    ID.table(#name)
                }
            }
        })
    }

    /// What every table can do, for this one.
    fn table_impl(&self) -> TokenStream {
        let (handle, row) = (self.handle(), &self.input.ident);
        let sequences = self.columns.iter().filter(|column| column.is_auto_inc);
        let sequence_fields: Vec<_> = sequences.map(|column| column.ident).collect();
        let violation = match self.columns.iter().any(Column::is_unique) {
            true => quote!(::spacetimedb::UniqueConstraintViolation),
            false => quote!(::core::convert::Infallible),
        };
        let overflow = match sequence_fields.is_empty() {
            true => quote!(::core::convert::Infallible),
            false => quote!(::spacetimedb::AutoIncOverflow),
        };
        quote! {
            impl ::spacetimedb::Table for #handle {
                type Row = #row;
                type UniqueConstraintViolation = #violation;
                type AutoIncOverflow = #overflow;

                #[allow(unused_variables)]
                fn fill_generated(
                    row: &mut #row,
                    generated: &mut ::spacetimedb::sats::bsatn::Reader<'_>,
                ) {
                    #(::spacetimedb::rt::fill_generated(&mut row.#sequence_fields, generated);)*
                }
            }
        }
    }

    /// What the rows call, after a look at the columns that this needs.
    fn schedule(&self) -> Result<TokenStream> {
        let Some(scheduled) = &self.arguments.scheduled else {
            return Ok(quote!(::core::option::Option::None));
        };
        let at_name = scheduled
            .at
            .as_ref()
            .map_or("scheduled_at".to_owned(), name_of);
        let at = self
            .columns
            .iter()
            .find(|column| name_of(column.ident) == at_name);
        let id = self.columns.iter().find(|column| column.is_primary_key);
        let error = |message: String| Err(syn::Error::new(scheduled.path.span(), message));
        let at_line = format!("{at_name}: spacetimedb::ScheduleAt,");
        let id_lines = "#[primary_key] #[auto_inc] scheduled_id: u64,";
        let (at, id) = match (at, id) {
            (Some(at), Some(id)) => (at, id),
            (None, _) if scheduled.at.is_some() => {
                let at = scheduled
                    .at
                    .as_ref()
                    .map_or(scheduled.path.span(), Spanned::span);
                let message = format!("`{at_name}` is not a column of the table");
                return Err(syn::Error::new(at, message));
            }
            (None, None) => {
                return error(format!(
                    "a schedule table needs two more columns: `{id_lines}` and `{at_line}`"
                ));
            }
            (None, Some(_)) => {
                return error(format!(
                    "a schedule table needs a column that says when: `{at_line}`, or name one \
                     with `scheduled(function, at = column)`"
                ));
            }
            (Some(_), None) => {
                return error(format!(
                    "a schedule table needs a primary key of the type `u64`: `{id_lines}`"
                ));
            }
        };
        let (path, row, place) = (&scheduled.path, &self.input.ident, at.place);
        let function = quote_spanned! {path.span()=>
            ::spacetimedb::rt::assert_scheduled::<#path, #row>()
        };
        let check_at = quote_spanned!(at.ty.span()=> ::spacetimedb::rt::assert_schedule_at);
        let check_id = quote_spanned!(id.ty.span()=> ::spacetimedb::rt::assert_schedule_id);
        let (at, id) = (at.ty, id.ty);
        Ok(quote! {{
            #check_at::<#at>();
            #check_id::<#id>();
            ::core::option::Option::Some(::spacetimedb::table::ScheduleDefinition {
                at_column: #place,
                function: #function,
            })
        }})
    }

    /// Code that only compiles if the columns' types are allowed where they stand. Keys of other
    /// indexes are not looked at: any type can be one, but not any can be searched for.
    fn checks(&self) -> TokenStream {
        let direct = self
            .indexes
            .iter()
            .filter_map(Index::direct_key)
            .map(|column| {
                let ty = column.ty;
                quote_spanned!(ty.span()=> ::spacetimedb::rt::column_checks::direct_key::<#ty>();)
            });
        let sequences = self
            .columns
            .iter()
            .filter(|column| column.is_auto_inc)
            .map(|column| {
                let ty = column.ty;
                quote_spanned!(ty.span()=> ::spacetimedb::rt::column_checks::sequence::<#ty>();)
            });
        quote! {
            const _: fn() = || {
                #(#direct)*
                #(#sequences)*
            };
        }
    }

    fn register(&self) -> TokenStream {
        let handle = self.handle();
        export::preinit(
            &export::describer(&self.name(), "table"),
            &self.arguments.accessor,
            &quote!(::spacetimedb::rt::register_table::<#handle>()),
        )
    }
}

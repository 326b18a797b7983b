//! The attributes and derives of the library for Rust modules.
//!
//! Each expands to constants and small functions over the library's own types; what they all have
//! in common is compiled once, in the library. Every path in the generated code begins with
//! `::spacetimedb`, the library's name in the module's `Cargo.toml`.
//!
//! Not here: what the generated code calls.

mod duration;
mod export;
mod function;
mod handler;
mod item;
mod procedure;
mod reducer;
mod sats;
mod settings;
mod table;
mod view;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;

/// What an attribute makes of its arguments and of the item below it. An error keeps the item as
/// it was, so that the compiler does not complain about its absence as well.
fn attribute(
    arguments: TokenStream,
    item: TokenStream,
    expand: fn(&Tokens, &Tokens) -> syn::Result<Tokens>,
) -> TokenStream {
    let item = Tokens::from(item);
    match expand(&arguments.into(), &item) {
        Ok(tokens) => tokens.into(),
        Err(error) => {
            let mut tokens = item::without_our_attributes(item);
            tokens.extend(error.into_compile_error());
            tokens.into()
        }
    }
}

fn derive(item: TokenStream, expand: fn(&syn::DeriveInput) -> syn::Result<Tokens>) -> TokenStream {
    let expanded = syn::parse(item).and_then(|input| expand(&input));
    expanded
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a table, whose rows are the struct below.
///
/// Arguments: `accessor = name` (needed), `name = "Stored"`, `public` or `private`, `event`,
/// `scheduled(function, at = column)`, and any number of
/// `index(accessor = name, btree(columns = [a, b]))`; instead of `btree` also `hash` or
/// `direct(column = a)`.
///
/// Fields may have `#[primary_key]`, `#[unique]`, `#[auto_inc]`, `#[index(btree)]` and
/// `#[default(value)]`.
#[proc_macro_attribute]
pub fn table(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute(arguments, item, table::expand)
}

/// Makes a reducer: a transaction that clients can call.
///
/// Arguments: `init`, `client_connected` or `client_disconnected` if the database is to call it,
/// and `name = "called_like_this"`.
#[proc_macro_attribute]
pub fn reducer(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute(arguments, item, reducer::expand)
}

/// Makes a procedure: a function that clients can call, which is in no transaction.
///
/// Argument: `name = "called_like_this"`.
#[proc_macro_attribute]
pub fn procedure(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute(arguments, item, procedure::expand)
}

/// Makes a view: rows that are computed, and can be queried like a table's.
///
/// Arguments: `accessor = name` and `public` (both needed), `name = "Stored"`,
/// `primary_key = column`.
#[proc_macro_attribute]
pub fn view(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute(arguments, item, view::expand)
}

/// A setting of the module: `const CASE_CONVERSION_POLICY: CaseConversionPolicy = ...;`.
#[proc_macro_attribute]
pub fn settings(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute(arguments, item, settings::expand_setting)
}

/// A rule that hides rows from clients: `const NAME: Filter = Filter::Sql("SELECT ...");`.
#[proc_macro_attribute]
pub fn client_visibility_filter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute(arguments, item, settings::expand_filter)
}

/// Makes a function that answers HTTP requests. A router says which.
#[proc_macro_attribute]
pub fn http_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute(arguments, item, handler::expand_handler)
}

/// Makes the function that says which handler answers which requests.
#[proc_macro_attribute]
pub fn http_router(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute(arguments, item, handler::expand_router)
}

/// Makes a struct or an enum a type that columns, arguments and results can have.
///
/// `#[sats(name = "Scope.Name")]` gives it another name.
#[proc_macro_derive(SpacetimeType, attributes(sats))]
pub fn spacetime_type(item: TokenStream) -> TokenStream {
    derive(item, sats::expand_all)
}

/// Derives only the encoding of values.
#[proc_macro_derive(Serialize, attributes(sats))]
pub fn serialize(item: TokenStream) -> TokenStream {
    derive(item, sats::expand_serialize)
}

/// Derives only the decoding of values.
#[proc_macro_derive(Deserialize, attributes(sats))]
pub fn deserialize(item: TokenStream) -> TokenStream {
    derive(item, sats::expand_deserialize)
}

/// What the attribute `table` derives for a row. It also declares the attributes of fields.
#[doc(hidden)]
#[proc_macro_derive(
    __TableRow,
    attributes(sats, primary_key, unique, auto_inc, index, default)
)]
pub fn table_row(item: TokenStream) -> TokenStream {
    derive(item, sats::expand_all)
}

/// A constant `std::time::Duration`: `duration!("1h 30m")`, `duration!(500ms)`, `duration!(5)` for
/// seconds.
#[proc_macro]
pub fn duration(tokens: TokenStream) -> TokenStream {
    let expanded = duration::expand(&tokens.into());
    expanded
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

//! `Serialize` and `Deserialize`: the BSATN form of the structs and enums in generated bindings.
//!
//! A struct is the product of its fields in order. An enum is a sum: the tag counts the variants
//! from 0, a variant's payload follows. `#[sats(crate = path)]` says where the traits are.
//!
//! Not here: serde. The names are those that bindings use for SpacetimeDB's own formats.

mod expand;

use proc_macro::TokenStream;

/// Writes a type as BSATN.
#[proc_macro_derive(Serialize, attributes(sats))]
pub fn serialize(input: TokenStream) -> TokenStream {
    derive(input, expand::serialize)
}

/// Reads a type from BSATN.
#[proc_macro_derive(Deserialize, attributes(sats))]
pub fn deserialize(input: TokenStream) -> TokenStream {
    derive(input, expand::deserialize)
}

fn derive(
    input: TokenStream,
    expand: fn(&syn::DeriveInput) -> syn::Result<proc_macro2::TokenStream>,
) -> TokenStream {
    syn::parse(input)
        .and_then(|input| expand(&input))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

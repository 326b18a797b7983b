//! The code that the derives write.
//!
//! Invariant: the tag of a variant is its place, and both directions take it from the same list.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, Fields, Ident, Path, Result, Variant};

/// Tags are one byte.
const VARIANT_COUNT_MAX: usize = 256;

pub(crate) fn serialize(input: &DeriveInput) -> Result<TokenStream> {
    let root = crate_path(input)?;
    let body = match &input.data {
        Data::Struct(data) => {
            let (pattern, names) = bind(&data.fields);
            quote! {
                let Self #pattern = self;
                #(#root::ser::Serialize::encode(#names, __out);)*
            }
        }
        Data::Enum(data) if data.variants.is_empty() => quote! { match *self {} },
        Data::Enum(data) => {
            let arms = tagged(&data.variants)?.into_iter().map(|(tag, variant)| {
                let name = &variant.ident;
                let (pattern, names) = bind(&variant.fields);
                quote! {
                    Self::#name #pattern => {
                        __out.push(#tag);
                        #(#root::ser::Serialize::encode(#names, __out);)*
                    }
                }
            });
            quote! { match self { #(#arms)* } }
        }
        Data::Union(_) => return Err(no_union(input)),
    };
    let name = &input.ident;
    let generics = with_bound(input, &quote!(#root::ser::Serialize));
    let (in_impl, in_type, bounds) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #in_impl #root::ser::Serialize for #name #in_type #bounds {
            #[inline]
            #[allow(unused_variables)]
            fn encode(&self, __out: &mut ::std::vec::Vec<u8>) {
                #body
            }
        }
    })
}

pub(crate) fn deserialize(input: &DeriveInput) -> Result<TokenStream> {
    let root = crate_path(input)?;
    let name = &input.ident;
    let body = match &input.data {
        Data::Struct(data) => {
            let value = read(&root, &quote!(Self), &data.fields);
            quote! { ::std::result::Result::Ok(#value) }
        }
        Data::Enum(data) => {
            let arms = tagged(&data.variants)?.into_iter().map(|(tag, variant)| {
                let variant_name = &variant.ident;
                let value = read(&root, &quote!(Self::#variant_name), &variant.fields);
                quote! { #tag => ::std::result::Result::Ok(#value), }
            });
            let type_name = name.to_string();
            quote! {
                let __offset = __reader.offset();
                match __reader.u8()? {
                    #(#arms)*
                    __tag => ::std::result::Result::Err(#root::bsatn::DecodeError::InvalidTag {
                        offset: __offset,
                        tag: __tag,
                        type_name: #type_name,
                    }),
                }
            }
        }
        Data::Union(_) => return Err(no_union(input)),
    };
    let mut generics = with_bound(input, &quote!(#root::de::Deserialize<'__de>));
    let (_, in_type, _) = input.generics.split_for_impl();
    generics.params.insert(0, syn::parse_quote!('__de));
    let (in_impl, _, bounds) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #in_impl #root::de::Deserialize<'__de> for #name #in_type #bounds {
            #[inline]
            #[allow(unused_variables)]
            fn decode(
                __reader: &mut #root::bsatn::Reader<'__de>,
            ) -> ::std::result::Result<Self, #root::bsatn::DecodeError> {
                #body
            }
        }
    })
}

/// A pattern that takes a value apart, and the names of its parts.
fn bind(fields: &Fields) -> (TokenStream, Vec<Ident>) {
    let names: Vec<Ident> = (0..fields.len())
        .map(|index| format_ident!("__part_{index}"))
        .collect();
    let pattern = match fields {
        Fields::Named(named) => {
            let fields = named.named.iter().map(|field| &field.ident);
            quote! { { #(#fields: #names),* } }
        }
        Fields::Unnamed(_) => quote! { ( #(#names),* ) },
        Fields::Unit => quote! {},
    };
    (pattern, names)
}

/// An expression that reads the parts in order and puts them together.
fn read(root: &Path, constructor: &TokenStream, fields: &Fields) -> TokenStream {
    let part = quote! { #root::de::Deserialize::decode(__reader)? };
    match fields {
        Fields::Named(named) => {
            let fields = named.named.iter().map(|field| &field.ident);
            quote! { #constructor { #(#fields: #part),* } }
        }
        Fields::Unnamed(unnamed) => {
            let parts = unnamed.unnamed.iter().map(|_| &part);
            quote! { #constructor ( #(#parts),* ) }
        }
        Fields::Unit => quote! { #constructor },
    }
}

fn tagged(
    variants: &syn::punctuated::Punctuated<Variant, syn::Token![,]>,
) -> Result<Vec<(u8, &Variant)>> {
    variants
        .iter()
        .enumerate()
        .map(|(index, variant)| {
            u8::try_from(index).map(|tag| (tag, variant)).map_err(|_| {
                let message = format!("a sum type has at most {VARIANT_COUNT_MAX} variants");
                Error::new_spanned(variant, message)
            })
        })
        .collect()
}

fn no_union(input: &DeriveInput) -> Error {
    Error::new_spanned(&input.ident, "a union has no BSATN form; use an enum")
}

/// The type's generics, each type parameter with the trait that is being derived.
fn with_bound(input: &DeriveInput, bound: &TokenStream) -> syn::Generics {
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(syn::parse_quote!(#bound));
    }
    generics
}

/// Where the traits are: what `#[sats(crate = path)]` says.
fn crate_path(input: &DeriveInput) -> Result<Path> {
    let mut found: Option<Path> = None;
    for attribute in &input.attrs {
        if !attribute.path().is_ident("sats") {
            continue;
        }
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("crate") {
                found = Some(meta.value()?.call(Path::parse_mod_style)?);
                return Ok(());
            }
            Err(meta.error("only `crate = path` can be said here"))
        })?;
    }
    Ok(found.unwrap_or_else(|| syn::parse_quote!(::spacetime_client::__codegen::__lib)))
}

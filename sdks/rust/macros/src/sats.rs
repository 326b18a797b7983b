//! The derives `SpacetimeType`, `Serialize` and `Deserialize`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, GenericParam, LitStr, Path, Result, Token, Type};

use crate::item::{name_of, parse_list, parse_name, set_once, unknown};

/// A tag is one byte.
const VARIANTS_MAX: usize = 256;

/// The type below a derive.
struct Described<'a> {
    input: &'a DeriveInput,
    /// The library.
    library: TokenStream,
    name: String,
    shape: Shape<'a>,
}

enum Shape<'a> {
    Struct(Vec<(&'a Ident, &'a Type)>),
    Enum(Vec<Variant<'a>>),
}

struct Variant<'a> {
    ident: &'a Ident,
    payload: Option<Payload<'a>>,
}

/// The one value that a variant holds.
struct Payload<'a> {
    ty: &'a Type,
    /// If it is written in braces.
    field: Option<&'a Ident>,
}

impl Variant<'_> {
    /// As a pattern, or to make one.
    fn with(&self, value: &TokenStream) -> TokenStream {
        let ident = self.ident;
        match &self.payload {
            None => quote!(Self::#ident),
            Some(Payload {
                field: Some(field), ..
            }) => quote!(Self::#ident { #field: #value }),
            Some(_) => quote!(Self::#ident(#value)),
        }
    }
}

impl<'a> Described<'a> {
    fn parse(input: &'a DeriveInput) -> Result<Self> {
        let (mut name, mut library) = (None::<LitStr>, None::<Path>);
        for attribute in input.attrs.iter().filter(|a| a.path().is_ident("sats")) {
            attribute.parse_args_with(|list: syn::parse::ParseStream<'_>| {
                parse_list(list, &mut |word, list| {
                    if word == "name" {
                        return set_once(&mut name, parse_name(list)?, word.span());
                    }
                    if word == "crate" {
                        list.parse::<Token![=]>()?;
                        let path = list.call(Path::parse_mod_style)?;
                        return set_once(&mut library, path, word.span());
                    }
                    Err(unknown(word, &["name", "crate"]))
                })
            })?;
        }
        let shape = match &input.data {
            Data::Struct(data) => Shape::Struct(fields_of(&data.fields, &input.ident)?),
            Data::Enum(data) => Shape::Enum(variants_of(data)?),
            Data::Union(data) => {
                let message = "a union cannot be stored or sent; use an enum";
                return Err(syn::Error::new(data.union_token.span(), message));
            }
        };
        Ok(Described {
            input,
            library: library.map_or_else(|| quote!(::spacetimedb), |path| quote!(#path)),
            name: name.map_or_else(|| name_of(&input.ident), |name| name.value()),
            shape,
        })
    }

    fn is_plain_enum(&self) -> bool {
        match &self.shape {
            Shape::Struct(_) => false,
            Shape::Enum(variants) => {
                !variants.is_empty() && variants.iter().all(|variant| variant.payload.is_none())
            }
        }
    }
}

fn fields_of<'a>(fields: &'a Fields, place: &Ident) -> Result<Vec<(&'a Ident, &'a Type)>> {
    if let Fields::Unnamed(_) = fields {
        let message = "a struct that is stored or sent needs names for its fields: write \
                       `struct Name { field: Type }`";
        return Err(syn::Error::new(place.span(), message));
    }
    let named = |field: &'a syn::Field| Some((field.ident.as_ref()?, &field.ty));
    Ok(fields.iter().filter_map(named).collect())
}

fn variants_of(data: &syn::DataEnum) -> Result<Vec<Variant<'_>>> {
    if VARIANTS_MAX < data.variants.len() {
        let message = format!("an enum has at most {VARIANTS_MAX} variants");
        return Err(syn::Error::new(data.enum_token.span(), message));
    }
    let variant = |variant: &'_ syn::Variant| -> Result<()> {
        if 1 < variant.fields.len() {
            let message = "a variant holds at most one value; make a struct of several";
            return Err(syn::Error::new(variant.fields.span(), message));
        }
        Ok(())
    };
    data.variants.iter().try_for_each(variant)?;
    let described = data.variants.iter().map(|variant| Variant {
        ident: &variant.ident,
        payload: variant.fields.iter().next().map(|field| Payload {
            ty: &field.ty,
            field: field.ident.as_ref(),
        }),
    });
    Ok(described.collect())
}

/// All three derives, and for an enum without payloads what makes it a key.
pub(crate) fn expand_all(input: &DeriveInput) -> Result<TokenStream> {
    let described = Described::parse(input)?;
    let mut tokens = described.spacetime_type()?;
    tokens.extend(described.serialize());
    tokens.extend(described.deserialize());
    if described.is_plain_enum() {
        tokens.extend(described.key());
    }
    Ok(tokens)
}

pub(crate) fn expand_serialize(input: &DeriveInput) -> Result<TokenStream> {
    Ok(Described::parse(input)?.serialize())
}

pub(crate) fn expand_deserialize(input: &DeriveInput) -> Result<TokenStream> {
    Ok(Described::parse(input)?.deserialize())
}

impl Described<'_> {
    fn spacetime_type(&self) -> Result<TokenStream> {
        let generics = &self.input.generics;
        let parameter = generics
            .params
            .iter()
            .find(|parameter| !matches!(parameter, GenericParam::Lifetime(_)));
        if let Some(parameter) = parameter {
            let message = "a type that is stored or sent cannot have type or const parameters";
            return Err(syn::Error::new(parameter.span(), message));
        }
        let (library, ident, name) = (&self.library, &self.input.ident, &self.name);
        let (of_impl, of_type, condition) = generics.split_for_impl();
        let lifetimes = generics.lifetimes().map(|_| quote!('static));
        let fixed = quote!(#ident<#(#lifetimes),*>);
        let entry = |name: String, ty: TokenStream, span: Span| {
            let make_type = quote_spanned!(span=> #library::rt::make_type_of::<#ty>());
            quote!((#name, #make_type))
        };
        let (method, entries): (Ident, Vec<TokenStream>) = match &self.shape {
            Shape::Struct(fields) => {
                let entries = fields
                    .iter()
                    .map(|(ident, ty)| entry(name_of(ident), quote!(#ty), ty.span()));
                (format_ident!("named_product"), entries.collect())
            }
            Shape::Enum(variants) => {
                let entries = variants.iter().map(|variant| {
                    let (ty, span) = match &variant.payload {
                        Some(Payload { ty, .. }) => (quote!(#ty), ty.span()),
                        None => (quote!(()), variant.ident.span()),
                    };
                    entry(name_of(variant.ident), ty, span)
                });
                (format_ident!("named_sum"), entries.collect())
            }
        };
        Ok(quote! {
            #[automatically_derived]
            impl #of_impl #library::SpacetimeType for #ident #of_type #condition {
                fn make_type(
                    types: &mut #library::sats::TypeBuilder,
                ) -> #library::sats::AlgebraicType {
                    types.#method::<#fixed>(#name, &[#(#entries),*])
                }
            }
        })
    }

    /// The type's parameters, each with this condition.
    fn bounded(&self, condition: &TokenStream) -> syn::Generics {
        let mut generics = self.input.generics.clone();
        let types: Vec<Ident> = generics.type_params().map(|ty| ty.ident.clone()).collect();
        if !types.is_empty() {
            let conditions = &mut generics.make_where_clause().predicates;
            for ty in types {
                conditions.extend(syn::parse2::<syn::WherePredicate>(quote!(#ty: #condition)));
            }
        }
        generics
    }

    fn serialize(&self) -> TokenStream {
        let (library, ident) = (&self.library, &self.input.ident);
        let generics = self.bounded(&quote!(#library::Serialize));
        let (of_impl, of_type, condition) = generics.split_for_impl();
        let body = match &self.shape {
            Shape::Struct(fields) => {
                let fields = fields.iter().map(|(ident, _)| ident);
                quote!(#(#library::Serialize::serialize(&self.#fields, out);)*)
            }
            Shape::Enum(variants) if variants.is_empty() => quote!(match *self {}),
            Shape::Enum(variants) => {
                let arms = variants.iter().zip(0u8..=u8::MAX).map(|(variant, tag)| {
                    let pattern = variant.with(&quote!(value));
                    let payload = variant
                        .payload
                        .as_ref()
                        .map(|_| quote!(#library::Serialize::serialize(value, out);));
                    quote! {
                        #pattern => {
                            out.push(#tag);
                            #payload
                        }
                    }
                });
                quote!(match self { #(#arms)* })
            }
        };
        quote! {
            #[automatically_derived]
            impl #of_impl #library::Serialize for #ident #of_type #condition {
                #[allow(unused_variables)]
                fn serialize(&self, out: &mut ::std::vec::Vec<u8>) {
                    #body
                }
            }
        }
    }

    fn deserialize(&self) -> TokenStream {
        let (library, ident, name) = (&self.library, &self.input.ident, &self.name);
        let mut generics = self.bounded(&quote!(#library::Deserialize<'de>));
        let borrowed: Vec<_> = generics.lifetimes().map(|l| l.lifetime.clone()).collect();
        let (_, of_type, _) = self.input.generics.split_for_impl();
        let outlives = match borrowed.is_empty() {
            true => quote!('de),
            false => quote!('de: #(#borrowed)+*),
        };
        if let Ok(lifetime) = syn::parse2(outlives) {
            generics.params.insert(0, GenericParam::Lifetime(lifetime));
        }
        let (of_impl, _, condition) = generics.split_for_impl();
        let decode = quote!(#library::Deserialize::deserialize(reader)?);
        let body = match &self.shape {
            Shape::Struct(fields) => {
                let fields = fields.iter().map(|(ident, _)| ident);
                quote!(::core::result::Result::Ok(Self { #(#fields: #decode),* }))
            }
            Shape::Enum(variants) => {
                let arms = variants.iter().zip(0u8..=u8::MAX).map(|(variant, tag)| {
                    let made = variant.with(&decode);
                    quote!(#tag => ::core::result::Result::Ok(#made),)
                });
                quote! {
                    match reader.tag()? {
                        #(#arms)*
                        #[allow(unreachable_patterns)]
                        tag => ::core::result::Result::Err(
                            #library::sats::bsatn::DecodeError::InvalidTag {
                                tag,
                                sum_name: ::core::option::Option::Some(#name),
                            }
                        ),
                    }
                }
            }
        };
        quote! {
            #[automatically_derived]
            impl #of_impl #library::Deserialize<'de> for #ident #of_type #condition {
                #[allow(unused_variables)]
                fn deserialize(
                    reader: &mut #library::sats::bsatn::Reader<'de>,
                ) -> ::core::result::Result<Self, #library::sats::bsatn::DecodeError> {
                    #body
                }
            }
        }
    }

    /// What makes an enum without payloads a key of indexes, and a value in queries.
    fn key(&self) -> TokenStream {
        let (library, ident) = (&self.library, &self.input.ident);
        let Shape::Enum(variants) = &self.shape else {
            return TokenStream::new();
        };
        let names = variants.iter().map(|variant| {
            let (ident, name) = (variant.ident, name_of(variant.ident));
            quote!(Self::#ident => #name,)
        });
        quote! {
            #[automatically_derived]
            impl #library::query_builder::LiteralValue for #ident {
                fn write_literal(&self, out: &mut ::std::string::String) {
                    #library::rt::write_variant(match self { #(#names)* }, out);
                }
            }

            #[automatically_derived]
            impl #library::FilterableValue for #ident {
                type Column = #ident;
            }

            #[automatically_derived]
            impl #library::FilterableValue for &#ident {
                type Column = #ident;
            }

            #[automatically_derived]
            impl #library::DirectIndexKey for #ident {}
        }
    }
}

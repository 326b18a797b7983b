//! Items as they come, and the arguments of attributes.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, LitStr, Result, Token};

/// The name as people read it, without `r#`.
pub(crate) fn name_of(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// Calls `each` with the word that begins every argument; commas stand between them.
pub(crate) fn parse_arguments(
    arguments: TokenStream,
    mut each: impl FnMut(&Ident, ParseStream<'_>) -> Result<()>,
) -> Result<()> {
    let parser = |input: ParseStream<'_>| parse_list(input, &mut each);
    parser.parse2(arguments)
}

/// The same for arguments in brackets.
pub(crate) fn parse_list(
    input: ParseStream<'_>,
    each: &mut dyn FnMut(&Ident, ParseStream<'_>) -> Result<()>,
) -> Result<()> {
    while !input.is_empty() {
        if let Ok(text) = input.fork().parse::<LitStr>() {
            let message = format!("a name is written `name = {:?}`", text.value());
            return Err(syn::Error::new(text.span(), message));
        }
        let word = input.call(Ident::parse_any)?;
        each(&word, input)?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

/// Sets what may be set once.
pub(crate) fn set_once<T>(place: &mut Option<T>, value: T, span: Span) -> Result<()> {
    if place.replace(value).is_some() {
        return Err(syn::Error::new(span, "duplicate attribute"));
    }
    Ok(())
}

/// `= "text"`, after the word.
pub(crate) fn parse_name(input: ParseStream<'_>) -> Result<LitStr> {
    input.parse::<Token![=]>()?;
    if let Ok(ident) = input.fork().parse::<Ident>() {
        let message = format!("a name is a text: write `name = \"{ident}\"`");
        return Err(syn::Error::new(ident.span(), message));
    }
    input.parse()
}

/// `= ident`, after the word.
pub(crate) fn parse_accessor(input: ParseStream<'_>, suggested: &str) -> Result<Ident> {
    input.parse::<Token![=]>()?;
    if let Ok(text) = input.fork().parse::<LitStr>() {
        let name = if text.value().is_empty() {
            suggested.to_owned()
        } else {
            text.value()
        };
        let message = format!("an accessor is a name, not a text: write `accessor = {name}`");
        return Err(syn::Error::new(text.span(), message));
    }
    input.parse()
}

/// The complaint about a word that means nothing here.
pub(crate) fn unknown(word: &Ident, known: &[&str]) -> syn::Error {
    let known: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
    let message = format!("expected one of: {}", known.join(", "));
    syn::Error::new(word.span(), message)
}

/// `Some(name)` or `None`, as tokens.
pub(crate) fn optional_name(name: Option<&LitStr>) -> TokenStream {
    match name {
        Some(name) => quote!(::core::option::Option::Some(#name)),
        None => quote!(::core::option::Option::None),
    }
}

/// A constant with its attributes: `#vis const #ident: ...`.
pub(crate) struct Constant {
    pub ident: Ident,
}

impl Constant {
    pub(crate) fn parse(item: TokenStream, what: &str) -> Result<Self> {
        let parser = |input: ParseStream<'_>| {
            input.call(Attribute::parse_outer)?;
            input.parse::<syn::Visibility>()?;
            if !input.peek(Token![const]) {
                return Err(input.error(format!("`#[{what}]` belongs on a `const`")));
            }
            input.parse::<Token![const]>()?;
            let ident = input.parse()?;
            input.parse::<TokenStream>()?;
            Ok(Constant { ident })
        };
        parser.parse2(item)
    }
}

/// Attributes of fields that only mean something to the attribute `table`.
const FIELD_ATTRIBUTES: [&str; 5] = ["primary_key", "unique", "auto_inc", "index", "default"];

/// The item, if it is a struct without the attributes that would not be known any more: after an
/// error in its table, only that error is of interest.
pub(crate) fn without_our_attributes(item: TokenStream) -> TokenStream {
    let Ok(mut input) = syn::parse2::<syn::DeriveInput>(item.clone()) else {
        return item;
    };
    let is_ours = |attribute: &Attribute| {
        FIELD_ATTRIBUTES
            .iter()
            .any(|known| attribute.path().is_ident(known))
    };
    if let syn::Data::Struct(data) = &mut input.data {
        for field in &mut data.fields {
            field.attrs.retain(|attribute| !is_ours(attribute));
        }
    }
    quote!(#input)
}

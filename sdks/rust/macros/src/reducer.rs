//! The attribute `reducer`.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{LitStr, Result};

use crate::export;
use crate::function::{Function, with_lifetime};
use crate::item::{name_of, optional_name, parse_arguments, parse_name, set_once, unknown};

/// When the database itself calls it: the argument, and the name in the library.
const LIFECYCLE: [(&str, &str); 3] = [
    ("init", "Init"),
    ("client_connected", "OnConnect"),
    ("client_disconnected", "OnDisconnect"),
];

const KNOWN: [&str; 5] = [
    "init",
    "client_connected",
    "client_disconnected",
    "update",
    "name",
];

#[derive(Default)]
struct Arguments {
    name: Option<LitStr>,
    lifecycle: Option<Option<Ident>>,
}

impl Arguments {
    fn parse(arguments: TokenStream) -> Result<Self> {
        let mut found = Arguments::default();
        parse_arguments(arguments, |word, input| {
            if word == "name" {
                return set_once(&mut found.name, parse_name(input)?, word.span());
            }
            let kind = match LIFECYCLE.iter().find(|(known, _)| word == known) {
                Some((_, name)) => Some(Ident::new(name, word.span())),
                // Once a kind of its own, now a reducer like any other.
                None if word == "update" => None,
                None => return Err(unknown(word, &KNOWN)),
            };
            if found.lifecycle.replace(kind).is_some() {
                let message = "already specified a lifecycle reducer kind";
                return Err(syn::Error::new(word.span(), message));
            }
            Ok(())
        })?;
        Ok(found)
    }
}

pub(crate) fn expand(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream> {
    let Arguments { name, lifecycle } = Arguments::parse(arguments.clone())?;
    let function: Function = syn::parse2(item.clone())?;
    let source_name = name_of(&function.ident);
    let companion = function.companion(&source_name);
    let scheduled = function.scheduled();
    let context = &function.context("reducer", "&ReducerContext")?.ty;
    let context = with_lifetime(context, quote!('_));
    let pass = quote_spanned! {context.span()=>
        <#context as ::spacetimedb::rt::ReducerContextArgument<'_>>::pass(context)
    };
    let parameters = function.describe_arguments()?;
    let decoded = function.decode_arguments()?;
    let ident = &function.ident;
    let outcome = quote_spanned! {function.output_span()=>
        ::spacetimedb::rt::IntoReducerResult::into_outcome
    };
    let value = Ident::new("value", function.output_span());
    let canonical_name = optional_name(name.as_ref());
    let lifecycle = match lifecycle.flatten() {
        Some(kind) => quote!(::core::option::Option::Some(::spacetimedb::rt::Lifecycle::#kind)),
        None => quote!(::core::option::Option::None),
    };
    let register = export::preinit(
        &export::describer(&source_name, "reducer"),
        ident,
        &quote! {
            const FUNCTION: ::spacetimedb::rt::Function = ::spacetimedb::rt::Function {
                    name: #source_name,
                    canonical_name: #canonical_name,
                    parameters: #parameters,
                };
            ::spacetimedb::rt::register_reducer(
                &FUNCTION,
                #lifecycle,
                call,
            )
        },
    );
    Ok(quote! {
        #item
        #companion
        const _: () = {
            #scheduled
            #[allow(unused_variables, clippy::let_unit_value)]
            fn call(
                context: &::spacetimedb::ReducerContext,
                reader: &mut ::spacetimedb::sats::bsatn::Reader<'_>,
            ) -> ::spacetimedb::rt::ReducerOutcome {
                let #value = #ident(#pass #(, #decoded)*);
                #outcome(#value)
            }
            #register
        };
    })
}

//! The attribute `procedure`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Result;
use syn::spanned::Spanned;

use crate::export;
use crate::function::{Function, with_lifetime};
use crate::item::{name_of, optional_name, parse_arguments, parse_name, set_once, unknown};

pub(crate) fn expand(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream> {
    let mut name = None;
    parse_arguments(arguments.clone(), |word, input| {
        if word != "name" {
            return Err(unknown(word, &["name"]));
        }
        set_once(&mut name, parse_name(input)?, word.span())
    })?;
    let function: Function = syn::parse2(item.clone())?;
    let source_name = name_of(&function.ident);
    let companion = function.companion(&source_name);
    let scheduled = function.scheduled();
    let context = &function.context("procedure", "&mut ProcedureContext")?.ty;
    let context = with_lifetime(context, quote!('_));
    let pass = quote_spanned! {context.span()=>
        <#context as ::spacetimedb::rt::ProcedureContextArgument<'_>>::pass(context)
    };
    let parameters = function.describe_arguments()?;
    let decoded = function.decode_arguments()?;
    let places: Vec<_> = (0..decoded.len())
        .map(|n| quote::format_ident!("argument_{n}"))
        .collect();
    let ident = &function.ident;
    let output = function.output();
    let register_function = quote_spanned! {function.output_span()=>
        ::spacetimedb::rt::register_procedure::<#output>
    };
    let canonical_name = optional_name(name.as_ref());
    let register = export::preinit(
        &export::describer(&source_name, "procedure"),
        ident,
        &quote! {
            const FUNCTION: ::spacetimedb::rt::Function = ::spacetimedb::rt::Function {
                    name: #source_name,
                    canonical_name: #canonical_name,
                    parameters: #parameters,
                };
            #register_function(
                &FUNCTION,
                call,
            )
        },
    );
    let encode = quote_spanned! {function.output_span()=>
        ::spacetimedb::rt::encode_result::<#output>
    };
    Ok(quote! {
        #item
        #companion
        const _: () = {
            #scheduled
            #[allow(unused_variables)]
            fn call(
                context: &mut ::spacetimedb::ProcedureContext,
                reader: &mut ::spacetimedb::sats::bsatn::Reader<'_>,
            ) -> ::spacetimedb::ProcedureResult {
                #(let #places = #decoded;)*
                #encode(#ident(#pass #(, #places)*))
            }
            #register
        };
    })
}

//! The attributes `handler` and `router`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Result};

use crate::export;
use crate::function::{Function, with_lifetime};
use crate::item::name_of;

fn refuse_arguments(arguments: &TokenStream, what: &str) -> Result<()> {
    if arguments.is_empty() {
        return Ok(());
    }
    let message = format!("the attribute `{what}` takes no arguments");
    Err(syn::Error::new(arguments.span(), message))
}

const SHAPE: &str =
    "a handler looks like this: `fn name(ctx: &mut HandlerContext, request: Request) -> Response`";

pub(crate) fn expand_handler(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream> {
    refuse_arguments(arguments, "handler")?;
    let function: Function = syn::parse2(item.clone())?;
    let [context, request] = function.parameters.as_slice() else {
        return Err(syn::Error::new(function.parameters_span, SHAPE));
    };
    let Some(output) = &function.output else {
        return Err(syn::Error::new(function.parameters_span, SHAPE));
    };
    let Function {
        attributes,
        visibility,
        ident,
        rest,
        ..
    } = &function;
    let name = name_of(ident);
    let docs: Vec<&Attribute> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .collect();
    let context_type = with_lifetime(&context.ty, quote!('_));
    let pass = quote_spanned! {context_type.span()=>
        <#context_type as ::spacetimedb::rt::HandlerContextArgument<'_>>::pass(context)
    };
    let request = quote_spanned!(request.ty.span()=> request);
    let call = quote_spanned!(output.span()=> handler(#pass, #request));
    let register = export::preinit(
        &format!("{}{name}", export::HTTP_HANDLER),
        ident,
        &quote!(::spacetimedb::rt::register_http_handler(#name, call)),
    );
    Ok(quote! {
        #(#docs)*
        #[allow(non_upper_case_globals, dead_code)]
        #visibility const #ident: ::spacetimedb::http::Handler =
            ::spacetimedb::http::Handler::new(#name);

        const _: () = {
            #(#attributes)*
            fn handler #rest

            fn call(
                context: &mut ::spacetimedb::http::HandlerContext,
                request: ::spacetimedb::http::Request,
            ) -> ::spacetimedb::http::Response {
                #call
            }
            #register
        };
    })
}

pub(crate) fn expand_router(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream> {
    refuse_arguments(arguments, "router")?;
    let function: Function = syn::parse2(item.clone())?;
    if !function.parameters.is_empty() || function.output.is_none() {
        let message = "a router looks like this: `fn name() -> Router`";
        return Err(syn::Error::new(function.parameters_span, message));
    }
    let ident = &function.ident;
    let router = quote_spanned!(function.output_span()=> #ident());
    let register = export::preinit(
        export::HTTP_ROUTER,
        ident,
        &quote!(::spacetimedb::rt::register_http_router(#router)),
    );
    Ok(quote! {
        #item
        const _: () = {
            #register
        };
    })
}

//! The attributes `settings` and `client_visibility_filter`, which stand on constants.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Result;
use syn::spanned::Spanned;

use crate::export;
use crate::item::Constant;

const POLICY: &str = "CASE_CONVERSION_POLICY";

fn refuse_arguments(arguments: &TokenStream, what: &str) -> Result<()> {
    if arguments.is_empty() {
        return Ok(());
    }
    let message = format!("the attribute `{what}` takes no arguments");
    Err(syn::Error::new(arguments.span(), message))
}

pub(crate) fn expand_setting(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream> {
    refuse_arguments(arguments, "settings")?;
    let ident = Constant::parse(item.clone(), "settings")?.ident;
    if ident != POLICY {
        let message = format!("unknown setting `{ident}`; the known settings are: `{POLICY}`");
        return Err(syn::Error::new(ident.span(), message));
    }
    let register = export::preinit(
        &format!("{}{ident}", export::SETTING),
        &ident,
        &quote!(::spacetimedb::rt::register_case_conversion_policy(#ident)),
    );
    Ok(quote! {
        #item
        const _: () = {
            #register
        };
    })
}

pub(crate) fn expand_filter(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream> {
    refuse_arguments(arguments, "client_visibility_filter")?;
    let ident = Constant::parse(item.clone(), "client_visibility_filter")?.ident;
    let register = export::preinit(
        &format!("{}{ident}", export::ROW_LEVEL_SECURITY),
        &ident,
        &quote!(::spacetimedb::rt::register_row_level_security(&#ident)),
    );
    Ok(quote! {
        #item
        const _: () = {
            #register
        };
    })
}

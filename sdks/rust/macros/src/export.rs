//! The functions that the host runs first: each registers one thing.
//!
//! Invariant: the host runs them in the order of their names, and functions get their numbers in
//! that order. So the name of a thing comes right after the prefix of its kind. What follows it is
//! below every character of a name, so that `add` still comes before `add_two`; it keeps things of
//! different kinds with one name apart. Two of one kind are an error of the compiler, which then
//! shows the symbol, and so the name.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

/// What is described along with tables and functions.
pub(crate) const DESCRIBER: &str = "20_register_describer_";
pub(crate) const HTTP_HANDLER: &str = "20_register_http_handler_";
pub(crate) const ROW_LEVEL_SECURITY: &str = "20_register_row_level_security_";
pub(crate) const SETTING: &str = "05_setting_";
pub(crate) const HTTP_ROUTER: &str = "30_register_http_router";

/// A function with this body, which runs before everything else. `place` is what the compiler
/// shows if there is another one with this name.
pub(crate) fn preinit(symbol: &str, place: &Ident, body: &TokenStream) -> TokenStream {
    let symbol = format!("__preinit__{symbol}");
    let function = format_ident!("__register", span = place.span());
    quote! {
        #[cfg_attr(target_arch = "wasm32", unsafe(export_name = #symbol))]
        #[allow(dead_code)]
        extern "C" fn #function() {
            #body
        }
    }
}

/// The symbol of a table or function.
pub(crate) fn describer(name: &str, kind: &str) -> String {
    format!("{DESCRIBER}{name}.{kind}")
}

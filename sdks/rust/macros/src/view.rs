//! The attribute `view`.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericArgument, LitStr, PathArguments, Result, Token, Type, TypeParamBound};

use crate::export;
use crate::function::{Function, with_lifetime};
use crate::item::{
    name_of, optional_name, parse_accessor, parse_arguments, parse_name, set_once, unknown,
};

const KNOWN: [&str; 4] = ["accessor", "public", "name", "primary_key"];

/// A column, as a name that is checked here, or as a text that only the host checks.
enum Key {
    Field(Ident),
    Text(LitStr),
}

struct Arguments {
    accessor: Ident,
    name: Option<LitStr>,
    primary_key: Option<Key>,
}

impl Arguments {
    fn parse(arguments: TokenStream, function: &Function) -> Result<Self> {
        let (mut accessor, mut name, mut primary_key) = (None, None, None);
        let mut public = None;
        parse_arguments(arguments, |word, input| match word.to_string().as_str() {
            "accessor" => {
                let ident = parse_accessor(input, &name_of(&function.ident))?;
                set_once(&mut accessor, ident, word.span())
            }
            "public" => set_once(&mut public, (), word.span()),
            "name" => set_once(&mut name, parse_name(input)?, word.span()),
            "primary_key" => {
                input.parse::<Token![=]>()?;
                let key = if input.peek(LitStr) {
                    Key::Text(input.parse()?)
                } else {
                    Key::Field(input.parse()?)
                };
                set_once(&mut primary_key, key, word.span())
            }
            "private" => Err(syn::Error::new(
                word.span(),
                "a view is there for clients, so it is always `public`",
            )),
            _ => Err(unknown(word, &KNOWN)),
        })?;
        let example = format!("#[view(accessor = {}, public)]", function.ident);
        let missing = |what: &str| {
            let message = format!("a view needs `{what}`: write `{example}`");
            syn::Error::new(function.ident.span(), message)
        };
        let accessor = accessor.ok_or_else(|| missing("accessor = ..."))?;
        public.ok_or_else(|| missing("public"))?;
        Ok(Arguments {
            accessor,
            name,
            primary_key,
        })
    }
}

/// The rows' type, if the view returns `impl Query<T>`.
fn queried(ty: &Type) -> Option<&Type> {
    let Type::ImplTrait(implementer) = ty else {
        return None;
    };
    implementer.bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else {
            return None;
        };
        let segment = bound.path.segments.last()?;
        let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
            return None;
        };
        match arguments.args.first()? {
            GenericArgument::Type(row) if segment.ident == "Query" => Some(row),
            _ => None,
        }
    })
}

/// What the library is told about the result, how it is encoded, and what its rows are.
struct Returned {
    make_type: TokenStream,
    encode: TokenStream,
    row: TokenStream,
}

impl Returned {
    fn new(function: &Function) -> Result<Self> {
        let Some(ty) = &function.output else {
            let message = "a view returns rows: write `-> Vec<Row>`, `-> Option<Row>` or \
                           `-> impl Query<Row>`";
            return Err(syn::Error::new(function.parameters_span, message));
        };
        if let Some(row) = queried(ty) {
            return Ok(Returned {
                make_type: quote_spanned!(row.span()=> ::spacetimedb::rt::query_type::<#row>),
                encode: quote_spanned!(row.span()=> ::spacetimedb::rt::call_query_view::<#row>),
                row: quote!(#row),
            });
        }
        if matches!(ty, Type::ImplTrait(_)) {
            let message = "of all traits, a view can only return `impl Query<Row>`";
            return Err(syn::Error::new(ty.span(), message));
        }
        let returned = quote_spanned!(ty.span()=> <#ty as ::spacetimedb::rt::ViewReturn>);
        Ok(Returned {
            make_type: quote!(#returned::make_type),
            encode: quote!(#returned::into_bytes),
            row: quote!(#returned::Row),
        })
    }
}

pub(crate) fn expand(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream> {
    let function: Function = syn::parse2(item.clone())?;
    let Arguments {
        accessor,
        name,
        primary_key,
    } = Arguments::parse(arguments.clone(), &function)?;
    let context = &function
        .context("view", "&ViewContext` or `ctx: &AnonymousViewContext")?
        .ty;
    if let Some(parameter) = function.parameters.get(1) {
        let message = "a view has no parameters but the context";
        return Err(syn::Error::new(parameter.ty.span(), message));
    }
    let source_name = name_of(&accessor);
    let companion = function.companion(&source_name);
    let returned = Returned::new(&function)?;
    let context = with_lifetime(context, quote!('static));
    let kind = quote_spanned! {context.span()=>
        <#context as ::spacetimedb::rt::ViewContextArgument>
    };
    let (key, key_check) = match &primary_key {
        None => (quote!(::core::option::Option::None), TokenStream::new()),
        Some(Key::Text(name)) => (optional_name(Some(name)), TokenStream::new()),
        Some(Key::Field(field)) => {
            let name = name_of(field);
            let row = &returned.row;
            let check = quote_spanned! {field.span()=>
                const _: fn() = || {
                    ::spacetimedb::rt::ViewKeyColumn::check::<#row, _>(|row| &row.#field);
                };
            };
            (quote!(::core::option::Option::Some(#name)), check)
        }
    };
    let canonical_name = optional_name(name.as_ref());
    let (make_type, encode, ident) = (&returned.make_type, &returned.encode, &function.ident);
    let register = export::preinit(
        &export::describer(&source_name, "view"),
        ident,
        &quote! {
            ::spacetimedb::rt::register_view(
                &::spacetimedb::rt::View {
                    name: #source_name,
                    canonical_name: #canonical_name,
                    primary_key: #key,
                    result: #make_type,
                },
                #kind::function(|context| #encode(#ident(context))),
            )
        },
    );
    Ok(quote! {
        #item
        #companion
        const _: () = {
            #key_check
            #register
        };
    })
}

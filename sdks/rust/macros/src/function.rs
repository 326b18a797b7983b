//! A function below an attribute. Its body is not looked at.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, Generics, Result, Token, Type, Visibility, token};

use crate::item::name_of;

/// A function, as far as the attributes need it.
pub(crate) struct Function {
    pub attributes: Vec<Attribute>,
    pub visibility: Visibility,
    pub ident: Ident,
    pub parameters: Vec<Parameter>,
    /// None is nothing at all, which is `()`.
    pub output: Option<Type>,
    /// From the name's brackets on.
    pub rest: TokenStream,
    /// Of the brackets around the parameters.
    pub parameters_span: Span,
}

/// One of its parameters.
pub(crate) struct Parameter {
    /// If the pattern is a name.
    pub ident: Option<Ident>,
    pub ty: Type,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        for refused in ["const", "async", "unsafe", "extern"] {
            let fork = input.fork();
            let word = fork.call(Ident::parse_any);
            if word.is_ok_and(|word| word == refused) {
                return Err(input.error(format!("the function must not be `{refused}`")));
            }
        }
        if !input.peek(Token![fn]) {
            return Err(input.error("expected a function"));
        }
        input.parse::<Token![fn]>()?;
        let ident: Ident = input.parse()?;
        let rest = input.fork().parse()?;
        let generics: Generics = input.parse()?;
        if let Some(parameter) = generics
            .params
            .iter()
            .find(|parameter| !matches!(parameter, syn::GenericParam::Lifetime(_)))
        {
            let message = "the function must not have type or const parameters";
            return Err(syn::Error::new(parameter.span(), message));
        }
        let inside;
        let parens = syn::parenthesized!(inside in input);
        let parameters = parse_parameters(&inside)?;
        let output = if input.peek(Token![->]) {
            input.parse::<Token![->]>()?;
            Some(input.parse()?)
        } else {
            None
        };
        let _where: Option<syn::WhereClause> = input.parse()?;
        if !input.peek(token::Brace) {
            return Err(input.error("expected the function's body"));
        }
        input.parse::<TokenTree>()?;
        Ok(Function {
            attributes,
            visibility,
            ident,
            parameters,
            output,
            rest,
            parameters_span: parens.span.join(),
        })
    }
}

fn parse_parameters(input: ParseStream<'_>) -> Result<Vec<Parameter>> {
    let mut parameters = Vec::new();
    while !input.is_empty() {
        input.call(Attribute::parse_outer)?;
        let mut pattern = Vec::new();
        while !input.peek(Token![:]) || input.peek(Token![::]) {
            if input.peek(Token![::]) {
                input.parse::<Token![::]>()?;
                pattern.clear();
                continue;
            }
            if input.is_empty() || input.peek(Token![,]) {
                return Err(input.error("expected a parameter with a type, and no `self`"));
            }
            pattern.push(input.parse::<TokenTree>()?);
        }
        input.parse::<Token![:]>()?;
        let ty = input.parse()?;
        parameters.push(Parameter {
            ident: name_in(&pattern),
            ty,
        });
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(parameters)
}

/// `name`, `mut name`, `ref name`, and `name @ pattern`.
fn name_in(pattern: &[TokenTree]) -> Option<Ident> {
    let mut pattern = pattern;
    while let [TokenTree::Ident(word), rest @ ..] = pattern {
        if word != "mut" && word != "ref" {
            break;
        }
        pattern = rest;
    }
    let is_at =
        |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if mark.as_char() == '@');
    match pattern {
        [TokenTree::Ident(ident)] if ident != "_" => Some(ident.clone()),
        [TokenTree::Ident(ident), mark, ..] if is_at(mark) => Some(ident.clone()),
        _ => None,
    }
}

impl Function {
    /// The first parameter, which is the context.
    pub(crate) fn context(&self, what: &str, expected: &str) -> Result<&Parameter> {
        self.parameters.first().ok_or_else(|| {
            let message = format!("a {what} needs a first parameter, `ctx: {expected}`");
            syn::Error::new(self.parameters_span, message)
        })
    }

    /// The parameters after the context.
    pub(crate) fn arguments(&self) -> Result<&[Parameter]> {
        let arguments = self.parameters.get(1..).unwrap_or_default();
        for argument in arguments {
            if let Type::Reference(reference) = &argument.ty {
                let owned = match &*reference.elem {
                    Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
                    Type::Slice(slice) => format!("Vec<{}>", slice.elem.to_token_stream()),
                    other => other.to_token_stream().to_string(),
                };
                let message = format!("arguments are passed by value: write `{owned}`");
                return Err(syn::Error::new(argument.ty.span(), message));
            }
            if argument.ident.is_none() {
                let message = "an argument has a name, by which clients know it: write \
                               `name: Type`, or `_name: Type` if the function does not use it";
                return Err(syn::Error::new(argument.ty.span(), message));
            }
        }
        Ok(arguments)
    }

    /// The constants that describe the arguments.
    pub(crate) fn describe_arguments(&self) -> Result<TokenStream> {
        let arguments = self.arguments()?.iter().map(|argument| {
            let ty = &argument.ty;
            let name = match &argument.ident {
                Some(ident) => {
                    let name = name_of(ident);
                    quote!(::core::option::Option::Some(#name))
                }
                None => quote!(::core::option::Option::None),
            };
            quote_spanned!(ty.span()=> (#name, ::spacetimedb::rt::make_type_of::<#ty>()))
        });
        Ok(quote!(&[#(#arguments),*]))
    }

    /// Expressions that decode the arguments from `reader`, one after the other.
    pub(crate) fn decode_arguments(&self) -> Result<Vec<TokenStream>> {
        let function = name_of(&self.ident);
        let decode = |argument: &Parameter| {
            let ty = &argument.ty;
            let name = argument.ident.as_ref().map_or("_".to_owned(), name_of);
            quote_spanned! {ty.span()=>
                ::spacetimedb::rt::argument::<#ty>(reader, #function, #name)
            }
        };
        Ok(self.arguments()?.iter().map(decode).collect())
    }

    /// The type that goes with the function and has its name: what other macros ask about it.
    pub(crate) fn companion(&self, name: &str) -> TokenStream {
        let Function {
            visibility, ident, ..
        } = self;
        quote! {
            #[allow(non_camel_case_types, dead_code, missing_docs, missing_debug_implementations)]
            #[doc(hidden)]
            #visibility enum #ident {}

            impl ::spacetimedb::rt::FnInfo for #ident {
                const NAME: &'static str = #name;
            }
        }
    }

    /// That rows can call it, if its one argument is a row.
    pub(crate) fn scheduled(&self) -> TokenStream {
        let Function {
            ident, parameters, ..
        } = self;
        let [_, row] = parameters.as_slice() else {
            return TokenStream::new();
        };
        let row = &row.ty;
        quote!(impl ::spacetimedb::rt::ScheduledFunction<#row> for #ident {})
    }

    /// The result's type.
    pub(crate) fn output(&self) -> TokenStream {
        match &self.output {
            Some(ty) => quote!(#ty),
            None => quote!(()),
        }
    }

    /// Where to show what is wrong with the result.
    pub(crate) fn output_span(&self) -> Span {
        self.output
            .as_ref()
            .map_or(self.ident.span(), Spanned::span)
    }
}

/// A reference's type with another lifetime; other types as they are.
pub(crate) fn with_lifetime(ty: &Type, lifetime: TokenStream) -> Type {
    let mut ty = ty.clone();
    if let Type::Reference(reference) = &mut ty {
        reference.lifetime = syn::parse2(lifetime).ok();
    }
    ty
}

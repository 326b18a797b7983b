//! The arguments of the attribute `table`.

use proc_macro2::{Ident, Span, TokenStream};
use syn::parse::ParseStream;
use syn::{LitStr, Path, Result, Token, bracketed, parenthesized};

use crate::item::{parse_accessor, parse_arguments, parse_list, parse_name, set_once, unknown};

const KNOWN: [&str; 7] = [
    "accessor",
    "name",
    "public",
    "private",
    "event",
    "scheduled",
    "index",
];

/// Who sees a table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Public,
    Private,
}

/// What the rows call, and the column that says when, if it was named.
pub(super) struct Scheduled {
    pub path: Path,
    pub at: Option<Ident>,
}

/// How an index finds rows, and over which columns.
#[derive(Clone)]
pub(super) enum Algorithm {
    BTree(Vec<Ident>),
    Hash(Vec<Ident>),
    Direct(Ident),
}

/// An index that was declared with the table.
pub(super) struct IndexArgument {
    pub accessor: Ident,
    pub name: Option<LitStr>,
    pub algorithm: Algorithm,
}

pub(super) struct Arguments {
    pub accessor: Ident,
    pub name: Option<LitStr>,
    pub access: Option<Access>,
    pub is_event: bool,
    pub scheduled: Option<Scheduled>,
    pub indexes: Vec<IndexArgument>,
}

impl Arguments {
    pub(super) fn parse(arguments: TokenStream, row: &Ident) -> Result<Self> {
        let (mut accessor, mut name, mut access) = (None, None, None);
        let (mut event, mut scheduled, mut indexes) = (None, None, Vec::new());
        let suggested = snake_case(&row.to_string());
        parse_arguments(arguments, |word, input| match word.to_string().as_str() {
            "accessor" => {
                let ident = parse_accessor(input, &suggested)?;
                set_once(&mut accessor, ident, word.span())
            }
            "name" => set_once(&mut name, parse_table_name(word, input)?, word.span()),
            "public" => set_access(&mut access, Access::Public, word),
            "private" => set_access(&mut access, Access::Private, word),
            "event" => set_once(&mut event, (), word.span()),
            "scheduled" => set_once(&mut scheduled, parse_scheduled(input)?, word.span()),
            "index" => {
                indexes.push(parse_index(word, input)?);
                Ok(())
            }
            "unique" | "primary_key" | "auto_inc" | "default" => Err(belongs_to_a_field(word)),
            _ => Err(unknown(word, &KNOWN)),
        })?;
        let accessor = match (accessor, &name) {
            (Some(accessor), _) => accessor,
            (None, Some(name)) => {
                let wanted = snake_case(&name.value());
                let message = format!(
                    "a table needs an accessor, by which the module calls it; `name` is only what \
                     it is stored under. Write `accessor = {wanted}, name = {:?}`",
                    name.value()
                );
                return Err(syn::Error::new(name.span(), message));
            }
            (None, None) => {
                let message = format!(
                    "a table needs an accessor, by which the module calls it: write \
                     `#[table(accessor = {suggested})]`"
                );
                return Err(syn::Error::new(Span::call_site(), message));
            }
        };
        Ok(Arguments {
            accessor,
            name,
            access,
            is_event: event.is_some(),
            scheduled,
            indexes,
        })
    }
}

/// The complaint about what is said of one column.
fn belongs_to_a_field(word: &Ident) -> syn::Error {
    let mut message = format!("`{word}` is said of one column: write `#[{word}]` above its field");
    if word == "unique" || word == "primary_key" {
        message.push_str(
            ". Several columns cannot be unique together: add a column that is made of them",
        );
    }
    syn::Error::new(word.span(), message)
}

fn set_access(place: &mut Option<Access>, access: Access, word: &Ident) -> Result<()> {
    if place.replace(access).is_some() {
        return Err(syn::Error::new(
            word.span(),
            "already specified access level",
        ));
    }
    Ok(())
}

/// A text; a bare name is what `accessor` was once called.
fn parse_table_name(word: &Ident, input: ParseStream<'_>) -> Result<LitStr> {
    let fork = input.fork();
    fork.parse::<Token![=]>()?;
    if let Ok(ident) = fork.parse::<Ident>() {
        let message = format!("`name = {ident}` is now written `accessor = {ident}`");
        return Err(syn::Error::new(word.span(), message));
    }
    parse_name(input)
}

fn parse_scheduled(input: ParseStream<'_>) -> Result<Scheduled> {
    let inside;
    parenthesized!(inside in input);
    let path = inside.call(Path::parse_mod_style)?;
    let mut at = None;
    if !inside.is_empty() {
        inside.parse::<Token![,]>()?;
        parse_list(&inside, &mut |word, list| {
            if word != "at" {
                return Err(unknown(word, &["at"]));
            }
            list.parse::<Token![=]>()?;
            set_once(&mut at, list.parse()?, word.span())
        })?;
    }
    Ok(Scheduled { path, at })
}

fn parse_index(word: &Ident, input: ParseStream<'_>) -> Result<IndexArgument> {
    let (mut accessor, mut name, mut algorithm) = (None, None, None);
    let inside;
    parenthesized!(inside in input);
    parse_list(&inside, &mut |word, list| match word.to_string().as_str() {
        "accessor" => set_once(
            &mut accessor,
            parse_accessor(list, "by_column")?,
            word.span(),
        ),
        "name" => set_once(&mut name, parse_table_name(word, list)?, word.span()),
        "btree" | "hash" | "direct" => {
            if algorithm.replace(parse_algorithm(word, list)?).is_some() {
                return Err(syn::Error::new(
                    word.span(),
                    "index algorithm specified twice",
                ));
            }
            Ok(())
        }
        _ => Err(unknown(
            word,
            &["accessor", "name", "btree", "hash", "direct"],
        )),
    })?;
    let missing = |what: &str| {
        let message = format!(
            "an index needs {what}: write `index(accessor = by_column, btree(columns = [column]))`"
        );
        syn::Error::new(word.span(), message)
    };
    Ok(IndexArgument {
        accessor: accessor.ok_or_else(|| missing("an accessor"))?,
        name,
        algorithm: algorithm.ok_or_else(|| missing("an algorithm (`btree`, `hash`, `direct`)"))?,
    })
}

fn parse_algorithm(word: &Ident, input: ParseStream<'_>) -> Result<Algorithm> {
    let example = match word.to_string().as_str() {
        "direct" => "direct(column = column)".to_owned(),
        name => format!("{name}(columns = [column, other])"),
    };
    let missing = || syn::Error::new(word.span(), format!("which columns? Write `{example}`"));
    if !input.peek(syn::token::Paren) {
        return Err(missing());
    }
    let inside;
    parenthesized!(inside in input);
    let mut columns = None;
    parse_list(&inside, &mut |list_word, list| {
        let is_direct = word == "direct";
        let known = if is_direct { "column" } else { "columns" };
        if list_word != known {
            return Err(unknown(list_word, &[known]));
        }
        list.parse::<Token![=]>()?;
        // A direct index has one column, whose brackets may be left out.
        let found = if is_direct && !list.peek(syn::token::Bracket) {
            vec![list.parse()?]
        } else {
            parse_columns(list)?
        };
        set_once(&mut columns, found, list_word.span())
    })?;
    let columns = columns
        .filter(|columns| !columns.is_empty())
        .ok_or_else(missing)?;
    match (word.to_string().as_str(), columns.as_slice()) {
        ("btree", _) => Ok(Algorithm::BTree(columns)),
        ("hash", _) => Ok(Algorithm::Hash(columns)),
        (_, [column]) => Ok(Algorithm::Direct(column.clone())),
        _ => Err(syn::Error::new(
            word.span(),
            "a direct index has exactly one column",
        )),
    }
}

fn parse_columns(input: ParseStream<'_>) -> Result<Vec<Ident>> {
    let inside;
    bracketed!(inside in input);
    let columns = inside.parse_terminated(<Ident as syn::parse::Parse>::parse, Token![,])?;
    Ok(columns.into_iter().collect())
}

/// The usual accessor of a type's table, for examples in messages.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

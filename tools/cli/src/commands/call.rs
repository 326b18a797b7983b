//! `spacetime call`: a reducer or a procedure, once.

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use spacetime_types::{AlgebraicType, SumTypeVariant};

use crate::output::{say, warn_unstable};
use crate::paths::Paths;
use crate::project::{Project, missing, pick_function};
use crate::schema::{Function, Schema, named_types, signature};
use crate::session::{As, ServerFlags, Session, percent_encoded};
use crate::similar::{edit_distance, is_slip};

const USAGE: &str = "[OPTIONS] <DATABASE> <FUNCTION> [ARGUMENTS]...";
/// What servers say of a module that broke; why, only its owner is told.
const FATAL_ERROR: &str = "The instance encountered a fatal error.";
/// Most names that a hint lists.
const HINT_NAMES_MAX: usize = 10;

/// The flags of `call`.
#[derive(Debug, Args)]
#[command(override_usage = "spacetime call [OPTIONS] [DATABASE] <FUNCTION> [ARGUMENTS]...")]
pub(crate) struct CallArguments {
    /// The database (unless spacetime.json names the only one), the function, and its arguments as
    /// JSON; text needs no quotes, nor does a variant of an enum that holds nothing
    #[arg(value_name = "WORDS", allow_negative_numbers = true)]
    words: Vec<String>,
    /// All arguments as one JSON array
    #[arg(long, value_name = "ARRAY")]
    json: Option<String>,
    #[command(flatten)]
    server: ServerFlags,
    /// Call as nobody in particular
    #[arg(long)]
    anonymous: bool,
    /// Ask nothing
    #[arg(long, short = 'y')]
    yes: bool,
    /// Ignore spacetime.json
    #[arg(long)]
    no_config: bool,
}

/// Calls, and prints what a procedure returns.
pub(crate) async fn run(paths: &Paths, arguments: &CallArguments) -> Result<()> {
    warn_unstable();
    let project = Project::find_here(arguments.no_config, None)?;
    let picked = pick_function(project.as_ref(), &arguments.words, "call", USAGE)?;
    let [function, values @ ..] = picked.rest.as_slice() else {
        return Err(missing("call", "<FUNCTION>", USAGE));
    };
    let who = if arguments.anonymous {
        As::Anonymous
    } else {
        As::Me
    };
    let server = arguments
        .server
        .server
        .as_deref()
        .or(picked.server.as_deref());
    let session = Session::open_for_data(paths, server, who, arguments.yes).await?;
    let identity = session.database(&picked.database).await?;
    let schema = fetch_schema(&session, &identity).await?;
    let place = format!(
        "database `{}` resolving to identity `{identity}`",
        picked.database
    );

    let (kind, found) = match find(&schema, function) {
        Some(found) => found,
        None => bail!(
            "No such reducer OR procedure `{function}` for {place}.\n{}",
            hint(&schema, function)
        ),
    };
    let invalid = || {
        format!(
            "Invalid arguments provided for {kind} `{function}` for {place}.\n\
             The function expects: {}{}",
            signature(&schema, found),
            types_hint(&schema, found)
        )
    };
    let body = match &arguments.json {
        None => arguments_json(&schema, found, values),
        Some(_) if !values.is_empty() => {
            bail!("pass the arguments as words or as --json, not both")
        }
        Some(array) => array_json(found, array),
    };
    let body = body.with_context(invalid)?;
    // Whoever reads that it was done may count on it.
    let function = percent_encoded(function);
    let route = format!("database/{identity}/call/{function}?confirmed=true");
    let request = session
        .post(&route)
        .header(CONTENT_TYPE, "application/json")
        .body(body);
    let answer = session.send(request).await?;
    let status = answer.status();
    let error = answer.error_for_status_ref().err();
    let text = answer.text().await.context("the answer was cut off")?;
    match error {
        None if text.is_empty() => Ok(()),
        None => {
            say(text);
            Ok(())
        }
        // Nothing is wrong with the arguments of what nobody may call.
        Some(error) if status == StatusCode::BAD_REQUEST && !found.is_lifecycle => {
            Err(anyhow!(error).context(text).context(invalid()))
        }
        Some(error) => {
            let hint = match text.as_str() {
                FATAL_ERROR => format!("\n`spacetime logs {}` tells more.", picked.database),
                _ => String::new(),
            };
            Err(anyhow!(error).context(format!("Response text: {text}{hint}")))
        }
    }
}

/// The schema with the names that clients use.
pub(crate) async fn fetch_schema(session: &Session, identity: &str) -> Result<Schema> {
    let route = format!("database/{identity}/schema?version=9");
    let json = session.json(session.get(&route)).await?;
    Schema::from_json(&json).context("the server's schema cannot be read")
}

fn find<'a>(schema: &'a Schema, name: &str) -> Option<(&'static str, &'a Function)> {
    let called = |functions: &'a [Function]| functions.iter().find(|found| found.name == name);
    called(&schema.reducers)
        .map(|found| ("reducer", found))
        .or_else(|| called(&schema.procedures).map(|found| ("procedure", found)))
}

/// The types of the parameters, and how values of them are written.
fn types_hint(schema: &Schema, function: &Function) -> String {
    let types = named_types(schema, function);
    if types.is_empty() {
        return String::new();
    }
    format!(
        "\n  {}\n\
         In JSON a struct is {{\"field\": value, ...}}, an enum {{\"variant\": value}}, \
         or {{\"variant\": []}} if it holds nothing.",
        types.join("\n  ")
    )
}

/// The JSON array of the arguments: each is JSON already, but for the conveniences.
fn arguments_json(schema: &Schema, function: &Function, values: &[String]) -> Result<String> {
    let parameters = &function.parameters.elements;
    check_count(function, values.len())?;
    let mut texts = Vec::with_capacity(values.len());
    for (position, (parameter, value)) in parameters.iter().zip(values).enumerate() {
        let ty = schema.typespace.follow(&parameter.algebraic_type)?;
        let text = argument_json(ty, value);
        serde_json::from_str::<Value>(&text)
            .with_context(|| format!("argument {} is not JSON: {value}", position + 1))?;
        texts.push(text);
    }
    Ok(format!("[{}]", texts.join(",")))
}

/// An array that is JSON as it is.
fn array_json(function: &Function, array: &str) -> Result<String> {
    let values: Vec<Value> =
        serde_json::from_str(array).context("what --json has is not a JSON array")?;
    check_count(function, values.len())?;
    Ok(array.to_owned())
}

fn check_count(function: &Function, given: usize) -> Result<()> {
    let wanted = function.parameters.elements.len();
    if wanted != given {
        bail!("it takes {}, but {} given", arguments(wanted), were(given));
    }
    Ok(())
}

fn argument_json(ty: &AlgebraicType, value: &str) -> String {
    match ty {
        AlgebraicType::String if !is_quoted(value) => Value::from(value).to_string(),
        AlgebraicType::Product(product)
            if product.is_identity() && (value.starts_with("0x") || value.starts_with("c200")) =>
        {
            format!("[\"0x{}\"]", value.trim_start_matches("0x"))
        }
        AlgebraicType::Sum(sum) if sum.is_plain_enum() => {
            let word = value.trim_matches('"');
            let named = |variant: &SumTypeVariant| variant.name.as_deref() == Some(word);
            match sum.variants.iter().any(named) {
                true => serde_json::json!({ word: [] }).to_string(),
                false => value.to_owned(),
            }
        }
        _ => value.to_owned(),
    }
}

/// Text that is a JSON string, quotes and all.
fn is_quoted(value: &str) -> bool {
    value.len() >= 2 && value.starts_with('"') && value.ends_with('"')
}

fn arguments(count: usize) -> String {
    match count {
        0 => "no arguments".into(),
        1 => "1 argument".into(),
        count => format!("{count} arguments"),
    }
}

fn were(count: usize) -> String {
    match count {
        0 => "none were".into(),
        1 => "1 was".into(),
        count => format!("{count} were"),
    }
}

/// What could have been meant: the one similar name, or the nearest ones.
fn hint(schema: &Schema, name: &str) -> String {
    let mut lines = Vec::new();
    for (kind, functions) in [
        ("reducer", &schema.reducers),
        ("procedure", &schema.procedures),
    ] {
        let mut near: Vec<(usize, &str)> = functions
            .iter()
            .filter(|function| !function.is_lifecycle)
            .map(|function| (edit_distance(name, &function.name), function.name.as_str()))
            .collect();
        near.sort_unstable();
        match near.first() {
            Some((distance, similar)) if is_slip(name, *distance) => {
                return format!("A {kind} with a similar name exists: `{similar}`");
            }
            None if kind == "reducer" => lines.push("The database has no reducers.".to_owned()),
            None => {}
            Some(_) => {
                lines.push(format!("Here are some existing {kind}s:"));
                let shown = near.iter().take(HINT_NAMES_MAX);
                lines.extend(shown.map(|(_, name)| format!("- {name}")));
                if near.len() > HINT_NAMES_MAX {
                    let rest = near.len() - HINT_NAMES_MAX;
                    lines.push(format!("... ({rest} {kind}s not shown)"));
                }
            }
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use spacetime_types::{ProductType, ProductTypeElement, SumType, Typespace};

    fn schema(names: &[&str]) -> Schema {
        let function = |name: &&str| Function {
            name: (*name).to_owned(),
            parameters: ProductType::default(),
            returns: None,
            is_lifecycle: *name == "init",
        };
        Schema {
            typespace: Typespace::default(),
            type_names: Vec::new(),
            tables: Vec::new(),
            reducers: names.iter().map(function).collect(),
            procedures: Vec::new(),
        }
    }

    fn json(types: &[AlgebraicType], values: &[&str]) -> Result<String> {
        let elements = types.iter().map(|ty| ProductTypeElement {
            name: None,
            algebraic_type: ty.clone(),
        });
        let function = Function {
            name: "f".into(),
            parameters: ProductType {
                elements: elements.collect(),
            },
            returns: None,
            is_lifecycle: false,
        };
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        arguments_json(&schema(&[]), &function, &values)
    }

    #[test]
    fn text_needs_no_quotes_and_keeps_its_own() {
        use AlgebraicType::{I32, String, U128};
        assert_eq!(
            json(&[String, I32], &["it's \"so\"\\", "-3"]).unwrap(),
            r#"["it's \"so\"\\",-3]"#
        );
        assert_eq!(json(&[String], &["\"a\\n\""]).unwrap(), r#"["a\n"]"#);
        assert_eq!(json(&[String], &["\""]).unwrap(), r#"["\""]"#);
        let large = "340282366920938463463374607431768211455";
        assert_eq!(json(&[U128], &[large]).unwrap(), format!("[{large}]"));
        assert!(json(&[I32], &["one"]).is_err());
        assert!(json(&[I32], &["1,2"]).is_err());
    }

    #[test]
    fn identities_may_be_bare_hex() {
        let element = ProductTypeElement {
            name: Some("__identity__".into()),
            algebraic_type: AlgebraicType::U256,
        };
        let identity = AlgebraicType::Product(ProductType {
            elements: [element].into(),
        });
        let hex = "c20035600353a2e93544d898c6ed0eac323e200c0468300f22958f8b472a265d";
        let expected = format!("[[\"0x{hex}\"]]");
        assert_eq!(
            json(std::slice::from_ref(&identity), &[hex]).unwrap(),
            expected
        );
        assert_eq!(json(&[identity], &[&format!("0x{hex}")]).unwrap(), expected);
    }

    #[test]
    fn variants_of_plain_enums_are_words() {
        let sum = |payload: AlgebraicType| {
            let variant = |name: &str, ty: &AlgebraicType| SumTypeVariant {
                name: Some(name.into()),
                algebraic_type: ty.clone(),
            };
            let variants = [
                variant("red", &AlgebraicType::unit()),
                variant("green", &payload),
            ];
            AlgebraicType::Sum(SumType {
                variants: variants.into(),
            })
        };
        let plain = sum(AlgebraicType::unit());
        for word in ["red", "\"red\""] {
            let red = json(std::slice::from_ref(&plain), &[word]).unwrap();
            assert_eq!(red, r#"[{"red":[]}]"#);
        }
        let whole = r#"{"green":[]}"#;
        let green = json(std::slice::from_ref(&plain), &[whole]).unwrap();
        assert_eq!(green, format!("[{whole}]"));
        assert!(json(&[plain], &["blue"]).is_err());
        assert!(json(&[sum(AlgebraicType::U8)], &["red"]).is_err());
    }

    #[test]
    fn types_of_parameters_are_explained() {
        let mut schema = schema(&[]);
        let place = schema.typespace.add(AlgebraicType::Product(ProductType {
            elements: [ProductTypeElement {
                name: Some("x".into()),
                algebraic_type: AlgebraicType::F64,
            }]
            .into(),
        }));
        let variant = |name: &str, algebraic_type| SumTypeVariant {
            name: Some(name.into()),
            algebraic_type,
        };
        let order = schema.typespace.add(AlgebraicType::Sum(SumType {
            variants: [
                variant("stay", AlgebraicType::unit()),
                variant("go", AlgebraicType::Ref(place)),
            ]
            .into(),
        }));
        schema.type_names = vec![(place, "Place".into()), (order, "Order".into())];
        let mut function = schema.reducers.pop().unwrap_or(Function {
            name: "f".into(),
            parameters: ProductType::default(),
            returns: None,
            is_lifecycle: false,
        });
        assert_eq!(types_hint(&schema, &function), "");
        let orders = AlgebraicType::Array(Box::new(AlgebraicType::Ref(order)));
        function.parameters.elements = [ProductTypeElement {
            name: Some("orders".into()),
            algebraic_type: orders,
        }]
        .into();
        let hint = types_hint(&schema, &function);
        let lines: Vec<&str> = hint.lines().map(str::trim).collect();
        assert_eq!(lines[1], "enum Order { stay, go(Place) }");
        assert_eq!(lines[2], "struct Place { x: f64 }");
        assert!(lines[3].contains("{\"variant\": []}"), "{hint}");
    }

    #[test]
    fn the_number_of_arguments_is_checked() {
        use AlgebraicType::U8;
        let error =
            |types: &[AlgebraicType], values: &[&str]| json(types, values).unwrap_err().to_string();
        assert_eq!(error(&[], &["1"]), "it takes no arguments, but 1 was given");
        assert_eq!(
            error(&[U8, U8], &[]),
            "it takes 2 arguments, but none were given"
        );
    }

    #[test]
    fn hints_name_what_is_near() {
        let near = hint(&schema(&["add_person", "remove", "init"]), "ad_person");
        assert_eq!(near, "A reducer with a similar name exists: `add_person`");
        let names: Vec<String> = (10..22).map(|number| format!("reducer_{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let far = hint(&schema(&names), "x");
        assert_eq!(far.lines().count(), 12);
        assert!(far.ends_with("... (2 reducers not shown)"), "{far}");
        assert_eq!(
            hint(&schema(&["init"]), "x"),
            "The database has no reducers."
        );
    }
}

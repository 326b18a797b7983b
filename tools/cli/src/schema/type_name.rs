//! Types as a Rust programmer writes them.

use spacetime_types::{AlgebraicType, ProductType, SumType, TypeRef};

use super::{Function, Schema};

/// Deepest nesting that is written out.
const DEPTH_MAX: usize = 16;

/// `add(name: String, age: u8)`
pub(crate) fn signature(schema: &Schema, function: &Function) -> String {
    let parameters = function.parameters.elements.iter().enumerate();
    let parameters: Vec<String> = parameters
        .map(|(position, parameter)| {
            let ty = type_name(schema, &parameter.algebraic_type);
            match &parameter.name {
                Some(name) => format!("{name}: {ty}"),
                None => format!("arg_{position}: {ty}"),
            }
        })
        .collect();
    format!("{}({})", function.name, parameters.join(", "))
}

/// Most types that are explained beside a function.
const EXPLAINED_MAX: usize = 8;

/// What the named types in a function's parameters are, a line for each:
/// `enum Kind { red, other(String) }`, `struct Place { x: f64 }`.
pub(crate) fn named_types(schema: &Schema, function: &Function) -> Vec<String> {
    let parameters = function.parameters.elements.iter();
    let mut waiting: Vec<&AlgebraicType> = parameters.map(|it| &it.algebraic_type).collect();
    waiting.reverse();
    let mut seen: Vec<TypeRef> = Vec::new();
    let mut lines = Vec::new();
    while let Some(ty) = waiting.pop() {
        let inner = match ty {
            AlgebraicType::Ref(reference) => {
                if seen.contains(reference) || seen.len() >= EXPLAINED_MAX {
                    continue;
                }
                seen.push(*reference);
                let Some(target) = schema.typespace.get(*reference) else {
                    continue;
                };
                lines.extend(definition(schema, &type_name(schema, ty), target));
                vec![target]
            }
            AlgebraicType::Array(element) => vec![&**element],
            AlgebraicType::Product(product) => {
                let elements = product.elements.iter();
                elements.map(|it| &it.algebraic_type).collect()
            }
            AlgebraicType::Sum(sum) => {
                let variants = sum.variants.iter();
                variants.map(|it| &it.algebraic_type).collect()
            }
            _ => continue,
        };
        waiting.extend(inner.into_iter().rev());
    }
    lines
}

/// A named type written out; none if its name says it all.
fn definition(schema: &Schema, name: &str, ty: &AlgebraicType) -> Option<String> {
    match ty {
        AlgebraicType::Product(product) => {
            let written = product_name(schema, product, 0);
            let fields = written.strip_prefix('(')?.strip_suffix(')')?;
            Some(format!("struct {name} {{ {fields} }}"))
        }
        AlgebraicType::Sum(sum) => Some(format!("enum {name} {{ {} }}", variants(schema, sum))),
        _ => None,
    }
}

fn variants(schema: &Schema, sum: &SumType) -> String {
    let variants = sum.variants.iter().map(|variant| {
        let name = variant.name.as_deref().unwrap_or_default();
        match variant.algebraic_type.is_unit() {
            true => name.to_owned(),
            false => format!("{name}({})", type_name(schema, &variant.algebraic_type)),
        }
    });
    variants.collect::<Vec<String>>().join(", ")
}

/// `Option<Vec<u8>>`
pub(crate) fn type_name(schema: &Schema, ty: &AlgebraicType) -> String {
    write(schema, ty, 0)
}

fn write(schema: &Schema, ty: &AlgebraicType, depth: usize) -> String {
    if depth > DEPTH_MAX {
        return "..".into();
    }
    match ty {
        AlgebraicType::Ref(reference) => {
            let named = schema.type_names.iter().find(|(ty, _)| ty == reference);
            match (named, schema.typespace.get(*reference)) {
                (Some((_, name)), _) => name.clone(),
                (None, Some(target)) => write(schema, target, depth + 1),
                (None, None) => format!("&{}", reference.0),
            }
        }
        AlgebraicType::Array(element) => format!("Vec<{}>", write(schema, element, depth + 1)),
        AlgebraicType::Product(product) => product_name(schema, product, depth),
        AlgebraicType::Sum(sum) => {
            let names = sum.variants.iter().map(|variant| variant.name.as_deref());
            let names: Vec<&str> = names.map(Option::unwrap_or_default).collect();
            let payload = |at: usize| write(schema, &sum.variants[at].algebraic_type, depth + 1);
            match names.as_slice() {
                ["some", "none"] => format!("Option<{}>", payload(0)),
                ["ok", "err"] => format!("Result<{}, {}>", payload(0), payload(1)),
                ["Interval", "Time"] => "ScheduleAt".into(),
                names => format!("enum {{ {} }}", names.join(", ")),
            }
        }
        AlgebraicType::String => "String".into(),
        primitive => format!("{primitive:?}").to_lowercase(),
    }
}

fn product_name(schema: &Schema, product: &ProductType, depth: usize) -> String {
    let special = [
        (product.is_identity(), "Identity"),
        (product.is_connection_id(), "ConnectionId"),
        (product.is_timestamp(), "Timestamp"),
        (product.is_time_duration(), "TimeDuration"),
        (product.is_uuid(), "Uuid"),
    ];
    if let Some((_, name)) = special.iter().find(|(is, _)| *is) {
        return (*name).to_owned();
    }
    let elements = product.elements.iter().map(|element| {
        let ty = write(schema, &element.algebraic_type, depth + 1);
        match &element.name {
            Some(name) => format!("{name}: {ty}"),
            None => ty,
        }
    });
    let elements: Vec<String> = elements.collect();
    format!("({})", elements.join(", "))
}

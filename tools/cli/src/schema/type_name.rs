//! Types as a Rust programmer writes them.

use spacetime_types::{AlgebraicType, ProductType};

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

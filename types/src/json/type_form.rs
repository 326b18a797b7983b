//! Types as JSON, in the native flavour.

use crate::{AlgebraicType, Typespace};
use serde_json::{Value, json};

/// `{"U8":[]}`, `{"Product":{"elements":[...]}}` and so on.
#[must_use]
pub fn type_to_json(ty: &AlgebraicType) -> Value {
    match ty {
        AlgebraicType::Ref(type_ref) => json!({ "Ref": type_ref.0 }),
        AlgebraicType::Sum(sum) => {
            let variants = sum.variants.iter();
            let variants: Vec<Value> = variants
                .map(|variant| part_to_json(variant.name.as_deref(), &variant.algebraic_type))
                .collect();
            json!({ "Sum": { "variants": variants } })
        }
        AlgebraicType::Product(product) => {
            let elements = product.elements.iter();
            let elements: Vec<Value> = elements
                .map(|element| part_to_json(element.name.as_deref(), &element.algebraic_type))
                .collect();
            json!({ "Product": { "elements": elements } })
        }
        AlgebraicType::Array(element) => json!({ "Array": type_to_json(element) }),
        // The names of the other kinds are those of the enum.
        primitive => json!({ format!("{primitive:?}"): [] }),
    }
}

fn part_to_json(name: Option<&str>, ty: &AlgebraicType) -> Value {
    let name = match name {
        Some(name) => json!({ "some": name }),
        None => json!({ "none": [] }),
    };
    json!({ "name": name, "algebraic_type": type_to_json(ty) })
}

/// `{"types":[...]}`
#[must_use]
pub fn typespace_to_json(typespace: &Typespace) -> Value {
    let types: Vec<Value> = typespace.types.iter().map(type_to_json).collect();
    json!({ "types": types })
}

use serde_json::json;
use spacetime_types::json::type_to_json;

use super::*;

/// As the server sends it: two tables' worth of types, all kinds of functions, two views.
fn example() -> Value {
    let none = json!({"none": []});
    let unit = json!({"Product": {"elements": []}});
    let named = |name: &str, ty: Value| json!({"name": {"some": name}, "algebraic_type": ty});
    let option =
        json!({"Sum": {"variants": [named("some", json!({"Ref": 0})), named("none", unit)]}});
    json!({
        "typespace": {"types": [
            {"Product": {"elements": [
                named("id", json!({"U32": []})), named("name", json!({"String": []}))
            ]}},
        ]},
        "tables": [{"name": "person", "product_type_ref": 0}],
        "reducers": [
            {"name": "init", "params": {"elements": []}, "lifecycle": {"some": {"Init": []}}},
            {"name": "add", "params": {"elements": [
                named("who", json!({"Ref": 0})),
                {"name": none, "algebraic_type": option},
                named("bytes", json!({"Array": {"U8": []}})),
                named("owner", json!({"Product": {"elements": [
                    named("__identity__", json!({"U256": []}))
                ]}})),
            ]}, "lifecycle": {"none": []}},
        ],
        "types": [
            {"name": {"scope": ["deep"], "name": "Person"}, "ty": 0, "custom_ordering": true}
        ],
        "misc_exports": [
            {"Procedure": {"name": "ask", "params": {"elements": []}, "return_type": {"Bool": []}}},
            {"View": {
                "name": "all",
                "params": {"elements": []},
                "return_type": {"Array": {"Ref": 0}}
            }},
            {"View": {"name": "me", "params": {"elements": []}, "return_type": option}},
            {"ColumnDefaultValue": {}},
        ],
        "row_level_security": [],
    })
}

#[test]
fn tables_views_and_functions_are_found() {
    let schema = Schema::from_json(&example()).unwrap();
    let tables: Vec<&str> = schema
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    assert_eq!(tables, ["person", "all", "me"]);
    let person = schema.row_type_of("person").unwrap();
    assert_eq!(person.elements.len(), 2);
    assert_eq!(schema.row_type_of("me"), Some(person));
    assert_eq!(schema.row_type_of("all"), Some(person));
    assert_eq!(schema.row_type_of("nobody"), None);
    assert!(schema.reducers[0].is_lifecycle && !schema.reducers[1].is_lifecycle);
    assert_eq!(signature(&schema, &schema.procedures[0]), "ask()");
    assert_eq!(
        signature(&schema, &schema.reducers[1]),
        "add(who: deep::Person, arg_1: Option<deep::Person>, bytes: Vec<u8>, owner: Identity)"
    );
}

#[test]
fn types_are_read_as_they_are_written() {
    let json = example()["reducers"][1]["params"].clone();
    let product = AlgebraicType::Product(product_from_json(&json).unwrap());
    assert_eq!(type_to_json(&product)["Product"], json);
    for kind in ["U8", "I256", "F32", "Bool", "String"] {
        let json = json!({ kind: [] });
        assert_eq!(type_to_json(&type_from_json(&json).unwrap()), json);
    }
}

#[test]
fn what_is_not_a_schema_is_refused() {
    for json in [
        json!({}),
        json!([]),
        json!({"typespace": {"types": [{"U7": []}]}}),
    ] {
        assert!(Schema::from_json(&json).is_err(), "{json}");
    }
    let mut dangling = example();
    dangling["tables"][0]["product_type_ref"] = json!(9);
    assert!(Schema::from_json(&dangling).is_err());
    let mut deep = json!({"U8": []});
    for _ in 0..200 {
        deep = json!({"Array": deep});
    }
    assert!(type_from_json(&deep).is_err());
}

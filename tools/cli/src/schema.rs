//! A database's schema as the server's JSON tells it: types, tables and functions.
//!
//! Read from the version 9 form, whose names are the ones that clients use.
//!
//! Not here: the module definition itself (`describe` shows it as it is).

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use spacetime_types::{
    AlgebraicType, ProductType, ProductTypeElement, SumType, SumTypeVariant, TypeRef, Typespace,
};

#[cfg(test)]
mod tests;
mod type_name;

pub(crate) use type_name::{named_types, signature, type_name};

/// Deepest nesting of a type that is read.
const DEPTH_MAX: usize = 128;

/// What can be called and read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schema {
    pub(crate) typespace: Typespace,
    /// Names of types, by their place in the typespace.
    pub(crate) type_names: Vec<(TypeRef, String)>,
    /// Tables and views.
    pub(crate) tables: Vec<Table>,
    pub(crate) reducers: Vec<Function>,
    pub(crate) procedures: Vec<Function>,
}

/// A table, or a view.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) is_view: bool,
    pub(crate) row: ProductType,
    /// What is special about it: `private`, ...
    pub(crate) notes: Vec<String>,
    /// The same of columns, by their position: `primary key`, ...
    pub(crate) column_notes: BTreeMap<u64, Vec<&'static str>>,
}

/// A reducer or a procedure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) parameters: ProductType,
    /// What a procedure returns.
    pub(crate) returns: Option<AlgebraicType>,
    /// The server calls it by itself; nobody else can.
    pub(crate) is_lifecycle: bool,
}

impl Schema {
    /// Reads the JSON of `schema?version=9`.
    pub(crate) fn from_json(json: &Value) -> Result<Self> {
        let types = list(&json["typespace"], "types")?;
        let typespace = Typespace {
            types: types.iter().map(type_from_json).collect::<Result<_>>()?,
        };
        let mut schema = Schema {
            typespace,
            type_names: Vec::new(),
            tables: Vec::new(),
            reducers: Vec::new(),
            procedures: Vec::new(),
        };
        for table in list(json, "tables")? {
            let row = AlgebraicType::Ref(type_ref(&table["product_type_ref"])?);
            let row = schema.row_type(&row)?;
            schema.tables.push(Table {
                name: text(table, "name")?,
                is_view: false,
                row,
                notes: table_notes(table),
                column_notes: column_notes(table),
            });
        }
        for reducer in list(json, "reducers")? {
            let is_lifecycle = reducer["lifecycle"].get("some").is_some();
            schema.reducers.push(function(reducer, is_lifecycle)?);
        }
        for export in list(json, "misc_exports")? {
            if let Some(procedure) = export.get("Procedure") {
                schema.procedures.push(function(procedure, false)?);
            } else if let Some(view) = export.get("View") {
                let returned = type_from_json(&view["return_type"])?;
                let row = schema.row_type(&returned)?;
                schema.tables.push(Table {
                    name: text(view, "name")?,
                    is_view: true,
                    row,
                    notes: Vec::new(),
                    column_notes: BTreeMap::new(),
                });
            }
        }
        for named in list(json, "types")? {
            let scope = list(&named["name"], "scope")?;
            let mut path: Vec<&str> = scope.iter().filter_map(Value::as_str).collect();
            let name = text(&named["name"], "name")?;
            path.push(&name);
            schema
                .type_names
                .push((type_ref(&named["ty"])?, path.join("::")));
        }
        Ok(schema)
    }

    pub(crate) fn row_type_of(&self, table: &str) -> Option<&ProductType> {
        let found = self.tables.iter().find(|known| known.name == table);
        found.map(|known| &known.row)
    }

    /// A table's own type, or what a view's rows are: views return an array or an option of them,
    /// or a query.
    fn row_type(&self, ty: &AlgebraicType) -> Result<ProductType> {
        match self
            .typespace
            .follow(ty)
            .context("a row type is not there")?
        {
            AlgebraicType::Product(row) => match row.as_view_query() {
                Some(row) => self.row_type(&AlgebraicType::Ref(row)),
                None => Ok(row.clone()),
            },
            AlgebraicType::Array(row) => self.row_type(row),
            AlgebraicType::Sum(sum) if !sum.variants.is_empty() => {
                let AlgebraicType::Product(row) = self
                    .typespace
                    .follow(&sum.variants[0].algebraic_type)
                    .context("a row type is not there")?
                else {
                    bail!("a row is not a product");
                };
                Ok(row.clone())
            }
            _ => bail!("a row is not a product"),
        }
    }
}

/// The JSON form of a type, as in `{"U8":[]}`.
pub(crate) fn type_from_json(json: &Value) -> Result<AlgebraicType> {
    read_type(json, 0)
}

/// The JSON form of a product type: `{"elements":[..]}`.
pub(crate) fn product_from_json(json: &Value) -> Result<ProductType> {
    read_product(json, 0)
}

fn read_product(json: &Value, depth: usize) -> Result<ProductType> {
    let elements = list(json, "elements")?.iter().map(|element| {
        Ok(ProductTypeElement {
            name: name_of(element),
            algebraic_type: read_type(&element["algebraic_type"], depth + 1)?,
        })
    });
    Ok(ProductType {
        elements: elements.collect::<Result<_>>()?,
    })
}

fn read_type(json: &Value, depth: usize) -> Result<AlgebraicType> {
    if depth > DEPTH_MAX {
        bail!("a type is nested more than {DEPTH_MAX} deep");
    }
    let object = json.as_object().filter(|object| object.len() == 1);
    let (kind, inner) = object
        .and_then(|object| object.iter().next())
        .with_context(|| format!("{json} is not a type"))?;
    Ok(match kind.as_str() {
        "Ref" => AlgebraicType::Ref(type_ref(inner)?),
        "Product" => AlgebraicType::Product(read_product(inner, depth)?),
        "Sum" => {
            let variants = list(inner, "variants")?.iter().map(|variant| {
                Ok(SumTypeVariant {
                    name: name_of(variant),
                    algebraic_type: read_type(&variant["algebraic_type"], depth + 1)?,
                })
            });
            AlgebraicType::Sum(SumType {
                variants: variants.collect::<Result<_>>()?,
            })
        }
        "Array" => AlgebraicType::Array(Box::new(read_type(inner, depth + 1)?)),
        name => return primitive(name).with_context(|| format!("{name} is not a kind of type")),
    })
}

fn primitive(name: &str) -> Option<AlgebraicType> {
    use AlgebraicType::*;
    let all = [
        String, Bool, I8, U8, I16, U16, I32, U32, I64, U64, I128, U128, I256, U256, F32, F64,
    ];
    all.into_iter().find(|ty| format!("{ty:?}") == name)
}

fn function(json: &Value, is_lifecycle: bool) -> Result<Function> {
    Ok(Function {
        name: text(json, "name")?,
        parameters: product_from_json(&json["params"])?,
        returns: json.get("return_type").map(type_from_json).transpose()?,
        is_lifecycle,
    })
}

fn table_notes(table: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    if table["table_access"].get("Private").is_some() {
        notes.push("private".to_owned());
    }
    if let Some(function) = table["schedule"]["some"]["reducer_name"].as_str() {
        notes.push(format!("its rows are calls of {function}"));
    }
    notes
}

/// What the keys and indexes of a table say about single columns.
fn column_notes(table: &Value) -> BTreeMap<u64, Vec<&'static str>> {
    let mut notes: BTreeMap<u64, Vec<&'static str>> = BTreeMap::new();
    let mut note = |columns: &Value, what: &'static str| {
        let [column] = columns.as_array().map(Vec::as_slice).unwrap_or_default() else {
            return;
        };
        if let Some(column) = column.as_u64() {
            let known = notes.entry(column).or_default();
            // A primary key is unique, and what is unique has an index.
            if known.is_empty() || what == "auto increment" {
                known.push(what);
            }
        }
    };
    let all = |key: &str| table[key].as_array().cloned().unwrap_or_default();
    note(&table["primary_key"], "primary key");
    for constraint in all("constraints") {
        note(&constraint["data"]["Unique"]["columns"], "unique");
    }
    for index in all("indexes") {
        for kind in ["BTree", "Hash"] {
            note(&index["algorithm"][kind], "index");
        }
        note(&json!([index["algorithm"]["Direct"]]), "index");
    }
    for sequence in all("sequences") {
        note(&json!([sequence["column"]]), "auto increment");
    }
    notes
}

fn type_ref(json: &Value) -> Result<TypeRef> {
    let number = json.as_u64().and_then(|number| u32::try_from(number).ok());
    number
        .map(TypeRef)
        .with_context(|| format!("{json} is not a type reference"))
}

fn name_of(json: &Value) -> Option<Box<str>> {
    json["name"]["some"].as_str().map(Into::into)
}

fn text(json: &Value, key: &str) -> Result<String> {
    let text = json[key].as_str();
    Ok(text
        .with_context(|| format!("the schema has no `{key}` where one is due"))?
        .to_owned())
}

fn list<'a>(json: &'a Value, key: &str) -> Result<&'a [Value]> {
    match json.get(key) {
        Some(Value::Array(list)) => Ok(list),
        _ => bail!("the schema has no list `{key}` where one is due"),
    }
}

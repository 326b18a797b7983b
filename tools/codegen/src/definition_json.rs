//! Reading a raw definition in SATS-JSON, the form in which schema extractors print it.
//!
//! The text goes through a description of the definition's own type to BSATN, and from there
//! into the raw records, so that there is one place that says what a record is made of.
//!
//! Invariant: the description follows the order of fields and variants of the wire format; the
//! test that writes every record as JSON and reads it back fails otherwise.

use spacetime_types::json::{JsonError, json_to_bsatn};
use spacetime_types::module_def::RawModuleDef;
use spacetime_types::{AlgebraicType, Typespace};

/// Why a text is not a module definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadDefinitionError {
    /// The text is not JSON, or not that of a definition. Extract it again.
    #[error("this is not a module definition in JSON: {0}")]
    Json(#[from] JsonError),
    /// The text was read but makes no definition. Extract it again.
    #[error("this is not a module definition: {0}")]
    Definition(String),
}

/// Reads a definition: `{"V9": ..}` or `{"V10": ..}`.
pub fn read_definition_json(text: &str) -> Result<RawModuleDef, ReadDefinitionError> {
    let mut description = Description::default();
    let definition = description.module_def();
    let mut bytes = Vec::new();
    json_to_bsatn(&description.typespace, &definition, text, &mut bytes)?;
    RawModuleDef::from_bsatn(&bytes)
        .map_err(|error| ReadDefinitionError::Definition(error.to_string()))
}

/// The type of definitions, as types.
#[derive(Debug, Default)]
struct Description {
    typespace: Typespace,
}

/// A record.
fn record<const N: usize>(fields: [(&str, AlgebraicType); N]) -> AlgebraicType {
    AlgebraicType::product(fields)
}

/// A sum.
fn sum<const N: usize>(variants: [(&str, AlgebraicType); N]) -> AlgebraicType {
    AlgebraicType::sum(variants)
}

fn list(element: AlgebraicType) -> AlgebraicType {
    AlgebraicType::array(element)
}

fn option(some: AlgebraicType) -> AlgebraicType {
    AlgebraicType::option(some)
}

fn text() -> AlgebraicType {
    AlgebraicType::String
}

fn unit() -> AlgebraicType {
    AlgebraicType::unit()
}

fn columns() -> AlgebraicType {
    list(AlgebraicType::U16)
}

impl Description {
    fn module_def(&mut self) -> AlgebraicType {
        let ty = self.algebraic_type();
        let v9 = v9(&ty);
        let v10 = self.v10(&ty);
        // The oldest form is not one that extractors print.
        sum([
            ("V8BackCompat", AlgebraicType::never()),
            ("V9", v9),
            ("V10", v10),
        ])
    }

    /// A reference to a type that `make` describes and that may mention the reference.
    fn recursive(&mut self, make: impl FnOnce(&AlgebraicType) -> AlgebraicType) -> AlgebraicType {
        let placeholder = self.typespace.add(unit());
        let reference = AlgebraicType::Ref(placeholder);
        let ty = make(&reference);
        let position = usize::try_from(placeholder.0).unwrap_or(usize::MAX);
        self.typespace.types[position] = ty;
        reference
    }

    fn algebraic_type(&mut self) -> AlgebraicType {
        self.recursive(|ty| {
            let part = |ty: &AlgebraicType| {
                record([("name", option(text())), ("algebraic_type", ty.clone())])
            };
            let primitives = [
                "String", "Bool", "I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "I128",
                "U128", "I256", "U256", "F32", "F64",
            ];
            let compound = [
                ("Ref", AlgebraicType::U32),
                ("Sum", record([("variants", list(part(ty)))])),
                ("Product", product(ty)),
                ("Array", ty.clone()),
            ];
            let primitives = primitives.map(|name| (name, unit()));
            AlgebraicType::sum(compound.into_iter().chain(primitives))
        })
    }

    fn v10(&mut self, ty: &AlgebraicType) -> AlgebraicType {
        self.recursive(|module| record([("sections", list(section(ty, module)))]))
    }
}

fn product(ty: &AlgebraicType) -> AlgebraicType {
    let element = record([("name", option(text())), ("algebraic_type", ty.clone())]);
    record([("elements", list(element))])
}

fn table_type() -> AlgebraicType {
    sum([("System", unit()), ("User", unit())])
}

fn table_access() -> AlgebraicType {
    sum([("Public", unit()), ("Private", unit())])
}

fn index_algorithm() -> AlgebraicType {
    sum([
        ("BTree", columns()),
        ("Hash", columns()),
        ("Direct", AlgebraicType::U16),
    ])
}

fn lifecycle() -> AlgebraicType {
    sum([
        ("Init", unit()),
        ("OnConnect", unit()),
        ("OnDisconnect", unit()),
    ])
}

fn constraint_data() -> AlgebraicType {
    sum([("Unique", record([("columns", columns())]))])
}

/// The name of an optional thing is called differently by the two versions.
fn index(name: &str) -> AlgebraicType {
    record([
        (name, option(text())),
        ("accessor_name", option(text())),
        ("algorithm", index_algorithm()),
    ])
}

fn constraint(name: &str) -> AlgebraicType {
    record([(name, option(text())), ("data", constraint_data())])
}

fn sequence(name: &str) -> AlgebraicType {
    let number = || option(AlgebraicType::I128);
    record([
        (name, option(text())),
        ("column", AlgebraicType::U16),
        ("start", number()),
        ("min_value", number()),
        ("max_value", number()),
        ("increment", AlgebraicType::I128),
    ])
}

fn type_def(outer: &str, inner: &str) -> AlgebraicType {
    let name = record([("scope", list(text())), (inner, text())]);
    record([
        (outer, name),
        ("ty", AlgebraicType::U32),
        ("custom_ordering", AlgebraicType::Bool),
    ])
}

fn typespace(ty: &AlgebraicType) -> AlgebraicType {
    record([("types", list(ty.clone()))])
}

fn row_level_security() -> AlgebraicType {
    list(record([("sql", text())]))
}

fn v9(ty: &AlgebraicType) -> AlgebraicType {
    let schedule = record([
        ("name", option(text())),
        ("reducer_name", text()),
        ("scheduled_at_column", AlgebraicType::U16),
    ]);
    let table = record([
        ("name", text()),
        ("product_type_ref", AlgebraicType::U32),
        ("primary_key", columns()),
        ("indexes", list(index("name"))),
        ("constraints", list(constraint("name"))),
        ("sequences", list(sequence("name"))),
        ("schedule", option(schedule)),
        ("table_type", table_type()),
        ("table_access", table_access()),
    ]);
    let reducer = record([
        ("name", text()),
        ("params", product(ty)),
        ("lifecycle", option(lifecycle())),
    ]);
    let default = record([
        ("table", text()),
        ("col_id", AlgebraicType::U16),
        ("value", AlgebraicType::bytes()),
    ]);
    let procedure = record([
        ("name", text()),
        ("params", product(ty)),
        ("return_type", ty.clone()),
    ]);
    let misc_export = sum([
        ("ColumnDefaultValue", default),
        ("Procedure", procedure),
        ("View", view(ty, "name")),
    ]);
    record([
        ("typespace", typespace(ty)),
        ("tables", list(table)),
        ("reducers", list(reducer)),
        ("types", list(type_def("name", "name"))),
        ("misc_exports", list(misc_export)),
        ("row_level_security", row_level_security()),
    ])
}

fn view(ty: &AlgebraicType, name: &str) -> AlgebraicType {
    record([
        (name, text()),
        ("index", AlgebraicType::U32),
        ("is_public", AlgebraicType::Bool),
        ("is_anonymous", AlgebraicType::Bool),
        ("params", product(ty)),
        ("return_type", ty.clone()),
    ])
}

fn table_v10() -> AlgebraicType {
    let default = record([
        ("col_id", AlgebraicType::U16),
        ("value", AlgebraicType::bytes()),
    ]);
    record([
        ("source_name", text()),
        ("product_type_ref", AlgebraicType::U32),
        ("primary_key", columns()),
        ("indexes", list(index("source_name"))),
        ("constraints", list(constraint("source_name"))),
        ("sequences", list(sequence("source_name"))),
        ("table_type", table_type()),
        ("table_access", table_access()),
        ("default_values", list(default)),
        ("is_event", AlgebraicType::Bool),
    ])
}

fn reducer_v10(ty: &AlgebraicType) -> AlgebraicType {
    record([
        ("source_name", text()),
        ("params", product(ty)),
        ("visibility", visibility()),
        ("ok_return_type", ty.clone()),
        ("err_return_type", ty.clone()),
    ])
}

fn procedure_v10(ty: &AlgebraicType) -> AlgebraicType {
    record([
        ("source_name", text()),
        ("params", product(ty)),
        ("return_type", ty.clone()),
        ("visibility", visibility()),
    ])
}

fn visibility() -> AlgebraicType {
    sum([("Private", unit()), ("ClientCallable", unit())])
}

fn schedule_v10() -> AlgebraicType {
    record([
        ("source_name", option(text())),
        ("table_name", text()),
        ("schedule_at_col", AlgebraicType::U16),
        ("function_name", text()),
    ])
}

fn explicit_names() -> AlgebraicType {
    let mapping = || record([("source_name", text()), ("canonical_name", text())]);
    let entry = sum([
        ("Table", mapping()),
        ("Function", mapping()),
        ("Index", mapping()),
    ]);
    record([("entries", list(entry))])
}

fn http_route() -> AlgebraicType {
    let method = sum([
        ("Get", unit()),
        ("Head", unit()),
        ("Post", unit()),
        ("Put", unit()),
        ("Delete", unit()),
        ("Connect", unit()),
        ("Options", unit()),
        ("Trace", unit()),
        ("Patch", unit()),
        ("Extension", text()),
    ]);
    record([
        ("handler_function", text()),
        ("method", sum([("Any", unit()), ("Method", method)])),
        ("path", text()),
    ])
}

fn section(ty: &AlgebraicType, module: &AlgebraicType) -> AlgebraicType {
    let lifecycle_reducer = record([("lifecycle_spec", lifecycle()), ("function_name", text())]);
    let view_key = record([("view_source_name", text()), ("columns", list(text()))]);
    let submodule = record([("namespace", text()), ("module", module.clone())]);
    sum([
        ("Typespace", typespace(ty)),
        ("Types", list(type_def("source_name", "source_name"))),
        ("Tables", list(table_v10())),
        ("Reducers", list(reducer_v10(ty))),
        ("Procedures", list(procedure_v10(ty))),
        ("Views", list(view(ty, "source_name"))),
        ("Schedules", list(schedule_v10())),
        ("LifeCycleReducers", list(lifecycle_reducer)),
        ("RowLevelSecurity", row_level_security()),
        (
            "CaseConversionPolicy",
            sum([("None", unit()), ("SnakeCase", unit())]),
        ),
        ("ExplicitNames", explicit_names()),
        ("HttpHandlers", list(record([("source_name", text())]))),
        ("HttpRoutes", list(http_route())),
        ("ViewPrimaryKeys", list(view_key)),
        ("Submodules", list(submodule)),
    ])
}

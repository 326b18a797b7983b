//! Tests of module definitions, and the sample module they change.

mod names;
mod raw_forms;
mod refused;
mod result;

use super::*;
use crate::{AlgebraicType, ProductType, TypeRef, Typespace};

/// The sections of a definition, easy to change.
#[derive(Clone)]
struct Sketch {
    typespace: Typespace,
    types: Vec<RawTypeDefV10>,
    tables: Vec<RawTableDefV10>,
    reducers: Vec<RawReducerDefV10>,
    procedures: Vec<RawProcedureDefV10>,
    views: Vec<RawViewDefV10>,
    schedules: Vec<RawScheduleDefV10>,
    lifecycle: Vec<RawLifeCycleReducerDefV10>,
    rules: Vec<RawRowLevelSecurity>,
    policy: Option<CaseConversionPolicy>,
    names: Vec<RawExplicitName>,
    handlers: Vec<RawHttpHandlerDefV10>,
    routes: Vec<RawHttpRouteDefV10>,
    view_keys: Vec<RawViewPrimaryKeyDefV10>,
    submodules: Vec<RawSubmoduleV10>,
}

impl Sketch {
    fn empty() -> Self {
        Sketch {
            typespace: Typespace::default(),
            types: vec![],
            tables: vec![],
            reducers: vec![],
            procedures: vec![],
            views: vec![],
            schedules: vec![],
            lifecycle: vec![],
            rules: vec![],
            policy: None,
            names: vec![],
            handlers: vec![],
            routes: vec![],
            view_keys: vec![],
            submodules: vec![],
        }
    }

    fn raw(self) -> RawModuleDefV10 {
        use RawModuleDefV10Section as Section;
        let mut sections = vec![
            Section::Typespace(self.typespace),
            Section::Types(self.types),
            Section::Tables(self.tables),
            Section::Reducers(self.reducers),
            Section::Procedures(self.procedures),
            Section::Views(self.views),
            Section::Schedules(self.schedules),
            Section::LifeCycleReducers(self.lifecycle),
            Section::RowLevelSecurity(self.rules),
            Section::ExplicitNames(RawExplicitNames {
                entries: self.names,
            }),
            Section::HttpHandlers(self.handlers),
            Section::HttpRoutes(self.routes),
            Section::ViewPrimaryKeys(self.view_keys),
            Section::Submodules(self.submodules),
        ];
        sections.extend(self.policy.map(Section::CaseConversionPolicy));
        RawModuleDefV10 { sections }
    }

    /// Through the bytes, as a module's definition comes in.
    fn read(self) -> Result<ModuleDef, ModuleDefErrors> {
        let raw = RawModuleDef::V10(self.raw());
        let bytes = crate::bsatn::to_vec(&raw);
        assert_eq!(RawModuleDef::from_bsatn(&bytes).as_ref(), Ok(&raw));
        match ModuleDef::from_bsatn(&bytes) {
            Ok(def) => Ok(def),
            Err(ReadModuleDefError::Invalid(errors)) => Err(errors),
            Err(ReadModuleDefError::Decode(error)) => panic!("{error}"),
        }
    }

    fn type_def(&mut self, name: &str, ty: AlgebraicType) -> TypeRef {
        let ty = self.typespace.add(ty);
        self.types.push(type_def(name, ty));
        ty
    }
}

fn type_def(name: &str, ty: TypeRef) -> RawTypeDefV10 {
    RawTypeDefV10 {
        source_name: RawScopedTypeNameV10 {
            scope: vec![],
            source_name: name.into(),
        },
        ty,
        custom_ordering: true,
    }
}

fn table(name: &str, ty: TypeRef) -> RawTableDefV10 {
    RawTableDefV10 {
        source_name: name.into(),
        product_type_ref: ty,
        primary_key: vec![],
        indexes: vec![],
        constraints: vec![],
        sequences: vec![],
        table_type: RawTableType::User,
        table_access: RawTableAccess::Public,
        default_values: vec![],
        is_event: false,
    }
}

fn btree(source_name: &str, columns: &[u16]) -> RawIndexDefV10 {
    index(source_name, RawIndexAlgorithm::BTree(columns.to_vec()))
}

fn index(source_name: &str, algorithm: RawIndexAlgorithm) -> RawIndexDefV10 {
    RawIndexDefV10 {
        source_name: Some(source_name.into()),
        accessor_name: None,
        algorithm,
    }
}

fn unique(columns: &[u16]) -> RawConstraintDefV10 {
    RawConstraintDefV10 {
        source_name: None,
        data: RawConstraintData::Unique(RawUniqueConstraint {
            columns: columns.to_vec(),
        }),
    }
}

fn sequence(column: u16) -> RawSequenceDefV10 {
    RawSequenceDefV10 {
        source_name: None,
        column,
        start: None,
        min_value: None,
        max_value: None,
        increment: 1,
    }
}

fn default_value(col_id: u16, bytes: &[u8]) -> RawColumnDefaultV10 {
    RawColumnDefaultV10 {
        col_id,
        value: RawBytes(bytes.into()),
    }
}

fn reducer(name: &str, params: ProductType) -> RawReducerDefV10 {
    RawReducerDefV10 {
        source_name: name.into(),
        params,
        visibility: Visibility::ClientCallable,
        ok_return_type: AlgebraicType::unit(),
        err_return_type: AlgebraicType::String,
    }
}

fn procedure(name: &str, params: ProductType) -> RawProcedureDefV10 {
    RawProcedureDefV10 {
        source_name: name.into(),
        params,
        return_type: AlgebraicType::U8,
        visibility: Visibility::ClientCallable,
    }
}

fn view(name: &str, index: u32, is_anonymous: bool, return_type: AlgebraicType) -> RawViewDefV10 {
    RawViewDefV10 {
        source_name: name.into(),
        index,
        is_public: true,
        is_anonymous,
        params: ProductType::default(),
        return_type,
    }
}

fn schedule(table: &str, column: u16, function: &str) -> RawScheduleDefV10 {
    RawScheduleDefV10 {
        source_name: None,
        table_name: table.into(),
        schedule_at_col: column,
        function_name: function.into(),
    }
}

fn lifecycle(event: Lifecycle, function: &str) -> RawLifeCycleReducerDefV10 {
    RawLifeCycleReducerDefV10 {
        lifecycle_spec: event,
        function_name: function.into(),
    }
}

fn route(handler: &str, method: MethodOrAny, path: &str) -> RawHttpRouteDefV10 {
    RawHttpRouteDefV10 {
        handler_function: handler.into(),
        method,
        path: path.into(),
    }
}

fn handler(name: &str) -> RawHttpHandlerDefV10 {
    RawHttpHandlerDefV10 {
        source_name: name.into(),
    }
}

fn view_key(view: &str, columns: &[&str]) -> RawViewPrimaryKeyDefV10 {
    RawViewPrimaryKeyDefV10 {
        view_source_name: view.into(),
        columns: columns.iter().copied().map(Into::into).collect(),
    }
}

fn mapping(source: &str, canonical: &str) -> RawNameMapping {
    RawNameMapping {
        source_name: source.into(),
        canonical_name: canonical.into(),
    }
}

fn submodule(namespace: &str, module: Sketch) -> RawSubmoduleV10 {
    RawSubmoduleV10 {
        namespace: namespace.into(),
        module: module.raw(),
    }
}

/// Entry of the sample's typespace that is the row type of `person`.
const PERSON: TypeRef = TypeRef(0);
/// Row type of `timer`.
const TIMER: TypeRef = TypeRef(1);
/// A plain enum.
const COLOR: TypeRef = TypeRef(2);

/// A module with one of everything: `person` (id auto-increment primary key, name, color),
/// `timer` calling reducer `tick`, reducers `add`, `init`, `tick`, procedure `work`, view
/// `people`, handler `hook` with a route.
fn sample() -> Sketch {
    let mut sketch = Sketch::empty();
    let person = sketch.type_def(
        "Person",
        AlgebraicType::product([
            ("id", AlgebraicType::U64),
            ("name", AlgebraicType::String),
            ("color", AlgebraicType::Ref(COLOR)),
        ]),
    );
    assert_eq!(person, PERSON);
    let timer = sketch.type_def(
        "Timer",
        AlgebraicType::product([
            ("id", AlgebraicType::U64),
            ("at", AlgebraicType::schedule_at()),
        ]),
    );
    assert_eq!(timer, TIMER);
    let color = sketch.type_def("Color", AlgebraicType::plain_enum(["red", "green"]));
    assert_eq!(color, COLOR);
    sketch.tables = vec![
        RawTableDefV10 {
            primary_key: vec![0],
            indexes: vec![btree("person_id_idx_btree", &[0])],
            constraints: vec![unique(&[0])],
            sequences: vec![sequence(0)],
            ..table("person", PERSON)
        },
        RawTableDefV10 {
            primary_key: vec![0],
            indexes: vec![btree("timer_id_idx_btree", &[0])],
            constraints: vec![unique(&[0])],
            sequences: vec![sequence(0)],
            table_access: RawTableAccess::Private,
            ..table("timer", TIMER)
        },
    ];
    let name = ProductType::named([("name", AlgebraicType::String)]);
    let timer = ProductType::named([("timer", AlgebraicType::Ref(TIMER))]);
    sketch.reducers = vec![
        reducer("add", name),
        reducer("init", ProductType::default()),
        reducer("tick", timer.clone()),
    ];
    sketch.lifecycle = vec![lifecycle(Lifecycle::Init, "init")];
    sketch.schedules = vec![schedule("timer", 1, "tick")];
    sketch.procedures = vec![procedure("work", timer)];
    let rows = AlgebraicType::array(AlgebraicType::Ref(PERSON));
    sketch.views = vec![view("people", 0, true, rows)];
    sketch.handlers = vec![handler("hook")];
    sketch.routes = vec![route("hook", MethodOrAny::Any, "/hook")];
    sketch
}

/// The sample after `change` is a module.
#[track_caller]
fn accepts(change: impl FnOnce(&mut Sketch)) -> ModuleDef {
    let mut sketch = sample();
    change(&mut sketch);
    match sketch.read() {
        Ok(def) => def,
        Err(errors) => panic!("{errors}"),
    }
}

/// The sample after `change` is refused with exactly these errors.
#[track_caller]
fn refuses(expected: &[&str], change: impl FnOnce(&mut Sketch)) {
    let mut sketch = sample();
    change(&mut sketch);
    let errors = sketch.read().expect_err("a broken rule");
    let texts: Vec<String> = errors.errors().iter().map(ToString::to_string).collect();
    assert_eq!(texts, expected);
}

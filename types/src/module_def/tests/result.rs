//! What a valid definition says.

use super::*;
use crate::ColId;

#[test]
fn the_sample_is_valid() {
    let def = accepts(|_| ());
    assert_eq!(def.version(), DefVersion::V10);
    let person = def.table("person").expect("the table");
    let columns: Vec<String> = person
        .columns
        .iter()
        .map(|column| column.col_type.to_string())
        .collect();
    assert_eq!(columns, ["U64", "String", "(red: () | green: ())"]);
    assert!(person.is_unique(&[ColId(0)]));
    assert!(!person.is_unique(&[ColId(1)]));
    let tick = def.reducer("tick").expect("the reducer");
    assert_eq!(tick.visibility, Visibility::Private);
    let timer = def.table("timer").and_then(|table| table.schedule.clone());
    let timer = timer.expect("a schedule");
    assert_eq!(timer.function_kind, ScheduledKind::Reducer);
    assert!(def.http_handler("hook").is_some());
    assert_eq!(&*def.http_routes()[0].handler, "hook");
}

#[test]
fn a_procedure_can_be_scheduled() {
    let def = accepts(|sketch| sketch.schedules[0].function_name = "work".into());
    let schedule = def.tables()[1].schedule.clone().expect("a schedule");
    assert_eq!(schedule.function_kind, ScheduledKind::Procedure);
    assert_eq!(def.procedures()[0].visibility, Visibility::Private);
    assert_eq!(def.reducers()[2].visibility, Visibility::ClientCallable);
}

#[test]
fn views_have_keys_and_backing_tables() {
    let query = || AlgebraicType::product([("__query__", AlgebraicType::Ref(PERSON))]);
    let def = accepts(|sketch| {
        sketch.view_keys = vec![view_key("people", &["id"]), view_key("people", &[])];
        sketch.views.push(view(
            "one",
            0,
            false,
            AlgebraicType::option(AlgebraicType::Ref(PERSON)),
        ));
        sketch.views.push(view("byQuery", 1, false, query()));
        sketch.views[2].is_public = false;
    });
    let people = def.view("people").expect("the view");
    assert_eq!(people.returns, ViewReturn::Array);
    assert_eq!(people.primary_key, Some(ColId(0)));
    assert!(people.primary_key_is_declared);
    let table = people.backing_table();
    assert_eq!(&*table.name, "people");
    let columns: Vec<&str> = table.columns.iter().map(|column| &*column.name).collect();
    assert_eq!(columns, ["arg_hash", "id", "name", "color"]);
    let indexes: Vec<&str> = table.indexes.iter().map(|index| &*index.name).collect();
    assert_eq!(
        indexes,
        ["people_arg_hash_idx_btree", "people_arg_hash_id_idx_btree"]
    );
    assert_eq!(&*table.constraints[0].name, "people_arg_hash_id_key");
    assert_eq!(table.constraints[0].columns, [ColId(0), ColId(1)]);
    assert_eq!(table.primary_key, None);

    let one = def.view("one").expect("the view");
    assert_eq!((one.returns, one.primary_key), (ViewReturn::Option, None));
    assert_eq!(one.backing_table().indexes.len(), 1);

    let query = def.view("by_query").expect("the view");
    assert_eq!(query.returns, ViewReturn::Query);
    assert_eq!(query.primary_key, Some(ColId(0)));
    assert!(!query.primary_key_is_declared);
    assert_eq!(query.backing_table().access, TableAccess::Private);
}

#[test]
fn a_query_view_inherits_a_key_only_if_all_tables_agree() {
    let def = accepts(|sketch| {
        let query = AlgebraicType::product([("__query__", AlgebraicType::Ref(PERSON))]);
        sketch.views[0].return_type = query;
        sketch.tables.push(table("keyless", PERSON));
    });
    assert_eq!(def.views()[0].primary_key, None);
}

#[test]
fn of_two_defaults_the_last_one_counts_and_surplus_bytes_are_dropped() {
    let def = accepts(|sketch| {
        sketch.tables[0].default_values = vec![
            default_value(2, &[0]),
            default_value(1, &[1, 0, 0, 0, b'x', 9, 9]),
            default_value(2, &[1]),
        ];
    });
    let defaults: Vec<Option<&[u8]>> = def.tables()[0]
        .columns
        .iter()
        .map(|column| column.default.as_deref())
        .collect();
    let text: &[u8] = &[1, 0, 0, 0, b'x'];
    assert_eq!(defaults, [None, Some(text), Some(&[1][..])]);
}

#[test]
fn shared_aliased_and_recursive_types_are_allowed_where_they_make_sense() {
    accepts(|sketch| {
        // Two tables of one row type; a table without columns.
        sketch.tables.push(table("copy", PERSON));
        let empty = sketch.type_def("Empty", AlgebraicType::unit());
        sketch.tables.push(table("nothing", empty));
        // An alias of an array of a special type; a type named twice; a named special type.
        let times = sketch
            .typespace
            .add(AlgebraicType::array(AlgebraicType::timestamp()));
        let alias = sketch.typespace.add(AlgebraicType::Ref(times));
        let id = sketch.type_def("Owner", AlgebraicType::identity());
        sketch.types.push(type_def("Person2", PERSON));
        // Recursion through a definition, in a parameter.
        let next = u32::try_from(sketch.typespace.types.len()).expect("few types");
        let list = AlgebraicType::array(AlgebraicType::reference(next));
        let tree = sketch.type_def("Tree", AlgebraicType::product([("children", list)]));
        sketch.reducers[0].params = ProductType::named([
            ("times", AlgebraicType::Ref(alias)),
            ("tree", AlgebraicType::Ref(tree)),
            ("owner", AlgebraicType::Ref(id)),
        ]);
        // An entry that nothing names and nothing uses is not checked.
        sketch.typespace.add(AlgebraicType::product([(
            "a b",
            AlgebraicType::reference(999),
        )]));
    });
}

#[test]
fn default_order_is_unnamed_first_then_by_name() {
    accepts(|sketch| {
        let ordered = AlgebraicType::product([("a", AlgebraicType::U8), ("b", AlgebraicType::U8)]);
        sketch.type_def("Ordered", ordered);
        sketch.types[3].custom_ordering = false;
    });
}

#[test]
fn routes_with_different_methods_share_a_path() {
    let def = accepts(|sketch| {
        sketch.routes.push(route(
            "hook",
            MethodOrAny::Method(HttpMethod::Get),
            "/a-1_~/x",
        ));
        sketch.routes.push(route(
            "hook",
            MethodOrAny::Method(HttpMethod::Put),
            "/a-1_~/x",
        ));
        sketch.routes.push(route("hook", MethodOrAny::Any, ""));
    });
    assert_eq!(def.http_routes().len(), 4);
}

#[test]
fn sequences_may_have_any_usable_range() {
    let def = accepts(|sketch| {
        sketch.tables[0].sequences[0] = RawSequenceDefV10 {
            start: Some(-5),
            min_value: Some(i128::MIN),
            max_value: Some(0),
            increment: -3,
            ..sequence(0)
        };
    });
    let sequence = &def.tables()[0].sequences[0];
    assert_eq!((sequence.start(), sequence.max_value()), (-5, 0));
}

#[test]
fn submodules_count_on() {
    let plain = || {
        let mut sketch = sample();
        sketch.lifecycle.clear();
        sketch.routes.clear();
        sketch.views.push(sketch.views[0].clone());
        sketch.views[1].source_name = "mine".into();
        sketch.views[1].is_anonymous = false;
        sketch
    };
    let mut inner = plain();
    inner.submodules = vec![submodule("deep", plain())];
    inner.rules = vec![RawRowLevelSecurity { sql: "x".into() }];
    inner.routes = vec![route("hook", MethodOrAny::Any, "/hook")];
    let def = accepts(|sketch| {
        sketch.submodules = vec![submodule("Lib", inner), submodule("zweiter", plain())];
    });
    assert_eq!(def.warnings().len(), 2, "{:?}", def.warnings());
    let reducers: Vec<(u32, Name)> = def
        .all_reducers()
        .map(|reducer| (reducer.id, reducer.full_name()))
        .collect();
    assert_eq!(reducers.len(), 12);
    assert!(
        reducers
            .iter()
            .zip(0..)
            .all(|((id, _), position)| *id == position)
    );
    let names: Vec<&str> = reducers
        .iter()
        .step_by(3)
        .map(|(_, name)| &**name)
        .collect();
    assert_eq!(names, ["add", "Lib.add", "Lib.deep.add", "zweiter.add"]);
    let handlers: Vec<u32> = def.all_http_handlers().map(|handler| handler.id).collect();
    assert_eq!(handlers, [0, 1, 2, 3]);

    let deep = def.table("Lib.deep.person").expect("the table");
    assert_eq!(&*deep.full_accessor(), "Lib.deep.person");
    assert_eq!(&*deep.name, "person");
    assert_eq!(
        &*deep.module.qualify(&deep.indexes[0].name),
        "Lib.deep.person_id_idx_btree"
    );
    assert!(def.table("Lib.nope.person").is_none());
    assert!(def.table("deep.person").is_none());
    assert_eq!(def.procedure("zweiter.work").map(|work| work.id), Some(3));
    // The root has no view with a sender, so those of the submodules start at 0.
    let call = |name: &str| def.view(name).map(|view| view.call_index);
    assert_eq!(call("Lib.people"), Some(1));
    assert_eq!(call("zweiter.people"), Some(3));
    assert_eq!(call("Lib.mine"), Some(0));
    assert_eq!(call("zweiter.mine"), Some(2));

    let raw = def.to_raw_v10();
    let Some(RawModuleDefV10Section::Submodules(modules)) = raw.sections.last() else {
        panic!("no submodules");
    };
    assert_eq!(&*modules[0].namespace, "Lib");
}

#[test]
fn what_is_served_is_a_definition_again() {
    let def = accepts(|sketch| {
        sketch.view_keys = vec![view_key("people", &["id"])];
    });
    let again = ModuleDef::validate(RawModuleDef::V10(def.to_raw_v10())).expect("valid");
    assert_eq!(again.tables(), def.tables());
    assert_eq!(again.reducers(), def.reducers());
    assert_eq!(again.views(), def.views());
    assert_eq!(again.types(), def.types());
    let older = ModuleDef::validate(RawModuleDef::V9(def.to_raw_v9())).expect("valid");
    assert_eq!(older.tables(), def.tables());
}

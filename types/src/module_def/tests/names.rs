//! Canonical and generated names.

use super::*;

fn texts<'a>(names: impl Iterator<Item = &'a Name>) -> Vec<&'a str> {
    names.map(|name| &**name).collect()
}

/// The module that the naming rules are explained with.
fn players() -> Sketch {
    let mut sketch = Sketch::empty();
    let player = sketch.type_def(
        "player",
        AlgebraicType::product([
            ("playerId", AlgebraicType::U64),
            ("pos2D", AlgebraicType::U32),
            ("Inner", AlgebraicType::reference(3)),
            ("owner", AlgebraicType::identity()),
        ]),
    );
    let timer = sketch.type_def(
        "MoveTimer",
        AlgebraicType::product([
            ("scheduled_id", AlgebraicType::U64),
            ("scheduled_at", AlgebraicType::schedule_at()),
        ]),
    );
    sketch.type_def(
        "itemKind",
        AlgebraicType::sum([
            ("BigSword", AlgebraicType::unit()),
            ("small_potion", AlgebraicType::U8),
            ("HP5", AlgebraicType::unit()),
        ]),
    );
    let inner = AlgebraicType::product([("someValue", AlgebraicType::option(AlgebraicType::U8))]);
    sketch.type_def("inner_struct", inner);
    let scope = &mut sketch.types[3].source_name.scope;
    scope.extend(["MyScope".into(), "inner_ns".into()]);
    sketch.tables = vec![
        RawTableDefV10 {
            primary_key: vec![0],
            indexes: vec![
                RawIndexDefV10 {
                    accessor_name: Some("playerId".into()),
                    ..btree("PlayerState_playerId_idx_btree", &[0])
                },
                RawIndexDefV10 {
                    accessor_name: Some("multi".into()),
                    ..btree("PlayerState_playerId_pos2D_idx_btree", &[0, 1])
                },
                index(
                    "PlayerState_owner_idx_hash",
                    RawIndexAlgorithm::Hash(vec![3]),
                ),
            ],
            constraints: vec![unique(&[0])],
            sequences: vec![sequence(0)],
            ..table("PlayerState", player)
        },
        RawTableDefV10 {
            primary_key: vec![0],
            indexes: vec![btree("MoveTimer_scheduled_id_idx_btree", &[0])],
            constraints: vec![unique(&[0])],
            ..table("MoveTimer", timer)
        },
    ];
    let row = ProductType::named([("theTimer", AlgebraicType::Ref(timer))]);
    sketch.reducers = vec![
        reducer("moveAll", row),
        reducer("DoThing2", ProductType::default()),
    ];
    sketch.schedules = vec![schedule("MoveTimer", 1, "moveAll")];
    sketch
}

#[test]
fn names_become_snake_case_by_default() {
    let def = players().read().expect("a valid definition");
    let player = def.table("player_state").expect("the table");
    assert_eq!(&*player.accessor, "PlayerState");
    let columns = texts(player.columns.iter().map(|column| &column.name));
    assert_eq!(columns, ["player_id", "pos_2_d", "inner", "owner"]);
    let accessors = texts(player.columns.iter().map(|column| &column.accessor));
    assert_eq!(accessors, ["playerId", "pos2D", "Inner", "owner"]);
    assert_eq!(
        player.columns[2].col_type.to_string(),
        "(some_value: (some: U8 | none: ()))"
    );
    assert_eq!(player.columns[3].col_type, AlgebraicType::identity());
    let indexes = texts(player.indexes.iter().map(|index| &index.name));
    assert_eq!(
        indexes,
        [
            "player_state_player_id_idx_btree",
            "player_state_player_id_pos_2_d_idx_btree",
            "player_state_owner_idx_hash"
        ]
    );
    assert_eq!(
        &*player.indexes[0].source_name,
        "PlayerState_playerId_idx_btree"
    );
    assert_eq!(player.indexes[0].accessor.as_deref(), Some("playerId"));
    assert_eq!(&*player.constraints[0].name, "player_state_player_id_key");
    assert_eq!(&*player.sequences[0].name, "player_state_player_id_seq");

    let timer = def.table("move_timer").expect("the table");
    let schedule = timer.schedule.as_ref().expect("a schedule");
    assert_eq!(&*schedule.name, "move_timer_sched");
    assert_eq!(&*schedule.function_name, "move_all");
    assert_eq!((schedule.at_column.0, schedule.id_column.0), (1, 0));
    let reducers = texts(def.reducers().iter().map(|reducer| &reducer.name));
    assert_eq!(reducers, ["move_all", "do_thing_2"]);
    // Parameters keep their names.
    assert_eq!(def.reducers()[0].params.to_string(), "(theTimer: &1)");
    assert_eq!(def.reducers()[0].visibility, Visibility::Private);

    let types: Vec<String> = def.types().iter().map(TypeDef::full_name).collect();
    assert_eq!(
        types,
        [
            "Player",
            "MoveTimer",
            "ItemKind",
            "MyScope::InnerNs::InnerStruct"
        ]
    );
    let kind = def.typespace().get(TypeRef(2)).expect("the enum");
    assert_eq!(
        kind.to_string(),
        "(bigSword: () | smallPotion: U8 | hp5: ())"
    );
}

#[test]
fn explicit_names_are_kept_verbatim() {
    let mut sketch = players();
    sketch.names = vec![
        RawExplicitName::Table(mapping("PlayerState", "Players")),
        RawExplicitName::Index(mapping("PlayerState_playerId_idx_btree", "pk_idx")),
        RawExplicitName::Function(mapping("DoThing2", "DoIt")),
        // Names of nothing are allowed.
        RawExplicitName::Function(mapping("PlayerState", "unused")),
    ];
    let def = sketch.read().expect("a valid definition");
    let player = def.table("Players").expect("the table");
    assert_eq!(&*player.indexes[0].name, "pk_idx");
    assert_eq!(&*player.indexes[2].name, "Players_owner_idx_hash");
    assert_eq!(&*player.constraints[0].name, "Players_player_id_key");
    assert!(def.reducer("DoIt").is_some());
    assert!(def.reducer("do_thing_2").is_none());
    assert!(def.table_or_alias("PlayerState").is_some());
    assert!(def.table("PlayerState").is_none());
}

#[test]
fn without_a_policy_names_stay() {
    let mut sketch = players();
    sketch.policy = Some(CaseConversionPolicy::None);
    let def = sketch.read().expect("a valid definition");
    let player = def.table("PlayerState").expect("the table");
    assert_eq!(&*player.columns[1].name, "pos2D");
    assert_eq!(&*player.constraints[0].name, "PlayerState_playerId_key");
    assert_eq!(
        def.types()[3].full_name(),
        "MyScope::inner_ns::inner_struct"
    );
    let kind = def.typespace().get(TypeRef(2)).expect("the enum");
    assert_eq!(
        kind.to_string(),
        "(BigSword: () | small_potion: U8 | HP5: ())"
    );
}

#[test]
fn given_names_of_constraints_are_ignored_and_of_sequences_kept() {
    let def = accepts(|sketch| {
        sketch.tables[0].constraints[0].source_name = Some("mine".into());
        sketch.tables[0].sequences[0].source_name = Some("My Seq".into());
        sketch.schedules[0].source_name = Some("mine_too".into());
    });
    let person = &def.tables()[0];
    assert_eq!(&*person.constraints[0].name, "person_id_key");
    assert_eq!(&*person.sequences[0].name, "My Seq");
    assert_eq!(
        def.tables()[1].schedule.as_ref().map(|s| &*s.name),
        Some("timer_sched")
    );
}

#[test]
fn a_table_may_be_called_like_a_reducer_and_a_handler_too() {
    accepts(|sketch| {
        sketch.reducers[0].source_name = "person".into();
        sketch.handlers[0].source_name = "person".into();
        sketch.routes.clear();
    });
}

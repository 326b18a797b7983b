//! Module definitions against the official crate's builders, and against damaged bytes.

use proptest::prelude::*;
use spacetime_types::bsatn::to_vec;
use spacetime_types::module_def::{ModuleDef, RawModuleDef, ReadModuleDefError, ToJson};
use spacetimedb_lib::db::raw_def::v9::{
    Lifecycle, RawModuleDefV9, RawModuleDefV9Builder, TableAccess, TableType, btree, direct, hash,
};
use spacetimedb_lib::db::raw_def::v10::{
    CaseConversionPolicy, ExplicitNames, MethodOrAny, RawModuleDefV10, RawModuleDefV10Builder,
};
use spacetimedb_lib::{ConnectionId, Identity, ScheduleAt, TimeDuration, Timestamp};
use spacetimedb_sats::serde::SerdeWrapper;
use spacetimedb_sats::{AlgebraicType, AlgebraicValue, ProductType, SpacetimeType, bsatn, u256};

fn schedule_at() -> AlgebraicType {
    let duration = AlgebraicType::product([("__time_duration_micros__", AlgebraicType::I64)]);
    let field = "__timestamp_micros_since_unix_epoch__";
    let timestamp = AlgebraicType::product([(field, AlgebraicType::I64)]);
    AlgebraicType::sum([("Interval", duration), ("Time", timestamp)])
}

fn product<const N: usize>(fields: [(&'static str, AlgebraicType); N]) -> ProductType {
    ProductType::from(fields)
}

fn player() -> ProductType {
    product([
        ("playerId", AlgebraicType::U64),
        ("displayName", AlgebraicType::String),
        ("pos2D", AlgebraicType::array(AlgebraicType::F32)),
        (
            "owner",
            AlgebraicType::product([("__identity__", AlgebraicType::U256)]),
        ),
        ("nick", AlgebraicType::option(AlgebraicType::String)),
        ("level", AlgebraicType::U8),
    ])
}

fn timer() -> ProductType {
    product([
        ("scheduled_id", AlgebraicType::U64),
        ("scheduled_at", schedule_at()),
    ])
}

/// A definition with one of everything that the builder can make.
fn built_v10() -> RawModuleDefV10 {
    let mut builder = RawModuleDefV10Builder::new();
    let player = builder
        .build_table_with_new_type("Player", player(), true)
        .with_access(TableAccess::Public)
        .with_auto_inc_primary_key(0)
        .with_index(btree(0), "Player_playerId_idx_btree", "playerId")
        .with_index(
            btree([1, 0]),
            "Player_displayName_playerId_idx_btree",
            "byName",
        )
        .with_index_no_accessor_name(hash(3), "Player_owner_idx_hash")
        .with_index(direct(5), "Player_level_idx_direct", "level")
        .with_default_column_value(1, AlgebraicValue::String("nobody".into()))
        .with_default_column_value(4, AlgebraicValue::OptionNone())
        .finish();
    let timer = builder
        .build_table_with_new_type("MoveTimer", timer(), true)
        .with_access(TableAccess::Private)
        .with_auto_inc_primary_key(0)
        .with_index(btree(0), "MoveTimer_scheduled_id_idx_btree", "scheduled_id")
        .finish();
    builder
        .build_table_with_new_type("Sparkle", product([("x", AlgebraicType::I128)]), true)
        .with_type(TableType::User)
        .with_event(true)
        .finish();
    let kind = AlgebraicType::simple_enum(["BigSword", "small_potion"].into_iter());
    let kind = builder.add_algebraic_type(["ns".into()], "itemKind", kind, true);
    builder.add_reducer("moveAll", product([("timer", AlgebraicType::Ref(timer))]));
    builder.add_reducer("give", product([("kind", AlgebraicType::Ref(kind))]));
    builder.add_lifecycle_reducer(Lifecycle::Init, "init", ProductType::unit());
    builder.add_lifecycle_reducer(Lifecycle::OnConnect, "hello", ProductType::unit());
    builder.add_schedule("MoveTimer", 1, "moveAll");
    builder.add_procedure(
        "doWork",
        product([("n", AlgebraicType::U8)]),
        AlgebraicType::U64,
    );
    let rows = AlgebraicType::array(AlgebraicType::Ref(player));
    builder.add_view("topPlayers", 0, true, true, ProductType::unit(), rows);
    builder.add_view_primary_key("topPlayers", ["playerId"]);
    builder.add_row_level_security("SELECT * FROM player");
    builder.add_http_handler("onHook");
    builder.add_http_route("onHook", MethodOrAny::Any, "/hook");
    let mut names = ExplicitNames::default();
    names.insert_table("Sparkle", "Glitter");
    names.insert_function("give", "Give");
    names.insert_index("Player_owner_idx_hash", "by_owner");
    builder.add_explicit_names(names);
    builder.set_case_conversion_policy(CaseConversionPolicy::SnakeCase);
    builder.finish()
}

fn built_v9() -> RawModuleDefV9 {
    let mut builder = RawModuleDefV9Builder::new();
    let player = builder
        .build_table_with_new_type("Player", player(), true)
        .with_access(TableAccess::Public)
        .with_auto_inc_primary_key(0)
        .with_index(btree(0), "playerId")
        .with_index_no_accessor_name(direct(5))
        .with_default_column_value(5, AlgebraicValue::U8(7))
        .finish();
    let timer_ref = builder
        .build_table_with_new_type("MoveTimer", timer(), true)
        .with_auto_inc_primary_key(0)
        .with_index(btree(0), "scheduled_id")
        .with_schedule("moveAll", 1)
        .finish();
    builder.add_reducer(
        "moveAll",
        product([("timer", AlgebraicType::Ref(timer_ref))]),
        None,
    );
    builder.add_reducer("init", ProductType::unit(), Some(Lifecycle::Init));
    builder.add_procedure("doWork", ProductType::unit(), AlgebraicType::unit());
    let rows = AlgebraicType::option(AlgebraicType::Ref(player));
    builder.add_view("me", 0, true, false, ProductType::unit(), rows);
    builder.add_row_level_security("SELECT * FROM Player");
    builder.finish()
}

/// The official JSON of a definition that was written in BSATN.
fn official_json<T>(bytes: &[u8]) -> serde_json::Value
where
    T: for<'de> spacetimedb_sats::de::Deserialize<'de> + spacetimedb_sats::ser::Serialize,
{
    let theirs: T = bsatn::from_slice(bytes).expect("the official crate reads it");
    serde_json::to_value(SerdeWrapper::from_ref(&theirs)).expect("JSON")
}

#[test]
fn v10_of_the_official_builder_is_read_and_written_back() {
    let theirs = spacetimedb_lib::RawModuleDef::V10(built_v10());
    let bytes = bsatn::to_vec(&theirs).expect("BSATN");
    let ours = RawModuleDef::from_bsatn(&bytes).expect("a definition");
    assert_eq!(to_vec(&ours), bytes);
    let RawModuleDef::V10(raw) = &ours else {
        panic!("another version");
    };
    assert_eq!(
        raw.to_json(),
        official_json::<RawModuleDefV10>(&to_vec(raw))
    );

    let def = ModuleDef::validate(ours).expect("a valid definition");
    let player = def.table("player").expect("the table");
    let columns: Vec<&str> = player.columns.iter().map(|column| &*column.name).collect();
    assert_eq!(
        columns,
        [
            "player_id",
            "display_name",
            "pos_2_d",
            "owner",
            "nick",
            "level"
        ]
    );
    let indexes: Vec<&str> = player.indexes.iter().map(|index| &*index.name).collect();
    let expected = [
        "player_player_id_idx_btree",
        "player_display_name_player_id_idx_btree",
        "by_owner",
        "player_level_idx_direct",
    ];
    assert_eq!(indexes, expected);
    assert_eq!(player.columns[4].default.as_deref(), Some(&[1u8][..]));
    assert!(def.table("Glitter").expect("the table").is_event);
    assert!(
        def.table("move_timer")
            .expect("the table")
            .schedule
            .is_some()
    );
    assert!(def.reducer("Give").is_some());
    assert_eq!(def.reducer("hello").expect("the reducer").id, 3);

    // What we serve, the official crate reads, and shows the same.
    let served = def.to_raw_v10();
    assert_eq!(
        served.to_json(),
        official_json::<RawModuleDefV10>(&to_vec(&served))
    );
    let served = def.to_raw_v9();
    assert_eq!(
        served.to_json(),
        official_json::<RawModuleDefV9>(&to_vec(&served))
    );
}

#[test]
fn v9_of_the_official_builder_is_read_and_written_back() {
    let theirs = spacetimedb_lib::RawModuleDef::V9(built_v9());
    let bytes = bsatn::to_vec(&theirs).expect("BSATN");
    let ours = RawModuleDef::from_bsatn(&bytes).expect("a definition");
    assert_eq!(to_vec(&ours), bytes);
    let RawModuleDef::V9(raw) = &ours else {
        panic!("another version");
    };
    assert_eq!(raw.to_json(), official_json::<RawModuleDefV9>(&to_vec(raw)));
    let def = ModuleDef::validate(ours).expect("a valid definition");
    let player = def.table("Player").expect("the table");
    assert_eq!(&*player.indexes[0].name, "Player_playerId_idx_btree");
    assert_eq!(player.columns[5].default.as_deref(), Some(&[7u8][..]));
    let schedule = def.tables()[1].schedule.as_ref().expect("a schedule");
    assert_eq!(&*schedule.function_name, "moveAll");
}

/// The special types as the official crate declares them are those recognised here.
#[test]
fn official_special_types_are_legal_columns() {
    let mut builder = RawModuleDefV10Builder::new();
    let row = product([
        ("a", builder.add_type::<Identity>()),
        ("b", builder.add_type::<ConnectionId>()),
        ("c", builder.add_type::<Timestamp>()),
        ("d", builder.add_type::<TimeDuration>()),
        ("e", builder.add_type::<ScheduleAt>()),
        ("f", builder.add_type::<Option<Result<u256, Vec<String>>>>()),
    ]);
    let direct = <Identity as SpacetimeType>::make_type(&mut builder);
    assert_eq!(row.elements[0].algebraic_type, direct);
    builder.build_table_with_new_type("t", row, true).finish();
    let theirs = spacetimedb_lib::RawModuleDef::V10(builder.finish());
    let bytes = bsatn::to_vec(&theirs).expect("BSATN");
    let def = ModuleDef::from_bsatn(&bytes).expect("a valid definition");
    let columns = &def.tables()[0].columns;
    assert!(columns[0].col_type.is_identity());
    assert!(columns[1].col_type.is_connection_id());
    assert!(columns[2].col_type.is_timestamp());
    assert!(columns[3].col_type.is_time_duration());
    assert!(columns[4].col_type.is_schedule_at());
    assert!(columns[5].col_type.as_option().is_some());
}

/// Whatever comes out must be shown and served without a panic.
fn read(bytes: &[u8]) {
    match ModuleDef::from_bsatn(bytes) {
        Ok(def) => {
            assert!(
                (0..)
                    .zip(def.all_reducers())
                    .all(|(id, reducer)| reducer.id == id)
            );
            let _ = (def.to_raw_v9().to_json(), def.to_raw_v10().to_json());
            for view in def.all_views() {
                let table = view.backing_table();
                assert_eq!(table.columns.len(), view.columns.len() + 1);
            }
        }
        Err(ReadModuleDefError::Invalid(errors)) => {
            assert!(!errors.errors().is_empty());
            assert!(errors.to_string().starts_with("Errors occurred:\n"));
        }
        Err(error @ ReadModuleDefError::Decode(_)) => {
            assert!(!error.to_string().is_empty());
        }
    }
}

fn sample_bytes(version: bool) -> Vec<u8> {
    let raw = if version {
        spacetimedb_lib::RawModuleDef::V10(built_v10())
    } else {
        spacetimedb_lib::RawModuleDef::V9(built_v9())
    };
    bsatn::to_vec(&raw).expect("BSATN")
}

#[test]
fn every_truncation_is_an_error() {
    for version in [false, true] {
        let bytes = sample_bytes(version);
        for len in 0..bytes.len() {
            let result = ModuleDef::from_bsatn(&bytes[..len]);
            assert!(
                matches!(result, Err(ReadModuleDefError::Decode(_))),
                "at {len}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic(
        tag in 0u8..4,
        bytes in prop::collection::vec(prop_oneof![Just(0u8), 0u8..20, any::<u8>()], 0..200),
    ) {
        let mut all = vec![tag];
        all.extend(bytes);
        read(&all);
    }

    #[test]
    fn damaged_definitions_never_panic(
        version: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..24), 1..6),
    ) {
        let mut bytes = sample_bytes(version);
        for (position, value) in changes {
            let position = position.index(bytes.len());
            bytes[position] = value;
        }
        read(&bytes);
    }

    #[test]
    fn spliced_definitions_never_panic(
        version: bool,
        from: prop::sample::Index,
        to: prop::sample::Index,
        len in 1usize..40,
    ) {
        let mut bytes = sample_bytes(version);
        let from = from.index(bytes.len());
        let part: Vec<u8> = bytes[from..].iter().copied().take(len).collect();
        let to = to.index(bytes.len());
        bytes.splice(to..to, part);
        read(&bytes);
    }
}

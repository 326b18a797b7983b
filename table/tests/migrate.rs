//! Plans, as they are printed and refused, and what applying them does; replayed from the log it
//! is the same each time.

#[path = "migrate/database.rs"]
mod database;

use std::sync::Arc;

use database::{BYTES_MAX, Database, database, explicit, table};
use spacetime_table::definition::{ColumnDef, ScheduleDef, TableDef, ViewDef};
use spacetime_table::migrate::{DatabaseDef, MigrateError, Mode, Step, Style, plan};
use spacetime_table::{Datastore, IndexAlgorithm, TableAccess};
use spacetime_types::{AlgebraicType as Ty, ColId};

const AUTOMATIC: Mode = Mode::Automatic;

/// The lines of the plan after its title, or of its refusals.
fn printed(old: &DatabaseDef, new: &DatabaseDef, mode: &Mode) -> Vec<String> {
    let (old, new) = (Arc::new(old.clone()), Arc::new(new.clone()));
    match plan(&old, &new, mode) {
        Ok(plan) => {
            let text = plan.print(Style::Plain);
            let lines = text.lines().skip(4).filter(|line| !line.is_empty());
            lines.map(str::to_owned).collect()
        }
        Err(refusals) => refusals.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn check(old: &DatabaseDef, new: &DatabaseDef, mode: &Mode, expected: &[&str]) {
    assert_eq!(printed(old, new, mode), expected);
}

const BREAKS: &str = "!!! Warning: All clients will be disconnected due to breaking schema changes";

#[test]
fn prints_a_plan_with_its_title() {
    let new = Arc::new(database([table("u", &[("*a", Ty::U32)])]));
    let plan = plan(&Arc::default(), &new, &AUTOMATIC).expect("a plan");
    let rule = "\u{2501}".repeat(60);
    let expected = format!(
        "{rule}\nDatabase Migration Plan\n{rule}\n\n\
         \u{25b8} Created user table: u (private)\n    \
             Columns:\n        \u{2022} a: U32\n    \
             Unique constraints:\n        \u{2022} u_a_key on [a]\n    \
             Indexes:\n        \u{2022} u_a_idx_btree on [a]\n    \
             Auto-increment constraints:\n        \u{2022} u_a_seq on a\n\n"
    );
    assert_eq!(plan.print(Style::Plain), expected);
    let coloured = plan.print(Style::Ansi);
    assert!(
        coloured.contains("\u{1b}[32mCreated\u{1b}[0m"),
        "{coloured}"
    );
}

#[test]
fn prints_every_kind_of_step() {
    let mut old = table("t", &[("*id", Ty::U32), ("#n", Ty::U8), ("s", Ty::String)]);
    let mut new = table("t", &[("id", Ty::U32), ("n", Ty::U8), ("+s", Ty::String)]);
    old.schedule = Some(ScheduleDef {
        name: "t_sched".into(),
        function: "f".into(),
        at_column: ColId(1),
    });
    new.access = TableAccess::Public;
    new.accessor = "T".into();
    new.columns[1].accessor = Some("N".into());
    let (mut old, mut new) = (database([old]), database([new]));
    old.filters = vec!["SELECT 1".into(), "SELECT 2".into()];
    new.filters = vec!["SELECT 2".into(), "SELECT 3".into()];
    let expected = [
        "\u{25b8} Removed index t_id_idx_btree on [id] of table t",
        "\u{25b8} Removed index t_n_idx_btree on [n] of table t",
        "\u{25b8} Removed unique constraint t_id_key on [id] of table t",
        "\u{25b8} Removed auto-increment constraint t_id_seq on column id of table t",
        "\u{25b8} Removed schedule for table t calling reducer f",
        "\u{25b8} Removed row level security policy:",
        "    `SELECT 1`",
        "\u{25b8} Changed table accessor name for t",
        "\u{25b8} Changed column accessor name for t.n",
        "\u{25b8} Created index t_s_idx_btree on [s] of table t",
        "\u{25b8} Created unique constraint t_s_key on [s] of table t",
        "\u{25b8} Created row level security policy:",
        "    `SELECT 3`",
        "\u{25b8} Changed access for table t (private \u{2192} public)",
        "\u{25b8} Changed primary key on table t (removed)",
        BREAKS,
    ];
    check(&old, &new, &AUTOMATIC, &expected);
}

#[test]
fn says_why_a_change_is_not_automatic() {
    let old = database([table("t", &[("a", Ty::U32), ("b", Ty::String)])]);
    let refused = |columns: &[(&str, Ty)], expected: &[&str]| {
        check(&old, &database([table("t", columns)]), &AUTOMATIC, expected);
    };
    refused(
        &[("a", Ty::U64), ("b", Ty::String)],
        &["Changing the type of column a in table t from U32 to U64 requires a manual migration"],
    );
    refused(
        &[("a", Ty::U32)],
        &["Removing a column b from table t requires a manual migration"],
    );
    refused(
        &[("b", Ty::String), ("a", Ty::U32)],
        &["Reordering table t requires a manual migration"; 2],
    );
    refused(
        &[("a", Ty::U32), ("b", Ty::String), ("c", Ty::U8)],
        &["Adding a column c to table t requires a default value annotation"],
    );
}

#[test]
fn compares_types_as_the_original_does() {
    let sum = |variants: &[(&str, Ty)]| Ty::sum(variants.iter().cloned());
    let refused = |old: Ty, new: Ty, expected: &[&str]| {
        let [old, new] = [old, new].map(|ty| database([table("t", &[("e", ty)])]));
        check(&old, &new, &AUTOMATIC, expected);
    };
    let old = sum(&[("a", Ty::unit()), ("b", Ty::U32)]);
    let wide = sum(&[("a", Ty::unit()), ("b", Ty::U32), ("c", Ty::U64)]);
    let types = "(a: () | b: U32) to (a: () | b: U32 | c: U64)";
    let text = |what: &str, why: &str| {
        format!(
            "Changing {what} column e in table t from {types}, requires a manual migration, \
                 due to {why} mismatch"
        )
    };
    let [size, align] = ["size", "alignment"].map(|why| text("the type of", why));
    refused(old.clone(), wide.clone(), &[&size, &align]);
    let [size, align] = ["size", "alignment"].map(|why| text("a type within", why));
    refused(Ty::array(old.clone()), Ty::array(wide), &[&size, &align]);
    let fits = sum(&[("a", Ty::unit()), ("b", Ty::U32), ("c", Ty::String)]);
    let changed = "    ~ Modified: e ((a: () | b: U32) \u{2192} (a: () | b: U32 | c: String))";
    let step = "\u{25b8} Changed columns for table t";
    refused(old, fits, &[step, changed]);
    refused(
        sum(&[("a", Ty::unit()), ("b", Ty::unit())]),
        sum(&[("a", Ty::unit())]),
        &[
            "Changing the type of column e in table t from (a: () | b: ()) to (a: ()), with fewer \
           variants, requires a manual migration",
        ],
    );
    refused(
        Ty::product([("x", Ty::U8)]),
        Ty::product([("y", Ty::U8)]),
        &[
            "Changing the type of column e in table t from (x: U8) to (y: U8), with a renamed \
           field, requires a manual migration",
        ],
    );
}

fn rows(values: &[(u32, &str)]) -> Vec<Vec<u8>> {
    let row = |(n, text): &(u32, &str)| {
        let mut row = n.to_le_bytes().to_vec();
        row.extend_from_slice(&u32::try_from(text.len()).expect("short").to_le_bytes());
        row.extend_from_slice(text.as_bytes());
        row
    };
    values.iter().map(row).collect()
}

/// A table of (id: U32, generated; text: String) with three rows.
fn with_rows() -> Database {
    let columns = [("*id", Ty::U32), ("text", Ty::String)];
    let mut database = Database::new(database([table("t", &columns)]));
    let rows = rows(&[(0, "one"), (0, "two"), (0, "two")]);
    let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    database.insert("t", &rows);
    database
}

fn next_id(database: &mut Database, table: &str, rest: &[u8], id_len: usize) -> Vec<u8> {
    let datastore = &mut database.datastore;
    datastore.begin_tx();
    let table = datastore.table_id(table).expect("a table");
    let row = [vec![0; id_len], rest.to_vec()].concat();
    let inserted = datastore.insert(table, &row).expect("a row");
    datastore.rollback();
    inserted.generated.to_vec()
}

#[test]
fn appends_columns_with_default_values() {
    let mut database = with_rows();
    let mut new = table(
        "t",
        &[("*id", Ty::U32), ("text", Ty::String), ("n", Ty::U8)],
    );
    new.columns[1].accessor = Some("Text".into());
    let mut definition = crate::database::database([new]);
    let key = ("t".into(), "n".into());
    definition.defaults.insert(key, [7].into());
    let expected = [
        "\u{25b8} Created column in table t",
        "    + n: U8 (default: 7)",
        "\u{25b8} Changed column accessor name for t.text",
        BREAKS,
    ];
    check(
        &database.definition.clone(),
        &definition,
        &AUTOMATIC,
        &expected,
    );
    let before = database.datastore.table_id("t");
    let applied = database.migrate(definition, &AUTOMATIC).expect("applied");
    assert_eq!(applied.rewritten, [("t".into(), 3)]);
    assert_ne!(database.datastore.table_id("t"), before);
    let expected = rows(&[(1, "one"), (2, "two"), (3, "two")]);
    let expected = expected.into_iter().map(|row| [row, vec![7]].concat());
    assert_eq!(database.rows("t"), expected.collect());
    let rest = [0, 0, 0, 0, 9];
    assert_eq!(next_id(&mut database, "t", &rest, 4), 4_u32.to_le_bytes());
}

#[test]
fn a_table_with_rows_goes_only_explicitly() {
    let mut database = with_rows();
    let refused = database.migrate(DatabaseDef::default(), &AUTOMATIC);
    assert_eq!(refused, Err(MigrateError::HasRows("t".into())));
    let applied = database.migrate(DatabaseDef::default(), &explicit(&[], &[]));
    assert_eq!(applied.expect("applied").dropped, [("t".into(), 3)]);
    assert_eq!(database.datastore.table_id("t"), None);
}

#[test]
fn duplicates_are_named() {
    let mut database = with_rows();
    let new = [("*id", Ty::U32), ("+text", Ty::String)];
    let refused = database.migrate(crate::database::database([table("t", &new)]), &AUTOMATIC);
    let error = refused.expect_err("two rows are `two`").to_string();
    assert!(error.contains("column(s) text"), "{error}");
    assert!(error.contains("1 duplicate group(s) found."), "{error}");
    assert!(error.ends_with("  - \"two\" appears 2 times"), "{error}");
    // The same while rows are written anew.
    let new = [("*id", Ty::U64), ("+text", Ty::String)];
    let refused = database.migrate(
        crate::database::database([table("t", &new)]),
        &explicit(&[], &[]),
    );
    let error = refused.expect_err("two rows are `two`").to_string();
    assert!(error.ends_with("  - \"two\" appears 2 times"), "{error}");
}

#[test]
fn renames_reorders_widens_and_drops() {
    let mut database = with_rows();
    let new = [
        ("label", Ty::option(Ty::String)),
        ("level", Ty::I16),
        ("*key", Ty::U64),
    ];
    let mode = explicit(
        &["t=things", "t.id=key", "t.text=label"],
        &["things.level=-3"],
    );
    let definition = crate::database::database([table("things", &new)]);
    let expected = [
        "\u{25b8} Renamed table t \u{2192} things",
        "    ~ Renamed: text \u{2192} label",
        "    ~ Modified: label (String \u{2192} (some: String | none: ()))",
        "    + level: I16 (default: -3)",
        "    ~ Renamed: id \u{2192} key",
        "    ~ Modified: key (U32 \u{2192} U64)",
        "    ~ Reordered: label, level, key",
        BREAKS,
    ];
    check(&database.definition.clone(), &definition, &mode, &expected);
    database.migrate(definition, &mode).expect("applied");
    let expected = [(1_u64, "one"), (2, "two"), (3, "two")].map(|(id, text)| {
        let mut row = vec![0];
        row.extend_from_slice(&rows(&[(3, text)])[0][4..]);
        row.extend_from_slice(&(-3_i16).to_le_bytes());
        row.extend_from_slice(&id.to_le_bytes());
        row
    });
    assert_eq!(database.rows("things"), expected.into_iter().collect());
    assert_eq!(database.datastore.table_id("t"), None);
    // The sequence goes on under its new name.
    database.datastore.begin_tx();
    let things = database.datastore.table_id("things").expect("a table");
    let row = [vec![1, 0, 0], vec![0; 8]].concat();
    let inserted = database.datastore.insert(things, &row).expect("a row");
    assert_eq!(inserted.generated.as_slice(), 4_u64.to_le_bytes());
    database.datastore.rollback();
}

#[test]
fn a_renamed_column_keeps_its_rows_and_sequence_in_place() {
    let mut database = with_rows();
    let before = (database.datastore.table_id("t"), database.rows("t"));
    let new = crate::database::database([table("t", &[("*key", Ty::U32), ("text", Ty::String)])]);
    let mode = explicit(&["t.id=key"], &[]);
    let plan = plan(&database.definition, &Arc::new(new.clone()), &mode).expect("a plan");
    let rewrites = plan.steps.iter();
    let mut rewrites = rewrites.filter(|step| matches!(step, Step::RewriteTable { .. }));
    assert_eq!(rewrites.next(), None);
    assert!(plan.breaks_clients());
    database.migrate(new, &mode).expect("applied");
    assert_eq!(
        (database.datastore.table_id("t"), database.rows("t")),
        before
    );
    assert_eq!(next_id(&mut database, "t", &[0; 4], 4), 4_u32.to_le_bytes());
}

#[test]
fn tables_exchange_their_names() {
    let [a, b] = ["a", "b"].map(|name| table(name, &[("n", Ty::U8)]));
    let mut database = Database::new(crate::database::database([a.clone(), b.clone()]));
    database.insert("a", &[&[1], &[2]]);
    database.insert("b", &[&[3]]);
    let mode = explicit(&["a=b", "b=a"], &[]);
    let applied = database.migrate(crate::database::database([a, b]), &mode);
    applied.expect("applied");
    assert_eq!(database.rows("a"), [vec![3]].into());
    assert_eq!(database.rows("b"), [vec![1], vec![2]].into());
}

#[test]
fn rows_that_become_equal_are_counted() {
    let old = table("t", &[("a", Ty::U8), ("b", Ty::U8)]);
    let mut database = Database::new(crate::database::database([old]));
    database.insert("t", &[&[1, 1], &[1, 2], &[2, 1]]);
    let new = crate::database::database([table("t", &[("a", Ty::U8)])]);
    let applied = database.migrate(new, &explicit(&[], &[])).expect("applied");
    assert_eq!(applied.rewritten, [("t".into(), 2)]);
    assert_eq!(applied.merged, [("t".into(), 1)]);
    assert_eq!(database.rows("t"), [vec![1], vec![2]].into());
}

#[test]
fn hints_that_do_not_apply_are_refused() {
    let old = database([table("t", &[("a", Ty::U8)])]);
    let new = database([table("t", &[("b", Ty::U8)])]);
    let check = |mode: &Mode, expected: &str| check(&old, &new, mode, &[expected]);
    let missing = "Adding a column b to table t requires a default value annotation";
    check(&explicit(&[], &[]), missing);
    let hint = |hint: &str, why: &str| format!("The hint `{hint}` does not apply: {why}");
    let all = printed(&old, &new, &explicit(&["t.x=b", "u=v"], &["t.b=300"]));
    assert_eq!(
        all[..2],
        [
            hint("u=v", "there is no table `u`"),
            hint("t.x=b", "the table `t` has no column `x`"),
        ]
    );
    assert!(
        all[2].starts_with("The hint `t.b=300` does not apply: not a value"),
        "{all:?}"
    );
    assert!(
        plan(
            &Arc::new(old.clone()),
            &Arc::new(new.clone()),
            &explicit(&["t.a=b"], &[])
        )
        .is_ok()
    );
    assert!(
        plan(
            &Arc::new(old.clone()),
            &Arc::new(new.clone()),
            &explicit(&[], &["t.b=5"])
        )
        .is_ok()
    );
}

#[test]
fn a_value_for_a_column_that_has_some_is_refused() {
    let old = database([table("t", &[("a", Ty::U8)])]);
    let text = "The hint `t.a=...` does not apply: the column is not a new one; its rows have \
                values";
    check(&old, &old, &explicit(&[], &["t.a=5"]), &[text]);
}

#[test]
fn narrowing_is_refused_whatever_the_mode() {
    let old = database([table("t", &[("a", Ty::I32)])]);
    for narrow in [Ty::I16, Ty::U32, Ty::U64, Ty::F64, Ty::String] {
        let text = format!(
            "Changing the type of column a in table t from I32 to {narrow} requires a manual \
             migration"
        );
        let new = database([table("t", &[("a", narrow)])]);
        check(&old, &new, &explicit(&[], &[]), &[&text]);
    }
}

#[test]
fn too_many_bytes_are_refused_before_anything_changed() {
    let mut database = with_rows();
    let new = Arc::new(crate::database::database([table(
        "t",
        &[("*id", Ty::U64), ("text", Ty::String)],
    )]));
    let plan = plan(&database.definition, &new, &explicit(&[], &[])).expect("a plan");
    let before = database.content();
    database.datastore.begin_tx();
    let refused = database.datastore.apply_migration(&plan, 200);
    database.datastore.rollback();
    let table = "t".into();
    let bytes_max = 200;
    assert_eq!(refused, Err(MigrateError::TooLarge { table, bytes_max }));
    assert_eq!(database.content(), before);
    database.datastore.begin_tx();
    let applied = database.datastore.apply_migration(&plan, BYTES_MAX);
    assert!(applied.is_ok(), "{applied:?}");
}

#[test]
fn a_sequence_must_not_meet_values_that_are_there() {
    let mut database = Database::new(crate::database::database([table("t", &[("+a", Ty::U8)])]));
    database.insert("t", &[&[5]]);
    let new = crate::database::database([table("t", &[("*a", Ty::U8)])]);
    let refused = database
        .migrate(new, &AUTOMATIC)
        .expect_err("5 is in range");
    let text = "Precheck failed: added sequence t_a_seq already has values in range";
    assert_eq!(refused.to_string(), text);
}

/// Where the sequence of `a` begins over these values after an explicit migration, if not at its
/// start, and the numbers that the next rows get.
fn begins_behind(values: &[u8], to: &Ty) -> (Option<i128>, Vec<Vec<u8>>) {
    let old = crate::database::database([table("t", &[("a", Ty::U8)])]);
    let mut database = Database::new(old);
    for value in values {
        database.insert("t", &[&[*value]]);
    }
    let new = crate::database::database([table("t", &[("*a", to.clone())])]);
    let applied = database.migrate(new, &explicit(&[], &[]));
    let applied = applied.expect("it begins behind the values");
    let before = database.rows("t");
    let zero: &[u8] = if *to == Ty::U8 { &[0] } else { &[0, 0] };
    database.insert("t", &[zero, zero]);
    let after = database.rows("t");
    assert!(applied.later.iter().all(|(name, _)| &**name == "t_a_seq"));
    let later = applied.later.first().map(|(_, value)| *value);
    (later, after.difference(&before).cloned().collect())
}

#[test]
fn an_explicit_migration_lets_a_sequence_begin_behind_the_values() {
    // In place, and while rows are written anew.
    let (later, numbers) = begins_behind(&[5, 200, 7], &Ty::U8);
    assert_eq!((later, numbers), (Some(201), vec![vec![201], vec![202]]));
    let (later, numbers) = begins_behind(&[5, 255, 7], &Ty::U16);
    assert_eq!((later, numbers), (Some(256), vec![vec![0, 1], vec![1, 1]]));
    let (later, numbers) = begins_behind(&[], &Ty::U8);
    assert_eq!((later, numbers), (None, vec![vec![1], vec![2]]));
}

#[test]
fn steps_and_directions_of_sequences_are_kept() {
    for (increment, start, values, expected) in [
        (10, 3, [3, 40, 5], 43),
        (10, 3, [3, 43, 5], 53),
        (10, 100, [1, 2, 3], 100),
        (-1, 100, [99, 7, 200], 6),
        (-7, 100, [99, 90, 200], 86),
    ] {
        let old = crate::database::database([table("t", &[("a", Ty::U8)])]);
        let mut database = Database::new(old);
        for value in values {
            database.insert("t", &[&[value]]);
        }
        let mut new = table("t", &[("*a", Ty::U8)]);
        new.sequences[0].increment = increment;
        new.sequences[0].start = start;
        let new = crate::database::database([new]);
        let applied = database.migrate(new, &explicit(&[], &[])).expect("allowed");
        let later = applied.later.iter().map(|(_, value)| *value).next();
        assert_eq!(later, Some(expected), "{increment} from {start}");
    }
}

#[test]
fn a_sequence_without_a_value_behind_is_refused() {
    let mut database = Database::new(crate::database::database([table("t", &[("a", Ty::U8)])]));
    database.insert("t", &[&[9]]);
    let mut new = table("t", &[("*a", Ty::U8)]);
    new.sequences[0].max_value = 9;
    let new = crate::database::database([new]);
    let refused = database.migrate(new, &explicit(&[], &[]));
    let expected = MigrateError::SequenceUsedUp("t_a_seq".into());
    assert_eq!(refused.expect_err("nothing is left"), expected);
}

#[test]
fn event_tables_may_change_freely() {
    let event = |columns: &[(&str, Ty)]| {
        let mut table = table("e", columns);
        table.is_event = true;
        table
    };
    let old = event(&[("a", Ty::U8), ("#b", Ty::U8)]);
    let mut database = Database::new(crate::database::database([old]));
    database.insert("e", &[&[1, 2]]);
    let new = crate::database::database([event(&[("#b", Ty::String), ("+c", Ty::U8)])]);
    let lines = printed(&database.definition, &new, &AUTOMATIC);
    assert!(
        lines.contains(&"\u{25b8} Changed schema of event table e".to_owned()),
        "{lines:?}"
    );
    assert_eq!(lines.last().map(String::as_str), Some(BREAKS));
    database.migrate(new, &AUTOMATIC).expect("applied");
    database.insert("e", &[&[0, 0, 0, 0, 7]]);
    assert!(database.rows("e").is_empty());
}

fn view(columns: &[(&str, Ty)]) -> TableDef {
    let hidden = ColumnDef {
        accessor: None,
        ..ColumnDef::new("arg_hash", Ty::U256)
    };
    let declared = columns
        .iter()
        .map(|(name, ty)| (Arc::from(*name), ty.clone()));
    let shown = columns
        .iter()
        .map(|(name, ty)| ColumnDef::new(name, ty.clone()));
    let mut table = TableDef::new("v", [hidden].into_iter().chain(shown).collect());
    table.view = Some(ViewDef {
        is_anonymous: true,
        params: Vec::new(),
        columns: declared.collect(),
    });
    table
}

#[test]
fn views_are_kept_updated_or_made_anew() {
    let [one, two] = [[("a", Ty::U8)], [("b", Ty::U8)]].map(|columns| view(&columns));
    let mut database = Database::new(crate::database::database([one.clone()]));
    let mut public = one;
    public.access = TableAccess::Public;
    let line = "\u{25b8} Changed access for view v (private \u{2192} public)";
    let public = crate::database::database([public]);
    check(&database.definition.clone(), &public, &AUTOMATIC, &[line]);
    database.migrate(public, &AUTOMATIC).expect("applied");
    let changed = crate::database::database([two]);
    let expected = [
        "\u{25b8} \u{25b8} Removed anonymous view: v",
        "    Columns:",
        "        \u{2022} a: U8",
        "\u{25b8} \u{25b8} Created anonymous view: v",
        "    Columns:",
        "        \u{2022} b: U8",
        BREAKS,
    ];
    check(
        &database.definition.clone(),
        &changed,
        &AUTOMATIC,
        &expected,
    );
    database.migrate(changed, &AUTOMATIC).expect("applied");
    let back = crate::database::database([]);
    database.migrate(back, &AUTOMATIC).expect("applied");
    assert_eq!(database.datastore.table_id("v"), None);
}

#[test]
fn a_database_that_differs_from_its_definition_is_left_alone() {
    let definition = Arc::new(database([table("t", &[("a", Ty::U8)])]));
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let plan = plan(&definition, &definition, &AUTOMATIC).expect("a plan");
    assert!(plan.is_empty());
    let refused = datastore.apply_migration(&plan, BYTES_MAX);
    assert!(
        matches!(refused, Err(MigrateError::Stored(_))),
        "{refused:?}"
    );
    let mut table = definition.tables[0].clone();
    table.indexes.push(spacetime_table::definition::IndexDef {
        name: "by_hand".into(),
        accessor: None,
        algorithm: IndexAlgorithm::Hash(vec![ColId(0)]),
    });
    datastore.create_table(&table).expect("a definition");
    let refused = datastore.apply_migration(&plan, BYTES_MAX);
    assert!(
        matches!(refused, Err(MigrateError::Stored(_))),
        "{refused:?}"
    );
}

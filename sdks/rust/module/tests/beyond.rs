//! What this library accepts and the official one does not. That it compiles is most of the test.

#![allow(missing_debug_implementations)]

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use spacetimedb::query_builder::{FromWhere, LeftSemiJoin, RightSemiJoin, Table as WholeTable};
use spacetimedb::{
    Identity, Query, RawQuery, ReducerContext, SpacetimeType, TimeDuration, Uuid, ViewContext,
    duration, reducer, table, view,
};

#[derive(SpacetimeType, Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Plain,
    r#Match,
    TwoWords,
}

/// Columns that the official library cannot read.
#[table(accessor = column, public)]
pub struct Column {
    #[primary_key]
    pub id: u64,
    pub shared_text: Arc<str>,
    pub counted: Rc<Kind>,
    pub fixed: [u32; 3],
    #[index(btree)]
    pub kind: Kind,
    pub flag: bool,
    pub other_flag: bool,
    pub name: String,
    pub uuid: Uuid,
    pub span: TimeDuration,
    #[default(Vec::new())]
    pub list: Vec<u8>,
}

#[table(accessor = other, public, index(accessor = by_code, direct(column = code)))]
pub struct Other {
    #[unique]
    pub code: u32,
    #[index(btree)]
    pub kind: Kind,
}

/// Tables that `macro_rules` makes, with columns of their own.
macro_rules! tables {
    ($($accessor:ident $row:ident $key:ty, $name:literal, $default:expr;)*) => {$(
        #[spacetimedb::table(
            accessor = $accessor,
            name = $name,
            public,
            index(accessor = by_value, btree(columns = [value, key]))
        )]
        pub struct $row {
            #[primary_key]
            pub key: $key,
            pub value: u32,
            #[default($default)]
            pub more: u32,
        }
    )*};
}

tables! {
    made_one MadeOne u32, "FirstMade", 1 + 2;
    made_two MadeTwo String, "SecondMade", u32::MAX;
}

/// A whole reducer from outside, with its body.
macro_rules! reducers {
    ($($name:ident($argument:ident: $ty:ty) $body:block)*) => {$(
        #[reducer]
        pub fn $name(ctx: &ReducerContext, $argument: $ty) -> Result<(), impl std::fmt::Display> {
            let _ = ctx;
            $body
            Err(format!("{:?}", $argument))
        }
    )*};
}

reducers! {
    first_made(number: u32) { log::info!("{number}"); }
    second_made(text: String) { log::info!("{text}"); }
}

#[reducer]
pub fn with_a_table_of_its_own(ctx: &ReducerContext) {
    use spacetimedb::Table as _;

    #[table(accessor = inside)]
    struct Inside {
        #[unique]
        n: u32,
    }

    ctx.db.inside().insert(Inside { n: 1 });
}

#[view(accessor = whole, public)]
pub fn whole(ctx: &ViewContext) -> WholeTable<Other> {
    ctx.from.other()
}

#[view(accessor = filtered, public)]
pub fn filtered(ctx: &ViewContext) -> FromWhere<Other> {
    ctx.from.other().filter(|row| row.kind.ne(Kind::TwoWords))
}

#[view(accessor = left, public)]
pub fn left(ctx: &ViewContext) -> LeftSemiJoin<Column> {
    let columns = ctx.from.column();
    columns.left_semijoin(ctx.from.other(), |column, other| column.kind.eq(other.kind))
}

#[view(accessor = right, public)]
pub fn right(ctx: &ViewContext) -> RightSemiJoin<Other, Column> {
    let columns = ctx.from.column();
    columns.right_semijoin(ctx.from.other(), |column, other| column.kind.eq(other.kind))
}

fn check(query: impl Query<Column>, sql: &str) {
    let expected = format!("SELECT * FROM \"column\" WHERE {sql}");
    assert_eq!(query.into_sql(), expected);
}

#[test]
fn queries_compare_with_more_values() {
    let ctx = ViewContext::new(Identity::ZERO);
    let from = || ctx.from.column();
    check(
        from().filter(|row| row.kind.eq(Kind::Plain).or(row.kind.eq(Kind::r#Match))),
        r#"(("column"."kind" = 'Plain') OR ("column"."kind" = 'Match'))"#,
    );
    check(
        from().filter(|row| row.kind.ne(Kind::TwoWords)),
        r#"("column"."kind" <> 'TwoWords')"#,
    );
    check(
        from().filter(|row| row.flag.and(row.other_flag.not())),
        r#"(("column"."flag" = TRUE) AND (NOT ("column"."other_flag" = TRUE)))"#,
    );
    check(
        from().filter(|row| row.flag.or(false)),
        r#"(("column"."flag" = TRUE) OR (FALSE = TRUE))"#,
    );
    check(
        from().filter(|row| row.name.eq("it's")),
        r#"("column"."name" = 'it''s')"#,
    );
    check(
        from().filter(|row| row.uuid.eq(Uuid::NIL)),
        r#"("column"."uuid" = '00000000-0000-0000-0000-000000000000')"#,
    );
}

#[test]
fn joins_and_whole_tables_are_views_as_they_are() {
    let ctx = ViewContext::new(Identity::ZERO);
    let text = |query: RawQuery<Other>| query.sql().to_owned();
    assert_eq!(text(whole(&ctx).into()), r#"SELECT * FROM "other""#);
    assert_eq!(
        text(filtered(&ctx).into()),
        r#"SELECT * FROM "other" WHERE ("other"."kind" <> 'TwoWords')"#
    );
    let join = r#"FROM "column" JOIN "other" ON "column"."kind" = "other"."kind""#;
    assert_eq!(
        text(right(&ctx).into()),
        format!(r#"SELECT "other".* {join}"#)
    );
    assert_eq!(
        left(&ctx).into_sql(),
        format!(r#"SELECT "column".* {join}"#)
    );
}

#[test]
fn durations_may_be_bare_seconds() {
    const FIVE: Duration = duration!(5);
    assert_eq!(FIVE, Duration::from_secs(5));
}

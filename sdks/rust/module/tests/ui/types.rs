//! Types that do not fit where they stand: the compiler says so, with the library's words.

use spacetimedb::http::{handler, HandlerContext, Request, Response};
use spacetimedb::{
    procedure, reducer, table, view, AnonymousViewContext, ProcedureContext, ReducerContext,
    ScheduleAt, SpacetimeType, Table, ViewContext,
};

pub struct Unknown;

#[table(accessor = strange_column)]
pub struct StrangeColumn {
    a: Unknown,
}

#[table(accessor = float_key)]
pub struct FloatKey {
    #[index(btree)]
    a: f64,
}

#[table(accessor = text_sequence)]
pub struct TextSequence {
    #[primary_key]
    #[auto_inc]
    a: String,
}

#[table(accessor = wide_direct)]
pub struct WideDirect {
    #[unique]
    #[index(direct)]
    a: i64,
}

#[table(accessor = wrong_default)]
pub struct WrongDefault {
    #[default("seven")]
    a: u32,
}

#[table(accessor = small_schedule, scheduled(run_small))]
pub struct SmallSchedule {
    #[primary_key]
    id: u32,
    scheduled_at: ScheduleAt,
}

#[reducer]
pub fn run_small(_ctx: &ReducerContext, _row: SmallSchedule) {}

#[table(accessor = view_schedule, scheduled(look))]
pub struct ViewSchedule {
    #[primary_key]
    id: u64,
    scheduled_at: ScheduleAt,
}

#[view(accessor = look, public)]
pub fn look(_ctx: &ViewContext) -> Vec<Row> {
    Vec::new()
}

#[derive(SpacetimeType)]
pub struct Row {
    a: u32,
    b: f64,
}

#[reducer]
pub fn mutable_context(_ctx: &mut ReducerContext) {}

#[reducer]
pub fn strange_argument(_ctx: &ReducerContext, _a: Unknown) {}

#[reducer]
pub fn returns_a_number(_ctx: &ReducerContext) -> u32 {
    5
}

#[procedure]
pub fn shared_context(_ctx: &ProcedureContext) {}

#[procedure]
pub fn strange_result(_ctx: &mut ProcedureContext) -> Unknown {
    Unknown
}

#[view(accessor = by_value, public)]
pub fn by_value(_ctx: ViewContext) -> Vec<Row> {
    Vec::new()
}

#[view(accessor = one_row, public)]
pub fn one_row(_ctx: &AnonymousViewContext) -> Row {
    Row { a: 1, b: 2.0 }
}

#[view(accessor = no_such_key, public, primary_key = c)]
pub fn no_such_key(_ctx: &AnonymousViewContext) -> Vec<Row> {
    Vec::new()
}

#[view(accessor = float_view_key, public, primary_key = b)]
pub fn float_view_key(_ctx: &AnonymousViewContext) -> Vec<Row> {
    Vec::new()
}

#[handler]
fn wrong_response(_ctx: &mut HandlerContext, _request: Request) -> String {
    String::new()
}

#[table(accessor = person, index(accessor = by_tag, hash(columns = [tag, age])))]
pub struct Person {
    #[primary_key]
    id: u64,
    #[unique]
    name: String,
    #[index(btree)]
    age: u8,
    tag: u32,
}

#[view(accessor = all, public)]
pub fn all(ctx: &ViewContext) -> Vec<Person> {
    ctx.db.person().iter().collect()
}

#[reducer]
pub fn searches(ctx: &ReducerContext) {
    ctx.db.float_key().a().filter(1.5f64);
    ctx.db.person().age().filter(18u32);
    ctx.db.person().by_tag().filter(1u32);
    ctx.db.person().by_tag().filter((1u32, 2u8..));
    ctx.db.person().name().update(Person { id: 1, name: String::new(), age: 1, tag: 1 });
}

#[view(accessor = compares, public)]
pub fn compares(ctx: &ViewContext) -> impl spacetimedb::Query<Person> {
    ctx.from.person().filter(|person| person.age.eq(5u32))
}

#[table(accessor = tuple_column)]
pub struct TupleColumn {
    pair: (u32, u32),
}

#[table(accessor = map_column)]
pub struct MapColumn {
    map: std::collections::HashMap<String, u32>,
}

#[table(accessor = borrowed_column)]
pub struct BorrowedColumn {
    size: usize,
}

#[table(accessor = std_time, scheduled(run_std))]
pub struct StdTime {
    #[primary_key]
    id: u64,
    scheduled_at: spacetimedb::Timestamp,
}

#[reducer]
pub fn run_std(_ctx: &ReducerContext, _row: StdTime) {}

#[table(accessor = parts_schedule, scheduled(run_parts))]
pub struct PartsSchedule {
    #[primary_key]
    id: u64,
    scheduled_at: ScheduleAt,
}

#[reducer]
pub fn run_parts(_ctx: &ReducerContext, _id: u64, _at: ScheduleAt) {}

#[reducer]
pub fn context_by_value(_ctx: ReducerContext) {}

#[reducer]
pub fn no_context_at_all(_number: u8) {}

#[reducer]
pub fn strange_error(_ctx: &ReducerContext) -> Result<(), Row> {
    Ok(())
}

#[reducer]
pub fn returns_an_option(_ctx: &ReducerContext) -> Option<()> {
    None
}

#[view(accessor = of_reducers, public)]
pub fn of_reducers(_ctx: &ReducerContext) -> Vec<Row> {
    Vec::new()
}

#[view(accessor = strange_rows, public)]
pub fn strange_rows(_ctx: &AnonymousViewContext) -> Option<Unknown> {
    None
}

#[view(accessor = number_rows, public, primary_key = inner)]
pub fn number_rows(_ctx: &AnonymousViewContext) -> Vec<Nested> {
    Vec::new()
}

#[derive(SpacetimeType)]
pub struct Nested {
    inner: Row,
}

#[handler]
fn shared_handler(_ctx: &HandlerContext, _request: Request) -> Response {
    panic!()
}

#[handler]
fn strange_request(_ctx: &mut HandlerContext, _request: u32) -> Response {
    panic!()
}

#[handler]
fn asks_who(ctx: &mut HandlerContext, _request: Request) -> Response {
    ctx.sender();
    ctx.db.person();
    panic!()
}

#[reducer]
pub fn changes_what_is_read_only(ctx: &ReducerContext) {
    let ctx = ctx.as_read_only();
    ctx.db.person().insert(Person { id: 1, name: String::new(), age: 1, tag: 1 });
    ctx.db.person().delete(Person { id: 1, name: String::new(), age: 1, tag: 1 });
    ctx.db.person().id().delete(1);
    ctx.db.person().age().delete(1u8);
}

#[reducer]
pub fn without_an_index(ctx: &ReducerContext) {
    ctx.db.person().tag().filter(1u32);
    ctx.db.person().age().filter(1);
    ctx.db.person().id().find("one");
    ctx.db.persons().count();
}

#[view(accessor = joins, public)]
pub fn joins(ctx: &ViewContext) -> impl spacetimedb::Query<Person> {
    ctx.from
        .person()
        .left_semijoin(ctx.from.float_key(), |person, other| person.id.eq(other.a))
}

#[view(accessor = joins_without_index, public)]
pub fn joins_without_index(ctx: &ViewContext) -> impl spacetimedb::Query<Person> {
    let persons = ctx.from.person();
    persons.left_semijoin(ctx.from.person(), |person, other| person.tag.eq(other.tag))
}

#[view(accessor = wrong_side, public)]
pub fn wrong_side(ctx: &ViewContext) -> impl spacetimedb::Query<Person> {
    let persons = ctx.from.person();
    persons.right_semijoin(ctx.from.float_key(), |person, other| person.id.eq(other.a))
}

#[view(accessor = compares_identity, public)]
pub fn compares_identity(ctx: &ViewContext) -> impl spacetimedb::Query<Person> {
    ctx.from.person().filter(|person| person.id.eq(ctx.sender()))
}

fn main() {}

//! One of each thing that a module can declare. Nobody calls it: it is there to be described.

use spacetimedb::http::{handler, router, Body, HandlerContext, Request, Response, Router};
use spacetimedb::{
    client_visibility_filter, procedure, reducer, table, view, AnonymousViewContext, Filter,
    ProcedureContext, Query, ReducerContext, ScheduleAt, SpacetimeType, ViewContext,
};

#[derive(SpacetimeType)]
#[sats(name = "Ns.Color")]
pub enum Color {
    Red,
    Green,
    Custom(u32),
}

#[table(
    accessor = person,
    public,
    index(accessor = by_age_name, btree(columns = [age, name])),
    index(accessor = tagged, name = "my_tag_index", hash(columns = [tag]))
)]
pub struct Person {
    #[primary_key]
    #[auto_inc]
    pub id: u32,
    #[unique]
    pub name: String,
    #[index(btree)]
    pub age: u8,
    pub tag: u64,
    #[default(false)]
    pub vip: bool,
}

#[table(accessor = timer, scheduled(tick))]
pub struct Timer {
    #[primary_key]
    #[auto_inc]
    pub scheduled_id: u64,
    pub scheduled_at: ScheduleAt,
}

#[table(accessor = hit, name = "HitEvent", public, event)]
pub struct Hit {
    pub n: u32,
}

#[reducer(init)]
pub fn init(_ctx: &ReducerContext) {}

#[reducer]
pub fn tick(_ctx: &ReducerContext, _arg: Timer) {}

#[reducer(name = "canonicalAdd")]
pub fn add(_ctx: &ReducerContext, _name: String, _c: Color) {}

#[view(accessor = adults, public, primary_key = id)]
pub fn adults(ctx: &AnonymousViewContext) -> Vec<Person> {
    ctx.db.person().age().filter(18u8..).collect()
}

#[view(accessor = q, public)]
pub fn q(ctx: &ViewContext) -> impl Query<Person> {
    ctx.from.person().filter(|person| person.age.gte(18u8))
}

#[procedure]
pub fn p(_ctx: &mut ProcedureContext, a: u32) -> u64 {
    u64::from(a)
}

#[handler]
fn hello(_ctx: &mut HandlerContext, _request: Request) -> Response {
    Response::new(Body::from("hello"))
}

#[router]
fn routes() -> Router {
    Router::new().get("/hello", hello)
}

#[client_visibility_filter]
const EVERYBODY: Filter = Filter::Sql("SELECT * FROM person");

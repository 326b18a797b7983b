//! Mistakes in the shape of reducers, procedures, views, handlers and settings.

use spacetimedb::http::{handler, router, HandlerContext, Request, Response, Router};
use spacetimedb::{
    client_visibility_filter, duration, procedure, reducer, settings, view, CaseConversionPolicy,
    ProcedureContext, ReducerContext, ViewContext,
};
use std::time::Duration;

#[reducer]
pub fn no_context() {}

#[reducer(initt)]
pub fn unknown_word(_ctx: &ReducerContext) {}

#[reducer(init, client_connected)]
pub fn two_kinds(_ctx: &ReducerContext) {}

#[reducer]
pub fn borrows(_ctx: &ReducerContext, _name: &str, _bytes: &[u8]) {}

#[reducer]
pub fn generic<T>(_ctx: &ReducerContext, _value: T) {}

#[reducer]
pub async fn asynchronous(_ctx: &ReducerContext) {}

#[reducer]
pub struct NotAFunction;

#[procedure(init)]
pub fn odd_procedure(_ctx: &mut ProcedureContext) {}

#[view(accessor = not_public)]
pub fn not_public(_ctx: &ViewContext) -> Vec<u32> {
    Vec::new()
}

#[view(public)]
pub fn no_accessor(_ctx: &ViewContext) -> Vec<u32> {
    Vec::new()
}

#[view(accessor = with_arguments, public)]
pub fn with_arguments(_ctx: &ViewContext, _id: u32) -> Vec<u32> {
    Vec::new()
}

#[view(accessor = no_result, public)]
pub fn no_result(_ctx: &ViewContext) {}

#[view(accessor = an_iterator, public)]
pub fn an_iterator(_ctx: &ViewContext) -> impl Iterator<Item = u32> {
    0..3
}

#[handler]
fn one_argument(_ctx: &mut HandlerContext) -> Response {
    panic!()
}

#[handler(post)]
fn handler_arguments(_ctx: &mut HandlerContext, _request: Request) -> Response {
    panic!()
}

#[router]
fn router_arguments(_path: &str) -> Router {
    Router::new()
}

#[settings]
const CASE_POLICY: CaseConversionPolicy = CaseConversionPolicy::None;

#[settings(all)]
const CASE_CONVERSION_POLICY: CaseConversionPolicy = CaseConversionPolicy::None;

#[client_visibility_filter]
fn not_a_constant() {}

const ODD: Duration = duration!("5 parsecs");

#[reducer]
pub fn constant<const N: u8>(_ctx: &ReducerContext) {}

#[reducer]
pub fn with_lifetime<'a>(_ctx: &ReducerContext, _name: &'a str) {}

#[reducer("other")]
pub fn bare_text(_ctx: &ReducerContext) {}

#[reducer(name = other)]
pub fn name_without_quotes(_ctx: &ReducerContext) {}

#[reducer(name = "one", name = "two")]
pub fn two_names(_ctx: &ReducerContext) {}

#[reducer]
const NOT_CALLABLE: u32 = 5;

pub struct Methods;

impl Methods {
    #[reducer]
    pub fn method(&self, _ctx: &ReducerContext) {}
}

#[procedure]
pub fn borrowing_procedure(_ctx: &mut ProcedureContext, _name: &String) {}

#[procedure]
pub fn procedure_without_context() -> u32 {
    5
}

#[view(accessor = public_twice, public, public)]
pub fn public_twice(_ctx: &ViewContext) -> Vec<u32> {
    Vec::new()
}

#[view(accessor = view_name, name = view_name, public)]
pub fn view_name(_ctx: &ViewContext) -> Vec<u32> {
    Vec::new()
}

#[view(accessor = unknown_view_word, public, anonymous)]
pub fn unknown_view_word(_ctx: &ViewContext) -> Vec<u32> {
    Vec::new()
}

#[view(accessor = private_view, private)]
pub fn private_view(_ctx: &ViewContext) -> Vec<u32> {
    Vec::new()
}

#[view(accessor = no_view_context, public)]
pub fn no_view_context() -> Vec<u32> {
    Vec::new()
}

#[view(accessor = context_second, public)]
pub fn context_second(_id: &u32, _ctx: &ViewContext) -> Vec<u32> {
    Vec::new()
}

#[view(accessor = "text_accessor", public)]
pub fn text_accessor(_ctx: &ViewContext) -> Vec<u32> {
    Vec::new()
}

#[view(accessor = odd_key, public, primary_key = 5)]
pub fn odd_key(_ctx: &ViewContext) -> Vec<u32> {
    Vec::new()
}

#[handler]
fn no_arguments() -> Response {
    panic!()
}

#[handler]
fn no_response(_ctx: &mut HandlerContext, _request: Request) {}

#[handler]
fn three_arguments(_ctx: &mut HandlerContext, _request: Request, _id: u32) -> Response {
    panic!()
}

#[router]
fn no_router() {}

#[router]
static ROUTES: Router = Router::new();

#[reducer]
pub fn without_a_name(_ctx: &ReducerContext, _: u32) {}

#[procedure]
pub fn with_a_pattern(_ctx: &mut ProcedureContext, (a, b): (u32, u32)) {}

fn main() {}

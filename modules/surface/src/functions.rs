//! Functions of every form.

use std::error::Error;
use std::fmt;

use spacetimedb::{
    duration, procedure, reducer, settings, view, AnonymousViewContext, CaseConversionPolicy,
    ProcedureContext, Query, RawQuery, ReducerContext, ReducerResult, ViewContext,
};

use crate::tables::{current__query, current__view, keyed__query, third__query, Keyed, Stacked};
use crate::types::{Level, Payloads, Scoped, Tree};

#[settings]
const CASE_CONVERSION_POLICY: CaseConversionPolicy = CaseConversionPolicy::None;

pub const LONG: std::time::Duration = duration!("1h 30m 5s");
pub static SHORT: std::time::Duration = duration!(250ms);
pub const DIGITS: std::time::Duration = duration!(5min);

/// An error of our own.
#[derive(Debug)]
pub struct OwnError;

impl fmt::Display for OwnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("own error")
    }
}

impl Error for OwnError {}

type Context = ReducerContext;
type Outcome = Result<(), OwnError>;

#[reducer]
fn private(_ctx: &ReducerContext) {}

#[reducer]
pub(crate) fn visible_in_crate(_: &Context) -> () {}

#[reducer()]
#[allow(clippy::too_many_arguments)]
pub fn patterns(
    ctx: &ReducerContext,
    mut first: u32,
    _second: u32,
    place: Scoped,
    #[allow(unused)] flag: bool,
    ref by_ref: String,
    whole @ _: u8,
) {
    first += 1;
    log::info!("{first} {place:?} {by_ref} {whole} {}", ctx.timestamp);
}

#[reducer(name = "RenamedReducer")]
pub fn old_name<'a>(_ctx: &'a ReducerContext) -> Result<(), &'static str> {
    Err("no")
}

#[reducer(update)]
pub fn once_a_kind(_ctx: &ReducerContext) {}

#[reducer(init, name = "Begin")]
pub fn initialize(ctx: &spacetimedb::ReducerContext) -> anyhow::Result<()> {
    private(ctx);
    visible_in_crate(ctx);
    anyhow::ensure!(old_name(ctx).is_err(), "it says no");
    Ok(())
}

#[reducer(client_connected)]
pub fn on_connect(_ctx: &ReducerContext) -> Result<(), Box<dyn Error>> {
    Ok(())
}

#[reducer(client_disconnected)]
pub fn on_disconnect(_ctx: &ReducerContext) -> Outcome {
    Err(OwnError)
}

#[reducer]
pub fn library_result(_ctx: &ReducerContext) -> ReducerResult {
    Ok(())
}

/// As many arguments as there may be.
#[reducer]
#[rustfmt::skip]
#[allow(clippy::too_many_arguments)]
pub fn many_arguments(
    _ctx: &ReducerContext,
    _a: u8, _b: u8, _c: u8, _d: u8, _e: u8, _f: u8, _g: u8, _h: u8,
    _i: u8, _j: u8, _k: u8, _l: u8, _m: u8, _n: u8, _o: u8, _p: u8,
    _q: u8, _r: u8, _s: u8, _t: u8, _u: u8, _v: u8, _w: u8, _x: u8,
    _y: u8, _z: u8, _aa: u8, _ab: u8, _ac: u8, _ad: u8, _ae: u8,
) {
}

/// Functions that `macro_rules` makes.
macro_rules! setters {
    ($($function:ident($argument:ident: $ty:ty) { $($body:tt)* })*) => {$(
        #[spacetimedb::reducer]
        pub fn $function(ctx: &$crate::functions::Alias, $argument: $ty) -> Result<(), String> {
            let _ = ctx;
            $($body)*
            Ok(())
        }
    )*};
}

pub type Alias = ReducerContext;

setters! {
    set_number(number: Option<u64>) { log::warn!("{number:?}"); }
    set_level(level: Level) { let _ = level; }
}

#[procedure]
pub fn nothing(_ctx: &mut ProcedureContext) {}

#[procedure(name = "Calculate")]
pub fn compute(ctx: &mut ProcedureContext, n: u32, _tree: Tree) -> Result<Payloads, String> {
    let _ = ctx.sender();
    Ok(Payloads::Value(n))
}

#[procedure]
fn returns_a_list(_ctx: &mut ProcedureContext) -> Vec<Option<Scoped>> {
    Vec::new()
}

#[procedure]
pub fn mutable<'a>(mut ctx: &'a mut ProcedureContext) -> u64 {
    helper(&mut ctx)
}

fn helper(ctx: &mut &mut ProcedureContext) -> u64 {
    ctx.with_tx(|tx| {
        private(tx);
        tx.timestamp.to_micros_since_unix_epoch().unsigned_abs()
    })
}

#[view(public, accessor = rows_view)]
pub fn rows_of(ctx: &ViewContext) -> Vec<Stacked> {
    ctx.db.current().x().filter(0i32..).collect()
}

#[view(accessor = other_accessor, name = "RenamedView", public, primary_key = "id")]
fn one_row(ctx: &AnonymousViewContext) -> Option<Stacked> {
    ctx.db.current().id().find(1)
}

#[view(accessor = queried, public, primary_key = id)]
pub fn queried(ctx: &ViewContext) -> impl Query<Stacked> {
    ctx.from.current().r#where(|row| row.x.gt(5)).build()
}

#[view(accessor = query_in_two_steps, public)]
pub fn query_in_two_steps(ctx: &AnonymousViewContext) -> impl Query<Stacked> {
    let table = ctx.from.third();
    table.filter(|row| row.x.lt(row.y))
}

#[view(accessor = raw_query, public)]
pub fn raw_query(_: &ViewContext) -> RawQuery<Keyed> {
    RawQuery::new("SELECT * FROM keyed".to_owned())
}

#[view(accessor = built_query, public)]
pub fn built_query(ctx: &ViewContext) -> RawQuery<Keyed> {
    ctx.from.keyed().build()
}

#[view(accessor = made_rows, public)]
pub fn made_rows(_ctx: &AnonymousViewContext) -> Vec<Scoped> {
    vec![Scoped { x: 0.0, y: 1.0 }]
}

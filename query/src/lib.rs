//! SQL text to typed plans to rows, and subscriptions maintained from transaction deltas.
//!
//! The way of a statement: [`compile`] lexes, parses, resolves names as the caller sees them and
//! types the text into a [`Statement`]; [`execute_select`] and [`execute_change`] run it against a
//! `Datastore`. The way of a subscription: [`SubscriptionPlan::compile`], then one
//! [`SubscriptionSet`] per database evaluates every distinct query once per transaction.
//!
//! Filters run on the BSATN bytes of columns; no value tree is built per row.
//! Not here: transactions (the caller opens and commits them), sockets.

mod access;
mod aggregate;
mod arithmetic;
mod ast;
mod catalogue;
mod change;
mod column_kind;
mod compile;
mod cost;
mod error;
mod execute;
mod explain;
mod group;
mod lexer;
mod like;
mod literal;
mod meter;
mod number;
mod parser;
mod pipeline;
mod plan;
mod planner;
pub mod planted;
mod predicate;
mod rls;
mod scalar;
mod shape;
mod subscription;
mod typing;
mod view;

pub use access::Access;
pub use arithmetic::EvalError;
pub use catalogue::Caller;
pub use change::{ChangeStats, execute_change};
pub use compile::{Statement, compile};
pub use error::{ExecuteError, Place, SqlError};
pub use execute::{Profile, RowBuffer, RowSink, execute_metered, execute_profiled, execute_select};
pub use explain::{ExplainPlan, execute_explain, explain};
pub use lexer::SQL_BYTES_MAX;
pub use meter::{Meter, ROWS_BETWEEN_CHECKS};
pub use plan::{ChangePlan, Plan, SelectPlan};
pub use rls::check_rule;
pub use subscription::{
    Evaluation, QueryFailure, QueryHash, QueryId, QueryStats, QueryUpdate, SubscriptionPlan,
    SubscriptionSet,
};
pub use view::view_instance;

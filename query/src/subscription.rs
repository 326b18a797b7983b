//! Subscriptions: queries whose results are kept current by deltas.
//!
//! [`SubscriptionPlan`] is one compiled query, [`SubscriptionSet`] all queries of a database with
//! their subscribers. A query is evaluated once per transaction however many subscribers share it,
//! and only when a changed row can concern it: queries are filed by the values that they demand of
//! rows (`filing`, `prune`), and those that a row finds are maintained by deltas (`maintain`).
//! Queries that differ in constants only share one compiled shape (`shape`). The first rows of an
//! order are kept by a window over them (`top`).
//!
//! Not here: query sets and their ids, encodings for the wire, confirmed reads.

mod evaluate;
mod filing;
mod interval;
mod join;
mod maintain;
mod members;
mod plan;
mod prune;
mod set;
mod shape;
mod top;

pub use plan::{QueryHash, SubscriptionPlan};
pub use set::{Evaluation, QueryFailure, QueryId, QueryStats, QueryUpdate, SubscriptionSet};

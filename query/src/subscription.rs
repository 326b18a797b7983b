//! Subscriptions: queries whose results are kept current by deltas.
//!
//! [`SubscriptionPlan`] is one compiled query, [`SubscriptionSet`] all queries of a database with
//! their subscribers. A query is evaluated once per transaction however many subscribers share it,
//! and only when a changed row can concern it.
//!
//! Not here: query sets and their ids, encodings for the wire, confirmed reads.

mod maintain;
mod plan;
mod prune;
mod set;

pub use plan::{QueryHash, SubscriptionPlan};
pub use set::{Evaluation, QueryFailure, QueryId, QueryUpdate, SubscriptionSet};

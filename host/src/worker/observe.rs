//! What the writer thread counts, and what it tells of itself when asked.

use std::time::Instant;

use spacetime_query::Evaluation;

use super::Worker;
use super::queries::Subscriber;
use crate::counters::{Gauges, QueryGauge, add};

impl Worker {
    /// Counts what a transaction did to the queries.
    pub(super) fn count_evaluation(&self, evaluation: &Evaluation<Subscriber>, started: Instant) {
        let counters = &self.shared.counters;
        let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let (mut rows, mut row_bytes) = (0, 0);
        for update in &evaluation.updates {
            rows += (update.inserts.len() + update.deletes.len()) as u64;
            row_bytes += (update.inserts.bytes().len() + update.deletes.bytes().len()) as u64;
        }
        add(&counters.evaluations, 1);
        add(&counters.evaluation_nanos, nanos);
        add(&counters.changed_queries, evaluation.updates.len() as u64);
        add(&counters.rows, rows);
        add(&counters.row_bytes, row_bytes);
    }

    /// What is true now. So many of the queries that told most rows are named.
    pub(super) fn gauges(&self, busiest: usize) -> Gauges {
        let mut gauges = Gauges {
            clients: self.clients.len(),
            queries: self.subscriptions.len(),
            module_memory_bytes: self.shared.quota.memory_bytes(),
            ..Gauges::default()
        };
        for client in self.clients.values() {
            let (messages, bytes) = client.outbox.waiting();
            gauges.query_sets += client.subscriptions.len();
            gauges.outbox_messages += messages;
            gauges.outbox_bytes += bytes;
            gauges.outbox_bytes_max = gauges.outbox_bytes_max.max(bytes);
        }
        if busiest == 0 {
            return gauges;
        }
        let mut queries: Vec<_> = self.subscriptions.queries().collect();
        queries.sort_unstable_by_key(|(query, .., stats)| (std::cmp::Reverse(stats.rows), *query));
        let named = queries.into_iter().take(busiest);
        gauges.busiest = named
            .map(|(_, plan, subscribers, stats)| QueryGauge {
                sql: plan.sql().into(),
                subscribers,
                stats,
            })
            .collect();
        gauges
    }
}

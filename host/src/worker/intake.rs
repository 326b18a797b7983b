//! The order in which waiting requests are taken: fair between those who ask.
//!
//! While everything that waits fits into one batch it is taken in the order in which it came.
//! Beyond that every client has a lane, and the lanes take turns: whoever asks for much waits for
//! its own requests, not others for them.
//!
//! Invariants
//!   * Requests of one lane are taken in the order in which they came.
//!   * A stop is taken last.
//!
//! How much may wait is bounded by those who ask: a connection is not read while too many of its
//! requests are unanswered, and an HTTP request waits for its answer.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use spacetime_types::Identity;

use crate::request::{ClientId, Request};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Lane {
    Client(ClientId),
    /// Over HTTP.
    Caller(Identity),
    /// Whoever connects, and the server itself.
    Server,
}

fn lane_of(request: &Request) -> Lane {
    match request {
        Request::Disconnect { client }
        | Request::CallReducer { client, .. }
        | Request::CallProcedure { client, .. }
        | Request::Subscribe { client, .. }
        | Request::Unsubscribe { client, .. }
        | Request::FirstRowsFailed { client, .. }
        | Request::OneOff { client, .. } => Lane::Client(*client),
        Request::CallOnce { caller, .. } | Request::Sql { caller, .. } => {
            Lane::Caller(caller.identity)
        }
        _ => Lane::Server,
    }
}

/// Requests that wait.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// In the order in which they came; all of them go before the lanes.
    fresh: VecDeque<Request>,
    lanes: FxHashMap<Lane, VecDeque<Request>>,
    /// Lanes that hold something, the next one first.
    turns: VecDeque<Lane>,
    stop: Option<Request>,
}

impl Intake {
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.turns.is_empty() && self.stop.is_none()
    }

    /// Whether nothing that comes now will be taken any more.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_some()
    }

    /// Adds requests that all fit into the next batch.
    pub(super) fn add(&mut self, requests: impl Iterator<Item = Request>) {
        assert!(self.turns.is_empty(), "lanes hold older requests");
        for request in requests {
            match request {
                Request::Stop { .. } => self.stop = Some(request),
                _ if self.stop.is_some() => drop(request),
                request => self.fresh.push_back(request),
            }
        }
    }

    /// Adds a request behind others: from now on the lanes take turns.
    pub(super) fn queue(&mut self, request: Request) {
        for older in std::mem::take(&mut self.fresh) {
            self.put(older);
        }
        match request {
            Request::Stop { .. } => self.stop = Some(request),
            request => self.put(request),
        }
    }

    fn put(&mut self, request: Request) {
        let lane = lane_of(&request);
        let waiting = self.lanes.entry(lane).or_default();
        if waiting.is_empty() {
            self.turns.push_back(lane);
        }
        waiting.push_back(request);
    }

    /// The next request.
    pub(super) fn next(&mut self) -> Option<Request> {
        if let Some(request) = self.fresh.pop_front() {
            return Some(request);
        }
        let Some(lane) = self.turns.pop_front() else {
            return self.stop.take();
        };
        let waiting = self.lanes.get_mut(&lane)?;
        let request = waiting.pop_front();
        if waiting.is_empty() {
            self.lanes.remove(&lane);
        } else {
            self.turns.push_back(lane);
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn request(client: u64, number: u8) -> Request {
        Request::OneOff {
            client: ClientId(client),
            message_id: Bytes::from(vec![number]),
            query: "q".into(),
        }
    }

    fn stop() -> Request {
        Request::Stop {
            reason: "over".into(),
            reply: None,
        }
    }

    fn taken(intake: &mut Intake) -> Vec<(u64, u8)> {
        std::iter::from_fn(|| intake.next())
            .map(|request| match request {
                Request::OneOff {
                    client, message_id, ..
                } => (client.0, message_id[0]),
                Request::Stop { .. } => (0, 0),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_single_batch_keeps_its_order() {
        let mut intake = Intake::default();
        intake.add([request(1, 1), request(1, 2), request(2, 3), request(1, 4)].into_iter());
        assert_eq!(taken(&mut intake), [(1, 1), (1, 2), (2, 3), (1, 4)]);
        assert!(intake.is_empty());
    }

    #[test]
    fn lanes_take_turns_and_each_keeps_its_order() {
        let mut intake = Intake::default();
        intake.add((0..5).map(|number| request(1, number)));
        assert_eq!(
            intake.next().map(|it| lane_of(&it)),
            Some(Lane::Client(ClientId(1)))
        );
        for number in 5..8 {
            intake.queue(request(1, number));
        }
        intake.queue(request(2, 100));
        intake.queue(request(2, 101));
        intake.queue(request(3, 200));
        assert_eq!(
            taken(&mut intake),
            [
                (1, 1),
                (2, 100),
                (3, 200),
                (1, 2),
                (2, 101),
                (1, 3),
                (1, 4),
                (1, 5),
                (1, 6),
                (1, 7)
            ]
        );
        assert!(intake.is_empty() && intake.lanes.is_empty());
    }

    #[test]
    fn a_stop_comes_last() {
        let mut intake = Intake::default();
        intake.add([request(1, 1), stop(), request(1, 9)].into_iter());
        assert!(intake.is_stopping());
        intake.queue(request(2, 2));
        assert_eq!(taken(&mut intake), [(1, 1), (2, 2), (0, 0)]);
    }
}

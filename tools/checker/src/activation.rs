//! How often each thing that the checker exists for came about.
//!
//! A run that does nothing finds nothing. So every kind has a floor, in occurrences per 100 seeds,
//! and a run in which one stays below it fails.

use std::collections::BTreeMap;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Message,
    /// A message that told of rows.
    Update,
    RowInserted,
    RowDeleted,
    EventRow,
    /// One change of a join that held a row more than once.
    RepeatedRow,
    Commit,
    Rollback,
    Trap,
    NothingChanged,
    ClientCall,
    QuietCall,
    OutsideCall,
    SqlInsert,
    SqlUpdate,
    SqlDelete,
    SqlRefused,
    Subscribe,
    SubscribeAll,
    SubscribeRefused,
    SubscribeTwice,
    SharedSubscription,
    Join,
    SelfJoin,
    /// Of three tables.
    LongJoin,
    /// The first rows of an order.
    Top,
    Sender,
    ManyFirstRows,
    Unsubscribe,
    UnsubscribeUnknown,
    DroppedRows,
    OneOff,
    OneOffRefused,
    Connect,
    Disconnect,
    SlowClient,
    CutOff,
    Batch,
    HiddenChange,
}

impl Kind {
    /// All kinds, with the least number of times that each must occur in 100 seeds.
    pub const FLOORS: [(Kind, u64); 39] = [
        (Kind::Message, 40_000),
        (Kind::Update, 30_000),
        (Kind::RowInserted, 60_000),
        (Kind::RowDeleted, 60_000),
        (Kind::EventRow, 1_000),
        (Kind::RepeatedRow, 1_000),
        (Kind::Commit, 10_000),
        (Kind::Rollback, 500),
        (Kind::Trap, 50),
        (Kind::NothingChanged, 200),
        (Kind::ClientCall, 5_000),
        (Kind::QuietCall, 100),
        (Kind::OutsideCall, 500),
        (Kind::SqlInsert, 300),
        (Kind::SqlUpdate, 300),
        (Kind::SqlDelete, 200),
        (Kind::SqlRefused, 20),
        (Kind::Subscribe, 2_000),
        (Kind::SubscribeAll, 100),
        (Kind::SubscribeRefused, 200),
        (Kind::SubscribeTwice, 50),
        (Kind::SharedSubscription, 100),
        (Kind::Join, 1_000),
        (Kind::SelfJoin, 50),
        (Kind::LongJoin, 200),
        (Kind::Top, 200),
        (Kind::Sender, 200),
        (Kind::ManyFirstRows, 50),
        (Kind::Unsubscribe, 300),
        (Kind::UnsubscribeUnknown, 50),
        (Kind::DroppedRows, 300),
        (Kind::OneOff, 500),
        (Kind::OneOffRefused, 50),
        (Kind::Connect, 1_500),
        (Kind::Disconnect, 200),
        (Kind::SlowClient, 500),
        (Kind::CutOff, 5),
        (Kind::Batch, 3_000),
        (Kind::HiddenChange, 0),
    ];
}

/// Numbers of occurrences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activations(BTreeMap<Kind, u64>);

impl Activations {
    pub fn count(&mut self, kind: Kind) {
        self.add(kind, 1);
    }

    pub fn add(&mut self, kind: Kind, times: usize) {
        *self.0.entry(kind).or_default() += u64::try_from(times).unwrap_or(u64::MAX);
    }

    pub fn add_all(&mut self, more: &Activations) {
        for (kind, times) in &more.0 {
            *self.0.entry(*kind).or_default() += times;
        }
    }

    #[must_use]
    pub fn of(&self, kind: Kind) -> u64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    /// The kinds that occurred less often in `seeds` seeds than they must: kind, times, floor.
    #[must_use]
    pub fn below_floor(&self, seeds: u64) -> Vec<(Kind, u64, u64)> {
        let floors = Kind::FLOORS.iter();
        let floors = floors.map(|(kind, floor)| (*kind, self.of(*kind), floor * seeds / 100));
        floors.filter(|(_, times, floor)| times < floor).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_once() {
        let listed: Vec<Kind> = Kind::FLOORS.iter().map(|(kind, _)| *kind).collect();
        assert!(listed.is_sorted_by(|left, right| left < right));
        assert_eq!(Kind::HiddenChange as usize + 1, listed.len());
    }
}

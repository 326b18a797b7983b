//! Messages to clients, in a form that does not depend on how they came, and those that must come.

use std::sync::Arc;

use spacetime_host::QuerySetId;

use crate::evaluate::Bag;
use crate::state::RowBytes;

/// Rows by table, as a message lists them.
pub type ListedRows = Vec<(Box<str>, Vec<Box<[u8]>>)>;

/// One query's part of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedChange {
    /// `None` where the protocol does not say it.
    pub set: Option<QuerySetId>,
    pub table: Box<str>,
    pub is_event: bool,
    pub inserts: Vec<Box<[u8]>>,
    pub deletes: Vec<Box<[u8]>>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    Committed,
    /// The reducer's own error.
    Failed(Box<str>),
    /// Anything else.
    Broken(Box<str>),
}

/// A message that a client got, without times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Applied {
        request: u32,
        set: QuerySetId,
        rows: ListedRows,
    },
    Ended {
        request: u32,
        set: QuerySetId,
        rows: Option<ListedRows>,
    },
    Refused {
        request: Option<u32>,
        set: Option<QuerySetId>,
        error: Box<str>,
    },
    Update(Vec<ListedChange>),
    Result {
        request: u32,
        end: CallEnd,
        changes: Vec<ListedChange>,
    },
    OneOff {
        id: Box<[u8]>,
        result: Result<ListedRows, Box<str>>,
    },
    Closed(Box<str>),
}

/// What a transaction changed in a query's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    pub table: usize,
    pub is_event: bool,
    /// Sorted.
    pub inserts: Vec<RowBytes>,
    pub deletes: Vec<RowBytes>,
}

/// The results of queries, by table.
pub type Results = Vec<(usize, Arc<Bag>)>;

/// Where a client keeps rows: v2 clients for each set apart, v1 clients all together but for the
/// legacy set.
pub type CacheKey = Option<QuerySetId>;

/// Where the rows of a set are kept.
#[must_use]
pub fn cache_key(set: QuerySetId) -> CacheKey {
    match set {
        QuerySetId::Single(_) | QuerySetId::Multi(_) => None,
        other => Some(other),
    }
}

/// The message that must come next.
#[derive(Clone, Debug)]
pub enum Expected {
    Applied {
        request: u32,
        set: QuerySetId,
        rows: Results,
    },
    Ended {
        request: u32,
        set: QuerySetId,
        rows: Option<Results>,
    },
    Refused {
        request: u32,
        set: QuerySetId,
        /// In the error.
        part: Option<&'static str>,
    },
    Update(Vec<(CacheKey, Arc<Delta>)>),
    Result {
        request: u32,
        end: CallEnd,
        changes: Vec<(CacheKey, Arc<Delta>)>,
    },
    OneOff {
        id: Box<[u8]>,
        /// `None` if it must be refused.
        rows: Option<(usize, Arc<Bag>)>,
    },
}

/// The message that must come next, and what the client must hold after it.
#[derive(Clone, Debug)]
pub struct Next {
    pub expected: Expected,
    /// The transactions before it.
    pub offset: u64,
    /// Only what the message touches.
    pub then: Vec<(CacheKey, Results)>,
}

impl Received {
    /// Adds the message to a hash, with its rows in the order in which they came. Only the queries
    /// of one table in one set have no order.
    pub fn digest(&self, hasher: &mut blake3::Hasher) {
        let mut ordered = self.clone();
        if let Received::Update(changes) | Received::Result { changes, .. } = &mut ordered {
            changes.sort();
        }
        hasher.update(format!("{ordered:?}").as_bytes());
    }

    /// Whether it tells of rows that came or went.
    #[must_use]
    pub fn is_update(&self) -> bool {
        match self {
            Received::Update(changes) | Received::Result { changes, .. } => !changes.is_empty(),
            _ => false,
        }
    }
}

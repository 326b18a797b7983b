//! What a database says to one connected client, in core terms: no wire protocol here.
//!
//! Here are the messages; the queue is in `queue`, the way into it in `courier`, answers that are
//! still being worked on in `pending`, and what becomes of a set whose first rows could not be read
//! in `gate`.
//!
//! Not here: encoding (the API does it, once per change and protocol), and holding messages back
//! until they are durable (see `release`).

mod courier;
mod gate;
mod pending;
mod queue;
mod update;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use spacetime_query::SubscriptionPlan;
use spacetime_table::RowList;
use spacetime_types::{ConnectionId, Identity, ProductType, TableId, Timestamp};

pub(crate) use self::courier::Courier;
pub(crate) use self::pending::{About, AnswerSlot, SetSerial};
pub(crate) use self::queue::Outgoing;
pub use self::queue::{Outbox, OutboxLimits, OutboxReceiver, outbox};
pub use self::update::{ClientUpdate, FrameCache};

/// A client's own name for one of its query sets. The kinds are separate number spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuerySetId {
    /// v2 and v3: a set of queries; rows are sent in full.
    Set(u32),
    /// v1: the one set that a legacy `Subscribe` replaces as a whole.
    Legacy,
    /// v1: one query.
    Single(u32),
    /// v1: several queries; only queries new to the client send rows.
    Multi(u32),
}

impl std::fmt::Display for QuerySetId {
    /// As clients read it in error texts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            QuerySetId::Set(id) => write!(f, "QuerySetId {{ id: {id} }}"),
            QuerySetId::Single(id) | QuerySetId::Multi(id) => write!(f, "QueryId {{ id: {id} }}"),
            QuerySetId::Legacy => f.write_str("the legacy subscription"),
        }
    }
}

/// The client's number for a request; echoed, never interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub u32);

/// Rows of one query that came and went with one transaction, or a query's rows at one state
/// (then `deletes` is empty). Shared by every client that asked the same.
#[derive(Debug)]
pub struct TableChange {
    pub table_id: TableId,
    pub table_name: Arc<str>,
    pub is_event: bool,
    pub row_type: RowType,
    pub inserts: RowList,
    pub deletes: RowList,
    /// Wire forms, filled in by the API.
    pub encoded: EncodedOnce,
}

impl TableChange {
    /// Rows without a wire form yet.
    #[must_use]
    pub fn new(
        table_id: TableId,
        table_name: Arc<str>,
        is_event: bool,
        row_type: RowType,
        inserts: RowList,
        deletes: RowList,
    ) -> Self {
        let encoded = EncodedOnce::default();
        TableChange {
            table_id,
            table_name,
            is_event,
            row_type,
            inserts,
            deletes,
            encoded,
        }
    }
}

/// What the rows of a change consist of.
#[derive(Clone, Debug)]
pub enum RowType {
    /// What this query returns.
    Query(Arc<SubscriptionPlan>),
    Columns(Arc<ProductType>),
}

impl RowType {
    /// The columns that clients see.
    #[must_use]
    pub fn columns(&self) -> &ProductType {
        match self {
            RowType::Query(plan) => plan.select().result_type(),
            RowType::Columns(columns) => columns,
        }
    }
}

/// Wire forms of one value, each made by whichever connection needs it first and then shared. The
/// host never looks inside; what a slot means is the API's business.
#[derive(Debug, Default)]
pub struct EncodedOnce {
    slots: [OnceLock<Bytes>; Self::SLOTS],
}

impl EncodedOnce {
    /// Different wire forms of one value.
    pub const SLOTS: usize = 4;

    /// The form in `slot`, made by `encode` if nobody has yet.
    pub fn get_or_init(&self, slot: usize, encode: impl FnOnce() -> Bytes) -> Bytes {
        assert!(
            slot < Self::SLOTS,
            "no slot {slot}: there are {}",
            Self::SLOTS
        );
        self.slots[slot].get_or_init(encode).clone()
    }
}

/// How a reducer call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReducerOutcome {
    Committed,
    /// The reducer returned an error: its message.
    Failed(Box<str>),
    /// The call could not be made: no such reducer, bad arguments, not allowed.
    Refused(Box<str>),
    /// The module trapped, ran out of its time, or its memory.
    Fatal(Box<str>),
    /// The time or execution budget was used up.
    OutOfBudget,
}

/// Who called which reducer: v1 clients are told.
#[derive(Clone, Debug)]
pub struct CallInfo {
    pub reducer_name: Arc<str>,
    pub reducer_id: u32,
    pub args: Bytes,
    /// The arguments as a JSON array, for clients that speak JSON.
    pub args_json: Option<Box<str>>,
    pub request_id: RequestId,
    pub caller: Identity,
    pub connection_id: ConnectionId,
    pub timestamp: Timestamp,
    pub duration_micros: u64,
}

/// What a procedure returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcedureValue {
    pub bsatn: Bytes,
    /// The same as a text, for clients that speak JSON.
    pub json: Option<Box<str>>,
}

/// Why a procedure returned nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcedureFault {
    pub text: Box<str>,
    /// It computed for longer than it may.
    pub out_of_budget: bool,
}

/// One message to a client.
#[derive(Debug)]
pub enum OutboxMessage {
    SubscribeApplied {
        request_id: RequestId,
        query_set: QuerySetId,
        rows: Vec<Arc<TableChange>>,
        duration_micros: u64,
    },
    /// `rows` is `None` if the client did not ask for the dropped rows. They are in `inserts`.
    UnsubscribeApplied {
        request_id: RequestId,
        query_set: QuerySetId,
        rows: Option<Vec<Arc<TableChange>>>,
        duration_micros: u64,
    },
    SubscriptionError {
        request_id: Option<RequestId>,
        query_set: Option<QuerySetId>,
        error: Box<str>,
        duration_micros: u64,
    },
    /// Another client's (or nobody's) transaction.
    TransactionUpdate { update: Arc<ClientUpdate> },
    /// The client's own call; its update is in here and nowhere else.
    ReducerResult {
        call: Box<CallInfo>,
        outcome: ReducerOutcome,
        update: Arc<ClientUpdate>,
    },
    ProcedureResult {
        request_id: RequestId,
        result: Result<ProcedureValue, ProcedureFault>,
        timestamp: Timestamp,
        duration_micros: u64,
    },
    OneOffResult {
        /// v2: the request id as four little-endian bytes; v1: the client's message id.
        message_id: Bytes,
        result: Result<Arc<TableChange>, Box<str>>,
        duration_micros: u64,
    },
    /// The last message: the database is gone or the module changed too much for this client.
    Closed { reason: Box<str> },
}

/// What a message weighs beside its rows.
const MESSAGE_WEIGHT: usize = 256;

impl OutboxMessage {
    /// A rough size for the byte bound of the queue.
    fn weight(&self) -> usize {
        let change = |c: &Arc<TableChange>| c.inserts.bytes().len() + c.deletes.bytes().len();
        MESSAGE_WEIGHT
            + match self {
                OutboxMessage::SubscribeApplied { rows, .. } => rows.iter().map(change).sum(),
                OutboxMessage::UnsubscribeApplied { rows, .. } => {
                    rows.iter().flatten().map(change).sum()
                }
                OutboxMessage::TransactionUpdate { update }
                | OutboxMessage::ReducerResult { update, .. } => update.row_bytes(),
                OutboxMessage::ProcedureResult {
                    result: Ok(value), ..
                } => value.bsatn.len() + value.json.as_deref().map_or(0, str::len),
                OutboxMessage::OneOffResult {
                    result: Ok(rows), ..
                } => change(rows),
                _ => 0,
            }
    }
}

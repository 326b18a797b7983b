//! The values that the specification's examples are made of, for the tests.

use std::sync::Arc;

use bytes::Bytes;
use spacetime_host::{CallInfo, RequestId, RowType, TableChange};
use spacetime_table::RowList;
use spacetime_types::{
    AlgebraicType, ConnectionId, Identity, ProductType, ProductTypeElement, TableId, Timestamp,
};

use super::greeting::Greeting;
use super::test_bytes::unhex;

pub(crate) const IDENTITY_LE: &str =
    "5d262a478b8f95220f3068040c203e32ac0eedc698d84435e9a25303603500c2";
pub(crate) const CONNECTION_LE: &str = "0f0e0d0c0b0a09080706050403020100";
pub(crate) const TIMESTAMP: &str = "40222018240a0600";
pub(crate) const DURATION: &str = "dc05000000000000";
pub(crate) const DURATION_MICROS: u64 = 1500;

pub(crate) fn identity() -> Identity {
    Identity::from_claims("localhost", "alice")
}

pub(crate) fn connection_id() -> ConnectionId {
    ConnectionId::from_hex("000102030405060708090a0b0c0d0e0f").expect("a connection id")
}

pub(crate) fn greeting() -> Greeting {
    Greeting {
        identity: identity(),
        connection_id: connection_id(),
        token: "tok".into(),
    }
}

pub(crate) fn timestamp() -> Timestamp {
    Timestamp::from_micros(1_700_000_000_123_456)
}

pub(crate) fn call(request_id: u32) -> Box<CallInfo> {
    Box::new(CallInfo {
        reducer_name: "add".into(),
        reducer_id: 3,
        args: unhex("03000000626f621e"),
        args_json: None,
        request_id: RequestId(request_id),
        caller: identity(),
        connection_id: connection_id(),
        timestamp: timestamp(),
        duration_micros: DURATION_MICROS,
    })
}

fn change(name: &str, is_event: bool, inserts: RowList) -> Arc<TableChange> {
    let deletes = RowList::default();
    let column = ProductTypeElement {
        name: Some("id".into()),
        algebraic_type: AlgebraicType::U32,
    };
    let elements = vec![column];
    Arc::new(TableChange::new(
        TableId(4096),
        name.into(),
        is_event,
        RowType::Columns(Arc::new(ProductType { elements })),
        inserts,
        deletes,
    ))
}

/// Table `t`: the rows 1 and 2 of one `u32`.
pub(crate) fn numbers(name: &str, is_event: bool) -> Arc<TableChange> {
    let rows = Bytes::from_static(&[1, 0, 0, 0, 2, 0, 0, 0]);
    change(name, is_event, RowList::from_fixed(rows, 4, 2))
}

/// A table with any rows.
pub(crate) fn rows(name: &str, rows: &[[u8; 40]]) -> Arc<TableChange> {
    let rows = rows.iter().map(|row| &row[..]);
    change(name, false, RowList::from_rows(rows))
}

/// Table `user`: the rows (1, "a") and (2, "bcd").
pub(crate) fn users() -> Arc<TableChange> {
    let rows = [unhex("010000000100000061"), unhex("0200000003000000626364")];
    change(
        "user",
        false,
        RowList::from_rows(rows.iter().map(|row| &row[..])),
    )
}

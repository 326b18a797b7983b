use spacetime_host::{ProcedureFault, ProcedureValue, RequestId};

use super::*;
use crate::ws::sample::{
    CONNECTION_LE, DURATION, DURATION_MICROS, IDENTITY_LE, TIMESTAMP, call, greeting, numbers,
    timestamp,
};
use crate::ws::test_bytes::{hex, unhex};

/// TableUpdate of table 4096 `t` with two rows in one query update, up to the rows.
const TABLE: &str = "00100000010000007402000000000000000100000000";
const NONE: &str = "010000000000000000";
const ROWS: &str = "000400080000000100000002000000";

fn check(message: &OutboxMessage, expect: &str) {
    let mut out = Vec::new();
    write_message(&mut out, message, &greeting());
    assert_eq!(hex(&out), expect, "{message:?}");
}

fn applied(query_set: QuerySetId) -> OutboxMessage {
    OutboxMessage::SubscribeApplied {
        request_id: RequestId(1),
        query_set,
        rows: vec![numbers("t", false)],
        duration_micros: DURATION_MICROS,
    }
}

fn ended(query_set: QuerySetId) -> OutboxMessage {
    OutboxMessage::UnsubscribeApplied {
        request_id: RequestId(2),
        query_set,
        rows: Some(vec![numbers("t", false)]),
        duration_micros: DURATION_MICROS,
    }
}

fn told(update: Vec<(QuerySetId, Arc<TableChange>)>) -> OutboxMessage {
    let update = Arc::new(update.into());
    OutboxMessage::TransactionUpdate { update }
}

#[test]
fn identity_token() {
    let mut out = Vec::new();
    write_identity_token(&mut out, &greeting());
    assert_eq!(
        hex(&out),
        format!("03{IDENTITY_LE}03000000746f6b{CONNECTION_LE}")
    );
}

#[test]
fn subscription_answers() {
    check(
        &applied(QuerySetId::Legacy),
        &format!("0001000000{TABLE}{NONE}{ROWS}01000000{DURATION}"),
    );
    check(
        &applied(QuerySetId::Single(7)),
        &format!("0501000000{DURATION}07000000001000000100000074{TABLE}{NONE}{ROWS}"),
    );
    check(
        &applied(QuerySetId::Multi(7)),
        &format!("0801000000{DURATION}0700000001000000{TABLE}{NONE}{ROWS}"),
    );
}

#[test]
fn dropped_rows_are_deletes() {
    check(
        &ended(QuerySetId::Single(7)),
        &format!("0602000000{DURATION}07000000001000000100000074{TABLE}{ROWS}{NONE}"),
    );
    check(
        &ended(QuerySetId::Multi(7)),
        &format!("0902000000{DURATION}0700000001000000{TABLE}{ROWS}{NONE}"),
    );
}

#[test]
fn subscription_errors() {
    let failed = |request_id, query_set| OutboxMessage::SubscriptionError {
        request_id,
        query_set,
        error: "bad".into(),
        duration_micros: DURATION_MICROS,
    };
    check(
        &failed(Some(RequestId(1)), Some(QuerySetId::Single(7))),
        &format!("07{DURATION}000100000000070000000103000000626164"),
    );
    check(
        &failed(None, None),
        &format!("07{DURATION}01010103000000626164"),
    );
}

#[test]
fn updates_of_others_are_light() {
    let update = vec![(QuerySetId::Multi(1), numbers("t", false))];
    check(
        &told(update),
        &format!("020000000001000000{TABLE}{NONE}{ROWS}"),
    );
}

#[test]
fn a_query_in_two_sets_is_told_once() {
    let change = numbers("t", false);
    let update = vec![
        (QuerySetId::Single(1), Arc::clone(&change)),
        (QuerySetId::Multi(2), change),
    ];
    check(
        &told(update),
        &format!("020000000001000000{TABLE}{NONE}{ROWS}"),
    );
}

#[test]
fn reducer_results() {
    let tail = format!(
        "{TIMESTAMP}{IDENTITY_LE}{CONNECTION_LE}03000000616464030000000800000003000000626f621e\
         0400000000000000000000000000000000000000{DURATION}"
    );
    let result = |outcome, update: Vec<_>| OutboxMessage::ReducerResult {
        call: call(4),
        outcome,
        update: Arc::new(update.into()),
    };
    let update = vec![(QuerySetId::Multi(1), numbers("t", false))];
    check(
        &result(ReducerOutcome::Committed, update),
        &format!("010001000000{TABLE}{NONE}{ROWS}{tail}"),
    );
    check(
        &result(ReducerOutcome::Failed("no".into()), vec![]),
        &format!("0101020000006e6f{tail}"),
    );
    check(
        &result(ReducerOutcome::OutOfBudget, vec![]),
        &format!("0102{tail}"),
    );
}

#[test]
fn a_call_that_could_not_be_made_has_no_arguments_and_no_request_number() {
    let outcome = ReducerOutcome::Refused("no".into());
    check(
        &OutboxMessage::ReducerResult {
            call: call(4),
            outcome,
            update: Arc::default(),
        },
        &format!(
            "0101020000006e6f{TIMESTAMP}{IDENTITY_LE}{CONNECTION_LE}03000000616464\
             03000000000000000000000000000000000000000000000000000000{DURATION}"
        ),
    );
}

#[test]
fn one_off_results() {
    let answer = |result| OutboxMessage::OneOffResult {
        message_id: unhex("0102"),
        result,
        duration_micros: DURATION_MICROS,
    };
    check(
        &answer(Ok(numbers("t", false))),
        &format!("0402000000010201010000000100000074{ROWS}{DURATION}"),
    );
    check(
        &answer(Err("bad".into())),
        &format!("04020000000102000300000062616400000000{DURATION}"),
    );
}

fn fault(out_of_budget: bool) -> ProcedureFault {
    ProcedureFault {
        text: "x".into(),
        out_of_budget,
    }
}

#[test]
fn procedure_results() {
    let answer = |result| OutboxMessage::ProcedureResult {
        request_id: RequestId(5),
        result,
        timestamp: timestamp(),
        duration_micros: DURATION_MICROS,
    };
    check(
        &answer(Ok(ProcedureValue {
            bsatn: unhex("09000000"),
            json: None,
        })),
        &format!("0a000400000009000000{TIMESTAMP}{DURATION}05000000"),
    );
    check(
        &answer(Err(fault(false))),
        &format!("0a020100000078{TIMESTAMP}{DURATION}05000000"),
    );
    check(
        &answer(Err(fault(true))),
        &format!("0a01{TIMESTAMP}{DURATION}05000000"),
    );
}

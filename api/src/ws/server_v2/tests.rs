use spacetime_host::{ProcedureFault, ProcedureValue, RequestId};

use super::*;
use crate::ws::sample::{
    CONNECTION_LE, DURATION, DURATION_MICROS, IDENTITY_LE, TIMESTAMP, call, greeting, numbers,
    timestamp, users,
};
use crate::ws::test_bytes::{hex, unhex};

const USERS: &str = "010000000400000075736572010200000000000000000000000900000000000000\
                     140000000100000001000000610200000003000000626364";
const NUMBERS: &str = "01000000070000000100000001000000740100000000000400080000000100000002000000\
                       010000000000000000";

fn check(message: &OutboxMessage, expect: &str) {
    let mut out = Vec::new();
    write_message(&mut out, message);
    assert_eq!(hex(&out), expect, "{message:?}");
}

type Changes = Vec<(QuerySetId, Arc<TableChange>)>;

fn update() -> Changes {
    vec![(QuerySetId::Set(7), numbers("t", false))]
}

fn told(update: Changes) -> OutboxMessage {
    let update = Arc::new(update.into());
    OutboxMessage::TransactionUpdate { update }
}

fn result(outcome: ReducerOutcome, update: Changes) -> OutboxMessage {
    OutboxMessage::ReducerResult {
        call: call(4),
        outcome,
        update: Arc::new(update.into()),
    }
}

#[test]
fn initial_connection() {
    let mut out = Vec::new();
    write_initial_connection(&mut out, &greeting());
    assert_eq!(
        hex(&out),
        format!("00{IDENTITY_LE}{CONNECTION_LE}03000000746f6b")
    );
}

#[test]
fn subscription_answers() {
    let applied = |rows| OutboxMessage::SubscribeApplied {
        request_id: RequestId(1),
        query_set: QuerySetId::Set(7),
        rows,
        duration_micros: 0,
    };
    check(
        &applied(vec![users()]),
        &format!("010100000007000000{USERS}"),
    );
    check(&applied(vec![]), "01010000000700000000000000");
    let ended = |rows| OutboxMessage::UnsubscribeApplied {
        request_id: RequestId(2),
        query_set: QuerySetId::Set(7),
        rows,
        duration_micros: 0,
    };
    check(&ended(None), "02020000000700000001");
    check(
        &ended(Some(vec![users()])),
        &format!("02020000000700000000{USERS}"),
    );
    let failed = |request_id| OutboxMessage::SubscriptionError {
        request_id,
        query_set: Some(QuerySetId::Set(7)),
        error: "bad".into(),
        duration_micros: 0,
    };
    check(
        &failed(Some(RequestId(1))),
        "0300010000000700000003000000626164",
    );
    check(&failed(None), "03010700000003000000626164");
}

#[test]
fn transaction_updates() {
    check(&told(update()), &format!("04{NUMBERS}"));
    check(
        &told(vec![(QuerySetId::Set(7), numbers("ev", true))]),
        "040100000007000000010000000200000065760100000001000400080000000100000002000000",
    );
}

#[test]
fn changes_are_grouped_by_set_and_table() {
    let update = vec![
        (QuerySetId::Set(1), numbers("a", true)),
        (QuerySetId::Set(1), numbers("a", true)),
        (QuerySetId::Set(1), numbers("b", true)),
        (QuerySetId::Set(2), numbers("a", true)),
    ];
    let rows = "01000400080000000100000002000000";
    let expect = format!(
        "0402000000\
         0100000002000000010000006102000000{rows}{rows}010000006201000000{rows}\
         0200000001000000010000006101000000{rows}"
    );
    check(&told(update), &expect);
}

#[test]
fn one_off_results() {
    let answer = |result| OutboxMessage::OneOffResult {
        message_id: unhex("03000000"),
        result,
        duration_micros: 0,
    };
    check(&answer(Ok(users())), &format!("050300000000{USERS}"));
    check(&answer(Err("bad".into())), "05030000000103000000626164");
}

#[test]
fn reducer_results() {
    let head = format!("0604000000{TIMESTAMP}");
    check(
        &result(ReducerOutcome::Committed, update()),
        &format!("{head}0000000000{NUMBERS}"),
    );
    check(
        &result(ReducerOutcome::Committed, vec![]),
        &format!("{head}000000000000000000"),
    );
    check(
        &result(ReducerOutcome::Failed("no".into()), vec![]),
        &format!("{head}0206000000020000006e6f"),
    );
    check(
        &result(ReducerOutcome::Refused("no such reducer".into()), vec![]),
        &format!("{head}030f0000006e6f20737563682072656475636572"),
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
        &format!("07000400000009000000{TIMESTAMP}{DURATION}05000000"),
    );
    check(
        &answer(Err(fault(false))),
        "070101000000780000000000000000000000000000000005000000",
    );
}

#[test]
fn rows_are_encoded_once_for_initial_answers_and_updates_alike() {
    let rows = users();
    let first = encoded(&rows);
    let mut out = Vec::new();
    write_query_rows(&mut out, std::slice::from_ref(&rows));
    assert_eq!(encoded(&rows).as_ptr(), first.as_ptr());
}

#[test]
fn a_shared_update_is_encoded_once_and_the_same_for_all() {
    let alone = ClientUpdate::new(update(), false);
    let shared = ClientUpdate::new(update(), true);
    let body = |update: &ClientUpdate| {
        let mut out = Vec::new();
        write_update(&mut out, update);
        hex(&out)
    };
    assert_eq!(body(&alone), body(&shared));
    assert_eq!(body(&shared), body(&shared));
    let first = shared_update(&shared);
    assert_eq!(shared_update(&shared).as_ptr(), first.as_ptr());
}

//! The examples of the specification.

use spacetime_host::{ProcedureFault, ProcedureValue, RequestId};

use super::*;
use crate::ws::sample::{self, DURATION_MICROS, call, greeting, timestamp};

const IDENTITY: &str = "{\"__identity__\":\"0x\
    c20035600353a2e93544d898c6ed0eac323e200c0468300f22958f8b472a265d\"}";
const CONNECTION: &str = "{\"__connection_id__\":5233100606242806050955395731361295}";
const TIMESTAMP: &str = "{\"__timestamp_micros_since_unix_epoch__\":1700000000123456}";
const DURATION: &str = "{\"__time_duration_micros__\":1500}";
const ROWS: &str = "{\"table_id\":4096,\"table_name\":\"t\",\"num_rows\":2,\"updates\":[\
    {\"deletes\":[],\"inserts\":[\"{\\\"id\\\":1}\",\"{\\\"id\\\":2}\"]}]}";
const DROPPED: &str = "{\"table_id\":4096,\"table_name\":\"t\",\"num_rows\":2,\"updates\":[\
    {\"deletes\":[\"{\\\"id\\\":1}\",\"{\\\"id\\\":2}\"],\"inserts\":[]}]}";

#[track_caller]
fn check(it: &OutboxMessage, expect: &str) {
    let text = message(it, &greeting());
    assert_eq!(text, expect);
    serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
}

fn numbers() -> Arc<TableChange> {
    sample::numbers("t", false)
}

fn applied(query_set: QuerySetId) -> OutboxMessage {
    OutboxMessage::SubscribeApplied {
        request_id: RequestId(1),
        query_set,
        rows: vec![numbers()],
        duration_micros: DURATION_MICROS,
    }
}

fn ended(query_set: QuerySetId) -> OutboxMessage {
    OutboxMessage::UnsubscribeApplied {
        request_id: RequestId(2),
        query_set,
        rows: Some(vec![numbers()]),
        duration_micros: DURATION_MICROS,
    }
}

fn update(is_shared: bool) -> Arc<ClientUpdate> {
    let change = (QuerySetId::Multi(1), numbers());
    Arc::new(ClientUpdate::new(vec![change], is_shared))
}

#[test]
fn the_first_message() {
    assert_eq!(
        identity_token(&greeting()),
        format!(
            "{{\"IdentityToken\":{{\"identity\":{IDENTITY},\"token\":\"tok\",\
             \"connection_id\":{CONNECTION}}}}}"
        )
    );
}

#[test]
fn subscription_answers() {
    check(
        &applied(QuerySetId::Legacy),
        &format!(
            "{{\"InitialSubscription\":{{\"database_update\":{{\"tables\":[{ROWS}]}},\
             \"request_id\":1,\"total_host_execution_duration\":{DURATION}}}}}"
        ),
    );
    let head = "\"total_host_execution_duration_micros\":1500,\"query_id\":{\"id\":7}";
    check(
        &applied(QuerySetId::Single(7)),
        &format!(
            "{{\"SubscribeApplied\":{{\"request_id\":1,{head},\"rows\":{{\"table_id\":4096,\
             \"table_name\":\"t\",\"table_rows\":{ROWS}}}}}}}"
        ),
    );
    check(
        &applied(QuerySetId::Multi(7)),
        &format!(
            "{{\"SubscribeMultiApplied\":{{\"request_id\":1,{head},\
             \"update\":{{\"tables\":[{ROWS}]}}}}}}"
        ),
    );
    check(
        &ended(QuerySetId::Single(7)),
        &format!(
            "{{\"UnsubscribeApplied\":{{\"request_id\":2,{head},\"rows\":{{\"table_id\":4096,\
             \"table_name\":\"t\",\"table_rows\":{DROPPED}}}}}}}"
        ),
    );
    check(
        &ended(QuerySetId::Multi(7)),
        &format!(
            "{{\"UnsubscribeMultiApplied\":{{\"request_id\":2,{head},\
             \"update\":{{\"tables\":[{DROPPED}]}}}}}}"
        ),
    );
}

#[test]
fn subscription_errors() {
    check(
        &OutboxMessage::SubscriptionError {
            request_id: Some(RequestId(1)),
            query_set: Some(QuerySetId::Legacy),
            error: "bad".into(),
            duration_micros: DURATION_MICROS,
        },
        "{\"SubscriptionError\":{\"total_host_execution_duration_micros\":1500,\
         \"request_id\":{\"some\":1},\"query_id\":{\"none\":[]},\"table_id\":{\"none\":[]},\
         \"error\":\"bad\"}}",
    );
}

#[test]
fn updates_of_others_are_light() {
    for is_shared in [false, true] {
        check(
            &OutboxMessage::TransactionUpdate {
                update: update(is_shared),
            },
            &format!(
                "{{\"TransactionUpdateLight\":{{\"request_id\":0,\
                 \"update\":{{\"tables\":[{ROWS}]}}}}}}"
            ),
        );
    }
}

#[test]
fn reducer_results() {
    let tail = |args: &str, request: u32| {
        format!(
            "\"timestamp\":{TIMESTAMP},\"caller_identity\":{IDENTITY},\
             \"caller_connection_id\":{CONNECTION},\"reducer_call\":{{\"reducer_name\":\"add\",\
             \"reducer_id\":3,\"args\":\"{args}\",\"request_id\":{request}}},\
             \"energy_quanta_used\":{{\"quanta\":0}},\
             \"total_host_execution_duration\":{DURATION}}}}}"
        )
    };
    let result = |outcome, update| OutboxMessage::ReducerResult {
        call: Box::new(CallInfo {
            args_json: Some("[\"bob\",30]".into()),
            ..(*call(4)).clone()
        }),
        outcome,
        update,
    };
    let args = "[\\\"bob\\\",30]";
    check(
        &result(ReducerOutcome::Committed, update(false)),
        &format!(
            "{{\"TransactionUpdate\":{{\"status\":{{\"Committed\":{{\"tables\":[{ROWS}]}}}},{}",
            tail(args, 4)
        ),
    );
    check(
        &result(ReducerOutcome::Failed("no".into()), Arc::default()),
        &format!(
            "{{\"TransactionUpdate\":{{\"status\":{{\"Failed\":\"no\"}},{}",
            tail(args, 4)
        ),
    );
    check(
        &result(ReducerOutcome::OutOfBudget, Arc::default()),
        &format!(
            "{{\"TransactionUpdate\":{{\"status\":{{\"OutOfEnergy\":[]}},{}",
            tail(args, 4)
        ),
    );
    check(
        &result(ReducerOutcome::Refused("no".into()), Arc::default()),
        &format!(
            "{{\"TransactionUpdate\":{{\"status\":{{\"Failed\":\"no\"}},{}",
            tail("[]", 0)
        ),
    );
}

#[test]
fn one_off_results() {
    let answer = |result| OutboxMessage::OneOffResult {
        message_id: Bytes::from_static(&[1, 2]),
        result,
        duration_micros: DURATION_MICROS,
    };
    check(
        &answer(Ok(numbers())),
        &format!(
            "{{\"OneOffQueryResponse\":{{\"message_id\":\"0102\",\"error\":{{\"none\":[]}},\
             \"tables\":[{{\"table_name\":\"t\",\"rows\":[\"{{\\\"id\\\":1}}\",\
             \"{{\\\"id\\\":2}}\"]}}],\"total_host_execution_duration\":{DURATION}}}}}"
        ),
    );
    check(
        &answer(Err("bad".into())),
        &format!(
            "{{\"OneOffQueryResponse\":{{\"message_id\":\"0102\",\"error\":{{\"some\":\"bad\"}},\
             \"tables\":[],\"total_host_execution_duration\":{DURATION}}}}}"
        ),
    );
}

#[test]
fn procedure_results() {
    let fault = |out_of_budget| {
        Err(ProcedureFault {
            text: "x".into(),
            out_of_budget,
        })
    };
    let value = Ok(ProcedureValue {
        bsatn: Bytes::from_static(&[9, 0, 0, 0]),
        json: Some("9".into()),
    });
    for (result, status) in [
        (value, "{\"Returned\":\"9\"}"),
        (fault(false), "{\"InternalError\":\"x\"}"),
        (fault(true), "{\"OutOfEnergy\":[]}"),
    ] {
        check(
            &OutboxMessage::ProcedureResult {
                request_id: RequestId(5),
                result,
                timestamp: timestamp(),
                duration_micros: DURATION_MICROS,
            },
            &format!(
                "{{\"ProcedureResult\":{{\"status\":{status},\
                 \"timestamp\":{TIMESTAMP},\"total_host_execution_duration\":{DURATION},\
                 \"request_id\":5}}}}"
            ),
        );
    }
}

use std::time::Duration;

use spacetime_table::RowList;
use spacetime_types::TableId;

use super::*;
use crate::outbox::{QuerySetId, RequestId, RowType, TableChange};

fn error(text: &str) -> OutboxMessage {
    OutboxMessage::SubscriptionError {
        request_id: None,
        query_set: None,
        error: text.into(),
        duration_micros: 0,
    }
}

fn applied(set: QuerySetId) -> OutboxMessage {
    OutboxMessage::SubscribeApplied {
        request_id: RequestId(1),
        query_set: set,
        rows: Vec::new(),
        duration_micros: 0,
    }
}

fn failed(set: QuerySetId) -> OutboxMessage {
    OutboxMessage::SubscriptionError {
        request_id: Some(RequestId(1)),
        query_set: Some(set),
        error: "no".into(),
        duration_micros: 0,
    }
}

fn dropped(set: QuerySetId) -> OutboxMessage {
    OutboxMessage::UnsubscribeApplied {
        request_id: RequestId(2),
        query_set: set,
        rows: None,
        duration_micros: 0,
    }
}

fn change(rows: &[&[u8]]) -> Arc<TableChange> {
    let rows = RowList::from_rows(rows.iter().copied());
    Arc::new(TableChange::new(
        TableId(1),
        "t".into(),
        false,
        RowType::Columns(Arc::default()),
        rows,
        RowList::default(),
    ))
}

fn update(sets: &[QuerySetId]) -> OutboxMessage {
    let change = change(&[b"row"]);
    OutboxMessage::TransactionUpdate {
        update: Arc::new(sets.iter().map(|set| (*set, Arc::clone(&change))).collect()),
    }
}

/// One word a message.
fn word(message: &OutboxMessage) -> String {
    match message {
        OutboxMessage::SubscribeApplied { query_set, .. } => format!("applied {query_set:?}"),
        OutboxMessage::UnsubscribeApplied { query_set, .. } => format!("dropped {query_set:?}"),
        OutboxMessage::SubscriptionError {
            query_set: Some(set),
            error,
            ..
        } => format!("error {set:?} {error}"),
        OutboxMessage::SubscriptionError { error, .. } => error.to_string(),
        OutboxMessage::TransactionUpdate { update } => {
            let sets: Vec<_> = update.iter().map(|(set, _)| set).collect();
            format!("update {sets:?}")
        }
        OutboxMessage::Closed { reason } => format!("closed: {reason}"),
        other => format!("{other:?}"),
    }
}

/// What comes without waiting for anything else.
async fn now(receiver: &mut OutboxReceiver) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let mut messages = Vec::new();
        let wait = Duration::from_millis(20);
        match tokio::time::timeout(wait, receiver.recv_many(&mut messages, 3)).await {
            Ok(count) if count > 0 => all.extend(messages.iter().map(word)),
            _ => return all,
        }
    }
}

fn begin(set: QuerySetId, serial: u64, shares_with: &[u64]) -> About {
    About::Begin {
        query_set: set,
        serial: SetSerial(serial),
        shares_with: shares_with
            .iter()
            .map(|serial| SetSerial(*serial))
            .collect(),
    }
}

/// Queues the place of an answer.
fn place(outbox: &Outbox, about: About) -> AnswerSlot {
    let (pending, slot) = outbox.pending(about, error("lost"));
    outbox.send(Outgoing::Pending(pending));
    slot
}

const A: QuerySetId = QuerySetId::Set(1);
const B: QuerySetId = QuerySetId::Set(2);

#[tokio::test]
async fn an_answer_holds_up_what_is_behind_it_and_nothing_else() {
    let (outbox, mut receiver) = outbox(OutboxLimits::default());
    outbox.send(error("one"));
    let slot = place(&outbox, About::OneOff);
    let second = place(&outbox, About::OneOff);
    for text in ["four", "five", "six", "seven"] {
        outbox.send(error(text));
    }
    assert_eq!(now(&mut receiver).await, ["one"]);
    second.fill(error("three"));
    assert_eq!(now(&mut receiver).await, [""; 0]);
    slot.fill(error("two"));
    let rest = ["two", "three", "four", "five", "six", "seven"];
    assert_eq!(now(&mut receiver).await, rest);
    // Nothing is counted any more.
    assert_eq!(receiver.load.messages.load(Ordering::Relaxed), 0);
    assert_eq!(receiver.load.bytes.load(Ordering::Relaxed), 0);
    assert_eq!(receiver.load.answer_bytes.load(Ordering::Relaxed), 0);
    assert_eq!(receiver.load.answers_open.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_answer_that_nobody_gives_is_told() {
    let (outbox, mut receiver) = outbox(OutboxLimits::default());
    let slot = place(&outbox, About::OneOff);
    outbox.send(error("behind"));
    assert!(!slot.is_abandoned());
    drop(slot);
    assert_eq!(now(&mut receiver).await, ["lost", "behind"]);
    let slot = place(&outbox, About::OneOff);
    assert_eq!(now(&mut receiver).await, [""; 0]);
    drop(receiver);
    assert!(slot.is_abandoned());
    slot.fill(error("for nobody"));
}

#[tokio::test]
async fn nothing_of_a_set_that_failed_comes_after_the_failure() {
    let (outbox, mut receiver) = outbox(OutboxLimits::default());
    let slot = place(&outbox, begin(A, 1, &[]));
    outbox.send(update(&[A]));
    outbox.send(update(&[A, B]));
    // The database notices something about the set by itself.
    outbox.send(OutboxMessage::SubscriptionError {
        request_id: None,
        query_set: Some(A),
        error: "ended".into(),
        duration_micros: 0,
    });
    slot.fill(failed(A));
    let expected = ["error Set(1) no", "update [Set(2)]"];
    assert_eq!(now(&mut receiver).await, expected);
    outbox.send(update(&[A]));
    outbox.send(Outgoing::Forget(SetSerial(1)));
    // From here on the number is free: the database has no such set.
    outbox.send(applied(A));
    outbox.send(update(&[A]));
    let expected = ["applied Set(1)", "update [Set(1)]"];
    assert_eq!(now(&mut receiver).await, expected);
}

#[tokio::test]
async fn a_new_set_under_the_number_of_one_that_failed_is_heard() {
    let (outbox, mut receiver) = outbox(OutboxLimits::default());
    let first = place(&outbox, begin(A, 1, &[]));
    outbox.send(update(&[A]));
    let end = place(
        &outbox,
        About::End {
            serial: SetSerial(1),
        },
    );
    end.fill(dropped(A));
    let second = place(&outbox, begin(A, 2, &[]));
    outbox.send(update(&[A]));
    // Late: it is about the first set.
    outbox.send(Outgoing::Forget(SetSerial(1)));
    outbox.send(update(&[A]));
    first.fill(failed(A));
    second.fill(applied(A));
    let expected = [
        "error Set(1) no",
        "error Set(1) Subscription not found: QuerySetId { id: 1 }",
        "applied Set(1)",
        "update [Set(1)]",
        "update [Set(1)]",
    ];
    assert_eq!(now(&mut receiver).await, expected);

    // The other way round: the first one succeeds, the second one fails.
    let end = place(
        &outbox,
        About::End {
            serial: SetSerial(2),
        },
    );
    end.fill(dropped(A));
    let third = place(&outbox, begin(A, 3, &[]));
    outbox.send(update(&[A]));
    third.fill(failed(A));
    let expected = ["dropped Set(1)", "error Set(1) no"];
    assert_eq!(now(&mut receiver).await, expected);
}

#[tokio::test]
async fn a_v1_client_whose_shared_rows_cannot_be_had_starts_afresh() {
    let (one, two) = (QuerySetId::Multi(1), QuerySetId::Multi(2));
    // The set that lends its rows fails.
    let (sender, mut receiver) = outbox(OutboxLimits::default());
    let lender = place(&sender, begin(one, 1, &[]));
    let borrower = place(&sender, begin(two, 2, &[1]));
    sender.send(update(&[one, two]));
    borrower.fill(applied(two));
    lender.fill(failed(one));
    let messages = now(&mut receiver).await;
    assert_eq!(messages[0], "error Multi(1) no");
    assert!(messages[1].starts_with("closed: "), "{messages:?}");
    assert_eq!(messages.len(), 2, "{messages:?}");

    // The set that borrows fails, for another of its queries.
    let (sender, mut receiver) = outbox(OutboxLimits::default());
    let lender = place(&sender, begin(one, 1, &[]));
    let borrower = place(&sender, begin(two, 2, &[1]));
    lender.fill(applied(one));
    borrower.fill(failed(two));
    sender.send(update(&[one, two]));
    assert_eq!(now(&mut receiver).await, ["applied Multi(1)", "closed: no"]);

    // Where nothing is shared, the other set goes on.
    let (sender, mut receiver) = outbox(OutboxLimits::default());
    let first = place(&sender, begin(one, 1, &[]));
    let second = place(&sender, begin(two, 2, &[]));
    first.fill(failed(one));
    second.fill(applied(two));
    sender.send(update(&[one, two]));
    let expected = ["error Multi(1) no", "applied Multi(2)", "update [Multi(2)]"];
    assert_eq!(now(&mut receiver).await, expected);
}

#[tokio::test]
async fn what_waits_for_an_answer_is_bounded_by_bytes_only() {
    let limits = OutboxLimits {
        messages_max: 10,
        bytes_max: 100 * MESSAGE_WEIGHT,
        answer_bytes_max: 1000,
    };
    let (sender, mut receiver) = outbox(limits);
    let slot = place(&sender, About::OneOff);
    for _ in 0..50 {
        sender.send(error("update"));
    }
    assert!(!receiver.overflowed());
    slot.fill(error("answer"));
    let mut messages = Vec::new();
    // The answer, and what could be taken with it, is being written.
    assert_eq!(receiver.recv_many(&mut messages, 20).await, 20);
    for _ in 0..50 {
        sender.send(error("update"));
    }
    assert!(!receiver.overflowed());
    // It is written: from now on the client is to blame again.
    assert_eq!(receiver.recv_many(&mut messages, 200).await, 81);
    for _ in 0..11 {
        assert!(!receiver.overflowed());
        sender.send(error("update"));
    }
    assert!(receiver.overflowed());

    // Too many bytes: the client does not have to wait for its answer to learn of it.
    let (sender, mut receiver) = outbox(limits);
    let _slot = place(&sender, About::OneOff);
    assert_eq!(now(&mut receiver).await, [""; 0]);
    for _ in 0..100 {
        sender.send(error("update"));
    }
    assert!(receiver.overflowed());
    let closed = ["closed: the client does not read its messages"];
    assert_eq!(now(&mut receiver).await, closed);
}

#[tokio::test]
async fn finished_answers_are_bounded_together_but_not_one_alone() {
    let limits = OutboxLimits {
        answer_bytes_max: 3000,
        ..OutboxLimits::default()
    };
    let large = || OutboxMessage::SubscribeApplied {
        request_id: RequestId(1),
        query_set: A,
        rows: vec![change(&[&[7; 5000]])],
        duration_micros: 0,
    };
    let (sender, mut receiver) = outbox(limits);
    let slot = place(&sender, begin(A, 1, &[]));
    slot.fill(large());
    assert_eq!(now(&mut receiver).await, ["applied Set(1)"]);
    assert!(!receiver.overflowed());
    let _unfinished = place(&sender, About::OneOff);
    let (first, second) = (place(&sender, About::OneOff), place(&sender, About::OneOff));
    first.fill(large());
    assert!(!receiver.overflowed());
    second.fill(large());
    assert!(receiver.overflowed());
    let closed = ["closed: the client does not read its messages"];
    assert_eq!(now(&mut receiver).await, closed);
}

#[tokio::test]
async fn the_end_does_not_wait_for_an_answer() {
    let (sender, mut receiver) = outbox(OutboxLimits::default());
    let slot = place(&sender, About::OneOff);
    sender.send(error("behind"));
    assert_eq!(now(&mut receiver).await, [""; 0]);
    sender.send(OutboxMessage::Closed {
        reason: "it is over".into(),
    });
    assert_eq!(now(&mut receiver).await, ["closed: it is over"]);
    slot.fill(error("late"));
    assert_eq!(now(&mut receiver).await, [""; 0]);
}

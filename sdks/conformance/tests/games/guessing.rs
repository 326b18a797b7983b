//! Hangman: what nobody sees, what only the caller sees, and a clock that sets itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use spacetimedb_sdk::{DbContext as _, Table as _, TableWithPrimaryKey as _, TimeDuration};

use super::hangman::*;
use super::server::{Server, server};
use super::until;

fn connect(server: &Server, token: Option<String>) -> DbConnection {
    let conn = DbConnection::builder()
        .with_uri(server.url())
        .with_database_name("hangman")
        .with_token(token)
        .build()
        .unwrap();
    let is_applied = Arc::new(AtomicBool::new(false));
    let applied = is_applied.clone();
    conn.subscription_builder()
        .on_applied(move |_| applied.store(true, Ordering::Relaxed))
        .on_error(|_, error| panic!("{error}"))
        .subscribe([
            "SELECT * FROM player",
            "SELECT * FROM round",
            "SELECT * FROM result",
            "SELECT * FROM my_progress",
            "SELECT * FROM guessing",
        ]);
    until("the first rows", || {
        conn.frame_tick().unwrap();
        is_applied.load(Ordering::Relaxed)
    });
    conn
}

fn round(conn: &DbConnection) -> Option<Round> {
    conn.db.round().iter().next()
}

/// Guesses and waits for the answer.
fn guess(conn: &DbConnection, letter: &str) -> Result<(), String> {
    let answer = Arc::new(parking_lot::Mutex::new(None));
    let said = answer.clone();
    conn.reducers
        .guess_letter_then(letter.to_owned(), move |_, outcome| {
            *said.lock() = Some(outcome.unwrap());
        })
        .unwrap();
    until("the answer to a guess", || {
        conn.frame_tick().unwrap();
        answer.lock().is_some()
    });
    let answer = answer.lock().take();
    answer.unwrap()
}

#[test]
fn everybody_sees_their_own_guesses_and_the_word_at_the_end() {
    let Some(server) = server() else { return };
    server.publish("hangman", "hangman");
    let owner = connect(&server, Some(server.token().to_owned()));
    let other = connect(&server, None);
    let first = round(&owner).unwrap();
    assert_eq!((first.phase, first.word.as_ref()), (Phase::Guessing, None));

    let refused = guess(&owner, "ab");
    assert_eq!(refused, Err("one letter at a time".to_owned()));
    guess(&owner, "e").unwrap();
    assert_eq!(guess(&owner, "e"), Err("e is no guess".to_owned()));
    until("the progress", || {
        owner.frame_tick().unwrap();
        other.frame_tick().unwrap();
        let counted = other.db.guessing().iter().any(|row| row.players == 1);
        owner.db.my_progress().count() == 1 && counted
    });
    assert_eq!(other.db.my_progress().count(), 0);
    let progress = owner.db.my_progress().iter().next().unwrap();
    assert_eq!(progress.guessed, "e");
    assert_eq!(progress.shown.len(), first.length as usize);

    // The word is shown, and then there is another one.
    let shown = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = shown.clone();
    other
        .db
        .round()
        .on_update(move |_, _, now| seen.lock().extend(now.word.clone()));
    let soon = TimeDuration::from_micros(100_000);
    owner.reducers.set_times(soon, soon).unwrap();
    until("the next round", || {
        other.frame_tick().unwrap();
        round(&other).is_some_and(|now| first.number < now.number)
    });
    assert_eq!(shown.lock()[0].len(), first.length as usize);
    until("the old guesses to go", || {
        owner.frame_tick().unwrap();
        owner.db.my_progress().count() == 0
    });
}

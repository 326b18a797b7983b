//! A chat for the terminal: shows who comes and goes and what they say, and sends what is typed.

mod module_bindings;

use std::error::Error;

use module_bindings::*;
use spacetimedb_sdk::{credentials, DbContext, Event, Identity, Table, TableWithPrimaryKey};

fn main() -> Result<(), Box<dyn Error>> {
    let host = setting("SPACETIMEDB_HOST", "http://localhost:3000");
    let database = setting("SPACETIMEDB_DB_NAME", "my-db");
    // One login for each word after `--`, so that several people can use one machine.
    let who = std::env::args().nth(1).unwrap_or_default();
    let login = move || credentials::File::new(format!("chat-{database}-{who}"));
    let database = setting("SPACETIMEDB_DB_NAME", "my-db");
    let saved = login().load().unwrap_or_default();

    let connection = DbConnection::builder()
        .with_uri(host.as_str())
        .with_database_name(database.as_str())
        .with_token(saved)
        .on_connect(move |_, _, token| {
            if let Err(error) = login().save(token) {
                eprintln!("the login cannot be saved: {error}");
            }
        })
        .on_disconnect(|_, error| match error {
            Some(error) => eprintln!("the connection was lost: {error}"),
            None => println!("disconnected"),
        })
        .build()?;

    show_changes(&connection);
    connection
        .subscription_builder()
        .on_applied(show_everything)
        .on_error(|_, error| eprintln!("the subscription failed: {error}"))
        .add_query(|query| query.from.user())
        .add_query(|query| query.from.message())
        .subscribe();
    let running = connection.run_threaded();

    for line in std::io::stdin().lines() {
        send(&connection, line?.trim())?;
    }
    // Nothing more to say: go on listening.
    let _ = running.join();
    Ok(())
}

/// What happens from now on.
fn show_changes(connection: &DbConnection) {
    connection.db.user().on_insert(|ctx, user| {
        if user.online && !matches!(ctx.event, Event::SubscribeApplied) {
            println!("* {} is here", name_of(user));
        }
    });
    connection.db.user().on_update(|_, old, new| {
        if old.name != new.name {
            println!("* {} is now called {}", name_of(old), name_of(new));
        }
        match (old.online, new.online) {
            (false, true) => println!("* {} is here", name_of(new)),
            (true, false) => println!("* {} has left", name_of(new)),
            _ => {}
        }
    });
    connection.db.message().on_insert(|ctx, message| {
        // Those of before are shown in order, when all of them are there.
        if !matches!(ctx.event, Event::SubscribeApplied) {
            println!("{}: {}", sender_of(&ctx.db, message.sender), message.text);
        }
    });
}

/// What was said before.
fn show_everything(ctx: &SubscriptionEventContext) {
    let mut messages: Vec<Message> = ctx.db.message().iter().collect();
    messages.sort_by_key(|message| message.sent);
    for message in messages {
        println!("{}: {}", sender_of(&ctx.db, message.sender), message.text);
    }
    println!("* type a message, or /name NAME");
}

fn send(connection: &DbConnection, line: &str) -> Result<(), Box<dyn Error>> {
    if line.is_empty() {
        return Ok(());
    }
    match line.strip_prefix("/name ") {
        Some(name) => connection
            .reducers
            .set_name_then(name.to_owned(), |_, result| {
                report("the name", result);
            })?,
        None => connection
            .reducers
            .send_message_then(line.to_owned(), |_, result| {
                report("the message", result);
            })?,
    }
    Ok(())
}

/// Tells a refusal of the reducer from a failure of the server.
fn report<E: std::fmt::Display>(what: &str, result: Result<Result<(), String>, E>) {
    match result {
        Ok(Ok(())) => {}
        Ok(Err(refusal)) => eprintln!("{what} was refused: {refusal}"),
        Err(failure) => eprintln!("{what} could not be sent: {failure}"),
    }
}

fn sender_of(db: &RemoteTables, sender: Identity) -> String {
    match db.user().identity().find(&sender) {
        Some(user) => name_of(&user),
        None => "somebody".to_owned(),
    }
}

/// The name, or the start of the identity of those who have none.
fn name_of(user: &User) -> String {
    match &user.name {
        Some(name) => name.clone(),
        None => user.identity.to_hex().chars().skip(4).take(8).collect(),
    }
}

fn setting(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

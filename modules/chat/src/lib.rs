//! A chat room: people come and go, give themselves a name, and send messages.
//!
//! Invariants
//!   * Every identity that ever connected has exactly one row in `user`.
//!   * A message is stored only if its sender has a row in `user` and its text is not empty.

use spacetimedb::{reducer, table, Identity, ReducerContext, Table, Timestamp};

/// A person, known by identity. `name` is none until they choose one.
#[table(accessor = user, public)]
pub struct User {
    #[primary_key]
    identity: Identity,
    name: Option<String>,
    online: bool,
}

/// One line of the conversation.
#[table(accessor = message, public)]
pub struct Message {
    sender: Identity,
    sent: Timestamp,
    text: String,
}

/// Runs once, when the database is created.
#[reducer(init)]
pub fn init(_ctx: &ReducerContext) {
    log::info!("the chat room is open");
}

/// Marks the caller online, and greets a first-time visitor with a row of their own.
#[reducer(client_connected)]
pub fn client_connected(ctx: &ReducerContext) {
    let users = ctx.db.user();
    match users.identity().find(ctx.sender()) {
        Some(user) => {
            users.identity().update(User {
                online: true,
                ..user
            });
        }
        None => {
            users.insert(User {
                identity: ctx.sender(),
                name: None,
                online: true,
            });
        }
    }
}

/// Marks the caller offline.
#[reducer(client_disconnected)]
pub fn client_disconnected(ctx: &ReducerContext) {
    let users = ctx.db.user();
    match users.identity().find(ctx.sender()) {
        Some(user) => {
            users.identity().update(User {
                online: false,
                ..user
            });
        }
        None => log::warn!("{} left without ever having come", ctx.sender()),
    }
}

/// Gives the caller a name.
#[reducer]
pub fn set_name(ctx: &ReducerContext, name: String) -> Result<(), String> {
    let name = not_empty(name, "a name")?;
    let users = ctx.db.user();
    let user = users
        .identity()
        .find(ctx.sender())
        .ok_or("only people who are in the room can have a name")?;
    users.identity().update(User {
        name: Some(name),
        ..user
    });
    Ok(())
}

/// Adds a line to the conversation.
#[reducer]
pub fn send_message(ctx: &ReducerContext, text: String) -> Result<(), String> {
    let text = not_empty(text, "a message")?;
    if ctx.db.user().identity().find(ctx.sender()).is_none() {
        return Err("only people who are in the room can send a message".to_owned());
    }
    ctx.db.message().insert(Message {
        sender: ctx.sender(),
        sent: ctx.timestamp,
        text,
    });
    Ok(())
}

fn not_empty(text: String, what: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err(format!("{what} must not be empty"));
    }
    Ok(text)
}

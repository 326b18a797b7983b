//! A chat room: people come and go, give themselves a name, and send messages.

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

/// Marks the caller online; who comes for the first time gets a row.
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
    if name.trim().is_empty() {
        return Err("a name must not be empty".to_owned());
    }
    let users = ctx.db.user();
    let user = users
        .identity()
        .find(ctx.sender())
        .ok_or("only people in the room have names")?;
    log::info!("{} is now called {name}", ctx.sender());
    users.identity().update(User {
        name: Some(name),
        ..user
    });
    Ok(())
}

/// Adds a line to the conversation.
#[reducer]
pub fn send_message(ctx: &ReducerContext, text: String) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("a message must not be empty".to_owned());
    }
    if ctx.db.user().identity().find(ctx.sender()).is_none() {
        return Err("only people in the room can send a message".to_owned());
    }
    log::info!("{}: {text}", ctx.sender());
    let (sender, sent) = (ctx.sender(), ctx.timestamp);
    ctx.db.message().insert(Message { sender, sent, text });
    Ok(())
}

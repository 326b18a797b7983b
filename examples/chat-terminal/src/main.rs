//! The chat room in a terminal: `cargo run -p chat-terminal`, while `cargo xtask run` runs.
//!
//! Lines are sent as messages; `/name NAME` and `/quit` are commands. What others do is printed as
//! it happens. A lost connection is made again, and what was said meanwhile is printed then.

#[allow(clippy::pedantic)] // generated
mod module_bindings;

use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use module_bindings::*;
use spacetimedb_sdk::error::InternalError;
use spacetimedb_sdk::{
    DbContext as _, Event, Identity, Reconnect, Table as _, TableWithPrimaryKey as _, credentials,
};

const USAGE: &str = "\
The chat room in a terminal

  --server URL      the server [http://127.0.0.1:3000]
  --database NAME   the database that runs the chat module [chat]
  --anonymous       come as somebody new, and do not remember who that was";

/// What can go wrong before the conversation begins is only shown.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Debug)]
struct Arguments {
    server: String,
    database: String,
    anonymous: bool,
}

impl Arguments {
    fn parse() -> Result<Self> {
        let mut arguments = Arguments {
            server: "http://127.0.0.1:3000".to_owned(),
            database: "chat".to_owned(),
            anonymous: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match &*word {
                "--server" => arguments.server = words.next().ok_or(USAGE)?,
                "--database" => arguments.database = words.next().ok_or(USAGE)?,
                "--anonymous" => arguments.anonymous = true,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(arguments)
    }
}

/// Where the token is kept between two starts.
fn credentials_file() -> credentials::File {
    credentials::File::new("chat-terminal")
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = Arguments::parse()?;
    let has_lost = Arc::new(AtomicBool::new(false));
    let conn = connect(&arguments, has_lost.clone())?;
    listen(&conn, &has_lost);
    conn.subscription_builder()
        .on_applied(print_what_was_said)
        .on_error(|_, error| say(&format!("cannot read the room: {error}")))
        .subscribe(["SELECT * FROM user", "SELECT * FROM message"]);
    let driver = conn.run_threaded();
    for line in io::stdin().lock().lines() {
        match line?.trim() {
            "" => {}
            "/quit" => break,
            line => send(&conn, line)?,
        }
    }
    // What was typed last still arrives.
    let _ = conn.disconnect();
    let _ = driver.join();
    Ok(())
}

fn connect(arguments: &Arguments, has_lost: Arc<AtomicBool>) -> Result<DbConnection> {
    let is_known = !arguments.anonymous;
    let token = match is_known {
        true => credentials_file().load()?,
        false => None,
    };
    let conn = DbConnection::builder()
        .with_uri(arguments.server.as_str())
        .with_database_name(&arguments.database)
        .with_token(token)
        .with_reconnect(Reconnect::default())
        .on_connect(move |_, _, token| {
            if is_known && let Err(error) = credentials_file().save(token) {
                say(&format!("you will be somebody else next time: {error}"));
            }
        })
        .on_connect_error(|_, error| say(&format!("no connection: {error}")))
        .on_connection_lost(move |_, error| {
            has_lost.store(true, Ordering::Relaxed);
            say(&format!("connection lost: {error}"));
        })
        .on_reconnect(|_, _, _| say("connected again"))
        .on_disconnect(|_, error| {
            if let Some(error) = error {
                say(&format!("connection lost for good: {error}"));
            }
        })
        .build()?;
    Ok(conn)
}

fn listen(conn: &DbConnection, has_lost: &Arc<AtomicBool>) {
    conn.db.user().on_insert(|ctx, user| {
        if user.online && !matches!(ctx.event, Event::SubscribeApplied) {
            say(&format!("{} is here", name_of(user)));
        }
    });
    conn.db.user().on_update(|_, old, new| {
        if old.name != new.name {
            say(&format!("{} is now {}", name_of(old), name_of(new)));
        }
        match (old.online, new.online) {
            (false, true) => say(&format!("{} is here", name_of(new))),
            (true, false) => say(&format!("{} has left", name_of(new))),
            _ => {}
        }
    });
    let has_lost = has_lost.clone();
    conn.db.message().on_insert(move |ctx, message| {
        let has_lost = has_lost.load(Ordering::Relaxed);
        // The first messages are printed in order, all at once; those that come with a new
        // connection are news.
        if !matches!(ctx.event, Event::SubscribeApplied) || has_lost {
            print(ctx, message);
        }
    });
}

fn print_what_was_said(ctx: &SubscriptionEventContext) {
    let mut messages: Vec<Message> = ctx.db.message().iter().collect();
    messages.sort_by_key(|message| message.sent);
    for message in &messages {
        print(ctx, message);
    }
    let here = ctx.db.user().iter().filter(|user| user.online).count();
    say(&format!("{here} here; /name NAME, /quit"));
}

fn print(ctx: &impl RemoteDbContext, message: &Message) {
    let sender = ctx.db().user().identity().find(&message.sender);
    let name = sender
        .as_ref()
        .map_or_else(|| short(message.sender), name_of);
    say(&format!("{name}: {}", message.text));
}

fn name_of(user: &User) -> String {
    user.name.clone().unwrap_or_else(|| short(user.identity))
}

fn short(identity: Identity) -> String {
    identity.to_abbreviated_hex()
}

fn send(conn: &DbConnection, line: &str) -> Result<()> {
    match line.strip_prefix("/name ") {
        Some(name) => conn.reducers.set_name_then(name.to_owned(), report)?,
        None => conn.reducers.send_message_then(line.to_owned(), report)?,
    }
    Ok(())
}

/// Says why a call did nothing.
fn report(
    _: &ReducerEventContext,
    outcome: std::result::Result<std::result::Result<(), String>, InternalError>,
) {
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => say(&error),
        Err(error) => say(&error.to_string()),
    }
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

//! `spacetime subscribe`: the rows of some queries, and how they change.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::call::fetch_schema;
use crate::output::{note, say, warn_unstable};
use crate::paths::Paths;
use crate::project::{Project, missing, pick_function};
use crate::schema::Schema;
use crate::session::{As, ServerFlags, Session};

mod message;
mod transport;

use message::{ServerMessage, TableRows, read_messages, subscribe_message};
use transport::Transport;

/// The newer one packs several messages into a frame; they are read in the same way.
const PROTOCOLS: &str = "v3.bsatn.spacetimedb, v2.bsatn.spacetimedb";
/// Largest message that is taken: the first rows of a large table come in one.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// The flags of `subscribe`.
#[derive(Debug, Args)]
#[command(override_usage = "spacetime subscribe [OPTIONS] [DATABASE] <QUERY>...")]
pub(crate) struct SubscribeArguments {
    /// The database (unless spacetime.json names the only one), and the queries
    #[arg(value_name = "WORDS")]
    words: Vec<String>,
    /// End after so many transactions with changes
    #[arg(long, short = 'n', value_name = "COUNT")]
    num_updates: Option<u32>,
    /// End after so many seconds
    #[arg(long, short = 't', value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Print the rows that are there at first, too
    #[arg(long)]
    print_initial_update: bool,
    /// Whether changes are shown only when they are on disk
    #[arg(long, value_name = "true|false")]
    confirmed: Option<bool>,
    #[command(flatten)]
    server: ServerFlags,
    /// Subscribe as nobody in particular
    #[arg(long)]
    anonymous: bool,
    /// Ask nothing
    #[arg(long, short = 'y')]
    yes: bool,
    /// Ignore spacetime.json
    #[arg(long)]
    no_config: bool,
}

type Socket = WebSocketStream<Box<dyn Transport>>;

/// How a subscription came to its end.
enum End {
    Closed,
    TimedOut(u32),
    Enough,
}

/// Prints changes, one transaction a line.
pub(crate) async fn run(paths: &Paths, arguments: &SubscribeArguments) -> Result<()> {
    const USAGE: &str = "[OPTIONS] <DATABASE> <QUERY>...";
    warn_unstable();
    let project = Project::find_here(arguments.no_config, None)?;
    let picked = pick_function(project.as_ref(), &arguments.words, "subscribe", USAGE)?;
    if picked.rest.is_empty() {
        return Err(missing("subscribe", "<QUERY>...", USAGE));
    }
    let who = if arguments.anonymous {
        As::Anonymous
    } else {
        As::Me
    };
    let server = arguments
        .server
        .server
        .as_deref()
        .or(picked.server.as_deref());
    let session = Session::open_for_data(paths, server, who, arguments.yes).await?;
    let identity = session.database(&picked.database).await?;
    let schema = fetch_schema(&session, &identity).await?;
    let mut socket = connect(&session, &identity, arguments.confirmed).await?;
    let subscribe = subscribe_message(&picked.rest)?;
    socket
        .send(Message::Binary(subscribe.into()))
        .await
        .context("the connection was lost")?;

    let mut received = 0;
    let follow = follow(&mut socket, &schema, arguments, &mut received);
    let end = match arguments.timeout {
        Some(seconds) => {
            let limit = Duration::from_secs(seconds.into());
            match tokio::time::timeout(limit, follow).await {
                Ok(end) => end?,
                Err(_) => End::TimedOut(seconds),
            }
        }
        None => follow.await?,
    };
    // The answer to the goodbye is not waited for.
    drop(socket.close(None).await);
    match (end, arguments.num_updates) {
        (End::Enough, _) => Ok(()),
        (End::Closed, Some(wanted)) => {
            bail!("subscription closed after receiving {received}/{wanted} updates")
        }
        (End::TimedOut(seconds), Some(wanted)) => bail!(
            "subscription timed out after {seconds}s after receiving {received}/{wanted} updates"
        ),
        (End::Closed, None) => {
            note("disconnected by server");
            Ok(())
        }
        (End::TimedOut(seconds), None) => {
            note(format_args!("timed out after {seconds}s"));
            Ok(())
        }
    }
}

async fn connect(session: &Session, identity: &str, confirmed: Option<bool>) -> Result<Socket> {
    let base = session
        .url()
        .strip_prefix("http")
        .context("the server's URL is not http")?;
    let mut url = format!("ws{base}/v1/database/{identity}/subscribe?compression=None");
    if let Some(confirmed) = confirmed {
        url.push_str(&format!("&confirmed={confirmed}"));
    }
    let mut request = url
        .as_str()
        .into_client_request()
        .context("the URL is not valid")?;
    let headers = request.headers_mut();
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOLS));
    if let Some(token) = session.token() {
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
        headers.insert(AUTHORIZATION, bearer.context("the saved token is damaged")?);
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let failed = "cannot open a connection for the subscription";
    let stream = transport::open(request.uri()).await.context(failed)?;
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(answer)) => {
            let status = anyhow!("the server answered {}", answer.status());
            let text = answer.body().as_deref().map(String::from_utf8_lossy);
            match text.filter(|text| !text.is_empty()) {
                Some(text) => Err(status.context(text.into_owned())),
                None => Err(status),
            }
        }
        Err(error) => Err(error).context(failed),
    }
}

/// Prints what comes until it is enough or the server ends the connection.
async fn follow(
    socket: &mut Socket,
    schema: &Schema,
    arguments: &SubscribeArguments,
    received: &mut u32,
) -> Result<End> {
    let is_enough = |received: u32| {
        arguments
            .num_updates
            .is_some_and(|wanted| received >= wanted)
    };
    while let Some(frame) = socket.next().await {
        let frame = match frame {
            Ok(Message::Binary(frame)) => frame,
            Ok(Message::Close(Some(close))) if !close.reason.is_empty() => {
                note(format_args!("the server says: {}", close.reason));
                return Ok(End::Closed);
            }
            Ok(Message::Close(_)) => return Ok(End::Closed),
            Ok(_) => continue,
            Err(WsError::ConnectionClosed | WsError::AlreadyClosed | WsError::Protocol(_)) => {
                return Ok(End::Closed);
            }
            Err(error) => return Err(error).context("the connection was lost"),
        };
        for message in read_messages(&frame)? {
            match message {
                ServerMessage::Connected => {}
                ServerMessage::Applied(tables) => {
                    if arguments.print_initial_update {
                        say(rows_json(schema, &tables)?);
                    }
                    if is_enough(*received) {
                        return Ok(End::Enough);
                    }
                }
                ServerMessage::Update(tables) => {
                    say(rows_json(schema, &tables)?);
                    *received += 1;
                    if is_enough(*received) {
                        return Ok(End::Enough);
                    }
                }
                ServerMessage::Error(text) => bail!("the server refuses the queries: {text}"),
            }
        }
    }
    Ok(End::Closed)
}

/// `{"table":{"deletes":[..],"inserts":[..]}, ..}`
fn rows_json(schema: &Schema, tables: &[TableRows<'_>]) -> Result<Value> {
    let mut by_table: BTreeMap<&str, (Vec<Value>, Vec<Value>)> = BTreeMap::new();
    for table in tables {
        let row_type = schema.row_type_of(table.name).with_context(|| {
            format!(
                "the server sent rows of `{}`, which its schema does not have",
                table.name
            )
        })?;
        let (deletes, inserts) = by_table.entry(table.name).or_default();
        deletes.extend(table.deletes.to_json(&schema.typespace, row_type)?);
        inserts.extend(table.inserts.to_json(&schema.typespace, row_type)?);
    }
    let tables = by_table.into_iter().map(|(name, (deletes, inserts))| {
        (
            name.to_owned(),
            json!({"deletes": deletes, "inserts": inserts}),
        )
    });
    Ok(Value::Object(tables.collect()))
}

//! Restoring into a server that runs: the backup is read here and sent there.

use std::io;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use futures_util::stream;
use indicatif::HumanCount;
use serde_json::Value;
use spacetime_backup::upload::{SendError, send};
use spacetime_backup::{BackupIndex, open_depot};
use tokio::sync::mpsc;

use super::{RestoreArguments, choose};
use crate::commands::backup::{byte_bar, run_apart, show};
use crate::output::say;
use crate::paths::Paths;
use crate::prompt::yes_or_no;
use crate::session::{As, Session, percent_encoded};

/// Pieces that wait for the network, each of 8 MiB at most.
const PIECES_MAX: usize = 4;

/// In place of a database.
pub(super) async fn over(paths: &Paths, arguments: &RestoreArguments, name: &str) -> Result<()> {
    let index = run_apart(|| choose(&*open_depot(&arguments.from)?, arguments))?;
    let session = Session::open(paths, arguments.server.server.as_deref(), As::Me).await?;
    let identity = session.database(name).await?;
    let question = format!(
        "Replace the database {name} ({identity}) with backup {}? What it has now is lost.",
        index.id()
    );
    if !yes_or_no(arguments.yes || arguments.json, &question)? {
        say("Aborting");
        return Ok(());
    }
    upload(&session, arguments, index, &identity, "replace").await
}

/// Beside what there is.
pub(super) async fn as_new(paths: &Paths, arguments: &RestoreArguments, name: &str) -> Result<()> {
    let index = run_apart(|| choose(&*open_depot(&arguments.from)?, arguments))?;
    let session = Session::open(paths, arguments.server.server.as_deref(), As::Me).await?;
    upload(&session, arguments, index, name, "new").await
}

async fn upload(
    session: &Session,
    arguments: &RestoreArguments,
    index: BackupIndex,
    database: &str,
    mode: &str,
) -> Result<()> {
    let mut route = format!("database/{}/restore?mode={mode}", percent_encoded(database));
    if let Some(offset) = arguments.moment.at_tx {
        route += &format!("&at_tx={offset}");
    }
    if let Some(time) = arguments.moment.at {
        route += &format!("&at_micros={}", time.micros);
    }
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let place = arguments.from.clone();
    let id = index.id();
    let reader = std::thread::spawn(move || read_backup(&place, &index, &sender));
    let chunks = stream::unfold(receiver, |mut receiver| async move {
        let chunk = receiver.recv().await?;
        Some((chunk, receiver))
    });
    let request = session
        .post(&route)
        .header("content-type", "application/octet-stream")
        .body(reqwest::Body::wrap_stream(chunks));
    let answer = session.json(request).await;
    // The request is over: whoever reads finds out that nobody listens.
    let read = tokio::task::spawn_blocking(move || reader.join()).await?;
    let read = read.map_err(|_| anyhow!("reading the backup failed"))?;
    if let Err(error @ (SendError::Piece(_) | SendError::Depot(_))) = read {
        return Err(anyhow!(error).context("nothing was restored"));
    }
    report(arguments, &id, &answer.context("nothing was restored")?);
    Ok(())
}

/// Reads until the end, or until nobody wants more. An error breaks the request off.
fn read_backup(
    place: &str,
    index: &BackupIndex,
    sender: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), SendError> {
    let depot = open_depot(place)?;
    let bar = byte_bar("restoring");
    let mut take = |bytes: Vec<u8>| sender.blocking_send(Ok(bytes.into())).is_ok();
    let sent = send(&*depot, index, &mut take, &mut show(&bar));
    bar.finish_and_clear();
    if let Err(error) = &sent {
        // Nobody need be left to hear it.
        let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
    }
    sent
}

fn report(arguments: &RestoreArguments, backup: &str, answer: &Value) {
    if arguments.json {
        say(answer);
        return;
    }
    let number = |key: &str| HumanCount(answer[key].as_u64().unwrap_or_default());
    let what = match answer["op"].as_str() {
        Some("created") => "Made",
        _ => "Replaced",
    };
    say(format_args!(
        "{what} database {} from backup {backup}, as it was after transaction {}:\n\
         {} rows in {} tables.",
        answer["database_identity"].as_str().unwrap_or_default(),
        answer["last_transaction"],
        number("rows"),
        number("tables"),
    ));
}

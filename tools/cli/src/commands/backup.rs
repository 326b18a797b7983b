//! `spacetime backup`: copies of a running database in a folder or an S3 store.
//!
//! `spacetime backup NAME --to WHERE` asks the server for what the place does not have yet.
//! `list` and `verify` work on the place alone, without a server.

use std::collections::HashSet;
use std::io::{self, Read};

use anyhow::{Context, Result, anyhow, bail};
use bytes::{Buf, Bytes};
use clap::{Args, Subcommand};
use futures_util::StreamExt as _;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use spacetime_backup::stream::Have;
use spacetime_backup::take::{Taken, have, newest, take};
use spacetime_backup::verify::verify;
use spacetime_backup::{BackupIndex, Depot, list, load, open_depot};
use spacetime_types::Timestamp;
use tokio::sync::mpsc;

use crate::output::{note, say};
use crate::paths::Paths;
use crate::session::{As, ServerFlags, Session};

/// Chunks from the network that wait for the disk.
const CHUNKS_MAX: usize = 32;

/// The flags of `backup`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct BackupArguments {
    #[command(subcommand)]
    command: Option<BackupCommand>,
    /// The database
    #[arg(value_name = "DATABASE", required = true)]
    database: Option<String>,
    /// Where to: a folder, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "WHERE", required = true)]
    to: Option<String>,
    /// Take a snapshot first, which makes restoring quick: if there are 64 MiB or 250,000
    /// transactions of log behind the last one (auto), if there is anything (always), or never
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    snapshot: SnapshotWhen,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum SnapshotWhen {
    Auto,
    Always,
    Never,
}

impl SnapshotWhen {
    fn parameter(self) -> &'static str {
        match self {
            SnapshotWhen::Auto => "auto",
            SnapshotWhen::Always => "always",
            SnapshotWhen::Never => "never",
        }
    }
}

#[derive(Debug, Subcommand)]
enum BackupCommand {
    /// Show the backups in a place
    List(PlaceArguments),
    /// Read all of the backups in a place, and tell what is damaged
    Verify(PlaceArguments),
}

/// The flags of `list` and `verify`.
#[derive(Debug, Args)]
pub(super) struct PlaceArguments {
    /// Where the backups are: a folder, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "WHERE")]
    pub(super) from: String,
    /// Only those of this database: a name that it had, or its identity
    #[arg(long, value_name = "DATABASE")]
    pub(super) database: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(paths: &Paths, arguments: &BackupArguments) -> Result<()> {
    match &arguments.command {
        Some(BackupCommand::List(place)) => run_apart(|| list_backups(place)),
        Some(BackupCommand::Verify(place)) => run_apart(|| verify_backups(place)),
        None => take_backup(paths, arguments).await,
    }
}

/// On a thread of its own: depots wait, and may have a runtime inside.
pub(super) fn run_apart<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(work);
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A bar for bytes; shown on a terminal only.
pub(super) fn byte_bar(what: &str) -> ProgressBar {
    let style = "{msg:10} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0)
        .with_style(style)
        .with_message(what.to_owned())
}

/// Shows how far a task is.
pub(super) fn show(bar: &ProgressBar) -> impl FnMut(u64, u64) + '_ {
    |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    }
}

async fn take_backup(paths: &Paths, arguments: &BackupArguments) -> Result<()> {
    let (Some(name), Some(place)) = (&arguments.database, &arguments.to) else {
        bail!("name the database, and with --to the place for its backup");
    };
    let session = Session::open(paths, arguments.server.server.as_deref(), As::Me).await?;
    let database = session.database(name).await?;
    let known = run_apart(|| what_is_there(place, &database))?;
    let body = serde_json::to_vec(&known).context("cannot say what is there already")?;
    let when = arguments.snapshot.parameter();
    let request = session
        .post(&format!("database/{database}/backup?snapshot={when}"))
        .header("content-type", "application/json")
        .body(body);
    let answer = session.success(request).await?;
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    let to = place.clone();
    let writer = std::thread::spawn(move || write_backup(&to, &known, receiver));
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let is_end = chunk.is_err();
        // A writer that has failed takes no more; its error is the one to tell.
        if sender.send(chunk.map_err(io::Error::other)).await.is_err() || is_end {
            break;
        }
    }
    drop(sender);
    let written = tokio::task::spawn_blocking(move || writer.join()).await;
    let taken = written?.map_err(|_| anyhow!("the backup's writer failed"))??;
    match arguments.json {
        true => say(taken_json(&taken)),
        false => say(taken_text(&taken, place)),
    }
    Ok(())
}

fn what_is_there(place: &str, database: &str) -> Result<Have> {
    let depot = open_depot(place)?;
    match newest(&*depot, database)? {
        Some(previous) => Ok(have(&*depot, &previous)?),
        None => Ok(Have::default()),
    }
}

fn write_backup(place: &str, known: &Have, chunks: mpsc::Receiver<Chunk>) -> Result<Taken> {
    let depot = open_depot(place)?;
    let bar = byte_bar("backing up");
    let input = ChunkReader {
        chunks,
        current: Bytes::new(),
    };
    let taken = take(&*depot, input, known, &mut show(&bar));
    bar.finish_and_clear();
    taken.context("the backup was not taken")
}

type Chunk = Result<Bytes, io::Error>;

/// What arrives, as a file to read.
struct ChunkReader {
    chunks: mpsc::Receiver<Chunk>,
    current: Bytes,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let len = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..len]);
        Ok(len)
    }
}

fn taken_json(taken: &Taken) -> Value {
    let mut json = index_json(&taken.index);
    json["received_bytes"] = taken.received_bytes.into();
    json["written_bytes"] = taken.written_bytes.into();
    json["pieces"] = taken.pieces.into();
    json["new_pieces"] = taken.new_pieces.into();
    json
}

fn taken_text(taken: &Taken, place: &str) -> String {
    format!(
        "Backup {} in {place}: every transaction before {}.\n{} in {} files; {} sent, {} written.",
        taken.index.id(),
        taken.index.end,
        HumanBytes(taken.index.bytes()),
        taken.index.files.len(),
        HumanBytes(taken.received_bytes),
        HumanBytes(taken.written_bytes),
    )
}

fn index_json(index: &BackupIndex) -> Value {
    json!({
        "backup": index.id(),
        "database": index.database,
        "names": index.names,
        "owner": index.owner,
        "end": index.end,
        "taken_at_micros": index.taken_at_micros,
        "bytes": index.bytes(),
        "files": index.files.len(),
    })
}

/// The keys of the backups that are meant, oldest first, and why those that cannot be read are
/// not usable.
pub(super) fn chosen(
    depot: &dyn Depot,
    database: Option<&str>,
) -> Result<Vec<(String, Result<BackupIndex>)>> {
    let mut found = Vec::new();
    for key in list(depot, None)? {
        let index = load(depot, &key).map_err(anyhow::Error::from);
        let is_meant = match (&index, database) {
            (_, None) => true,
            (Ok(index), Some(wanted)) => {
                index.database == wanted || index.names.iter().any(|name| name == wanted)
            }
            // Whose it is cannot be read, but its place says it.
            (Err(_), Some(wanted)) => key.contains(wanted),
        };
        if is_meant {
            found.push((key, index));
        }
    }
    Ok(found)
}

fn list_backups(arguments: &PlaceArguments) -> Result<()> {
    let depot = open_depot(&arguments.from)?;
    let backups = chosen(&*depot, arguments.database.as_deref())?;
    if arguments.json {
        let entries = backups.iter().map(|(key, index)| match index {
            Ok(index) => index_json(index),
            Err(error) => json!({"place": depot.place(key), "error": error.to_string()}),
        });
        say(Value::Array(entries.collect()));
        return Ok(());
    }
    for (_, index) in &backups {
        match index {
            Ok(index) => say(format_args!(
                "{}  {}  {}  before transaction {}  {}",
                index.id(),
                index.names.first().unwrap_or(&index.database),
                Timestamp::from_micros(index.taken_at_micros),
                index.end,
                HumanBytes(index.bytes()),
            )),
            Err(error) => note(format_args!("Warning: {error}")),
        }
    }
    if backups.is_empty() {
        say(format_args!("There are no backups in {}.", arguments.from));
    }
    Ok(())
}

fn verify_backups(arguments: &PlaceArguments) -> Result<()> {
    let depot = open_depot(&arguments.from)?;
    let backups = chosen(&*depot, arguments.database.as_deref())?;
    let mut checked = HashSet::new();
    let mut bad_count = 0_u64;
    for (key, index) in &backups {
        let mut problems: Vec<Value> = Vec::new();
        match index {
            Err(error) => problems.push(json!({"error": error.to_string()})),
            Ok(index) => {
                let bar = byte_bar("verifying");
                let bad = verify(&*depot, index, &mut checked, &mut show(&bar));
                bar.finish_and_clear();
                problems.extend(bad.into_iter().map(
                    |bad| json!({"file": bad.path, "at": bad.at, "error": bad.error.to_string()}),
                ));
            }
        }
        bad_count += u64::from(!problems.is_empty());
        report_verified(arguments.json, &depot.place(key), &problems);
    }
    if backups.is_empty() {
        bail!("there are no backups in {} to verify", arguments.from);
    }
    if bad_count > 0 {
        bail!("{bad_count} of {} backups are damaged", backups.len());
    }
    Ok(())
}

fn report_verified(as_json: bool, place: &str, problems: &[Value]) {
    if as_json {
        say(json!({"place": place, "good": problems.is_empty(), "problems": problems}));
        return;
    }
    match problems.is_empty() {
        true => say(format_args!("{place}: good")),
        false => say(format_args!("{place}: DAMAGED")),
    }
    for problem in problems {
        let error = problem["error"].as_str().unwrap_or_default();
        match problem["file"].as_str() {
            Some(file) => say(format_args!("  {file}, byte {}: {error}", problem["at"])),
            None => say(format_args!("  {error}")),
        }
    }
}

//! `spacetime restore`: a database from a backup, as it was after the last transaction or any
//! before: into the data directory of a server that does not run, or into one that runs.

mod running;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde_json::json;
use spacetime_backup::cut::cut_after;
use spacetime_backup::restore::restore_files;
use spacetime_backup::{BackupIndex, Depot, open_depot};
use spacetime_durability::storage::{OsStorage, Storage};
use spacetime_host::{RestoreTarget, Restored, StoreOptions, restore_into};
use spacetime_store::offset_at;
use spacetime_types::{Identity, Timestamp, TxOffset};

use super::backup::{byte_bar, chosen, run_apart, show};
use crate::output::{note, say};
use crate::paths::Paths;
use crate::session::ServerFlags;

/// The flags of `restore`.
#[derive(Debug, Args)]
#[command(
    override_usage = "spacetime restore --from <WHERE> [OPTIONS] --to <DATA_DIR>\n       \
                      spacetime restore --from <WHERE> [OPTIONS] --over <NAME>\n       \
                      spacetime restore --from <WHERE> [OPTIONS] --as <NAME>"
)]
pub(crate) struct RestoreArguments {
    /// Where the backups are: a folder, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "WHERE")]
    from: String,
    /// The data directory of a server that is not running; otherwise --over or --as is needed
    #[arg(
        long,
        value_name = "DATA_DIR",
        required_unless_present_any = ["over", "as_new"],
        conflicts_with_all = ["over", "as_new", "server", "yes"]
    )]
    to: Option<PathBuf>,
    /// Replace this database of a running server; you must own it
    #[arg(long, value_name = "NAME", conflicts_with = "as_new")]
    over: Option<String>,
    /// Make a new database of this name in a running server
    #[arg(long = "as", id = "as_new", value_name = "NAME")]
    as_new: Option<String>,
    #[command(flatten)]
    server: ServerFlags,
    /// Ask nothing
    #[arg(long, short = 'y')]
    yes: bool,
    /// The database: a name that it had, or its identity (needed if there are several)
    #[arg(long, value_name = "DATABASE")]
    database: Option<String>,
    /// The backup, as `spacetime backup list` shows it (default: the newest)
    #[arg(long, value_name = "BACKUP")]
    backup: Option<String>,
    #[command(flatten)]
    moment: Moment,
    /// Replace the database if the data directory has it
    #[arg(long, conflicts_with_all = ["over", "as_new"])]
    replace: bool,
    /// Give it no name
    #[arg(long, conflicts_with_all = ["over", "as_new"])]
    no_names: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// Which state of the database.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Moment {
    /// The state after this transaction
    #[arg(long, value_name = "OFFSET")]
    at_tx: Option<u64>,
    /// The state at this time, like 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The state after the last transaction of the backup (the default)
    #[arg(long)]
    latest: bool,
}

pub(crate) async fn run(paths: &Paths, arguments: &RestoreArguments) -> Result<()> {
    match (&arguments.to, &arguments.over, &arguments.as_new) {
        (Some(data_dir), _, _) => run_apart(|| into_directory(arguments, data_dir)),
        (None, Some(name), _) => running::over(paths, arguments, name).await,
        (None, None, Some(name)) => running::as_new(paths, arguments, name).await,
        (None, None, None) => bail!("say where to: --to, --over or --as"),
    }
}

fn into_directory(arguments: &RestoreArguments, data_dir: &Path) -> Result<()> {
    let depot = open_depot(&arguments.from)?;
    let index = choose(&*depot, arguments)?;
    let identity = |hex: &str| Identity::from_hex(hex).context("the backup names no identity");
    let target = RestoreTarget {
        identity: identity(&index.database)?,
        owner: identity(&index.owner)?,
        names: match arguments.no_names {
            true => Vec::new(),
            false => index.names.clone(),
        },
        replace: arguments.replace,
    };
    let restored = restore_into(data_dir, &target, |directory| {
        fill(&*depot, &index, &arguments.moment, directory).map_err(Into::into)
    });
    let restored = restored.map_err(|error| anyhow!(error).context("nothing was restored"))?;
    report(arguments, &index, &restored);
    Ok(())
}

/// The backup that is meant.
fn choose(depot: &dyn Depot, arguments: &RestoreArguments) -> Result<BackupIndex> {
    let mut found: Vec<BackupIndex> = Vec::new();
    for (key, index) in chosen(depot, arguments.database.as_deref())? {
        let is_asked_for = arguments
            .backup
            .as_ref()
            .is_none_or(|wanted| key.ends_with(&format!("/{wanted}.json")));
        match index {
            Ok(index) if is_asked_for => found.push(index),
            Err(error) if arguments.backup.is_some() && is_asked_for => return Err(error),
            // The next older one does, but not silently.
            Err(error) if is_asked_for => note(format_args!("Warning: passed over: {error}")),
            _ => {}
        }
    }
    let Some(newest) = found.pop() else {
        bail!(
            "there is no such backup in {0}; `spacetime backup list --from {0}` shows what is \
             there",
            arguments.from
        );
    };
    if found.iter().any(|other| other.database != newest.database) {
        bail!("there are backups of several databases: choose one with --database");
    }
    if let Some(wanted) = arguments.moment.at_tx
        && wanted >= newest.end
    {
        let (id, end) = (newest.id(), newest.end);
        bail!("backup {id} has the transactions before {end} only");
    }
    Ok(newest)
}

/// Writes the files and cuts the log.
fn fill(depot: &dyn Depot, index: &BackupIndex, moment: &Moment, directory: &Path) -> Result<()> {
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let bar = byte_bar("restoring");
    let written = restore_files(depot, index, directory, &mut show(&bar));
    bar.finish_and_clear();
    written?;
    let last = match (moment.at_tx, moment.at) {
        (Some(offset), _) => TxOffset(offset),
        (None, Some(time)) => offset_at(&storage, directory, time, &StoreOptions::default())?,
        (None, None) => return Ok(()),
    };
    Ok(cut_after(&storage, directory, last)?)
}

fn report(arguments: &RestoreArguments, index: &BackupIndex, restored: &Restored) {
    let last = restored.last.map(|last| last.0);
    if arguments.json {
        say(json!({
            "database": index.database,
            "names": index.names,
            "backup": index.id(),
            "directory": restored.directory.display().to_string(),
            "last_transaction": last,
            "tables": restored.tables,
            "rows": restored.rows,
        }));
        return;
    }
    let last = last.map_or_else(
        || "no transaction".to_owned(),
        |last| format!("transaction {last}"),
    );
    say(format_args!(
        "Restored {} as it was after {last}: {} rows in {} tables.\nIts files are in {}.",
        index.names.first().unwrap_or(&index.database),
        restored.rows,
        restored.tables,
        restored.directory.display(),
    ));
}

//! `spacetime server`: the servers that have a name here.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use comfy_table::Table;
use reqwest::StatusCode;

use crate::cli_toml::{CliToml, ServerEntry};
use crate::output::{say, warn_unstable};
use crate::paths::Paths;
use crate::prompt::yes_or_no;
use crate::server_address::{resolve, split_url};
use crate::session::Session;

/// What to do with the list.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Show all servers
    List,
    /// Make one the default of all commands
    SetDefault {
        /// Nickname or host
        server: String,
    },
    /// Give a server a name
    Add(AddArguments),
    /// Forget a server
    Remove {
        /// Nickname or host
        server: String,
        /// Ask nothing
        #[arg(long, short = 'y')]
        yes: bool,
    },
    /// Compare a server's public key with the saved one
    Fingerprint {
        /// Nickname or host
        server: String,
        /// Answer every question with yes
        #[arg(long, short = 'y')]
        yes: bool,
    },
    /// Find out whether a server is there
    Ping {
        /// Nickname, host or URL
        server: String,
    },
    /// Change what a server is called or where it is
    Edit(EditArguments),
    /// Delete all data of the server on this machine
    Clear(ClearArguments),
}

/// The flags of `server add`.
#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// The nickname
    name: String,
    /// Where it is: http://host:port
    #[arg(long)]
    url: String,
    /// Make it the default of all commands
    #[arg(long, short = 'd')]
    default: bool,
    /// Do not ask the server for its public key
    #[arg(long)]
    no_fingerprint: bool,
}

/// The flags of `server edit`.
#[derive(Debug, Args)]
pub(crate) struct EditArguments {
    /// Nickname or host
    server: String,
    /// Another nickname
    #[arg(long, value_name = "NAME", required_unless_present = "url")]
    new_name: Option<String>,
    /// Another address
    #[arg(long)]
    url: Option<String>,
    /// Do not ask the server for its public key
    #[arg(long)]
    no_fingerprint: bool,
    /// Answer every question with yes
    #[arg(long, short = 'y')]
    yes: bool,
}

/// The flags of `server clear`.
#[derive(Debug, Args)]
pub(crate) struct ClearArguments {
    /// The server's directory
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Answer every question with yes
    #[arg(long, short = 'y')]
    yes: bool,
}

/// Does one of them.
pub(crate) async fn run(paths: &Paths, command: &ServerCommand) -> Result<()> {
    warn_unstable();
    if let ServerCommand::Clear(arguments) = command {
        return clear(paths, arguments);
    }
    let mut file = CliToml::load(&paths.cli_toml()?)?;
    match command {
        ServerCommand::List => list(&file),
        ServerCommand::SetDefault { server } => {
            known(&file, server)?;
            file.update(|file| {
                file.set_default_server(Some(server));
                Ok(())
            })
        }
        ServerCommand::Add(arguments) => add(&mut file, arguments).await,
        ServerCommand::Remove { server, .. } => remove(&mut file, server),
        ServerCommand::Fingerprint { server, yes } => fingerprint(&mut file, server, *yes).await,
        ServerCommand::Ping { server } => ping(&resolve(&file, Some(server))?).await,
        ServerCommand::Edit(arguments) => edit(&mut file, arguments).await,
        ServerCommand::Clear(_) => unreachable!("it was done above"),
    }
}

fn known(file: &CliToml, called: &str) -> Result<ServerEntry> {
    let found = file.find_server(called)?;
    found.with_context(|| {
        format!("No such saved server configuration: {called}\nSee `spacetime server list`.")
    })
}

fn list(file: &CliToml) -> Result<()> {
    let default = file.default_server();
    let mut table = Table::new();
    table
        .load_preset(comfy_table::presets::NOTHING)
        .set_header(["DEFAULT", "HOSTNAME", "PROTOCOL", "NICKNAME"]);
    for server in file.servers()? {
        let is_default = default
            .as_deref()
            .is_some_and(|default| server.is_called(default));
        let mark = if is_default { "***" } else { "" };
        let nickname = server.nickname.unwrap_or_default();
        table.add_row([mark.to_owned(), server.host, server.protocol, nickname]);
    }
    say(table.trim_fmt());
    Ok(())
}

async fn add(file: &mut CliToml, arguments: &AddArguments) -> Result<()> {
    let (protocol, host) = split_url(&arguments.url)?;
    refuse_empty(&arguments.name)?;
    for taken in [arguments.name.as_str(), host] {
        if file.find_server(taken)?.is_some() {
            bail!("there is a server called {taken} already; see `spacetime server list`");
        }
    }
    let mut entry = ServerEntry {
        nickname: Some(arguments.name.clone()),
        host: host.to_owned(),
        protocol: protocol.to_owned(),
        fingerprint: None,
    };
    if !arguments.no_fingerprint {
        let key = public_key(&entry.url()).await?;
        say(format_args!(
            "For server {}, got fingerprint:\n{key}",
            entry.name()
        ));
        entry.fingerprint = Some(key);
    }
    file.update(|file| {
        file.add_server(&entry);
        if arguments.default {
            file.set_default_server(Some(&arguments.name));
        }
        Ok(())
    })?;
    say(format_args!("Host: {host}"));
    say(format_args!("Protocol: {protocol}"));
    Ok(())
}

fn refuse_empty(name: &str) -> Result<()> {
    if name.trim().is_empty() {
        bail!("a server's name has at least one letter");
    }
    Ok(())
}

fn remove(file: &mut CliToml, called: &str) -> Result<()> {
    let server = known(file, called)?;
    file.update(|file| {
        file.remove_server(called)?;
        let default = file.default_server();
        if default.is_some_and(|default| server.is_called(&default)) {
            file.set_default_server(None);
        }
        Ok(())
    })
}

async fn fingerprint(file: &mut CliToml, called: &str, yes: bool) -> Result<()> {
    let mut server = known(file, called)?;
    if !refresh_fingerprint(&mut server).await? {
        return Ok(());
    }
    save_change(file, called, &server, yes)
}

/// Fetches the key and tells what is new about it; false if nothing is.
async fn refresh_fingerprint(server: &mut ServerEntry) -> Result<bool> {
    let key = public_key(&server.url()).await?;
    let name = server.name();
    if server.fingerprint.as_deref() == Some(key.as_str()) {
        say(format_args!(
            "Fingerprint is unchanged for server {name}:\n{key}"
        ));
        return Ok(false);
    }
    match &server.fingerprint {
        Some(old) => say(format_args!(
            "Fingerprint of server {name} was:\n{old}\nand is now:\n{key}"
        )),
        None => say(format_args!(
            "No fingerprint was saved for server {name}. It is:\n{key}"
        )),
    }
    server.fingerprint = Some(key);
    Ok(true)
}

async fn edit(file: &mut CliToml, arguments: &EditArguments) -> Result<()> {
    let mut server = known(file, &arguments.server)?;
    let was_default = file
        .default_server()
        .is_some_and(|name| server.is_called(&name));
    let is_other = |name: &str| name != arguments.server;
    if let Some(name) = &arguments.new_name {
        refuse_empty(name)?;
        if is_other(name) && file.find_server(name)?.is_some() {
            bail!("there is a server called {name} already; see `spacetime server list`");
        }
        say(format_args!(
            "Changing nickname from {} to {name}",
            server.name()
        ));
        server.nickname = Some(name.clone());
    }
    if let Some(url) = &arguments.url {
        let (protocol, host) = split_url(url)?;
        if host != server.host {
            if file.find_server(host)?.is_some() {
                bail!("there is a server called {host} already; see `spacetime server list`");
            }
            say(format_args!("Changing host from {} to {host}", server.host));
        }
        if protocol != server.protocol {
            say(format_args!(
                "Changing protocol from {} to {protocol}",
                server.protocol
            ));
        }
        server.host = host.to_owned();
        server.protocol = protocol.to_owned();
        if arguments.no_fingerprint {
            server.fingerprint = None;
        } else {
            refresh_fingerprint(&mut server).await?;
        }
    }
    save_change(file, &arguments.server, &server, arguments.yes)?;
    if was_default
        && file
            .find_server(&file.default_server().unwrap_or_default())?
            .is_none()
    {
        file.update(|file| {
            file.set_default_server(Some(server.name()));
            Ok(())
        })?;
    }
    Ok(())
}

fn save_change(file: &mut CliToml, called: &str, server: &ServerEntry, yes: bool) -> Result<()> {
    if !yes_or_no(yes, "Continue?")? {
        bail!("Aborted.");
    }
    file.update(|file| {
        if !file.replace_server(called, server)? {
            bail!("the server {called} was removed in the meantime");
        }
        Ok(())
    })
}

async fn public_key(url: &str) -> Result<String> {
    let session = Session::anonymous(url)?;
    let answer = session.success(session.get("identity/public-key")).await;
    let answer = answer
        .context("cannot get the server's public key; pass --no-fingerprint to do without")?;
    answer.text().await.context("the answer was cut off")
}

async fn ping(url: &str) -> Result<()> {
    let session = Session::anonymous(url)?;
    let answer = session.send(session.get("ping")).await?;
    match answer.status() {
        status if status.is_success() => {
            say(format_args!("Server is online: {url}"));
            Ok(())
        }
        StatusCode::NOT_FOUND => bail!("Server returned 404 (Not Found): {url}"),
        status => bail!("Server could not be reached ({status}): {url}"),
    }
}

fn clear(paths: &Paths, arguments: &ClearArguments) -> Result<()> {
    let folder = match &arguments.data_dir {
        Some(folder) => folder.as_path(),
        None => paths.data_dir()?,
    };
    if !folder.is_dir() {
        say("Local database not found. Nothing has been deleted.");
        return Ok(());
    }
    refuse_if_running(folder)?;
    refuse_other_folder(folder)?;
    say(format_args!("Database path: {}", folder.display()));
    if !yes_or_no(
        arguments.yes,
        "Are you sure you want to delete all data from the local database?",
    )? {
        say("Aborting");
        return Ok(());
    }
    std::fs::remove_dir_all(folder)
        .with_context(|| format!("cannot delete {}", folder.display()))?;
    say(format_args!("Deleted database: {}", folder.display()));
    Ok(())
}

/// Deletes nothing that no server has made: a slip of the keyboard must not cost a home directory.
fn refuse_other_folder(folder: &Path) -> Result<()> {
    let has = |name: &str| folder.join(name).exists();
    let is_empty = || std::fs::read_dir(folder).is_ok_and(|mut inside| inside.next().is_none());
    if ["metadata.toml", "control", "control-db", "replicas"]
        .iter()
        .any(|name| has(name))
        || is_empty()
    {
        return Ok(());
    }
    bail!(
        "{} does not look like the data directory of a server; delete it yourself if it is one",
        folder.display()
    )
}

/// A running server holds a lock on its pid file.
fn refuse_if_running(folder: &Path) -> Result<()> {
    let path = folder.join("spacetime.pid");
    let Ok(file) = File::options().read(true).write(true).open(&path) else {
        return Ok(());
    };
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(_) => {
            let pid = std::fs::read_to_string(&path).unwrap_or_default();
            bail!(
                "a server (process {}) runs on {}; stop it first",
                pid.trim(),
                folder.display()
            )
        }
    }
}

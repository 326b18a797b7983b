//! `spacetime publish`: a module into a database, new or not.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::build::default_folder;
use super::init::check_database_name;
use crate::output::{note, say};
use crate::paths::Paths;
use crate::project::{Project, Target};
use crate::prompt::yes_or_no;
use crate::server_address::is_local;
use crate::session::{As, ServerFlags, Session, check_wasm, percent_encoded, read_file};

mod builds;
mod plan;
mod targets;

pub(crate) use builds::{Builds, build_arguments};
pub(crate) use targets::{Job, jobs, matches_glob};

/// The flags of `publish`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PublishArguments {
    /// The database, by name or identity; all of spacetime.json if absent, otherwise a new one
    #[arg(value_name = "NAME|IDENTITY")]
    pub(crate) name: Option<String>,
    /// The folder of the module [default: ./spacetimedb if it is there, otherwise .]
    #[arg(long, short = 'p', value_name = "DIR", visible_alias = "project-path")]
    pub(crate) module_path: Option<PathBuf>,
    /// A program that is built already
    #[arg(
        long,
        short = 'b',
        value_name = "FILE",
        conflicts_with_all = ["module_path", "js_path", "build_options"]
    )]
    pub(crate) bin_path: Option<PathBuf>,
    /// A JavaScript program that is bundled already
    #[arg(
        long,
        short = 'j',
        value_name = "FILE",
        conflicts_with_all = ["module_path", "build_options"]
    )]
    pub(crate) js_path: Option<PathBuf>,
    /// Arguments for `spacetime build`
    #[arg(
        long,
        visible_alias = "build-opts",
        value_name = "ARGUMENTS",
        allow_hyphen_values = true
    )]
    pub(crate) build_options: Option<String>,
    /// Delete the data that is there: always, or if the module cannot be updated otherwise
    #[arg(
        long,
        short = 'c',
        visible_alias = "clear-database",
        value_enum,
        value_name = "WHEN",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "always",
        default_value = "never"
    )]
    pub(crate) delete_data: DeleteData,
    /// Only print what publishing would change
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Keep the data through changes that are not made by themselves: removed, reordered and
    /// widened columns, removed tables, and those that the next flags tell
    #[arg(long, conflicts_with = "delete_data")]
    pub(crate) migrate: bool,
    /// A table or column that got another name: TABLE=TABLE or TABLE.COLUMN=COLUMN (with --migrate)
    #[arg(long, value_name = "OLD=NEW", requires = "migrate")]
    pub(crate) rename: Vec<String>,
    /// What old rows get in a new column, as JSON: TABLE.COLUMN=VALUE (with --migrate)
    #[arg(
        long,
        value_name = "COLUMN=VALUE",
        requires = "migrate",
        allow_hyphen_values = true
    )]
    pub(crate) default: Vec<String>,
    /// Update although connected clients will no longer work
    #[arg(long)]
    pub(crate) break_clients: bool,
    /// Answer questions with yes: all, or those of the kinds that are listed
    #[arg(
        long,
        short = 'y',
        value_enum,
        value_name = "LIST",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all",
        value_delimiter = ','
    )]
    pub(crate) yes: Vec<Yes>,
    /// Publish as nobody in particular: a fresh identity will own the database
    #[arg(long)]
    pub(crate) anonymous: bool,
    /// The database that a new one belongs to
    #[arg(long, value_name = "NAME|IDENTITY")]
    pub(crate) parent: Option<String>,
    /// The organization that owns a new database
    #[arg(long, visible_alias = "org", value_name = "NAME|IDENTITY")]
    pub(crate) organization: Option<String>,
    /// Number of replicas
    #[arg(long, value_name = "COUNT", hide = true)]
    pub(crate) num_replicas: Option<u8>,
    /// For C# modules, which this build cannot compile
    #[arg(long, hide = true)]
    pub(crate) native_aot: bool,
    /// For C# modules, which this build cannot compile
    #[arg(long, value_name = "VERSION", value_parser = ["8", "10"], hide = true)]
    pub(crate) dotnet_version: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerFlags,
    /// Read spacetime.NAME.json too
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Ignore spacetime.json
    #[arg(long)]
    pub(crate) no_config: bool,
}

/// When data is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeleteData {
    Always,
    OnConflict,
    #[default]
    Never,
}

/// Kinds of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Yes {
    All,
    Remote,
    Migrate,
    BreakClients,
    SkipLogin,
    DeleteData,
}

impl PublishArguments {
    fn says_yes_to(&self, kind: Yes) -> bool {
        self.yes.iter().any(|yes| *yes == kind || *yes == Yes::All)
            || (kind == Yes::BreakClients && self.break_clients)
    }
}

/// What is published.
struct Program {
    bytes: Vec<u8>,
    host_type: &'static str,
}

/// Publishes to every database that was asked for.
pub(crate) async fn run(paths: &Paths, arguments: &PublishArguments) -> Result<()> {
    let project = Project::find_here(arguments.no_config, arguments.env.as_deref())?;
    if let Some(project) = &project {
        project.say_layers();
    }
    let mut builds = Builds::default();
    for job in jobs(arguments, project.as_ref())? {
        publish(paths, arguments, &job, &mut builds).await?;
    }
    Ok(())
}

/// Publishes to one database.
pub(crate) async fn publish(
    paths: &Paths,
    arguments: &PublishArguments,
    job: &Job,
    builds: &mut Builds,
) -> Result<()> {
    if let Some(name) = &job.name {
        check_database_name(name)?;
    }
    if arguments.num_replicas.is_some() {
        note("WARNING: Use of unstable option `--num-replicas`.");
    }
    let who = if job.anonymous { As::Anonymous } else { As::Me };
    let skip_login = arguments.says_yes_to(Yes::SkipLogin);
    let session = Session::open_asking(paths, job.server.as_deref(), who, skip_login).await?;
    let program = program(job, builds)?;
    let server = session.url().to_owned();
    if !is_local(&server) {
        say(format_args!(
            "You are about to publish to a non-local server: {server}"
        ));
        let skip = arguments.says_yes_to(Yes::Remote);
        if !yes_or_no(skip, "Are you sure you want to proceed?")? {
            bail!("Publish aborted by user.");
        }
    }
    say(format_args!(
        "Uploading to {} => {server}",
        job.server.as_deref().unwrap_or("default")
    ));
    let Some(name) = &job.name else {
        if arguments.dry_run {
            say("A new database would be created.");
            return Ok(());
        }
        return upload(&session, job, &program, Query::new(job, &program)).await;
    };
    let mut query = Query::new(job, &program);
    if arguments.delete_data == DeleteData::Always {
        if arguments.dry_run {
            say(format_args!("All data of {name} would be deleted."));
            return Ok(());
        }
        ask_to_delete(arguments, name)?;
        query.push("clear", "true");
    } else {
        if arguments.migrate {
            query.push("migrate", &plan::hints(arguments)?);
        }
        plan::check(&session, arguments, name, &program, &mut query).await?;
        if arguments.dry_run {
            return Ok(());
        }
    }
    match upload(&session, job, &program, query.clone()).await {
        // A server that cannot be asked beforehand says it now.
        Err(error)
            if is_rejection(&error) && query.get("clear").is_none() && !arguments.migrate =>
        {
            plan::manual_migration(arguments, name, &error.to_string())?;
            query.push("clear", "true");
            upload(&session, job, &program, query).await
        }
        result => result,
    }
}

fn is_rejection(error: &anyhow::Error) -> bool {
    error.to_string().starts_with("Database update rejected: ")
}

fn program(job: &Job, builds: &mut Builds) -> Result<Program> {
    let (path, host_type) = match (&job.bin_path, &job.js_path) {
        (Some(path), _) => (path, "Wasm"),
        (None, Some(path)) => (path, "Js"),
        (None, None) => {
            let program = builds.program(job)?;
            let host_type = builds::host_type(&program);
            let bytes = read_file(&program)?;
            return Ok(Program { bytes, host_type });
        }
    };
    let bytes = read_file(path)?;
    if host_type == "Wasm" {
        check_wasm(path, &bytes)?;
    }
    say(format_args!(
        "({}) Skipping build. Instead we are publishing {}",
        host_type.to_uppercase(),
        path.display()
    ));
    Ok(Program { bytes, host_type })
}

/// Query parameters.
#[derive(Debug, Clone, Default)]
struct Query(Vec<(&'static str, String)>);

impl Query {
    fn new(job: &Job, program: &Program) -> Self {
        let mut query = Query::default();
        query.push("host_type", program.host_type);
        let optional = [
            ("num_replicas", job.num_replicas.as_deref()),
            ("parent", job.parent.as_deref()),
            ("org", job.organization.as_deref()),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                query.push(key, value);
            }
        }
        query
    }

    fn push(&mut self, key: &'static str, value: &str) {
        self.0.push((key, value.to_owned()));
    }

    fn get(&self, key: &str) -> Option<&str> {
        let mut parameters = self.0.iter();
        let found = parameters.find(|(found, _)| *found == key);
        found.map(|(_, value)| &**value)
    }
}

fn ask_to_delete(arguments: &PublishArguments, name: &str) -> Result<()> {
    say(format_args!(
        "This will DESTROY the current {name} module, and ALL corresponding data."
    ));
    let question = format!("Are you sure you want to proceed? [deleting {name}]");
    if !yes_or_no(arguments.says_yes_to(Yes::DeleteData), &question)? {
        bail!("Aborted.");
    }
    Ok(())
}

async fn upload(session: &Session, job: &Job, program: &Program, query: Query) -> Result<()> {
    say("Publishing module...");
    let request = match &job.name {
        Some(name) => session.put(&format!("database/{}", percent_encoded(name))),
        None => session.post("database"),
    };
    let request = request.query(&query.0).body(program.bytes.clone());
    let answer = session.send(request).await?;
    if let Some(error) = answer.error_for_status_ref().err() {
        let text = answer.text().await.context("the answer was cut off")?;
        return Err(refused(session, &text, anyhow!(error)));
    }
    let text = answer.text().await.context("the answer was cut off")?;
    let published: Value = serde_json::from_str(&text).context("the server sent damaged JSON")?;
    let published = &published["Success"];
    let identity = published["database_identity"]
        .as_str()
        .context("there is no identity")?;
    let verb = match published["op"].as_str() {
        Some("updated") => "Updated database",
        _ => "Created new database",
    };
    match published["domain"].as_str() {
        Some(domain) => say(format_args!(
            "{verb} with name: {domain}, identity: {identity}"
        )),
        None => say(format_args!("{verb} with identity: {identity}")),
    }
    if let Some(offset) = published["restore_point"].as_u64() {
        plan::say_way_back(job.name.as_deref().unwrap_or(identity), offset);
    }
    Ok(())
}

fn refused(session: &Session, text: &str, status: anyhow::Error) -> anyhow::Error {
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    let denied = answer["PermissionDenied"]["name"].as_str();
    match (denied, session.identity()) {
        (Some(name), Ok(me)) => status.context(format!(
            "The database {name} is not registered to the identity you provided.\n\
             We suggest you push to either a domain owned by you, or a new domain like:\n\
             \tspacetime publish {}",
            me.get(..12).unwrap_or(&me)
        )),
        (Some(name), Err(_)) => status.context(format!(
            "The database {name} is registered to someone else."
        )),
        (None, _) if text.trim().is_empty() => status,
        (None, _) => status.context(text.trim().to_owned()),
    }
}

/// A path of the configuration is meant from its folder.
fn configured_path(project: &Project, target: &Target, key: &str) -> Result<Option<PathBuf>> {
    let text = target.text(key)?;
    Ok(text.map(|text| project.path(text)))
}

/// For messages.
fn shown(path: Option<&Path>) -> String {
    path.map_or_else(
        || default_folder().display().to_string(),
        |path| path.display().to_string(),
    )
}

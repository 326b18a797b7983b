//! `spacetime dev`: builds, publishes, generates bindings, runs the client, shows the logs, and
//! does it again whenever the module's sources change.
//!
//! Invariants
//!   * An error of a build or a publish does not end the loop: the next change tries again.
//!   * What it started (a server, the client) ends with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use tokio::task::JoinHandle;

use super::publish::{Builds, DeleteData, Job, PublishArguments, Yes, jobs, publish};
use crate::env_local;
use crate::output::{error, note, say};
use crate::package_manager::install_missing;
use crate::paths::Paths;
use crate::project::Project;
use crate::session::{As, ServerFlags, Session};

mod bindings;
mod client;
mod prepare;
mod server;
mod watch;

use client::Client;
use watch::Watch;

/// Lines of before that are shown of every log.
const LOG_LINES: u32 = 10;
/// How long a log that ended is left alone.
const LOG_RETRY: Duration = Duration::from_secs(10);

/// The flags of `dev`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DevArguments {
    /// The database; that of spacetime.json, or a new name, if absent
    database: Option<String>,
    /// The folder of the project
    #[arg(long, value_name = "DIR", default_value = ".")]
    project_path: PathBuf,
    /// The folder of the module [default: that of spacetime.json, or spacetimedb]
    #[arg(long, value_name = "DIR")]
    module_path: Option<PathBuf>,
    /// Where bindings for the client go
    #[arg(long, value_name = "DIR", default_value = "src/module_bindings")]
    module_bindings_path: PathBuf,
    /// The client's language [default: by the files of the project]
    #[arg(long, value_enum)]
    client_lang: Option<ClientLang>,
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
        default_value = "on-conflict"
    )]
    delete_data: DeleteData,
    /// Make the project first, from this template
    #[arg(long, short = 't', value_name = "TEMPLATE")]
    template: Option<String>,
    /// The shell command that runs the client [default: `run` in `dev` of spacetime.json]
    #[arg(long, value_name = "COMMAND")]
    run: Option<String>,
    /// Without a client
    #[arg(long)]
    server_only: bool,
    /// Do not publish
    #[arg(long)]
    skip_publish: bool,
    /// Do not generate bindings
    #[arg(long)]
    skip_generate: bool,
    #[command(flatten)]
    server: ServerFlags,
    /// Answer questions with yes
    #[arg(long, short = 'y')]
    yes: bool,
    /// Read spacetime.NAME.json too
    #[arg(long, value_name = "NAME", default_value = "dev")]
    env: String,
    /// Ignore spacetime.json
    #[arg(long)]
    no_config: bool,
    /// The version of .NET that builds a C# module
    #[arg(long, value_name = "VERSION", value_parser = ["8", "10"])]
    dotnet_version: Option<String>,
    /// The old way to name the database
    #[arg(
        long = "database",
        hide = true,
        value_name = "NAME",
        conflicts_with = "database"
    )]
    old_database: Option<String>,
}

/// Languages of clients, as `generate` calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientLang {
    Rust,
    Typescript,
    Csharp,
}

impl ClientLang {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ClientLang::Rust => "rust",
            ClientLang::Typescript => "typescript",
            ClientLang::Csharp => "csharp",
        }
    }
}

/// Runs until it is interrupted.
pub(crate) async fn run(paths: &Paths, arguments: &DevArguments) -> Result<()> {
    let mut arguments = arguments.clone();
    if let Some(old) = arguments.old_database.take() {
        note("WARNING: `--database NAME` is deprecated; pass the name alone");
        arguments.database = Some(old);
    }
    let folder = prepare::folder(&mut arguments)?;
    std::env::set_current_dir(&folder)
        .with_context(|| format!("{} cannot be used", folder.display()))?;
    let mut dev = Dev {
        paths,
        project: None,
        jobs: Vec::new(),
        logs: Vec::new(),
        client: None,
        bindings_changed: false,
        arguments,
    };
    dev.plan()?;
    let server = server::start_if_needed(paths, &dev.arguments, &dev.jobs).await?;
    let result = dev.cycle_until_stopped().await;
    dev.stop();
    if let Some(server) = server {
        server.stop();
    }
    result
}

/// One project while it is worked on.
struct Dev<'a> {
    paths: &'a Paths,
    arguments: DevArguments,
    project: Option<Project>,
    jobs: Vec<Job>,
    logs: Vec<JoinHandle<()>>,
    client: Option<Client>,
    /// Whether bindings have changed since the client was started.
    bindings_changed: bool,
}

impl Dev<'_> {
    /// Reads the configuration, which may have changed, and completes it.
    fn plan(&mut self) -> Result<()> {
        self.project = prepare::project(&self.arguments)?;
        self.jobs = jobs(&self.publish_arguments(), self.project.as_ref())?;
        Ok(())
    }

    /// What `publish` would have been given. What could be asked was asked before the first cycle.
    fn publish_arguments(&self) -> PublishArguments {
        PublishArguments {
            name: self.arguments.database.clone(),
            module_path: self.arguments.module_path.clone(),
            delete_data: self.arguments.delete_data,
            yes: vec![Yes::All],
            server: self.arguments.server.clone(),
            dotnet_version: self.arguments.dotnet_version.clone(),
            ..PublishArguments::default()
        }
    }

    async fn cycle_until_stopped(&mut self) -> Result<()> {
        let mut stop = std::pin::pin!(stopped());
        loop {
            let mut watch = Watch::new(self.watched());
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                result = self.cycle() => if let Err(failure) = result {
                    error(&failure);
                    say("Waiting for a change ..");
                },
            }
            loop {
                tokio::select! {
                    biased;
                    () = &mut stop => return Ok(()),
                    () = watch.changed() => break,
                    status = client::ended(&mut self.client) => {
                        note(format_args!("The client has ended ({status})."));
                        self.renew_client().await;
                    }
                }
            }
            say("\nSomething changed: building again");
            if let Err(failure) = self.plan() {
                error(&failure);
            }
        }
    }

    /// Build, publish, generate; then the logs and the client, unless they run already.
    async fn cycle(&mut self) -> Result<()> {
        let built = self.build().await?;
        if !self.arguments.skip_publish {
            let arguments = self.publish_arguments();
            for job in &built {
                publish(self.paths, &arguments, job, &mut Builds::default()).await?;
            }
            say("Published successfully!");
        }
        if !self.arguments.skip_generate {
            self.bindings_changed |= self.generate(&built)?;
        }
        self.write_env().await?;
        if self.logs.is_empty() && !self.arguments.skip_publish {
            self.follow_logs();
        }
        if self.arguments.server_only {
            return Ok(());
        }
        // A client that was compiled before does not know what has changed; those in TypeScript
        // are run by tools that see it.
        let is_compiled = self.client_lang() == Some(ClientLang::Rust);
        let is_old = self.bindings_changed && is_compiled;
        if let Some(client) = self.client.take_if(|client| client.has_ended() || is_old) {
            client.stop();
        }
        if self.client.is_none() {
            self.start_client().await?;
        }
        Ok(())
    }

    /// A module that has changed may disconnect its clients, and some end then: they are started
    /// again, with the bindings for it.
    async fn renew_client(&mut self) {
        if !self.bindings_changed {
            return;
        }
        self.client = None;
        if let Err(failure) = self.start_client().await {
            error(&failure);
        }
    }

    /// The jobs with programs in the place of sources. A build takes long, and the logs go on
    /// meanwhile.
    async fn build(&self) -> Result<Vec<Job>> {
        let jobs = self.jobs.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut builds = Builds::default();
            let built = jobs.into_iter().map(|mut job| {
                if job.bin_path.is_none() && job.js_path.is_none() {
                    let program = builds.program(&job)?;
                    job.set_program(program);
                }
                Ok(job)
            });
            built.collect::<Result<Vec<Job>>>()
        });
        task.await.context("the build was cut off")?
    }

    /// The bindings that are configured, or those of the client that is there. True if they have
    /// changed.
    fn generate(&self, built: &[Job]) -> Result<bool> {
        let mut has_changed = false;
        for job in built {
            let Some(program) = &job.bin_path else {
                continue;
            };
            let configured = self.project.as_ref().and_then(|project| {
                let databases = project.databases();
                let found = databases
                    .iter()
                    .find(|(name, _)| job.name.as_deref() == Some(*name));
                found.map(|(_, target)| target.generate.clone())
            });
            let entries = configured.unwrap_or_default();
            if let Some(project) = self.project.as_ref().filter(|_| !entries.is_empty()) {
                for entry in &entries {
                    has_changed |= bindings::generate_entry(project, entry, program)?;
                }
            } else if let Some(lang) = self.client_lang() {
                let folder = &self.arguments.module_bindings_path;
                has_changed |= bindings::generate(lang.name(), folder, program)?;
                // More targets would write the same files.
                break;
            }
        }
        Ok(has_changed)
    }

    fn client_lang(&self) -> Option<ClientLang> {
        if self.arguments.server_only {
            return None;
        }
        self.arguments
            .client_lang
            .or_else(|| prepare::client_lang(Path::new(".")))
    }

    /// Web clients are told where their database is by files of their build tools.
    async fn write_env(&self) -> Result<()> {
        if self.client_lang() != Some(ClientLang::Typescript) {
            return Ok(());
        }
        let (database, url) = self.first_database().await?;
        env_local::upsert(Path::new("."), &database, &url).map(drop)
    }

    /// Where the client goes.
    async fn first_database(&self) -> Result<(String, String)> {
        let job = self.jobs.first().context("there is no database to use")?;
        let session = self.session(job).await?;
        let name = job.name.clone().context("the database has no name")?;
        Ok((name, session.url().to_owned()))
    }

    async fn session(&self, job: &Job) -> Result<Session> {
        let who = if job.anonymous { As::Anonymous } else { As::Me };
        Session::open(self.paths, job.server.as_deref(), who).await
    }

    fn follow_logs(&mut self) {
        let is_one = self.jobs.len() == 1;
        for job in self.jobs.clone() {
            let paths = self.paths.clone();
            let Some(name) = job.name.clone() else {
                continue;
            };
            let prefix = if is_one {
                String::new()
            } else {
                format!("[{name}] ")
            };
            self.logs.push(tokio::spawn(async move {
                loop {
                    let followed = async {
                        let session = Session::open(&paths, job.server.as_deref(), As::Me).await?;
                        let identity = session.database(&name).await?;
                        super::logs::follow_as_text(&session, &identity, LOG_LINES, &prefix).await
                    };
                    // A log that cannot be read now may be there again later.
                    if let Err(failure) = followed.await {
                        note(format_args!("{prefix}the log was cut off: {failure}"));
                    }
                    tokio::time::sleep(LOG_RETRY).await;
                }
            }));
        }
    }

    async fn start_client(&mut self) -> Result<()> {
        let configured = self
            .project
            .as_ref()
            .and_then(|project| project.dev_run.clone());
        let Some(command) = self.arguments.run.clone().or(configured) else {
            return Ok(());
        };
        let (database, url) = self.first_database().await?;
        if self.client_lang() == Some(ClientLang::Typescript) {
            install_missing(Path::new("."));
        }
        say(format_args!("Starting the client: {command}"));
        self.bindings_changed = false;
        self.client = Some(Client::start(&command, &database, &url)?);
        Ok(())
    }

    /// What a change of has to be followed.
    fn watched(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self
            .jobs
            .iter()
            .map(|job| match (&job.bin_path, &job.js_path) {
                (Some(program), _) | (None, Some(program)) => program.clone(),
                (None, None) => {
                    let usual = super::build::default_folder;
                    job.module_path.clone().unwrap_or_else(usual)
                }
            })
            .collect();
        if let Some(project) = &self.project {
            let env = &self.arguments.env;
            let layers = [
                "spacetime.json".to_owned(),
                "spacetime.local.json".to_owned(),
                format!("spacetime.{env}.json"),
                format!("spacetime.{env}.local.json"),
            ];
            paths.extend(layers.iter().map(|layer| project.path(layer)));
        }
        paths
    }

    fn stop(&mut self) {
        for log in self.logs.drain(..) {
            log.abort();
        }
        if let Some(client) = self.client.take() {
            client.stop();
        }
    }
}

/// Ctrl-C, or being told to end.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        drop(tokio::signal::ctrl_c().await);
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Refuses what cannot be answered where nobody is there to ask.
fn ask_or_refuse(question: &str, flag: &str) -> Result<bool> {
    if !crate::prompt::can_ask() {
        bail!("{question} Nobody is there to answer; pass {flag}");
    }
    crate::prompt::yes_or_no(false, question)
}

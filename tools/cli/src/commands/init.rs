//! `spacetime init`: a new project, from a template that is part of this program, or from a git
//! repository.
//!
//! Invariants
//!   * Nothing that is there is overwritten: the folder is new or empty.
//!   * A project is written whole before packages are installed, so a failure of a package manager
//!     leaves a project that can be used.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::env_local;
use crate::output::say;
use crate::package_manager::PackageManager;
use crate::prompt::{can_ask, one_of, text};
use crate::templates::{
    ClientLanguage, MODULE_FOLDER, MODULE_LANGUAGE_NOTE, TEMPLATES, Template, elsewhere, find, near,
};

mod name;
mod write;

pub(crate) use name::{check_database_name, database_name, kebab_case};

/// What `--template` without a value means.
const LIST: &str = "?list";
/// Where a server of one's own is reached from a page.
const LOCAL_URL: &str = "http://127.0.0.1:3000";
/// The hosted service.
const CLOUD_URL: &str = "https://maincloud.spacetimedb.com";

/// The flags of `init`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct InitArguments {
    /// The project's name; asked for if absent
    pub(crate) project_name: Option<String>,
    /// Where to make it [default: ./NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) project_path: Option<PathBuf>,
    /// The language of the module; without --template, a module alone is made
    #[arg(long, value_enum)]
    pub(crate) lang: Option<ModuleLanguage>,
    /// Which project to make: an id (without one: list them), owner/repo on GitHub, or a git URL
    #[arg(
        long,
        short = 't',
        value_name = "TEMPLATE",
        num_args = 0..=1,
        default_missing_value = LIST,
        hide_default_value = true
    )]
    pub(crate) template: Option<String>,
    /// Only the module, without a client
    #[arg(long)]
    pub(crate) server_only: bool,
    /// Use the server on this machine instead of the hosted service
    #[arg(long)]
    pub(crate) local: bool,
    /// Ask nothing; the name and --template or --lang have to be given
    #[arg(long)]
    pub(crate) non_interactive: bool,
    /// Use the SDKs of a checkout of this project instead of the published packages
    #[arg(long, value_name = "DIR")]
    pub(crate) sdk_path: Option<PathBuf>,
    /// For C# modules, which have no template here
    #[arg(long, hide = true)]
    pub(crate) native_aot: bool,
    /// For C# modules, which have no template here
    #[arg(long, value_name = "VERSION", value_parser = ["8", "10"], hide = true)]
    pub(crate) dotnet_version: Option<String>,
}

/// Languages of modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModuleLanguage {
    Rust,
    Csharp,
    Typescript,
    Cpp,
}

/// What the project is made from.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Template(&'static Template),
    /// A module without a client.
    Module,
    Git(&'a str),
}

/// What is made where.
#[derive(Debug)]
struct Plan<'a> {
    name: String,
    folder: PathBuf,
    source: Source<'a>,
    is_local: bool,
    /// Whether to ask who installs the packages of a client in TypeScript.
    asks_for_packages: bool,
}

/// A project that was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) folder: PathBuf,
}

/// Makes a project, or lists what there is.
pub(crate) fn run(arguments: &InitArguments) -> Result<()> {
    if arguments.template.as_deref() == Some(LIST) {
        return list();
    }
    let made = make(arguments)?;
    say(format_args!(
        "\nTo start:\n  cd {}\n  spacetime dev",
        made.folder.display()
    ));
    Ok(())
}

/// Says what there is to choose from.
fn list() -> Result<()> {
    say("Templates:");
    let width = |column: &dyn Fn(&Template) -> Result<usize>| -> Result<usize> {
        let widths = TEMPLATES
            .iter()
            .map(column)
            .collect::<Result<Vec<usize>>>()?;
        Ok(widths.into_iter().max().unwrap_or(0))
    };
    let ids = width(&|it| Ok(it.id.len()))?;
    let clients = width(&|it| Ok(it.metadata()?.client().len()))?;
    for template in TEMPLATES {
        let metadata = template.metadata()?;
        say(format_args!(
            "  {:ids$}  {:clients$}  {}",
            template.id,
            metadata.client(),
            metadata.description
        ));
    }
    say(MODULE_LANGUAGE_NOTE);
    Ok(())
}

/// Makes the project.
pub(crate) fn make(arguments: &InitArguments) -> Result<Made> {
    if let Some(lang) = arguments.lang {
        require_rust(lang)?;
    }
    let plan = plan(arguments)?;
    refuse_what_is_there(&plan.folder)?;
    let client = match plan.source {
        Source::Git(address) => {
            clone(address, &plan.folder)?;
            client_of(&plan.folder)
        }
        Source::Template(template) => {
            write::module(&plan.folder, template)?;
            match arguments.server_only {
                true => None,
                false => {
                    write::client(&plan.folder, template, &plan.name)?;
                    Some(template.metadata()?.client_lang)
                }
            }
        }
        Source::Module => {
            let template = find("basic-rs").context("the basic template is part of the program")?;
            write::module(&plan.folder, template)?;
            None
        }
    };
    if !matches!(plan.source, Source::Git(_)) {
        write::instructions(&plan.folder, client, &plan.name)?;
    }
    write::names(&plan.folder, &plan.name)?;
    if let Some(checkout) = &arguments.sdk_path {
        write::own_sdks(&plan.folder, checkout)?;
    }
    let is_typescript = client == Some(ClientLanguage::TypeScript);
    let installer = match is_typescript && plan.asks_for_packages {
        true => choose_package_manager(&plan.folder)?,
        false => None,
    };
    let run = client.map(|client| match client {
        ClientLanguage::Rust => "cargo run".to_owned(),
        ClientLanguage::TypeScript => installer
            .unwrap_or_else(|| PackageManager::of(&plan.folder))
            .run_command(),
    });
    configure(&plan, run.as_deref())?;
    say(format_args!("Project created in {}", plan.folder.display()));
    if let Some(manager) = installer {
        manager.install(&plan.folder);
    }
    Ok(Made {
        folder: plan.folder,
    })
}

fn require_rust(lang: ModuleLanguage) -> Result<()> {
    match lang {
        ModuleLanguage::Rust => Ok(()),
        ModuleLanguage::Typescript => bail!(
            "this server runs WebAssembly modules; there is no template for modules in TypeScript \
             (for a client in TypeScript, see `spacetime init --template`)"
        ),
        ModuleLanguage::Csharp | ModuleLanguage::Cpp => bail!(
            "there is no template for this language; a module that is built elsewhere is published \
             with `spacetime publish --bin-path`"
        ),
    }
}

/// What is known from the flags, and what has to be asked.
fn plan(arguments: &InitArguments) -> Result<Plan<'_>> {
    let asks = !arguments.non_interactive && can_ask();
    let given = source(arguments)?;
    let name = match &arguments.project_name {
        Some(name) => name.clone(),
        None if asks => text("Project name", "my-spacetime-app")?,
        None => bail!("the project has no name; usage: spacetime init NAME --template TEMPLATE"),
    };
    let project = kebab_case(&name)
        .with_context(|| format!("`{name}` has no letters or digits that a name could have"))?;
    let folder = match &arguments.project_path {
        Some(folder) => folder.clone(),
        None => {
            let usual = format!("./{project}");
            if asks && arguments.project_name.is_none() {
                text("Project folder", &usual)?.into()
            } else {
                usual.into()
            }
        }
    };
    let source = match given {
        Some(source) => source,
        None if asks => choose()?,
        None => bail!(
            "what to make is not said: pass --template TEMPLATE (`spacetime init --template` lists \
             them) or --lang rust"
        ),
    };
    let is_asked = given.is_none() && asks;
    let is_local = arguments.local
        || (is_asked && {
            let servers = [
                ("local", "the server on this machine"),
                ("maincloud", "the hosted service"),
            ];
            one_of("Where should it be published?", &servers)? == 0
        });
    Ok(Plan {
        name: project,
        folder,
        source,
        is_local,
        asks_for_packages: is_asked,
    })
}

fn source(arguments: &InitArguments) -> Result<Option<Source<'_>>> {
    let Some(asked) = arguments.template.as_deref() else {
        return Ok(arguments.lang.map(|_| Source::Module));
    };
    if let Some(template) = find(asked) {
        return Ok(Some(Source::Template(template)));
    }
    if asked.contains('/') {
        return Ok(Some(Source::Git(asked)));
    }
    bail!(
        "there is no template `{asked}`. {}`spacetime init --template` lists all; a git URL or \
         owner/repo can be given, too",
        hint(asked)
    )
}

/// What may be meant by an id that is none.
fn hint(asked: &str) -> String {
    if let Some(nearest) = elsewhere(asked) {
        return format!("SpacetimeDB has one; the nearest here is `{nearest}`. ");
    }
    let near: Vec<String> = near(asked).iter().map(|id| format!("`{id}`")).collect();
    match near.is_empty() {
        true => String::new(),
        false => format!("Did you mean {}? ", near.join(" or ")),
    }
}

fn choose() -> Result<Source<'static>> {
    let mut choices = Vec::with_capacity(TEMPLATES.len() + 1);
    for template in TEMPLATES {
        let metadata = template.metadata()?;
        let what = format!("{} ({})", metadata.description, metadata.client());
        choices.push((template.id, what));
    }
    choices.push(("none", "A module alone, in Rust".to_owned()));
    let question = format!("What should it be? {MODULE_LANGUAGE_NOTE}");
    let choices: Vec<(&str, &str)> = choices
        .iter()
        .map(|(id, what)| (*id, what.as_str()))
        .collect();
    let chosen = one_of(&question, &choices)?;
    Ok(TEMPLATES
        .get(chosen)
        .map_or(Source::Module, Source::Template))
}

/// None installs nothing now.
fn choose_package_manager(folder: &Path) -> Result<Option<PackageManager>> {
    let managers = match PackageManager::required(folder) {
        Some(required) => vec![required],
        None => PackageManager::USUAL.to_vec(),
    };
    let mut choices: Vec<(&str, &str)> = managers.iter().map(|it| (it.name(), "")).collect();
    choices.push(("none", "install nothing now"));
    let chosen = one_of("Which package manager?", &choices)?;
    Ok(managers.get(chosen).copied())
}

fn refuse_what_is_there(folder: &Path) -> Result<()> {
    let Ok(mut entries) = std::fs::read_dir(folder) else {
        return match folder.exists() {
            true => bail!("{} is not a folder", folder.display()),
            false => Ok(()),
        };
    };
    if entries.next().is_some() {
        bail!(
            "{} is not empty; say where to make the project with --project-path",
            folder.display()
        );
    }
    Ok(())
}

/// `owner/repo` is short for GitHub; anything else is left to git.
fn clone(address: &str, folder: &Path) -> Result<()> {
    let is_short = address.split('/').count() == 2 && !address.contains(':');
    let address = if is_short && !Path::new(address).exists() {
        format!("https://github.com/{address}")
    } else {
        address.to_owned()
    };
    say(format_args!("Cloning {address}"));
    let status = Command::new("git")
        .args(["clone", "--quiet", "--depth", "1", "--", &address])
        .arg(folder)
        .status()
        .context("cannot start git")?;
    if !status.success() {
        bail!("git could not clone {address} ({status})");
    }
    for leftover in [folder.join(".git"), folder.join(".template.json")] {
        let removed = match leftover.is_dir() {
            true => std::fs::remove_dir_all(&leftover),
            false if leftover.exists() => std::fs::remove_file(&leftover),
            false => Ok(()),
        };
        removed.with_context(|| format!("cannot remove {}", leftover.display()))?;
    }
    Ok(())
}

fn client_of(folder: &Path) -> Option<ClientLanguage> {
    if folder.join("package.json").is_file() {
        return Some(ClientLanguage::TypeScript);
    }
    let is_rust = folder.join("Cargo.toml").is_file();
    is_rust.then_some(ClientLanguage::Rust)
}

/// `spacetime.json`, its local layer, and the variables for web clients.
fn configure(plan: &Plan<'_>, run: Option<&str>) -> Result<()> {
    let (server, url) = match plan.is_local {
        true => ("local", LOCAL_URL),
        false => ("maincloud", CLOUD_URL),
    };
    let mut config = json!({
        "server": server,
        "module-path": format!("./{MODULE_FOLDER}"),
    });
    if let Some(run) = run {
        config["dev"] = json!({ "run": run });
    }
    let database = database_name(&plan.name);
    write_json(&plan.folder.join("spacetime.json"), &config)?;
    let local = json!({ "database": database });
    write_json(&plan.folder.join("spacetime.local.json"), &local)?;
    env_local::upsert(&plan.folder, &database, url).map(drop)
}

/// Writes a file of the configuration.
pub(crate) fn write_json(path: &Path, value: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).context("JSON has a text")?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;

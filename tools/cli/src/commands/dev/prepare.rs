//! What has to be there before the first cycle: a project, a module, and a name for the database.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::{ClientLang, DevArguments, ask_or_refuse};
use crate::commands::init::{InitArguments, database_name, kebab_case, make, write_json};
use crate::output::say;
use crate::project::Project;
use crate::prompt::yes_or_no;
use crate::templates::MODULE_FOLDER;

/// The folder of the project; it is made first if there is none, and then says how its database
/// is called.
pub(super) fn folder(arguments: &mut DevArguments) -> Result<PathBuf> {
    let folder = &arguments.project_path;
    if arguments.template.is_none() {
        let has_module = arguments.module_path.is_some()
            || Project::find(folder, Some(&arguments.env))?.is_some()
            || has_module(&folder.join(MODULE_FOLDER))
            || has_module(folder);
        if has_module {
            return Ok(folder.clone());
        }
        let question = "There is no project here. Make one?";
        if !ask_or_refuse(question, "--template TEMPLATE, or --module-path DIR")? {
            bail!("there is no project in {}", folder.display());
        }
    }
    let init = InitArguments {
        project_name: arguments.database.take(),
        project_path: (folder != Path::new(".")).then(|| folder.clone()),
        template: arguments.template.clone(),
        server_only: arguments.server_only,
        local: arguments.server.server.as_deref() == Some("local"),
        ..InitArguments::default()
    };
    Ok(make(&init)?.folder)
}

/// The configuration of the current folder, with a database in it.
pub(super) fn project(arguments: &DevArguments) -> Result<Option<Project>> {
    if arguments.no_config {
        if arguments.database.is_none() {
            bail!("the database has no name; pass one, or do without --no-config");
        }
        return Ok(None);
    }
    let here = std::env::current_dir().context("there is no current folder")?;
    let found = Project::find(&here, Some(&arguments.env))?;
    let needs_name = arguments.database.is_none();
    if let Some(project) = found {
        if !needs_name || !project.databases().is_empty() {
            confirm_shared(arguments, &project)?;
            return Ok(Some(project));
        }
        name_database(&project.folder)?;
    } else {
        if needs_name {
            name_database(&here)?;
        }
        write_config(arguments, &here)?;
    }
    Project::find(&here, Some(&arguments.env))
}

/// A database that everybody's checkout names is probably not one to try things on.
fn confirm_shared(arguments: &DevArguments, project: &Project) -> Result<()> {
    let is_shared = arguments.database.is_none() && !project.has_local_database();
    if !is_shared || arguments.yes {
        return Ok(());
    }
    let names: Vec<&str> = project.databases().iter().map(|(name, _)| *name).collect();
    say(format_args!(
        "WARNING: the database {} is named by spacetime.json, which others may share; name one of \
         your own in spacetime.local.json",
        names.join(", ")
    ));
    if !yes_or_no(false, "Use it all the same?")? {
        bail!("Aborted.");
    }
    Ok(())
}

fn name_database(folder: &Path) -> Result<()> {
    let base = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let base = base.and_then(|name| kebab_case(&name));
    let name = database_name(base.as_deref().unwrap_or("database"));
    say(format_args!(
        "The database is called {name} (see spacetime.local.json)"
    ));
    let path = folder.join("spacetime.local.json");
    let mut layer = match std::fs::read_to_string(&path) {
        Ok(text) => json5::from_str::<Map<String, Value>>(&text)
            .with_context(|| format!("{} is invalid", path.display()))?,
        Err(_) => Map::new(),
    };
    layer.insert("database".to_owned(), Value::from(name));
    write_json(&path, &Value::Object(layer))
}

fn write_config(arguments: &DevArguments, folder: &Path) -> Result<()> {
    let module = match &arguments.module_path {
        Some(path) => path.display().to_string(),
        None if has_module(&folder.join(MODULE_FOLDER)) => format!("./{MODULE_FOLDER}"),
        None => ".".to_owned(),
    };
    let mut config = json!({ "module-path": module });
    if let Some(server) = &arguments.server.server {
        config["server"] = Value::from(server.as_str());
    }
    write_json(&folder.join("spacetime.json"), &config)
}

fn has_module(folder: &Path) -> bool {
    crate::commands::build::is_module(folder)
}

/// The language of the client at the root of a project.
pub(super) fn client_lang(folder: &Path) -> Option<ClientLang> {
    if folder.join("package.json").is_file() {
        return Some(ClientLang::Typescript);
    }
    // Without sources of its own it may be a module.
    if folder.join("Cargo.toml").is_file() && folder.join("src/main.rs").is_file() {
        return Some(ClientLang::Rust);
    }
    let entries = std::fs::read_dir(folder).ok()?;
    let mut names = entries.filter_map(Result::ok).map(|entry| entry.path());
    names
        .any(|path| path.extension().is_some_and(|end| end == "csproj"))
        .then_some(ClientLang::Csharp)
}

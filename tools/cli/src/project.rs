//! `spacetime.json` and its layers: what a folder's databases are called, where they live and what
//! is published to them.
//!
//! Invariants
//!   * A layer replaces whole top-level values of the one below; only `children` are merged, by
//!     position, and a layer cannot add to them.
//!   * A child has what it does not set itself from its parent, except that of the ways to get a
//!     module it takes all or none.
//!
//! Not here: what the commands make of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::output::say;

mod pick;
mod target;
#[cfg(test)]
mod tests;

pub(crate) use pick::{Picked, missing, pick_by_first, pick_function, pick_query};
pub(crate) use target::{GenerateEntry, Target};

use target::{OWN_KEYS, TARGET_KEYS, Values};

/// Ways to get a module, of which a target has one.
const MODULE_KEYS: [&str; 3] = ["module-path", "bin-path", "js-path"];
/// Deepest nesting of children.
const DEPTH_MAX: usize = 32;
/// Written by an old release; means nothing.
const STRAY_KEY: &str = "_source-config";

/// A folder's configuration.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    /// The folder of `spacetime.json`.
    pub(crate) folder: PathBuf,
    /// Root first, then children depth first.
    pub(crate) targets: Vec<Target>,
    /// The shell command that `dev` starts the client with.
    pub(crate) dev_run: Option<String>,
    layers: Vec<PathBuf>,
}

impl Project {
    /// The configuration of the nearest folder that has one, from `start` upwards.
    pub(crate) fn find(start: &Path, environment: Option<&str>) -> Result<Option<Self>> {
        let folder = start
            .ancestors()
            .find(|folder| folder.join("spacetime.json").is_file());
        folder
            .map(|folder| Self::read(folder, environment))
            .transpose()
    }

    /// The same for the current folder, unless told not to look.
    pub(crate) fn find_here(no_config: bool, environment: Option<&str>) -> Result<Option<Self>> {
        if no_config {
            return Ok(None);
        }
        let here = std::env::current_dir().context("there is no current folder")?;
        Self::find(&here, environment)
    }

    fn read(folder: &Path, environment: Option<&str>) -> Result<Self> {
        let mut names = vec![
            "spacetime.json".to_owned(),
            "spacetime.local.json".to_owned(),
        ];
        if let Some(environment) = environment {
            names.push(format!("spacetime.{environment}.json"));
            names.push(format!("spacetime.{environment}.local.json"));
        }
        let mut merged = Map::new();
        let mut layers = Vec::new();
        for name in names {
            let path = folder.join(name);
            if path.is_file() {
                lay_over(&mut merged, read_layer(&path)?);
                layers.push(path);
            }
        }
        let invalid = || format!("{} is invalid", folder.join("spacetime.json").display());
        let mut targets = Vec::new();
        collect(&merged, &Map::new(), 0, &mut targets).with_context(invalid)?;
        Ok(Project {
            folder: folder.to_owned(),
            targets,
            dev_run: dev_run(merged.get("dev")).with_context(invalid)?,
            layers,
        })
    }

    /// Tells which files were read.
    pub(crate) fn say_layers(&self) {
        for layer in &self.layers {
            say(format_args!("Using configuration from {}", layer.display()));
        }
    }

    /// The targets that are databases; a root may be there for its children only.
    pub(crate) fn databases(&self) -> Vec<(&str, &Target)> {
        let named = |target| Some((Target::database(target)?, target));
        self.targets.iter().filter_map(named).collect()
    }

    /// Whether a layer that is not for everybody names a database.
    pub(crate) fn has_local_database(&self) -> bool {
        let is_local = |path: &&PathBuf| path.to_string_lossy().ends_with(".local.json");
        let mut layers = self.layers.iter().filter(is_local);
        layers.any(|path| read_layer(path).is_ok_and(|layer| layer.contains_key("database")))
    }

    /// A path of the file, which is meant from the file's own folder.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }
}

fn read_layer(path: &Path) -> Result<Map<String, Value>> {
    let invalid = || format!("{} is invalid", path.display());
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let value: Value = json5::from_str(&text).with_context(invalid)?;
    match value {
        Value::Object(mut object) => {
            object.shift_remove(STRAY_KEY);
            Ok(object)
        }
        _ => Err(anyhow::anyhow!("an object is expected")).with_context(invalid),
    }
}

fn lay_over(base: &mut Map<String, Value>, layer: Map<String, Value>) {
    for (key, value) in layer {
        match (base.get_mut(&key), value) {
            (Some(Value::Array(children)), Value::Array(changes)) if key == "children" => {
                for (child, change) in children.iter_mut().zip(changes) {
                    match (child, change) {
                        (Value::Object(child), Value::Object(change)) => lay_over(child, change),
                        (child, change) => *child = change,
                    }
                }
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Turns an object and its children into targets, with what they inherit.
fn collect(
    object: &Map<String, Value>,
    inherited: &Map<String, Value>,
    depth: usize,
    targets: &mut Vec<Target>,
) -> Result<()> {
    if depth > DEPTH_MAX {
        bail!("`children` are nested more than {DEPTH_MAX} deep");
    }
    let mut values = Values::read(object, TARGET_KEYS, &OWN_KEYS);
    let has_module = MODULE_KEYS
        .iter()
        .any(|key| values.known.contains_key(*key));
    for (key, value) in inherited {
        let is_second_module = has_module && MODULE_KEYS.contains(&key.as_str());
        if is_second_module || values.known.contains_key(key) {
            continue;
        }
        values.known.insert(key.clone(), value.clone());
    }
    let own = values.known.clone();
    targets.push(Target {
        values,
        generate: generate_entries(object.get("generate"))?,
    });
    match object.get("children") {
        None => Ok(()),
        Some(Value::Array(children)) => children.iter().try_for_each(|child| match child {
            Value::Object(child) => collect(child, &own, depth + 1, targets),
            _ => bail!("every element of `children` has to be an object"),
        }),
        Some(_) => bail!("`children` has to be an array"),
    }
}

fn generate_entries(list: Option<&Value>) -> Result<Vec<GenerateEntry>> {
    let list = match list {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => bail!("`generate` has to be an array"),
    };
    let entries = list.iter().map(|entry| match entry {
        Value::Object(entry) => Ok(GenerateEntry::read(entry)),
        _ => bail!("every element of `generate` has to be an object"),
    });
    entries.collect()
}

/// `dev` has one key: `run`.
fn dev_run(dev: Option<&Value>) -> Result<Option<String>> {
    let object = match dev {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(object)) => object,
        Some(_) => bail!("`dev` has to be an object"),
    };
    let mut run = None;
    for (key, value) in object {
        match (key.as_str(), value) {
            ("run", Value::String(command)) => run = Some(command.clone()),
            ("run", _) => bail!("`run` in `dev` has to be a string"),
            (other, _) => bail!("`dev` in the config file has only `run`, not `{other}`"),
        }
    }
    Ok(run)
}

//! `spacetime.json` and its layers: what a folder's databases are called, where they live and what
//! is published to them.
//!
//! Invariants
//!   * A layer replaces whole top-level values of the one below; only `children` are merged, by
//!     position, and a layer cannot add to them.
//!   * A child has what it does not set itself from its parent, except that of the ways to get a
//!     module it takes all or none.
//!
//! Not here: generating bindings, and the development loop.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::output::say;

mod pick;
#[cfg(test)]
mod tests;

pub(crate) use pick::{Picked, missing, pick_by_first, pick_function, pick_query};

/// Keys that say something about a target. The names after the first are other spellings.
const TARGET_KEYS: [&[&str]; 13] = [
    &["database"],
    &["server"],
    &["module-path"],
    &["build-options"],
    &["bin-path", "wasm-file"],
    &["js-path", "js-file"],
    &["num-replicas"],
    &["break-clients"],
    &["anonymous", "anon-identity"],
    &["parent"],
    &["organization"],
    &["native-aot"],
    &["dotnet-version"],
];
/// Keys of a target that its children do not inherit.
const OWN_KEYS: [&str; 3] = ["dev", "generate", "children"];
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
    layers: Vec<PathBuf>,
}

/// One database and its module.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Target {
    values: Map<String, Value>,
    unknown: Vec<String>,
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
        let mut targets = Vec::new();
        collect(&merged, &Map::new(), 0, &mut targets)
            .with_context(|| format!("{} is invalid", folder.join("spacetime.json").display()))?;
        Ok(Project {
            folder: folder.to_owned(),
            targets,
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

    /// A path of the file, which is meant from the file's own folder.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }
}

impl Target {
    pub(crate) fn database(&self) -> Option<&str> {
        self.values.get("database")?.as_str()
    }

    pub(crate) fn server(&self) -> Option<&str> {
        self.values.get("server")?.as_str()
    }

    /// A text, by its first spelling.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => bail!("`{key}` in the config file has to be a string, not {other}"),
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Result<bool> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => bail!("`{key}` in the config file has to be true or false, not {other}"),
        }
    }

    /// A number that is not negative, as text.
    pub(crate) fn number(&self, key: &str) -> Result<Option<String>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) if number.is_u64() => Ok(Some(number.to_string())),
            Some(other) => bail!("`{key}` in the config file has to be a number, not {other}"),
        }
    }

    /// Refuses keys that mean nothing, all at once.
    pub(crate) fn check_keys(&self) -> Result<()> {
        if self.unknown.is_empty() {
            return Ok(());
        }
        let unknown: Vec<String> = self.unknown.iter().map(|key| format!("'{key}'")).collect();
        let known: Vec<&str> = TARGET_KEYS
            .iter()
            .map(|names| names[0])
            .chain(OWN_KEYS)
            .collect();
        bail!(
            "Config key {} is not supported in the config file. Available keys: {}",
            unknown.join(", "),
            known.join(", ")
        )
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
    let mut own = Map::new();
    let mut unknown = Vec::new();
    for (key, value) in object {
        let dashed = key.replace('_', "-");
        let names = TARGET_KEYS
            .iter()
            .find(|names| names.contains(&dashed.as_str()));
        match names {
            Some(names) => {
                own.insert(names[0].to_owned(), value.clone());
            }
            None if OWN_KEYS.contains(&dashed.as_str()) => {}
            None => unknown.push(key.clone()),
        }
    }
    let has_module = MODULE_KEYS.iter().any(|key| own.contains_key(*key));
    for (key, value) in inherited {
        let is_second_module = has_module && MODULE_KEYS.contains(&key.as_str());
        if is_second_module || own.contains_key(key) {
            continue;
        }
        own.insert(key.clone(), value.clone());
    }
    targets.push(Target {
        values: own.clone(),
        unknown,
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

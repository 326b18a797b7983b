//! What `spacetime.json` says of one database, and of one set of generated bindings.
//!
//! Invariant: a key that means nothing is told only when the object that has it is used, and then
//! with all its fellows and the nearest key that means something.

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use crate::similar::nearest;

/// Keys that say something about a target. The names after the first are other spellings.
pub(super) const TARGET_KEYS: &[&[&str]] = &[
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
pub(super) const OWN_KEYS: [&str; 3] = ["dev", "generate", "children"];
/// Keys of one element of `generate`.
const GENERATE_KEYS: &[&[&str]] = &[
    &["language"],
    &["out-dir"],
    &["uproject-dir"],
    &["module-path"],
    &["bin-path", "wasm-file"],
    &["js-path", "js-file"],
    &["namespace"],
    &["unreal-module-name"],
    &["module-prefix"],
    &["build-options"],
    &["dotnet-version"],
    &["include-private"],
    &["sdk"],
];

/// The values of one object, by the first spelling of each key.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Values {
    pub(super) known: Map<String, Value>,
    pub(super) unknown: Vec<String>,
}

impl Values {
    /// Sorts the keys of an object into known and unknown ones; those of `elsewhere` are neither.
    pub(super) fn read(object: &Map<String, Value>, keys: &[&[&str]], elsewhere: &[&str]) -> Self {
        let mut values = Values::default();
        for (key, value) in object {
            let dashed = key.replace('_', "-");
            let names = keys.iter().find(|names| names.contains(&dashed.as_str()));
            match names {
                Some(names) => {
                    values.known.insert(names[0].to_owned(), value.clone());
                }
                None if elsewhere.contains(&dashed.as_str()) => {}
                None => values.unknown.push(key.clone()),
            }
        }
        values
    }

    /// A text, by its first spelling.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.known.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => bail!("`{key}` in the config file has to be a string, not {other}"),
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Result<bool> {
        match self.known.get(key) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => bail!("`{key}` in the config file has to be true or false, not {other}"),
        }
    }

    /// A number that is not negative, as text.
    pub(crate) fn number(&self, key: &str) -> Result<Option<String>> {
        match self.known.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) if number.is_u64() => Ok(Some(number.to_string())),
            Some(other) => bail!("`{key}` in the config file has to be a number, not {other}"),
        }
    }

    fn refuse_unknown(&self, keys: &[&[&str]], elsewhere: &[&str]) -> Result<()> {
        if self.unknown.is_empty() {
            return Ok(());
        }
        let known = || {
            keys.iter()
                .map(|names| names[0])
                .chain(elsewhere.iter().copied())
        };
        let unknown: Vec<String> = self.unknown.iter().map(|key| format!("'{key}'")).collect();
        let all: Vec<&str> = known().collect();
        let meant: Vec<String> = self
            .unknown
            .iter()
            .filter_map(|key| {
                let meant = nearest(key, known())?;
                Some(format!(" Did you mean '{meant}' for '{key}'?"))
            })
            .collect();
        bail!(
            "Config key {} is not supported in the config file. Available keys: {}.{}",
            unknown.join(", "),
            all.join(", "),
            meant.concat()
        )
    }
}

/// One database and its module.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Target {
    pub(super) values: Values,
    /// Bindings that are generated from its module.
    pub(crate) generate: Vec<GenerateEntry>,
}

impl Target {
    pub(crate) fn database(&self) -> Option<&str> {
        self.values.known.get("database")?.as_str()
    }

    pub(crate) fn server(&self) -> Option<&str> {
        self.values.known.get("server")?.as_str()
    }

    /// A text, by its first spelling.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>> {
        self.values.text(key)
    }

    pub(crate) fn flag(&self, key: &str) -> Result<bool> {
        self.values.flag(key)
    }

    /// A number that is not negative, as text.
    pub(crate) fn number(&self, key: &str) -> Result<Option<String>> {
        self.values.number(key)
    }

    /// Refuses keys that mean nothing, all at once.
    pub(crate) fn check_keys(&self) -> Result<()> {
        self.values.refuse_unknown(TARGET_KEYS, &OWN_KEYS)
    }
}

/// One element of `generate`: a language, a folder, and what else bindings take.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GenerateEntry {
    values: Values,
}

impl GenerateEntry {
    pub(super) fn read(object: &Map<String, Value>) -> Self {
        GenerateEntry {
            values: Values::read(object, GENERATE_KEYS, &[]),
        }
    }

    /// A text, by its first spelling: `language`, `out-dir`, `module-path`, `bin-path`, ..
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>> {
        self.values.text(key)
    }

    pub(crate) fn flag(&self, key: &str) -> Result<bool> {
        self.values.flag(key)
    }

    /// Refuses keys that mean nothing, all at once.
    pub(crate) fn check_keys(&self) -> Result<()> {
        self.values.refuse_unknown(GENERATE_KEYS, &[])
    }
}

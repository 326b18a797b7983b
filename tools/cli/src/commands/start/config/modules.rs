//! The sections about modules: what they may use, how they are compiled, and what they say.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use spacetime_host::{CallLimits, CompileOptions, DatabaseSettings, Level, LogSettings};

use super::duration;

/// `[wasm]`: for all databases.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Wasm {
    #[serde(flatten)]
    limits: Limits,
    compile_time_limit: Option<String>,
    code_cache_size: Option<Size>,
}

/// `[module-logs]`
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct ModuleLogs {
    level: Option<String>,
    file_size: Option<Size>,
    total_size: Option<Size>,
    days: Option<u32>,
    records_per_second: Option<u32>,
}

/// `[databases.NAME]`: a word that is none of these is a mistake.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Database {
    #[serde(flatten)]
    limits: Limits,
    log_level: Option<String>,
    #[serde(flatten)]
    unknown: BTreeMap<String, toml::Value>,
}

/// What calls of a module may use.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Limits {
    call_time_limit: Option<String>,
    init_time_limit: Option<String>,
    view_time_limit: Option<String>,
    slow_call_log: Option<String>,
    memory_limit: Option<Size>,
    memory_total_limit: Option<Size>,
    row_memory_limit: Option<Size>,
    procedure_time_limit: Option<String>,
    procedure_instance_pool_size: Option<NonZeroUsize>,
}

/// A number of bytes, or a text such as `"64MiB"`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Size {
    Bytes(u64),
    Text(String),
}

impl Size {
    fn bytes(&self) -> Result<u64> {
        match self {
            Size::Bytes(bytes) => Ok(*bytes),
            Size::Text(text) => size(text),
        }
    }
}

fn size_of(key: &str, set: Option<&Size>) -> Result<Option<u64>> {
    let bytes = set.map(Size::bytes).transpose();
    bytes.with_context(|| format!("`{key}`"))
}

fn memory_of(key: &str, set: Option<&Size>) -> Result<Option<usize>> {
    let bytes = size_of(key, set)?;
    Ok(bytes.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)))
}

fn time_of(key: &str, set: Option<&String>) -> Result<Option<Duration>> {
    let time = set.map(|text| duration(text)).transpose();
    time.with_context(|| format!("`{key}`"))
}

fn level_of(key: &str, set: Option<&String>) -> Result<Option<Level>> {
    let Some(name) = set else { return Ok(None) };
    let level = Level::from_name(name);
    let names = || Level::ALL.map(Level::name).join(", ").to_lowercase();
    let level = level.with_context(|| format!("`{key}`: `{name}` is none of {}", names()))?;
    Ok(Some(level))
}

impl Limits {
    fn settings(&self, database: &str) -> Result<DatabaseSettings> {
        Ok(DatabaseSettings {
            database: database.into(),
            call_time_max: time_of("call-time-limit", self.call_time_limit.as_ref())?,
            init_time_max: time_of("init-time-limit", self.init_time_limit.as_ref())?,
            view_time_max: time_of("view-time-limit", self.view_time_limit.as_ref())?,
            slow_call: time_of("slow-call-log", self.slow_call_log.as_ref())?,
            memory_bytes_max: memory_of("memory-limit", self.memory_limit.as_ref())?,
            memory_bytes_total_max: memory_of(
                "memory-total-limit",
                self.memory_total_limit.as_ref(),
            )?,
            row_bytes_max: memory_of("row-memory-limit", self.row_memory_limit.as_ref())?,
            procedure_time_max: time_of(
                "procedure-time-limit",
                self.procedure_time_limit.as_ref(),
            )?,
            procedures_max: self.procedure_instance_pool_size.map(NonZeroUsize::get),
            log_level: None,
        })
    }
}

impl Wasm {
    /// The limits for all databases.
    pub(super) fn call_limits(&self) -> Result<CallLimits> {
        let set = self.limits.settings("").context("section `wasm`")?;
        let default = CallLimits::default();
        Ok(CallLimits {
            call_time_max: set.call_time_max.unwrap_or(default.call_time_max),
            init_time_max: set.init_time_max.unwrap_or(default.init_time_max),
            view_time_max: set.view_time_max.unwrap_or(default.view_time_max),
            slow_call: set.slow_call.unwrap_or(default.slow_call),
            memory_bytes_max: set.memory_bytes_max.unwrap_or(default.memory_bytes_max),
            memory_bytes_total_max: set
                .memory_bytes_total_max
                .unwrap_or(default.memory_bytes_total_max),
            row_bytes_max: set.row_bytes_max.unwrap_or(default.row_bytes_max),
            procedure_time_max: set.procedure_time_max.unwrap_or(default.procedure_time_max),
            procedures_max: set.procedures_max.unwrap_or(default.procedures_max),
        })
    }

    /// How modules are compiled.
    pub(super) fn compile(&self) -> Result<CompileOptions> {
        let default = CompileOptions::default();
        let time = time_of("compile-time-limit", self.compile_time_limit.as_ref())?;
        let size = size_of("code-cache-size", self.code_cache_size.as_ref())?;
        Ok(CompileOptions {
            time_max: time.unwrap_or(default.time_max),
            cache_bytes_max: size.unwrap_or(default.cache_bytes_max),
            ..default
        })
    }
}

impl ModuleLogs {
    pub(super) fn settings(&self) -> Result<LogSettings> {
        let default = LogSettings::default();
        let level = level_of("level", self.level.as_ref())?;
        let file = size_of("file-size", self.file_size.as_ref())?;
        let total = size_of("total-size", self.total_size.as_ref())?;
        let settings = LogSettings {
            level: level.unwrap_or(default.level),
            file_bytes_max: file.unwrap_or(default.file_bytes_max),
            total_bytes_max: total.unwrap_or(default.total_bytes_max),
            days_max: self.days.unwrap_or(default.days_max),
            records_per_second_max: self
                .records_per_second
                .unwrap_or(default.records_per_second_max),
        };
        anyhow::ensure!(
            settings.total_bytes_max >= settings.file_bytes_max,
            "`total-size` of `module-logs` is less than its `file-size`"
        );
        Ok(settings)
    }
}

impl Database {
    pub(super) fn settings(&self, name: &str) -> Result<DatabaseSettings> {
        let section = || format!("section `databases.{name}`");
        if let Some(key) = self.unknown.keys().next() {
            anyhow::bail!("{}: there is no setting `{key}`", section());
        }
        let limits = self.limits.settings(name).with_context(section)?;
        let log_level = level_of("log-level", self.log_level.as_ref()).with_context(section)?;
        Ok(DatabaseSettings {
            log_level,
            ..limits
        })
    }
}

/// `65536`, `64KiB`, `1.5GiB`: powers of 1024.
fn size(text: &str) -> Result<u64> {
    let invalid = || format!("{text:?} is not a size, such as \"64MiB\"");
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (whole, fraction) = text[..end].split_once('.').unwrap_or((&text[..end], ""));
    let unit: u64 = match text[end..].trim() {
        "" | "B" => 1,
        "K" | "KB" | "KiB" => 1 << 10,
        "M" | "MB" | "MiB" => 1 << 20,
        "G" | "GB" | "GiB" => 1 << 30,
        _ => anyhow::bail!(invalid()),
    };
    let whole: u64 = whole.parse().with_context(invalid)?;
    // Hundredths are as fine as anybody needs.
    let hundredths: u64 = match fraction {
        "" => 0,
        _ if fraction.len() <= 2 => format!("{fraction:0<2}").parse().with_context(invalid)?,
        _ => anyhow::bail!(invalid()),
    };
    let bytes = whole.checked_mul(unit).with_context(invalid)?;
    bytes
        .checked_add(unit * hundredths / 100)
        .with_context(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65536),
            ("64KiB", 65536),
            ("1 GiB", 1 << 30),
            ("1.5GiB", 3 << 29),
            ("0.25 KB", 256),
            ("256M", 256 << 20),
        ] {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1",
            "1.2.3K",
            "1TiBs",
            "99999999999999999999",
            "1.234G",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    fn parse(text: &str) -> Result<DatabaseSettings> {
        toml::from_str::<Database>(text)?.settings("chat")
    }

    #[test]
    fn a_database_has_only_what_is_set() {
        let set = parse("memory-limit = \"64MiB\"\ncall-time-limit = \"2s\"\nlog-level = \"warn\"");
        let expected = DatabaseSettings {
            database: "chat".into(),
            memory_bytes_max: Some(64 << 20),
            call_time_max: Some(Duration::from_secs(2)),
            log_level: Some(Level::Warn),
            ..DatabaseSettings::default()
        };
        assert_eq!(set.unwrap(), expected);
        for (text, named) in [
            ("memory-limits = 1", "memory-limits"),
            ("memory-limit = \"much\"", "memory-limit"),
            ("call-time-limit = \"0s\"", "call-time-limit"),
            ("log-level = \"loud\"", "log-level"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(
                error.contains(named) && error.contains("databases.chat"),
                "{error}"
            );
        }
        assert!(parse("procedure-instance-pool-size = 0").is_err());
    }

    #[test]
    fn logs_and_compiling() {
        let logs: ModuleLogs =
            toml::from_str("level = \"info\"\nfile-size = 1000\ntotal-size = \"1MiB\"\ndays = 7")
                .unwrap();
        let expected = LogSettings {
            level: Level::Info,
            file_bytes_max: 1000,
            total_bytes_max: 1 << 20,
            days_max: 7,
            ..LogSettings::default()
        };
        assert_eq!(logs.settings().unwrap(), expected);
        let small: ModuleLogs = toml::from_str("total-size = 5").unwrap();
        assert!(small.settings().is_err());
        let wasm: Wasm =
            toml::from_str("compile-time-limit = \"5s\"\ncode-cache-size = 0").unwrap();
        let compile = wasm.compile().unwrap();
        assert_eq!(compile.time_max, Duration::from_secs(5));
        assert_eq!(compile.cache_bytes_max, 0);
        assert!(compile.cache_key.is_none());
    }
}

//! Which bindings are generated, and from what: flags win over the configuration.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum as _;

use super::super::build::{default_folder, is_module};
use super::super::publish::matches_glob;
use super::{GenerateArguments, Lang, SdkName};
use crate::project::{GenerateEntry, Project, Target};

/// Bindings in one language, into one folder.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) lang: Lang,
    pub(super) out_dir: PathBuf,
    pub(super) source: Source,
    pub(super) namespace: String,
    pub(super) uproject_dir: Option<PathBuf>,
    pub(super) unreal_module_name: Option<String>,
    pub(super) module_prefix: String,
    pub(super) include_private: bool,
    pub(super) sdk: SdkName,
}

/// Where a definition comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A module's folder, and arguments for its build.
    Folder(PathBuf, Option<String>),
    Wasm(PathBuf),
    Js(PathBuf),
    /// JSON, from the standard input if there is no file.
    Definition(Option<PathBuf>),
}

/// All of them, in the order of the file, each once.
pub(super) fn runs(arguments: &GenerateArguments, project: Option<&Project>) -> Result<Vec<Run>> {
    let mut entries = Vec::new();
    if let Some(project) = project {
        for target in targets(arguments, project)? {
            for entry in &target.generate {
                entry.check_keys()?;
                entries.push((target, entry));
            }
        }
    }
    let Some(project) = project.filter(|_| !entries.is_empty()) else {
        let base = project.map(|project| project.folder.as_path());
        return Ok(vec![Wanted::new(arguments, base).run()?]);
    };
    if entries.len() > 1 {
        refuse_flags_of_one_run(arguments)?;
    }
    let mut runs: Vec<Run> = Vec::new();
    for (target, entry) in entries {
        let run = from_entry(arguments, project, target, entry)?;
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    Ok(runs)
}

fn targets<'p>(arguments: &GenerateArguments, project: &'p Project) -> Result<Vec<&'p Target>> {
    let Some(pattern) = &arguments.database else {
        return Ok(project.targets.iter().collect());
    };
    let databases = project.databases();
    let matching = databases
        .iter()
        .filter(|(name, _)| matches_glob(pattern, name));
    let matching: Vec<&Target> = matching.map(|(_, target)| *target).collect();
    if matching.is_empty() {
        let names: Vec<&str> = databases.iter().map(|(name, _)| *name).collect();
        bail!(
            "no database of the config file matches `{pattern}`; it has: {}",
            names.join(", ")
        );
    }
    Ok(matching)
}

fn refuse_flags_of_one_run(arguments: &GenerateArguments) -> Result<()> {
    let given = [
        ("--lang", arguments.lang.is_some()),
        ("--out-dir", arguments.out_dir.is_some()),
        ("--uproject-dir", arguments.uproject_dir.is_some()),
        ("--namespace", arguments.namespace.is_some()),
        (
            "--unreal-module-name",
            arguments.unreal_module_name.is_some(),
        ),
        ("--module-prefix", arguments.module_prefix.is_some()),
        ("--module-path", arguments.module_path.is_some()),
        ("--build-options", arguments.build_options.is_some()),
        ("--bin-path", arguments.bin_path.is_some()),
        ("--js-path", arguments.js_path.is_some()),
        ("--dotnet-version", arguments.dotnet_version.is_some()),
    ];
    let given: Vec<&str> = given
        .iter()
        .filter(|(_, is)| *is)
        .map(|(flag, _)| *flag)
        .collect();
    if given.is_empty() {
        return Ok(());
    }
    bail!(
        "{} cannot be used for several bindings at once; name one database, or use --no-config",
        given.join(", ")
    )
}

/// What is known of a run before defaults fill the gaps.
struct Wanted {
    /// The client's folder, from which defaults are meant; the current one if absent.
    base: Option<PathBuf>,
    lang: Option<Lang>,
    out_dir: Option<PathBuf>,
    source: Option<Source>,
    build_options: Option<String>,
    namespace: Option<String>,
    uproject_dir: Option<PathBuf>,
    unreal_module_name: Option<String>,
    module_prefix: Option<String>,
    include_private: bool,
    sdk: Option<SdkName>,
}

impl Wanted {
    fn new(arguments: &GenerateArguments, base: Option<&Path>) -> Self {
        let GenerateArguments {
            module_path,
            bin_path,
            js_path,
            module_def,
            build_options,
            ..
        } = arguments;
        let source = match (bin_path, js_path, module_def, module_path) {
            (Some(file), ..) => Some(Source::Wasm(file.clone())),
            (_, Some(file), ..) => Some(Source::Js(file.clone())),
            (_, _, Some(file), _) => Some(Source::Definition(file.clone())),
            (.., Some(folder)) => Some(Source::Folder(folder.clone(), build_options.clone())),
            _ => None,
        };
        Wanted {
            base: base.map(Path::to_owned),
            lang: arguments.lang,
            out_dir: arguments.out_dir.clone(),
            source,
            build_options: build_options.clone(),
            namespace: arguments.namespace.clone(),
            uproject_dir: arguments.uproject_dir.clone(),
            unreal_module_name: arguments.unreal_module_name.clone(),
            module_prefix: arguments.module_prefix.clone(),
            include_private: arguments.include_private,
            sdk: arguments.sdk,
        }
    }

    fn run(self) -> Result<Run> {
        let at_base = |path: &str| match &self.base {
            Some(base) => base.join(path),
            None => PathBuf::from(path),
        };
        let lang = match self.lang {
            Some(lang) => lang,
            None => client_lang(&at_base("."))
                .context("there is no client here to tell the language by; say it with --lang")?,
        };
        if lang != Lang::Csharp && self.namespace.is_some() {
            bail!("--namespace is for C# only");
        }
        let out_dir = match (lang, self.out_dir) {
            (Lang::Unrealcpp, _) => {
                let missing = "Unreal bindings need --uproject-dir and --unreal-module-name";
                let folder = self.uproject_dir.as_ref().context(missing)?;
                let name = self.unreal_module_name.as_ref().context(missing)?;
                folder.join("Source").join(name)
            }
            (_, Some(folder)) => folder,
            (Lang::Csharp, None) => at_base("module_bindings"),
            (Lang::Rust | Lang::Typescript, None) => at_base("src/module_bindings"),
        };
        let source = self.source.unwrap_or_else(|| {
            let folder = match &self.base {
                Some(base) => base.join("spacetimedb"),
                None => default_folder(),
            };
            let folder = match &self.base {
                Some(base) if !is_module(&folder) && is_module(base) => base.clone(),
                _ => folder,
            };
            Source::Folder(folder, self.build_options)
        });
        Ok(Run {
            lang,
            out_dir,
            source,
            namespace: self
                .namespace
                .unwrap_or_else(|| "SpacetimeDB.Types".to_owned()),
            uproject_dir: self.uproject_dir,
            unreal_module_name: self.unreal_module_name,
            module_prefix: self.module_prefix.unwrap_or_default(),
            include_private: self.include_private,
            sdk: self.sdk.unwrap_or(SdkName::Official),
        })
    }
}

fn from_entry(
    arguments: &GenerateArguments,
    project: &Project,
    target: &Target,
    entry: &GenerateEntry,
) -> Result<Run> {
    let mut wanted = Wanted::new(arguments, Some(&project.folder));
    let path = |key: &str| Ok::<_, anyhow::Error>(entry.text(key)?.map(|text| project.path(text)));
    let text = |key: &str| Ok::<_, anyhow::Error>(entry.text(key)?.map(str::to_owned));
    if wanted.lang.is_none() {
        let name = entry.text("language")?;
        let name = name.context("an element of `generate` has no language")?;
        let lang = Lang::from_str(name, true).map_err(anyhow::Error::msg);
        wanted.lang = Some(lang.with_context(|| format!("`{name}` is no language of clients"))?);
    }
    wanted.out_dir = wanted.out_dir.or(path("out-dir")?);
    wanted.uproject_dir = wanted.uproject_dir.or(path("uproject-dir")?);
    wanted.namespace = wanted.namespace.or(text("namespace")?);
    wanted.unreal_module_name = wanted.unreal_module_name.or(text("unreal-module-name")?);
    wanted.module_prefix = wanted.module_prefix.or(text("module-prefix")?);
    wanted.include_private |= entry.flag("include-private")?;
    if let (None, Some(name)) = (wanted.sdk, entry.text("sdk")?) {
        let sdk = SdkName::from_str(name, true).map_err(anyhow::Error::msg);
        wanted.sdk = Some(sdk.with_context(|| format!("`{name}` is no client package"))?);
    }
    let of_target = |key: &str| Ok::<_, anyhow::Error>(target.text(key)?.map(str::to_owned));
    wanted.build_options = match wanted.build_options {
        Some(options) => Some(options),
        None => text("build-options")?.or(of_target("build-options")?),
    };
    if wanted.source.is_none() {
        wanted.source = source(project, target, entry, wanted.build_options.as_deref())?;
    }
    wanted.run()
}

/// The module of an entry; that of its target if it names none.
fn source(
    project: &Project,
    target: &Target,
    entry: &GenerateEntry,
    build_options: Option<&str>,
) -> Result<Option<Source>> {
    let pick = |get: &dyn Fn(&str) -> Result<Option<PathBuf>>| {
        Ok::<_, anyhow::Error>(
            match (get("module-path")?, get("bin-path")?, get("js-path")?) {
                (Some(folder), ..) => {
                    Some(Source::Folder(folder, build_options.map(str::to_owned)))
                }
                (_, Some(file), _) => Some(Source::Wasm(file)),
                (_, _, Some(file)) => Some(Source::Js(file)),
                _ => None,
            },
        )
    };
    let own = pick(&|key| Ok(entry.text(key)?.map(|text| project.path(text))))?;
    match own {
        Some(source) => Ok(Some(source)),
        None => pick(&|key| Ok(target.text(key)?.map(|text| project.path(text)))),
    }
}

/// The language of the client in a folder.
fn client_lang(folder: &Path) -> Option<Lang> {
    if folder.join("package.json").is_file() {
        return Some(Lang::Typescript);
    }
    if folder.join("Cargo.toml").is_file() {
        return Some(Lang::Rust);
    }
    let entries = std::fs::read_dir(folder).ok()?;
    let mut paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths
        .any(|path| path.extension().is_some_and(|end| end == "csproj"))
        .then_some(Lang::Csharp)
}

#[cfg(test)]
mod tests;

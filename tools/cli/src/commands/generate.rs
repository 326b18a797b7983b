//! `spacetime generate`: client bindings from a module.
//!
//! A running database is never asked: the definition comes out of the module's program.
//!
//! Not here: what the bindings say (see the crate `spacetime-codegen`), which bindings a
//! configuration asks for (see `runs`), and the folder they are written to (see `folder`).

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use spacetime_codegen::{Language, Options, Sdk, generate, read_definition_json};
use spacetime_types::module_def::ModuleDef;

use super::build::build;
use super::extract_schema::description;
use super::publish::build_arguments;
use crate::output::say;
use crate::project::Project;
use crate::templates::ClientLanguage;

mod folder;
mod runs;
mod uproject;

use runs::{Run, Source, runs};

/// The flags of `generate`.
#[derive(Debug, Clone, Args)]
pub(crate) struct GenerateArguments {
    /// Only for these databases of spacetime.json; `*` stands for any text
    #[arg(value_name = "DATABASE")]
    database: Option<String>,
    /// The language [default: that of the client that is here]
    #[arg(long, short = 'l', value_enum)]
    lang: Option<Lang>,
    /// The folder for the bindings [default: src/module_bindings, for C# module_bindings]
    #[arg(long, short = 'o', value_name = "DIR")]
    out_dir: Option<PathBuf>,
    /// The folder of the module [default: ./spacetimedb if it is there, otherwise .]
    #[arg(long, short = 'p', value_name = "DIR", visible_alias = "project-path")]
    module_path: Option<PathBuf>,
    /// A program that is built already
    #[arg(
        long,
        short = 'b',
        value_name = "FILE",
        conflicts_with_all = ["module_path", "js_path", "build_options", "module_def"]
    )]
    bin_path: Option<PathBuf>,
    /// A JavaScript program that is bundled already
    #[arg(
        long,
        short = 'j',
        value_name = "FILE",
        conflicts_with_all = ["module_path", "build_options", "module_def"]
    )]
    js_path: Option<PathBuf>,
    /// A module definition in JSON; from the standard input if no file is named
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        hide = true,
        conflicts_with_all = ["module_path", "build_options"]
    )]
    module_def: Option<Option<PathBuf>>,
    /// The folder of the .uproject file (Unreal)
    #[arg(long, value_name = "DIR")]
    uproject_dir: Option<PathBuf>,
    /// The module of the Unreal project that the bindings become a part of
    #[arg(long, value_name = "NAME", visible_alias = "module-name")]
    unreal_module_name: Option<String>,
    /// Goes in front of the generated names (Unreal)
    #[arg(long, value_name = "PREFIX")]
    module_prefix: Option<String>,
    /// The namespace [default: SpacetimeDB.Types] (C#)
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Arguments for `spacetime build`
    #[arg(
        long,
        visible_alias = "build-opts",
        value_name = "ARGUMENTS",
        allow_hyphen_values = true
    )]
    build_options: Option<String>,
    /// Also private tables and functions
    #[arg(long)]
    include_private: bool,
    /// The client package that the bindings are for, by Rust and TypeScript
    #[arg(long, value_enum)]
    sdk: Option<SdkName>,
    /// For C# modules, which this build cannot compile
    #[arg(long, value_name = "VERSION", value_parser = ["8", "10"], hide = true)]
    dotnet_version: Option<String>,
    /// Answer questions with yes
    #[arg(long, short = 'y')]
    yes: bool,
    /// Read spacetime.NAME.json too
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Ignore spacetime.json
    #[arg(long)]
    no_config: bool,
}

/// Languages of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lang {
    Rust,
    #[value(alias = "ts")]
    Typescript,
    #[value(alias = "c#")]
    Csharp,
    #[value(aliases = ["uecpp", "ue5cpp", "unreal"])]
    Unrealcpp,
}

impl Lang {
    /// For messages.
    fn name(self) -> &'static str {
        match self {
            Lang::Rust => "Rust",
            Lang::Typescript => "TypeScript",
            Lang::Csharp => "C#",
            Lang::Unrealcpp => "Unreal C++",
        }
    }
}

/// Client packages with the same API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SdkName {
    /// SpacetimeDB's: the crate spacetimedb-sdk, the npm package spacetimedb
    Official,
    /// This project's: the crate and the npm package spacetime-client
    Own,
}

/// Generates all bindings that were asked for.
pub(crate) fn run(arguments: &GenerateArguments) -> Result<()> {
    let project = Project::find_here(arguments.no_config, arguments.env.as_deref())?;
    if let Some(project) = &project {
        project.say_layers();
    }
    let runs = runs(arguments, project.as_ref())?;
    // Several bindings of one module are made from one build.
    let mut definitions: Vec<(Source, ModuleDef)> = Vec::new();
    for run in &runs {
        let known = definitions.iter().find(|(source, _)| *source == run.source);
        let module = match known {
            Some((_, module)) => module.clone(),
            None => {
                let module = definition(run)?;
                definitions.push((run.source.clone(), module.clone()));
                module
            }
        };
        write(run, &module, arguments.yes)?;
    }
    Ok(())
}

/// Writes bindings into a new folder, for a definition that is part of this program.
pub(crate) fn write_first(client: ClientLanguage, folder: &Path, definition: &str) -> Result<()> {
    let (lang, language) = match client {
        ClientLanguage::Rust => (Lang::Rust, Language::Rust),
        ClientLanguage::TypeScript => (Lang::Typescript, Language::TypeScript),
    };
    let module = ModuleDef::validate(read_definition_json(definition)?)
        .context("the template has a definition that makes no sense")?;
    let options = Options {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Options::new(language)
    };
    folder::write_new(lang, folder, generate(&module, &options)?)
}

/// The definition of the module that a run is about.
fn definition(run: &Run) -> Result<ModuleDef> {
    match &run.source {
        Source::Folder(folder, options) => {
            say(format_args!(
                "Generating {} module bindings for module {}",
                run.lang.name(),
                folder.display()
            ));
            let program = build(folder, &build_arguments(options.as_deref())?)?;
            module_definition(&program)
        }
        Source::Wasm(file) => {
            say_inspecting(file);
            module_definition(file)
        }
        Source::Js(file) => {
            say_inspecting(file);
            bail!(
                "{} is a JavaScript module, which this build cannot ask for its definition; \
                 extract it with the tools it was built with",
                file.display()
            )
        }
        Source::Definition(file) => {
            let (name, text) = match file {
                Some(file) => {
                    let text = std::fs::read_to_string(file);
                    let text = text.with_context(|| format!("cannot read {}", file.display()))?;
                    (file.display().to_string(), text)
                }
                None => {
                    let mut text = String::new();
                    let mut stdin = std::io::stdin().lock();
                    let read = stdin.read_to_string(&mut text);
                    read.context("cannot read the standard input")?;
                    ("the standard input".to_owned(), text)
                }
            };
            let raw = read_definition_json(&text)
                .with_context(|| format!("{name} cannot be understood"))?;
            ModuleDef::validate(raw)
                .with_context(|| format!("{name} has a definition that makes no sense"))
        }
    }
}

fn module_definition(program: &Path) -> Result<ModuleDef> {
    ModuleDef::from_bsatn(&description(program)?)
        .with_context(|| format!("{} has a definition that makes no sense", program.display()))
}

fn say_inspecting(file: &Path) {
    say(format_args!(
        "Skipping build. Instead we are inspecting {}",
        file.display()
    ));
}

/// `Game` or `Game.Net`, as programming languages have it.
fn is_name(text: &str) -> bool {
    text.split('.').all(|part| {
        let starts_well = part.starts_with(|it: char| it.is_alphabetic() || it == '_');
        starts_well && part.chars().all(|it| it.is_alphanumeric() || it == '_')
    })
}

fn write(run: &Run, module: &ModuleDef, yes: bool) -> Result<()> {
    let generated = generate(module, &options(run)?)?;
    if !generated.skipped_private_tables.is_empty() {
        say(format_args!(
            "Skipping private tables during codegen: {}.",
            generated.skipped_private_tables.join(", ")
        ));
    }
    folder::write(run.lang, &run.out_dir, generated, yes)?;
    if let (Some(folder), Some(name)) = (&run.uproject_dir, &run.unreal_module_name) {
        uproject::add_module(folder, name)?;
    }
    say("Generate finished successfully.");
    Ok(())
}

fn options(run: &Run) -> Result<Options> {
    let names = [
        ("--namespace", Some(run.namespace.as_str())),
        ("--unreal-module-name", run.unreal_module_name.as_deref()),
        ("--module-prefix", Some(run.module_prefix.as_str())),
    ];
    for (flag, name) in names {
        if let Some(name) = name.filter(|name| !name.is_empty() && !is_name(name)) {
            bail!("{flag} `{name}`: a name has letters, digits and `_`, and no digit in front");
        }
    }
    let language = match run.lang {
        Lang::Rust => Language::Rust,
        Lang::Typescript => Language::TypeScript,
        Lang::Csharp => Language::CSharp {
            namespace: run.namespace.clone(),
        },
        Lang::Unrealcpp => Language::UnrealCpp {
            module_name: run
                .unreal_module_name
                .clone()
                .context("Unreal bindings need --unreal-module-name")?,
            prefix: run.module_prefix.clone(),
        },
    };
    Ok(Options {
        sdk: match run.sdk {
            SdkName::Official => Sdk::Official,
            SdkName::Own => Sdk::Own,
        },
        include_private: run.include_private,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Options::new(language)
    })
}

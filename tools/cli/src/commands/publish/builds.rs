//! The programs of one run: a folder is built once, however many databases get its program.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;

use super::Job;
use crate::commands::build::{BuildArguments, build, default_folder};
use crate::words::split_words;

/// What was built so far.
#[derive(Debug, Default)]
pub(crate) struct Builds {
    built: Vec<(PathBuf, Option<String>, PathBuf)>,
}

impl Builds {
    /// The program of a job that has sources.
    pub(crate) fn program(&mut self, job: &Job) -> Result<PathBuf> {
        let folder = job.module_path.clone().unwrap_or_else(default_folder);
        let is_same = |(at, options, _): &&(PathBuf, Option<String>, PathBuf)| {
            *at == folder && *options == job.build_options
        };
        if let Some((_, _, program)) = self.built.iter().find(is_same) {
            return Ok(program.clone());
        }
        let arguments = build_arguments(job.build_options.as_deref())?;
        let program = build(&folder, &arguments)?;
        self.built
            .push((folder, job.build_options.clone(), program.clone()));
        Ok(program)
    }
}

/// What runs a program, by its file's ending.
pub(super) fn host_type(program: &Path) -> &'static str {
    match program.extension() {
        Some(end) if end == "js" => "Js",
        _ => "Wasm",
    }
}

/// The flags of `build` that were given as one text.
pub(crate) fn build_arguments(options: Option<&str>) -> Result<BuildArguments> {
    #[derive(Debug, Parser)]
    #[command(
        name = "--build-options",
        no_binary_name = true,
        disable_help_flag = true
    )]
    struct Options {
        #[command(flatten)]
        build: BuildArguments,
    }
    let words =
        split_words(options.unwrap_or_default()).context("the build options end within quotes")?;
    let options = Options::try_parse_from(words).context("the build options are not valid")?;
    Ok(options.build)
}

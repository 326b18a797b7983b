//! `spacetime extract-schema`: what a module's program says about itself, as JSON.
//!
//! Code generators of other makers call this as `spacetimedb-standalone extract-schema FILE`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use spacetime_host::{CallLimits, describe_program};
use spacetime_types::module_def::{ModuleDef, RawModuleDef, ToJson};

use crate::output::say;
use crate::session::{check_wasm, read_file};

/// The flags of `extract-schema`.
#[derive(Debug, Args)]
pub(crate) struct ExtractSchemaArguments {
    /// The program
    file: PathBuf,
    /// What runs the program [default: by the file's ending]
    #[arg(long, value_enum)]
    host_type: Option<HostType>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HostType {
    Wasm,
    Js,
}

/// Prints the definition.
pub(crate) fn run(arguments: &ExtractSchemaArguments) -> Result<()> {
    let is_script = arguments.file.extension().is_some_and(|end| end == "js");
    let by_ending = if is_script {
        HostType::Js
    } else {
        HostType::Wasm
    };
    if arguments.host_type.unwrap_or(by_ending) == HostType::Js {
        bail!("JavaScript modules are not supported");
    }
    say(definition_json(&description(&arguments.file)?)?);
    Ok(())
}

/// What a program in a file writes about itself: a raw definition in BSATN.
pub(crate) fn description(file: &Path) -> Result<Vec<u8>> {
    let program = read_file(&file.to_owned())?;
    check_wasm(file, &program)?;
    describe_program(&program, CallLimits::default())
        .with_context(|| format!("{} cannot be asked for its definition", file.display()))
}

/// `{"V10":{..}}`
fn definition_json(description: &[u8]) -> Result<Value> {
    let damaged = "the program's definition cannot be read";
    Ok(
        match RawModuleDef::from_bsatn(description).context(damaged)? {
            RawModuleDef::V10(raw) => json!({ "V10": raw.to_json() }),
            RawModuleDef::V9(raw) => json!({ "V9": raw.to_json() }),
            RawModuleDef::V8BackCompat(_) => {
                let definition = ModuleDef::from_bsatn(description).context(damaged)?;
                json!({ "V9": definition.to_raw_v9().to_json() })
            }
        },
    )
}

//! Writes the bindings for a definition that lies in a file: `bindings LANGUAGE FILE DIRECTORY`.
//!
//! The file holds what `__describe_module__` wrote, or the same as JSON if its name ends so.
//! `rust`, `typescript` and `csharp` are for the official packages; `rust-own` and
//! `typescript-own` for those of this project.
//!
//! `bindings hex FILE.json NEW` writes a definition as the tests keep it (`tests/definitions`),
//! from what `spacetime extract-schema MODULE.wasm` prints.

use std::path::Path;
use std::{env, fs};

use spacetime_codegen::{Language, Options, Sdk, generate, read_definition_json};
use spacetime_types::module_def::ModuleDef;
use spacetime_types::{bsatn, hex};

const HEX_DIGITS_IN_LINE: usize = 96;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [language, definition, directory] = args.as_slice() else {
        return Err("usage: bindings LANGUAGE FILE DIRECTORY".into());
    };
    if language == "hex" {
        let raw = read_definition_json(&fs::read_to_string(definition)?)?;
        let digits: Vec<char> = hex::encode(&bsatn::to_vec(&raw)).chars().collect();
        let lines: Vec<String> = digits
            .chunks(HEX_DIGITS_IN_LINE)
            .map(|line| line.iter().chain(&['\n']).collect())
            .collect();
        fs::write(directory, lines.concat())?;
        return Ok(());
    }
    let (language, sdk) = match language.as_str() {
        "rust" => (Language::Rust, Sdk::Official),
        "rust-own" => (Language::Rust, Sdk::Own),
        "typescript" => (Language::TypeScript, Sdk::Official),
        "typescript-own" => (Language::TypeScript, Sdk::Own),
        "csharp" => {
            let namespace = "SpacetimeDB.Types".to_owned();
            (Language::CSharp { namespace }, Sdk::Official)
        }
        other => return Err(format!("no such language: {other}").into()),
    };
    let module = if Path::new(definition)
        .extension()
        .is_some_and(|it| it == "json")
    {
        ModuleDef::validate(read_definition_json(&fs::read_to_string(definition)?)?)?
    } else {
        ModuleDef::from_bsatn(&fs::read(definition)?)?
    };
    let options = Options {
        sdk,
        ..Options::new(language)
    };
    for file in generate(&module, &options)?.files {
        let path = Path::new(directory).join(file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, file.text)?;
    }
    Ok(())
}

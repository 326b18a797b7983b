//! Makes the bindings that the tests use, with the generator: one file for each module, with the
//! files of the bindings as inline modules, and one for this project's client under its own name.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use spacetime_codegen::{Generated, Language, Options, generate};
use spacetime_types::hex;
use spacetime_types::module_def::ModuleDef;

const MODULES: [&str; 4] = ["chat", "kitchen_sink", "procedures", "clashes"];

pub fn main() -> Result<(), Box<dyn Error>> {
    // The manifest is that of whichever package this builds for.
    let package = env::var("CARGO_MANIFEST_DIR")?;
    let root = Path::new(&package)
        .ancestors()
        .find(|folder| folder.join("tools/codegen").is_dir())
        .ok_or("the repository's root is not above this package")?;
    let definitions = root.join("tools/codegen/tests/definitions");
    let output = env::var("OUT_DIR")?;
    for module in MODULES {
        let path = definitions.join(format!("{module}.hex"));
        println!("cargo::rerun-if-changed={}", path.display());
        let digits = fs::read_to_string(&path)?.replace('\n', "");
        let definition = ModuleDef::from_bsatn(&hex::decode(&digits)?)?;
        let names = [("", "spacetimedb_sdk"), ("_own", "spacetime_client")];
        for (suffix, package) in names {
            let options = Options {
                sdk_package: Some(package.to_owned()),
                ..Options::new(Language::Rust)
            };
            let bindings = inline(&generate(&definition, &options)?, "", "mod.rs")?;
            let file = format!("{module}{suffix}.rs");
            fs::write(Path::new(&output).join(file), bindings)?;
        }
    }
    Ok(())
}

/// The text of a file in a folder, with the modules that it declares in it.
fn inline(generated: &Generated, folder: &str, name: &str) -> Result<String, Box<dyn Error>> {
    let find = |path: &str| generated.files.iter().find(|file| file.path == path);
    let path = format!("{folder}{name}");
    let file = find(&path).ok_or_else(|| format!("{path} was not generated"))?;
    let mut text = String::new();
    for line in file.text.lines() {
        let declared = line
            .strip_prefix("pub mod ")
            .and_then(|rest| rest.strip_suffix(';'));
        match declared {
            Some(name) => {
                let inner = match find(&format!("{folder}{name}.rs")) {
                    Some(_) => inline(generated, folder, &format!("{name}.rs"))?,
                    None => inline(generated, &format!("{folder}{name}/"), "mod.rs")?,
                };
                write!(text, "pub mod {name} {{\n{inner}}}\n")?;
            }
            // Said where the bindings are included.
            None if path == "mod.rs" && line.starts_with("#![") => {}
            None => writeln!(text, "{line}")?,
        }
    }
    Ok(text)
}

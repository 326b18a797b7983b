//! Makes the bindings that the tests use, with the generator: one file for each module, with the
//! files of the bindings as inline modules, and one for this project's client under its own name.
//! Two more are of a chat whose messages have other columns: bindings that are out of date. Also
//! takes the pieces of code out of the documentation.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use spacetime_codegen::{Generated, Language, Options, generate};
use spacetime_types::module_def::{ModuleDef, RawModuleDef, RawModuleDefV10Section};
use spacetime_types::{AlgebraicType, ProductTypeElement, hex};

const MODULES: [&str; 8] = [
    "chat",
    "kitchen_sink",
    "procedures",
    "clashes",
    "arena",
    "hangman",
    "matrix",
    "random",
];

pub fn main() -> Result<(), Box<dyn Error>> {
    // The manifest is that of whichever package this builds for.
    let package = env::var("CARGO_MANIFEST_DIR")?;
    let root = Path::new(&package)
        .ancestors()
        .find(|folder| folder.join("tools/codegen").is_dir())
        .ok_or("the repository's root is not above this package")?;
    let definitions = root.join("tools/codegen/tests/definitions");
    let output = env::var("OUT_DIR")?;
    let read = |module: &str| -> Result<Vec<u8>, Box<dyn Error>> {
        let path = definitions.join(format!("{module}.hex"));
        println!("cargo::rerun-if-changed={}", path.display());
        let digits = fs::read_to_string(&path)?.replace('\n', "");
        Ok(hex::decode(&digits)?)
    };
    let write = |definition: &ModuleDef, name: &str, package: &str| -> Result<(), Box<dyn Error>> {
        let options = Options {
            sdk_package: Some(package.to_owned()),
            ..Options::new(Language::Rust)
        };
        let bindings = inline(&generate(definition, &options)?, "", "mod.rs")?;
        let file = Path::new(&output).join(format!("{name}.rs"));
        Ok(fs::write(file, bindings)?)
    };
    for module in MODULES {
        let definition = ModuleDef::from_bsatn(&read(module)?)?;
        write(&definition, module, "spacetimedb_sdk")?;
        write(&definition, &format!("{module}_own"), "spacetime_client")?;
    }
    for (name, change) in OUTDATED {
        let definition = with_other_messages(&read("chat")?, change)?;
        write(&definition, name, "spacetimedb_sdk")?;
    }
    let page = root.join(PAGE);
    println!("cargo::rerun-if-changed={}", page.display());
    let pieces = pieces(&fs::read_to_string(page)?)?;
    Ok(fs::write(Path::new(&output).join("documented.rs"), pieces)?)
}

/// The documentation of the client, and where its part on other targets begins.
const PAGE: &str = "docs/rust-client.md";
const PAGE_END: &str = "\n## In web pages\n";
/// Pieces of code there: fewer have not been found.
const PIECES_MIN: usize = 5;

/// Every piece of code as a function. The first makes the connection that the others have.
fn pieces(page: &str) -> Result<String, Box<dyn Error>> {
    let (page, _) = page.split_once(PAGE_END).ok_or("no section on web pages")?;
    let pieces: Vec<&str> = page
        .split("\n```rust,ignore\n")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("\n```\n")?.0))
        .collect();
    if pieces.len() < PIECES_MIN {
        return Err(format!("{} pieces of code in {PAGE}", pieces.len()).into());
    }
    let mut text = String::new();
    for (number, piece) in pieces.iter().enumerate() {
        let bindings = match piece.contains(".procedures.") {
            true => "procedures",
            false => "chat",
        };
        let has = match number {
            0 => String::new(),
            _ => format!("conn: &crate::{bindings}::DbConnection"),
        };
        writeln!(
            text,
            "async fn piece_{number}({has}) -> Result<(), Box<dyn std::error::Error>> {{\n\
             use crate::{bindings}::*;\n{piece}\nOk(())\n}}"
        )?;
    }
    Ok(text)
}

/// How the columns of a message once were, or will be.
type Change = fn(&mut Vec<ProductTypeElement>);

const OUTDATED: [(&str, Change); 2] = [
    ("chat_less", |columns| drop(columns.pop())),
    ("chat_more", |columns| {
        columns.push(ProductTypeElement {
            name: Some("likes".into()),
            algebraic_type: AlgebraicType::U32,
        });
    }),
];

fn with_other_messages(chat: &[u8], change: Change) -> Result<ModuleDef, Box<dyn Error>> {
    let mut raw = RawModuleDef::from_bsatn(chat)?;
    let RawModuleDef::V10(definition) = &mut raw else {
        return Err("the chat's definition has another version".into());
    };
    for section in &mut definition.sections {
        if let RawModuleDefV10Section::Typespace(typespace) = section {
            // The type of messages is the only one with a text at its end.
            let messages = typespace.types.iter_mut().find_map(|ty| match ty {
                AlgebraicType::Product(columns) => columns
                    .elements
                    .last()
                    .is_some_and(|last| last.algebraic_type == AlgebraicType::String)
                    .then_some(&mut columns.elements),
                _ => None,
            });
            change(messages.ok_or("the chat has no messages")?);
        }
    }
    Ok(ModuleDef::validate(raw)?)
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
            // The module is in the line after this one.
            None if line.starts_with("#[path = ") => {}
            // Said where the bindings are included.
            None if path == "mod.rs" && line.starts_with("#![") => {}
            None => writeln!(text, "{line}")?,
        }
    }
    Ok(text)
}

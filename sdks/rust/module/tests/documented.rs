//! The code in `docs/module-sdk.md` compiles: all of it together is one module.

use std::path::{Path, PathBuf};
use std::process::Command;

const PAGE: &str = "../../../docs/module-sdk.md";
/// What the page's code uses and does not show.
const UNSHOWN: &str =
    "#[spacetimedb::table(accessor = page)]\npub struct Page {\n    text: String,\n}\n";
const START: &str = "\n```rust,ignore\n";
const END: &str = "\n```\n";
/// A page with fewer pieces of code has others that are not found.
const PIECES_MIN: usize = 8;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn module(page: &str) -> String {
    let pieces = page.split(START).skip(1);
    let pieces: Vec<&str> = pieces
        .filter_map(|rest| Some(rest.split_once(END)?.0))
        .collect();
    assert!(pieces.len() >= PIECES_MIN, "{} pieces", pieces.len());
    format!("#![deny(warnings)]\n\n{}\n{UNSHOWN}", pieces.join("\n\n"))
}

fn manifest() -> String {
    let library = env!("CARGO_MANIFEST_DIR");
    format!(
        "[workspace]\n\n[package]\nname = \"documented\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         \n[dependencies]\nlog = \"0.4\"\nspacetimedb = {{ package = \"spacetime-module\", \
         path = {library:?}, features = [\"unstable\"] }}\n"
    )
}

#[test]
fn the_code_in_the_documentation_compiles() {
    let page = std::fs::read_to_string(here(PAGE)).unwrap();
    let module = module(&page);
    // The test lies in `<target>/<profile>/deps`; what the tests of mistakes build is shared.
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).unwrap().join("ui");
    let package = target.join("documented");
    std::fs::create_dir_all(package.join("src")).unwrap();
    std::fs::write(package.join("Cargo.toml"), manifest()).unwrap();
    std::fs::write(package.join("src/lib.rs"), &module).unwrap();
    std::fs::copy(here("../../../Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let output = Command::new(std::env::var_os("CARGO").unwrap())
        .args(["check", "--quiet", "--offline"])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", target.join("target"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{module}");
}

//! Takes the program out of the documentation, and makes the bindings that it uses.

#[path = "../../build.rs"]
mod bindings;

use std::error::Error;
use std::path::Path;
use std::{env, fs};

const PAGE: &str = "../../../../docs/rust-client.md";
const SECTION: &str = "\n## In web pages\n";
const START: &str = "```rust,ignore\n";
const END: &str = "```\n";

fn main() -> Result<(), Box<dyn Error>> {
    bindings::main()?;
    println!("cargo::rerun-if-changed={PAGE}");
    let text = fs::read_to_string(PAGE)?;
    let (_, section) = text.split_once(SECTION).ok_or("no section on web pages")?;
    let (_, rest) = section.split_once(START).ok_or("no program in it")?;
    let (program, _) = rest.split_once(END).ok_or("the program has no end")?;
    let output = env::var("OUT_DIR")?;
    fs::write(Path::new(&output).join("documented.rs"), program)?;
    Ok(())
}

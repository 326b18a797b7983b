//! Programs for web pages: compiled, and with the JavaScript that starts them.

use std::io::Write as _;
use std::path::Path;

use spacetime_wasm_build::{Build, Install, build as compile, find_route};
use wasm_bindgen_cli_support::Bindgen;

use super::browser::say;

/// What a page loads.
#[derive(Debug)]
pub struct Files {
    /// The paths under which the page finds them, their types, and what is in them.
    pub files: Vec<(String, &'static str, Vec<u8>)>,
}

/// Builds the package `name` beside this one, and says how large it is.
pub fn build(name: &str) -> Files {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.with_file_name(name);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("pages");
    let route = find_route(&folder, Install::Never, &mut |line| eprintln!("{line}")).unwrap();
    let artifacts = compile(
        &route,
        &Build {
            target_folder: Some(target.clone()),
            locked: true,
            ..Build::release(&folder)
        },
    );
    let artifacts = artifacts.unwrap();
    let output = target.join(name);
    let mut glue = Bindgen::new();
    glue.input_path(&artifacts[0])
        .out_name(name)
        .typescript(false)
        .omit_default_module_path(false)
        .keep_debug(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    glue.web(true).unwrap();
    glue.generate(&output).unwrap();
    let script = std::fs::read(output.join(format!("{name}.js"))).unwrap();
    let program = std::fs::read(output.join(format!("{name}_bg.wasm"))).unwrap();
    say(&format!(
        "{name}: {} KiB of WebAssembly, {} KiB packed with Brotli; {} KiB of JavaScript",
        program.len() / 1024,
        packed(&program) / 1024,
        script.len() / 1024
    ));
    Files {
        files: vec![
            (format!("/{name}.js"), "text/javascript", script),
            (format!("/{name}_bg.wasm"), "application/wasm", program),
        ],
    }
}

fn packed(bytes: &[u8]) -> usize {
    let mut packed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut packed, 64 * 1024, 9, 22);
    writer.write_all(bytes).unwrap();
    drop(writer);
    packed.len()
}

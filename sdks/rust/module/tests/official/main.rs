//! The same modules, built with the official library and with this one, must describe themselves
//! alike, and ask the host for the same things. Prints how large both are.
//!
//! The modules are run by an interpreter, with a host that only notes what it is asked.

mod host;
mod traces;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use spacetime_types::bsatn;
use spacetime_types::module_def::RawModuleDef;
use spacetime_wasm_build::{
    Install, build_repository_modules, build_repository_modules_with_own_library,
};
use wasmi::{Engine, Module};

/// What a module says about itself, after running everything that comes before.
fn describe(file: &Path) -> Vec<u8> {
    let engine = Engine::default();
    let module = Module::new(&engine, std::fs::read(file).unwrap()).unwrap();
    host::start(&engine, &module).describe()
}

fn decode(bytes: &[u8]) -> RawModuleDef {
    bsatn::from_slice(bytes).unwrap()
}

/// The modules built before, if the environment says where, or else built now.
fn folder(variable: &str, build: impl FnOnce() -> PathBuf) -> PathBuf {
    std::env::var_os(variable).map_or_else(build, PathBuf::from)
}

/// Built once, however many tests ask.
fn official_modules() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        folder("SPACETIME_MODULES_DIR", || {
            build_repository_modules(Install::Never, &mut |_| {}).unwrap()
        })
    });
    &FOLDER
}

fn own_modules() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        folder("SPACETIME_OWN_MODULES_DIR", || {
            build_repository_modules_with_own_library(Install::Never, &mut |_| {}).unwrap()
        })
    });
    &FOLDER
}

#[test]
fn both_libraries_describe_the_same_modules() {
    let (official, own) = (official_modules(), own_modules());
    let mut names: Vec<String> = std::fs::read_dir(own)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".wasm"))
        .collect();
    names.sort();
    assert!(10 < names.len(), "few modules: {names:?}");
    let mut different = Vec::new();
    let size = |file: &Path| std::fs::metadata(file).unwrap().len();
    eprintln!("{:<20} {:>10} {:>10}", "bytes", "official", "own");
    for name in names {
        let (official, own) = (official.join(&name), own.join(&name));
        eprintln!("{name:<20} {:>10} {:>10}", size(&official), size(&own));
        let (official, own) = (describe(&official), describe(&own));
        if decode(&official) != decode(&own) {
            eprintln!(
                "official: {:#?}\nown: {:#?}",
                decode(&official),
                decode(&own)
            );
            different.push(name);
        } else if official != own {
            eprintln!("{name}: the same, with its sections in another order");
        }
    }
    assert!(different.is_empty(), "described differently: {different:?}");
}

/// Built from the declarations that the format's description gives this for.
#[test]
fn a_module_with_everything_has_the_known_bytes() {
    let expected: String = include_str!("../everything.hex")
        .split_whitespace()
        .collect();
    let bytes = describe(&own_modules().join("everything.wasm"));
    let found: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, expected);
}

//! Bindings of modules at random are programs: Rust's are read by rustfmt; TypeScript's are
//! compiled if `RANDOM_MODULES` is set and its compiler is there; what C# and C++ make of some of
//! them is tested with the others. All languages make the same files of the same seed.
//!
//! A failure names its seed; see `random::sample`.

mod names;
mod random;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use spacetime_codegen::{GenerateError, Generated, Language, Options, generate};
use spacetime_types::module_def::ModuleDef;

fn definition(seed: u64) -> ModuleDef {
    let definition = ModuleDef::validate(random::definition(seed));
    definition.unwrap_or_else(|error| panic!("seed {seed} makes no module: {error}"))
}

fn made(seed: u64, language: &Language) -> Generated {
    let made = || generate(&definition(seed), &Options::new(language.clone()));
    let first = made();
    assert_eq!(first, made(), "seed {seed}");
    match first {
        Ok(made) => made,
        // Types in a circle.
        Err(GenerateError::Unsupported {
            language: "Unreal", ..
        }) => Generated::default(),
        Err(error) => panic!("seed {seed}, {language:?}: {error}"),
    }
}

fn written(seed: u64, folder: &str, language: &Language) -> PathBuf {
    let tmp = env::var_os("RANDOM_DIR").map_or(env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    let folder = tmp.join(format!("random/{folder}/m{seed}"));
    let _ = fs::remove_dir_all(&folder);
    for file in made(seed, language).files {
        let path = folder.join(&file.path);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("it can be made");
        fs::write(&path, file.text).expect("it can be written");
    }
    folder
}

#[test]
fn every_language_has_bindings() {
    for seed in random::sample() {
        for language in [
            Language::CSharp {
                namespace: "Game".to_owned(),
            },
            Language::UnrealCpp {
                module_name: "Game".to_owned(),
                prefix: String::new(),
            },
        ] {
            made(seed, &language);
        }
    }
}

#[test]
fn rust_can_be_read() {
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2021", "--emit", "stdout"]);
    for seed in random::sample() {
        rustfmt.arg(written(seed, "rust", &Language::Rust).join("mod.rs"));
    }
    let output = rustfmt.output().expect("the toolchain has rustfmt");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

#[test]
fn typescript_compiles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let package = root.join("sdks/typescript");
    let modules = package.join("node_modules");
    let folders: Vec<PathBuf> = random::sample()
        .map(|seed| written(seed, "typescript", &Language::TypeScript))
        .collect();
    let tsc = modules.join(".bin/tsc");
    let client = package.join("dist/index.d.ts");
    // Another step of the tests may be installing or building them just now.
    let is_asked_for = env::var_os("RANDOM_MODULES").is_some();
    if !is_asked_for || !tsc.exists() || !client.exists() {
        eprintln!("SKIPPED: RANDOM_MODULES is not set, or sdks/typescript is not built (npm ci)");
        return;
    }
    let folder = folders[0].parent().expect("the folders are in one");
    let config = format!(
        r#"{{ "compilerOptions": {{
            "target": "es2022", "lib": ["es2023", "dom"], "module": "esnext",
            "moduleResolution": "bundler", "noEmit": true, "skipLibCheck": true, "strict": true,
            "isolatedModules": true, "verbatimModuleSyntax": true, "noUnusedLocals": true,
            "noUnusedParameters": true, "typeRoots": [], "types": [],
            "paths": {{ "spacetimedb": [{:?}] }}
        }}, "include": ["m*/**/*.ts"] }}"#,
        client.display()
    );
    fs::write(folder.join("tsconfig.json"), config).expect("it can be written");
    let output = Command::new(tsc).arg("-p").arg(folder).output();
    let output = output.expect("the compiler is there");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

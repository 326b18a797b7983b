//! The Unreal bindings are C++, against stubs of what they use of Unreal and of the plugin.
//!
//! Unreal's own tools are not here; the macros for them are empty, and the headers they would
//! make as well. Callbacks are real enough for a program to be run with them.

mod names;
mod random;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use spacetime_codegen::{GenerateError, Language, Options, generate};
use spacetime_types::hex;
use spacetime_types::module_def::ModuleDef;

fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn definition(name: &str) -> ModuleDef {
    if let Some(seed) = name.strip_prefix("random-") {
        let seed = seed.parse().expect("it is a number");
        return ModuleDef::validate(random::definition(seed)).expect("it was tried before");
    }
    let path = tests_dir().join(format!("definitions/{name}.hex"));
    let text = fs::read_to_string(path).expect("the definition is in the repository");
    let bytes = hex::decode(&text.replace('\n', "")).expect("it holds hexadecimal digits");
    ModuleDef::from_bsatn(&bytes).expect("the module was published once")
}

#[test]
fn bindings_are_cpp() {
    if Command::new("g++").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no g++ (Debian package g++)");
        return;
    }
    for name in ["chat", "kitchen_sink", "views", "procedures", "matrix"] {
        assert!(written(name, ""), "{name}");
        compiled(name, "", &["-fsyntax-only"], "all.cpp");
    }
    assert!(written("views", "Net"), "views");
    compiled("views", "Net", &["-fsyntax-only"], "all.cpp");
    plays("procedures");
    for seed in random::sample() {
        let name = format!("random-{seed}");
        if written(&name, "") {
            compiled(&name, "", &["-fsyntax-only"], "all.cpp");
        }
    }
}

/// A program with the bindings in it does what the test in it asks for.
fn plays(name: &str) {
    let program = tests_dir().join("unreal/Program.cpp");
    let binary = folder(name, "").join("program");
    let to = binary.display().to_string();
    compiled(
        name,
        "",
        &["-O0", "-o", &to],
        &program.display().to_string(),
    );
    let output = Command::new(&binary).output().expect("it was just made");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said == "played\n", "{said}");
}

fn folder(name: &str, prefix: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("unreal-{name}-{prefix}"))
}

/// The bindings as files, and all of them in `all.cpp`. There are none if types of the module
/// are in a circle.
fn written(name: &str, prefix: &str) -> bool {
    let folder = folder(name, prefix);
    let _ = fs::remove_dir_all(&folder);
    let language = Language::UnrealCpp {
        module_name: "GameModule".to_owned(),
        prefix: prefix.to_owned(),
    };
    let generated = generate(&definition(name), &Options::new(language));
    if matches!(generated, Err(GenerateError::Unsupported { .. })) {
        return false;
    }
    let files = generated.expect("the types have names").files;
    let mut all = String::new();
    for file in &files {
        let path = folder.join(&file.path);
        let parent = path.parent().expect("it is in the folder");
        fs::create_dir_all(parent).expect("it can be made");
        fs::write(&path, &file.text).expect("it can be written");
        if let Some(header) = file.path.strip_prefix("Public/") {
            let made = header.replace(".g.h", ".g.generated.h");
            let made = made.rsplit('/').next().unwrap_or(&made).to_owned();
            fs::write(folder.join(made), "").expect("it can be written");
            all.push_str(&format!("#include \"{header}\"\n"));
        } else {
            all.push_str(&format!("#include \"{}\"\n", path.display()));
        }
    }
    fs::write(folder.join("all.cpp"), all).expect("it can be written");
    true
}

fn compiled(name: &str, prefix: &str, arguments: &[&str], source: &str) {
    let folder = folder(name, prefix);
    let output = Command::new("g++")
        .args(["-std=c++20", "-fmax-errors=20"])
        .args(arguments)
        .arg("-I")
        .arg(tests_dir().join("unreal"))
        .arg("-I")
        .arg(folder.join("Public"))
        .arg("-I")
        .arg(&folder)
        .arg(folder.join(source))
        .output()
        .expect("the compiler was there a moment ago");
    assert!(
        output.status.success(),
        "{name}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

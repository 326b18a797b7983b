//! What the generators make of real modules, beside what they made before.
//!
//! With `UPDATE_GOLDEN=1` in the environment the files are written anew; read the difference.

mod clashes;
mod matrix;
mod names;
mod random;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, thread};

use spacetime_codegen::{
    GENERATED_MARK, Generated, GeneratedFile, Language, Options, generate, read_definition_json,
};
use spacetime_types::module_def::{ModuleDef, RawModuleDef, ToJson as _};
use spacetime_types::{bsatn, hex};

/// A module with a bit of everything, a submodule among it.
const RANDOM_SEED: u64 = 3;

fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Definitions that no module has, made for their names.
fn made_here(name: &str) -> Option<RawModuleDef> {
    match name {
        "names" => Some(names::definition()),
        "clashes" => Some(clashes::escaped()),
        "matrix" => Some(matrix::definition()),
        "random" => Some(random::definition(RANDOM_SEED)),
        _ => None,
    }
}

/// The definition that the module of this name in `modules/` describes itself with.
fn definition(name: &str) -> ModuleDef {
    if let Some(raw) = made_here(name) {
        return ModuleDef::validate(raw).expect("nothing is wrong with these names");
    }
    let path = tests_dir().join(format!("definitions/{name}.hex"));
    let text = fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let bytes = hex::decode(&text.replace('\n', ""));
    ModuleDef::from_bsatn(&bytes.expect("the file holds hexadecimal digits"))
        .expect("the module was published once")
}

/// Generates with a fixed version, so that a new one changes no golden file.
fn generated(name: &str, language: Language) -> Generated {
    let options = Options {
        tool_version: "0.0.0".to_owned(),
        include_private: name == "names",
        ..Options::new(language)
    };
    generate(&definition(name), &options).expect("the module has only named types")
}

/// Of the largest modules only the files with the richest types are kept; in TypeScript all, since
/// tests of the TypeScript clients run with them.
fn is_kept(name: &str, directory: &str, path: &str) -> bool {
    let kept = [
        "composite",
        "nested",
        "shape",
        "color",
        "insertnumber",
        "insert_number",
        "types.ts",
    ];
    if name == "matrix" && directory != "typescript" {
        // One of each kind; all others are compiled.
        let path = path.to_lowercase();
        let kept = ["pk_u256", "pku256", "option_every", "optionevery"];
        return kept.iter().any(|kept| path.contains(kept));
    }
    name != "kitchen_sink"
        || directory == "typescript"
        || kept.iter().any(|kept| path.to_lowercase().contains(kept))
}

/// All files in one text, each under a line with its path.
fn joined(name: &str, directory: &str, generated: &Generated) -> String {
    let mut joined = String::new();
    for file in &generated.files {
        if is_kept(name, directory, &file.path) {
            joined.push_str(&format!("==== {}\n{}", file.path, file.text));
        }
    }
    joined
}

fn check(name: &str, directory: &str, language: Language) {
    let golden = tests_dir()
        .join("golden")
        .join(format!("{name}.{directory}.txt"));
    let generated = generated(name, language);
    let made = joined(name, directory, &generated);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &made).expect("the golden file can be written");
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    let mut lines = made.lines().zip(expected.lines()).enumerate();
    if let Some((line, (made, expected))) = lines.find(|(_, (made, expected))| made != expected) {
        let line = line + 1;
        panic!(
            "{}:{line}: it is now\n{made}\nand was\n{expected}",
            golden.display()
        );
    }
    assert_eq!(
        made.len(),
        expected.len(),
        "{}: one ends sooner",
        golden.display()
    );
    for GeneratedFile { path, text } in &generated.files {
        assert!(text.starts_with(GENERATED_MARK), "{path} lacks the mark");
        let trailing = text.lines().find(|line| line.ends_with(' '));
        assert_eq!(trailing, None, "{path} has spaces at the end of a line");
        assert!(text.ends_with('\n'), "{path} does not end with a line");
    }
}

/// With `WRITE_BINDINGS=DIR` all bindings are written below that directory, to be compiled.
#[test]
fn bindings_can_be_written_out() {
    let Some(directory) = std::env::var_os("WRITE_BINDINGS") else {
        return;
    };
    for name in MODULES {
        for (folder, language) in languages() {
            if !is_made(name, folder) {
                continue;
            }
            for file in generated(name, language).files {
                let path = Path::new(&directory)
                    .join(name)
                    .join(folder)
                    .join(file.path);
                let parent = path.parent().expect("it is below the directory");
                fs::create_dir_all(parent).expect("the directory can be written");
                fs::write(&path, file.text).expect("the directory can be written");
            }
        }
    }
}

fn languages() -> [(&'static str, Language); 4] {
    let namespace = "SpacetimeDB.Types".to_owned();
    let unreal = Language::UnrealCpp {
        module_name: "GameModule".to_owned(),
        prefix: String::new(),
    };
    [
        ("rust", Language::Rust),
        ("typescript", Language::TypeScript),
        ("csharp", Language::CSharp { namespace }),
        ("unreal", unreal),
    ]
}

const MODULES: [&str; 8] = [
    "chat",
    "kitchen_sink",
    "views",
    "procedures",
    "names",
    "clashes",
    "matrix",
    "random",
];

/// Whether there are bindings of the module in the language.
fn is_made(name: &str, folder: &str) -> bool {
    match name {
        // A struct that holds itself is not one that Unreal can have.
        "names" => folder != "unreal",
        // The names are those of Rust bindings.
        "clashes" => folder == "rust",
        // Compiled with the TypeScript clients; what others make of it, other tests compile.
        "random" => folder == "typescript",
        _ => true,
    }
}

/// These definitions are also files: tests of clients compile the bindings made from them.
#[test]
fn definitions_made_here_are_as_before() {
    let made = [
        ("clashes", clashes::escaped()),
        ("matrix", matrix::definition()),
        ("random", random::definition(RANDOM_SEED)),
    ];
    for (name, definition) in made {
        let digits = hex::encode(&bsatn::to_vec(&definition));
        let lines = digits.as_bytes().chunks(96);
        let lines = lines.map(|line| std::str::from_utf8(line).expect("digits are ASCII"));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        let path = tests_dir().join(format!("definitions/{name}.hex"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &text).expect("the file can be written");
        }
        let was = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, was, "{}", path.display());
    }
}

#[test]
fn names_that_rust_spells_alike_are_told() {
    for (raw, what) in clashes::refused() {
        let definition = ModuleDef::validate(raw).expect("it is right by itself");
        let error = generate(&definition, &Options::new(Language::Rust)).unwrap_err();
        let expected = format!(
            "two things in the module would both be generated as {what}; rename one of them"
        );
        assert_eq!(error.to_string(), expected);
    }
}

/// Fields of a type, variants and parameters.
#[test]
fn members_that_a_language_spells_alike_are_told() {
    for raw in clashes::members() {
        for (folder, language) in languages() {
            let definition = ModuleDef::validate(raw.clone()).expect("it is right by itself");
            let error = generate(&definition, &Options::new(language)).unwrap_err();
            let told = error.to_string();
            assert!(told.contains("rename one of them"), "{folder}: {told}");
        }
    }
}

#[test]
fn output_is_as_before() {
    for name in MODULES {
        for (folder, language) in languages() {
            if !is_made(name, folder) {
                continue;
            }
            check(name, folder, language);
        }
    }
}

#[test]
fn the_chat_in_the_terminal_has_these_bindings() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let folder = examples.join("chat-terminal/src/module_bindings");
    for GeneratedFile { path, text } in generated("chat", Language::Rust).files {
        let kept = fs::read_to_string(folder.join(&path)).unwrap_or_default();
        assert!(
            kept == formatted(&text),
            "examples/chat-terminal: {path} is older; make it anew with `spacetime generate`"
        );
    }
}

/// As `cargo fmt` leaves it.
fn formatted(text: &str) -> String {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the toolchain has rustfmt");
    let mut stdin = rustfmt.stdin.take().expect("it is piped");
    let text = text.to_owned();
    let writer = thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = rustfmt.wait_with_output().expect("rustfmt ends");
    assert!(output.status.success(), "rustfmt refuses the bindings");
    writer
        .join()
        .expect("the writer does not panic")
        .expect("rustfmt reads it all");
    String::from_utf8(output.stdout).expect("it is text")
}

/// As `spacetime extract-schema` writes them, and `generate --module-def` reads them.
#[test]
fn definitions_survive_being_written_as_json() {
    for name in ["chat", "kitchen_sink", "views", "procedures", "clashes"] {
        let path = tests_dir().join(format!("definitions/{name}.hex"));
        let text = fs::read_to_string(path).expect("the definition is in the repository");
        let bytes = hex::decode(&text.replace('\n', "")).expect("it holds hexadecimal digits");
        let definition = ModuleDef::from_bsatn(&bytes).expect("the module was published once");
        let raw = RawModuleDef::from_bsatn(&bytes).expect("it was read a line above");
        let RawModuleDef::V10(ten) = &raw else {
            panic!("{name} has another version");
        };
        let json = format!("{{\"V10\":{}}}", ten.to_json());
        assert_eq!(read_definition_json(&json), Ok(raw), "{name}");
        // What the older form has, it keeps; clients see no difference in it.
        let nine = format!("{{\"V9\":{}}}", definition.to_raw_v9().to_json());
        let read = read_definition_json(&nine).expect("it is the older form");
        assert_eq!(read, RawModuleDef::V9(definition.to_raw_v9()), "{name}");
    }
    for wrong in [
        "",
        "{}",
        "[]",
        "{\"V11\":{}}",
        "{\"V10\":{}}",
        "{\"V10\":{\"sections\":[5]}}",
    ] {
        read_definition_json(wrong).unwrap_err();
    }
}

#[test]
fn private_tables_are_left_out_and_named() {
    let generated = generated("kitchen_sink", Language::TypeScript);
    assert!(
        generated
            .skipped_private_tables
            .contains(&"secret".to_owned())
    );
    let is_secret = |path: &str| path.contains("secret_table");
    assert!(!generated.files.iter().any(|file| is_secret(&file.path)));
}

/// Scheduled functions and those of connections are the server's, private tables the owner's.
#[test]
fn what_clients_may_not_use_is_in_no_bindings() {
    for (name, hidden) in [
        ("kitchen_sink", &["run_timer", "secret"][..]),
        ("procedures", &["run_errand"]),
        ("views", &["score", "switch"]),
    ] {
        for (folder, language) in languages() {
            let mut options = Options::new(language);
            let [public, all] = [false, true].map(|include_private| {
                options.include_private = include_private;
                generate(&definition(name), &options).expect("the types have names")
            });
            for hidden in hidden {
                let written = [format!("\"{hidden}\""), format!("'{hidden}'")];
                let names = |file: &GeneratedFile| written.iter().any(|it| file.text.contains(it));
                let found = public.files.iter().find(|file| names(file));
                assert!(found.is_none(), "{name} {folder}: {hidden} in {found:?}");
                assert!(all.files.iter().any(names), "{name} {folder}: no {hidden}");
            }
        }
    }
}

#[test]
fn unreal_refuses_structs_that_hold_themselves() {
    let language = languages()[3].1.clone();
    let error = generate(&definition("names"), &Options::new(language)).unwrap_err();
    assert!(error.to_string().contains("`Expression`"), "{error}");
}

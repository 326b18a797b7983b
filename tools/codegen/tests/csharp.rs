//! The C# bindings compile, against a stub of what they use of the SDK, and values of their types
//! are read and written as the server reads and writes them.
//!
//! The compiler is Mono's, which knows C# up to version 7. What the bindings use beyond it is
//! little and is rewritten first: records with variants, and references that may be null.

mod names;
mod random;
mod values;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use spacetime_codegen::{Language, Options, generate};
use spacetime_types::hex;
use spacetime_types::module_def::ModuleDef;

fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn definition(name: &str) -> ModuleDef {
    if name == "names" {
        return ModuleDef::validate(names::definition()).expect("nothing is wrong with it");
    }
    if let Some(seed) = name.strip_prefix("random-") {
        let seed = seed.parse().expect("it is a number");
        return ModuleDef::validate(random::definition(seed)).expect("it was tried before");
    }
    let path = tests_dir().join(format!("definitions/{name}.hex"));
    let text = fs::read_to_string(path).expect("the definition is in the repository");
    let bytes = hex::decode(&text.replace('\n', "")).expect("it holds hexadecimal digits");
    ModuleDef::from_bsatn(&bytes).expect("the module was published once")
}

/// Whether the compiler is there; it is installed if it can be.
fn has_compiler() -> bool {
    let works = || Command::new("mcs").arg("--version").output().is_ok();
    if works() {
        return true;
    }
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "--no-install-recommends", "mono-mcs"]);
    let _ = install.output();
    works()
}

/// Value types of the SDK and of C#: their `?` means something to older versions too.
const VALUE_TYPES: [&str; 17] = [
    "bool",
    "sbyte",
    "byte",
    "short",
    "ushort",
    "int",
    "uint",
    "long",
    "ulong",
    "float",
    "double",
    "I128",
    "U128",
    "I256",
    "U256",
    "Identity",
    "ConnectionId",
];

/// The same, under names that a module may have for types of its own.
const QUALIFIED: [&str; 4] = [
    "SpacetimeDB.Timestamp",
    "SpacetimeDB.TimeDuration",
    "SpacetimeDB.Uuid",
    "SpacetimeDB.Unit",
];

/// The text without what the compiler does not know.
fn older(text: &str, enums: &[String]) -> String {
    let text = text.replace("#nullable enable\n", "");
    let text = text.replace("public partial record ", "public partial class ");
    // The compiler crashes over a base class with a tuple.
    let text = text.replace(
        "SpacetimeDB.TaggedEnum<(",
        "SpacetimeDB.TaggedEnum { public (",
    );
    let text = text.replace(")>;\n", ") variants; }\n");
    let text = text
        .replace("default!;", "null;")
        .replace("null!;", "null;")
        .replace("Error!)", "Error)");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('?') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let start = start_of_type(&out);
        let ty = out[start..].to_owned();
        let word = ty.rsplit('.').next().unwrap_or_default();
        let is_value = VALUE_TYPES.contains(&word)
            || QUALIFIED.contains(&ty.as_str())
            || enums.iter().any(|name| name == word);
        let is_delegate = ty.starts_with("Action") || ty.ends_with("Handler");
        if ty.is_empty() || is_value {
            out.push('?');
        } else if !is_delegate {
            out.replace_range(start.., &format!("SpacetimeDB.Opt<{ty}>"));
        }
    }
    out.push_str(rest);
    out
}

/// Where the type begins that ends with the text.
fn start_of_type(text: &str) -> usize {
    let mut end = text.len();
    if text.ends_with('>') {
        let mut depth = 0;
        for (at, character) in text.char_indices().rev() {
            match character {
                '>' => depth += 1,
                '<' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                end = at;
                break;
            }
        }
    }
    let is_name = |c: char| c.is_alphanumeric() || "_@.".contains(c);
    text[..end].trim_end_matches(is_name).len()
}

#[test]
fn bindings_compile() {
    if !has_compiler() {
        eprintln!("SKIPPED: there is no mcs (Debian package mono-mcs)");
        return;
    }
    for name in [
        "chat",
        "kitchen_sink",
        "views",
        "procedures",
        "names",
        "matrix",
    ] {
        for namespace in ["SpacetimeDB.Types", "Game.Net"] {
            compile(name, namespace);
        }
    }
    for seed in random::sample() {
        compile(&format!("random-{seed}"), "Game.Net");
    }
}

fn compile(name: &str, namespace: &str) {
    let folder = format!("csharp-{name}-{namespace}");
    compile_with(
        name,
        namespace,
        &folder,
        "bindings.dll",
        &["-target:library"],
    );
}

/// Compiles the bindings, with more arguments, to a file in the folder.
fn compile_with(name: &str, namespace: &str, folder: &str, to: &str, more: &[&str]) -> PathBuf {
    let namespace = namespace.to_owned();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let _ = fs::remove_dir_all(&folder);
    let mut options = Options::new(Language::CSharp { namespace });
    options.include_private = name == "names";
    let files = generate(&definition(name), &options)
        .expect("the types have names")
        .files;
    let enums: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let (_, after) = file.text.split_once("public enum ")?;
            Some(after.lines().next()?.to_owned())
        })
        .collect();
    let to = folder.join(to);
    let mut command = Command::new("mcs");
    command.args([
        "-langversion:Experimental",
        "-nowarn:414,67,649,108,114,169",
        "-r:System.Numerics.dll",
    ]);
    command.args(more).arg(format!("-out:{}", to.display()));
    command.arg(tests_dir().join("csharp/Stub.cs"));
    for file in &files {
        let path = folder.join(&file.path);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("it can be made");
        fs::write(&path, older(&file.text, &enums)).expect("it can be written");
        command.arg(path);
    }
    let output = command
        .output()
        .expect("the compiler was there a moment ago");
    assert!(
        output.status.success(),
        "{name}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    to
}

/// Every type of the module, every reducer's arguments, every procedure's arguments and value:
/// C# reads our bytes, finds the same values in them, and writes the same bytes.
#[test]
fn values_are_read_and_written_alike() {
    let has_mono = Command::new("mono").arg("--version").output().is_ok();
    if !has_mono || !has_compiler() {
        eprintln!("SKIPPED: there is no mono or no mcs (Debian packages mono-runtime, mono-mcs)");
        return;
    }
    let program = tests_dir().join("csharp/Values.cs");
    let program = program.display().to_string();
    for name in ["matrix", "kitchen_sink", "views", "procedures", "names"] {
        let folder = format!("csharp-values-{name}");
        let more = ["-target:exe", program.as_str()];
        let binary = compile_with(name, "SpacetimeDB.Types", &folder, "values.exe", &more);
        let cases = values::cases(&definition(name));
        let asked: String = cases.iter().map(values::Case::question).collect();
        let input = folder_file(&folder, "questions.txt", &asked);
        let output = Command::new("mono")
            .arg(&binary)
            .stdin(fs::File::open(input).expect("it was just written"))
            .output()
            .expect("mono was there a moment ago");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {errors}");
        let answers = String::from_utf8(output.stdout).expect("it answers in ASCII");
        let answers: Vec<&str> = answers.lines().collect();
        assert_eq!(answers.len(), cases.len(), "{name}");
        for (case, answer) in cases.iter().zip(answers) {
            assert_eq!(case.answer(), answer, "{name}: {}", case.question());
        }
    }
}

fn folder_file(folder: &str, file: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(folder)
        .join(file);
    fs::write(&path, text).expect("it can be written");
    path
}

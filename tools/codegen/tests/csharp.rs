//! The C# bindings compile, against a stub of what they use of the SDK.
//!
//! The compiler is Mono's, which knows C# up to version 7. What the bindings use beyond it is
//! little and is rewritten first: records with variants, and whether references may be null.

mod names;

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
const VALUE_TYPES: [&str; 20] = [
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
    "Timestamp",
    "TimeDuration",
    "Uuid",
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
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '@';
        let start = before.trim_end_matches(is_word).len();
        let word = &before[start..];
        let is_value =
            VALUE_TYPES.contains(&word) || word == "Unit" || enums.iter().any(|name| name == word);
        let is_annotation = !word.is_empty() || before.ends_with('>');
        if !is_annotation || is_value {
            out.push('?');
        }
        rest = &after[1..];
    }
    out.push_str(rest);
    out
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
}

fn compile(name: &str, namespace: &str) {
    let namespace = namespace.to_owned();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("csharp-{name}-{namespace}"));
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
    let mut command = Command::new("mcs");
    command.args([
        "-target:library",
        "-langversion:Experimental",
        "-nowarn:414,67,649,108,114",
    ]);
    command.arg(format!("-out:{}", folder.join("bindings.dll").display()));
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
}

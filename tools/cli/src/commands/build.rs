//! `spacetime build`: a module's program from its sources.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use spacetime_wasm_build::{Build, Install, Profile, build as cargo_build, find_route};

use crate::output::{note, say};

mod foreign;
mod wasm_names;

/// Calls that print to a stream which a module does not have.
const PRINTING: [&str; 5] = ["println!", "print!", "eprintln!", "eprint!", "dbg!"];
/// Deepest folder below the sources that is looked at.
const DEPTH_MAX: usize = 64;

/// The flags of `build`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BuildArguments {
    /// The folder of the module [default: ./spacetimedb if it holds one, otherwise .]
    #[arg(long, short = 'p', value_name = "DIR", visible_alias = "project-path")]
    pub(crate) module_path: Option<PathBuf>,
    /// Folder in the module whose sources must not print; empty to look at none
    #[arg(long, value_name = "DIR", default_value = "src")]
    pub(crate) lint_dir: String,
    /// Build faster, for a program that runs slower
    #[arg(long, short = 'd')]
    pub(crate) debug: bool,
    /// Cargo features, comma separated
    #[arg(long, value_name = "LIST", hide = true, default_value = "")]
    pub(crate) features: String,
    /// The version of .NET that builds a C# module [default: 8]
    #[arg(long, value_name = "VERSION", value_parser = ["8", "10"])]
    pub(crate) dotnet_version: Option<String>,
}

/// Builds a module and tells where its program is.
pub(crate) fn run(arguments: &BuildArguments) -> Result<()> {
    let folder = arguments.module_path.clone().unwrap_or_else(default_folder);
    let program = build(&folder, arguments)?;
    say(format_args!("The program is {}", program.display()));
    Ok(())
}

/// Builds the module in `folder` and returns its program.
pub(crate) fn build(folder: &Path, arguments: &BuildArguments) -> Result<PathBuf> {
    let program = match language(folder) {
        Some(Language::Rust) => build_rust(folder, arguments)?,
        Some(Language::CSharp) => {
            foreign::csharp(folder, arguments.dotnet_version.as_deref().unwrap_or("8"))?
        }
        Some(Language::TypeScript) => foreign::typescript(folder)?,
        Some(Language::Cpp) => foreign::cpp(folder, arguments.debug)?,
        None => bail!(
            "there is no module in {}: no Cargo.toml, package.json, CMakeLists.txt or .csproj; say \
             where it is with --module-path",
            folder.display()
        ),
    };
    say("Build finished successfully.");
    Ok(program)
}

fn build_rust(folder: &Path, arguments: &BuildArguments) -> Result<PathBuf> {
    lint(folder, &arguments.lint_dir)?;
    let route = find_route(folder, Install::IfMissing, &mut |line| note(line))?;
    let build = Build {
        profile: if arguments.debug {
            Profile::Debug
        } else {
            Profile::Release
        },
        features: arguments.features.clone(),
        ..Build::release(folder)
    };
    let mut programs = cargo_build(&route, &build)?;
    let program = match (programs.pop(), programs.as_slice()) {
        (Some(program), []) => program,
        (Some(program), others) => {
            let others: Vec<String> = others
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            note(format_args!(
                "also built, and not used: {}",
                others.join(", ")
            ));
            program
        }
        (None, _) => bail!("the build of {} made no program", folder.display()),
    };
    refuse_bindgen(&program)?;
    Ok(if arguments.debug {
        program
    } else {
        optimized(program)
    })
}

/// Refuses programs that were built against a browser: names of its glue are in them.
fn refuse_bindgen(program: &Path) -> Result<()> {
    let bytes =
        std::fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let names = wasm_names::names(&bytes);
    let mut all = names.imports.iter().chain(&names.exports);
    if let Some(name) = all.find(|name| name.starts_with("__wbindgen")) {
        bail!(
            "the program cannot run here, because of `{name}`: a dependency uses wasm-bindgen, \
             which needs a browser (often `getrandom` with its `js` feature, or `chrono` with \
             `wasmbind`); turn that feature off"
        );
    }
    if names
        .imports
        .iter()
        .any(|name| name == "__getrandom_custom")
    {
        bail!(
            "the program cannot run here: a dependency asks for random numbers of the system; use \
             those of the reducer's context"
        );
    }
    Ok(())
}

/// `./spacetimedb` if a module is there.
pub(crate) fn default_folder() -> PathBuf {
    let usual = Path::new("spacetimedb");
    if language(usual).is_some() {
        usual.into()
    } else {
        ".".into()
    }
}

/// Whether a folder looks like a module's.
pub(crate) fn is_module(folder: &Path) -> bool {
    language(folder).is_some()
}

/// What a module is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Rust,
    CSharp,
    TypeScript,
    Cpp,
}

/// What a module's folder says its language is.
fn language(folder: &Path) -> Option<Language> {
    let has = |name: &str| folder.join(name).is_file();
    if has("Cargo.toml") {
        return Some(Language::Rust);
    }
    let entries = std::fs::read_dir(folder).ok()?;
    let is_project = |path: &Path| path.extension().is_some_and(|end| end == "csproj");
    if entries
        .filter_map(Result::ok)
        .any(|entry| is_project(&entry.path()))
    {
        return Some(Language::CSharp);
    }
    if has("package.json") {
        return Some(Language::TypeScript);
    }
    has("CMakeLists.txt").then_some(Language::Cpp)
}

/// Refuses sources that print: a module has nothing to print to.
fn lint(folder: &Path, lint_dir: &str) -> Result<()> {
    if lint_dir.is_empty() {
        return Ok(());
    }
    let mut found = Vec::new();
    let sources = folder.join(lint_dir);
    if sources.is_dir() {
        lint_folder(&sources, 0, &mut found)?;
    }
    if found.is_empty() {
        return Ok(());
    }
    bail!(
        "a module has no standard output; log with the `log` crate instead \
         (or pass --lint-dir= to build anyway):\n{}",
        found.join("\n")
    )
}

fn lint_folder(folder: &Path, depth: usize, found: &mut Vec<String>) -> Result<()> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    let cannot = || format!("cannot read {}", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        paths.push(entry.with_context(cannot)?.path());
    }
    paths.sort();
    for path in paths {
        if path.is_dir() {
            lint_folder(&path, depth + 1, found)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            for (line, text) in printing_lines(&text) {
                found.push(format!("{}:{line}: {}", path.display(), text.trim()));
            }
        }
    }
    Ok(())
}

/// Lines that print, from 1. Comments and longer names that end the same way do not count.
fn printing_lines(text: &str) -> Vec<(usize, &str)> {
    let prints = |line: &str| {
        let code = line.split("//").next().unwrap_or(line);
        PRINTING.iter().any(|call| {
            code.match_indices(call).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
            })
        })
    };
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| prints(line))
        .map(|(at, line)| (at + 1, line))
        .collect()
}

/// The program made smaller by `wasm-opt`; as it is where there is none.
fn optimized(program: PathBuf) -> PathBuf {
    let smaller = program.with_extension("opt.wasm");
    let status = Command::new("wasm-opt")
        .args(["-all", "-g", "-O2"])
        .arg(&program)
        .arg("-o")
        .arg(&smaller)
        .status();
    match status {
        Ok(status) if status.success() => smaller,
        Ok(status) => {
            note(format_args!(
                "wasm-opt failed ({status}): the program is as the compiler left it"
            ));
            program
        }
        Err(_) => {
            note("wasm-opt is not installed: the program is larger and slower than it could be");
            program
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_is_found_and_other_things_are_not() {
        let text = "fn f() {\n    println!(\"a\");\n    // eprintln!()\n    my_print!();\n\
                    sprintln!();  dbg!(1) // why\n}\n";
        assert_eq!(
            printing_lines(text),
            [
                (2, "    println!(\"a\");"),
                (5, "sprintln!();  dbg!(1) // why")
            ]
        );
    }

    #[test]
    fn the_lint_names_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("src/deep")).unwrap();
        std::fs::write(folder.path().join("src/deep/a.rs"), "\ndbg!(1);\n").unwrap();
        let error = lint(folder.path(), "src").unwrap_err().to_string();
        assert!(error.ends_with("src/deep/a.rs:2: dbg!(1);"), "{error}");
        lint(folder.path(), "").unwrap();
        lint(folder.path(), "elsewhere").unwrap();
    }

    #[test]
    fn languages_are_told_by_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(language(path), None);
        for (file, expected) in [
            ("CMakeLists.txt", Language::Cpp),
            ("package.json", Language::TypeScript),
            ("x.csproj", Language::CSharp),
            ("Cargo.toml", Language::Rust),
        ] {
            std::fs::write(path.join(file), "").unwrap();
            assert_eq!(language(path), Some(expected));
        }
    }

    #[test]
    fn programs_for_browsers_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("m.wasm");
        let exports = b"\0asm\x01\0\0\0\x07\x0e\x01\x0a__wbindgen\0\0";
        std::fs::write(&program, exports).unwrap();
        let error = refuse_bindgen(&program).unwrap_err().to_string();
        assert!(error.contains("wasm-bindgen"), "{error}");
        std::fs::write(&program, b"\0asm and nothing else").unwrap();
        refuse_bindgen(&program).unwrap();
    }
}

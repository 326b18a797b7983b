//! Modules in other languages than Rust: each is built by the tools of its language.
//!
//! Not here: installing those tools.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::output::note;

/// Deepest folder below `build` that is looked at.
const DEPTH_MAX: usize = 16;

/// `dotnet publish`, with the wasi workload or, from .NET 10 on, ahead of time.
pub(super) fn csharp(folder: &Path, version: &str) -> Result<PathBuf> {
    let framework = format!("net{version}.0");
    let mut dotnet = Command::new("dotnet");
    dotnet.args(["publish", "-c", "Release", "-f", &framework]);
    if version != "8" {
        dotnet.env("EXPERIMENTAL_WASM_AOT", "1");
    }
    run(
        &mut dotnet,
        folder,
        "install .NET with the wasi-experimental workload",
    )?;
    let output = folder.join("bin/Release").join(framework).join("wasi-wasm");
    let places = ["AppBundle", "native"].map(|place| output.join(place).join("StdbModule.wasm"));
    let built = places.into_iter().find(|place| place.is_file());
    built.with_context(|| format!("dotnet made no StdbModule.wasm below {}", output.display()))
}

/// The type checker if there is one, then esbuild into one file.
pub(super) fn typescript(folder: &Path) -> Result<PathBuf> {
    let tool = |name: &str| folder.join("node_modules/.bin").join(name);
    let checker = tool("tsc");
    if checker.is_file() {
        let status = Command::new(std::path::absolute(&checker)?)
            .arg("--noEmit")
            .current_dir(folder)
            .status()
            .with_context(|| format!("cannot start {}", checker.display()))?;
        if !status.success() {
            // It has said everything itself.
            std::process::exit(status.code().unwrap_or(1));
        }
    }
    let bundler = match tool("esbuild") {
        own if own.is_file() => std::path::absolute(own)?,
        _ => PathBuf::from("esbuild"),
    };
    let mut esbuild = Command::new(bundler);
    esbuild.args([
        "./src/index.ts",
        "--bundle",
        "--format=esm",
        "--sourcemap=inline",
        "--external:spacetime:sys*",
        "--conditions=production,import,default",
        "--define:process.env.NODE_ENV=\"production\"",
        "--outfile=dist/bundle.js",
        "--log-level=warning",
    ]);
    run(
        &mut esbuild,
        folder,
        "install it: npm install --save-dev esbuild",
    )?;
    note(
        "WARNING: this server runs WebAssembly modules; the bundle is for servers with a JS engine",
    );
    Ok(folder.join("dist/bundle.js"))
}

/// CMake with Emscripten.
pub(super) fn cpp(folder: &Path, debug: bool) -> Result<PathBuf> {
    let kind = if debug { "Debug" } else { "Release" };
    let mut configure = Command::new("emcmake");
    configure.args(["cmake", "-S", ".", "-B", "build"]);
    configure.arg(format!("-DCMAKE_BUILD_TYPE={kind}"));
    run(&mut configure, folder, "install Emscripten and CMake")?;
    let mut build = Command::new("cmake");
    build.args(["--build", "build", "--config", kind, "--parallel"]);
    run(&mut build, folder, "install CMake")?;
    let mut newest = None;
    newest_wasm(&folder.join("build"), 0, &mut newest)?;
    let (_, program) = newest.context("the build made no .wasm file")?;
    Ok(program)
}

fn newest_wasm(
    folder: &Path,
    depth: usize,
    newest: &mut Option<(SystemTime, PathBuf)>,
) -> Result<()> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    let cannot = || format!("cannot read {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let path = entry.path();
        if path.is_dir() {
            newest_wasm(&path, depth + 1, newest)?;
        } else if path.extension().is_some_and(|end| end == "wasm") {
            let time = entry
                .metadata()
                .and_then(|data| data.modified())
                .with_context(cannot)?;
            if newest.as_ref().is_none_or(|(other, _)| *other < time) {
                *newest = Some((time, path));
            }
        }
    }
    Ok(())
}

fn run(command: &mut Command, folder: &Path, advice: &str) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.current_dir(folder).status();
    let status = status.with_context(|| format!("`{name}` cannot be started; {advice}"))?;
    if !status.success() {
        bail!(
            "`{name}` could not build the module in {} ({status})",
            folder.display()
        );
    }
    Ok(())
}

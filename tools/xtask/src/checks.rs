//! `cargo xtask test`: every check and every test there is.
//!
//! Every step runs, also after one has failed; the end names each that did, and the exit status
//! says whether any did. Nothing is skipped, retried or filtered; but fuzzing needs a tool that not
//! everybody has, and says so if it is missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{cargo, run, run_within, say};
use crate::server::{Server, build_binary, build_test_binary, free_address};
use crate::{fuzz, repository_folder, setup, target_folder, tidy};

/// Where the tests find the modules, so that they need not ask cargo, each for itself.
const MODULES_VARIABLE: &str = "SPACETIME_MODULES_DIR";

/// Where they find the program.
const BINARY_VARIABLE: &str = "SPACETIME_BIN";

/// Every test file has its own limit of minutes; this is for what no such limit catches.
const TYPESCRIPT_TIMEOUT: Duration = Duration::from_secs(600);

/// The same for the modules that were built with this project's own library.
const OWN_MODULES_VARIABLE: &str = "SPACETIME_OWN_MODULES_DIR";

type Step = (&'static str, fn() -> Result<()>);

const STEPS: [Step; 15] = [
    ("set up", setup::everything),
    ("format", format),
    ("tidy", || tidy::check(&repository_folder())),
    ("modules", || setup::build_modules().map(drop)),
    ("modules, own library", || {
        setup::build_modules_with_own_library().map(drop)
    }),
    ("clippy", clippy),
    ("clippy, modules", clippy_modules),
    ("tests", tests),
    ("tests, own library", tests_with_own_library),
    ("planted bugs", planted_bugs),
    ("official Rust client", official_rust_client),
    ("Rust client, web pages", rust_client_in_web_pages),
    ("TypeScript client", typescript_client),
    ("documentation", documentation),
    ("fuzz targets", fuzz::all_for_a_minute),
];

/// All steps, in order.
pub fn run_all() -> Result<()> {
    let start = Instant::now();
    let mut outcomes: Vec<(&str, Duration, Result<()>)> = Vec::new();
    for (name, step) in STEPS {
        say(&format!("\n=== {name}"));
        let start = Instant::now();
        let result = step();
        if let Err(error) = &result {
            say(&format!("Error: {error:#}"));
        }
        outcomes.push((name, start.elapsed(), result));
    }
    say("");
    for (name, took, result) in &outcomes {
        let outcome = if result.is_ok() { "ok" } else { "FAILED" };
        say(&format!(
            "{name:<20} {:>7.1} s  {outcome}",
            took.as_secs_f64()
        ));
    }
    say(&format!(
        "{:<20} {:>7.1} s",
        "together",
        start.elapsed().as_secs_f64()
    ));
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|(_, _, result)| result.is_err())
        .map(|(name, _, _)| *name)
        .collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// The scenarios of TypeScript clients against a running server, with the official client and with
/// this project's, and the tests of the latter alone. With the server's binary they also hold the
/// bindings in the repository against the modules.
pub fn typescript(server: &str, databases: [&str; 5], binary: Option<&Path>) -> Result<()> {
    let [chat, kitchen_sink, views, procedures, game] = databases;
    let scenarios = setup::typescript_folder();
    let client = setup::typescript_client_folder();
    let runs = [
        (&scenarios, "test"),
        (&scenarios, "test:own"),
        (&scenarios, "test:runtimes"),
        (&client, "test"),
        (&client, "test:e2e"),
        (&client, "test:browser"),
    ];
    for (folder, script) in runs {
        say(&format!("npm run {script} (in {})", folder.display()));
        let mut npm = Command::new("npm");
        npm.args(["run", "--silent", script])
            .env("SERVER_URL", server)
            .env("CHAT_DATABASE", chat)
            .env("KITCHEN_SINK_DATABASE", kitchen_sink)
            .env("VIEWS_DATABASE", views)
            .env("PROCEDURES_DATABASE", procedures)
            .env("GAME_DATABASE", game)
            .current_dir(folder);
        if let Some(binary) = binary {
            npm.env(BINARY_VARIABLE, binary)
                .env(MODULES_VARIABLE, target_folder().join("modules"));
        }
        run_within(&mut npm, TYPESCRIPT_TIMEOUT)?;
    }
    Ok(())
}

fn format() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(in_modules(&mut cargo()).args(["fmt", "--all", "--check"]))?;
    let web = ["fmt", "--all", "--check", "--manifest-path"];
    run(cargo().args(web).arg(web_manifest()))
}

fn web_manifest() -> PathBuf {
    repository_folder().join("sdks/conformance/web/Cargo.toml")
}

fn clippy() -> Result<()> {
    let what = ["clippy", "--locked", "--workspace", "--all-targets"];
    run(cargo().args(what).args(["--", "-D", "warnings"]))
}

/// The modules' own lints. They are checked as native code, which needs no other compiler.
fn clippy_modules() -> Result<()> {
    let target = target_folder().join("modules-clippy");
    run(in_modules(&mut cargo())
        .args(["clippy", "--locked", "--workspace", "--", "-D", "warnings"])
        .env("CARGO_TARGET_DIR", target))
}

fn tests() -> Result<()> {
    let modules = target_folder().join("modules");
    run(cargo()
        .args(["test", "--locked", "--workspace", "--no-fail-fast"])
        .env(MODULES_VARIABLE, modules)
        .env(OWN_MODULES_VARIABLE, target_folder().join("modules-own")))
}

/// What drives a server with modules, once more with modules that were built with this project's
/// own library. The binaries are those of the step before.
fn tests_with_own_library() -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
    for name in ["kitchen_sink", "views", "procedures", "migrations"] {
        test.args(["--test", name]);
    }
    run(test.env(MODULES_VARIABLE, target_folder().join("modules-own")))
}

/// The simulator, the random runs of live queries, the checker of clients, histories of schedules
/// and the model of the module's imports must catch every bug that is switched on in the crates
/// below them. The first two are light: building them once more takes less than a minute. The
/// others are built with everything else, so that only the crates between the bugs and them are
/// built once more.
fn planted_bugs() -> Result<()> {
    for package in ["spacetime-sim", "spacetime-query"] {
        let what = ["test", "--locked", "--package", package];
        let which = ["--features", "planted-bugs", "--test", "planted"];
        run(cargo().args(what).args(which))?;
    }
    let features = "spacetime-checker/planted-bugs,spacetime-testing/planted-bugs";
    let mut others = cargo();
    others.args(["test", "--locked", "--workspace", "--features", features]);
    for name in ["planted_defects", "imports", "schedules"] {
        others.args(["--test", name]);
    }
    let modules = target_folder().join("modules");
    run(others
        .args(["--", "planted"])
        .env(MODULES_VARIABLE, modules))
}

/// The scenarios with SpacetimeDB's own client crate, and bindings with difficult names compiled
/// for it. The crate and what it needs are built for this alone, minutes the first time.
pub fn official_rust_client() -> Result<()> {
    setup::build_modules()?;
    if !setup::has_openssl() {
        say("SKIPPED: the official Rust client needs OpenSSL (Debian: libssl-dev, pkg-config)");
        return Ok(());
    }
    let binary = build_test_binary()?;
    let manifest = repository_folder().join("sdks/conformance/official/Cargo.toml");
    run(cargo()
        .args(["test", "--locked", "--manifest-path"])
        .arg(manifest)
        .env(
            "CARGO_TARGET_DIR",
            target_folder().join("conformance-official"),
        )
        .env(BINARY_VARIABLE, binary)
        .env(MODULES_VARIABLE, target_folder().join("modules")))
}

/// This project's Rust client as web pages have it: its lints, the scenarios and more in headless
/// Chromium. What makes a page of a program is built for this alone, a minute the first time.
pub fn rust_client_in_web_pages() -> Result<()> {
    setup::build_modules()?;
    if setup::has_wasm_target()? {
        run(cargo()
            .args(["clippy", "--locked", "--package", "spacetime-client"])
            .args([
                "--features",
                "browser",
                "--target",
                "wasm32-unknown-unknown",
            ])
            .args(["--", "-D", "warnings"]))?;
    }
    if !setup::has_chromium() {
        say("SKIPPED: web pages need Chromium (Debian: apt-get install chromium)");
        return Ok(());
    }
    let binary = build_test_binary()?;
    run(cargo()
        .args(["test", "--locked", "--manifest-path"])
        .arg(web_manifest())
        .env("CARGO_TARGET_DIR", target_folder().join("conformance-web"))
        .env(BINARY_VARIABLE, binary)
        .env(MODULES_VARIABLE, target_folder().join("modules")))
}

/// Every template from `init` to the end of `dev`, pages in headless Chromium, with the published
/// SDKs and with this project's. No step of the tests: it installs the packages of all frameworks.
pub fn templates(only: &[String]) -> Result<()> {
    setup::typescript_packages()?;
    let binary = build_binary()?;
    let script = repository_folder().join("tools/templates/run.mjs");
    for sdk in ["official", "own"] {
        run(Command::new("node")
            .arg(&script)
            .args(["--sdk", sdk])
            .args(only)
            .env(BINARY_VARIABLE, &binary))?;
    }
    Ok(())
}

fn documentation() -> Result<()> {
    let mut doc = cargo();
    doc.args(["doc", "--locked", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings");
    run(&mut doc)
}

fn typescript_client() -> Result<()> {
    let binary = build_test_binary()?;
    let folder = std::env::temp_dir().join(format!("spacetime-typescript-{}", std::process::id()));
    let result = typescript_client_in(&folder, &binary);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("removing {}", folder.display()))?;
    }
    result
}

fn typescript_client_in(folder: &Path, binary: &Path) -> Result<()> {
    let modules = target_folder().join("modules");
    let server = Server::start(binary, folder, free_address()?)?;
    server.publish("chat", &modules.join("chat.wasm"))?;
    server.publish("kitchen-sink", &modules.join("kitchen_sink.wasm"))?;
    server.publish("views", &modules.join("views.wasm"))?;
    server.publish("procedures", &modules.join("procedures.wasm"))?;
    server.publish("game", &modules.join("game.wasm"))?;
    let databases = ["chat", "kitchen-sink", "views", "procedures", "game"];
    typescript(&server.url(), databases, Some(binary))?;
    server.stop()
}

fn in_modules(cargo: &mut Command) -> &mut Command {
    cargo.current_dir(repository_folder().join("modules"))
}

//! Rules for `Cargo.toml`: which crate may depend on which, and what every crate must say.

use toml::{Table, Value};

use super::{Complaint, File, Rule};

/// A crate of the workspace, and those that it may use. Dependencies point downwards only.
/// Crates for tests alone (`dev-dependencies`) are not restricted.
const ARROWS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("page", &["types"]),
    ("index", &["types", "page"]),
    ("table", &["types", "page", "index"]),
    ("commitlog", &["types"]),
    ("snapshot", &["types", "commitlog"]),
    ("durability", &["types", "commitlog", "snapshot", "uring"]),
    ("durability/uring", &[]),
    (
        "store",
        &[
            "types",
            "page",
            "table",
            "commitlog",
            "snapshot",
            "durability",
        ],
    ),
    (
        "backup",
        &["types", "table", "commitlog", "durability", "store"],
    ),
    ("query", &["types", "table"]),
    (
        "host",
        &[
            "types",
            "table",
            "commitlog",
            "snapshot",
            "durability",
            "store",
            "backup",
            "query",
            "code-cache",
        ],
    ),
    ("host/code-cache", &[]),
    ("api", &["types", "table", "query", "host"]),
    (
        "tools/cli",
        &[
            "types",
            "table",
            "commitlog",
            "snapshot",
            "durability",
            "store",
            "backup",
            "offline",
            "host",
            "api",
            "wasm-build",
            "codegen",
        ],
    ),
    ("tools/codegen", &["types"]),
    ("tools/sql-differential", &["types", "table", "query"]),
    (
        "testing",
        &["types", "table", "store", "host", "wasm-build"],
    ),
    ("tools/bench", &["types", "wasm-build"]),
    ("tools/bench-rows", &["types", "table"]),
    (
        "tools/sim",
        &[
            "types",
            "table",
            "commitlog",
            "snapshot",
            "durability",
            "store",
        ],
    ),
    (
        "tools/offline",
        &[
            "types",
            "page",
            "table",
            "commitlog",
            "snapshot",
            "durability",
            "store",
        ],
    ),
    ("tools/checker", &["types", "table", "query", "host", "api"]),
    ("sdks/rust/client", &["types", "client-macros"]),
    ("sdks/rust/client-macros", &[]),
    ("sdks/conformance", &["codegen", "types"]),
    ("examples/chat-terminal", &["client"]),
    ("sdks/rust/macros", &[]),
    ("sdks/rust/module", &["module-macros"]),
    ("tools/wasm-build", &[]),
    ("tools/xtask", &["wasm-build"]),
    (
        "tools/fuzz-oracles",
        &["types", "page", "commitlog", "snapshot", "durability"],
    ),
];

/// Bought-in crates that have one place.
const HOME_OF: [(&str, &[&str]); 4] = [
    ("wasmtime", &["host", "host/code-cache"]),
    ("axum", &["api"]),
    ("sqlparser", &["query"]),
    ("jsonwebtoken", &["api"]),
];

/// What every crate takes from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

pub(crate) fn check(file: &File<'_>, complaints: &mut Vec<Complaint>) {
    let table: Table = match file.text.parse() {
        Ok(table) => table,
        Err(error) => {
            let message = format!("not TOML: {}", error.message());
            complaints.push(file.complain(0, Rule::Manifest, message));
            return;
        }
    };
    let folder = file
        .path
        .trim_end_matches("Cargo.toml")
        .trim_end_matches('/');
    // Programs for web pages are, too, as their authors would write them.
    // The modules are a workspace of their own, written as their authors would.
    // So are the fuzz targets, which need flags that nothing else is built with.
    // And so are the templates, which become projects of their own.
    let starts_with = |prefix: &str| folder.starts_with(prefix);
    let other_workspace = ["modules", "fuzz", "sdks/conformance/official"].contains(&folder)
        || starts_with("modules/")
        || starts_with("sdks/conformance/web")
        || starts_with("templates/");
    if folder.is_empty() || other_workspace {
        return;
    }
    check_inheritance(file, &table, complaints);
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == folder) else {
        let message = "a crate that the list of arrows does not know";
        complaints.push(file.complain(0, Rule::Manifest, message));
        return;
    };
    for name in dependencies(&table) {
        let ours = name.strip_prefix("spacetime-");
        if let Some(ours) = ours.filter(|ours| !allowed.contains(ours)) {
            let message = format!("{folder} must not depend on {ours}");
            complaints.push(file.complain(0, Rule::Manifest, message));
        }
        let home = HOME_OF.iter().find(|(bought, _)| *bought == name);
        if let Some((bought, homes)) = home.filter(|(_, homes)| !homes.contains(&folder)) {
            let message = format!("only {} may depend on {bought}", homes.join(", "));
            complaints.push(file.complain(0, Rule::Manifest, message));
        }
    }
}

fn check_inheritance(file: &File<'_>, table: &Table, complaints: &mut Vec<Complaint>) {
    let inherits = |value: Option<&Value>| {
        value
            .and_then(|value| value.get("workspace"))
            .and_then(Value::as_bool)
            == Some(true)
    };
    for key in INHERITED {
        if !inherits(table.get("package").and_then(|package| package.get(key))) {
            let message = format!("`{key}.workspace = true` is missing under [package]");
            complaints.push(file.complain(0, Rule::Manifest, message));
        }
    }
    let lints = table.get("lints").and_then(|lints| lints.get("workspace"));
    if lints.and_then(Value::as_bool) != Some(true) {
        let message = "`workspace = true` is missing under [lints]";
        complaints.push(file.complain(0, Rule::Manifest, message));
    }
}

/// Names of all dependencies, also those for one platform only.
fn dependencies(table: &Table) -> Vec<String> {
    let sections = |table: &Table| -> Vec<String> {
        ["dependencies", "build-dependencies"]
            .iter()
            .filter_map(|section| table.get(*section).and_then(Value::as_table))
            .flat_map(|section| section.keys().cloned())
            .collect()
    };
    let mut names = sections(table);
    let targets = table.get("target").and_then(Value::as_table);
    for target in targets.into_iter().flat_map(|targets| targets.values()) {
        names.extend(target.as_table().map(sections).unwrap_or_default());
    }
    names
}

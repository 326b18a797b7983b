//! The repository is tidy, and every rule can fail.

use super::*;

fn complaints(path: &str, text: &str) -> Vec<(usize, Rule)> {
    let mut complaints = Vec::new();
    check_file(&File { path, text }, &mut complaints);
    complaints
        .iter()
        .map(|complaint| (complaint.line, complaint.rule))
        .collect()
}

fn check_rule(path: &str, text: &str, expected: &[(usize, Rule)]) {
    assert_eq!(complaints(path, text), expected, "{path}: {text}");
}

const PLAIN: &str = "//! Head.\n\nfn f() {}\n";

#[test]
fn the_repository_is_tidy() {
    let found = complaints_below(&crate::repository_folder()).unwrap();
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
}

#[test]
fn tests_and_files_that_parity_names_are_there() {
    const NONE: [usize; 0] = [];
    let check = |shown_by: &str| {
        let functions = parity::functions(&File {
            path: "tools/cli/tests/tls.rs",
            text: "fn a_test_is_here() {}\n",
        });
        let functions: HashSet<String> = functions.map(str::to_owned).collect();
        let paths = BTreeSet::from(["tools/cli/tests/tls.rs", "modules/chat/src/lib.rs"]);
        let page = format!("# x\n\n| | | shown by |\n|---|---|---|\n| a | b | {shown_by} |\n");
        let mut complaints = Vec::new();
        parity::check(&page, &functions, &paths, &mut complaints);
        complaints.iter().map(|it| it.line).collect::<Vec<usize>>()
    };
    assert_eq!(check("`c/tls.rs` a_test_is_here; `modules/chat`"), NONE);
    assert_eq!(check("`c/tls` and words, `--flag` a or b"), NONE);
    assert_eq!(check("`c/tls.rs` a_test_is_not_here"), [5]);
    assert_eq!(check("`c/http.rs`; `modules/cha`"), [5, 5]);
}

#[test]
fn a_plain_file_is_tidy() {
    check_rule("page/src/slot.rs", PLAIN, &[]);
}

#[test]
fn long_lines_are_seen_in_source_and_allowed_in_documents() {
    let long = format!("//! {}\n", "a".repeat(97));
    check_rule("page/src/slot.rs", &long, &[(1, Rule::LineLength)]);
    check_rule("README.md", &long, &[]);
    check_rule("page/src/slot.rs", &long.replacen('a', "", 1), &[]);
}

#[test]
fn long_files_are_seen_and_their_tests_do_not_count() {
    let code = format!("//! Head.\n{}", "const A: u8 = 1;\n".repeat(600));
    check_rule("host/src/abi.rs", &code, &[(0, Rule::FileLength)]);
    check_rule("host/src/abi/tests.rs", &code, &[]);
    check_rule("host/tests/abi.rs", &code, &[]);
    let tests = format!(
        "{PLAIN}#[cfg(test)]\nmod tests {{\n{}}}\n",
        "    // x\n".repeat(700)
    );
    check_rule("host/src/abi.rs", &tests, &[]);
}

#[test]
fn long_functions_are_seen_where_they_start() {
    let body = "        g();\n".repeat(69);
    let text = format!("//! Head.\nimpl A {{\n    pub const fn f(&self) {{\n{body}    }}\n}}\n");
    check_rule("host/src/abi.rs", &text, &[(3, Rule::FunctionLength)]);
    let body = "        g();\n".repeat(68);
    let text = format!("//! Head.\nimpl A {{\n    pub const fn f(&self) {{\n{body}    }}\n}}\n");
    check_rule("host/src/abi.rs", &text, &[]);
}

#[test]
fn a_declared_function_does_not_swallow_what_follows() {
    let lines = "    // x\n".repeat(80);
    let declared = "    fn f(\n        a: u8,\n    ) -> u8;\n";
    let text = format!("//! Head.\ntrait A {{\n{declared}{lines}    fn g() {{\n    }}\n}}\n");
    check_rule("host/src/abi.rs", &text, &[]);
}

#[test]
fn names_that_say_nothing_are_refused() {
    check_rule("page/src/utils.rs", PLAIN, &[(0, Rule::FileName)]);
    check_rule("page/src/common/slot.rs", PLAIN, &[(0, Rule::FileName)]);
}

#[test]
fn a_file_needs_a_head_and_a_last_line_break() {
    check_rule("page/src/slot.rs", "fn f() {}\n", &[(1, Rule::FileHead)]);
    check_rule("page/src/slot.rs", "//! Head.", &[(1, Rule::Whitespace)]);
    check_rule("page/src/slot.rs", "//! Head. \n", &[(1, Rule::Whitespace)]);
}

#[test]
fn only_documents_may_have_more_than_ascii() {
    check_rule("page/src/slot.rs", "//! H\u{e9}ad.\n", &[(1, Rule::Ascii)]);
    check_rule("README.md", "H\u{e9}ad.\n", &[]);
}

#[test]
fn registry_hosts_are_refused_also_in_lock_files() {
    let text = concat!("//! https://registry.npmjs", ".org/x\n");
    check_rule("page/src/slot.rs", text, &[(1, Rule::RegistryHost)]);
    check_rule("sdks/x/package-lock.json", text, &[(1, Rule::RegistryHost)]);
}

#[test]
fn reminders_and_banned_calls_are_refused() {
    let text = concat!("//! Head.\n// TO", "DO: all\n");
    check_rule("page/src/slot.rs", text, &[(2, Rule::Reminder)]);
    let text = concat!("//! Head.\nfn f() { dbg", "!(1); }\n");
    check_rule("page/src/slot.rs", text, &[(2, Rule::BannedCall)]);
    let text = concat!("#[ign", "ore]\nfn f() {}\n");
    check_rule("page/tests/slot.rs", text, &[(1, Rule::BannedCall)]);
}

#[test]
fn the_core_does_not_know_the_outside_world() {
    let text = "//! Head.\nuse std::time::{Duration, Instant};\n";
    check_rule("table/src/tx.rs", text, &[(2, Rule::OutsideWorld)]);
    check_rule("host/src/tx.rs", text, &[]);
    check_rule("table/tests/tx.rs", text, &[]);
    check_rule("table/src/tx.rs", "//! Head.\n// Instant: not code.\n", &[]);
    check_rule("table/src/tx.rs", "//! Head.\nfn operand() {}\n", &[]);
    let in_tests = format!("{PLAIN}mod tests {{\n    use rand::Rng;\n}}\n");
    check_rule("table/src/tx.rs", &in_tests, &[]);
}

#[test]
fn unsafe_code_is_refused() {
    let text = "//! Head.\nfn f() {\n    unsafe { g() }\n}\n";
    check_rule("page/src/slot.rs", text, &[(3, Rule::Unsafe)]);
    check_rule(
        "page/src/slot.rs",
        "//! Head.\n#![forbid(unsafe_code)]\n",
        &[],
    );
}

const MANIFEST: &str = "[package]\nname = \"a\"\nversion.workspace = true\n\
    edition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\n\
    publish.workspace = true\n[lints]\nworkspace = true\n";

#[test]
fn arrows_point_downwards() {
    let up = format!("{MANIFEST}[dependencies]\nspacetime-table.workspace = true\n");
    check_rule("page/Cargo.toml", &up, &[(0, Rule::Manifest)]);
    check_rule("host/Cargo.toml", &up, &[]);
    let up = format!("{MANIFEST}[target.'cfg(unix)'.dependencies]\nwasmtime = \"1\"\n");
    check_rule("api/Cargo.toml", &up, &[(0, Rule::Manifest)]);
    check_rule("unheard-of/Cargo.toml", MANIFEST, &[(0, Rule::Manifest)]);
}

#[test]
fn a_crate_takes_licence_and_lints_from_the_workspace() {
    let without = MANIFEST.replace("license.workspace = true\n", "");
    check_rule("page/Cargo.toml", &without, &[(0, Rule::Manifest)]);
    let without = MANIFEST.replace("[lints]\nworkspace = true\n", "");
    check_rule("page/Cargo.toml", &without, &[(0, Rule::Manifest)]);
}

#[test]
fn a_missing_licence_text_is_seen() {
    let mut complaints = Vec::new();
    check_licence_files(&["LICENSE-MIT".to_owned()], &mut complaints);
    assert_eq!(complaints.len(), 1);
    assert_eq!(complaints[0].path, "LICENSE-APACHE");
}

#[test]
fn a_page_that_the_contents_do_not_name_is_seen() {
    let contents = "# Summary\n\n- [SQL](sql.md)\n- [Tables](./tables/rows.md#top)\n";
    let check = |path| {
        let mut complaints = Vec::new();
        book::check_page(&File { path, text: "" }, contents, &mut complaints);
        complaints.len()
    };
    assert_eq!(check("docs/sql.md"), 0);
    assert_eq!(check("docs/views.md"), 1);
    assert_eq!(check("docs/SUMMARY.md"), 0);
    assert_eq!(check("README.md"), 0);
}

#[test]
fn a_link_to_nothing_is_seen() {
    let known = BTreeSet::from(["README.md", "docs/sql.md", "modules/chat/src/lib.rs"]);
    let check = |text| -> Vec<usize> {
        let mut complaints = Vec::new();
        let file = File {
            path: "docs/sql.md",
            text,
        };
        book::check_links(&file, &known, &mut complaints);
        complaints.iter().map(|it| it.line).collect()
    };
    let good = "[a](sql.md#x) [b](../README.md)\n[c](../modules/chat) [d](https://example.org/)\n";
    assert!(check(good).is_empty());
    assert_eq!(check("\n[a](views.md) and [b](../modules/cha)\n"), [2, 2]);
    assert!(check("```\n[a](views.md)\n```\n").is_empty());
}

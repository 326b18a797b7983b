use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    generate: GenerateArguments,
}

fn flags(words: &[&str]) -> GenerateArguments {
    Flags::try_parse_from(["generate"].iter().chain(words))
        .unwrap()
        .generate
}

fn project(text: &str) -> (tempfile::TempDir, Project) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spacetime.json"), text).unwrap();
    let project = Project::find(folder.path(), None).unwrap().unwrap();
    (folder, project)
}

#[test]
fn without_a_configuration_flags_say_everything() {
    let words = [
        "-l",
        "csharp",
        "-b",
        "m.wasm",
        "-o",
        "out",
        "--namespace",
        "A.B",
    ];
    let runs = runs(&flags(&words), None).unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].lang, Lang::Csharp);
    assert_eq!(runs[0].source, Source::Wasm("m.wasm".into()));
    assert_eq!(runs[0].out_dir, PathBuf::from("out"));
    assert_eq!(runs[0].namespace, "A.B");
    let words = ["-l", "rust", "-b", "m.wasm", "--namespace", "A"];
    assert!(super::runs(&flags(&words), None).is_err());
}

#[test]
fn unreal_needs_its_project() {
    let words = ["-l", "uecpp", "-b", "m.wasm"];
    let error = runs(&flags(&words), None).unwrap_err().to_string();
    assert!(error.contains("--uproject-dir"), "{error}");
    let words = [
        "-l",
        "unreal",
        "-b",
        "m.wasm",
        "--uproject-dir",
        "game",
        "--module-name",
        "Net",
    ];
    let runs = runs(&flags(&words), None).unwrap();
    assert_eq!(runs[0].out_dir, PathBuf::from("game/Source/Net"));
}

#[test]
fn entries_of_the_configuration_are_run_once_each() {
    let (folder, project) = project(
        r#"{"database": "a", "module-path": "server", "generate": [
            {"language": "typescript", "out-dir": "web"},
            {"language": "rust", "out-dir": "cli", "include_private": true},
            {"language": "typescript", "out-dir": "web"}]}"#,
    );
    let all = runs(&flags(&[]), Some(&project)).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].out_dir, folder.path().join("web"));
    assert_eq!(
        all[0].source,
        Source::Folder(folder.path().join("server"), None)
    );
    assert!(all[1].include_private && !all[0].include_private);
    let error = runs(&flags(&["-o", "x"]), Some(&project)).unwrap_err();
    assert!(error.to_string().starts_with("--out-dir cannot be used"));
    let error = runs(&flags(&["other"]), Some(&project)).unwrap_err();
    assert!(error.to_string().contains("it has: a"), "{error}");
}

#[test]
fn a_configuration_without_entries_gives_defaults_from_its_folder() {
    let (folder, project) = project(r#"{"database": "a"}"#);
    std::fs::write(folder.path().join("package.json"), "{}").unwrap();
    let module = folder.path().join("spacetimedb");
    std::fs::create_dir(&module).unwrap();
    std::fs::write(module.join("Cargo.toml"), "").unwrap();
    let runs = runs(&flags(&[]), Some(&project)).unwrap();
    assert_eq!(runs[0].lang, Lang::Typescript);
    assert_eq!(runs[0].out_dir, folder.path().join("src/module_bindings"));
    assert_eq!(runs[0].source, Source::Folder(module, None));
}

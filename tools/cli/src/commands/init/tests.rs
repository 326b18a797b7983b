use super::*;

fn init(
    folder: &Path,
    template: Option<&str>,
    more: impl FnOnce(&mut InitArguments),
) -> Result<Made> {
    let mut arguments = InitArguments {
        project_name: Some("My App".to_owned()),
        project_path: Some(folder.join("app")),
        template: template.map(str::to_owned),
        non_interactive: true,
        ..InitArguments::default()
    };
    more(&mut arguments);
    make(&arguments)
}

fn json_at(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_template_is_a_project_with_its_own_names() {
    for template in TEMPLATES {
        let folder = tempfile::tempdir().unwrap();
        let made = init(folder.path(), Some(template.id), |it| it.local = true).unwrap();
        let read = |path: &str| std::fs::read_to_string(made.folder.join(path)).unwrap();
        assert!(read("spacetimedb/Cargo.toml").contains("name = \"my-app-module\""));
        assert!(read("spacetimedb/src/lib.rs").contains("#[reducer]"));
        assert!(read(".gitignore").contains("*.local.json"));
        assert!(!made.folder.join(".template.json").exists());
        let (bindings, run) = match template.metadata().unwrap().client_lang {
            ClientLanguage::Rust => {
                assert!(read("Cargo.toml").contains("name = \"my-app\""));
                ("src/module_bindings/mod.rs", "cargo run")
            }
            ClientLanguage::TypeScript => {
                assert_eq!(json_at(&made.folder.join("package.json"))["name"], "my-app");
                let run = match template.id {
                    "bun-ts" => "bun run dev",
                    "deno-ts" => "deno task dev",
                    _ => "npm run dev",
                };
                ("src/module_bindings/index.ts", run)
            }
        };
        assert!(read(bindings).contains("CHANGES TO IT"), "{bindings}");
        assert!(read("README.md").starts_with("# my-app\n"));
        let instructions = read("AGENTS.md");
        assert!(instructions.starts_with("# Working on my-app\n"));
        let is_rust = instructions.contains("## The client, in Rust");
        assert_eq!(is_rust, run == "cargo run");
        assert_eq!(
            !is_rust,
            instructions.contains("## The client, in TypeScript")
        );
        for (path, _) in template.files() {
            assert!(!read(path).contains(crate::templates::NAME_MARK), "{path}");
        }
        let config = json_at(&made.folder.join("spacetime.json"));
        assert_eq!(config["server"], "local");
        assert_eq!(config["module-path"], "./spacetimedb");
        assert_eq!(config["dev"]["run"], run);
        let local = json_at(&made.folder.join("spacetime.local.json"));
        let database = local["database"].as_str().unwrap();
        assert_eq!(database.len(), "my-app-".len() + 5);
        assert!(read(".env.local").contains(&format!("VITE_SPACETIMEDB_DB_NAME={database}\n")));
    }
}

#[test]
fn a_language_alone_makes_a_module_alone() {
    let folder = tempfile::tempdir().unwrap();
    let made = init(folder.path(), None, |it| {
        it.lang = Some(ModuleLanguage::Rust);
    })
    .unwrap();
    assert!(made.folder.join("spacetimedb/src/lib.rs").is_file());
    assert!(!made.folder.join("Cargo.toml").exists());
    let instructions = std::fs::read_to_string(made.folder.join("AGENTS.md")).unwrap();
    assert!(!instructions.contains("## The client"), "{instructions}");
    let config = json_at(&made.folder.join("spacetime.json"));
    assert_eq!(config["server"], "maincloud");
    assert!(config.get("dev").is_none());
    for lang in [
        ModuleLanguage::Csharp,
        ModuleLanguage::Typescript,
        ModuleLanguage::Cpp,
    ] {
        let other = tempfile::tempdir().unwrap();
        assert!(init(other.path(), None, |it| it.lang = Some(lang)).is_err());
        assert!(!other.path().join("app").exists());
    }
}

#[test]
fn what_is_missing_or_in_the_way_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let error = |template, more: fn(&mut InitArguments)| {
        init(folder.path(), template, more).unwrap_err().to_string()
    };
    assert!(error(None, |_| {}).contains("--template"));
    assert!(error(Some("basic-r"), |_| {}).contains("Did you mean `basic-rs`"));
    assert!(error(Some("nuxt-ts"), |_| {}).contains("SpacetimeDB has one; the nearest"));
    assert!(error(Some("basic-rs"), |it| it.project_name = None).contains("no name"));
    assert!(error(Some("basic-rs"), |it| it.project_name = Some("!".into())).contains('!'));
    init(folder.path(), Some("basic-rs"), |_| {}).unwrap();
    assert!(error(Some("basic-rs"), |_| {}).contains("is not empty"));
}

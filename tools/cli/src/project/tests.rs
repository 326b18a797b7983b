use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn project(files: &[(&str, &str)], environment: Option<&str>) -> Result<Project> {
    let folder = folder(files);
    let found = Project::find(folder.path(), environment)?;
    Ok(found.expect("there is a spacetime.json"))
}

fn one(text: &str) -> Project {
    project(&[("spacetime.json", text)], None).unwrap()
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn names(project: &Project) -> Vec<&str> {
    project.databases().iter().map(|(name, _)| *name).collect()
}

#[test]
fn is_found_from_below_and_read_as_json5() {
    let text = "// ours\n{ database: 'a', \"module_path\": \"./m\", _source-config: 1, }";
    let text = text.replace("_source-config", "\"_source-config\"");
    let folder = folder(&[("spacetime.json", &text)]);
    let below = folder.path().join("x/y");
    std::fs::create_dir_all(&below).unwrap();
    let project = Project::find(&below, None).unwrap().unwrap();
    assert_eq!(project.folder, folder.path());
    let target = &project.targets[0];
    assert_eq!(target.database(), Some("a"));
    assert_eq!(target.text("module-path").unwrap(), Some("./m"));
    target.check_keys().unwrap();
    assert_eq!(project.path("./m"), folder.path().join("./m"));
}

#[test]
fn layers_replace_values_and_merge_children_by_position() {
    let files = [
        (
            "spacetime.json",
            r#"{"database": "a", "server": "local", "children": [{"database": "b"}, {}]}"#,
        ),
        ("spacetime.local.json", r#"{"server": "mine"}"#),
        (
            "spacetime.dev.json",
            r#"{"children": [{"server": "s"}, {"database": "c"}, {"database": "dropped"}]}"#,
        ),
        ("spacetime.dev.local.json", r#"{"database": "z"}"#),
    ];
    let plain = project(&files, None).unwrap();
    assert_eq!(plain.targets[0].server(), Some("mine"));
    assert_eq!(names(&plain), ["a", "b", "a"]);
    assert_eq!(plain.layers.len(), 2);

    let dev = project(&files, Some("dev")).unwrap();
    assert_eq!(names(&dev), ["z", "b", "c"]);
    assert_eq!(dev.targets[1].server(), Some("s"));
    assert_eq!(dev.targets[2].server(), Some("mine"));
}

#[test]
fn children_inherit_but_not_a_second_way_to_get_a_module() {
    let project = one(
        r#"{"server": "s", "module-path": "./m", "num-replicas": 2, "dev": {}, "children": [
            {"database": "a"}, {"database": "b", "wasm-file": "b.wasm",
             "children": [{"database": "c"}]}]}"#,
    );
    let [root, a, b, c] = project.targets.as_slice() else {
        panic!("{:?}", project.targets);
    };
    assert_eq!(root.database(), None);
    assert_eq!(a.text("module-path").unwrap(), Some("./m"));
    for target in [b, c] {
        assert_eq!(target.text("module-path").unwrap(), None);
        assert_eq!(target.text("bin-path").unwrap(), Some("b.wasm"));
        assert_eq!(target.server(), Some("s"));
    }
    assert_eq!(names(&project), ["a", "b", "c"]);
}

#[test]
fn all_unknown_keys_are_named_when_a_target_is_used() {
    let project = one(r#"{"database": "a", "databse": 1, "Server": 2}"#);
    let error = project.targets[0].check_keys().unwrap_err().to_string();
    assert!(
        error.starts_with(
            "Config key 'databse', 'Server' is not supported in the config file. Available keys: "
        ),
        "{error}"
    );
    assert!(error.contains("module-path"), "{error}");
    assert!(
        error.ends_with(
            "Did you mean 'database' for 'databse'? Did you mean 'server' for 'Server'?"
        ),
        "{error}"
    );
}

#[test]
fn bindings_and_the_client_are_read_and_not_inherited() {
    let project = one(r#"{"database": "a", "dev": {"run": "npm run dev"},
            "generate": [{"language": "rust", "out_dir": "src/b", "include-private": true},
                         {"language": "typescript", "outdir": "x"}],
            "children": [{"database": "b"}]}"#);
    assert_eq!(project.dev_run.as_deref(), Some("npm run dev"));
    let [rust, typescript] = project.targets[0].generate.as_slice() else {
        panic!("{:?}", project.targets[0]);
    };
    assert_eq!(rust.text("language").unwrap(), Some("rust"));
    assert_eq!(rust.text("out-dir").unwrap(), Some("src/b"));
    assert!(rust.flag("include-private").unwrap());
    rust.check_keys().unwrap();
    let error = typescript.check_keys().unwrap_err().to_string();
    assert!(
        error.contains("Config key 'outdir' is not supported"),
        "{error}"
    );
    assert!(project.targets[1].generate.is_empty());
    for text in [
        r#"{"dev": {"start": "x"}}"#,
        r#"{"dev": 1}"#,
        r#"{"generate": {}}"#,
        r#"{"generate": [1]}"#,
    ] {
        assert!(
            super::tests::project(&[("spacetime.json", text)], None).is_err(),
            "{text}"
        );
    }
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    let project = one(r#"{"database": "a", "module-path": 3, "break-clients": "yes"}"#);
    assert!(project.targets[0].text("module-path").is_err());
    assert!(project.targets[0].flag("break-clients").is_err());
    for text in ["[]", "{", r#"{"children": 1}"#, r#"{"children": [1]}"#] {
        assert!(
            super::tests::project(&[("spacetime.json", text)], None).is_err(),
            "{text}"
        );
    }
    let deep = "{\"children\":[".repeat(40) + "{}" + &"]}".repeat(40);
    assert!(super::tests::project(&[("spacetime.json", &deep)], None).is_err());
}

#[test]
fn a_function_may_be_called_without_naming_the_only_database() {
    let single = one(r#"{"database": "a", "server": "s"}"#);
    let pick = |project, arguments: &[&str]| {
        pick_function(project, &strings(arguments), "call", "[OPTIONS]")
            .map(|picked| (picked.database, picked.server.is_some(), picked.rest))
    };
    let expected =
        |database: &str, server, rest: &[&str]| (database.to_owned(), server, strings(rest));
    assert_eq!(
        pick(Some(&single), &["add", "1"]).unwrap(),
        expected("a", true, &["add", "1"])
    );
    assert_eq!(
        pick(Some(&single), &["a", "add"]).unwrap(),
        expected("a", true, &["add"])
    );
    assert_eq!(
        pick(None, &["b", "add"]).unwrap(),
        expected("b", false, &["add"])
    );

    let several = one(r#"{"database": "a", "children": [{"database": "b"}]}"#);
    assert_eq!(
        pick(Some(&several), &["b", "add"]).unwrap(),
        expected("b", false, &["add"])
    );
    let error = pick(Some(&several), &["add", "1"]).unwrap_err().to_string();
    assert!(
        error.contains("a, b") && error.contains("--no-config"),
        "{error}"
    );
    let error = pick(None, &[]).unwrap_err();
    assert_eq!(
        error
            .downcast_ref::<clap::Error>()
            .map(clap::Error::exit_code),
        Some(2)
    );
}

#[test]
fn a_lone_sql_argument_is_the_query() {
    let single = one(r#"{"database": "a"}"#);
    let pick = |project, arguments: &[&str], lone| {
        pick_query(project, &strings(arguments), lone).map(|picked| (picked.database, picked.rest))
    };
    let both = ("b".to_owned(), strings(&["SELECT"]));
    assert_eq!(pick(None, &["b", "SELECT"], false).unwrap(), both);
    assert_eq!(pick(Some(&single), &["b", "SELECT"], false).unwrap(), both);
    let query = ("a".to_owned(), strings(&["SELECT"]));
    assert_eq!(pick(Some(&single), &["SELECT"], false).unwrap(), query);
    assert_eq!(
        pick(None, &["b"], true).unwrap(),
        ("b".to_owned(), Vec::new())
    );
    assert_eq!(
        pick(Some(&single), &[], true).unwrap(),
        ("a".to_owned(), Vec::new())
    );
    for (project, arguments) in [(None, &["b"][..]), (None, &[]), (Some(&single), &[])] {
        assert!(pick(project, arguments, false).is_err(), "{arguments:?}");
    }
}

#[test]
fn a_database_alone_may_be_any() {
    let single = one(r#"{"database": "a", "server": "s"}"#);
    let pick = |project, given| pick_by_first(project, given, "logs");
    assert_eq!(
        pick(Some(&single), None).unwrap().server.as_deref(),
        Some("s")
    );
    let other = pick(Some(&single), Some("b")).unwrap();
    assert_eq!((other.database.as_str(), other.server), ("b", None));
    assert!(pick(None, None).is_err());
}

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

#[test]
fn ids_are_distinct_and_every_template_is_whole() {
    for (at, template) in TEMPLATES.iter().enumerate() {
        let id = template.id;
        assert_eq!(TEMPLATES.iter().position(|other| other.id == id), Some(at));
        let metadata = template.metadata().unwrap();
        assert!(!metadata.description.is_empty() && !metadata.client().is_empty());
        let manifest = match metadata.client_lang {
            ClientLanguage::Rust => "Cargo.toml",
            ClientLanguage::TypeScript => "package.json",
        };
        let paths: Vec<&str> = template.files().map(|(path, _)| path).collect();
        for needed in [manifest, "README.md"] {
            assert!(paths.contains(&needed), "{id}: {needed}");
        }
        let distinct: BTreeSet<&&str> = paths.iter().collect();
        assert_eq!(distinct.len(), paths.len(), "{id}: {paths:?}");
        let text = template.files().find(|(path, _)| *path == manifest);
        assert!(text.unwrap().1.contains(id), "{id}");
    }
    assert!(find("basic-rs").is_some() && find("nothing").is_none());
}

#[test]
fn every_folder_that_says_what_it_is_is_offered_with_all_its_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates");
    let mut found = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.join(".template.json").is_file() {
            continue;
        }
        found += 1;
        let id = path.file_name().unwrap().to_str().unwrap();
        let template = find(id).unwrap_or_else(|| panic!("{id} is not offered"));
        let mut files = Vec::new();
        collect(&path, &path, &mut files);
        for file in files.iter().filter(|file| *file != ".template.json") {
            assert!(
                template.files().any(|(path, _)| path == file),
                "{id}: {file}"
            );
        }
    }
    assert_eq!(found, TEMPLATES.len());
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(root, &path, files),
            false => files.push(path.strip_prefix(root).unwrap().display().to_string()),
        }
    }
}

#[test]
fn what_is_typed_wrong_has_neighbours() {
    assert_eq!(near("basic-r")[0], "basic-rs");
    assert_eq!(near("raect-ts")[0], "react-ts");
    assert_eq!(near("React"), ["react-ts", "chat-react-ts"]);
    assert_eq!(near("next.js")[0], "nextjs-ts");
    assert_eq!(near("svelte-kit")[0], "svelte-ts");
    assert_eq!(near("cobol"), [""; 0]);
    for id in ["nuxt-ts", "angular-ts", "basic-cs", "llm-chat-ts"] {
        assert!(find(elsewhere(id).unwrap()).is_some(), "{id}");
    }
    assert!(
        TEMPLATES
            .iter()
            .all(|template| elsewhere(template.id).is_none())
    );
}

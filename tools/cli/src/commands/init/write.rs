//! The files of a project: writing them, and giving them the project's own names and versions.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use toml_edit::{DocumentMut, InlineTable, Item, value};

use super::write_json;
use crate::commands::generate::write_first;
use crate::output::note;
use crate::templates::{
    BINDINGS_FOLDER, ClientLanguage, GITIGNORE, LICENSE, MODULE_FOLDER, NAME_MARK, Template,
    instructions as instructions_for,
};

/// The packages that people depend on, and where their like is in a checkout of this project: the
/// folder, and the package's own name.
const RUST_SDKS: [(&str, &str, &str); 2] = [
    ("spacetimedb", "sdks/rust/module", "spacetime-module"),
    ("spacetimedb-sdk", "sdks/rust/client", "spacetime-client"),
];
const TYPESCRIPT_SDK: (&str, &str) = ("spacetimedb", "sdks/typescript");

/// Writes the module, and what git should not keep.
pub(super) fn module(folder: &Path, template: &Template) -> Result<()> {
    file(&folder.join(".gitignore"), GITIGNORE)?;
    for (path, text) in template.module.files {
        file(&folder.join(MODULE_FOLDER).join(path), text)?;
    }
    Ok(())
}

/// Writes what coding assistants read before they work on a project.
pub(super) fn instructions(
    folder: &Path,
    client: Option<ClientLanguage>,
    project: &str,
) -> Result<()> {
    let text = instructions_for(client).replace(NAME_MARK, project);
    file(&folder.join("AGENTS.md"), &text)
}

/// Writes the client, with bindings for the module.
pub(super) fn client(folder: &Path, template: &Template, project: &str) -> Result<()> {
    for (path, text) in template.files() {
        file(&folder.join(path), &text.replace(NAME_MARK, project))?;
    }
    file(&folder.join("LICENSE"), LICENSE)?;
    write_first(
        template.metadata()?.client_lang,
        &folder.join(BINDINGS_FOLDER),
        template.module.definition,
    )
}

fn file(path: &Path, text: &str) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    std::fs::write(path, text).with_context(cannot)
}

/// Puts the project's name into its manifests.
pub(super) fn names(folder: &Path, project: &str) -> Result<()> {
    edit_cargo(&folder.join("Cargo.toml"), |manifest| {
        set_package(manifest, project);
    })?;
    let module = format!("{project}-module");
    edit_cargo(&folder.join(MODULE_FOLDER).join("Cargo.toml"), |manifest| {
        set_package(manifest, &module);
    })?;
    edit_package_json(&folder.join("package.json"), |manifest| {
        manifest["name"] = Value::from(project);
    })
}

/// A package's name; one that starts with a digit is none for cargo.
fn set_package(manifest: &mut DocumentMut, name: &str) {
    let name = match name.chars().next() {
        Some(first) if first.is_ascii_digit() => format!("app-{name}"),
        _ => name.to_owned(),
    };
    if let Some(old) = manifest
        .get_mut("package")
        .and_then(|package| package.get_mut("name"))
    {
        *old = value(name);
    }
}

/// Lets every manifest depend on the SDKs of a checkout.
pub(super) fn own_sdks(folder: &Path, checkout: &Path) -> Result<()> {
    let checkout = std::path::absolute(checkout).context("there is no current folder")?;
    for (_, place, _) in RUST_SDKS {
        if !checkout.join(place).join("Cargo.toml").is_file() {
            bail!(
                "{} is not a checkout of this project: it has no {place}",
                checkout.display()
            );
        }
    }
    for manifest in [
        folder.join("Cargo.toml"),
        folder.join(MODULE_FOLDER).join("Cargo.toml"),
    ] {
        edit_cargo(&manifest, |manifest| {
            for (name, place, package) in RUST_SDKS {
                // As a table, which makes no entry of what is only asked for.
                let Some(dependency) = manifest
                    .get_mut("dependencies")
                    .and_then(Item::as_table_like_mut)
                    .and_then(|dependencies| dependencies.get_mut(name))
                else {
                    continue;
                };
                let mut ours = InlineTable::new();
                ours.insert("package", package.into());
                ours.insert("path", checkout.join(place).display().to_string().into());
                *dependency = Item::Value(ours.into());
            }
        })?;
    }
    edit_package_json(&folder.join("package.json"), |manifest| {
        let (name, place) = TYPESCRIPT_SDK;
        if manifest["dependencies"].get(name).is_some() {
            let package = checkout.join(place);
            if !package.join("dist").is_dir() {
                note(format_args!(
                    "WARNING: the TypeScript client is not built yet; run `npm ci` and `npm run \
                     build` in {}",
                    package.display()
                ));
            }
            let path = format!("file:{}", package.display());
            manifest["dependencies"][name] = Value::from(path);
        }
    })?;
    if folder.join("package.json").is_file() {
        // As a copy, as if it were published: a link would lead build tools out of the project,
        // where they find another React.
        file(&folder.join(".npmrc"), "install-links=true\n")?;
    }
    Ok(())
}

/// Changes a manifest, if there is one.
fn edit_cargo(path: &Path, edit: impl FnOnce(&mut DocumentMut)) -> Result<()> {
    if !path.is_file() {
        return Ok(());
    }
    let invalid = || format!("{} cannot be changed", path.display());
    let text = std::fs::read_to_string(path).with_context(invalid)?;
    let mut manifest: DocumentMut = text.parse().with_context(invalid)?;
    edit(&mut manifest);
    std::fs::write(path, manifest.to_string()).with_context(invalid)
}

fn edit_package_json(path: &Path, edit: impl FnOnce(&mut Value)) -> Result<()> {
    if !path.is_file() {
        return Ok(());
    }
    let invalid = || format!("{} cannot be changed", path.display());
    let text = std::fs::read_to_string(path).with_context(invalid)?;
    let mut manifest: Value = serde_json::from_str(&text).with_context(invalid)?;
    if !manifest.is_object() {
        bail!("{}: an object is expected", invalid());
    }
    edit(&mut manifest);
    write_json(path, &manifest)
}

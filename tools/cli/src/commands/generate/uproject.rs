//! An Unreal project's list of modules.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::output::say;

/// Adds a module to the `.uproject` file in `folder`, unless it is there.
pub(super) fn add_module(folder: &Path, module: &str) -> Result<()> {
    let cannot = || format!("cannot read {}", folder.display());
    let mut projects = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.extension().is_some_and(|end| end == "uproject") {
            projects.push(path);
        }
    }
    projects.sort();
    let Some(path) = projects.first() else {
        bail!("there is no .uproject file in {}", folder.display());
    };
    let invalid = || format!("{} is not a project file", path.display());
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut project: Value = serde_json::from_str(text).with_context(invalid)?;
    let object = project.as_object_mut().with_context(invalid)?;
    let modules = object.entry("Modules").or_insert_with(|| json!([]));
    let modules = modules.as_array_mut().with_context(invalid)?;
    if modules.iter().any(|known| known["Name"] == module) {
        return Ok(());
    }
    modules.push(json!({
        "Name": module,
        "Type": "Runtime",
        "LoadingPhase": "Default",
    }));
    let mut text = serde_json::to_string_pretty(&project).context("the project is JSON")?;
    text.push('\n');
    say(format_args!("Writing file {}", path.display()));
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_added_once_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Game.uproject");
        std::fs::write(
            &path,
            r#"{"FileVersion": 3, "Modules": [{"Name": "Game"}]}"#,
        )
        .unwrap();
        add_module(folder.path(), "Net").unwrap();
        add_module(folder.path(), "Net").unwrap();
        let project: Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(project["FileVersion"], 3);
        let modules = project["Modules"].as_array().unwrap();
        let names: Vec<&str> = modules
            .iter()
            .filter_map(|it| it["Name"].as_str())
            .collect();
        assert_eq!(names, ["Game", "Net"]);
    }
}

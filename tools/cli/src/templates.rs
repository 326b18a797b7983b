//! The projects that `init` can make without a network: their files are part of this program.
//!
//! Invariants
//!   * An id is the name of a folder in `templates/` with a file `.template.json`, and stays what
//!     it is: people type it. That file says what the template is and becomes part of no project.
//!   * A project has its client at its root and its module in `spacetimedb/`.
//!   * `my-db` in a client's files stands for the project's name.
//!   * A module's `definition.json` is what its program says of itself; a project's first bindings
//!     are generated from it.
//!
//! Not here: what `init` changes in the files (names, versions).

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::similar::{edit_distance, is_slip};

mod list;

pub(crate) use list::TEMPLATES;

/// One project.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Template {
    pub(crate) id: &'static str,
    metadata: &'static str,
    /// Files of the client and of the project as a whole, with their places; some are shared.
    files: &'static [&'static [File]],
    pub(crate) module: &'static ModuleTemplate,
}

/// A place in a project, and what is there.
pub(crate) type File = (&'static str, &'static str);

/// A module that several projects have.
#[derive(Debug)]
pub(crate) struct ModuleTemplate {
    /// Its files, with their places in its folder.
    pub(crate) files: &'static [File],
    pub(crate) definition: &'static str,
}

/// What `.template.json` says; other keys are for other tools.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) description: String,
    pub(crate) client_lang: ClientLanguage,
    client_framework: Option<String>,
}

impl Metadata {
    /// The language of the client, and what it is made with.
    pub(crate) fn client(&self) -> String {
        let language = match self.client_lang {
            ClientLanguage::Rust => "Rust",
            ClientLanguage::TypeScript => "TypeScript",
        };
        match &self.client_framework {
            Some(framework) => format!("{language}, {framework}"),
            None => language.to_owned(),
        }
    }
}

/// What a client is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientLanguage {
    Rust,
    TypeScript,
}

/// The folder of the module in every project.
pub(crate) const MODULE_FOLDER: &str = "spacetimedb";
/// Where a client has its bindings.
pub(crate) const BINDINGS_FOLDER: &str = "src/module_bindings";
/// What stands for the project's name in the files of a client.
pub(crate) const NAME_MARK: &str = "my-db";
/// Said wherever somebody chooses.
pub(crate) const MODULE_LANGUAGE_NOTE: &str =
    "The modules of all of them are in Rust: modules in JavaScript do not run on this server.";

/// What git should not keep, in every project.
pub(crate) const GITIGNORE: &str = include_str!("../../../templates/gitignore");
/// The licence of the templates' own text.
pub(crate) const LICENSE: &str = include_str!("../../../templates/LICENSE");

/// What somebody needs who knows neither the project nor its SDKs: of the module, and of the client
pub(crate) fn instructions(client: Option<ClientLanguage>) -> String {
    let module = include_str!("../../../templates/assistants/module.md");
    let of_client = match client {
        None => "",
        Some(ClientLanguage::Rust) => include_str!("../../../templates/assistants/rust.md"),
        Some(ClientLanguage::TypeScript) => {
            include_str!("../../../templates/assistants/typescript.md")
        }
    };
    format!("{module}{of_client}")
}

impl Template {
    /// What it is.
    pub(crate) fn metadata(&self) -> Result<Metadata> {
        serde_json::from_str(self.metadata)
            .with_context(|| format!("the template {} does not say what it is", self.id))
    }

    /// The files of the client, and of the project as a whole.
    pub(crate) fn files(&self) -> impl Iterator<Item = File> {
        self.files.iter().flat_map(|group| group.iter().copied())
    }
}

/// The template with this id.
pub(crate) fn find(id: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|template| template.id == id)
}

/// The templates that may be meant by something that is none: the nearest first.
pub(crate) fn near(typed: &str) -> Vec<&'static str> {
    /// Shorter parts of a name are endings such as `ts`.
    const PART_LEN_MIN: usize = 3;
    const NEAR_MAX: usize = 3;
    let typed = typed.to_ascii_lowercase();
    let shares_part = |id: &str| {
        let mut parts = typed
            .split(['-', '.', '_'])
            .filter(|it| PART_LEN_MIN <= it.len());
        parts.any(|part| id.split('-').any(|of| of.starts_with(part) || part == of))
    };
    let mut near: Vec<(usize, &str)> = TEMPLATES
        .iter()
        .map(|template| (edit_distance(&typed, template.id), template.id))
        .filter(|(distance, id)| is_slip(&typed, *distance) || shares_part(id))
        .collect();
    near.sort_unstable();
    near.into_iter().take(NEAR_MAX).map(|(_, id)| id).collect()
}

/// Whether SpacetimeDB has a template of this id, and there is none here; with what is nearest.
pub(crate) fn elsewhere(id: &str) -> Option<&'static str> {
    let nearest = match id {
        "remix-ts" | "tanstack-ts" | "astro-ts" => "nextjs-ts",
        "nuxt-ts" => "vue-ts",
        "angular-ts" => "browser-ts",
        "basic-cs" | "basic-cpp" => "basic-rs",
        "chat-console-cs" => "chat-console-rs",
        "hangman-react-ts" | "money-exchange-react-ts" | "llm-chat-ts" => "chat-react-ts",
        _ => return None,
    };
    Some(nearest)
}

#[cfg(test)]
mod tests;

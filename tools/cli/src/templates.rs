//! The projects that `init` can make without a network: their files are part of this program.
//!
//! Invariants
//!   * An id is the name of a folder in `templates/`, and stays what it is: people type it.
//!   * A project has its client at its root and its module in `spacetimedb/`.
//!
//! Not here: what `init` changes in the files (names, versions).

/// One project.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Template {
    pub(crate) id: &'static str,
    pub(crate) description: &'static str,
    pub(crate) client: ClientLanguage,
    /// Files of the client and of the project as a whole, with their places.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// Files of the module, with their places in its folder.
    pub(crate) module: &'static [(&'static str, &'static str)],
}

/// What a client is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientLanguage {
    Rust,
    TypeScript,
}

impl ClientLanguage {
    /// What starts the client.
    pub(crate) fn run_command(self) -> &'static str {
        match self {
            ClientLanguage::Rust => "cargo run",
            ClientLanguage::TypeScript => "npm run dev",
        }
    }
}

/// The folder of the module in every project.
pub(crate) const MODULE_FOLDER: &str = "spacetimedb";

/// What git should not keep, in every project.
pub(crate) const GITIGNORE: &str = include_str!("../../../templates/gitignore");
/// The licence of the templates' own text.
pub(crate) const LICENSE: &str = include_str!("../../../templates/LICENSE");

macro_rules! files {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$((
            $path,
            include_str!(concat!("../../../templates/", $folder, "/", $path)),
        )),+]
    };
}

const BASIC_MODULE: &[(&str, &str)] = files!("module-basic": "Cargo.toml", "src/lib.rs");
const CHAT_MODULE: &[(&str, &str)] = files!("module-chat": "Cargo.toml", "src/lib.rs");

/// All of them, in the order in which they are offered.
pub(crate) const TEMPLATES: &[Template] = &[
    Template {
        id: "basic-rs",
        description: "A client in Rust for the terminal",
        client: ClientLanguage::Rust,
        files: files!("basic-rs": "Cargo.toml", "README.md", "src/main.rs"),
        module: BASIC_MODULE,
    },
    Template {
        id: "react-ts",
        description: "A page in React",
        client: ClientLanguage::TypeScript,
        files: files!(
            "react-ts": "package.json", "README.md", "tsconfig.json", "vite.config.ts",
            "index.html", "src/main.tsx", "src/App.tsx"
        ),
        module: BASIC_MODULE,
    },
    Template {
        id: "basic-ts",
        description: "A client in TypeScript for Node",
        client: ClientLanguage::TypeScript,
        files: files!(
            "basic-ts": "package.json", "README.md", "tsconfig.json", "src/main.ts"
        ),
        module: BASIC_MODULE,
    },
    Template {
        id: "chat-console-rs",
        description: "A chat room, with a client in Rust for the terminal",
        client: ClientLanguage::Rust,
        files: files!("chat-console-rs": "Cargo.toml", "README.md", "src/main.rs"),
        module: CHAT_MODULE,
    },
    Template {
        id: "chat-react-ts",
        description: "A chat room, with a page in React",
        client: ClientLanguage::TypeScript,
        files: files!(
            "chat-react-ts": "package.json", "README.md", "tsconfig.json", "vite.config.ts",
            "index.html", "src/main.tsx", "src/App.tsx"
        ),
        module: CHAT_MODULE,
    },
];

/// The template with this id.
pub(crate) fn find(id: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|template| template.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_distinct_and_every_template_is_whole() {
        for (at, template) in TEMPLATES.iter().enumerate() {
            assert_eq!(
                TEMPLATES.iter().position(|other| other.id == template.id),
                Some(at)
            );
            let manifest = match template.client {
                ClientLanguage::Rust => "Cargo.toml",
                ClientLanguage::TypeScript => "package.json",
            };
            for needed in [manifest, "README.md"] {
                let has = template.files.iter().any(|(path, _)| *path == needed);
                assert!(has, "{}: {needed}", template.id);
            }
            let text = template.files.iter().find(|(path, _)| *path == manifest);
            assert!(text.unwrap().1.contains(template.id), "{}", template.id);
        }
        assert!(find("basic-rs").is_some() && find("nothing").is_none());
    }
}

//! All templates, and what they have in common.

use super::{File, ModuleTemplate, Template};

macro_rules! files {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$((
            $path,
            include_str!(concat!("../../../../templates/", $folder, "/", $path)),
        )),+]
    };
}

macro_rules! template {
    ($id:literal, $module:expr, [$($files:expr),+ $(,)?]) => {
        Template {
            id: $id,
            metadata: include_str!(concat!("../../../../templates/", $id, "/.template.json")),
            files: &[$($files),+],
            module: &$module,
        }
    };
}

static BASIC: ModuleTemplate = ModuleTemplate {
    files: files!("module-basic": "Cargo.toml", "src/lib.rs"),
    definition: include_str!("../../../../templates/module-basic/definition.json"),
};
static CHAT: ModuleTemplate = ModuleTemplate {
    files: files!("module-chat": "Cargo.toml", "src/lib.rs"),
    definition: include_str!("../../../../templates/module-chat/definition.json"),
};

/// Programs for Node.
const NODE: &[File] = files!("node": "tsconfig.json");
/// Pages: how they look, and where they connect to.
const STYLE: &[File] = files!("web": "src/style.css");
const CONNECTION: &[File] = files!("web": "src/connection.ts");
const PAGE: &[File] = files!("web": "index.html");
const PAGE_TYPES: &[File] = files!("web": "tsconfig.json");
/// What pages in React have in common.
const REACT: &[File] =
    files!("web-react": "index.html", "tsconfig.json", "vite.config.ts", "src/main.tsx");

/// All of them, in the order in which they are offered.
pub(crate) const TEMPLATES: &[Template] = &[
    template!(
        "basic-rs",
        BASIC,
        [files!("basic-rs": "Cargo.toml", "README.md", "src/main.rs"),]
    ),
    template!(
        "react-ts",
        BASIC,
        [
            files!("react-ts": "package.json", "README.md", "src/App.tsx"),
            REACT,
            STYLE,
            CONNECTION,
        ]
    ),
    template!(
        "nextjs-ts",
        BASIC,
        [
            files!(
                "nextjs-ts": "package.json", "README.md", "tsconfig.json", "next.config.ts",
                "app/layout.tsx", "app/page.tsx", "app/providers.tsx", "app/People.tsx",
                "src/server_snapshot.ts"
            ),
            STYLE,
        ]
    ),
    template!(
        "vue-ts",
        BASIC,
        [
            files!(
                "vue-ts": "package.json", "README.md", "vite.config.ts", "src/main.ts",
                "src/App.vue", "src/People.vue"
            ),
            PAGE,
            PAGE_TYPES,
            STYLE,
            CONNECTION,
        ]
    ),
    template!(
        "svelte-ts",
        BASIC,
        [
            files!(
                "svelte-ts": "package.json", "README.md", "tsconfig.json", "vite.config.ts",
                "svelte.config.js", "src/main.ts", "src/App.svelte", "src/People.svelte"
            ),
            PAGE,
            STYLE,
            CONNECTION,
        ]
    ),
    template!(
        "solid-ts",
        BASIC,
        [
            files!(
                "solid-ts": "package.json", "README.md", "tsconfig.json", "vite.config.ts",
                "index.html", "src/main.tsx", "src/App.tsx"
            ),
            STYLE,
            CONNECTION,
        ]
    ),
    template!(
        "browser-ts",
        BASIC,
        [
            files!(
                "browser-ts": "package.json", "README.md", "vite.config.ts", "index.html",
                "src/main.ts"
            ),
            PAGE_TYPES,
            STYLE,
            CONNECTION,
        ]
    ),
    template!(
        "nodejs-ts",
        BASIC,
        [
            files!("nodejs-ts": "package.json", "README.md", "src/main.ts"),
            NODE,
        ]
    ),
    template!(
        "bun-ts",
        BASIC,
        [files!("bun-ts": "package.json", "README.md", "tsconfig.json", "src/main.ts"),]
    ),
    template!(
        "deno-ts",
        BASIC,
        [files!("deno-ts": "package.json", "README.md", "deno.json", "src/main.ts"),]
    ),
    template!(
        "basic-ts",
        BASIC,
        [
            files!("basic-ts": "package.json", "README.md", "src/main.ts"),
            NODE,
        ]
    ),
    template!(
        "chat-console-rs",
        CHAT,
        [files!("chat-console-rs": "Cargo.toml", "README.md", "src/main.rs"),]
    ),
    template!(
        "chat-react-ts",
        CHAT,
        [
            files!("chat-react-ts": "package.json", "README.md", "src/App.tsx"),
            REACT,
            STYLE,
            CONNECTION,
        ]
    ),
];

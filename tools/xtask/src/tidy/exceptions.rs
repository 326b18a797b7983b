//! Every exception to a house rule, with its reason.

use super::Rule;

/// One rule that one file may break.
#[derive(Debug)]
pub(crate) struct Exception {
    pub rule: Rule,
    pub path: &'static str,
    pub reason: &'static str,
}

/// Sorted by path.
pub(crate) const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: Rule::FunctionLength,
        path: "api/src/ws/server_v1.rs",
        reason: "one arm for each message of the protocol, each a few lines: a table",
    },
    Exception {
        rule: Rule::FunctionLength,
        path: "api/src/ws/server_v2.rs",
        reason: "one arm for each message of the protocol, each a few lines: a table",
    },
    Exception {
        rule: Rule::BannedCall,
        path: "tools/cli/src/commands/build.rs",
        reason: "it looks for that very call in the sources of users' modules",
    },
    Exception {
        rule: Rule::Manifest,
        path: "durability/uring/Cargo.toml",
        reason: "the workspace's lints forbid unsafe code, which this crate exists to hold",
    },
    Exception {
        rule: Rule::Unsafe,
        path: "durability/uring/src/lib.rs",
        reason: "the kernel is handed pointers; no safe interface to io_uring is one for files",
    },
    Exception {
        rule: Rule::Manifest,
        path: "host/code-cache/Cargo.toml",
        reason: "the workspace's lints forbid unsafe code, which this crate exists to hold",
    },
    Exception {
        rule: Rule::Unsafe,
        path: "host/code-cache/src/lib.rs",
        reason: "the runtime has no checked way to load compiled code; the crate is that check",
    },
    Exception {
        rule: Rule::Unsafe,
        path: "modules/hostile/src/lib.rs",
        reason: "it exists to call the host with wrong pointers, which no safe interface allows",
    },
    Exception {
        rule: Rule::Unsafe,
        path: "modules/imports/src/lib.rs",
        reason: "it exists to call the host with wrong pointers, which no safe interface allows",
    },
    Exception {
        rule: Rule::Manifest,
        path: "sdks/rust/module/Cargo.toml",
        reason: "the workspace's lints forbid unsafe code, which the calls into the host are",
    },
    Exception {
        rule: Rule::Unsafe,
        path: "sdks/rust/module/src/sys/wasm.rs",
        reason: "imports and exports of a module are unsafe, and this file is all of them",
    },
];

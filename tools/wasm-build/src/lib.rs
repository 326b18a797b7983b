//! Builds Rust modules to WebAssembly.
//!
//! A module is a `cdylib` for `wasm32-unknown-unknown`. Two steps: [`find_route`] finds out how
//! this machine can build one (and may install what is missing), [`build`] does it.
//!
//! ```no_run
//! use spacetime_wasm_build::{Build, Install, build, find_route};
//!
//! let folder = "my-module".as_ref();
//! let route = find_route(folder, Install::IfMissing, &mut |line| eprintln!("{line}"))?;
//! let artifacts = build(&route, &Build::release(folder))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariant: nothing here changes the environment of the calling process; what a route needs is
//! set for the one cargo it starts.
//!
//! Not here: modules in other languages, and what may be in a module's code.

mod build;
mod repository;
mod route;

pub use build::{Build, BuildError, Profile, build};
pub use repository::{
    RepositoryError, build_repository_modules, build_repository_modules_with_own_library,
    repository_module,
};
pub use route::{Install, Route, RouteError, find_route};

/// The only target that modules are built for.
pub const TARGET: &str = "wasm32-unknown-unknown";

//! From a module's source to its bytes.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use spacetime_wasm_build::{Build, BuildError, Install, RepositoryError, RouteError};

/// Why there is no module to test.
#[derive(Debug, thiserror::Error)]
pub enum WasmError {
    /// Install what the message names.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The compiler has said more on the standard error stream.
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error("cannot read {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// Builds the module in a folder, and gives its bytes. Quick when nothing has changed.
///
/// The build is an optimised one, in the module's own target folder: that of the tests is locked
/// while `cargo test` runs them.
pub fn build_module(folder: impl AsRef<Path>) -> Result<Bytes, WasmError> {
    let folder = folder.as_ref();
    let route = spacetime_wasm_build::find_route(folder, Install::Never, &mut |_| {})?;
    let mut artifacts = spacetime_wasm_build::build(&route, &Build::release(folder))?;
    let artifact = artifacts.pop().ok_or_else(|| BuildError::NoWasm {
        folder: folder.to_owned(),
    })?;
    read(&artifact)
}

/// One of the modules of this project's repository, by the name of its file (`chat`,
/// `kitchen_sink`). Builds them if need be.
pub fn repository_module(name: &str) -> Result<Bytes, WasmError> {
    read(&spacetime_wasm_build::repository_module(name)?)
}

pub(crate) fn read(path: &Path) -> Result<Bytes, WasmError> {
    let bytes = std::fs::read(path).map_err(|source| WasmError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(bytes.into())
}

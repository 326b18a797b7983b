//! Keeping a token from one start of a program to the next: in a file, and in web pages in what
//! the browser keeps for the page's origin.
//!
//! Not here: what a token is. Whoever has it is that identity.

#[cfg(all(target_arch = "wasm32", feature = "browser"))]
pub mod cookies;
#[cfg(not(target_arch = "wasm32"))]
mod file;

#[cfg(not(target_arch = "wasm32"))]
pub use file::{CredentialFileError, File};
#[cfg(all(target_arch = "wasm32", feature = "browser"))]
pub use gloo_storage::{LocalStorage, SessionStorage, Storage};

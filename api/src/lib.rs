//! HTTP and WebSocket in front of the host.
//!
//! [`serve`] is the server. It authenticates callers ([`auth`]), turns requests into the host's
//! terms, and speaks the WebSocket protocols ([`ws`]).

pub mod auth;
mod clock;
mod config;
mod http;
pub mod ws;

pub use config::ApiConfig;
pub use http::serve;

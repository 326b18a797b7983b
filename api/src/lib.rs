//! HTTP and WebSocket in front of the host.
//!
//! [`serve`] is the server. It authenticates callers ([`auth`]), turns requests into the host's
//! terms, and speaks the WebSocket protocols ([`ws`]).

mod admission;
pub mod auth;
mod clock;
mod config;
mod http;
mod module_http;
mod tls;
pub mod ws;

pub use config::{ApiConfig, ConnectionLimits};
pub use http::serve;
pub use module_http::{ModuleHttp, ModuleHttpError};
pub use tls::{Tls, TlsError};

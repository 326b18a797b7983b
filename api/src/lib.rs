//! HTTP and WebSocket in front of the host.

pub mod auth;
pub mod ws;

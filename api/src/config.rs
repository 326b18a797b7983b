//! What can be set from outside.

use crate::ws::KeepAlive;

/// Limits and times of the network surface.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Largest body of an ordinary request.
    pub body_bytes_max: usize,
    /// Largest module.
    pub publish_bytes_max: usize,
    /// Largest message of a WebSocket client.
    pub message_bytes_max: usize,
    pub keep_alive: KeepAlive,
    /// Creating databases is for identities of this issuer only.
    pub publisher_issuer: Option<String>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        ApiConfig {
            body_bytes_max: 2 * 1024 * 1024,
            publish_bytes_max: 512 * 1024 * 1024,
            message_bytes_max: 32 * 1024 * 1024,
            keep_alive: KeepAlive::default(),
            publisher_issuer: None,
        }
    }
}

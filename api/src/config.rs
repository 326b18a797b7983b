//! What can be set from outside.

use std::sync::Arc;
use std::time::Duration;

use spacetime_host::OutboxLimits;

use crate::tls::Tls;
use crate::ws::{KeepAlive, RateLimit};

/// Limits and times of the network surface.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Largest body of an ordinary request.
    pub body_bytes_max: usize,
    /// Largest module.
    pub publish_bytes_max: usize,
    /// Most bytes of files in a backup that is restored.
    pub restore_bytes_max: u64,
    /// Largest message of a WebSocket client.
    pub message_bytes_max: usize,
    pub keep_alive: KeepAlive,
    pub limits: ConnectionLimits,
    /// Creating databases is for identities of this issuer only.
    pub publisher_issuer: Option<String>,
    /// With it every connection is encrypted.
    pub tls: Option<Arc<Tls>>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        ApiConfig {
            body_bytes_max: 2 * 1024 * 1024,
            publish_bytes_max: 512 * 1024 * 1024,
            restore_bytes_max: 256 << 30,
            message_bytes_max: 32 * 1024 * 1024,
            keep_alive: KeepAlive::default(),
            limits: ConnectionLimits::default(),
            publisher_issuer: None,
            tls: None,
        }
    }
}

/// What clients may have and do. 0 is no bound where it says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConnectionLimits {
    /// WebSocket connections of one identity; 0 is no bound.
    pub connections_per_identity: usize,
    /// Connections of one address, of any kind; 0 is no bound.
    pub connections_per_address: usize,
    /// What one WebSocket connection may send.
    pub rate: RateLimit,
    /// What may wait for one client before it counts as not reading.
    pub outbox: OutboxLimits,
    /// From the moment a request is awaited to the end of its head.
    pub header_timeout: Duration,
    /// For the next 16 KiB of a request's body, or what is left of it.
    pub body_timeout: Duration,
    /// From the end of a request's head to the beginning of its answer.
    pub request_timeout: Option<Duration>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        ConnectionLimits {
            connections_per_identity: 16 * 1024,
            connections_per_address: 0,
            rate: RateLimit::default(),
            outbox: OutboxLimits::default(),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            request_timeout: Some(Duration::from_secs(600)),
        }
    }
}

//! The WebSocket protocol: frames, messages of versions 1 to 3, and the life of a connection.
//!
//! Not here: what the messages mean (the host), and how a connection is authenticated (`auth`).

mod accepted;
mod client_json;
mod client_message;
mod close;
mod connection;
mod frame;
mod greeting;
mod incoming;
mod pace;
mod protocol;
mod row_list;
#[cfg(test)]
mod sample;
mod server_json;
mod server_v1;
mod server_v2;
#[cfg(test)]
mod test_bytes;
mod throttle;
mod wire;

pub use accepted::Accepted;
pub use client_json::{DecodeJsonError, decode_json};
pub use client_message::{ClientMessage, MessagesV3, decode_v1, decode_v2};
pub use connection::KeepAlive;
pub use frame::FrameEncoder;
pub use greeting::Greeting;
pub use protocol::{Compression, Protocol};
pub use throttle::RateLimit;

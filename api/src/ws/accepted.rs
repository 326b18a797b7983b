//! A WebSocket that was just opened: the database decides whether the client may stay.

use axum::extract::ws::WebSocket;
use spacetime_host::{Caller, Connect, ConnectError, DatabaseHandle, OutboxLimits, outbox};
use tokio::sync::watch;

use super::close::{Close, CloseCode};
use super::connection::{ConnectedClient, Connection, KeepAlive};
use super::frame::FrameEncoder;
use super::greeting::Greeting;
use super::protocol::{Compression, Protocol};
use super::throttle::{RateLimit, Throttle};

/// Everything that is known of a client when its upgrade is granted.
#[derive(Debug)]
pub struct Accepted {
    pub caller: Caller,
    pub greeting: Greeting,
    pub database: DatabaseHandle,
    pub protocol: Protocol,
    pub compression: Compression,
    /// Whether messages wait until what they tell is durable.
    pub confirmed: bool,
    pub keep_alive: KeepAlive,
    pub outbox_limits: OutboxLimits,
    pub rate_limit: RateLimit,
    /// Turns true when the server goes down.
    pub shutdown: watch::Receiver<bool>,
}

impl Accepted {
    /// Connects the client to its database and serves it to the end.
    pub async fn run(self, mut socket: WebSocket) {
        let (sender, receiver) = outbox(self.outbox_limits);
        let connect = Connect {
            caller: self.caller,
            confirmed: self.confirmed,
            event_tables: !self.protocol.is_v1(),
            json: self.protocol == Protocol::V1Json,
            outbox: sender,
        };
        let client = match self.database.connect(connect).await {
            Ok(id) => ConnectedClient::new(self.database, id),
            Err(error) => {
                let _ = socket.send(refusal(&error).into_message()).await;
                return;
            }
        };
        let connection = Connection {
            socket,
            client,
            outbox: receiver,
            encoder: FrameEncoder::new(self.protocol, self.compression, self.greeting),
            protocol: self.protocol,
            keep_alive: self.keep_alive,
            throttle: Throttle::new(self.rate_limit),
            shutdown: self.shutdown,
        };
        connection.run().await;
    }
}

fn refusal(error: &ConnectError) -> Close {
    let code = match error {
        ConnectError::Rejected(_) | ConnectError::OutOfBudget => CloseCode::Policy,
        ConnectError::Gone(_) => CloseCode::Away,
    };
    Close::new(code, &error.to_string())
}

//! Routes about the server itself.

use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};

use super::session::CheckedIfPresent;
use crate::clock;

/// The server answers.
pub(super) async fn ping(_: CheckedIfPresent) {}

/// What runs here.
pub(super) async fn health() -> Json<Value> {
    Json(json!({
        "nodes": [0],
        "package_name": "spacetimedb-client-api",
        "schedulable": true,
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

/// Nothing is metered: every balance is zero.
pub(super) async fn energy(Path(_identity): Path<String>) -> Json<Value> {
    Json(json!({"balance": "0"}))
}

/// The server's clock.
pub(super) async fn timestamp() -> Json<Value> {
    Json(json!({"__timestamp_micros_since_unix_epoch__": clock::now().micros}))
}

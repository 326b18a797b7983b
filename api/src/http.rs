//! The HTTP surface: routes, who may call them anonymously, and the server's life.
//!
//! Invariants
//!   * Everything under `/v1/database` works without a token: the caller then gets a fresh identity
//!     and finds it, with its token, in the response headers.
//!   * Every body is bounded; only publishing and restoring take large ones.
//!
//! Not here: what the requests mean (the host), and the WebSocket protocol (`ws`).

mod backup;
mod call;
mod cors;
mod database;
mod error;
mod identity;
mod listen;
mod logs;
mod mcp;
mod metrics;
mod names;
mod params;
mod patience;
mod publish;
mod restore;
mod route;
mod schema;
mod service;
mod session;
mod sql;
mod subscribe;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get, post, put};
use spacetime_host::Host;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use self::listen::Acceptor;
use crate::admission::Admission;
use crate::auth::Authority;
use crate::config::ApiConfig;

/// How long open connections may take to end when the server goes down.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What every route can reach.
#[derive(Clone, Debug)]
pub(crate) struct ApiState {
    pub(crate) host: Arc<Host>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) config: Arc<ApiConfig>,
    pub(crate) admission: Arc<Admission>,
    /// Turns true when the server goes down.
    pub(crate) shutdown: watch::Receiver<bool>,
    /// Held by whatever has to end before the server does.
    pub(crate) alive: mpsc::Sender<()>,
}

/// Serves until `shutdown` is ready and the open connections are closed.
///
/// The host is not shut down: whoever opened it does that afterwards.
pub async fn serve(
    host: Arc<Host>,
    authority: Authority,
    config: ApiConfig,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), std::io::Error> {
    let (down, is_down) = watch::channel(false);
    let (alive, mut all_ended) = mpsc::channel(1);
    let state = ApiState {
        host,
        authority: Arc::new(authority),
        config: Arc::new(config),
        admission: Arc::default(),
        shutdown: is_down.clone(),
        alive,
    };
    let limits = &state.config.limits;
    let acceptor = Acceptor {
        admission: Arc::clone(&state.admission),
        header_timeout: limits.header_timeout,
        connections_per_address: limits.connections_per_address,
        is_down,
        alive: state.alive.clone(),
        tls: state.config.tls.clone(),
        router: router(state),
    };
    let files = acceptor
        .tls
        .clone()
        .map(|tls| tokio::spawn(tls.follow_files()));
    tokio::spawn(async move {
        shutdown.await;
        let _ = down.send(true);
    });
    // Whoever connects from here on is refused: nobody listens any more.
    acceptor.run(listener).await;
    if let Some(files) = files {
        files.abort();
    }
    // Connections hold a sender each: this is over when the last one is dropped.
    if tokio::time::timeout(DRAIN_TIMEOUT, all_ended.recv())
        .await
        .is_err()
    {
        tracing::warn!("connections that did not end in time are cut off");
    }
    Ok(())
}

/// All routes.
pub(crate) fn router(state: ApiState) -> Router {
    let v1 = Router::new()
        .nest("/identity", identity_routes())
        .nest(
            "/database",
            database_routes(&state).merge(module_routes(&state)),
        )
        .merge(mcp_routes(&state))
        .route("/ping", get(service::ping))
        .route("/health", get(service::health))
        .route("/metrics", get(metrics::metrics))
        .route("/energy/{identity}", get(service::energy))
        .layer(from_fn(cors::allow_any_origin));
    Router::new()
        .nest("/v1", v1)
        .layer(DefaultBodyLimit::max(state.config.body_bytes_max))
        .layer(from_fn_with_state(state.clone(), patience::bodies_in_time))
        .with_state(state)
}

fn identity_routes() -> Router<ApiState> {
    Router::new()
        .route("/", post(identity::create))
        .route("/websocket-token", post(identity::websocket_token))
        .route("/public-key", get(identity::public_key))
        .route("/{identity}/verify", get(identity::verify))
        .route("/{identity}/databases", get(identity::databases))
}

fn database_routes(state: &ApiState) -> Router<ApiState> {
    let large = DefaultBodyLimit::max(state.config.publish_bytes_max);
    let publishing = Router::new()
        .route("/", post(publish::create))
        .route("/{database}", put(publish::publish))
        .route("/{database}/pre_publish", post(publish::pre_publish))
        .route("/{database}/reset", put(publish::reset))
        .layer(large);
    Router::new()
        .route("/{database}", get(database::info).delete(database::delete))
        .route("/{database}/lock", post(database::lock))
        .route("/{database}/unlock", post(database::unlock))
        .route("/{database}/identity", get(database::identity))
        .route(
            "/{database}/names",
            get(names::list).post(names::add).put(names::replace),
        )
        .route("/{database}/unstable/timestamp", get(service::timestamp))
        .route("/{database}/unstable/pauses", get(service::pauses))
        .route("/{database}/call/{function}", post(call::call))
        .route("/{database}/sql", post(sql::sql))
        .route("/{database}/mcp", post(mcp::one))
        .route("/{database}/backup", post(backup::backup))
        .route("/{database}/schema", get(schema::schema))
        .route("/{database}/logs", get(logs::logs))
        .route("/{database}/unstable/queries", get(metrics::queries))
        .route("/{database}/subscribe", get(subscribe::subscribe))
        .merge(publishing)
        .layer(from_fn_with_state(state.clone(), patience::answers_in_time))
        // Takes as long as the backup is large.
        .route("/{database}/restore", post(restore::restore))
        .layer(from_fn_with_state(
            state.clone(),
            session::anonymous_allowed,
        ))
}

fn mcp_routes(state: &ApiState) -> Router<ApiState> {
    Router::new()
        .route("/mcp", post(mcp::all))
        .layer(from_fn_with_state(
            state.clone(),
            session::anonymous_allowed,
        ))
}

/// Requests for the handlers of a module: nobody is authenticated, any method is passed on.
fn module_routes(state: &ApiState) -> Router<ApiState> {
    Router::new()
        .route("/{database}/route", any(route::bare))
        .route("/{database}/route/", any(route::root))
        .route("/{database}/route/{*rest}", any(route::below))
        .layer(from_fn_with_state(state.clone(), patience::answers_in_time))
}

#[cfg(test)]
mod tests;

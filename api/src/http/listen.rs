//! Accepting connections: bounded for each address, and none without a request in time; encrypted
//! if the server has a certificate.
//!
//! Invariants
//!   * A connection whose request head is not complete within the header timeout is closed; so is
//!     one that is kept open without a request.
//!   * An error of one connection ends that one only.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tower_service::Service as _;

use crate::admission::{Admission, Admitted, Key};
use crate::tls::Tls;

/// Pause after a failed accept: most likely there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What connections are given.
#[derive(Clone)]
pub(super) struct Acceptor {
    pub(super) router: Router,
    pub(super) admission: Arc<Admission>,
    pub(super) header_timeout: Duration,
    /// 0 is no bound.
    pub(super) connections_per_address: usize,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) is_down: watch::Receiver<bool>,
    /// Held as long as a connection is open.
    pub(super) alive: mpsc::Sender<()>,
}

impl Acceptor {
    /// Accepts connections until the server goes down.
    pub(super) async fn run(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = went_down(self.is_down.clone()) => return,
            };
            match accepted {
                Ok((stream, address)) => self.take(stream, address),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, address: SocketAddr) {
        let key = Key::of_address(address.ip());
        let Some(admitted) = self.admission.admit(key, self.connections_per_address) else {
            tracing::debug!(%address, "too many connections of one address");
            return;
        };
        // Small answers must not wait for more: frames are batched before they get here.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let acceptor = self.clone();
        tokio::spawn(async move {
            match acceptor.tls.clone() {
                None => acceptor.serve(stream, admitted).await,
                Some(tls) => acceptor.serve_encrypted(&tls, stream, admitted).await,
            }
        });
    }

    async fn serve_encrypted(self, tls: &Tls, stream: TcpStream, admitted: Admitted) {
        let handshake = tokio::time::timeout(self.header_timeout, tls.accept(stream));
        let accepted = tokio::select! {
            accepted = handshake => accepted,
            () = went_down(self.is_down.clone()) => return,
        };
        match accepted {
            Ok(Ok(stream)) => self.serve(stream, admitted).await,
            Ok(Err(error)) => tracing::debug!(%error, "no encrypted connection"),
            Err(_late) => tracing::debug!("no encrypted connection in time"),
        }
    }

    async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        admitted: Admitted,
    ) {
        // An upgraded connection outlives this task; it keeps its count by the request.
        let admitted = Arc::new(admitted);
        let router = self.router;
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&admitted));
            router.clone().call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = went_down(self.is_down) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection ended");
        }
        drop(self.alive);
    }
}

/// Waits until the server goes down.
async fn went_down(mut is_down: watch::Receiver<bool>) {
    // An error means that the sender is gone: the runtime is ending.
    let _ = is_down.wait_for(|down| *down).await;
}

//! Encrypted connections.
//!
//! Trusted are the authorities that browsers trust, a list that is compiled in, and the
//! certificates that the program itself names. The server has to prove that it has the name in the
//! address; there is no way to do without.
//!
//! Not here: certificates of clients. Who a client is, its token says.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, Error as TlsError, RootCertStore};

use super::{ConnectFailure, Target};
use crate::error::InternalError;

/// WebSockets begin with a request of this version.
const APPLICATION_PROTOCOL: &[u8] = b"http/1.1";

/// Agrees on keys with the server, and makes sure that it is `host`.
pub(super) async fn encrypt(
    target: &Target,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, ConnectFailure> {
    let config = config(target.certificates.as_deref()).map_err(ConnectFailure::permanent)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| {
        let message = format!("{}: no certificate can be for this host", target.uri);
        ConnectFailure::permanent(InternalError::new(message).with_cause(error))
    })?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.map_err(|error| {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<TlsError>());
        let is_final = matches!(inner, Some(TlsError::InvalidCertificate(_)));
        let message = format!("{}: no encrypted connection", target.uri);
        ConnectFailure {
            error: InternalError::new(message).with_cause(error),
            is_final,
        }
    })
}

fn config(certificates: Option<&[u8]>) -> Result<ClientConfig, InternalError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for certificate in CertificateDer::pem_slice_iter(certificates.unwrap_or_default()) {
        let unusable = "a certificate that is to be trusted cannot be read";
        let certificate =
            certificate.map_err(|error| InternalError::new(unusable).with_cause(error))?;
        roots
            .add(certificate)
            .map_err(|error| InternalError::new(unusable).with_cause(error))?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| InternalError::new("there is no version of TLS").with_cause(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![APPLICATION_PROTOCOL.to_vec()];
    Ok(config)
}

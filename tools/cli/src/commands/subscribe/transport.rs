//! What carries the bytes of a subscription: TCP, encrypted if the server's address is `https`.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::http::Uri;

use crate::trust;

/// Bytes both ways.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Connects to the host of a `ws` or `wss` address.
pub(super) async fn open(url: &Uri) -> Result<Box<dyn Transport>> {
    let roots = match is_secure(url) {
        true => trust::authorities()?,
        false => RootCertStore::empty(),
    };
    open_trusting(url, roots).await
}

fn is_secure(url: &Uri) -> bool {
    url.scheme_str() == Some("wss")
}

async fn open_trusting(url: &Uri, roots: RootCertStore) -> Result<Box<dyn Transport>> {
    let is_secure = is_secure(url);
    let host = url.host().context("the server's URL has no host")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    if !is_secure {
        return Ok(Box::new(stream));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = stream.await.context("no encrypted connection")?;
    Ok(Box::new(stream))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

    use super::*;

    /// The certificates of the Rust client's tests.
    fn file(name: &str) -> Vec<u8> {
        let here = env!("CARGO_MANIFEST_DIR");
        let path = format!("{here}/../../sdks/conformance/tests/client/tls/{name}");
        std::fs::read(path).unwrap()
    }

    /// Takes connections and says "hello" on each. Returns its address.
    async fn greeter() -> Uri {
        let certificate = CertificateDer::from_pem_slice(&file("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&file("server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Who does not trust this server is gone here.
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    stream.write_all(b"hello").await.unwrap();
                    stream.shutdown().await.unwrap();
                }
            }
        });
        format!("wss://{address}/").parse().unwrap()
    }

    #[tokio::test]
    async fn servers_have_to_prove_who_they_are() {
        let url = greeter().await;
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(&file("authority.pem")).unwrap();
        roots.add(authority).unwrap();
        let mut stream = open_trusting(&url, roots).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "hello");
        let Err(error) = open(&url).await else {
            panic!("nobody vouches for the server")
        };
        assert!(format!("{error:#}").contains("certificate"), "{error:#}");
    }
}

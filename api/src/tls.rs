//! Encrypted connections: the server's certificate and key, read anew when their files change.
//!
//! Invariants
//!   * New connections use the newest pair that was good. Files that cannot be used (one of the two
//!     is not replaced yet, say) change nothing.
//!   * A handshake that is not done in the time for a request's head is given up.
//!
//! TLS 1.2 and 1.3, without certificates of clients.

use std::fmt;
use std::io;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Largest file of certificates, or with a key.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What every TLS connection begins with: a handshake record.
const HANDSHAKE: u8 = 22;

/// Answer to a request that is not encrypted.
const NOT_ENCRYPTED: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain\r\n\
    content-length: 68\r\n\
    connection: close\r\n\r\n\
    This server's connections are encrypted: ask for https:// or wss://\n";

/// How much of such a request is read before the connection is closed, and for how long.
const NOT_ENCRYPTED_BYTES_MAX: u64 = 64 * 1024;
const NOT_ENCRYPTED_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is larger than {FILE_BYTES_MAX} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("{} is not in the PEM format", path.display())]
    Pem { path: PathBuf, source: pem::Error },
    #[error(
        "{} has no certificate; it has to hold the server's certificate, and behind it those that \
         lead to its authority, in the PEM format",
        path.display()
    )]
    NoCertificate { path: PathBuf },
    #[error("{} has no private key in the PEM format", path.display())]
    NoKey { path: PathBuf, source: pem::Error },
    #[error(
        "the certificate in {} and the key in {} cannot be used together",
        certificate.display(),
        key.display()
    )]
    Unusable {
        certificate: PathBuf,
        key: PathBuf,
        source: tokio_rustls::rustls::Error,
    },
}

/// Why a connection came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("it is not encrypted")]
    NotEncrypted,
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// The contents of both files.
#[derive(PartialEq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// The key is for nobody to see.
impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").finish_non_exhaustive()
    }
}

/// A certificate, its key, and where they come from.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
    /// What the files held when they were looked at, good or bad; none if they could not be read.
    seen: Mutex<Option<Contents>>,
}

impl Tls {
    /// Reads the server's certificate, with those that lead to its authority behind it, and its
    /// key from files in the PEM format.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let contents = read_both(certificate, key)?;
        let config = server_config(certificate, key, &contents)?;
        Ok(Arc::new(Tls {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            config: RwLock::new(Arc::new(config)),
            seen: Mutex::new(Some(contents)),
        }))
    }

    /// Takes over what the files hold now, for new connections, if it has changed and is good.
    /// What is not is told to the log, once.
    pub fn reload(&self) {
        let mut seen = self.seen.lock();
        match self.load_changes(&mut seen) {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(certificate = %self.certificate.display(), "a new certificate");
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(
                    error,
                    "the certificate is not replaced: the one before stays"
                );
            }
        }
    }

    /// True if there is something new that is good; an error only if there was none before.
    fn load_changes(&self, seen: &mut Option<Contents>) -> Result<bool, TlsError> {
        let contents = match read_both(&self.certificate, &self.key) {
            Ok(contents) => contents,
            Err(error) => return seen.take().map_or(Ok(false), |_| Err(error)),
        };
        if seen.as_ref() == Some(&contents) {
            return Ok(false);
        }
        let config = server_config(&self.certificate, &self.key, &contents);
        *seen = Some(contents);
        *self.config.write() = Arc::new(config?);
        Ok(true)
    }

    /// Looks at the files for ever.
    pub(crate) async fn follow_files(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let tls = Arc::clone(&self);
            // It can only fail by a panic, which has been logged.
            let _ = tokio::task::spawn_blocking(move || tls.reload()).await;
        }
    }

    /// The handshake of a new connection.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, HandshakeError> {
        let mut first = [0];
        let is_there = stream.peek(&mut first).await? != 0;
        if is_there && first != [HANDSHAKE] {
            refuse(stream).await;
            return Err(HandshakeError::NotEncrypted);
        }
        let config = Arc::clone(&self.config.read());
        Ok(TlsAcceptor::from(config).accept(stream).await?)
    }
}

/// Tells whoever came without encryption.
async fn refuse(mut stream: TcpStream) {
    let told = async {
        stream.write_all(NOT_ENCRYPTED).await?;
        stream.shutdown().await?;
        // Closing with something unread would take the answer away again.
        let mut request = stream.take(NOT_ENCRYPTED_BYTES_MAX);
        tokio::io::copy(&mut request, &mut tokio::io::sink()).await
    };
    // Who is gone, or sends on and on, has had the answer or never will.
    let _ = tokio::time::timeout(NOT_ENCRYPTED_TIMEOUT, told).await;
}

fn read_both(certificate: &Path, key: &Path) -> Result<Contents, TlsError> {
    Ok(Contents {
        certificate: read(certificate)?,
        key: read(key)?,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let cannot = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    if read.map_err(cannot)? as u64 > FILE_BYTES_MAX {
        return Err(TlsError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

fn server_config(
    certificate: &Path,
    key: &Path,
    contents: &Contents,
) -> Result<ServerConfig, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&contents.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem {
            path: certificate.to_owned(),
            source,
        })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate {
            path: certificate.to_owned(),
        });
    }
    let secret =
        PrivateKeyDer::from_pem_slice(&contents.key).map_err(|source| TlsError::NoKey {
            path: key.to_owned(),
            source,
        })?;
    let unusable = |source| TlsError::Unusable {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(unusable)?;
    // What is spoken inside: WebSocket needs the first version.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests;

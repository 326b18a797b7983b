//! Files that can be used and files that cannot, and who is let in.

use std::fs;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, version};

use super::*;

/// The certificates of the Rust client's tests: an authority and the server that it vouches for,
/// and another server that vouches for itself.
fn test_file(name: &str) -> Vec<u8> {
    let here = env!("CARGO_MANIFEST_DIR");
    let path = format!("{here}/../sdks/conformance/tests/client/tls/{name}");
    fs::read(path).unwrap()
}

/// A folder with a pair of files.
struct Files {
    folder: TempDir,
}

impl Files {
    fn of(name: &str) -> Self {
        let files = Files {
            folder: tempfile::tempdir().unwrap(),
        };
        files.put("server.pem", &test_file(&format!("{name}.pem")));
        files.put("server.key", &test_file(&format!("{name}.key")));
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn load(&self) -> Result<Arc<Tls>, TlsError> {
        Tls::load(&self.path("server.pem"), &self.path("server.key"))
    }
}

#[test]
fn files_that_cannot_be_used_are_refused_with_their_names() {
    let files = Files::of("server");
    files.load().unwrap();
    let key = test_file("server.key");
    type IsExpected = fn(&TlsError) -> bool;
    let cases: [(&str, &str, &[u8], IsExpected); 7] = [
        ("nothing", "server.pem", b"", |error| {
            matches!(error, TlsError::NoCertificate { .. })
        }),
        ("a key", "server.pem", &key, |error| {
            matches!(error, TlsError::NoCertificate { .. })
        }),
        (
            "no base64",
            "server.pem",
            b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            |error| matches!(error, TlsError::Pem { .. }),
        ),
        (
            "no certificate",
            "server.pem",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            |error| matches!(error, TlsError::Unusable { .. }),
        ),
        ("no key", "server.key", b"secret", |error| {
            matches!(error, TlsError::NoKey { .. })
        }),
        (
            "the key of another",
            "server.key",
            &test_file("other.key"),
            |error| matches!(error, TlsError::Unusable { .. }),
        ),
        (
            "too much",
            "server.key",
            &vec![b' '; 1024 * 1024 + 1],
            |error| matches!(error, TlsError::TooLarge { .. }),
        ),
    ];
    for (what, name, bytes, is_expected) in cases {
        let files = Files::of("server");
        files.put(name, bytes);
        let error = files.load().unwrap_err();
        assert!(is_expected(&error), "{what}: {error:?}");
        let path = files.path(name).display().to_string();
        assert!(error.to_string().contains(&path), "{what}: {error}");
    }
    fs::remove_file(files.path("server.key")).unwrap();
    assert!(matches!(files.load(), Err(TlsError::Read { .. })));
}

/// A client that trusts one authority and speaks `versions` only.
fn connector(
    authority: &str,
    versions: &[&'static tokio_rustls::rustls::SupportedProtocolVersion],
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(&test_file(authority)).unwrap();
    roots.add(authority).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// The version of a connection that is made to `tls`, by a client that trusts `authority`.
async fn handshake(
    tls: &Tls,
    authority: &str,
    versions: &[&'static tokio_rustls::rustls::SupportedProtocolVersion],
) -> io::Result<ProtocolVersion> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        tls.accept(stream).await
    };
    let ask = async {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        connector(authority, versions).connect(name, stream).await
    };
    let (_served, asked) = tokio::join!(serve, ask);
    Ok(asked?.get_ref().1.protocol_version().unwrap())
}

const BOTH: &[&tokio_rustls::rustls::SupportedProtocolVersion] =
    &[&version::TLS12, &version::TLS13];

#[tokio::test]
async fn the_newest_version_that_both_know_is_spoken() {
    let tls = Files::of("server").load().unwrap();
    let spoken = handshake(&tls, "authority.pem", BOTH).await.unwrap();
    assert_eq!(spoken, ProtocolVersion::TLSv1_3);
    let spoken = handshake(&tls, "authority.pem", &[&version::TLS12]).await;
    assert_eq!(spoken.unwrap(), ProtocolVersion::TLSv1_2);
    assert!(handshake(&tls, "other.pem", BOTH).await.is_err());
}

#[tokio::test]
async fn a_pair_that_changes_is_taken_over_when_it_is_whole() {
    let files = Files::of("server");
    let tls = files.load().unwrap();
    tls.reload();
    assert!(handshake(&tls, "authority.pem", BOTH).await.is_ok());

    // One file is new, the other is not yet.
    files.put("server.pem", &test_file("other.pem"));
    tls.reload();
    assert!(handshake(&tls, "authority.pem", BOTH).await.is_ok());
    // And for a moment it is not there at all.
    fs::remove_file(files.path("server.key")).unwrap();
    tls.reload();
    tls.reload();
    assert!(handshake(&tls, "authority.pem", BOTH).await.is_ok());

    files.put("server.key", &test_file("other.key"));
    tls.reload();
    assert!(handshake(&tls, "authority.pem", BOTH).await.is_err());
    assert!(handshake(&tls, "other.pem", BOTH).await.is_ok());
}

#[test]
fn the_key_is_not_shown() {
    let tls = Files::of("server").load().unwrap();
    assert!(format!("{tls:?}").contains("Contents { .. }"));
}

#[test]
fn the_same_fault_is_told_once() {
    let files = Files::of("server");
    let tls = files.load().unwrap();
    let mut seen = tls.seen.lock();
    assert!(matches!(tls.load_changes(&mut seen), Ok(false)));
    files.put("server.pem", b"");
    assert!(tls.load_changes(&mut seen).is_err());
    assert!(matches!(tls.load_changes(&mut seen), Ok(false)));
    fs::remove_file(files.path("server.pem")).unwrap();
    assert!(tls.load_changes(&mut seen).is_err());
    assert!(matches!(tls.load_changes(&mut seen), Ok(false)));
    files.put("server.pem", &test_file("server.pem"));
    assert!(matches!(tls.load_changes(&mut seen), Ok(true)));
}

#[tokio::test]
async fn whoever_is_not_encrypted_is_told() {
    let tls = Files::of("server").load().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        tls.accept(stream).await.map(drop)
    };
    let ask = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET /v1/ping HTTP/1.1\r\nhost: a\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (served, answer) = tokio::join!(serve, ask);
    assert!(matches!(served, Err(HandshakeError::NotEncrypted)));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        head.contains(&format!("content-length: {}\r\n", body.len())),
        "{answer}"
    );
    assert!(body.contains("https://"), "{answer}");
}

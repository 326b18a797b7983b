//! Encrypted connections, through a proxy that takes the encryption off.
//!
//! The certificates in `tls/` are for these tests alone: an authority, and a server at 127.0.0.1.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::server::server;
use super::{Client, builder};

const AUTHORITY: &str = include_str!("tls/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/server.pem");
const KEY: &[u8] = include_bytes!("tls/server.key");

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Starts the proxy, which lives as long as the process. Returns its port.
fn start_proxy(server: String) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            let acceptor = acceptor();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    // A client that does not trust this server ends here.
                    let Ok(mut client) = acceptor.accept(client).await else {
                        return;
                    };
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
    });
    port
}

#[test]
fn connections_are_encrypted_to_servers_that_prove_their_name() {
    let Some(server) = server() else { return };
    server.publish("tls", "kitchen_sink");
    let port = start_proxy(server.address.clone());
    for scheme in ["https", "wss"] {
        let url = format!("{scheme}://127.0.0.1:{port}");
        let trusting = builder(&url, "tls").with_trusted_certificates(AUTHORITY);
        let client = Client::connect(trusting).unwrap();
        client.subscribe(&["SELECT * FROM item"]);
        client.add(scheme, 1);
        assert!(client.labels().contains(&scheme.to_owned()));
    }
    // Nobody vouches for the server.
    let url = format!("https://127.0.0.1:{port}");
    let error = Client::connect(builder(&url, "tls")).map(drop).unwrap_err();
    let told = format!("{error:?}");
    assert!(told.contains("InvalidCertificate"), "{told}");
    // It is another server than the one that was meant.
    let url = format!("https://localhost:{port}");
    let trusting = builder(&url, "tls").with_trusted_certificates(AUTHORITY);
    let error = Client::connect(trusting).map(drop).unwrap_err();
    let told = format!("{error:?}");
    assert!(told.contains("InvalidCertificate"), "{told}");
    // What is to be trusted is no certificate.
    let damaged = AUTHORITY.replace('M', "!");
    let trusting = builder(&url, "tls").with_trusted_certificates(damaged);
    let error = Client::connect(trusting).map(drop).unwrap_err();
    let told = format!("{error:?}");
    assert!(told.contains("cannot be read"), "{told}");
}

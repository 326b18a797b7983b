//! Why a server cannot be talked to, and what to do about it.

use std::error::Error;
use std::io;

use tokio_rustls::rustls::{self, CertificateError, InvalidMessage};

use crate::server_address;

/// How a message to the server came to nothing, and a way out where one is known.
pub(crate) fn explain(url: &str, is_connect: bool, error: &(dyn Error + 'static)) -> String {
    match tls_error(error) {
        Some(error) => encryption(url, error),
        None if !is_connect => format!("the server at {url} does not answer"),
        None => format!("the server at {url} does not answer{}", where_else(url)),
    }
}

/// The servers that the default settings mean, which not everybody does.
const HOSTED: &str = ".spacetimedb.com";

fn where_else(url: &str) -> &'static str {
    if server_address::is_local(url) {
        return "; `spacetime start` starts one on this machine";
    }
    match url.ends_with(HOSTED) {
        true => {
            "; for one on this machine pass `--server local`, or once and for all \
             `spacetime server set-default local`"
        }
        false => "",
    }
}

/// What the encryption itself has failed of.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    /// Most causes that are looked at.
    const CAUSES_MAX: usize = 16;
    let mut cause = error;
    for _ in 0..CAUSES_MAX {
        if let Some(found) = cause.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An I/O error says what it is made of, maybe another one, but not as its cause.
        let inner = cause.downcast_ref::<io::Error>();
        cause = match inner.and_then(io::Error::get_ref) {
            Some(inner) => inner,
            None => cause.source()?,
        };
    }
    None
}

fn encryption(url: &str, error: &rustls::Error) -> String {
    use CertificateError as Bad;
    let plain = url.replacen("https://", "http://", 1);
    let why = match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            return format!("the server at {url} does not encrypt: its address is {plain}");
        }
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => {
            "nobody known vouches for its certificate; \
             SSL_CERT_FILE may name a file with the certificate of its authority"
        }
        rustls::Error::InvalidCertificate(
            Bad::NotValidForName | Bad::NotValidForNameContext { .. },
        ) => "its certificate is for other names",
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "its certificate has expired"
        }
        rustls::Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            "its certificate is not valid yet"
        }
        rustls::Error::InvalidCertificate(Bad::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "its certificate is one of an authority, which no server may use for itself; \
             make it with `basicConstraints=critical,CA:FALSE`"
        }
        _ => "the encryption has failed",
    };
    format!("there is no safe connection to the server at {url}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(url: &str, error: rustls::Error) -> String {
        explain(url, true, &io::Error::other(io::Error::other(error)))
    }

    #[test]
    fn who_encrypts_and_who_does_not_is_told() {
        let error = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert_eq!(
            explained("https://127.0.0.1:3000", error),
            "the server at https://127.0.0.1:3000 does not encrypt: \
             its address is http://127.0.0.1:3000"
        );
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_told() {
        for (error, part) in [
            (CertificateError::UnknownIssuer, "SSL_CERT_FILE"),
            (CertificateError::NotValidForName, "for other names"),
            (CertificateError::Expired, "has expired"),
            (CertificateError::BadSignature, "the encryption has failed"),
        ] {
            let said = explained("https://here", rustls::Error::InvalidCertificate(error));
            assert!(said.contains(part), "{said}");
            assert!(!said.contains("spacetime start"), "{said}");
        }
    }

    #[test]
    fn where_another_server_may_be_is_told() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let said = |url: &str| explain(url, true, &refused());
        assert!(said("http://127.0.0.1:3000").contains("spacetime start"));
        assert!(said("https://maincloud.spacetimedb.com").contains("--server local"));
        let other = "the server at http://10.0.0.1:3000 does not answer";
        assert_eq!(said("http://10.0.0.1:3000"), other);
        let slow = explain("http://127.0.0.1:3000", false, &refused());
        assert!(!slow.contains("spacetime start"), "{slow}");
    }
}

//! Whom the command line trusts to vouch for servers: the authorities that browsers trust, and
//! those in the file that `SSL_CERT_FILE` names, for servers with certificates of one's own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// The variable that other programs take such a file from, too.
const VARIABLE: &str = "SSL_CERT_FILE";

/// The authorities of the variable's file.
pub(crate) fn own_authorities() -> Result<Vec<CertificateDer<'static>>> {
    let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else {
        return Ok(Vec::new());
    };
    let path = PathBuf::from(path);
    read(&path).with_context(|| {
        format!(
            "cannot read the certificates in {}, which {VARIABLE} names",
            path.display()
        )
    })
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = std::fs::read(path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>()?;
    // Whole systems' files have old ones, too, that nobody can use any more.
    let is_usable = |it: &CertificateDer<'static>| RootCertStore::empty().add(it.clone()).is_ok();
    let usable: Vec<_> = found.into_iter().filter(is_usable).collect();
    anyhow::ensure!(!usable.is_empty(), "it has none that can be used");
    Ok(usable)
}

/// All who are trusted.
pub(crate) fn authorities() -> Result<RootCertStore> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    roots.add_parsable_certificates(own_authorities()?);
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_passed_over() {
        let here = env!("CARGO_MANIFEST_DIR");
        let tls = format!("{here}/../../sdks/conformance/tests/client/tls");
        let authority = std::fs::read_to_string(format!("{tls}/authority.pem")).unwrap();
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle.pem");
        std::fs::write(&path, format!("{odd}{authority}{odd}")).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
        for bad in ["", odd, "-----BEGIN CERTIFICATE-----\n!"] {
            std::fs::write(&path, bad).unwrap();
            assert!(read(&path).is_err(), "{bad:?}");
        }
    }
}

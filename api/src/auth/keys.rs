//! The server's P-256 key pair: two PEM files.
//!
//! Invariants
//!   * The private key's file can be read by its owner only, from the moment that it exists.
//!   * A file appears under its name as a whole, the private key's first: a start that is killed
//!     leaves no half a key. A public key that is missing is made from the private one.
//!   * A public key alone is an error, because a new pair would silently invalidate every token.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use p256::elliptic_curve::rand_core::OsRng;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use p256::{PublicKey, SecretKey};

/// What signs and verifies this server's tokens.
pub struct KeyPair {
    secret: SecretKey,
    private_pem: String,
    public_pem: String,
}

/// Why there is no key pair.
#[derive(Debug, thiserror::Error)]
pub enum KeyPairError {
    /// Restore the missing file, or remove the other one too to get a new pair. A new pair makes
    /// all existing tokens invalid.
    #[error(
        "{} is there but {} is not: restore it, or remove both for a new pair",
        .there.display(),
        .missing.display()
    )]
    Half { there: PathBuf, missing: PathBuf },
    /// The file is not a P-256 key in PEM form. Restore it from a backup.
    #[error("{} does not hold a P-256 {kind} key in PEM form: {reason}", .path.display())]
    Damaged {
        path: PathBuf,
        kind: &'static str,
        reason: String,
    },
    /// The files do not belong together. Restore the right one.
    #[error("{} is not the public key of {}", .public.display(), .private.display())]
    Mismatch { private: PathBuf, public: PathBuf },
    /// The disk said no.
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl KeyPair {
    /// A fresh pair.
    #[must_use]
    pub fn generate() -> KeyPair {
        Self::from_secret(SecretKey::random(&mut OsRng), None)
    }

    /// Reads the pair from the two files, or makes one and writes them if neither exists.
    pub fn load_or_generate(private: &Path, public: &Path) -> Result<KeyPair, KeyPairError> {
        match (read(private)?, read(public)?) {
            (Some(private_pem), Some(public_pem)) => {
                let secret = SecretKey::from_pkcs8_pem(&private_pem)
                    .map_err(|error| damaged(private, "private", &error))?;
                let stored: PublicKey = public_pem
                    .parse()
                    .map_err(|error| damaged(public, "public", &error))?;
                if secret.public_key() != stored {
                    let (private, public) = (private.to_owned(), public.to_owned());
                    return Err(KeyPairError::Mismatch { private, public });
                }
                Ok(Self::from_secret(secret, Some(public_pem)))
            }
            (None, None) => {
                let pair = Self::generate();
                write(private, &pair.private_pem, 0o600)?;
                write(public, &pair.public_pem, 0o644)?;
                Ok(pair)
            }
            (Some(private_pem), None) => {
                let secret = SecretKey::from_pkcs8_pem(&private_pem)
                    .map_err(|error| damaged(private, "private", &error))?;
                let pair = Self::from_secret(secret, None);
                write(public, &pair.public_pem, 0o644)?;
                Ok(pair)
            }
            (None, Some(_)) => Err(half(public, private)),
        }
    }

    fn from_secret(secret: SecretKey, public_pem: Option<String>) -> KeyPair {
        let public_pem = public_pem.unwrap_or_else(|| {
            secret
                .public_key()
                .to_public_key_pem(LineEnding::LF)
                .unwrap_or_else(|error| panic!("a public key has a PEM form: {error}"))
        });
        let private_pem = secret
            .to_pkcs8_pem(LineEnding::LF)
            .unwrap_or_else(|error| panic!("a private key has a PEM form: {error}"))
            .to_string();
        KeyPair {
            secret,
            private_pem,
            public_pem,
        }
    }

    /// The private key as PKCS#8 PEM.
    #[must_use]
    pub fn private_pem(&self) -> &str {
        &self.private_pem
    }

    /// The public key as SPKI PEM, byte for byte as stored.
    #[must_use]
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }
}

impl fmt::Debug for KeyPair {
    /// The public half only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("public", &self.secret.public_key())
            .finish()
    }
}

fn half(there: &Path, missing: &Path) -> KeyPairError {
    KeyPairError::Half {
        there: there.to_owned(),
        missing: missing.to_owned(),
    }
}

fn damaged(path: &Path, kind: &'static str, reason: &dyn fmt::Display) -> KeyPairError {
    KeyPairError::Damaged {
        path: path.to_owned(),
        kind,
        reason: reason.to_string(),
    }
}

fn read(path: &Path) -> Result<Option<String>, KeyPairError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(KeyPairError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Makes the file as a whole or not at all, with its final access rights from the start.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), KeyPairError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = folder.join(name);
    let write = || {
        fs::create_dir_all(folder)?;
        // Left by a start that was killed; its rights may be wrong.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        let mut file = options.open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|source| KeyPairError::Io {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;

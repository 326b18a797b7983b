//! A token in a file of the home directory.
//!
//! Invariant: whoever has the token is that identity, so the file is for its owner only.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use spacetime_types::bsatn;

/// The folder in the home directory.
const FOLDER: &str = ".spacetimedb_client_credentials";

/// Why a token was not kept or found.
#[derive(Debug, thiserror::Error)]
pub enum CredentialFileError {
    /// There is no home directory: set `HOME`.
    #[error("there is no home directory to keep credentials in; set HOME")]
    NoHome,
    /// The key is to be a plain file name.
    #[error("{0:?} cannot be the name of a file")]
    BadKey(String),
    /// Something else is in the file: remove it.
    #[error("{path} does not hold a token; remove it")]
    NoToken {
        /// Which file.
        path: PathBuf,
    },
    /// The disk said no.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
}

/// A token in the binary form, as the official crate keeps it, or as it is.
fn read_token(bytes: Vec<u8>) -> Option<String> {
    let token: Option<String> = bsatn::from_slice_exact(&bytes).ok();
    token.or_else(|| String::from_utf8(bytes).ok())
}

/// A file in the home directory that holds one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    key: String,
}

impl File {
    /// The file for `key`: one for each program, or for each of its users.
    pub fn new(key: impl Into<String>) -> Self {
        File { key: key.into() }
    }

    fn path(&self) -> Result<PathBuf, CredentialFileError> {
        let is_plain = !self.key.is_empty()
            && !self.key.starts_with('.')
            && !self.key.contains(['/', '\\', '\0']);
        if !is_plain {
            return Err(CredentialFileError::BadKey(self.key.clone()));
        }
        let home = std::env::home_dir().ok_or(CredentialFileError::NoHome)?;
        Ok(home.join(FOLDER).join(&self.key))
    }

    /// Keeps a token, in place of an earlier one.
    pub fn save(self, token: impl Into<String>) -> Result<(), CredentialFileError> {
        let (path, token) = (self.path()?, token.into());
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut options = fs::OpenOptions::new();
            options.create(true).write(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(&path)?.write_all(&bsatn::to_vec(&token))
        };
        write().map_err(|source| CredentialFileError::Io {
            path: path.clone(),
            source,
        })
    }

    /// The token, if there is one.
    pub fn load(self) -> Result<Option<String>, CredentialFileError> {
        let path = self.path()?;
        match fs::read(&path) {
            Ok(bytes) => read_token(bytes)
                .map(Some)
                .ok_or(CredentialFileError::NoToken { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(CredentialFileError::Io { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let read = |bytes: &[u8]| read_token(bytes.to_vec());
        assert_eq!(read(b"\x05\0\0\0token").as_deref(), Some("token"));
        assert_eq!(read(b"token").as_deref(), Some("token"));
        assert_eq!(read(b"\xff\xfe"), None);
    }
}

//! Logins that a server has issued itself: only it knows them, so each is kept by the address of
//! its server, and a login with an account stays what it is.
//!
//! They are in `cli.tokens.json` beside `cli.toml`. The token of `cli.toml` is for all servers that
//! have none of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::private_file::Edit;

/// The tokens by the addresses of their servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerTokens {
    path: PathBuf,
    tokens: BTreeMap<String, String>,
}

impl ServerTokens {
    /// Reads the file that belongs to a `cli.toml`, if there is one.
    pub(crate) fn load(cli_toml: &Path) -> Result<Self> {
        let path = cli_toml.with_extension("tokens.json");
        let tokens = read(&path)?;
        Ok(ServerTokens { path, tokens })
    }

    /// The login at the server with this address.
    pub(crate) fn get(&self, url: &str) -> Option<&str> {
        self.tokens.get(url).map(String::as_str)
    }

    /// Whether a server has issued this token.
    pub(crate) fn holds(&self, token: &str) -> bool {
        self.tokens.values().any(|known| known == token)
    }

    /// All of them, by address.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.tokens.iter();
        entries.map(|(url, token)| (url.as_str(), token.as_str()))
    }

    /// Keeps a login.
    pub(crate) fn set(&mut self, url: &str, token: &str) -> Result<()> {
        self.change(|tokens| {
            tokens.insert(url.to_owned(), token.to_owned());
        })
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) -> Result<()> {
        if self.tokens.is_empty() {
            return Ok(());
        }
        self.change(BTreeMap::clear)
    }

    fn change(&mut self, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<()> {
        let cannot = || format!("cannot save {}", self.path.display());
        let edit = Edit::begin(&self.path).with_context(cannot)?;
        let mut tokens = read(&self.path)?;
        change(&mut tokens);
        let text = serde_json::to_string_pretty(&tokens).with_context(cannot)?;
        edit.replace(&format!("{text}\n")).with_context(cannot)?;
        self.tokens = tokens;
        Ok(())
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    serde_json::from_str(&text).with_context(|| {
        let path = path.display();
        format!("{path} is damaged; delete it and log in again")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_keeps_its_own() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let cli_toml = folder.path().join("config/cli.toml");
        let mut tokens = ServerTokens::load(&cli_toml).unwrap();
        assert_eq!(tokens.get("http://a"), None);
        tokens.set("http://a", "1").unwrap();
        // Somebody else does the same at the same time.
        let mut other = ServerTokens::load(&cli_toml).unwrap();
        other.set("http://b", "2").unwrap();
        tokens.set("http://a", "3").unwrap();
        assert_eq!(tokens.get("http://a"), Some("3"));
        assert_eq!(tokens.get("http://b"), Some("2"));
        assert!(tokens.holds("2"));
        assert!(!tokens.holds("1"));
        let path = folder.path().join("config/cli.tokens.json");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        tokens.clear().unwrap();
        let found = ServerTokens::load(&cli_toml).unwrap();
        assert_eq!(found.iter().count(), 0);
        std::fs::write(&path, "{").unwrap();
        let error = ServerTokens::load(&cli_toml).unwrap_err();
        assert!(error.to_string().contains("is damaged"), "{error}");
    }
}

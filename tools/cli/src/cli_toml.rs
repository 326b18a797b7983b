//! `cli.toml`: the servers that people gave names to, and the login.
//!
//! Invariants
//!   * A change keeps comments, unknown keys and the order of what was there.
//!   * It is a private file: it holds a token.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use crate::output::note;
use crate::private_file::Edit;
use crate::server_tokens::ServerTokens;

#[cfg(test)]
mod tests;

/// What the file holds when it is made.
const INITIAL: &str = r#"default_server = "maincloud"

[[server_configs]]
nickname = "maincloud"
host = "maincloud.spacetimedb.com"
protocol = "https"

[[server_configs]]
nickname = "local"
host = "127.0.0.1:3000"
protocol = "http"
"#;

const TOKEN: &str = "spacetimedb_token";
const WEB_TOKEN: &str = "web_session_token";
const DEFAULT_SERVER: &str = "default_server";
const SERVERS: &str = "server_configs";

/// One entry of `server_configs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerEntry {
    pub(crate) nickname: Option<String>,
    /// `host[:port]`
    pub(crate) host: String,
    pub(crate) protocol: String,
    /// The server's public key, as it was when it was added.
    pub(crate) fingerprint: Option<String>,
}

impl ServerEntry {
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.protocol, self.host)
    }

    /// Whether a person who types `text` means this server.
    pub(crate) fn is_called(&self, text: &str) -> bool {
        self.nickname.as_deref() == Some(text) || self.host == text
    }

    /// The nickname if there is one.
    pub(crate) fn name(&self) -> &str {
        self.nickname.as_deref().unwrap_or(&self.host)
    }
}

/// The parsed file.
#[derive(Debug, Clone)]
pub(crate) struct CliToml {
    path: PathBuf,
    document: DocumentMut,
}

impl CliToml {
    /// Reads the file; makes it if there is none. Where that cannot be done, what it would hold
    /// is good enough for whoever does not change it.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        if path.exists() {
            return Self::read(path);
        }
        change(path, |_| Ok(())).or_else(|error| {
            note(format_args!("WARNING: {error:#}"));
            Self::parse(path, INITIAL)
        })
    }

    /// Reads the file, if there is one.
    pub(crate) fn load_if_there(path: &Path) -> Result<Option<Self>> {
        path.exists().then(|| Self::read(path)).transpose()
    }

    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the config file {}", path.display()))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let invalid = || format!("config file {} is invalid", path.display());
        let document: DocumentMut = text.parse().with_context(invalid)?;
        let file = CliToml {
            path: path.to_owned(),
            document,
        };
        file.check().with_context(invalid)?;
        Ok(file)
    }

    /// Every key that has a meaning has the right type.
    fn check(&self) -> Result<()> {
        let table = self.document.as_table();
        for key in [DEFAULT_SERVER, WEB_TOKEN, TOKEN, "listen_addr"] {
            text_at(table, key)?;
        }
        self.servers().map(drop)
    }

    /// Changes the file on disk; what was read before does not matter.
    pub(crate) fn update(&mut self, edit: impl FnOnce(&mut CliToml) -> Result<()>) -> Result<()> {
        *self = change(&self.path, edit)?;
        Ok(())
    }

    /// The logins that servers have issued.
    pub(crate) fn server_tokens(&self) -> Result<ServerTokens> {
        ServerTokens::load(&self.path)
    }

    pub(crate) fn default_server(&self) -> Option<String> {
        self.text(DEFAULT_SERVER)
    }

    pub(crate) fn set_default_server(&mut self, name: Option<&str>) {
        self.set_text(DEFAULT_SERVER, name);
    }

    pub(crate) fn token(&self) -> Option<String> {
        self.text(TOKEN)
    }

    pub(crate) fn set_token(&mut self, token: Option<&str>) {
        self.set_text(TOKEN, token);
    }

    /// The session of the account service.
    pub(crate) fn web_session(&self) -> Option<String> {
        self.text(WEB_TOKEN)
    }

    pub(crate) fn set_web_session(&mut self, token: Option<&str>) {
        self.set_text(WEB_TOKEN, token);
    }

    /// Where `spacetime start` listens by default.
    pub(crate) fn listen_addr(&self) -> Option<String> {
        self.text("listen_addr")
    }

    pub(crate) fn servers(&self) -> Result<Vec<ServerEntry>> {
        let Some(item) = self.document.get(SERVERS) else {
            return Ok(Vec::new());
        };
        let Some(tables) = item.as_array_of_tables() else {
            bail!(
                "`{SERVERS}` has to be an array of tables, but is {}",
                item.type_name()
            );
        };
        tables.iter().map(entry).collect()
    }

    pub(crate) fn find_server(&self, called: &str) -> Result<Option<ServerEntry>> {
        let mut servers = self.servers()?.into_iter();
        Ok(servers.find(|server| server.is_called(called)))
    }

    pub(crate) fn add_server(&mut self, server: &ServerEntry) {
        let mut table = Table::new();
        write_entry(&mut table, server);
        let tables = Item::ArrayOfTables(ArrayOfTables::new());
        let tables = self.document.entry(SERVERS).or_insert(tables);
        tables
            .as_array_of_tables_mut()
            .expect("the file was checked when it was read")
            .push(table);
    }

    /// Writes `new` in place of the entry that is called so; false if there is none.
    pub(crate) fn replace_server(&mut self, called: &str, new: &ServerEntry) -> Result<bool> {
        let position = self.position(called)?;
        let tables = self.document.get_mut(SERVERS);
        let tables = tables.and_then(Item::as_array_of_tables_mut);
        match (position, tables) {
            (Some(position), Some(tables)) => {
                let table = tables.get_mut(position).expect("it was just found there");
                write_entry(table, new);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    pub(crate) fn remove_server(&mut self, called: &str) -> Result<bool> {
        let position = self.position(called)?;
        let tables = self.document.get_mut(SERVERS);
        let tables = tables.and_then(Item::as_array_of_tables_mut);
        match (position, tables) {
            (Some(position), Some(tables)) => {
                tables.remove(position);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn position(&self, called: &str) -> Result<Option<usize>> {
        let servers = self.servers()?;
        Ok(servers.iter().position(|server| server.is_called(called)))
    }

    fn text(&self, key: &str) -> Option<String> {
        Some(self.document.get(key)?.as_str()?.to_owned())
    }

    fn set_text(&mut self, key: &str, text: Option<&str>) {
        match text {
            // Assigning to what is there keeps the comment behind it.
            Some(text) => match self.document.get_mut(key).and_then(Item::as_value_mut) {
                Some(old) => {
                    let decor = old.decor().clone();
                    *old = text.into();
                    *old.decor_mut() = decor;
                }
                None => {
                    self.document.insert(key, value(text));
                }
            },
            None => {
                self.document.remove(key);
            }
        }
    }
}

/// Reads, edits and replaces the file while no other process does.
fn change(path: &Path, edit: impl FnOnce(&mut CliToml) -> Result<()>) -> Result<CliToml> {
    let cannot = || format!("cannot save the config file {}", path.display());
    let private = Edit::begin(path).with_context(cannot)?;
    let mut file = match CliToml::load_if_there(path)? {
        Some(file) => file,
        None => CliToml::parse(path, INITIAL)?,
    };
    edit(&mut file)?;
    private
        .replace(&file.document.to_string())
        .with_context(cannot)?;
    note(format_args!("Saving config to {}.", path.display()));
    Ok(file)
}

fn entry(table: &Table) -> Result<ServerEntry> {
    let required = |key: &str| {
        text_at(table, key)?.with_context(|| format!("an entry of `{SERVERS}` has no `{key}`"))
    };
    let (host, protocol) = (required("host")?, required("protocol")?);
    if !["http", "https"].contains(&protocol.as_str()) {
        bail!("`protocol` in an entry of `{SERVERS}` has to be http or https, not `{protocol}`");
    }
    Ok(ServerEntry {
        nickname: text_at(table, "nickname")?,
        host,
        protocol,
        fingerprint: text_at(table, "ecdsa_public_key")?,
    })
}

fn write_entry(table: &mut Table, server: &ServerEntry) {
    let optional = [
        ("nickname", server.nickname.as_deref()),
        ("host", Some(server.host.as_str())),
        ("protocol", Some(server.protocol.as_str())),
        ("ecdsa_public_key", server.fingerprint.as_deref()),
    ];
    for (key, text) in optional {
        match text {
            Some(text) => {
                table.insert(key, value(text));
            }
            None => {
                table.remove(key);
            }
        }
    }
}

fn text_at(table: &Table, key: &str) -> Result<Option<String>> {
    match table.get(key) {
        None => Ok(None),
        Some(item) => match item.as_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => bail!("`{key}` has to be a string, but is {}", item.type_name()),
        },
    }
}

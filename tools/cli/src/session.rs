//! A server, and who we are to it: the HTTP requests of all commands go through here.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use spacetime_types::Identity;

use crate::cli_toml::CliToml;
use crate::output::{note, say};
use crate::paths::Paths;
use crate::server_address;
use crate::trust;
use crate::unreachable;
use crate::web_login;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The flags of every command that talks to a server.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServerFlags {
    /// The server: a nickname, a host, or a URL
    #[arg(long, short = 's', value_name = "SERVER")]
    pub(crate) server: Option<String>,
}

/// Who to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    /// The saved login; a new identity of the server if there is none.
    Me,
    /// Nobody.
    Anonymous,
}

/// Where what there is to know of a login is told.
type Tell = fn(&dyn Display);

/// One server and one login.
#[derive(Debug)]
pub(crate) struct Session {
    http: Client,
    /// Without a slash at its end.
    url: String,
    token: Option<String>,
}

impl Session {
    /// Finds the server out, and logs in to it if need be, without a question.
    pub(crate) async fn open(paths: &Paths, server: Option<&str>, who: As) -> Result<Self> {
        Self::open_asking(paths, server, who, true).await
    }

    /// The same; who has no login, and uses a server elsewhere, is asked whether to log in with an
    /// account, unless `yes`. A server on this machine needs none.
    pub(crate) async fn open_asking(
        paths: &Paths,
        server: Option<&str>,
        who: As,
        yes: bool,
    ) -> Result<Self> {
        Self::open_telling(paths, server, who, yes, |line| say(line)).await
    }

    /// The same for commands whose output is data, which other programs read: what there is to know
    /// of a new login goes elsewhere.
    pub(crate) async fn open_for_data(
        paths: &Paths,
        server: Option<&str>,
        who: As,
        yes: bool,
    ) -> Result<Self> {
        Self::open_telling(paths, server, who, yes, |line| note(line)).await
    }

    async fn open_telling(
        paths: &Paths,
        server: Option<&str>,
        who: As,
        yes: bool,
        tell: Tell,
    ) -> Result<Self> {
        let mut file = CliToml::load(&paths.cli_toml()?)?;
        let mut session = Self::anonymous(&server_address::resolve(&file, server)?)?;
        if who == As::Anonymous {
            return Ok(session);
        }
        session.token = match session.saved_token(&file).await? {
            Some(token) => Some(token),
            None if !yes && !server_address::is_local(&session.url) && web_login::wanted()? => {
                let token = web_login::log_in(web_login::AUTH_HOST, true, &mut file).await?;
                Some(token)
            }
            None => {
                tell(&"You are not logged in: the server gives you an identity.");
                Some(session.log_in_telling(&mut file, tell).await?)
            }
        };
        Ok(session)
    }

    /// A session with the login that is saved, if there is one.
    pub(crate) async fn saved(file: &CliToml, url: &str) -> Result<Self> {
        let mut session = Self::anonymous(url)?;
        session.token = session.saved_token(file).await?;
        Ok(session)
    }

    /// The login that this server has issued, or that with an account. What another server has
    /// issued is shown to no other one, unless that may be the same at another address: both are
    /// this machine, and it knows the login.
    async fn saved_token(&self, file: &CliToml) -> Result<Option<String>> {
        let mut tokens = file.server_tokens()?;
        if let Some(own) = tokens.get(&self.url) {
            return Ok(Some(own.to_owned()));
        }
        let Some(token) = file.token() else {
            return Ok(None);
        };
        if !tokens.holds(&token) {
            return Ok(Some(token));
        }
        let is_local = server_address::is_local;
        let is_near = is_local(&self.url)
            && tokens
                .iter()
                .any(|(url, known)| known == token && is_local(url));
        if !is_near || !self.knows(&token).await? {
            return Ok(None);
        }
        tokens.set(&self.url, &token)?;
        Ok(Some(token))
    }

    /// Whether the server takes a token.
    async fn knows(&self, token: &str) -> Result<bool> {
        let Ok(identity) = identity_of(token) else {
            return Ok(false);
        };
        let verify = self.v1(&format!("identity/{identity}/verify"));
        let answer = self.send(self.http.get(verify).bearer_auth(token)).await?;
        Ok(answer.status().is_success())
    }

    /// A session without a login.
    pub(crate) fn anonymous(url: &str) -> Result<Self> {
        Ok(Session {
            http: http_client(url)?,
            url: url.to_owned(),
            token: None,
        })
    }

    /// Gets an identity from the server and saves its token.
    pub(crate) async fn log_in(&self, file: &mut CliToml) -> Result<String> {
        self.log_in_telling(file, |line| say(line)).await
    }

    async fn log_in_telling(&self, file: &mut CliToml, tell: Tell) -> Result<String> {
        let answer = self.json(self.http.post(self.v1("identity"))).await?;
        let token = answer["token"].as_str();
        let token = token
            .context("the server's new identity has no token")?
            .to_owned();
        tell(&format_args!(
            "This login is for the server at {} only; others do not know it.",
            self.url
        ));
        save_server_login(file, &self.url, &token)?;
        tell_login(&token, tell);
        Ok(token)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Whose token it is.
    pub(crate) fn identity(&self) -> Result<String> {
        let token = self.token.as_deref().context("this session has no login")?;
        identity_of(token).context("the saved token is damaged; run `spacetime login` again")
    }

    fn v1(&self, route: &str) -> String {
        format!("{}/v1/{route}", self.url)
    }

    pub(crate) fn get(&self, route: &str) -> RequestBuilder {
        self.with_token(self.http.get(self.v1(route)))
    }

    pub(crate) fn post(&self, route: &str) -> RequestBuilder {
        self.with_token(self.http.post(self.v1(route)))
    }

    pub(crate) fn put(&self, route: &str) -> RequestBuilder {
        self.with_token(self.http.put(self.v1(route)))
    }

    pub(crate) fn delete(&self, route: &str) -> RequestBuilder {
        self.with_token(self.http.delete(self.v1(route)))
    }

    fn with_token(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends; only a server that does not answer is an error.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response> {
        request.send().await.map_err(|error| {
            let told = unreachable::explain(&self.url, error.is_connect(), &error);
            anyhow!(error).context(told)
        })
    }

    /// Sends, and makes an error of an answer that is not a success.
    pub(crate) async fn success(&self, request: RequestBuilder) -> Result<Response> {
        refuse_failure(self.send(request).await?).await
    }

    /// The JSON body of a success.
    pub(crate) async fn json(&self, request: RequestBuilder) -> Result<Value> {
        let answer = self.success(request).await?;
        let kind = answer.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/json") {
            bail!(
                "the server at {} sent {kind:?} where JSON was expected",
                self.url
            );
        }
        let text = answer.text().await.context("the answer was cut off")?;
        serde_json::from_str(&text).context("the server sent damaged JSON")
    }

    /// The identity, in hex, of the database with this name or identity.
    pub(crate) async fn database(&self, name: &str) -> Result<String> {
        let found = self.find_database(name).await?;
        found.with_context(|| format!("failed to find database `{name}`."))
    }

    /// The same, where it need not exist.
    pub(crate) async fn find_database(&self, name: &str) -> Result<Option<String>> {
        if Identity::from_hex(name).is_ok() {
            return Ok(Some(name.trim_start_matches("0x").to_owned()));
        }
        let route = format!("database/{}/identity", percent_encoded(name));
        let answer = self.send(self.get(&route)).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = refuse_failure(answer).await?;
        let text = answer.text().await.context("the answer was cut off")?;
        Ok(Some(text.trim().to_owned()))
    }
}

/// What sends the requests of all commands, to one server.
pub(crate) fn http_client(url: &str) -> Result<Client> {
    let mut builder = Client::builder();
    if url.starts_with("https:") {
        for authority in trust::own_authorities()? {
            let authority = reqwest::Certificate::from_der(&authority);
            builder = builder.add_root_certificate(authority.context("cannot use a certificate")?);
        }
    }
    builder
        .user_agent(concat!("spacetimedb-cli/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // A server that answers before it has read a large body closes the connection; the next
        // request must not be sent on it.
        .pool_max_idle_per_host(0)
        .build()
        .context("cannot make an HTTP client")
}

/// The body of an answer that is not a success is the error; its status is the cause.
pub(crate) async fn refuse_failure(answer: Response) -> Result<Response> {
    let Err(status) = answer.error_for_status_ref() else {
        return Ok(answer);
    };
    let status = anyhow!(status);
    let server = answer.url().origin().ascii_serialization();
    match answer.text().await {
        Ok(text) if !text.trim().is_empty() => {
            let text = text.trim();
            Err(status.context(format!("{text}{}", login_hint(text, &server))))
        }
        _ => Err(status),
    }
}

/// What to do about a saved login that the server does not accept.
fn login_hint(text: &str, server: &str) -> String {
    if !text.starts_with("Invalid token") {
        return String::new();
    }
    format!(
        "\nThe server does not accept the saved login: it has expired, another server issued it, \
         or the keys of this one are new. `spacetime login --server-issued-login {server}` gets \
         another identity, `spacetime login` one that all servers know."
    )
}

/// Saves a token for all servers and tells whose it is.
pub(crate) fn save_login(file: &mut CliToml, token: &str) -> Result<()> {
    file.server_tokens()?.clear()?;
    set_token(file, token)?;
    tell_login(token, |line| say(line));
    Ok(())
}

/// Saves a token that only the server at `url` knows. Without a login with an account it is also
/// the one that is shown, and tried at other addresses of this machine.
fn save_server_login(file: &mut CliToml, url: &str, token: &str) -> Result<()> {
    let mut tokens = file.server_tokens()?;
    if file.token().is_none_or(|old| tokens.holds(&old)) {
        set_token(file, token)?;
    }
    tokens.set(url, token)
}

fn set_token(file: &mut CliToml, token: &str) -> Result<()> {
    file.update(|file| {
        file.set_web_session(None);
        file.set_token(Some(token));
        Ok(())
    })
}

fn tell_login(token: &str, tell: Tell) {
    match identity_of(token) {
        Ok(identity) => tell(&format_args!("Logged in with identity {identity}")),
        Err(_) => tell(&"Token saved."),
    }
}

/// The identity, in hex, that a token is for, as it says itself.
pub(crate) fn identity_of(token: &str) -> Result<String> {
    let payload = token.split('.').nth(1).context("a token has three parts")?;
    let payload = URL_SAFE_NO_PAD
        .decode(payload.trim_end_matches('='))
        .context("the token's payload is not base64")?;
    let claims: Value = serde_json::from_slice(&payload).context("the payload is not JSON")?;
    if let Some(hex) = claims["hex_identity"].as_str() {
        return Ok(hex.to_owned());
    }
    match (claims["iss"].as_str(), claims["sub"].as_str()) {
        (Some(issuer), Some(subject)) => Ok(Identity::from_claims(issuer, subject).to_hex()),
        _ => bail!("the token does not say who it is for"),
    }
}

/// A path segment: everything but letters, digits, `_` and `-` as `%xx`.
pub(crate) fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Reads a program or another file that was named on the command line.
pub(crate) fn read_file(path: &PathBuf) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Says of a file that it is no program at all, before anything is done with it.
pub(crate) fn check_wasm(path: &Path, bytes: &[u8]) -> Result<()> {
    if !bytes.starts_with(b"\0asm") {
        bail!(
            "{} is no WebAssembly program: it does not begin as one does",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn a_token_tells_its_identity() {
        let hex = "c20035600353a2e93544d898c6ed0eac323e200c0468300f22958f8b472a265d";
        let named = token(&format!(
            r#"{{"hex_identity":"{hex}","iss":"x","sub":"y"}}"#
        ));
        assert_eq!(identity_of(&named).unwrap(), hex);
        let derived = token(r#"{"iss":"localhost","sub":"alice"}"#);
        assert_eq!(identity_of(&derived).unwrap(), hex);
        // The alphabet is the URL-safe one: these bytes give `-` and `_`.
        let odd = token("{\"iss\":\"\u{3ff}\u{fff}?>\",\"sub\":\"~~~\"}");
        assert!(odd.contains('_') || odd.contains('-'), "{odd}");
        identity_of(&odd).unwrap();
        for damaged in ["", "a.b", "a.!!.c", &token("{}"), &token("no")] {
            assert!(identity_of(damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn only_refused_logins_have_a_hint() {
        let hint = login_hint("Invalid token: InvalidSignature", "http://h:1");
        assert!(hint.contains("--server-issued-login http://h:1`"), "{hint}");
        assert_eq!(login_hint("not authorized", "http://h:1"), "");
    }

    #[test]
    fn names_are_encoded_for_a_path() {
        assert_eq!(percent_encoded("my-db_1"), "my-db_1");
        assert_eq!(percent_encoded("a/b c\u{e9}"), "a%2Fb%20c%C3%A9");
    }
}

//! The few HTTP requests that prepare and check a database.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

/// Covers publishing, and a reducer that touches a million rows on a slow build.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(600);
/// A connection that was idle for longer is not used again: servers close theirs after half a
/// minute, and nothing here would notice before a request is lost on it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an error's text is shown.
const ERROR_CHARS_MAX: usize = 2000;

/// A server and who talks to it.
#[derive(Debug)]
pub(crate) struct Http {
    runtime: Runtime,
    client: Client,
    base: Url,
    token: String,
}

/// A call that committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Called {
    /// As the server says; `None` if it does not.
    pub server_time: Option<Duration>,
    /// From the request to the response.
    pub total_time: Duration,
}

/// One statement's answer, as far as it is of interest.
#[derive(Deserialize)]
struct Selected<T> {
    rows: Vec<T>,
}

/// How long a writer thread was busy with one thing, in nanoseconds of processor time.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
pub(crate) struct Pauses {
    pub count: u64,
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    pub longest: u64,
    pub over_1_ms: u64,
}

#[derive(Deserialize)]
struct NewIdentity {
    token: String,
}

impl Http {
    /// Without a token, asks the server for a new identity.
    pub(crate) fn new(server: &str, token: Option<&str>) -> Result<Self> {
        let base = Url::parse(server).with_context(|| format!("{server} is not a URL"))?;
        ensure!(
            base.scheme() == "http",
            "{server}: only http:// is supported"
        );
        let mut http = Self {
            runtime: Builder::new_current_thread().enable_all().build()?,
            client: Client::builder()
                .timeout(REQUEST_TIMEOUT)
                .pool_idle_timeout(IDLE_TIMEOUT)
                .build()?,
            base,
            token: token.unwrap_or_default().to_owned(),
        };
        if token.is_none() {
            let request = http.client.post(http.url("v1/identity")?);
            let answer = http
                .send(request, Response::bytes)
                .context("asking for an identity")?;
            let identity: NewIdentity = serde_json::from_slice(&answer)?;
            http.token = identity.token;
        }
        Ok(http)
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The name and port of the server, as for a `Host` header.
    pub(crate) fn host(&self) -> String {
        let name = self.base.host_str().unwrap_or_default();
        format!("{name}:{}", self.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.base.port_or_known_default().unwrap_or(80)
    }

    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let host = self.host();
        let mut addresses = host
            .to_socket_addrs()
            .with_context(|| format!("resolving {host}"))?;
        addresses
            .next()
            .with_context(|| format!("{host} has no address"))
    }

    /// Publishes a module; what the database held before is gone.
    pub(crate) fn publish(&self, database: &str, module: Vec<u8>) -> Result<()> {
        let url = self.url(&format!("v1/database/{database}?clear=true"))?;
        let request = self.client.put(url).body(module);
        self.send(request, Response::bytes)
            .with_context(|| format!("publishing {database}"))?;
        Ok(())
    }

    pub(crate) fn delete(&self, database: &str) -> Result<()> {
        let url = self.url(&format!("v1/database/{database}"))?;
        self.send(self.client.delete(url), Response::bytes)
            .with_context(|| format!("deleting {database}"))?;
        Ok(())
    }

    /// Calls a reducer; `args` is a JSON array.
    pub(crate) fn call(&self, database: &str, reducer: &str, args: &str) -> Result<Called> {
        let url = self.url(&format!("v1/database/{database}/call/{reducer}"))?;
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json");
        let start = Instant::now();
        let server_time = self
            .send(request.body(args.to_owned()), async |response: Response| {
                let time = response
                    .headers()
                    .get("spacetime-execution-duration-micros");
                let micros = time.and_then(|value| value.to_str().ok()?.parse().ok());
                response.bytes().await?;
                Ok(micros.map(Duration::from_micros))
            })
            .with_context(|| format!("calling {reducer}{args}"))?;
        Ok(Called {
            server_time,
            total_time: start.elapsed(),
        })
    }

    /// The rows of a query, each an array of its columns' values.
    pub(crate) fn select<T: DeserializeOwned>(&self, database: &str, sql: &str) -> Result<Vec<T>> {
        let url = self.url(&format!("v1/database/{database}/sql"))?;
        let request = self.client.post(url).body(sql.to_owned());
        let answer = self
            .send(request, Response::bytes)
            .with_context(|| sql.to_owned())?;
        let mut statements: Vec<Selected<T>> =
            serde_json::from_slice(&answer).with_context(|| format!("the answer to {sql}"))?;
        let statement = statements.pop().filter(|_| statements.is_empty());
        Ok(statement.context("not one answer to one statement")?.rows)
    }

    /// How long the writer of a database was busy with one thing, since the last time it was
    /// asked. `None` if the server does not measure it.
    pub(crate) fn pauses(&self, database: &str) -> Result<Option<Pauses>> {
        let url = self.url(&format!(
            "v1/database/{database}/unstable/pauses?reset=true"
        ))?;
        let request = self.client.get(url);
        Ok(match self.send(request, Response::bytes) {
            Ok(answer) => Some(serde_json::from_slice(&answer)?),
            Err(_not_measured) => None,
        })
    }

    fn url(&self, path: &str) -> Result<Url> {
        Ok(self.base.join(path)?)
    }

    fn send<T, F>(&self, request: RequestBuilder, read: impl FnOnce(Response) -> F) -> Result<T>
    where
        F: Future<Output = reqwest::Result<T>>,
    {
        let request = match self.token.as_str() {
            "" => request,
            token => request.bearer_auth(token),
        };
        self.runtime.block_on(async {
            let response = request.send().await?;
            let status = response.status();
            if status.is_success() {
                return Ok(read(response).await?);
            }
            let text = response.text().await.unwrap_or_default();
            let text: String = text.chars().take(ERROR_CHARS_MAX).collect();
            bail!("{status}: {text}")
        })
    }
}

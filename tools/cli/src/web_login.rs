//! Logging in with an account: a page in a browser is approved, and this program waits for it.
//!
//! The account service hands out a request token, which the page is opened with; when the person
//! has approved it there, the service gives a session, and for that the token that servers take.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::cli_toml::CliToml;
use crate::output::say;
use crate::prompt::yes_or_no;
use crate::session::{http_client, percent_encoded, refuse_failure, save_login};

/// The account service.
pub(crate) const AUTH_HOST: &str = "https://spacetimedb.com";
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait for the approval; the page's own request token has an end too.
const APPROVAL_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// A logout does not wait longer for a service that may be gone.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(5);
/// What opens a page, by platform.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

/// Asks whether to log in like this. Nobody's answer is a no.
pub(crate) fn wanted() -> Result<bool> {
    yes_or_no(
        false,
        "You are not logged in. Would you like to log in with spacetimedb.com?",
    )
}

/// Logs in, saves both tokens, and returns the one for servers.
pub(crate) async fn log_in(host: &str, opens: bool, file: &mut CliToml) -> Result<String> {
    let host = host.trim_end_matches('/');
    let http = http_client(host)?;
    let request = http.post(format!("{host}/api/auth/cli/login/request-token"));
    let request_token = text_at(&answer(request).await?, &["data", "token"])?;
    let page = format!("{host}/login/cli?token={}", percent_encoded(&request_token));
    if opens && open_page(&page) {
        say(format_args!("Opening {page} in your browser."));
    } else {
        say(format_args!("Open this page in a browser:\n{page}"));
    }
    say("Waiting for the login ..");
    let status = format!(
        "{host}/api/auth/cli/status?token={}",
        percent_encoded(&request_token)
    );
    let start = Instant::now();
    let session = loop {
        if start.elapsed() > APPROVAL_TIMEOUT {
            bail!("nobody approved the login on the page; run `spacetime login` again");
        }
        tokio::time::sleep(POLL_INTERVAL).await;
        let state = answer(http.get(&status)).await?;
        if state["data"]["approved"].as_bool() == Some(true) {
            break text_at(&state, &["data", "sessionToken"])?;
        }
    };
    let request = http
        .post(format!("{host}/api/spacetimedb-token"))
        .bearer_auth(&session);
    let answered = answer(request).await?;
    let token = match text_at(&answered, &["data", "token"]) {
        Ok(token) => token,
        Err(_) => text_at(&answered, &["token"])?,
    };
    save_login(file, &token)?;
    file.update(|file| {
        file.set_web_session(Some(&session));
        Ok(())
    })?;
    Ok(token)
}

/// Tells the service that the session has ended; it does not matter whether it hears.
pub(crate) async fn log_out(host: &str, session: &str) {
    let Ok(http) = http_client(host) else { return };
    let url = format!("{}/api/auth/cli/logout", host.trim_end_matches('/'));
    let request = http.post(url).bearer_auth(session).timeout(LOGOUT_TIMEOUT);
    drop(request.send().await);
}

async fn answer(request: RequestBuilder) -> Result<Value> {
    let answer = request
        .send()
        .await
        .context("the login service does not answer")?;
    let text = refuse_failure(answer).await?.text().await;
    let text = text.context("the login service's answer was cut off")?;
    serde_json::from_str(&text).context("the login service sent damaged JSON")
}

fn text_at(answer: &Value, path: &[&str]) -> Result<String> {
    let found = path.iter().try_fold(answer, |value, key| value.get(key));
    let text = found.and_then(Value::as_str);
    Ok(text
        .with_context(|| format!("the login service's answer has no {}", path.join(".")))?
        .to_owned())
}

fn open_page(page: &str) -> bool {
    OPENERS.iter().any(|program| {
        let started = Command::new(program)
            .arg(page)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        started.is_ok_and(|status| status.success())
    })
}

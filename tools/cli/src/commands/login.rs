//! `spacetime login` and `logout`: who one is to servers.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use crate::cli_toml::CliToml;
use crate::output::say;
use crate::paths::Paths;
use crate::server_address;
use crate::session::{Session, identity_of, save_login};
use crate::web_login;

/// The flags of `login`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct LoginArguments {
    /// Use this token from now on
    #[arg(long, value_name = "JWT", conflicts_with = "server_issued_login")]
    token: Option<String>,
    /// Get a new identity from this server, which only it knows
    #[arg(long, value_name = "SERVER")]
    server_issued_login: Option<String>,
    /// Where to log in with a browser
    #[arg(
        long,
        value_name = "URL",
        default_value = web_login::AUTH_HOST,
        conflicts_with_all = ["token", "server_issued_login"]
    )]
    auth_host: String,
    /// Print the page's address instead of opening a browser
    #[arg(long)]
    no_browser: bool,
    #[command(subcommand)]
    show: Option<LoginCommand>,
}

#[derive(Debug, Subcommand)]
enum LoginCommand {
    /// Show the current login
    Show {
        /// Show the token too
        #[arg(long)]
        token: bool,
    },
}

/// The flags of `logout`.
#[derive(Debug, Args)]
pub(crate) struct LogoutArguments {
    /// Where the login was made
    #[arg(long, value_name = "URL", default_value = web_login::AUTH_HOST)]
    auth_host: String,
}

/// Logs in, or shows the login.
pub(crate) async fn login(paths: &Paths, arguments: &LoginArguments) -> Result<()> {
    let mut file = CliToml::load(&paths.cli_toml()?)?;
    if let Some(LoginCommand::Show { token }) = arguments.show {
        return show(&file, token);
    }
    if let Some(token) = &arguments.token {
        let token = token.trim();
        if token.is_empty() {
            bail!("the token is empty; `spacetime logout` forgets a login");
        }
        return save_login(&mut file, token);
    }
    if let Some(server) = &arguments.server_issued_login {
        let url = server_address::resolve(&file, Some(server))?;
        return Session::anonymous(&url)?.log_in(&mut file).await.map(drop);
    }
    if file.token().is_some() {
        forget(&mut file, &arguments.auth_host).await?;
    }
    let opens = !arguments.no_browser;
    web_login::log_in(&arguments.auth_host, opens, &mut file)
        .await
        .map(drop)
}

/// Forgets the login.
pub(crate) async fn logout(paths: &Paths, arguments: &LogoutArguments) -> Result<()> {
    let mut file = CliToml::load(&paths.cli_toml()?)?;
    if file.token().is_none() {
        say("You are not logged in.");
        return Ok(());
    }
    forget(&mut file, &arguments.auth_host).await
}

/// Ends the session at the account service, if there is one, and forgets both tokens.
async fn forget(file: &mut CliToml, auth_host: &str) -> Result<()> {
    if let Some(session) = file.web_session() {
        web_login::log_out(auth_host, &session).await;
    }
    let token = file.token().unwrap_or_default();
    file.server_tokens()?.clear()?;
    file.update(|file| {
        file.set_web_session(None);
        file.set_token(None);
        Ok(())
    })?;
    match identity_of(&token) {
        Ok(identity) => say(format_args!("Logged out (identity {identity}).")),
        Err(_) => say("Logged out."),
    }
    Ok(())
}

fn show(file: &CliToml, with_token: bool) -> Result<()> {
    let Some(token) = file.token() else {
        say("You are not logged in. Run `spacetime login` to log in.");
        return Ok(());
    };
    match identity_of(&token) {
        Ok(identity) => say(format_args!("You are logged in as {identity}")),
        Err(_) => say("You are logged in, with a token that does not say who it is for"),
    }
    if with_token {
        say(format_args!(
            "Your auth token (don't share this!) is {token}"
        ));
    }
    let tokens = file.server_tokens()?;
    for (url, own) in tokens.iter().filter(|(_, own)| *own != token) {
        match identity_of(own) {
            Ok(identity) => say(format_args!("At {url} you are {identity}")),
            Err(_) => say(format_args!("At {url} you have another login")),
        }
        if with_token {
            say(format_args!("Your auth token there is {own}"));
        }
    }
    Ok(())
}

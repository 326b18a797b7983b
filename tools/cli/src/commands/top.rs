//! `spacetime top`: what a server does, as it does it.
//!
//! Everything comes from the numbers that the server shows to everybody (`/v1/metrics`): rates are
//! differences of its counters between two looks.
//!
//! Not here: what single queries cost (the owner of a database sees that elsewhere).

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::cli_toml::CliToml;
use crate::output::say;
use crate::paths::Paths;
use crate::server_address::resolve;
use crate::session::{ServerFlags, Session};

mod sample;
mod screen;
mod view;

use sample::{Activity, Names, Sample};
use screen::{Key, Screen};
use view::{Order, View};

/// Shortest time between two looks.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// The flags of `top`.
#[derive(Debug, Args)]
pub(crate) struct TopArguments {
    #[command(flatten)]
    server: ServerFlags,
    /// Time between two looks, in seconds
    #[arg(long, short = 'i', value_name = "SECONDS", default_value_t = 1.0)]
    interval: f64,
    /// Look twice, print what happened in between, and end; so it is without a terminal
    #[arg(long)]
    once: bool,
    /// How that is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Forms of one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table
    Text,
    /// One object
    Json,
}

/// Shows it until it is told to end.
pub(crate) async fn run(paths: &Paths, arguments: &TopArguments) -> Result<()> {
    let interval = Duration::try_from_secs_f64(arguments.interval)
        .context("--interval is not a number of seconds")?;
    if interval < INTERVAL_MIN {
        bail!("--interval is at least {} s", INTERVAL_MIN.as_secs_f64());
    }
    let file = CliToml::load(&paths.cli_toml()?)?;
    let url = resolve(&file, arguments.server.server.as_deref())?;
    let session = Session::anonymous(&url)?;
    let mut names = Names::default();
    let first = Sample::take(&session, &mut names).await?;
    let is_live = !arguments.once
        && arguments.format == Format::Text
        && std::io::stdout().is_terminal()
        && std::io::stdin().is_terminal();
    if is_live {
        return live(&session, &url, interval, first, names).await;
    }
    tokio::time::sleep(interval).await;
    let second = Sample::take(&session, &mut names).await?;
    let activity = Activity::between(&first, &second, &names);
    match arguments.format {
        Format::Json => say(activity.to_json(&url)),
        Format::Text => {
            let view = View::new(&url, Order::default());
            say(view.lines(&activity, usize::MAX, usize::MAX).join("\n"));
        }
    }
    Ok(())
}

/// The view that fills the terminal.
async fn live(
    session: &Session,
    url: &str,
    interval: Duration,
    first: Sample,
    mut names: Names,
) -> Result<()> {
    let mut screen = Screen::open()?;
    let mut view = View::new(url, Order::default());
    let mut last = first;
    let mut activity = Activity::between(&last, &last, &names);
    let mut is_paused = false;
    screen.draw(&view, &activity)?;
    let mut next_look = tokio::time::Instant::now() + interval;
    loop {
        tokio::select! {
            key = screen.key() => match key {
                Key::Quit => return Ok(()),
                Key::Order => view.order = view.order.next(),
                Key::Pause => is_paused = !is_paused,
            },
            () = tokio::time::sleep_until(next_look) => {
                next_look = tokio::time::Instant::now() + interval;
                if is_paused {
                    continue;
                }
                match Sample::take(session, &mut names).await {
                    Ok(now) => {
                        activity = Activity::between(&last, &now, &names);
                        last = now;
                        view.trouble = None;
                    }
                    // A server that is restarted is there again soon.
                    Err(failure) => view.trouble = Some(failure.to_string()),
                }
            }
        }
        view.is_paused = is_paused;
        screen.draw(&view, &activity)?;
    }
}

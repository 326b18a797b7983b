//! A bar on the terminal while databases are brought back from their logs.
//!
//! Where there is no terminal there is no bar: the server's log has a line every few seconds
//! instead. A replay that is over soon shows none either.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use spacetime_durability::{ReplayProgress, Replaying};

/// Replays shorter than this are not worth a bar.
const SHOW_AFTER: Duration = Duration::from_millis(500);

/// The bar of all replays of a start. They come one after another, or share it.
#[derive(Debug)]
pub(super) struct ReplayBar {
    bar: ProgressBar,
}

impl ReplayBar {
    /// A bar if stderr is a terminal.
    pub(super) fn for_terminal() -> Option<ReplayBar> {
        std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let template = "replaying {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {msg} {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            ReplayBar { bar }
        })
    }

    /// What moves the bar.
    pub(super) fn progress(&self) -> ReplayProgress {
        let (bar, started) = (self.bar.clone(), Instant::now());
        ReplayProgress::new(move |replaying: &Replaying| {
            let seconds = started.elapsed();
            if seconds < SHOW_AFTER {
                return;
            }
            let replayed = replaying.replayed;
            let rate = replayed.transactions as f64 / seconds.as_secs_f64();
            bar.set_length(replaying.bytes_in_all);
            bar.set_message(format!("{rate:.0} transactions/s"));
            bar.set_position(replayed.record_bytes.min(replaying.bytes_in_all));
        })
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

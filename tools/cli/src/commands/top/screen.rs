//! The terminal while `top` has it: full screen, and keys one by one.

use std::io::{Read as _, Write as _};

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use super::sample::Activity;
use super::view::View;
use crate::terminal::{KeyMode, size};

/// The line with the names of the columns.
const HEADER_LINE: usize = 2;

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const REVERSE: &str = "\x1b[7m";
const PLAIN: &str = "\x1b[0m";
const CLEAR_REST_OF_LINE: &str = "\x1b[K";

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Order,
    Pause,
}

/// The terminal, until it is dropped.
pub(super) struct Screen {
    _mode: KeyMode,
    keys: mpsc::UnboundedReceiver<Key>,
}

impl Screen {
    pub(super) fn open() -> Result<Self> {
        let (send, keys) = mpsc::unbounded_channel();
        let screen = Screen {
            _mode: KeyMode::enter(true).context("use --once")?,
            keys,
        };
        // Ends with the program: nothing can interrupt a read of the standard input.
        std::thread::spawn(move || {
            let bytes = std::io::stdin().lock().bytes();
            for byte in bytes.map_while(Result::ok) {
                if meaning(byte).is_some_and(|key| send.send(key).is_err()) {
                    break;
                }
            }
        });
        write(ENTER)?;
        Ok(screen)
    }

    /// The next key that means something. Ctrl-C is one; the end of the input is, too.
    pub(super) async fn key(&mut self) -> Key {
        tokio::select! {
            key = self.keys.recv() => key.unwrap_or(Key::Quit),
            _ = tokio::signal::ctrl_c() => Key::Quit,
        }
    }

    pub(super) fn draw(&mut self, view: &View, activity: &Activity) -> Result<()> {
        let (width, height) = size();
        let mut lines = view.lines(activity, width, height.saturating_sub(1));
        lines.resize(height.saturating_sub(1), String::new());
        lines.push(view.footer().chars().take(width).collect());
        let mut text = String::new();
        for (at, line) in lines.iter().enumerate() {
            let is_bar = at == HEADER_LINE || at + 1 == lines.len();
            let (before, after) = if is_bar { (REVERSE, PLAIN) } else { ("", "") };
            let row = at + 1;
            text.push_str(&format!(
                "\x1b[{row};1H{before}{line}{after}{CLEAR_REST_OF_LINE}"
            ));
        }
        write(&text)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing given back.
        drop(write(LEAVE));
    }
}

fn meaning(byte: u8) -> Option<Key> {
    match byte {
        b'q' | 0x03 | 0x1b => Some(Key::Quit),
        b's' => Some(Key::Order),
        b'p' => Some(Key::Pause),
        _ => None,
    }
}

fn write(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("the terminal is gone")
}

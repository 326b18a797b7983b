//! The lines of before, in a file with one a line.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Lines that are kept.
const LINES_MAX: usize = 10_000;

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    path: Option<PathBuf>,
    lines: Vec<String>,
}

impl History {
    /// A file that cannot be read has no lines.
    pub(super) fn load(path: Option<PathBuf>) -> Self {
        let text = path
            .as_ref()
            .and_then(|path| std::fs::read_to_string(path).ok());
        let lines = text.unwrap_or_default();
        let lines = lines.lines().map(str::to_owned).collect();
        History { path, lines }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn line(&self, place: usize) -> Option<&str> {
        self.lines.get(place).map(String::as_str)
    }

    /// Takes a line up, unless it says nothing new or starts with a space.
    pub(super) fn add(&mut self, line: &str) {
        let is_secret = line.starts_with(' ');
        if line.trim().is_empty() || is_secret || self.lines.last().is_some_and(|it| it == line) {
            return;
        }
        self.lines.push(line.to_owned());
    }

    pub(super) fn save(&self) -> Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let first = self.lines.len().saturating_sub(LINES_MAX);
        let mut text = self.lines[first..].join("\n");
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_once_and_secrets_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let mut history = History::load(Some(path.clone()));
        for line in ["a", "a", "", " secret", "b", "a"] {
            history.add(line);
        }
        history.save().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb\na\n");
        let again = History::load(Some(path));
        assert_eq!(
            (again.len(), again.line(1), again.line(3)),
            (3, Some("b"), None)
        );
    }
}

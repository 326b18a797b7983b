//! A line and the cursor in it.
//!
//! Invariant: the cursor is between two letters, or at an end.

use super::keys::Key;

/// Letters, and how many of them are before the cursor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    letters: Vec<char>,
    cursor: usize,
}

impl Line {
    pub(super) fn text(&self) -> String {
        self.letters.iter().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// What is before the cursor.
    pub(super) fn before(&self) -> String {
        self.letters[..self.cursor].iter().collect()
    }

    /// Another line, with the cursor at its end.
    pub(super) fn set(&mut self, text: &str) {
        self.letters = text.chars().collect();
        self.cursor = self.letters.len();
    }

    /// Puts `text` in the place of what is before the cursor from byte `start` on.
    pub(super) fn replace_before(&mut self, start: usize, text: &str) {
        let before = self.before();
        let kept = before.get(..start).unwrap_or(&before);
        let mut letters: Vec<char> = kept.chars().chain(text.chars()).collect();
        let cursor = letters.len();
        letters.extend_from_slice(&self.letters[self.cursor..]);
        *self = Line { letters, cursor };
    }

    /// The letter under the cursor goes.
    pub(super) fn delete(&mut self) {
        if self.cursor < self.letters.len() {
            self.letters.remove(self.cursor);
        }
    }

    /// What a key does to a line; those that do something else do nothing.
    pub(super) fn apply(&mut self, key: Key) {
        match key {
            Key::Letter(letter) => {
                self.letters.insert(self.cursor, letter);
                self.cursor += 1;
            }
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(self.letters.len()),
            Key::WordLeft => self.cursor = self.word_start(),
            Key::WordRight => self.cursor = self.word_end(),
            Key::Start => self.cursor = 0,
            Key::Finish => self.cursor = self.letters.len(),
            Key::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.letters.remove(self.cursor);
            }
            Key::Delete => self.delete(),
            Key::KillWord => self.kill(self.word_start()),
            Key::KillToStart => self.kill(0),
            Key::KillToEnd => self.letters.truncate(self.cursor),
            _ => {}
        }
    }

    /// What is between `start` and the cursor goes.
    fn kill(&mut self, start: usize) {
        self.letters.drain(start..self.cursor);
        self.cursor = start;
    }

    fn word_start(&self) -> usize {
        let before = &self.letters[..self.cursor];
        let word = before
            .iter()
            .rposition(|it| it.is_alphanumeric())
            .map_or(0, |at| at + 1);
        let start = before[..word].iter().rposition(|it| !it.is_alphanumeric());
        start.map_or(0, |at| at + 1)
    }

    fn word_end(&self) -> usize {
        let after = &self.letters[self.cursor..];
        let word = after
            .iter()
            .position(|it| it.is_alphanumeric())
            .unwrap_or(after.len());
        let end = after[word..].iter().position(|it| !it.is_alphanumeric());
        self.cursor + word + end.unwrap_or(after.len() - word)
    }

    /// How far to scroll so that the cursor is seen in so many columns.
    pub(super) fn offset_for(&self, offset: usize, room: usize) -> usize {
        let mut offset = offset.min(self.cursor);
        while self.width_before(offset) > room {
            offset += 1;
        }
        offset
    }

    /// Columns from there to the cursor.
    pub(super) fn width_before(&self, offset: usize) -> usize {
        let shown = self.letters.get(offset..self.cursor).unwrap_or_default();
        shown.iter().map(|letter| width(*letter)).sum()
    }

    /// What is seen from there on in so many columns.
    pub(super) fn window(&self, offset: usize, room: usize) -> String {
        let mut used = 0;
        let fits = |letter: &&char| {
            used += width(**letter);
            used <= room
        };
        self.letters.iter().skip(offset).take_while(fits).collect()
    }
}

/// Columns that a text takes.
pub(super) fn width_of(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// Two for ideographs and pictures, none for marks on other letters.
fn width(letter: char) -> usize {
    match u32::from(letter) {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, keys: &[Key]) -> (String, usize) {
        let mut line = Line::default();
        line.set(text);
        for key in keys {
            line.apply(*key);
        }
        (line.text(), line.cursor)
    }

    #[test]
    fn keys_change_the_line() {
        use Key::*;
        let check = |text: &str, keys: &[Key], expected: &str, cursor: usize| {
            assert_eq!(line(text, keys), (expected.to_owned(), cursor), "{keys:?}");
        };
        check("ab", &[Left, Letter('x')], "axb", 2);
        check("ab", &[Start, Left, Delete], "b", 0);
        check("ab", &[Backspace, Backspace, Backspace], "", 0);
        check("ab", &[Right, Delete], "ab", 2);
        check("SELECT a_b", &[KillWord], "SELECT a_", 9);
        check("one two  ", &[KillWord], "one ", 4);
        check("one two", &[Start, WordRight, KillToEnd], "one", 3);
        check("one two", &[WordLeft, KillToStart], "two", 0);
        check("\u{e9}a", &[Start, Right, Backspace], "a", 0);
        check(
            "",
            &[WordLeft, WordRight, KillWord, Delete, Left, Right],
            "",
            0,
        );
    }

    #[test]
    fn words_are_completed_in_place() {
        let mut line = Line::default();
        line.set("SELECT pe, 1");
        for _ in 0..3 {
            line.apply(Key::Left);
        }
        line.replace_before(7, "person");
        assert_eq!(line.text(), "SELECT person, 1");
        assert_eq!(line.before(), "SELECT person");
    }

    #[test]
    fn the_cursor_is_always_seen() {
        let mut line = Line::default();
        line.set("0123456789");
        let offset = line.offset_for(0, 4);
        assert_eq!((offset, line.window(offset, 4).as_str()), (6, "6789"));
        line.apply(Key::Start);
        assert_eq!(line.offset_for(offset, 4), 0);
        line.set("\u{4e00}\u{4e01}a");
        assert_eq!(line.width_before(0), 5);
        assert_eq!(line.window(0, 3), "\u{4e00}");
        assert_eq!(width_of("\u{1fa90}db> "), 6);
    }
}

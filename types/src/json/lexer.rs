//! JSON tokens, straight from the text.

use super::JsonError;
use crate::bsatn::DEPTH_MAX;

/// A position in a JSON text. The grammar is strict: no trailing commas, comments or raw control
/// characters in strings.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    offset: usize,
    depth: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Lexer {
            text,
            offset: 0,
            depth: 0,
        }
    }

    /// An error here.
    pub(super) fn error(&self, message: impl Into<String>) -> JsonError {
        let before = &self.text.as_bytes()[..self.offset];
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        JsonError {
            message: message.into(),
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: self.offset - line_start + 1,
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    /// The next byte that is not white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.offset) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.offset += 1;
        }
        None
    }

    /// Steps over `byte` if it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.offset += 1;
        }
        found
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.eat(byte) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{}`", char::from(byte))))
    }

    pub(super) fn unexpected(&mut self, expected: &str) -> JsonError {
        match self.peek() {
            Some(_) => {
                let found: String = self.rest().chars().take(1).collect();
                self.error(format!("unexpected `{found}`, expected {expected}"))
            }
            None => self.error(format!("unexpected end of input, expected {expected}")),
        }
    }

    pub(super) fn finish(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(_) => Err(self.error("trailing characters")),
            None => Ok(()),
        }
    }

    /// Steps over the word `true`, `false` or `null` if it is next.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let starts = self.peek().is_some() && self.rest().starts_with(word);
        let after = self.rest().as_bytes().get(word.len());
        let found = starts && !after.is_some_and(u8::is_ascii_alphanumeric);
        if found {
            self.offset += word.len();
        }
        found
    }

    /// Enters an object or array; `leave` must follow.
    pub(super) fn enter(&mut self) -> Result<(), JsonError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.error("recursion limit exceeded"));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// The text of a number: `-?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?`.
    pub(super) fn number(&mut self) -> Result<&'a str, JsonError> {
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.unexpected("a number"));
        }
        let start = self.offset;
        self.eat_here(b"-");
        let leading_zero = self.next_byte() == Some(b'0');
        let digit_count = self.skip_digits();
        if digit_count == 0 || (leading_zero && digit_count > 1) {
            return Err(self.error("invalid number"));
        }
        if self.eat_here(b".") && self.skip_digits() == 0 {
            return Err(self.error("invalid number"));
        }
        if self.eat_here(b"eE") {
            self.eat_here(b"+-");
            if self.skip_digits() == 0 {
                return Err(self.error("invalid number"));
            }
        }
        Ok(&self.text[start..self.offset])
    }

    fn next_byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn eat_here(&mut self, wanted: &[u8]) -> bool {
        let found = self.next_byte().is_some_and(|byte| wanted.contains(&byte));
        if found {
            self.offset += 1;
        }
        found
    }

    fn skip_digits(&mut self) -> usize {
        let start = self.offset;
        while self.next_byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.offset += 1;
        }
        self.offset - start
    }

    /// A string, without its quotes and escapes.
    pub(super) fn string(&mut self) -> Result<std::borrow::Cow<'a, str>, JsonError> {
        if !self.eat(b'"') {
            return Err(self.unexpected("a string"));
        }
        let plain = self.plain_characters()?;
        if self.eat_here(b"\"") {
            return Ok(plain.into());
        }
        let mut out = plain.to_owned();
        loop {
            if self.eat_here(b"\"") {
                return Ok(out.into());
            }
            self.offset += 1; // the backslash at which `plain_characters` stopped
            out.push(self.escape()?);
            out.push_str(self.plain_characters()?);
        }
    }

    /// Everything up to a quote or a backslash.
    fn plain_characters(&mut self) -> Result<&'a str, JsonError> {
        let start = self.offset;
        while let Some(byte) = self.next_byte() {
            match byte {
                b'"' | b'\\' => return Ok(&self.text[start..self.offset]),
                0..=0x1f => return Err(self.error("control character in a string")),
                _ => self.offset += 1,
            }
        }
        Err(self.error("unexpected end of input in a string"))
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let Some(byte) = self.next_byte() else {
            return Err(self.error("unexpected end of input in a string"));
        };
        let character = match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.offset += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.error("invalid escape")),
        };
        self.offset += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.four_hex_digits()?;
        let mut code_point = first;
        if (0xd800..0xdc00).contains(&first) {
            if !(self.eat_here(b"\\") && self.eat_here(b"u")) {
                return Err(self.error("lone surrogate in a string"));
            }
            let second = self.four_hex_digits()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(self.error("lone surrogate in a string"));
            }
            code_point = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        }
        char::from_u32(code_point).ok_or_else(|| self.error("lone surrogate in a string"))
    }

    fn four_hex_digits(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.as_bytes().get(self.offset..self.offset + 4);
        let mut number = 0;
        for digit in digits.unwrap_or_default() {
            let Some(digit) = char::from(*digit).to_digit(16) else {
                return Err(self.error("invalid escape"));
            };
            number = number * 16 + digit;
        }
        if digits.is_none() {
            return Err(self.error("unexpected end of input in a string"));
        }
        self.offset += 4;
        Ok(number)
    }
}

//! Keys, from the bytes that a terminal sends.

/// What a key means on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Letter(char),
    Enter,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    End,
    Complete,
    /// Ctrl-L.
    Clear,
    Up,
    Down,
    Left,
    Right,
    WordLeft,
    WordRight,
    Start,
    Finish,
    Backspace,
    Delete,
    KillWord,
    KillToStart,
    KillToEnd,
}

/// Longest sequence that is read as one key.
const SEQUENCE_MAX: usize = 8;

/// The keys of a stream of bytes; bytes that mean nothing are read over.
pub(super) struct Keys<B> {
    bytes: B,
}

impl<B: Iterator<Item = u8>> Keys<B> {
    pub(super) fn new(bytes: B) -> Self {
        Keys { bytes }
    }

    fn letter(&mut self, first: u8) -> Option<Key> {
        let more = match first {
            0x20..=0x7e => 0,
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => return None,
        };
        let mut encoded = vec![first];
        for _ in 0..more {
            encoded.push(self.bytes.next()?);
        }
        let letter = std::str::from_utf8(&encoded).ok()?.chars().next()?;
        Some(Key::Letter(letter))
    }

    /// What follows an escape.
    fn sequence(&mut self) -> Option<Key> {
        match self.bytes.next()? {
            b'b' => Some(Key::WordLeft),
            b'f' => Some(Key::WordRight),
            0x7f => Some(Key::KillWord),
            b'[' | b'O' => {
                let mut sequence = Vec::new();
                while sequence.len() < SEQUENCE_MAX {
                    let byte = self.bytes.next()?;
                    sequence.push(byte);
                    if (0x40..=0x7e).contains(&byte) {
                        break;
                    }
                }
                named(&sequence)
            }
            _ => None,
        }
    }
}

fn named(sequence: &[u8]) -> Option<Key> {
    Some(match sequence {
        b"A" => Key::Up,
        b"B" => Key::Down,
        b"C" => Key::Right,
        b"D" => Key::Left,
        b"H" | b"1~" | b"7~" => Key::Start,
        b"F" | b"4~" | b"8~" => Key::Finish,
        b"3~" => Key::Delete,
        b"1;5C" | b"1;3C" => Key::WordRight,
        b"1;5D" | b"1;3D" => Key::WordLeft,
        _ => return None,
    })
}

impl<B: Iterator<Item = u8>> Iterator for Keys<B> {
    type Item = Key;

    fn next(&mut self) -> Option<Key> {
        loop {
            let byte = self.bytes.next()?;
            let key = match byte {
                b'\r' | b'\n' => Some(Key::Enter),
                b'\t' => Some(Key::Complete),
                0x01 => Some(Key::Start),
                0x02 => Some(Key::Left),
                0x03 => Some(Key::Interrupt),
                0x04 => Some(Key::End),
                0x05 => Some(Key::Finish),
                0x06 => Some(Key::Right),
                0x08 | 0x7f => Some(Key::Backspace),
                0x0b => Some(Key::KillToEnd),
                0x0c => Some(Key::Clear),
                0x0e => Some(Key::Down),
                0x10 => Some(Key::Up),
                0x15 => Some(Key::KillToStart),
                0x17 => Some(Key::KillWord),
                0x1b => self.sequence(),
                first => self.letter(first),
            };
            if key.is_some() {
                return key;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_keys_and_the_rest_is_read_over() {
        let keys = |bytes: &[u8]| Keys::new(bytes.iter().copied()).collect::<Vec<Key>>();
        assert_eq!(
            keys(b"a\x1b[A\x1b[3~\x1b[1;5D\x1bOH\x7f\r"),
            [
                Key::Letter('a'),
                Key::Up,
                Key::Delete,
                Key::WordLeft,
                Key::Start,
                Key::Backspace,
                Key::Enter
            ]
        );
        assert_eq!(
            keys("\u{e9}\u{1fa90}".as_bytes()),
            [Key::Letter('\u{e9}'), Key::Letter('\u{1fa90}')]
        );
        assert_eq!(keys(b"\xff\x00\x1b[200~x"), [Key::Letter('x')]);
        for cut in [&b"\x1b"[..], b"\x1b[", b"\xf0\x9f"] {
            assert_eq!(keys(cut), []);
        }
    }
}

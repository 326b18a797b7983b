//! The names that a WebAssembly program imports and exports.
//!
//! Invariant: any bytes can be read; what is not a program has no names.

/// All of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

const HEADER: &[u8; 8] = b"\0asm\x01\0\0\0";
const IMPORT_SECTION: u8 = 2;
const EXPORT_SECTION: u8 = 7;

/// Reads as far as it makes sense.
pub(super) fn names(program: &[u8]) -> Names {
    let mut names = Names::default();
    let Some(mut rest) = program.strip_prefix(HEADER).map(Bytes) else {
        return names;
    };
    while let Some((kind, section)) = rest.section() {
        let mut section = Bytes(section);
        match kind {
            IMPORT_SECTION => drop(section.imports(&mut names.imports)),
            EXPORT_SECTION => drop(section.exports(&mut names.exports)),
            _ => {}
        }
    }
    names
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// LEB128, of at most 64 bits.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn section(&mut self) -> Option<(u8, &'a [u8])> {
        Some((self.byte()?, self.take()?))
    }

    fn name(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.take()?).into_owned())
    }

    fn imports(&mut self, names: &mut Vec<String>) -> Option<()> {
        for _ in 0..self.number()? {
            self.name()?;
            names.push(self.name()?);
            match self.byte()? {
                // A function, by its type.
                0 => drop(self.number()?),
                1 => {
                    self.byte()?;
                    self.limits()?;
                }
                2 => self.limits()?,
                3 => {
                    self.byte()?;
                    self.byte()?;
                }
                4 => {
                    self.byte()?;
                    self.number()?;
                }
                _ => return None,
            }
        }
        Some(())
    }

    fn limits(&mut self) -> Option<()> {
        let flags = self.byte()?;
        self.number()?;
        if flags & 1 == 1 {
            self.number()?;
        }
        Some(())
    }

    fn exports(&mut self, names: &mut Vec<String>) -> Option<()> {
        for _ in 0..self.number()? {
            names.push(self.name()?);
            self.byte()?;
            self.number()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Imports the function `m.f` and the memory `m.g`, and exports `x`.
    const SMALL: &[u8] = b"\0asm\x01\0\0\0\
        \x01\x04\x01\x60\0\0\
        \x02\x0e\x02\x01m\x01f\0\0\x01m\x01g\x02\0\x01\
        \x07\x05\x01\x01x\0\0";

    #[test]
    fn names_are_found_and_damage_ends_quietly() {
        let found = names(SMALL);
        assert_eq!(found.imports, ["f", "g"]);
        assert_eq!(found.exports, ["x"]);
        for end in 0..SMALL.len() {
            let cut = names(&SMALL[..end]);
            assert!(cut.imports.len() <= 2 && cut.exports.len() <= 1);
        }
        let endless = b"\0asm\x01\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(names(endless), Names::default());
        assert_eq!(names(b"no program"), Names::default());
    }
}

//! Checked access to a guest's linear memory. Every address from a guest goes through here.

/// A pointer that a guest must not hand over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("the module passed a null pointer")]
    Null,
    #[error("the module passed {len} bytes at {address:#x}, outside its memory")]
    OutOfBounds { address: u32, len: u32 },
    #[error("the module passed a name that is not UTF-8")]
    NotUtf8,
    #[error("the module passed a prefix of {0} columns")]
    PrefixTooLong(u32),
    #[error("the module called the host before its memory was there")]
    NoMemory,
}

/// The bytes of a guest.
pub(super) struct GuestMemory<'a> {
    bytes: &'a mut [u8],
}

impl<'a> GuestMemory<'a> {
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        GuestMemory { bytes }
    }

    fn range(&self, address: u32, len: u32) -> Result<std::ops::Range<usize>, Fault> {
        if address == 0 {
            return Err(Fault::Null);
        }
        let out_of_bounds = Fault::OutOfBounds { address, len };
        let start = usize::try_from(address).map_err(|_| out_of_bounds)?;
        let len = usize::try_from(len).map_err(|_| out_of_bounds)?;
        let end = start.checked_add(len).ok_or(out_of_bounds)?;
        if end > self.bytes.len() {
            return Err(out_of_bounds);
        }
        Ok(start..end)
    }

    pub(super) fn bytes(&self, address: u32, len: u32) -> Result<&[u8], Fault> {
        self.range(address, len).map(|range| &self.bytes[range])
    }

    pub(super) fn bytes_mut(&mut self, address: u32, len: u32) -> Result<&mut [u8], Fault> {
        self.range(address, len).map(|range| &mut self.bytes[range])
    }

    /// A name: it must be UTF-8.
    pub(super) fn name(&self, address: u32, len: u32) -> Result<&str, Fault> {
        std::str::from_utf8(self.bytes(address, len)?).map_err(|_| Fault::NotUtf8)
    }

    /// Text for people: what is not UTF-8 is replaced.
    pub(super) fn text(&self, address: u32, len: u32) -> Result<String, Fault> {
        self.bytes(address, len)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    pub(super) fn array<const LEN: usize>(&self, address: u32) -> Result<[u8; LEN], Fault> {
        let len = const { LEN as u32 };
        let bytes = self.bytes(address, len)?;
        Ok(bytes
            .try_into()
            .expect("the slice has the length that was asked for"))
    }

    pub(super) fn read_u32(&self, address: u32) -> Result<u32, Fault> {
        self.array(address).map(u32::from_le_bytes)
    }

    pub(super) fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Fault> {
        let len = u32::try_from(bytes.len()).map_err(|_| Fault::OutOfBounds {
            address,
            len: u32::MAX,
        })?;
        self.bytes_mut(address, len)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn write_u32(&mut self, address: u32, value: u32) -> Result<(), Fault> {
        self.write(address, &value.to_le_bytes())
    }

    pub(super) fn write_u64(&mut self, address: u32, value: u64) -> Result<(), Fault> {
        self.write(address, &value.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_null_even_for_nothing() {
        let mut bytes = [0; 16];
        assert_eq!(GuestMemory::new(&mut bytes).bytes(0, 0), Err(Fault::Null));
    }

    #[test]
    fn refuses_ranges_that_leave_the_memory() {
        let mut bytes = [0; 16];
        let mut memory = GuestMemory::new(&mut bytes);
        assert!(memory.bytes(1, 15).is_ok());
        assert!(memory.bytes(16, 0).is_ok());
        for (address, len) in [
            (1, 16),
            (16, 1),
            (17, 0),
            (u32::MAX, u32::MAX),
            (8, u32::MAX),
        ] {
            assert_eq!(
                memory.bytes(address, len),
                Err(Fault::OutOfBounds { address, len })
            );
            assert!(memory.bytes_mut(address, len).is_err());
        }
        assert!(memory.write_u64(9, 1).is_err());
        assert!(memory.write_u64(8, 1).is_ok());
    }

    #[test]
    fn names_must_be_utf8_and_text_need_not() {
        let mut bytes = *b"\0ab\xff";
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.name(1, 2), Ok("ab"));
        assert_eq!(memory.name(1, 3), Err(Fault::NotUtf8));
        assert_eq!(memory.text(1, 3).as_deref(), Ok("ab\u{fffd}"));
    }
}

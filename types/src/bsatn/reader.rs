//! A cursor over encoded bytes.
//!
//! Invariants
//!   * `offset <= bytes.len()` always.
//!   * `depth <= DEPTH_MAX`, and the steps taken by nested values are at most proportional to the
//!     length of the input.

use super::{DEPTH_MAX, DecodeError, EMPTY_ELEMENT_COUNT_MAX};

/// A cursor over bytes. Cloning it is cheap and remembers a position.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
    depth: usize,
    steps_left: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[inline]
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        // A byte can be wrapped in at most DEPTH_MAX levels, so honest input never runs out.
        let steps_left = bytes
            .len()
            .saturating_mul(DEPTH_MAX)
            .saturating_add(EMPTY_ELEMENT_COUNT_MAX * 2);
        Reader {
            bytes,
            offset: 0,
            depth: 0,
            steps_left,
        }
    }

    /// Bytes consumed so far.
    #[inline]
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes not consumed yet.
    #[inline]
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.offset..]
    }

    /// The bytes from `start` (an earlier [`offset`](Self::offset)) up to the cursor.
    #[inline]
    #[must_use]
    pub fn consumed_since(&self, start: usize) -> &'a [u8] {
        assert!(start <= self.offset, "a start lies before the cursor");
        &self.bytes[start..self.offset]
    }

    /// Takes the next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.rest();
        match rest.split_at_checked(len) {
            Some((taken, _)) => {
                self.offset += len;
                Ok(taken)
            }
            None => Err(self.too_short("[u8]", len)),
        }
    }

    /// Takes the next `N` bytes; `what` names the wanted number in the error.
    #[inline]
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        match self.rest().first_chunk::<N>() {
            Some(chunk) => {
                self.offset += N;
                Ok(*chunk)
            }
            None => Err(self.too_short(what, N)),
        }
    }

    #[cold]
    fn too_short(&self, what: &'static str, needed: usize) -> DecodeError {
        DecodeError::TooShort {
            offset: self.offset,
            what,
            needed,
            left: self.bytes.len() - self.offset,
        }
    }

    /// Takes one byte, for example a tag.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>("u8").map(|[byte]| byte)
    }

    /// Takes a little-endian 32-bit number.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array("u32").map(u32::from_le_bytes)
    }

    /// Takes the count or byte length that opens arrays and strings. It is not yet checked
    /// against the bytes that are left.
    #[inline]
    #[allow(clippy::len_without_is_empty)] // it reads a length, it does not have one
    pub fn len(&mut self) -> Result<usize, DecodeError> {
        let len = self.u32()?;
        usize::try_from(len).map_err(|_| self.too_short("[u8]", usize::MAX))
    }

    /// Takes a length-prefixed byte array.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.len()?;
        self.take(len)
    }

    /// Takes a length-prefixed string.
    #[inline]
    pub fn str(&mut self) -> Result<&'a str, DecodeError> {
        let offset = self.offset;
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| DecodeError::InvalidUtf8 { offset })
    }

    /// Runs `read` one level deeper. Every decoder that can meet itself again goes through here:
    /// it bounds the stack, and it bounds the work done for parts that take no bytes.
    #[inline]
    pub fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        self.enter()?;
        let result = read(self);
        self.depth -= 1;
        result
    }

    #[inline]
    fn enter(&mut self) -> Result<(), DecodeError> {
        if self.depth >= DEPTH_MAX {
            return Err(DecodeError::TooDeep {
                offset: self.offset,
            });
        }
        if self.steps_left == 0 {
            return Err(DecodeError::TooMany {
                what: "parts without bytes",
                given: EMPTY_ELEMENT_COUNT_MAX + 1,
                max: EMPTY_ELEMENT_COUNT_MAX,
            });
        }
        self.depth += 1;
        self.steps_left -= 1;
        Ok(())
    }

    /// Fails unless everything was consumed.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.bytes.len() - self.offset {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes {
                offset: self.offset,
                left,
            }),
        }
    }
}

//! Objects: their names, and how their bytes are stored.
//!
//! Not here: where they are stored (`pack`).

use std::fmt;

/// Content bytes of one object at most.
pub const OBJECT_BYTES_MAX: u32 = 1 << 30;

/// A byte of LZ4 stands for at most 255 bytes, but for the ends; a content length beyond that is
/// a lie, and is not believed before memory is taken for it.
const LZ4_RATIO_MAX: u64 = 255;
const LZ4_END_BYTES: u64 = 64;

/// Bytes that are compressed to find out whether compression pays.
const SAMPLE_BYTES: usize = 4096;

/// The name of an object: the BLAKE3 hash of its content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectHash(pub [u8; 32]);

impl ObjectHash {
    /// The name of this content.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        ObjectHash(*blake3::hash(content).as_bytes())
    }
}

impl fmt::Display for ObjectHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectHash({self})")
    }
}

/// How an object's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// As they are.
    Plain,
    /// One LZ4 block.
    Lz4,
}

impl Codec {
    pub(crate) fn to_byte(self) -> u8 {
        match self {
            Codec::Plain => 0,
            Codec::Lz4 => 1,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Codec::Plain),
            1 => Some(Codec::Lz4),
            _ => None,
        }
    }

    /// True if this many stored bytes can be the form of that many content bytes.
    pub(crate) fn can_hold(self, stored_len: u32, content_len: u32) -> bool {
        let (stored, content) = (u64::from(stored_len), u64::from(content_len));
        content <= u64::from(OBJECT_BYTES_MAX)
            && match self {
                Codec::Plain => stored == content,
                Codec::Lz4 => stored < content && content <= stored * LZ4_RATIO_MAX + LZ4_END_BYTES,
            }
    }
}

/// True if at least a tenth is saved.
fn pays(compressed: usize, plain: usize) -> bool {
    compressed < plain - plain / 10
}

/// Compresses `content` into `out` (whose former content is dropped) if that pays.
pub(crate) fn compress(content: &[u8], out: &mut Vec<u8>) -> Codec {
    if content.len() > 4 * SAMPLE_BYTES {
        let middle = (content.len() - SAMPLE_BYTES) / 2;
        let samples = [0, middle, content.len() - SAMPLE_BYTES];
        let any_pays = samples.iter().any(|&begin| {
            let sample = &content[begin..begin + SAMPLE_BYTES];
            lz4(sample, out).is_some_and(|len| pays(len, sample.len()))
        });
        if !any_pays {
            return Codec::Plain;
        }
    }
    match lz4(content, out) {
        Some(len) if pays(len, content.len()) => {
            out.truncate(len);
            Codec::Lz4
        }
        _ => Codec::Plain,
    }
}

fn lz4(plain: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let bound = lz4_flex::block::get_maximum_output_size(plain.len());
    if out.len() < bound {
        out.resize(bound, 0);
    }
    lz4_flex::block::compress_into(plain, out).ok()
}

/// Brings back `content_len` bytes into `out`; false if `stored` is not their form.
pub(crate) fn decompress(stored: &[u8], content_len: usize, out: &mut Vec<u8>) -> bool {
    out.resize(content_len, 0);
    let len = lz4_flex::block::decompress_into(stored, out);
    len.is_ok_and(|len| len == content_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(&mut next).take(len).collect()
    }

    fn check(content: &[u8], expected: Codec) {
        let mut stored = noise(10);
        assert_eq!(compress(content, &mut stored), expected);
        if expected == Codec::Lz4 {
            let len = |bytes: &[u8]| u32::try_from(bytes.len()).expect("small");
            assert!(expected.can_hold(len(&stored), len(content)));
            let mut back = Vec::new();
            assert!(decompress(&stored, content.len(), &mut back));
            assert_eq!(back, content);
            assert!(!decompress(&stored, content.len() - 1, &mut back));
            assert!(!decompress(&stored, content.len() + 1, &mut back));
        }
    }

    #[test]
    fn what_pays_is_compressed() {
        check(&[], Codec::Plain);
        check(&[7], Codec::Plain);
        check(&noise(1000), Codec::Plain);
        check(&noise(100_000), Codec::Plain);
        check(&[0; 1000], Codec::Lz4);
        check(&[0; 100_000], Codec::Lz4);
        check(&[0; 16 << 20], Codec::Lz4);
        // Only the end of it is worth the effort.
        let mut mixed = noise(60_000);
        mixed.resize(120_000, 7);
        check(&mixed, Codec::Lz4);
    }

    #[test]
    fn lengths_that_lie_are_seen() {
        assert!(Codec::Plain.can_hold(5, 5));
        assert!(!Codec::Plain.can_hold(5, 6));
        assert!(!Codec::Plain.can_hold(OBJECT_BYTES_MAX + 1, OBJECT_BYTES_MAX + 1));
        assert!(Codec::Lz4.can_hold(100, 25_000));
        assert!(!Codec::Lz4.can_hold(100, 100));
        assert!(!Codec::Lz4.can_hold(100, 1 << 20));
        assert_eq!(Codec::from_byte(2), None);
    }
}

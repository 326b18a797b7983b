//! The table at the end of a compressed segment that says where its frames are.
//!
//! A zstd skippable frame: magic `5e 2a 4d 18`, length u32, then for each frame its compressed
//! length u32, its decompressed length u32 and, if the descriptor says so, a checksum u32; then
//! the number of frames u32, the descriptor u8 and the magic `b1 ea 92 8f`.
//!
//! Invariants
//!   * The compressed lengths add up to where the table begins.
//!   * A table is at most as large as the file that it was read from, and each frame's lengths
//!     are bounded.

use super::CompressedDamage;
use crate::storage::{StorageError, StorageFile};

/// Most bytes of a segment in one frame. SpacetimeDB writes 4096.
pub const FRAME_BYTES_MAX: u64 = 16 << 20;
/// Most bytes that a frame can take: what does not compress grows by a little.
pub(super) const FRAME_LEN_MAX: u64 = FRAME_BYTES_MAX + (FRAME_BYTES_MAX >> 7) + 1024;

const SKIPPABLE_MAGIC: [u8; 4] = [0x5e, 0x2a, 0x4d, 0x18];
const SKIPPABLE_HEADER_LEN: u64 = 8;
const FOOTER_MAGIC: [u8; 4] = [0xb1, 0xea, 0x92, 0x8f];
const FOOTER_LEN: u64 = 9;
const HAS_CHECKSUMS: u8 = 0x80;
const RESERVED_BITS: u8 = 0x7c;

/// Where a frame is, and what it is the content of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) compressed_at: u64,
    pub(crate) compressed_len: u64,
    /// First byte of the segment that the frame holds.
    pub(crate) at: u64,
    pub(crate) len: u64,
}

/// Where all frames end: in the file, and in the segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeekTable {
    ends: Vec<(u64, u64)>,
}

fn damaged(what: &'static str) -> CompressedDamage {
    CompressedDamage::SeekTable { what }
}

impl SeekTable {
    /// Reads the table of a compressed segment.
    pub(super) fn read(file: &dyn StorageFile) -> Result<Self, StorageError> {
        let file_len = file.byte_len()?;
        let wrong = |damage: CompressedDamage| damage.at(file.path());
        let Some(footer_at) = file_len.checked_sub(FOOTER_LEN) else {
            return Err(wrong(damaged("the file is too short")));
        };
        let mut footer = [0; FOOTER_LEN as usize];
        file.read_exact_at(footer_at, &mut footer)?;
        let table_len = table_len(&footer).map_err(wrong)?;
        let Some(frames_end) = file_len.checked_sub(table_len) else {
            return Err(wrong(damaged("it is longer than the file")));
        };
        let len = usize::try_from(table_len).map_err(|_| wrong(damaged("it is too long")))?;
        let mut table = vec![0; len];
        file.read_exact_at(frames_end, &mut table)?;
        SeekTable::decode(&table, frames_end).map_err(wrong)
    }

    /// Decodes a whole skippable frame, in a file whose other frames end at `frames_end`.
    pub fn decode(table: &[u8], frames_end: u64) -> Result<Self, CompressedDamage> {
        let footer_at = table
            .len()
            .checked_sub(usize::try_from(FOOTER_LEN).expect("9"));
        let footer = footer_at.and_then(|at| table[at..].first_chunk());
        let footer = footer.ok_or(damaged("it is too short"))?;
        let expected_len = table_len(footer)?;
        if table.len() as u64 != expected_len {
            return Err(damaged("its length is not that of its frames"));
        }
        let (magic, rest) = table.split_first_chunk::<4>().ok_or(damaged("no magic"))?;
        let (len, rest) = rest.split_first_chunk::<4>().ok_or(damaged("no length"))?;
        if *magic != SKIPPABLE_MAGIC {
            return Err(damaged("it does not begin with its magic"));
        }
        if u64::from(u32::from_le_bytes(*len)) != expected_len - SKIPPABLE_HEADER_LEN {
            return Err(damaged("its two lengths differ"));
        }
        let entries = rest.len() - usize::try_from(FOOTER_LEN).expect("9");
        let mut table = SeekTable::default();
        for entry in rest[..entries].chunks_exact(entry_len(footer[4])) {
            let (compressed, rest) = entry.split_first_chunk().expect("8 bytes at least");
            let len = rest.first_chunk().expect("8 bytes at least");
            table.push(u32::from_le_bytes(*compressed), u32::from_le_bytes(*len))?;
        }
        if table.compressed_len() != frames_end {
            return Err(damaged("its frames do not fill the file"));
        }
        Ok(table)
    }

    /// Appends a frame.
    pub(crate) fn push(&mut self, compressed_len: u32, len: u32) -> Result<(), CompressedDamage> {
        let (compressed_len, len) = (u64::from(compressed_len), u64::from(len));
        if len > FRAME_BYTES_MAX {
            return Err(damaged("a frame is larger than any that is written"));
        }
        if compressed_len > len + (len >> 7) + 1024 {
            return Err(damaged("a frame takes more than its content"));
        }
        // 2^32 frames of 2^24 bytes: neither sum can overflow.
        let end = (
            self.compressed_len() + compressed_len,
            self.content_len() + len,
        );
        self.ends.push(end);
        Ok(())
    }

    /// The stored form.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, CompressedDamage> {
        let count = u32::try_from(self.ends.len()).map_err(|_| damaged("too many frames"))?;
        let mut out = SKIPPABLE_MAGIC.to_vec();
        out.extend_from_slice(&[0; 4]);
        let (mut compressed_at, mut at) = (0, 0);
        for &(compressed_end, end) in &self.ends {
            for len in [compressed_end - compressed_at, end - at] {
                let len = u32::try_from(len).expect("push() was given two u32");
                out.extend_from_slice(&len.to_le_bytes());
            }
            (compressed_at, at) = (compressed_end, end);
        }
        out.extend_from_slice(&count.to_le_bytes());
        out.push(0);
        out.extend_from_slice(&FOOTER_MAGIC);
        let len = out.len() as u64 - SKIPPABLE_HEADER_LEN;
        let len = u32::try_from(len).map_err(|_| damaged("too many frames"))?;
        out[4..8].copy_from_slice(&len.to_le_bytes());
        Ok(out)
    }

    /// Length of what the frames hold together.
    #[must_use]
    pub fn content_len(&self) -> u64 {
        self.ends.last().map_or(0, |&(_, end)| end)
    }

    fn compressed_len(&self) -> u64 {
        self.ends.last().map_or(0, |&(end, _)| end)
    }

    /// The frame that holds byte `at` of the segment.
    pub(crate) fn frame_at(&self, at: u64) -> Option<Frame> {
        let nth = self.ends.partition_point(|&(_, end)| end <= at);
        let &(compressed_end, end) = self.ends.get(nth)?;
        let before = nth.checked_sub(1).and_then(|nth| self.ends.get(nth));
        let &(compressed_at, begin) = before.unwrap_or(&(0, 0));
        Some(Frame {
            compressed_at,
            compressed_len: compressed_end - compressed_at,
            at: begin,
            len: end - begin,
        })
    }
}

/// Whether a table of so many frames can be of this length.
pub(super) fn is_len_of(len: u64, frames: u64) -> bool {
    let entries = [0, HAS_CHECKSUMS].map(|descriptor| frames * entry_len(descriptor) as u64);
    entries.contains(&len.wrapping_sub(SKIPPABLE_HEADER_LEN + FOOTER_LEN))
}

fn entry_len(descriptor: u8) -> usize {
    match descriptor & HAS_CHECKSUMS {
        0 => 8,
        _ => 12,
    }
}

/// Length of the whole skippable frame, by its last bytes.
fn table_len(footer: &[u8; FOOTER_LEN as usize]) -> Result<u64, CompressedDamage> {
    let (count, rest) = footer.split_first_chunk().expect("nine bytes");
    let descriptor = rest[0];
    if rest[1..] != FOOTER_MAGIC {
        return Err(damaged("it does not end with its magic"));
    }
    if descriptor & RESERVED_BITS != 0 {
        return Err(damaged("its descriptor has reserved bits"));
    }
    let entries = u64::from(u32::from_le_bytes(*count)) * entry_len(descriptor) as u64;
    Ok(SKIPPABLE_HEADER_LEN + entries + FOOTER_LEN)
}

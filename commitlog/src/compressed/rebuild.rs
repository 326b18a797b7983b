//! Finding the frames of a compressed segment without its seek table, one after another.
//!
//! Invariants
//!   * What is left behind the frames is exactly as long as a table of so many frames: a file that
//!     lost its end, or a frame whose beginning is damaged, is not taken for a shorter segment.
//!   * Memory is bounded by the largest frame, and by the number of frames.

use super::CompressedDamage;
use super::seek_table::{self, FRAME_BYTES_MAX, FRAME_LEN_MAX, SeekTable};
use crate::storage::{StorageError, StorageFile};
use zstd::bulk::Decompressor;
use zstd::zstd_safe;

const FRAME_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Read at once; grows up to the largest frame where one does not fit.
const WINDOW_BYTES: u64 = 1 << 20;

/// Makes the table anew. `None` if the frames are damaged as well.
pub(super) fn rebuild(file: &dyn StorageFile) -> Result<Option<SeekTable>, StorageError> {
    let file_len = file.byte_len()?;
    let mut table = SeekTable::default();
    let mut frames: u64 = 0;
    let mut at = 0;
    let mut window_len = WINDOW_BYTES;
    let mut window = Vec::new();
    loop {
        let len = window_len.min(file_len - at);
        window.resize(
            usize::try_from(len).expect("bounded by the largest frame"),
            0,
        );
        file.read_exact_at(at, &mut window)?;
        let mut rest = &window[..];
        while rest.starts_with(&FRAME_MAGIC)
            && let Ok(frame_len) = zstd_safe::find_frame_compressed_size(rest)
            && let Some((frame, behind)) = rest.split_at_checked(frame_len)
        {
            if push(&mut table, frame).is_none() {
                return Ok(None);
            }
            frames += 1;
            rest = behind;
        }
        let used = (window.len() - rest.len()) as u64;
        at += used;
        if !rest.starts_with(&FRAME_MAGIC) && rest.len() >= FRAME_MAGIC.len() {
            return Ok(seek_table::is_len_of(file_len - at, frames).then_some(table));
        }
        if at + rest.len() as u64 == file_len && used == 0 {
            return Ok(None);
        }
        match used {
            // A frame is longer than the window.
            0 if window_len <= FRAME_LEN_MAX => window_len *= 2,
            0 => return Ok(None),
            _ => window_len = WINDOW_BYTES,
        }
    }
}

fn push(table: &mut SeekTable, frame: &[u8]) -> Option<()> {
    let known = zstd_safe::get_frame_content_size(frame).ok()?;
    let len = match known {
        Some(len) => len,
        None => {
            let capacity = usize::try_from(FRAME_BYTES_MAX).ok()?;
            let content = Decompressor::new().ok()?.decompress(frame, capacity);
            content.ok()?.len() as u64
        }
    };
    let (frame_len, len) = (u32::try_from(frame.len()), u32::try_from(len));
    let pushed: Result<(), CompressedDamage> = table.push(frame_len.ok()?, len.ok()?);
    pushed.ok()
}

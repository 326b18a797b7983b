use std::path::Path;

use super::seek_table::{FRAME_BYTES_MAX, SeekTable};
use super::*;

#[derive(Clone, Debug)]
struct Bytes(Vec<u8>);

impl StorageFile for Bytes {
    fn path(&self) -> &Path {
        Path::new("segment")
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        let begin = usize::try_from(offset).map_or(self.0.len(), |at| at.min(self.0.len()));
        let len = buf.len().min(self.0.len() - begin);
        buf[..len].copy_from_slice(&self.0[begin..begin + len]);
        Ok(len)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> Result<usize, StorageError> {
        unreachable!("only read")
    }

    fn byte_len(&self) -> Result<u64, StorageError> {
        Ok(self.0.len() as u64)
    }

    fn set_len(&self, _: u64) -> Result<(), StorageError> {
        unreachable!("only read")
    }

    fn sync_data(&self) -> Result<(), StorageError> {
        unreachable!("only read")
    }
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * n / 7).to_le_bytes()[0]).collect()
}

/// As the other server compresses: frames of `piece` bytes each.
fn compress(content: &[u8], piece: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut table = SeekTable::default();
    for piece in content.chunks(piece) {
        let frame = zstd::bulk::compress(piece, 3).expect("memory");
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).expect("small");
        table.push(len(&frame), len(piece)).expect("small");
        out.extend_from_slice(&frame);
    }
    out.extend_from_slice(&table.encode().expect("few frames"));
    out
}

fn read_all(bytes: Vec<u8>) -> Result<Vec<u8>, StorageError> {
    let file = CompressedFile::open(Box::new(Bytes(bytes)))?;
    let mut content = vec![0; usize::try_from(file.byte_len()?).expect("small")];
    file.read_exact_at(0, &mut content)?;
    Ok(content)
}

#[test]
fn the_published_seek_table() {
    let hex = "5e2a4d1831000000a702000000100000a0020000001000009a02000000100000a6020000\
               001000001800000028000000\
               0500000000b1ea928f";
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hex"))
        .collect();
    let frames = 0x2a7 + 0x2a0 + 0x29a + 0x2a6 + 0x18;
    let table = SeekTable::decode(&bytes, frames).expect("published");
    assert_eq!(table.content_len(), 16_424);
    assert_eq!(table.encode().expect("five frames"), bytes);
    let frame = table.frame_at(5000).expect("within");
    assert_eq!((frame.compressed_at, frame.compressed_len), (0x2a7, 0x2a0));
    assert_eq!((frame.at, frame.len), (4096, 4096));
    assert_eq!(table.frame_at(16_424), None);
    for other in [frames - 1, frames + 1, 0] {
        assert!(SeekTable::decode(&bytes, other).is_err());
    }
}

#[test]
fn any_range_can_be_read() {
    for (len, piece) in [
        (0, 10),
        (1, 10),
        (100, 10),
        (16_424, 4096),
        (40_000, 65_536),
    ] {
        let content = content(len);
        let file = CompressedFile::open(Box::new(Bytes(compress(&content, piece))));
        let file = file.expect("whole");
        assert_eq!(file.byte_len().expect("known"), len as u64);
        for at in (0..=len).step_by(len / 50 + 1) {
            for taken in [0, 1, 7, piece, 3 * piece + 1] {
                let mut buf = vec![0; taken.min(len - at)];
                file.read_exact_at(at as u64, &mut buf).expect("whole");
                assert_eq!(buf, content[at..at + buf.len()]);
            }
        }
        assert_eq!(file.read_at(len as u64, &mut [0; 9]).expect("the end"), 0);
        assert_eq!(file.read_at(u64::MAX, &mut [0; 9]).expect("behind it"), 0);
    }
}

#[test]
fn every_flipped_bit_is_noticed_or_changes_nothing() {
    let content = content(3000);
    let good = compress(&content, 1000);
    let mut noticed = 0;
    let mut changed = 0;
    for bit in 0..8 * good.len() {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match read_all(bytes) {
            Err(_) => noticed += 1,
            // Literals of a frame: the checksums of the commits find these.
            Ok(found) => {
                assert_eq!(found.len(), content.len());
                changed += u64::from(found != content);
            }
        }
    }
    assert!(noticed > 1000, "{noticed} noticed, {changed} changed");
    let table_at = good.len() - 17 - 3 * 8;
    for bit in 8 * table_at..8 * good.len() {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(found) = read_all(bytes) {
            assert_eq!(found, content, "bit {bit}");
        }
    }
}

#[test]
fn without_its_table_a_segment_is_read_frame_by_frame() {
    let hostile = |bytes: &mut Vec<u8>, from: usize| bytes[from..].fill(0xff);
    for (len, piece) in [(3000, 1000), (40_000, 4096), (3_000_000, 2_000_000)] {
        let content = content(len);
        let good = compress(&content, piece);
        let table_at = good.len() - 17 - len.div_ceil(piece) * 8;
        for from in [table_at, table_at + 10, good.len() - 1] {
            let mut bytes = good.clone();
            hostile(&mut bytes, from);
            let file = CompressedFile::open(Box::new(Bytes(bytes.clone()))).expect("frames");
            assert!(file.table_damage().is_some());
            assert_eq!(read_all(bytes.clone()).expect("frames"), content);
            // A frame that is damaged as well, or gone, is noticed.
            bytes[0] ^= 1;
            assert!(read_all(bytes.clone()).is_err());
            bytes[0] ^= 1;
            for cut in [1, 8, 12, 17] {
                assert!(read_all(bytes[..bytes.len() - cut].to_vec()).is_err());
            }
        }
        let file = CompressedFile::open(Box::new(Bytes(good))).expect("whole");
        assert_eq!(file.table_damage(), None);
    }
}

#[test]
fn frames_that_do_not_say_how_long_they_are_are_found_too() {
    use std::io::Write;
    let content = content(30_000);
    let mut bytes = Vec::new();
    for piece in content.chunks(4096) {
        // A stream does not know its length when it begins.
        let mut encoder = zstd::Encoder::new(&mut bytes, 3).expect("memory");
        encoder.write_all(piece).expect("memory");
        encoder.finish().expect("memory");
    }
    let frames = content.len().div_ceil(4096);
    let table_at = bytes.len();
    bytes.resize(table_at + 17 + 8 * frames, 0);
    assert_eq!(read_all(bytes.clone()).expect("frames"), content);
    bytes.resize(table_at + 17 + 12 * frames, 0);
    assert_eq!(read_all(bytes.clone()).expect("frames"), content);
    bytes.resize(table_at + 17 + 8 * (frames + 1), 0);
    assert!(read_all(bytes).is_err());
}

#[test]
fn every_truncation_is_noticed() {
    let good = compress(&content(3000), 1000);
    for len in 0..good.len() {
        assert!(read_all(good[..len].to_vec()).is_err(), "{len}");
    }
}

#[test]
fn damage_is_told_from_other_errors() {
    let mut bytes = compress(&content(3000), 1000);
    bytes[0] ^= 1;
    let error = read_all(bytes).expect_err("no zstd frame");
    let damage = CompressedDamage::of(&error).expect("damage");
    assert!(matches!(damage, CompressedDamage::Frame { at: 0, .. }));
    let other = StorageError::new("read", Path::new("x"), io::ErrorKind::NotFound.into());
    assert_eq!(CompressedDamage::of(&other), None);
}

#[test]
fn a_bomb_is_refused() {
    let bomb = zstd::bulk::compress(&vec![0; 20 << 20], 3).expect("memory");
    let len = u32::try_from(bomb.len()).expect("small");
    let mut table = SeekTable::default();
    let too_large = u32::try_from(FRAME_BYTES_MAX + 1).expect("small");
    assert!(table.push(len, too_large).is_err());
    // A table that says less than the frame holds.
    table.push(len, 4096).expect("plausible");
    let bytes = [bomb, table.encode().expect("one frame")].concat();
    assert!(read_all(bytes).is_err());
}

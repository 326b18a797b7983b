//! Damage to stored bytes: what rot, a bad controller, or a wrong copy does to files at rest.
//!
//! One damage at a time: two copies of the same thing that are both wrong are out of scope.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use spacetime_durability::storage::SimStorage;

use crate::activation::Kind;
use crate::disk::data_files;
use crate::random::Random;

/// All kinds of damage.
pub const KINDS: [Kind; 8] = [
    Kind::BitFlip,
    Kind::ZeroedBlock,
    Kind::StaleBlock,
    Kind::MisdirectedBlock,
    Kind::DuplicatedBlock,
    Kind::Truncation,
    Kind::MissingFile,
    Kind::SwappedFiles,
];

/// The files of a disk as they were at some time. What was not there yet was zeros.
#[derive(Clone, Debug, Default)]
pub struct Earlier(BTreeMap<PathBuf, Vec<u8>>);

impl Earlier {
    #[must_use]
    pub fn of(disk: &SimStorage) -> Earlier {
        let files = data_files(disk).into_iter();
        Earlier(
            files
                .filter_map(|file| Some((file.clone(), disk.content(&file)?)))
                .collect(),
        )
    }
}

/// What was done to a disk.
#[derive(Clone, Debug)]
pub struct Damage {
    pub file: PathBuf,
    /// The bytes that are wrong now.
    pub begin: usize,
    pub end: usize,
    pub said: String,
}

/// Damages a disk. `None` if there was nothing to damage in this way, or if it changed no byte.
pub fn inflict(
    kind: Kind,
    disk: &SimStorage,
    earlier: &Earlier,
    random: &mut Random,
) -> Option<Damage> {
    let files = data_files(disk);
    if files.is_empty() {
        return None;
    }
    let file = random.pick(&files).clone();
    let before = disk.content(&file)?;
    let name = file.display();
    let (begin, end, said) = match kind {
        Kind::BitFlip => {
            let bit = random.index(before.len() * 8);
            let at = bit / 8;
            disk.damage(&file, |bytes| bytes[at] ^= 1 << (bit % 8));
            let said = format!("bit {} of byte {at} of {name} flipped", bit % 8);
            (at, at + 1, said)
        }
        Kind::Truncation => {
            let len = random.index(before.len());
            disk.damage(&file, |bytes| bytes.truncate(len));
            let said = format!("{name} cut from {} to {len} bytes", before.len());
            (len, before.len(), said)
        }
        Kind::MissingFile => {
            disk.lose(&file);
            (0, before.len(), format!("{name} lost"))
        }
        Kind::SwappedFiles => {
            let other = random.pick(&files).clone();
            let content = disk.content(&other)?;
            disk.damage(&file, |bytes| bytes.clone_from(&content));
            disk.damage(&other, |bytes| bytes.clone_from(&before));
            let said = format!("{name} and {} exchanged", other.display());
            (0, before.len(), said)
        }
        _ => {
            let source = random.pick(&files);
            let stale = earlier.0.get(&file).map_or(&[][..], Vec::as_slice);
            let (range, what) =
                damage_block(kind, disk, &file, stale, &disk.content(source)?, random);
            let said = format!("bytes {} to {} of {name} {what}", range.start, range.end);
            match kind {
                // Everything behind it has moved.
                Kind::DuplicatedBlock => (range.end, before.len(), said),
                _ => (range.start, range.end, said),
            }
        }
    };
    let is_changed = disk.content(&file).is_none_or(|after| after != before);
    is_changed.then_some(Damage {
        file,
        begin,
        end,
        said,
    })
}

/// Damages one block of a file. Returns where, and what was done to it.
fn damage_block(
    kind: Kind,
    disk: &SimStorage,
    file: &Path,
    stale: &[u8],
    other: &[u8],
    random: &mut Random,
) -> (Range<usize>, &'static str) {
    let len = disk.content(file).map_or(0, |content| content.len());
    let (begin, mut end) = block(len, random);
    let what = match kind {
        Kind::ZeroedBlock => {
            disk.damage(file, |bytes| bytes[begin..end].fill(0));
            "zeroed"
        }
        Kind::StaleBlock => {
            let mut before = stale.to_vec();
            before.resize(len, 0);
            disk.damage(file, |bytes| {
                bytes[begin..end].copy_from_slice(&before[begin..end]);
            });
            "as they were before"
        }
        Kind::MisdirectedBlock => {
            let (from, until) = block(other.len(), random);
            end = begin + (until - from).min(end - begin);
            disk.damage(file, |bytes| {
                bytes[begin..end].copy_from_slice(&other[from..from + (end - begin)]);
            });
            "replaced by a block of another place"
        }
        Kind::DuplicatedBlock => {
            disk.damage(file, |bytes| {
                let piece = bytes[begin..end].to_vec();
                bytes.splice(begin..begin, piece);
            });
            "doubled"
        }
        other => unreachable!("{other:?} is no damage to a block"),
    };
    (begin..end, what)
}

/// Begin and end of an aligned block in something of this length; the last one may be shorter.
fn block(len: usize, random: &mut Random) -> (usize, usize) {
    let size = *random.pick(&[16, 64, 512, 4096]);
    let begin = random.index(len.div_ceil(size).max(1)) * size;
    let begin = begin.min(len);
    (begin, (begin + size).min(len))
}

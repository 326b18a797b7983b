//! Damage to stored bytes: what rot, a bad controller, or a wrong copy does to files at rest.
//!
//! One damage at a time: two copies of the same thing that are both wrong are out of scope.

use std::collections::BTreeMap;
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

/// Damages a disk. Says what was done, or `None` if there was nothing to damage in this way, or
/// if it changed no byte.
pub fn inflict(
    kind: Kind,
    disk: &SimStorage,
    earlier: &Earlier,
    random: &mut Random,
) -> Option<String> {
    let files = data_files(disk);
    if files.is_empty() {
        return None;
    }
    let file = random.pick(&files).clone();
    let before = disk.content(&file)?;
    let name = file.display();
    let said = match kind {
        Kind::BitFlip => {
            let bit = random.index(before.len() * 8);
            disk.damage(&file, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            format!("bit {} of byte {} of {name} flipped", bit % 8, bit / 8)
        }
        Kind::Truncation => {
            let len = random.index(before.len());
            disk.damage(&file, |bytes| bytes.truncate(len));
            format!("{name} cut from {} to {len} bytes", before.len())
        }
        Kind::MissingFile => {
            disk.lose(&file);
            return Some(format!("{name} lost"));
        }
        Kind::SwappedFiles => {
            let other = random.pick(&files).clone();
            let content = disk.content(&other)?;
            disk.damage(&file, |bytes| bytes.clone_from(&content));
            disk.damage(&other, |bytes| bytes.clone_from(&before));
            format!("{name} and {} exchanged", other.display())
        }
        Kind::ZeroedBlock => {
            let (begin, end) = block(before.len(), random);
            disk.damage(&file, |bytes| bytes[begin..end].fill(0));
            format!("bytes {begin} to {end} of {name} zeroed")
        }
        Kind::StaleBlock => {
            let mut stale = earlier.0.get(&file).cloned().unwrap_or_default();
            stale.resize(before.len(), 0);
            let (begin, end) = block(before.len(), random);
            disk.damage(&file, |bytes| {
                bytes[begin..end].copy_from_slice(&stale[begin..end]);
            });
            format!("bytes {begin} to {end} of {name} as they were before")
        }
        Kind::MisdirectedBlock => misdirect(disk, &files, &file, random)?,
        Kind::DuplicatedBlock => {
            let (begin, end) = block(before.len(), random);
            let piece = before[begin..end].to_vec();
            disk.damage(&file, |bytes| drop(bytes.splice(begin..begin, piece)));
            format!("bytes {begin} to {end} of {name} doubled")
        }
        other => unreachable!("{other:?} is no damage"),
    };
    (disk.content(&file)? != before).then_some(said)
}

/// Overwrites a block of one file with a block of any.
fn misdirect(
    disk: &SimStorage,
    files: &[PathBuf],
    file: &Path,
    random: &mut Random,
) -> Option<String> {
    let source = random.pick(files);
    let content = disk.content(source)?;
    let (from, end) = block(content.len(), random);
    let piece = &content[from..end];
    let len = disk.content(file)?.len();
    let (at, _) = block(len, random);
    let kept = piece.len().min(len - at);
    disk.damage(file, |bytes| {
        bytes[at..at + kept].copy_from_slice(&piece[..kept]);
    });
    let (source, file) = (source.display(), file.display());
    Some(format!(
        "{kept} bytes of {source} at {from} written to {file} at {at}"
    ))
}

/// Begin and end of an aligned block in something of this length; the last one may be shorter.
fn block(len: usize, random: &mut Random) -> (usize, usize) {
    let size = *random.pick(&[16, 64, 512, 4096]);
    let begin = random.index(len.div_ceil(size).max(1)) * size;
    let begin = begin.min(len);
    (begin, (begin + size).min(len))
}

//! Files on a simulated disk, and changes to bytes that are themselves read from bytes.

use std::path::Path;

use spacetime_durability::storage::{OpenMode, SimStorage, Storage};

/// Writes a file whose directory exists.
pub(crate) fn put(disk: &SimStorage, path: &str, bytes: &[u8]) {
    let file = disk.open(Path::new(path), OpenMode::CreateOrTruncate);
    let file = file.unwrap_or_else(|error| panic!("no fault is planned: {error}"));
    if let Err(error) = file.write_all_at(0, bytes) {
        panic!("no fault is planned: {error}");
    }
}

/// Creates directories, the outer ones first.
pub(crate) fn create_dirs(disk: &SimStorage, dirs: &[&str]) {
    for dir in dirs {
        if let Err(error) = disk.create_dir(Path::new(dir)) {
            panic!("no fault is planned: {error}");
        }
    }
}

/// What follows the first byte: changes to `good` if that byte is odd, else bytes of their own.
pub(crate) fn bytes_or_changes(data: &[u8], good: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    match data.split_first() {
        None => Vec::new(),
        Some((first, rest)) if first % 2 == 0 => rest.to_vec(),
        Some((_, mut edits)) => {
            let mut bytes = good();
            while let Some(edit) = take_edit(&mut edits) {
                apply_edit(*edit, &mut bytes);
            }
            bytes
        }
    }
}

/// Takes four bytes off the front: a place (two bytes), what to do there, and with which byte.
pub(crate) fn take_edit<'a>(edits: &mut &'a [u8]) -> Option<&'a [u8; 4]> {
    let (edit, rest) = edits.split_first_chunk()?;
    *edits = rest;
    Some(edit)
}

/// Carries out such a change.
pub(crate) fn apply_edit(edit: [u8; 4], bytes: &mut Vec<u8>) {
    let [low, high, what, byte] = edit;
    let at = usize::from(u16::from_le_bytes([low, high]));
    let at = at.checked_rem(bytes.len()).unwrap_or(0);
    match (what % 8, bytes.get_mut(at)) {
        (0, _) => bytes.truncate(at),
        (1, _) => bytes.insert(at, byte),
        (2, Some(_)) => drop(bytes.remove(at)),
        (3, Some(place)) => *place ^= 1 << (byte % 8),
        (4, Some(place)) => *place = place.wrapping_add(1),
        (5, Some(place)) => *place = place.wrapping_sub(1),
        (_, Some(place)) => *place = byte,
        (_, None) => {}
    }
}

//! Pages as SpacetimeDB stores them.
//!
//! ```text
//! file:      next free slot u16 | end of the slots ever used u16 | number of rows u16
//!            | count u32 and words u64: bitmap of the slots with rows
//!            | next free granule u16 | number of free ones u16 | lowest granule u16 | in use u16
//!            | hash: 00 20000000 and 32 bytes, or 01
//!            | c0ff0000 | row data, 65472 bytes
//! row data:  | slot 0 | slot 1 | ... last |  gap  | first ... granules of 64 bytes |
//! granule:   length u16: low 6 bits the bytes in use, others the next granule's offset | 62 bytes
//! ```
//!
//! Free slots and free granules are linked lists through their first two bytes, which end at
//! 65472. A page's name is the hash of its content, in another order than that of the file.
//!
//! Invariants of a decoded page
//!   * Each slot below `last` has a row or is free, and none is both.
//!   * Each granule from `first` on is in use or free. That those in use belong to exactly one
//!     row each is checked by [`Granules`] while the rows are read.

use std::path::Path;

use spacetime_types::bsatn::{DecodeError, Reader};

use crate::error::{DamageKind, SnapshotError};
use crate::object::ObjectHash;

/// Bytes of row data; as an offset, the end of every list.
pub(super) const DATA_LEN: u16 = 65_472;
const DATA_BYTES: usize = DATA_LEN as usize;
const GRANULE_LEN: u16 = 64;
const GRANULE_DATA_LEN: usize = 62;
const GRANULE_COUNT: usize = DATA_BYTES / GRANULE_LEN as usize;
/// Bytes of the longest object that lies in granules.
const OBJECT_LEN_MAX: u16 = 992;
/// The length that stands for a blob, whose hash is in the granule.
const BLOB_LEN_MARK: u16 = u16::MAX;
const WORD_COUNT_MAX: u32 = 512;

/// A page whose structure is sound.
#[derive(Debug)]
pub(super) struct Page<'a> {
    data: &'a [u8],
    /// Where the data is in the (uncompressed) file.
    data_position: usize,
    row_size: u16,
    words: Vec<u64>,
    var_first: u16,
    granules_in_use: u16,
    free_granules: Vec<bool>,
}

/// The fields of a file, as they are.
struct Fields<'a> {
    next_free: u16,
    last: u16,
    row_count: u16,
    words: Vec<u64>,
    var_next_free: u16,
    var_free_count: u16,
    var_first: u16,
    granules_in_use: u16,
    data: &'a [u8],
    data_position: usize,
}

/// An object that a row refers to.
pub(super) enum VarObject {
    /// Its bytes were appended.
    Inline,
    Blob(ObjectHash),
}

/// Which granules the rows read so far have used.
#[derive(Debug)]
pub(super) struct Granules {
    taken: Vec<bool>,
    in_use: u16,
    expected: u16,
}

fn too_short(_: DecodeError) -> DamageKind {
    DamageKind::Invalid("the page ends too early")
}

fn u16_of(reader: &mut Reader<'_>) -> Result<u16, DamageKind> {
    reader
        .array("u16")
        .map(u16::from_le_bytes)
        .map_err(too_short)
}

fn parse(bytes: &[u8]) -> Result<Fields<'_>, (usize, DamageKind)> {
    let reader = &mut Reader::new(bytes);
    parse_fields(reader).map_err(|what| (reader.offset(), what))
}

fn parse_fields<'a>(reader: &mut Reader<'a>) -> Result<Fields<'a>, DamageKind> {
    let next_free = u16_of(reader)?;
    let last = u16_of(reader)?;
    let row_count = u16_of(reader)?;
    let word_count = reader.u32().map_err(too_short)?;
    if word_count > WORD_COUNT_MAX {
        return Err(DamageKind::Invalid("the bitmap of rows is too long"));
    }
    let mut words = Vec::new();
    for _ in 0..word_count {
        words.push(u64::from_le_bytes(reader.array("u64").map_err(too_short)?));
    }
    let var_next_free = u16_of(reader)?;
    let var_free_count = u16_of(reader)?;
    let var_first = u16_of(reader)?;
    let granules_in_use = u16_of(reader)?;
    match reader.u8().map_err(too_short)? {
        // What is stored here is a cache; the name is what counts.
        0 if reader.u32().map_err(too_short)? == 32 => {
            reader.take(32).map_err(too_short)?;
        }
        1 => {}
        _ => return Err(DamageKind::Invalid("the page's own hash has no such form")),
    }
    if reader.u32().map_err(too_short)? != u32::from(DATA_LEN) {
        return Err(DamageKind::Invalid("a page has 65472 bytes of row data"));
    }
    let data_position = reader.offset();
    let data = reader.take(DATA_BYTES).map_err(too_short)?;
    if !reader.rest().is_empty() {
        return Err(DamageKind::Invalid("bytes follow the page"));
    }
    Ok(Fields {
        next_free,
        last,
        row_count,
        words,
        var_next_free,
        var_free_count,
        var_first,
        granules_in_use,
        data,
        data_position,
    })
}

impl Fields<'_> {
    fn content_hash(&self) -> ObjectHash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.data);
        for number in [self.next_free, self.last, self.row_count] {
            hasher.update(&number.to_le_bytes());
        }
        for word in &self.words {
            hasher.update(&word.to_le_bytes());
        }
        let var = [
            self.var_next_free,
            self.var_free_count,
            self.var_first,
            self.granules_in_use,
        ];
        for number in var {
            hasher.update(&number.to_le_bytes());
        }
        ObjectHash(*hasher.finalize().as_bytes())
    }

    fn has_row(&self, slot: u16, row_size: u16) -> bool {
        let bit = usize::from(slot / row_size);
        let word = self.words.get(bit / 64);
        word.is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    fn check_slots(&self, row_size: u16) -> Result<(), &'static str> {
        let slots = usize::from(DATA_LEN.div_ceil(row_size));
        if self.words.len() != slots.div_ceil(64) {
            return Err("the bitmap's length is not that of rows of this type");
        }
        if self.last > DATA_LEN || !self.last.is_multiple_of(row_size) {
            return Err("the used slots end nowhere");
        }
        let used = usize::from(self.last / row_size);
        let rows: u32 = self.words.iter().map(|word| word.count_ones()).sum();
        if rows != u32::from(self.row_count) {
            return Err("the number of rows is not that of the bitmap");
        }
        let highest = (0..self.words.len() * 64).rev().find(|bit| {
            let word = self.words.get(bit / 64).copied().unwrap_or(0);
            word >> (bit % 64) & 1 == 1
        });
        if highest.is_some_and(|bit| bit >= used) {
            return Err("a row lies beyond the used slots");
        }
        let mut free = vec![false; used];
        let mut next = self.next_free;
        while next != DATA_LEN {
            let slot = usize::from(next / row_size);
            match free.get_mut(slot) {
                Some(seen) if next.is_multiple_of(row_size) && !*seen => *seen = true,
                _ => return Err("the list of free slots is broken"),
            }
            if self.has_row(next, row_size) {
                return Err("a slot with a row is in the list of free ones");
            }
            next = self.u16_at(next);
        }
        let free = free.iter().filter(|free| **free).count();
        match free + usize::from(self.row_count) == used {
            true => Ok(()),
            false => Err("a slot is neither free nor in use"),
        }
    }

    /// Returns which granules are free.
    fn check_granules(&self) -> Result<Vec<bool>, &'static str> {
        let first = self.var_first;
        if first > DATA_LEN || !first.is_multiple_of(GRANULE_LEN) || first < self.last {
            return Err("the granules begin nowhere");
        }
        let mut free = vec![false; GRANULE_COUNT];
        let mut count = 0_u16;
        let mut next = self.var_next_free;
        while next != DATA_LEN {
            let seen = free.get_mut(usize::from(next / GRANULE_LEN));
            match seen {
                Some(seen) if next.is_multiple_of(GRANULE_LEN) && next >= first && !*seen => {
                    *seen = true;
                }
                _ => return Err("the list of free granules is broken"),
            }
            count += 1;
            next = self.u16_at(next);
        }
        let all = (DATA_LEN - first) / GRANULE_LEN;
        let sums_up = count.checked_add(self.granules_in_use) == Some(all);
        match count == self.var_free_count && sums_up {
            true => Ok(free),
            false => Err("the numbers of granules do not add up"),
        }
    }

    /// The number at an offset that is below the data's length, and even.
    fn u16_at(&self, offset: u16) -> u16 {
        u16_at(self.data, offset)
    }
}

/// Zero beyond the end; no caller asks for that.
fn u16_at(data: &[u8], offset: u16) -> u16 {
    let bytes = data
        .get(usize::from(offset)..)
        .and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

/// Checks that a file holds the page of this name.
pub(super) fn check_hash(bytes: &[u8], hash: ObjectHash, path: &Path) -> Result<(), SnapshotError> {
    checked_fields(bytes, hash, path).map(drop)
}

fn checked_fields<'a>(
    bytes: &'a [u8],
    expected: ObjectHash,
    path: &Path,
) -> Result<Fields<'a>, SnapshotError> {
    let fields =
        parse(bytes).map_err(|(at, what)| SnapshotError::damaged(path, at as u64, what))?;
    match fields.content_hash() == expected {
        true => Ok(fields),
        false => {
            let what = DamageKind::WrongContent { expected };
            Err(SnapshotError::damaged(path, 0, what))
        }
    }
}

impl<'a> Page<'a> {
    /// Checks a file's hash and structure. Positions in errors are those in the uncompressed file.
    pub(super) fn decode(
        bytes: &'a [u8],
        row_size: u16,
        hash: ObjectHash,
        path: &Path,
    ) -> Result<Self, SnapshotError> {
        assert!(row_size >= 2, "every row has a size");
        let fields = checked_fields(bytes, hash, path)?;
        let damaged = |what| SnapshotError::damaged(path, 0, DamageKind::Invalid(what));
        fields.check_slots(row_size).map_err(damaged)?;
        let free_granules = fields.check_granules().map_err(damaged)?;
        Ok(Page {
            data: fields.data,
            data_position: fields.data_position,
            row_size,
            words: fields.words,
            var_first: fields.var_first,
            granules_in_use: fields.granules_in_use,
            free_granules,
        })
    }

    /// Offsets of the slots with rows.
    pub(super) fn slots(&self) -> impl Iterator<Item = u16> {
        (0..DATA_LEN / self.row_size)
            .filter(|slot| {
                let word = self.words.get(usize::from(slot / 64)).copied().unwrap_or(0);
                word >> (slot % 64) & 1 == 1
            })
            .map(|slot| slot * self.row_size)
    }

    /// The fixed-size part of the row in a slot.
    pub(super) fn row(&self, slot: u16) -> &'a [u8] {
        let begin = usize::from(slot);
        let row = self.data.get(begin..begin + usize::from(self.row_size));
        row.unwrap_or(&[])
    }

    /// Where a slot is in the uncompressed file.
    pub(super) fn file_position(&self, slot: u16) -> u64 {
        (self.data_position + usize::from(slot)) as u64
    }

    /// For reading all rows once.
    pub(super) fn granules(&self) -> Granules {
        Granules {
            taken: self.free_granules.clone(),
            in_use: 0,
            expected: self.granules_in_use,
        }
    }
}

impl Granules {
    /// Appends the object that a reference stands for, or returns the blob's hash.
    pub(super) fn read(
        &mut self,
        page: &Page<'_>,
        reference: [u8; 4],
        out: &mut Vec<u8>,
    ) -> Result<VarObject, &'static str> {
        let [len_low, len_high, first_low, first_high] = reference;
        let len = u16::from_le_bytes([len_low, len_high]);
        let first = u16::from_le_bytes([first_low, first_high]);
        match len {
            0 if first == 0 => Ok(VarObject::Inline),
            BLOB_LEN_MARK => {
                let mut hash = Vec::with_capacity(32);
                self.walk(page, first, 32, &mut hash)?;
                let hash = hash.try_into().map_err(|_| "a blob's hash has 32 bytes")?;
                Ok(VarObject::Blob(ObjectHash(hash)))
            }
            1..=OBJECT_LEN_MAX => {
                self.walk(page, first, usize::from(len), out)?;
                Ok(VarObject::Inline)
            }
            _ => Err("the length of an object is out of bounds"),
        }
    }

    fn walk(
        &mut self,
        page: &Page<'_>,
        first: u16,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        let mut left = len;
        let mut at = first;
        while left > 0 {
            let taken = self.taken.get_mut(usize::from(at / GRANULE_LEN));
            match taken {
                Some(taken)
                    if at.is_multiple_of(GRANULE_LEN) && at >= page.var_first && !*taken =>
                {
                    *taken = true;
                }
                _ => return Err("an object's granule is not one, or not its own"),
            }
            self.in_use += 1;
            let header = u16_at(page.data, at);
            let used = usize::from(header % GRANULE_LEN);
            let next = header - header % GRANULE_LEN;
            if used != left.min(GRANULE_DATA_LEN) || (next == 0) != (used == left) {
                return Err("an object's granules do not have its length");
            }
            let begin = usize::from(at) + 2;
            let bytes = page.data.get(begin..begin + used);
            out.extend_from_slice(bytes.ok_or("an object's granule is not one")?);
            left -= used;
            at = next;
        }
        Ok(())
    }

    /// After the last row: each granule that is in use belongs to one.
    pub(super) fn finish(self) -> Result<(), DamageKind> {
        match self.in_use == self.expected {
            true => Ok(()),
            false => Err(DamageKind::Invalid("a granule in use belongs to no row")),
        }
    }
}

//! Snapshots as SpacetimeDB writes them, for tests of the reader.

#![allow(dead_code)] // Each test file uses a part of this.

use std::collections::BTreeMap;
use std::path::Path;

use spacetime_commitlog::storage::{OpenMode, Storage};
use spacetime_durability::storage::SimStorage;
use spacetime_snapshot::ObjectHash;
use spacetime_types::bsatn::encode_value;
use spacetime_types::{AlgebraicType as Ty, AlgebraicValue, Identity, Layout};

pub const END: usize = 65_472;
pub const SNAPSHOTS: &str = "/snapshots";

/// A page that is being filled, as the original would.
pub struct PageBuilder {
    pub row_size: usize,
    pub data: Vec<u8>,
    pub last: usize,
    pub next_free: usize,
    pub rows: Vec<usize>,
    pub var_first: usize,
    pub var_next_free: usize,
    pub var_free: usize,
    pub in_use: usize,
}

impl PageBuilder {
    pub fn new(row_size: usize) -> Self {
        PageBuilder {
            row_size,
            // What was in the memory before; nobody may look at it.
            data: vec![0xa5; END],
            last: 0,
            next_free: END,
            rows: Vec::new(),
            var_first: END,
            var_next_free: END,
            var_free: 0,
            in_use: 0,
        }
    }

    pub fn put_u16(&mut self, at: usize, number: usize) {
        let number = u16::try_from(number).expect("an offset");
        self.data[at..at + 2].copy_from_slice(&number.to_le_bytes());
    }

    pub fn take_granule(&mut self) -> usize {
        self.in_use += 1;
        if self.var_next_free != END {
            let at = self.var_next_free;
            self.var_next_free =
                usize::from(u16::from_le_bytes([self.data[at], self.data[at + 1]]));
            self.var_free -= 1;
            return at;
        }
        self.var_first -= 64;
        self.var_first
    }

    /// Last granule first, as the original does it. Returns the first.
    pub fn put_object(&mut self, bytes: &[u8]) -> usize {
        let mut next = 0;
        for chunk in bytes.chunks(62).rev() {
            let at = self.take_granule();
            self.put_u16(at, next | chunk.len());
            self.data[at + 2..at + 2 + chunk.len()].copy_from_slice(chunk);
            next = at;
        }
        next
    }

    pub fn slot(&mut self) -> usize {
        let slot = match self.next_free {
            END => {
                self.last += self.row_size;
                self.last - self.row_size
            }
            slot => {
                self.next_free =
                    usize::from(u16::from_le_bytes([self.data[slot], self.data[slot + 1]]));
                slot
            }
        };
        self.rows.push(slot);
        slot
    }

    pub fn delete_slot(&mut self, slot: usize) {
        self.rows.retain(|row| *row != slot);
        self.put_u16(slot, self.next_free);
        self.next_free = slot;
    }

    pub fn delete_granule(&mut self, at: usize) {
        self.put_u16(at, self.var_next_free);
        self.var_next_free = at;
        self.var_free += 1;
        self.in_use -= 1;
    }

    pub fn words(&self) -> Vec<u64> {
        let mut words = vec![0; END.div_ceil(self.row_size).div_ceil(64)];
        for row in &self.rows {
            let bit = row / self.row_size;
            words[bit / 64] |= 1 << (bit % 64);
        }
        words
    }

    pub fn fixed_numbers(&self) -> Vec<u8> {
        u16s(&[self.next_free, self.last, self.rows.len()])
    }

    pub fn var_numbers(&self) -> Vec<u8> {
        u16s(&[
            self.var_next_free,
            self.var_free,
            self.var_first,
            self.in_use,
        ])
    }

    pub fn hash(&self) -> ObjectHash {
        let words = self.words();
        let words: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let parts = [
            &self.data,
            &self.fixed_numbers(),
            &words,
            &self.var_numbers(),
        ];
        ObjectHash::of(&parts.map(Clone::clone).concat())
    }

    pub fn file(&self) -> Vec<u8> {
        let mut file = self.fixed_numbers();
        let words = self.words();
        file.extend_from_slice(&u32::try_from(words.len()).expect("few").to_le_bytes());
        file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        file.extend(self.var_numbers());
        file.push(0);
        file.extend_from_slice(&[32, 0, 0, 0]);
        file.extend_from_slice(&self.hash().0);
        file.extend_from_slice(&[0xc0, 0xff, 0, 0]);
        file.extend_from_slice(&self.data);
        file
    }
}

fn u16s(numbers: &[usize]) -> Vec<u8> {
    let numbers = numbers.iter();
    let bytes = numbers.flat_map(|&number| u16::try_from(number).expect("a u16").to_le_bytes());
    bytes.collect()
}

/// A snapshot that is being put together.
#[derive(Default)]
pub struct Builder {
    pub identity: Identity,
    pub blobs: BTreeMap<ObjectHash, (u32, Vec<u8>)>,
    pub tables: Vec<(u32, Vec<ObjectHash>)>,
    pub objects: BTreeMap<ObjectHash, Vec<u8>>,
}

impl Builder {
    pub fn put_value(
        &mut self,
        page: &mut PageBuilder,
        ty: &Ty,
        value: &AlgebraicValue,
        at: usize,
    ) {
        match (ty, value) {
            (Ty::String | Ty::Array(_), value) => {
                let mut bytes = Vec::new();
                encode_value(value, &mut bytes);
                if let Ty::String = ty {
                    bytes.drain(..4);
                }
                let (len, first) = match bytes.len() {
                    0 => (0, 0),
                    len @ 1..=992 => (len, page.put_object(&bytes)),
                    _ => {
                        let hash = ObjectHash::of(&bytes);
                        self.blobs.entry(hash).or_insert((0, bytes)).0 += 1;
                        (0xffff, page.put_object(&hash.0))
                    }
                };
                page.put_u16(at, len);
                page.put_u16(at + 2, first);
            }
            (Ty::Product(product), AlgebraicValue::Product(values)) => {
                let mut end = at;
                for (element, value) in product.elements.iter().zip(values) {
                    let layout = Layout::of(&element.algebraic_type).expect("no references");
                    // Everything is aligned to the row's beginning, which is at a multiple of it.
                    let offset = at + (end - at).next_multiple_of(layout.align);
                    self.put_value(page, &element.algebraic_type, value, offset);
                    end = offset + layout.size;
                }
            }
            (Ty::Sum(sum), AlgebraicValue::Sum(value)) => {
                page.data[at] = value.tag;
                let payload = at + Layout::of(ty).expect("no references").align;
                let variant = &sum.variants[usize::from(value.tag)].algebraic_type;
                self.put_value(page, variant, &value.value, payload);
            }
            (_, value) => {
                let mut bytes = Vec::new();
                encode_value(value, &mut bytes);
                page.data[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        }
    }

    pub fn add_page(&mut self, table: u32, page: &PageBuilder) {
        self.objects.insert(page.hash(), page.file());
        self.add_hash(table, page.hash());
    }

    pub fn add_hash(&mut self, table: u32, hash: ObjectHash) {
        match self.tables.iter_mut().find(|(id, _)| *id == table) {
            Some((_, pages)) => pages.push(hash),
            None => self.tables.push((table, vec![hash])),
        }
    }

    pub fn manifest(&self, offset: u64) -> Vec<u8> {
        let mut body = b"\x04\0\0\0txyz\0".to_vec();
        body.extend_from_slice(&self.identity.to_le_bytes());
        body.extend_from_slice(&[0; 8]);
        body.extend_from_slice(&[2, 0, 0, 0, 7, 0, 0, 0]);
        body.extend_from_slice(&offset.to_le_bytes());
        let put_count = |count: usize, body: &mut Vec<u8>| {
            body.extend_from_slice(&u32::try_from(count).expect("few").to_le_bytes());
        };
        let put_hash = |hash: &ObjectHash, body: &mut Vec<u8>| {
            body.extend_from_slice(&[32, 0, 0, 0]);
            body.extend_from_slice(&hash.0);
        };
        put_count(self.blobs.len(), &mut body);
        for (hash, (uses, _)) in &self.blobs {
            put_hash(hash, &mut body);
            body.extend_from_slice(&uses.to_le_bytes());
        }
        put_count(self.tables.len(), &mut body);
        for (table, pages) in &self.tables {
            body.extend_from_slice(&table.to_le_bytes());
            put_count(pages.len(), &mut body);
            pages.iter().for_each(|page| put_hash(page, &mut body));
        }
        let mut file = blake3::hash(&body).as_bytes().to_vec();
        file.extend(body);
        file
    }

    /// Writes it to [`SNAPSHOTS`] of a disk; files are compressed if `compress` says so.
    pub fn write(&self, disk: &SimStorage, offset: u64, compress: impl Fn(usize) -> bool) {
        self.write_to(disk, Path::new(SNAPSHOTS), offset, compress);
    }

    /// The same, in another directory.
    pub fn write_to(
        &self,
        disk: &SimStorage,
        snapshots: &Path,
        offset: u64,
        compress: impl Fn(usize) -> bool,
    ) {
        let dir = snapshots.join(format!("{offset:020}.snapshot_dir"));
        for parent in [snapshots, &dir, &dir.join("objects")] {
            disk.create_dir(parent).expect("no fault is planned");
        }
        let blobs = self.blobs.iter().map(|(hash, (_, bytes))| (hash, bytes));
        for (number, (hash, bytes)) in self.objects.iter().chain(blobs).enumerate() {
            let hex = hash.to_string();
            let folder = dir.join("objects").join(&hex[..2]);
            disk.create_dir(&folder).expect("no fault is planned");
            put_file(disk, &folder.join(&hex[2..]), bytes, compress(number));
        }
        let manifest = dir.join(format!("{offset:020}.snapshot_bsatn"));
        put_file(disk, &manifest, &self.manifest(offset), compress(0));
    }
}

pub fn put_file(disk: &SimStorage, path: &Path, bytes: &[u8], compress: bool) {
    let file = disk
        .open(path, OpenMode::CreateOrTruncate)
        .expect("no fault is planned");
    let bytes = match compress {
        true => zstd::encode_all(bytes, 0).expect("memory"),
        false => bytes.to_vec(),
    };
    file.write_all_at(0, &bytes).expect("no fault is planned");
}

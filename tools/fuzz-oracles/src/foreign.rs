//! Snapshots that another program wrote, with good hashes around bad content.

use std::path::Path;
use std::sync::Arc;

use spacetime_durability::storage::SimStorage;
use spacetime_snapshot::ObjectHash;
use spacetime_snapshot::foreign::{self, ForeignSnapshot};
use spacetime_types::bsatn::Reader;
use spacetime_types::{AlgebraicType as Ty, ProductType, TableId, Typespace, bsatn};

use crate::disk::{bytes_or_changes, create_dirs, put};

const DIR: &str = "/snapshots";
const SNAPSHOT: &str = "/snapshots/00000000000000000000.snapshot_dir";
const OBJECTS: &str = "/snapshots/00000000000000000000.snapshot_dir/objects";
const DATA_LEN: usize = 65_472;

fn open(disk: &SimStorage, body: &[u8]) -> Option<ForeignSnapshot> {
    let mut manifest = blake3::hash(body).as_bytes().to_vec();
    manifest.extend_from_slice(body);
    put(
        disk,
        &format!("{SNAPSHOT}/00000000000000000000.snapshot_bsatn"),
        &manifest,
    );
    let entries = foreign::list(disk, Path::new(DIR));
    let Ok([entry]) = entries.as_deref() else {
        panic!("one snapshot is there: {entries:?}");
    };
    ForeignSnapshot::open(Arc::new(disk.clone()), entry).ok()
}

fn empty_disk() -> SimStorage {
    let disk = SimStorage::new(0);
    create_dirs(&disk, &[DIR, SNAPSHOT, OBJECTS]);
    disk
}

/// The beginning of a manifest, up to the lists.
fn head() -> Vec<u8> {
    let mut head = b"\x04\0\0\0txyz\0".to_vec();
    head.extend_from_slice(&[0; 40]);
    head.extend_from_slice(&[2, 0, 0, 0, 7, 0, 0, 0]);
    head.extend_from_slice(&[0; 8]);
    head
}

/// Two blobs, and two tables with a page that is absent and one that is not.
fn good_lists() -> Vec<u8> {
    let hash = |byte: u8| [[32, 0, 0, 0].as_slice(), &[byte; 32]].concat();
    let mut lists = vec![2, 0, 0, 0];
    for byte in [1, 2] {
        lists.extend(hash(byte));
        lists.extend_from_slice(&[byte, 0, 0, 0]);
    }
    lists.extend_from_slice(&[2, 0, 0, 0]);
    for table in [1, 7] {
        lists.extend_from_slice(&[table, 0, 0, 0, 2, 0, 0, 0]);
        lists.extend(hash(0));
        lists.extend(hash(table));
    }
    lists
}

/// Any bytes as the lists in a manifest; if the first is odd, what follows are changes to good
/// ones. Objects are all missing, which is damage and no more.
pub fn foreign_manifest(data: &[u8]) -> bool {
    let disk = empty_disk();
    let _ = open(&disk, data);
    let data = &bytes_or_changes(data, good_lists)[..];
    let Some(snapshot) = open(&disk, &[&head(), data].concat()) else {
        return false;
    };
    let manifest = snapshot.manifest();
    assert!(manifest.blobs.len() * 40 <= data.len());
    assert!(manifest.tables.len() * 8 <= data.len());
    let verified = snapshot.verify();
    assert!(verified.is_ok(), "the disk is good: {verified:?}");
    true
}

/// A page of three rows (u32, string).
fn good_page() -> Vec<u8> {
    let mut page = vec![0xc0, 0xff, 24, 0, 3, 0];
    page.extend_from_slice(&[0xc0, 0xff, 0, 0, 0, 0xff, 3, 0]);
    page.extend_from_slice(&[7, 0, 0, 0, 0, 0, 0, 0]);
    let (mut front, mut back) = (vec![0; 192], vec![0; 192]);
    for row in 0..3_u8 {
        let at = usize::from(row);
        front[8 * at] = row;
        front[8 * at + 4] = 5;
        // The granules are the last three.
        front[8 * at + 6..8 * at + 8]
            .copy_from_slice(&(65_280 + 64 * u16::from(row)).to_le_bytes());
        back[64 * at] = 5;
        back[64 * at + 2..64 * at + 7].copy_from_slice(b"hello");
    }
    page.extend(front);
    page.extend(back);
    page
}

/// Any bytes as a page: its eight numbers, then a few words of its bitmap, then the beginning and
/// the end of its data. If the first byte is odd, what follows are changes to a good one. Every
/// row that it gives is one of its type.
pub fn foreign_page(data: &[u8]) -> bool {
    let choice = usize::from(data.first().copied().unwrap_or(0) / 2);
    let data = bytes_or_changes(data, good_page);
    let Some((numbers, rest)) = data.split_first_chunk::<14>() else {
        return false;
    };
    let (fixed, var) = numbers.split_at(6);
    let (words, rest) = rest.split_at(rest.len().min(8));
    let (front, back) = rest.split_at(rest.len() / 2);
    let types = [
        (ProductType::tuple([Ty::U32, Ty::String]), 128),
        (
            ProductType::tuple([Ty::option(Ty::String), Ty::array(Ty::U16), Ty::Bool]),
            86,
        ),
        (ProductType::tuple([Ty::U8]), 512),
    ];
    let (row_type, word_count) = &types[choice % types.len()];
    let mut bitmap = words.to_vec();
    bitmap.resize(word_count * 8, 0);
    let mut rows = front.to_vec();
    rows.truncate(DATA_LEN / 2);
    rows.resize(DATA_LEN, 0);
    let back = &back[back.len().saturating_sub(DATA_LEN / 2)..];
    rows[DATA_LEN - back.len()..].copy_from_slice(back);
    let parts = Parts {
        fixed,
        var,
        bitmap,
        rows,
    };
    check_page(&parts, row_type)
}

struct Parts<'a> {
    fixed: &'a [u8],
    var: &'a [u8],
    bitmap: Vec<u8>,
    rows: Vec<u8>,
}

fn check_page(parts: &Parts<'_>, row_type: &ProductType) -> bool {
    let hash = [&parts.rows, parts.fixed, &parts.bitmap, parts.var].concat();
    let hash = ObjectHash::of(&hash);
    let words = u32::try_from(parts.bitmap.len() / 8).unwrap_or(0);
    let file = [
        parts.fixed,
        &words.to_le_bytes(),
        &parts.bitmap,
        parts.var,
        &[1, 0xc0, 0xff, 0, 0],
        &parts.rows,
    ];
    let disk = empty_disk();
    let hex = hash.to_string();
    let folder = format!("{OBJECTS}/{}", &hex[..2]);
    create_dirs(&disk, &[&folder]);
    put(&disk, &format!("{folder}/{}", &hex[2..]), &file.concat());
    let mut body = head();
    body.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 32, 0, 0, 0]);
    body.extend_from_slice(&hash.0);
    let Some(snapshot) = open(&disk, &body) else {
        panic!("the manifest is good");
    };
    let whole = Ty::Product(row_type.clone());
    let read = snapshot.rows(TableId(9), row_type, |row| -> Result<(), ()> {
        let mut reader = Reader::new(row);
        let skipped = bsatn::skip_value(&Typespace::default(), &whole, &mut reader);
        assert!(
            skipped.is_ok() && reader.rest().is_empty(),
            "a row that is none"
        );
        Ok(())
    });
    if let Ok(count) = read {
        let rows: u32 = parts.bitmap.iter().map(|byte| byte.count_ones()).sum();
        assert_eq!(count, u64::from(rows));
    }
    read.is_ok()
}

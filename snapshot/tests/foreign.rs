//! Snapshots that SpacetimeDB wrote, or could have written.

mod foreign_writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use foreign_writer::{Builder, END, PageBuilder, SNAPSHOTS, put_file};
use spacetime_commitlog::storage::Storage;
use spacetime_durability::storage::SimStorage;
use spacetime_snapshot::foreign::{
    ForeignRowsError, ForeignSnapshot, ForeignState, RowTypeError, list,
};
use spacetime_snapshot::{Damage, DamageKind, ObjectHash, SnapshotError};
use spacetime_types::bsatn::encode_value;
use spacetime_types::{
    AlgebraicType as Ty, AlgebraicValue, ArrayValue, Layout, ProductType, SumValue, TableId,
};

fn reopened(builder: &Builder) -> ForeignSnapshot {
    let disk = SimStorage::new(0);
    builder.write(&disk, 5, |_| false);
    open(&disk, 5).expect("good")
}

fn open(disk: &SimStorage, offset: u64) -> Result<ForeignSnapshot, SnapshotError> {
    let entries = list(disk, Path::new(SNAPSHOTS)).expect("no fault is planned");
    let entry = entries.iter().find(|entry| entry.tx_offset.0 == offset);
    ForeignSnapshot::open(Arc::new(disk.clone()), entry.expect("listed"))
}

fn rows(
    snapshot: &ForeignSnapshot,
    table: u32,
    ty: &ProductType,
) -> Result<Vec<Vec<u8>>, ForeignRowsError<()>> {
    let mut rows = Vec::new();
    snapshot.rows(TableId(table), ty, |row| {
        rows.push(row.to_vec());
        Ok(())
    })?;
    Ok(rows)
}

fn invalid(result: Result<Vec<Vec<u8>>, ForeignRowsError<()>>) -> &'static str {
    match result {
        Err(ForeignRowsError::Snapshot(SnapshotError::Damaged(damage))) => match *damage {
            Damage {
                what: DamageKind::Invalid(what),
                ..
            } => what,
            other => panic!("{other}"),
        },
        other => panic!("not damage: {other:?}"),
    }
}

fn product(types: impl IntoIterator<Item = Ty>) -> ProductType {
    ProductType::tuple(types)
}

/// The row type of the format's worked example.
fn example_type() -> ProductType {
    let e = Ty::sum([("A", Ty::U64), ("B", Ty::String), ("C", Ty::unit())]);
    product([
        Ty::U32,
        Ty::String,
        Ty::array(Ty::U8),
        Ty::F64,
        e,
        Ty::option(Ty::U8),
        Ty::Bool,
        Ty::U128,
    ])
}

/// Bytes as SpacetimeDB placed them, stale ones included, not as this file's encoder would.
#[test]
fn the_worked_example() {
    let mut page = PageBuilder::new(64);
    page.last = 256;
    page.rows = vec![0, 128, 192];
    page.next_free = 64;
    page.put_u16(64, END);
    page.data[..64].copy_from_slice(&hex(
        "01000000 00000000 0400 80ff 40ff0000 000000000000e03f 00 ff0500c0fe0000
         8877665544332211 00 09 01 0000000000 00000000000000000000000000000000",
    ));
    page.data[65_408..65_414].copy_from_slice(&hex("0400 00000000"));
    let row = hex(
        "03000000 3f00 00fe e003 00fa 00000000 0000000000000000 02 00000000000000
         0000000000000000 01 00 00 0000000000 01000000000000000000000000000000",
    );
    page.data[128..192].copy_from_slice(&row);
    page.data[65_024..65_026].copy_from_slice(&hex("7efe"));
    page.data[65_026..65_088].fill(b'y');
    page.data[65_088..65_091].copy_from_slice(&hex("0100 79"));
    let mut bytes = hex("dc030000");
    bytes.extend_from_slice(&[2; 988]);
    for (number, chunk) in bytes.chunks(62).enumerate() {
        let at = 64_000 + number * 64;
        let next = if number == 15 { 0 } else { at + 64 };
        page.put_u16(at, next | 62);
        page.data[at + 2..at + 64].copy_from_slice(chunk);
    }
    let row = hex(
        "04000000 ffff c0f9 0400 40ff 00000000 0000000000000000 01 00 0000 00000000
         0000 0000 00000000 01 00 00 0000000000 01000000000000000000000000000000",
    );
    page.data[192..256].copy_from_slice(&row);
    page.data[65_344..65_350].copy_from_slice(&hex("0400 00000000"));
    page.data[63_936..63_938].copy_from_slice(&hex("2000"));
    let blob = vec![b'z'; 993];
    let name = hex("9874a51b703693dd4a2e0da0f6bf10aca44d5c4d804aee256d4cec0375c4fb77");
    assert_eq!(ObjectHash::of(&blob).0, *name);
    page.data[63_938..63_970].copy_from_slice(&name);
    // In use: 1 for row 0, 2 + 16 for row 2, 2 for row 3. The others are free.
    page.var_first = 63_936;
    page.in_use = 21;
    let used =
        |at: &usize| [63_936, 65_088, 65_344, 65_408].contains(at) || (64_000..65_088).contains(at);
    for at in (63_936..END).step_by(64).filter(|at| !used(at)) {
        page.in_use += 1;
        page.delete_granule(at);
    }
    let mut builder = Builder::default();
    builder
        .blobs
        .insert(ObjectHash::of(&blob), (1, blob.clone()));
    builder.add_page(4096, &page);
    let found = rows(&reopened(&builder), 4096, &example_type()).expect("good");
    let mut first = hex("01000000 00000000 00000000 000000000000e03f 00 8877665544332211 00 09 01");
    first.extend_from_slice(&[0; 16]);
    let mut second = hex("03000000 3f000000");
    second.extend_from_slice(&[b'y'; 63]);
    second.extend_from_slice(&bytes);
    second.extend(hex(
        "0000000000000000 02 01 00 01000000000000000000000000000000",
    ));
    let mut third = hex("04000000 e1030000");
    third.extend_from_slice(&blob);
    third.extend(hex("00000000 0000000000000000 01 00000000 01 00"));
    third.extend(hex("01000000000000000000000000000000"));
    assert_eq!(found, [first, second, third]);
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let pairs = digits.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
        .collect()
}

/// Rows that differ only in the bits of a float, with what was between their columns.
#[test]
fn floats_are_read_by_their_bits() {
    let mut page = PageBuilder::new(8);
    page.data.fill(0);
    page.data[..40].copy_from_slice(&hex(
        "010080ff 00000000 010000ff 00000080 010080fe 0000c07f 01000000 0100c07f
         02000000 0000803f",
    ));
    page.last = 40;
    page.rows = vec![0, 8, 16, 24, 32];
    let file = page.file();
    assert_eq!(file[..6], *hex("c0ff 2800 0500"));
    assert_eq!(file.len(), 66_555);
    let mut builder = Builder::default();
    builder.add_page(4096, &page);
    let ty = product([Ty::U8, Ty::F32]);
    let found = rows(&reopened(&builder), 4096, &ty).expect("good");
    let expected = [
        "0100000000",
        "0100000080",
        "010000c07f",
        "010100c07f",
        "020000803f",
    ];
    assert_eq!(found, expected.map(hex));
}

/// Types and values that depend on nothing but the seed.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % below
    }

    fn ty(&mut self, depth: u64) -> Ty {
        match self.next(if depth == 0 { 9 } else { 13 }) {
            0 => Ty::Bool,
            1 => Ty::U8,
            2 => Ty::I16,
            3 => Ty::U32,
            4 => Ty::F64,
            5 => Ty::U128,
            6 => Ty::U256,
            7 | 8 => Ty::String,
            9 => Ty::array(self.ty(depth - 1)),
            10 => Ty::option(self.ty(depth - 1)),
            11 => Ty::sum([
                ("a", self.ty(depth - 1)),
                ("b", Ty::unit()),
                ("c", self.ty(depth - 1)),
            ]),
            _ => {
                let count = self.next(4);
                Ty::tuple((0..count).map(|_| self.ty(depth - 1)).collect::<Vec<_>>())
            }
        }
    }

    fn value(&mut self, ty: &Ty) -> AlgebraicValue {
        match ty {
            Ty::Bool => AlgebraicValue::Bool(self.next(2) == 1),
            Ty::U8 => AlgebraicValue::U8(self.next(256) as u8),
            Ty::I16 => AlgebraicValue::I16(self.next(1 << 16) as i16),
            Ty::U32 => AlgebraicValue::U32(self.next(1 << 32) as u32),
            Ty::F64 => AlgebraicValue::F64(spacetime_types::F64(self.next(1000) as f64)),
            Ty::U128 => AlgebraicValue::U128(u128::from(self.next(1 << 31)) << 50),
            Ty::U256 => AlgebraicValue::U256(spacetime_types::U256::from(self.next(1 << 31))),
            Ty::String => {
                let len = [0, 1, 5, 61, 62, 63, 124, 500, 992, 993, 2000][self.next(11) as usize];
                let text = (0..len).map(|_| char::from(b'a' + self.next(26) as u8));
                AlgebraicValue::String(text.collect::<String>().into())
            }
            Ty::Array(element) => match **element {
                Ty::U8 => {
                    let len = [0, 1, 58, 59, 988, 989][self.next(6) as usize];
                    let bytes = (0..len).map(|_| self.next(256) as u8).collect::<Vec<_>>();
                    AlgebraicValue::Array(ArrayValue::Bytes(bytes.into()))
                }
                _ => {
                    let len = self.next(4);
                    let values = (0..len).map(|_| self.value(element)).collect::<Vec<_>>();
                    AlgebraicValue::Array(ArrayValue::Values(values))
                }
            },
            Ty::Product(product) => {
                let elements = product.elements.iter();
                let values = elements.map(|element| self.value(&element.algebraic_type));
                AlgebraicValue::Product(values.collect())
            }
            Ty::Sum(sum) => {
                let tag = self.next(sum.variants.len() as u64);
                let value = self.value(&sum.variants[tag as usize].algebraic_type);
                AlgebraicValue::Sum(SumValue {
                    tag: tag as u8,
                    value: Box::new(value),
                })
            }
            other => panic!("{other} is not made here"),
        }
    }
}

/// A table of one to three pages with holes, and its rows.
fn random_table(seed: u64) -> (Builder, ProductType, Vec<Vec<u8>>) {
    let mut random = Random(seed);
    let count = 1 + random.next(5);
    let ty = product((0..count).map(|_| random.ty(3)).collect::<Vec<_>>());
    let whole = Ty::Product(ty.clone());
    let row_size = Layout::row_size(&ty).expect("no references");
    let mut builder = Builder::default();
    let mut expected = Vec::new();
    for _ in 0..1 + random.next(3) {
        let mut page = PageBuilder::new(row_size);
        let mut rows = BTreeMap::new();
        for _ in 0..random.next(12) {
            let value = random.value(&whole);
            let slot = page.slot();
            builder.put_value(&mut page, &whole, &value, slot);
            let mut bytes = Vec::new();
            encode_value(&value, &mut bytes);
            rows.insert(slot, bytes);
        }
        // Slots can only be freed here if no granule belongs to them.
        if page.in_use == 0 && rows.len() > 2 {
            let gone = *rows.keys().nth(1).expect("more than two");
            rows.remove(&gone);
            page.delete_slot(gone);
        }
        builder.add_page(4096, &page);
        expected.extend(rows.into_values());
    }
    (builder, ty, expected)
}

#[test]
fn rows_of_any_type_come_back() {
    let (mut rows_seen, mut blobs_seen) = (0, 0);
    for seed in 0..300 {
        let (builder, ty, expected) = random_table(seed);
        let disk = SimStorage::new(0);
        builder.write(&disk, 5, |number| (seed + number as u64).is_multiple_of(3));
        let snapshot = open(&disk, 5).expect("good");
        let found = rows(&snapshot, 4096, &ty).expect("good");
        assert_eq!(found, expected, "seed {seed}");
        rows_seen += found.len();
        blobs_seen += builder.blobs.len();
        let verified = snapshot.verify().expect("no fault is planned");
        assert!(verified.is_good());
        assert_eq!(snapshot.manifest().is_compressed, seed.is_multiple_of(3));
    }
    assert!(
        rows_seen > 1000 && blobs_seen > 100,
        "{rows_seen} {blobs_seen}"
    );
}

fn one_page() -> (PageBuilder, ProductType) {
    let mut page = PageBuilder::new(8);
    for text in ["first", "second", "third"] {
        let slot = page.slot();
        page.put_u16(slot, 7);
        page.put_u16(slot + 2, 0);
        page.put_u16(slot + 4, text.len());
        let first = page.put_object(text.as_bytes());
        page.put_u16(slot + 6, first);
    }
    (page, product([Ty::U32, Ty::String]))
}

fn rows_of(page: &PageBuilder, ty: &ProductType) -> Result<Vec<Vec<u8>>, ForeignRowsError<()>> {
    let mut builder = Builder::default();
    builder.add_page(1, page);
    rows(&reopened(&builder), 1, ty)
}

/// The hash is right, and the page is not: each rule is broken once.
#[test]
fn pages_that_make_no_sense_are_refused() {
    type Change = fn(&mut PageBuilder);
    let cases: [(Change, &str); 15] = [
        (|page| page.last = 12, "the used slots end nowhere"),
        (|page| page.last = 16, "a row lies beyond the used slots"),
        (|page| page.last = 32, "a slot is neither free nor in use"),
        (
            |page| page.next_free = 24,
            "the list of free slots is broken",
        ),
        (
            |page| page.next_free = 8,
            "a slot with a row is in the list of free ones",
        ),
        (
            |page| {
                page.delete_slot(8);
                page.put_u16(8, 8);
            },
            "the list of free slots is broken",
        ),
        (|page| page.var_first += 1, "the granules begin nowhere"),
        (|page| page.var_first = 0, "the granules begin nowhere"),
        (
            |page| page.in_use += 1,
            "the numbers of granules do not add up",
        ),
        (
            |page| page.var_next_free = 64,
            "the list of free granules is broken",
        ),
        (
            |page| {
                page.var_first -= 64;
                page.in_use += 1;
            },
            "a granule in use belongs to no row",
        ),
        (
            |page| page.put_u16(14, 65_408),
            "an object's granule is not one, or not its own",
        ),
        (
            |page| page.put_u16(12, 63),
            "an object's granules do not have its length",
        ),
        (
            |page| page.put_u16(12, 993),
            "the length of an object is out of bounds",
        ),
        (|page| page.data[65_410] = 0xff, "a string is not UTF-8"),
    ];
    for (change, expected) in cases {
        let (mut page, ty) = one_page();
        assert_eq!(rows_of(&page, &ty).expect("good").len(), 3);
        change(&mut page);
        assert_eq!(invalid(rows_of(&page, &ty)), expected);
    }
}

#[test]
fn rows_of_another_type_are_refused() {
    let (page, _) = one_page();
    let check = |types: &[Ty], expected| {
        let ty = product(types.to_vec());
        assert_eq!(invalid(rows_of(&page, &ty)), expected);
    };
    check(
        &[Ty::U32],
        "the bitmap's length is not that of rows of this type",
    );
    check(&[Ty::Bool, Ty::U32], "a bool is neither 0 nor 1");
    let plain = Ty::plain_enum(["a", "b"]);
    check(&[plain, Ty::U32], "a tag without a variant");
    check(&[Ty::U32, Ty::array(Ty::U8)], "an array is not of its type");
    let refused = rows_of(&page, &product([Ty::reference(0)]));
    let reference = RowTypeError::Reference;
    assert!(matches!(refused, Err(ForeignRowsError::RowType { error, .. }) if error == reference));
}

#[test]
fn every_flipped_byte_of_a_snapshot_is_noticed() {
    let (page, ty) = one_page();
    let mut builder = Builder::default();
    builder.add_page(1, &page);
    let blob = vec![3; 1200];
    builder.blobs.insert(ObjectHash::of(&blob), (1, blob));
    for compress in [false, true] {
        let disk = SimStorage::new(0);
        builder.write(&disk, 5, |_| compress);
        let expected = rows(&open(&disk, 5).expect("good"), 1, &ty).expect("good");
        let (mut same, mut refused) = (0, 0);
        for file in disk.files() {
            let len = disk.content(&file).expect("listed").len();
            let step = if len > 10_000 { 131 } else { 1 };
            for at in (0..len).step_by(step) {
                let copy = disk.fork(0);
                copy.damage(&file, |bytes| bytes[at] ^= 1 << (at % 8));
                let found = open(&copy, 5)
                    .map_err(ForeignRowsError::Snapshot)
                    .and_then(|found| {
                        let rows = rows(&found, 1, &ty)?;
                        let verified = found.verify()?;
                        Ok((rows, verified.is_good()))
                    });
                match found {
                    Ok((found, true)) => {
                        // The page's own copy of its hash, or another zstd form of the same.
                        assert_eq!(found, expected);
                        same += 1;
                    }
                    Ok((_, false)) | Err(ForeignRowsError::Snapshot(SnapshotError::Damaged(_))) => {
                        refused += 1;
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
        assert!(
            refused > 200 && same < refused / 4,
            "{refused} refused, {same} as before"
        );
    }
}

#[test]
fn a_blob_that_is_itself_a_zstd_file_is_not_unpacked() {
    let content = zstd::encode_all(&[1; 5000][..], 0).expect("memory");
    let mut builder = Builder::default();
    let hash = ObjectHash::of(&content);
    builder.blobs.insert(hash, (1, content.clone()));
    assert_eq!(reopened(&builder).blob(hash).expect("good"), content);
    let disk = SimStorage::new(0);
    builder.write(&disk, 5, |_| true);
    assert_eq!(
        open(&disk, 5).expect("good").blob(hash).expect("good"),
        content
    );
}

#[test]
fn a_bomb_is_not_unpacked() {
    let (page, ty) = one_page();
    let mut builder = Builder::default();
    builder.add_hash(1, page.hash());
    builder.objects.insert(page.hash(), vec![0; 5_000_000]);
    let disk = SimStorage::new(0);
    builder.write(&disk, 5, |_| true);
    let found = rows(&open(&disk, 5).expect("good"), 1, &ty);
    assert_eq!(invalid(found), "more is compressed here than there can be");
}

#[test]
fn an_absent_page_has_no_rows_and_no_file() {
    let (page, ty) = one_page();
    let mut builder = Builder::default();
    builder.add_hash(1, ObjectHash([0; 32]));
    builder.add_page(1, &page);
    let snapshot = reopened(&builder);
    assert_eq!(
        snapshot.manifest().tables[0].pages,
        [None, Some(page.hash())]
    );
    assert_eq!(rows(&snapshot, 1, &ty).expect("good").len(), 3);
    assert_eq!(rows(&snapshot, 2, &ty).expect("no such table").len(), 0);
}

#[test]
fn the_directory_is_listed_with_what_is_known_of_each() {
    let disk = SimStorage::new(0);
    assert_eq!(
        list(&disk, Path::new(SNAPSHOTS)).expect("missing is empty"),
        []
    );
    let builder = Builder::default();
    for offset in [5, 11, 21] {
        builder.write(&disk, offset, |_| false);
    }
    let dir = Path::new(SNAPSHOTS);
    let others = [
        "30.snapshot_dir",
        "31.invalid_snapshot",
        "32.archived_snapshot",
        "x.snapshot_dir",
    ];
    for name in others {
        disk.create_dir(&dir.join(name))
            .expect("no fault is planned");
    }
    put_file(&disk, &dir.join(format!("{:020}.lock", 11)), b"", false);
    let found = list(&disk, dir).expect("good");
    let found: Vec<_> = found
        .iter()
        .map(|entry| (entry.tx_offset.0, entry.state))
        .collect();
    let expected = [
        (5, ForeignState::Complete),
        (11, ForeignState::Locked),
        (21, ForeignState::Complete),
        (30, ForeignState::Incomplete),
        (31, ForeignState::Invalid),
        (32, ForeignState::Archived),
    ];
    assert_eq!(found, expected);
    assert!(
        open(&disk, 11).is_ok(),
        "a lock file that was left does no harm"
    );
    let from = dir.join(format!("{0:020}.snapshot_dir/{0:020}.snapshot_bsatn", 5));
    let to = dir.join(format!("{0:020}.snapshot_dir/{0:020}.snapshot_bsatn", 21));
    let bytes = disk.content(&from).expect("written");
    disk.damage(&to, |content| *content = bytes);
    let error = open(&disk, 21).expect_err("it is that of 5");
    assert!(error.to_string().contains("belongs to number 5"), "{error}");
}

use super::*;
use std::path::PathBuf;

fn file() -> PathBuf {
    PathBuf::from("/snapshots/7.manifest")
}

fn object(byte: u8, pack: u32, position: u64, len: u32) -> ObjectEntry {
    ObjectEntry {
        hash: ObjectHash([byte; 32]),
        pack,
        position,
        stored_len: len,
        content_len: len,
        codec: Codec::Plain,
    }
}

fn example() -> Manifest {
    Manifest {
        identity: Identity::from_le_bytes([3; 32]),
        tx_offset: TxOffset(7),
        taken_at: Timestamp::from_micros(-5),
        extra: b"extra".to_vec(),
        packs: vec![
            PackEntry {
                number: 2,
                byte_len: 1000,
            },
            PackEntry {
                number: 9,
                byte_len: 200,
            },
        ],
        objects: vec![
            object(1, 0, 56, 100),
            ObjectEntry {
                stored_len: 10,
                content_len: 100,
                codec: Codec::Lz4,
                ..object(2, 0, 300, 0)
            },
            object(3, 1, 56, 96),
        ],
        blobs: vec![BlobEntry {
            object: ObjectIndex(1),
            uses: 12,
        }],
        tables: vec![
            TableEntry {
                table: TableId(1),
                fingerprint: [8; 16],
                row_count: 77,
                pages: vec![Some(ObjectIndex(2)), None, Some(ObjectIndex(0))],
            },
            TableEntry {
                table: TableId(4096),
                fingerprint: [9; 16],
                row_count: 0,
                pages: Vec::new(),
            },
        ],
    }
}

fn damage(bytes: &[u8]) -> (u64, DamageKind) {
    match Manifest::decode(bytes, &file()) {
        Err(SnapshotError::Damaged(damage)) => {
            assert_eq!(damage.file, file());
            (damage.at, damage.what)
        }
        other => panic!("not damage: {other:?}"),
    }
}

/// What a reader says of a manifest whose checksum is right and whose content is not.
fn refused(change: impl FnOnce(&mut Manifest)) -> DamageKind {
    let mut manifest = example();
    change(&mut manifest);
    damage(&manifest.encode().expect("it can be written")).1
}

#[test]
fn comes_back() {
    for manifest in [
        example(),
        Manifest {
            extra: Vec::new(),
            packs: Vec::new(),
            objects: Vec::new(),
            blobs: Vec::new(),
            tables: Vec::new(),
            ..example()
        },
    ] {
        let bytes = manifest.encode().expect("small");
        assert_eq!(Manifest::decode(&bytes, &file()).expect("good"), manifest);
    }
}

/// The layout is a promise to later versions.
#[test]
fn has_the_documented_layout() {
    let bytes = example().encode().expect("small");
    assert_eq!(&bytes[..8], b"stdbsnap");
    assert_eq!(bytes[8..12], [1, 0, 0, 0]);
    assert_eq!(bytes[12..20], (bytes.len() as u64 - 52).to_le_bytes());
    let mut body = vec![3; 32];
    body.extend_from_slice(&7_u64.to_le_bytes());
    body.extend_from_slice(&(-5_i64).to_le_bytes());
    body.extend_from_slice(&[5, 0, 0, 0]);
    body.extend_from_slice(b"extra");
    body.extend_from_slice(&[2, 0, 0, 0]);
    for number in [2_u64, 1000, 9, 200] {
        body.extend_from_slice(&number.to_le_bytes());
    }
    body.extend_from_slice(&[3, 0, 0, 0]);
    body.extend_from_slice(&[1; 32]);
    body.extend_from_slice(&[0, 0, 0, 0, 56, 0, 0, 0, 0, 0, 0, 0]);
    body.extend_from_slice(&[100, 0, 0, 0, 100, 0, 0, 0, 0]);
    assert_eq!(bytes[52..52 + body.len()], body);
    let end = [4, 0, 0, 0, 0];
    assert_ne!(bytes[bytes.len() - 5..], end);
    assert_eq!(
        bytes.len(),
        52 + 57 + 36 + 4 + 3 * 53 + 4 + 12 + 4 + 2 * 32 + 12
    );
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = example().encode().expect("small");
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        damage(&flipped);
    }
}

#[test]
fn every_other_length_is_noticed() {
    let mut bytes = example().encode().expect("small");
    for len in 0..bytes.len() {
        damage(&bytes[..len]);
    }
    let expected = bytes.len() as u64;
    bytes.push(0);
    let found = expected + 1;
    let what = DamageKind::WrongLength { expected, found };
    assert_eq!(damage(&bytes), (found, what));
}

#[test]
fn a_newer_version_is_named() {
    let mut bytes = example().encode().expect("small");
    bytes[8] = 2;
    let what = DamageKind::UnknownVersion {
        found: 2,
        newest_known: 1,
    };
    assert_eq!(damage(&bytes), (8, what));
}

#[test]
fn what_makes_no_sense_is_refused_in_spite_of_its_checksum() {
    let invalid = DamageKind::Invalid;
    let cases = [
        (
            refused(|manifest| manifest.packs[1].number = 2),
            "packs out of order",
        ),
        (
            refused(|manifest| manifest.objects[2].pack = 2),
            "no such pack",
        ),
        (
            refused(|manifest| manifest.objects[0].position = 55),
            "objects out of order",
        ),
        (
            refused(|manifest| manifest.objects[1].position = 203),
            "objects out of order",
        ),
        (
            refused(|manifest| manifest.objects[2].position = 57),
            "an object beyond the end of its pack",
        ),
        (
            refused(|manifest| manifest.objects[2].position = u64::MAX - 60),
            "an object beyond the end of its pack",
        ),
        (
            refused(|manifest| manifest.objects[0].content_len = 99),
            "the lengths of an object do not fit",
        ),
        (
            refused(|manifest| manifest.objects[1].content_len = 1 << 29),
            "the lengths of an object do not fit",
        ),
        (
            refused(|manifest| manifest.blobs[0].object = ObjectIndex(3)),
            "no such object",
        ),
        (
            refused(|manifest| manifest.blobs[0].uses = 0),
            "a blob that nobody uses",
        ),
        (
            refused(|manifest| manifest.blobs.push(manifest.blobs[0])),
            "blobs out of order",
        ),
        (
            refused(|manifest| manifest.tables[1].table = TableId(1)),
            "tables out of order",
        ),
        (
            refused(|manifest| manifest.tables[1].pages.push(Some(ObjectIndex(3)))),
            "no such object",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, invalid(expected));
    }
}

#[test]
fn a_count_that_lies_takes_no_memory() {
    let mut bytes = example().encode().expect("small");
    // The number of extra bytes.
    bytes[100..104].copy_from_slice(&u32::MAX.to_le_bytes());
    seal(&mut bytes);
    let what = DamageKind::Invalid("a count is too large");
    assert_eq!(damage(&bytes), (104, what));
}

#[test]
fn bytes_after_the_body_are_refused() {
    let mut bytes = example().encode().expect("small");
    bytes.push(0);
    seal(&mut bytes);
    let what = DamageKind::Invalid("bytes follow the body");
    assert_eq!(damage(&bytes), (bytes.len() as u64 - 1, what));
}

#[test]
fn too_much_extra_is_an_error_of_the_caller() {
    let manifest = Manifest {
        extra: vec![0; EXTRA_BYTES_MAX + 1],
        ..example()
    };
    let refused = manifest.encode();
    assert!(matches!(refused, Err(SnapshotError::TooLarge { .. })));
}

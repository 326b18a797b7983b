use super::*;

fn frame(start: u64, epoch: u64, records: &[&[u8]]) -> Vec<u8> {
    let mut commit = CommitBuffer::new();
    for record in records {
        commit
            .push(|out| out.extend_from_slice(record))
            .expect("small records fit");
    }
    commit.finish(TxOffset(start), epoch).bytes.to_vec()
}

#[test]
fn checksum_is_castagnoli() {
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(crc32c::crc32c(&[0; 22]), 0x3270_7625);
}

#[test]
fn third_commit_of_the_published_file() {
    let expected = b"\x03\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x01\0\x01\0\0\0\0\x3f\x6f\x21\xba";
    assert_eq!(frame(3, 7, &[&[0]]), expected);
}

#[test]
fn truncate_commit_of_a_real_server() {
    let record = b"\x20\0\0\x01\x01\x10\0\0";
    let bytes = frame(7, 0, &[record]);
    assert_eq!(bytes[..8], 7_u64.to_le_bytes());
    assert_eq!(bytes[bytes.len() - 4..], [0xf2, 0x24, 0xbf, 0xc2]);
    assert!(checksum_holds(&bytes));
}

#[test]
fn first_commit_of_the_published_version_0_file() {
    let mut bytes = b"\0\0\0\0\0\0\0\0\x01\0\x20\0\0\0".to_vec();
    let header = CommitHeader::decode(Version::V0, &bytes).expect("14 bytes are a header");
    assert_eq!(header.start, TxOffset(0));
    assert_eq!((header.epoch, header.record_count), (0, 1));
    assert_eq!(header.frame_len(Version::V0), 14 + 32 + 4);
    bytes.extend_from_slice(&[0; 32]);
    bytes.extend_from_slice(&[0xfc, 0x6e, 0x97, 0x4b]);
    assert!(checksum_holds(&bytes));
}

#[test]
fn header_round_trip() {
    let bytes = frame(u64::MAX - 3, 9, &[b"a", b"bc"]);
    let header = CommitHeader::decode(Version::V1, &bytes).expect("22 bytes are a header");
    let expected = CommitHeader {
        start: TxOffset(u64::MAX - 3),
        epoch: 9,
        record_count: 2,
        records_len: 3,
    };
    assert_eq!(header, expected);
    assert_eq!(header.frame_len(Version::V1), bytes.len() as u64);
    assert_eq!(header.end(), Some(TxOffset(u64::MAX - 1)));
}

#[test]
fn too_few_bytes_are_no_header() {
    let bytes = frame(0, 0, &[b"a"]);
    for len in 0..22 {
        assert_eq!(CommitHeader::decode(Version::V1, &bytes[..len]), None);
    }
}

#[test]
fn every_flipped_bit_breaks_the_checksum() {
    let good = frame(5, 0, &[b"some record", b"another"]);
    assert!(checksum_holds(&good));
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(!checksum_holds(&bad), "bit {bit}");
    }
}

#[test]
fn a_commit_takes_65535_records_and_no_more() {
    let mut commit = CommitBuffer::new();
    for _ in 0..RECORD_COUNT_MAX {
        assert_eq!(commit.push(|out| out.push(0)), Ok(()));
    }
    assert_eq!(commit.push(|out| out.push(0)), Err(CommitFull));
    let frame = commit.finish(TxOffset(0), 0);
    assert_eq!(usize::from(frame.header.record_count), RECORD_COUNT_MAX);
    assert!(checksum_holds(frame.bytes));
    commit.clear();
    assert_eq!(commit.push(|out| out.push(0)), Ok(()));
    assert_eq!((commit.record_count(), commit.records_len()), (1, 1));
}

#[test]
fn the_checksum_can_be_computed_in_pieces() {
    for pieces in 1..20 {
        let records: Vec<Vec<u8>> = (0..pieces)
            .map(|n: u8| vec![n; 7 * usize::from(n) + 1])
            .collect();
        let mut commit = CommitBuffer::new();
        commit.checksum_ahead();
        for (nth, record) in records.iter().enumerate() {
            let pushed = commit.push(|out| out.extend_from_slice(record));
            pushed.expect("small records fit");
            if nth % 3 == 0 {
                commit.checksum_ahead();
            }
        }
        let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        assert_eq!(commit.finish(TxOffset(9), 2).bytes, frame(9, 2, &slices));
        assert!(checksum_holds(&frame(9, 2, &slices)));
        commit.clear();
        commit.push(|out| out.push(0)).expect("small");
        assert_eq!(commit.finish(TxOffset(9), 2).bytes, frame(9, 2, &[&[0]]));
    }
}

//! Commits of the log.

use spacetime_commitlog::commit::{CommitBuffer, CommitHeader, checksum_holds};
use spacetime_commitlog::segment::Version;
use spacetime_types::TxOffset;

/// Any bytes as a commit; and as the records of one, which must come back, and in which every
/// changed bit must be noticed.
pub fn commit(data: &[u8]) -> bool {
    for version in [Version::V0, Version::V1] {
        let Some(header) = CommitHeader::decode(version, data) else {
            continue;
        };
        let end = header.end().map(|end| end.0);
        let expected = header.start.0.checked_add(u64::from(header.record_count));
        assert_eq!(end, expected);
        let frame = usize::try_from(header.frame_len(version)).ok();
        if let Some(frame) = frame.and_then(|len| data.get(..len)) {
            let _ = checksum_holds(frame);
        }
    }
    written(data)
}

fn written(data: &[u8]) -> bool {
    let Some((&[place, piece, offset], records)) = data.split_first_chunk::<3>() else {
        return false;
    };
    let mut buffer = CommitBuffer::new();
    for record in records.chunks(usize::from(piece) + 1) {
        let pushed = buffer.push(|out| out.extend_from_slice(record));
        assert!(pushed.is_ok(), "a small record fits");
    }
    let count = buffer.record_count();
    if count == 0 {
        return false;
    }
    let start = TxOffset(u64::from(offset) << 56);
    let mut frame = buffer.finish(start, 7).bytes.to_vec();
    assert!(checksum_holds(&frame));
    let header = CommitHeader::decode(Version::V1, &frame);
    let Some(header) = header else {
        panic!("what was written is not a commit");
    };
    assert_eq!((header.start, header.epoch), (start, 7));
    assert_eq!(usize::from(header.record_count), count);
    assert_eq!(header.frame_len(Version::V1), frame.len() as u64);
    assert!(frame[22..].starts_with(records));
    let at = usize::from(place) % frame.len();
    frame[at] ^= 1 << (piece % 8);
    assert!(!checksum_holds(&frame), "a changed bit was not noticed");
    true
}

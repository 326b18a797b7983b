use super::*;

fn entry(start: u64, at: u64) -> IndexEntry {
    IndexEntry {
        start: TxOffset(start),
        at,
    }
}

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl StorageFile for Bytes {
    fn path(&self) -> &Path {
        Path::new("index")
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        let begin = usize::try_from(offset).map_or(self.0.len(), |at| at.min(self.0.len()));
        let len = buf.len().min(self.0.len() - begin);
        buf[..len].copy_from_slice(&self.0[begin..begin + len]);
        Ok(len)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> Result<usize, StorageError> {
        unreachable!("only read")
    }

    fn byte_len(&self) -> Result<u64, StorageError> {
        Ok(self.0.len() as u64)
    }

    fn set_len(&self, _: u64) -> Result<(), StorageError> {
        unreachable!("only read")
    }

    fn sync_data(&self) -> Result<(), StorageError> {
        unreachable!("only read")
    }
}

#[test]
fn the_published_file_has_the_published_index() {
    let mut builder = IndexBuilder::new(64);
    for (start, at, len) in [(0, 10, 121), (1, 131, 72), (3, 203, 27)] {
        builder.note(TxOffset(start), at, len);
    }
    let entries = builder.take();
    assert_eq!(entries, [entry(1, 131)]);
    let stored = b"\x01\0\0\0\0\0\0\0\x83\0\0\0\0\0\0\0";
    assert_eq!(encode_all(&entries), stored);
    assert_eq!(decode(&[&stored[..], &[0; 48]].concat()), entries);
}

#[test]
fn decoding_ends_where_the_order_does() {
    let all = [entry(3, 10), entry(5, 90), entry(9, 200)];
    let bytes = encode_all(&all);
    assert_eq!(decode(&bytes), all);
    assert_eq!(decode(&bytes[..47]), all[..2]);
    for wrong in [entry(5, 300), entry(4, 300), entry(10, 90), entry(0, 300)] {
        let bytes = encode_all(&[all[0], all[1], wrong, all[2]]);
        assert_eq!(decode(&bytes), all[..2], "{wrong:?}");
    }
}

#[test]
fn lookups_find_the_last_entry_at_or_below() {
    for count in 0..20 {
        for unused in [0, 1, 7] {
            let all: Vec<_> = (1..=count).map(|n| entry(10 * n, 100 * n)).collect();
            let mut bytes = encode_all(&all);
            bytes.resize(bytes.len() + unused * ENTRY_LEN + 3, 0);
            for wanted in 0..10 * count + 11 {
                let found = find_in(&Bytes(bytes.clone()), TxOffset(wanted)).expect("readable");
                let expected = all.iter().rfind(|entry| entry.start.0 <= wanted);
                assert_eq!(found.first(), expected, "{wanted} among {count}");
                assert!(found.len() <= 4);
            }
        }
    }
}

#[test]
fn no_index_is_built_without_an_interval() {
    let mut builder = IndexBuilder::new(0);
    builder.note(TxOffset(1), 10, 1 << 40);
    assert_eq!(builder.take(), []);
}

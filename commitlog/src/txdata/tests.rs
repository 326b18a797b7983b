use std::convert::Infallible;

use spacetime_types::{TableId, TxOffset};

use super::*;

const A: &[u8] = b"\x01\0\0\0\x02\0\0\0ab";
const B: &[u8] = b"\x02\0\0\0\0\0\0\0";

fn rows(table: u32, row_count: usize, bytes: &[u8]) -> Rows<'_> {
    Rows {
        table: TableId(table),
        row_count,
        bytes,
    }
}

/// Knows one row type, (u32, string), and writes down what it is shown.
#[derive(Default)]
struct Scribe {
    seen: Vec<String>,
}

impl Scribe {
    fn row(rows: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
        let begin = rows.rest();
        rows.take(4)?;
        let len = read_u32(rows)?;
        rows.take(len as usize)?;
        Ok(begin[..begin.len() - rows.rest().len()].to_vec())
    }
}

impl TxVisitor for Scribe {
    type Error = DecodeError;

    fn begin(&mut self, offset: TxOffset) -> Result<(), DecodeError> {
        self.seen.push(format!("begin {offset}"));
        Ok(())
    }

    fn inputs(&mut self, inputs: Inputs<'_>) -> Result<(), DecodeError> {
        let call = inputs.call();
        self.seen.push(format!("call {} {call:?}", inputs.reducer));
        Ok(())
    }

    fn outputs(&mut self, outputs: &str) -> Result<(), DecodeError> {
        self.seen.push(format!("outputs {outputs}"));
        Ok(())
    }

    fn insert(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), DecodeError> {
        let row = Self::row(rows)?;
        self.seen.push(format!("insert {table} {row:?}"));
        Ok(())
    }

    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), DecodeError> {
        let row = Self::row(rows)?;
        self.seen.push(format!("delete {table} {row:?}"));
        Ok(())
    }

    fn truncate(&mut self, table: TableId) -> Result<(), DecodeError> {
        self.seen.push(format!("truncate {table}"));
        Ok(())
    }

    fn end(&mut self, offset: TxOffset) -> Result<(), DecodeError> {
        self.seen.push(format!("end {offset}"));
        Ok(())
    }

    fn skip_row(&mut self, _: TableId, rows: &mut Reader<'_>) -> Result<(), DecodeError> {
        Self::row(rows).map(drop)
    }
}

/// The record that the specification calls T0.
fn call_record() -> Vec<u8> {
    let call = Call {
        caller: [0x11; 32],
        connection: [0x22; 16],
        timestamp_micros: 1_700_000_000_000_000,
        arguments: &[7, 0, 0, 0],
    };
    let arguments = call.to_bytes();
    let inputs = Inputs {
        reducer: "add",
        arguments: &arguments,
    };
    let both = [A, B].concat();
    let changes = Changes {
        inserts: &[rows(4096, 2, &both)],
        deletes: &[],
        truncates: &[],
    };
    let mut out = Vec::new();
    encode(Some(inputs), None, Some(changes), &mut out);
    out
}

/// The record that the specification calls T1.
fn changes_record() -> Vec<u8> {
    let changes = Changes {
        inserts: &[rows(7, 1, B)],
        deletes: &[rows(4096, 1, A)],
        truncates: &[TableId(4097), TableId(4098)],
    };
    let mut out = Vec::new();
    encode(None, None, Some(changes), &mut out);
    out
}

fn visit(record: &[u8]) -> Result<Vec<String>, TxdataError<DecodeError>> {
    let mut scribe = Scribe::default();
    let mut reader = Reader::new(record);
    decode(TxOffset(5), &mut reader, &mut scribe)?;
    assert_eq!(reader.rest(), [0_u8; 0], "the whole record is consumed");
    let mut skipper = Reader::new(record);
    skip(&mut skipper, &mut scribe)?;
    assert_eq!(skipper.rest(), [0_u8; 0], "the whole record is skipped");
    Ok(scribe.seen)
}

#[test]
fn reducer_call_as_published() {
    let mut expected = b"\xa0\x40\0\0\0\x03add".to_vec();
    expected.extend_from_slice(&[0x11; 32]);
    expected.extend_from_slice(&[0x22; 16]);
    expected.extend_from_slice(b"\x00\x40\x1e\x18\x24\x0a\x06\x00\x07\0\0\0");
    expected.extend_from_slice(b"\x01\x00\x10\0\0\x02\x01\0\0\0\x02\0\0\0ab\x02\0\0\0\0\0\0\0\0\0");
    assert_eq!(expected.len(), 95);
    assert_eq!(call_record(), expected);
    let seen = visit(&expected).expect("a good record");
    assert_eq!(seen[0], "begin 5");
    assert!(seen[1].starts_with("call add Some(Call { caller: [17, 17"));
    assert!(seen[1].ends_with("timestamp_micros: 1700000000000000, arguments: [7, 0, 0, 0] })"));
    assert_eq!(seen[2], format!("insert 4096 {A:?}"));
    assert_eq!(seen[3], format!("insert 4096 {B:?}"));
    assert_eq!(seen[4], "end 5");
}

#[test]
fn changes_as_published() {
    let mut expected = b"\x20\x01\x07\0\0\0\x01\x02\0\0\0\0\0\0\0\x01\x00\x10\0\0\x01".to_vec();
    expected.extend_from_slice(b"\x01\0\0\0\x02\0\0\0ab\x02\x01\x10\0\0\x02\x10\0\0");
    assert_eq!(expected.len(), 40);
    assert_eq!(changes_record(), expected);
    let seen = visit(&expected).expect("a good record");
    let insert = format!("insert 7 {B:?}");
    let delete = format!("delete 4096 {A:?}");
    let expected = [
        "begin 5",
        &insert,
        &delete,
        "truncate 4097",
        "truncate 4098",
        "end 5",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn outputs_only_and_nothing_at_all_as_published() {
    let mut out = Vec::new();
    encode::<Rows<'_>>(None, Some("boom"), None, &mut out);
    assert_eq!(out, b"\x40\x04boom");
    assert_eq!(visit(&out).expect("good")[1], "outputs boom");
    let mut out = Vec::new();
    encode::<Rows<'_>>(None, None, None, &mut out);
    assert_eq!(out, [0]);
    assert_eq!(visit(&out).expect("good"), ["begin 5", "end 5"]);
}

#[test]
fn unknown_flags_are_ignored() {
    assert_eq!(visit(&[0x1f]).expect("good"), ["begin 5", "end 5"]);
}

#[test]
fn a_long_reducer_name_is_cut_at_a_character() {
    let name = format!("{}\u{e4}", "x".repeat(254));
    let inputs = Inputs {
        reducer: &name,
        arguments: &[],
    };
    let mut out = Vec::new();
    encode::<Rows<'_>>(Some(inputs), None, None, &mut out);
    assert_eq!(out[5], 254);
    let seen = visit(&out).expect("good");
    assert_eq!(seen[1], format!("call {} None", "x".repeat(254)));
}

#[test]
fn numbers_round_trip_and_overlong_ones_are_refused() {
    for number in [0, 1, 127, 128, 300, 65_535, u64::from(u32::MAX), u64::MAX] {
        let mut out = Vec::new();
        write_varint(number, &mut out);
        let mut reader = Reader::new(&out);
        assert_eq!(read_varint(&mut reader), Ok(number));
        assert!(reader.rest().is_empty());
    }
    assert!(read_varint(&mut Reader::new(&[0xff; 12])).is_err());
    let above_64_bits = [&[0xff; 9][..], &[0x02]].concat();
    assert!(read_varint(&mut Reader::new(&above_64_bits)).is_err());
    assert!(read_varint(&mut Reader::new(&[0x80])).is_err());
}

#[test]
fn every_shortened_record_is_refused() {
    for record in [call_record(), changes_record(), b"\x40\x04boom".to_vec()] {
        for len in 0..record.len() {
            let result = visit(&record[..len]);
            assert!(result.is_err(), "{len} of {} bytes", record.len());
        }
    }
}

/// A visitor for a table without columns.
struct NoColumns;

impl TxVisitor for NoColumns {
    type Error = Infallible;

    fn begin(&mut self, _: TxOffset) -> Result<(), Infallible> {
        Ok(())
    }

    fn insert(&mut self, _: TableId, _: &mut Reader<'_>) -> Result<(), Infallible> {
        Ok(())
    }

    fn delete(&mut self, _: TableId, _: &mut Reader<'_>) -> Result<(), Infallible> {
        Ok(())
    }

    fn truncate(&mut self, _: TableId) -> Result<(), Infallible> {
        Ok(())
    }

    fn end(&mut self, _: TxOffset) -> Result<(), Infallible> {
        Ok(())
    }

    fn skip_row(&mut self, _: TableId, _: &mut Reader<'_>) -> Result<(), Infallible> {
        Ok(())
    }
}

#[test]
fn a_huge_count_of_rows_without_bytes_is_refused_at_once() {
    let mut record = b"\x20\x01\x00\x10\0\0".to_vec();
    write_varint(u64::MAX, &mut record);
    let result = decode(TxOffset(0), &mut Reader::new(&record), &mut NoColumns);
    assert!(matches!(result, Err(TxdataError::Malformed(_))));
    let one_row = b"\x20\x01\x00\x10\0\0\x01\0\0";
    let result = decode(TxOffset(0), &mut Reader::new(one_row), &mut NoColumns);
    assert!(result.is_ok());
}

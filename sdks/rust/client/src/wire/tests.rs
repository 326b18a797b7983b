//! The bytes of messages, as the protocol's description gives them.

use bytes::Bytes;
use spacetime_types::bsatn::Reader;
use spacetime_types::hex;

use super::frame::{self, Version};
use super::v2::TableUpdateRows;
use super::*;

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn message(text: &str) -> ServerMessage {
    let frame = Bytes::from(bytes(text));
    let mut reader = Reader::new(&frame);
    let message = ServerMessage::read(&frame, &mut reader).unwrap();
    assert!(reader.rest().is_empty(), "all bytes belong to the message");
    message
}

fn rows(list: &v2::BsatnRowList) -> Vec<Vec<u8>> {
    let rows = (0..list.len()).map(|index| list.row(index).unwrap().to_vec());
    rows.collect()
}

const APPLIED: &str = "010100000007000000010000000400000075736572010200000000000000000000000900000\
                       000000000140000000100000001000000610200000003000000626364";
const UPDATE: &str = "0401000000070000000100000001000000740100000000000400080000000100000002000000\
                      010000000000000000";

#[test]
fn client_messages() {
    let queries: Box<[Box<str>]> = ["SELECT * FROM user".into()].into();
    assert_eq!(
        subscribe(1, QuerySetId(7), &queries),
        bytes("000100000007000000010000001200000053454c454354202a2046524f4d2075736572")
    );
    assert_eq!(unsubscribe(2, QuerySetId(7)), bytes("01020000000700000000"));
    let arguments = bytes("03000000626f621e");
    assert_eq!(
        call_reducer(4, "add", &arguments),
        bytes("030400000000030000006164640800000003000000626f621e")
    );
    assert_eq!(
        call_procedure(5, "ret", &arguments),
        bytes("040500000000030000007265740800000003000000626f621e")
    );
}

#[test]
fn first_rows() {
    let ServerMessage::SubscribeApplied { set, rows: tables } = message(APPLIED) else {
        panic!("another message");
    };
    assert_eq!(set, QuerySetId(7));
    assert_eq!(&*tables.tables[0].table, "user");
    assert_eq!(tables.tables[0].rows.set, QuerySetId(7));
    let expected = [bytes("010000000100000061"), bytes("0200000003000000626364")];
    assert_eq!(rows(&tables.tables[0].rows), expected);
}

#[test]
fn changes() {
    let ServerMessage::TransactionUpdate(update) = message(UPDATE) else {
        panic!("another message");
    };
    let TableUpdateRows::PersistentTable { inserts, deletes } =
        &update.query_sets[0].tables[0].rows[0]
    else {
        panic!("another kind of rows");
    };
    assert_eq!(rows(inserts), [bytes("01000000"), bytes("02000000")]);
    assert!(rows(deletes).is_empty());
    let events = "040100000007000000010000000200000065760100000001000400080000000100000002000000";
    let ServerMessage::TransactionUpdate(update) = message(events) else {
        panic!("another message");
    };
    let rows = &update.query_sets[0].tables[0].rows[0];
    assert!(matches!(rows, TableUpdateRows::EventTable { events } if events.len() == 2));
}

#[test]
fn ends_of_calls() {
    for (text, expected) in [
        ("060400000040222018240a060001", "Committed"),
        ("060400000040222018240a0600000000000000000000", "Committed"),
        ("060400000040222018240a06000206000000020000006e6f", "Err"),
        (
            "060400000040222018240a0600030f0000006e6f20737563682072656475636572",
            "no such reducer",
        ),
    ] {
        let text = format!("{:?}", message(text));
        assert!(text.contains(expected), "{text}");
    }
    let procedure = message("0700040000000900000040222018240a0600dc0500000000000005000000");
    let ServerMessage::ProcedureResult { request: 5, status } = procedure else {
        panic!("another message");
    };
    assert!(matches!(status, ProcedureStatus::Returned(value) if *value == [9, 0, 0, 0]));
}

#[test]
fn every_cut_of_every_message_is_refused() {
    for text in [APPLIED, UPDATE] {
        let whole = bytes(text);
        for len in 0..whole.len() {
            let cut = Bytes::copy_from_slice(&whole[..len]);
            assert!(ServerMessage::read(&cut, &mut Reader::new(&cut)).is_err());
        }
    }
}

#[test]
fn row_lists_that_contradict_themselves() {
    // Rows of 3 bytes in 4, rows of no bytes in 4, and an offset behind the end.
    for text in ["00030004000000ffffffff", "00000004000000ffffffff"] {
        let list = format!("0100000000070000000100000001000000{}{text}", "74");
        let frame = Bytes::from(bytes(&list));
        assert!(ServerMessage::read(&frame, &mut Reader::new(&frame)).is_err());
    }
    let far = "01000000000700000001000000010000007401010000000900000000000000\
               04000000ffffffff";
    let ServerMessage::SubscribeApplied { rows, .. } = message(far) else {
        panic!("another message");
    };
    assert_eq!(rows.tables[0].rows.row(0), None);
}

#[test]
fn a_knock_is_an_empty_query() {
    assert_eq!(super::knock(), bytes("020000000000000000"));
}

#[test]
fn frames() {
    let body = bytes(UPDATE);
    let one = Bytes::from([&[0], &body[..]].concat());
    let two = Bytes::from([&[0], &body[..], &body[..]].concat());
    assert_eq!(frame::read(&one, Version::V2).unwrap().messages.len(), 1);
    assert_eq!(frame::read(&two, Version::V3).unwrap().messages.len(), 2);
    assert_eq!(frame::read(&two, Version::V2).unwrap().messages.len(), 1);
    for bad in [&[][..], &[7, 1], &[1, 0xff], &[2, 0xff], &[0]] {
        assert!(frame::read(&Bytes::copy_from_slice(bad), Version::V3).is_err());
    }
}

#[test]
fn compressed_frames() {
    use std::io::Write as _;
    let body = bytes(UPDATE);
    let mut gzip = flate2::write::GzEncoder::new(vec![2], flate2::Compression::fast());
    gzip.write_all(&body).unwrap();
    let mut brotli = vec![1];
    brotli::CompressorWriter::new(&mut brotli, 4096, 1, 22)
        .write_all(&body)
        .unwrap();
    for packed in [gzip.finish().unwrap(), brotli] {
        let unpacked = frame::read(&Bytes::from(packed), Version::V3).unwrap();
        assert!(matches!(
            unpacked.messages[..],
            [ServerMessage::TransactionUpdate(_)]
        ));
        // What waits is counted as it lies in memory.
        assert_eq!(unpacked.bytes, body.len());
    }
}

use std::io::Read;

use spacetime_host::{QuerySetId, RequestId};

use super::*;
use crate::ws::sample;
use crate::ws::test_bytes::hex;

fn encoder(protocol: Protocol, compression: Compression) -> FrameEncoder {
    FrameEncoder::new(protocol, compression, sample::greeting())
}

/// An error message whose body has 14 bytes more than `text_len` (v2).
fn message(text_len: usize) -> OutboxMessage {
    OutboxMessage::SubscriptionError {
        request_id: Some(RequestId(1)),
        query_set: Some(QuerySetId::Set(7)),
        error: "e".repeat(text_len).into(),
        duration_micros: 0,
    }
}

fn encode(encoder: &mut FrameEncoder, lens: &[usize]) -> Vec<Bytes> {
    let messages: Vec<OutboxMessage> = lens.iter().map(|len| message(*len)).collect();
    let mut frames = Vec::new();
    encoder.encode(&messages, &mut frames);
    frames
}

fn frame_lens(protocol: Protocol, lens: &[usize]) -> Vec<usize> {
    encode(&mut encoder(protocol, Compression::None), lens)
        .iter()
        .map(Bytes::len)
        .collect()
}

#[test]
fn the_greeting_goes_first_and_alone() {
    for (protocol, tag) in [
        (Protocol::V3, "0000"),
        (Protocol::V2, "0000"),
        (Protocol::V1, "0003"),
    ] {
        let mut encoder = encoder(protocol, Compression::Brotli);
        let first = encoder.greeting();
        assert_eq!(hex(&first[..2]), tag);
        assert_eq!(first.len(), 1 + 1 + 32 + 16 + 4 + 3);
        assert_eq!(encode(&mut encoder, &[1]).len(), 1);
    }
}

#[test]
fn v2_sends_a_frame_a_message_and_v3_packs_them() {
    assert_eq!(frame_lens(Protocol::V2, &[1, 2, 3]), [16, 17, 18]);
    assert_eq!(frame_lens(Protocol::V3, &[1, 2, 3]), [1 + 15 + 16 + 17]);
    assert_eq!(frame_lens(Protocol::V3, &[]), [0usize; 0]);
}

#[test]
fn v3_frames_are_bounded_except_for_a_single_large_message() {
    let large = BATCH_BYTES;
    assert_eq!(
        frame_lens(Protocol::V3, &[1, large, 2]),
        [16, 15 + large, 17]
    );
    let half = BATCH_BYTES / 2;
    assert_eq!(
        frame_lens(Protocol::V3, &[half, half, half]),
        [15 + half, 15 + half, 15 + half]
    );
    let third = BATCH_BYTES / 3;
    assert_eq!(
        frame_lens(Protocol::V3, &[third, 100, third]),
        [1 + 28 + third + 100 + 14 + third]
    );
}

#[test]
fn only_bodies_above_the_threshold_are_compressed() {
    let at = COMPRESS_ABOVE - 14;
    for compression in [Compression::Brotli, Compression::Gzip] {
        let mut encoder = encoder(Protocol::V2, compression);
        assert_eq!(encode(&mut encoder, &[at])[0][0], TAG_NONE);
        assert_ne!(encode(&mut encoder, &[at + 1])[0][0], TAG_NONE);
    }
    let mut encoder = encoder(Protocol::V2, Compression::None);
    assert_eq!(encode(&mut encoder, &[100_000])[0][0], TAG_NONE);
}

#[test]
fn compressed_bodies_are_the_plain_ones() {
    let lens = [5000, 3, 200_000];
    let plain = encode(&mut encoder(Protocol::V3, Compression::None), &lens);
    let gzip = encode(&mut encoder(Protocol::V3, Compression::Gzip), &lens);
    let brotli = encode(&mut encoder(Protocol::V3, Compression::Brotli), &lens);
    assert_eq!((gzip[0][0], brotli[0][0]), (TAG_GZIP, TAG_BROTLI));
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(&gzip[0][1..])
        .read_to_end(&mut body)
        .expect("a gzip member");
    assert_eq!(body, plain[0][1..]);
    body.clear();
    brotli::Decompressor::new(&brotli[0][1..], 4096)
        .read_to_end(&mut body)
        .expect("a stream");
    assert_eq!(body, plain[0][1..]);
}

#[test]
fn a_closing_message_has_no_frame() {
    let mut frames = Vec::new();
    let closed = OutboxMessage::Closed {
        reason: "over".into(),
    };
    encoder(Protocol::V3, Compression::None).encode(&[closed], &mut frames);
    assert!(frames.is_empty());
}

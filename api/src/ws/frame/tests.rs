use std::io::Read;

use std::sync::Arc;

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

/// Updates of so many rows each, as two clients are told them.
fn updates(counts: &[usize]) -> Vec<Arc<ClientUpdate>> {
    counts
        .iter()
        .map(|count| {
            let set = QuerySetId::Set(7);
            let change = sample::rows("t", &vec![[7; 40]; *count]);
            Arc::new(ClientUpdate::new(vec![(set, change)], true))
        })
        .collect()
}

fn frames_of(
    protocol: Protocol,
    compression: Compression,
    updates: &[Arc<ClientUpdate>],
) -> Vec<Bytes> {
    let told = |update: &Arc<ClientUpdate>| OutboxMessage::TransactionUpdate {
        update: Arc::clone(update),
    };
    let messages: Vec<OutboxMessage> = updates.iter().map(told).collect();
    let mut frames = Vec::new();
    encoder(protocol, compression).encode(&messages, &mut frames);
    frames
}

#[test]
fn clients_that_are_told_the_same_share_the_frames() {
    let all = updates(&[1, 2, 1000]);
    for protocol in [Protocol::V1, Protocol::V2, Protocol::V3] {
        for compression in [Compression::None, Compression::Gzip, Compression::Brotli] {
            let first = frames_of(protocol, compression, &all);
            let second = frames_of(protocol, compression, &all);
            assert_eq!(first.len(), if protocol == Protocol::V3 { 1 } else { 3 });
            for (first, second) in first.iter().zip(&second) {
                assert_eq!(
                    first.as_ptr(),
                    second.as_ptr(),
                    "{protocol:?} {compression:?}"
                );
            }
            let is_plain = compression == Compression::None;
            assert_eq!(
                first.last().map(|frame| frame[0] == TAG_NONE),
                Some(is_plain)
            );
        }
    }
}

#[test]
fn shared_frames_say_what_a_frame_of_ones_own_says() {
    let all = updates(&[1, 2, 30]);
    let own = |update: &Arc<ClientUpdate>| {
        let changes = update.iter().cloned().collect();
        Arc::new(ClientUpdate::new(changes, false))
    };
    let alone: Vec<_> = all.iter().map(own).collect();
    for protocol in [Protocol::V1, Protocol::V2, Protocol::V3] {
        let expected = frames_of(protocol, Compression::None, &alone);
        assert_eq!(frames_of(protocol, Compression::None, &all), expected);
        // Another cut of the same updates.
        let tail = frames_of(protocol, Compression::None, &alone[1..]);
        assert_eq!(frames_of(protocol, Compression::None, &all[1..]), tail);
    }
}

#[test]
fn shared_frames_are_bounded() {
    let half = BATCH_BYTES / 2 / 40 + 1;
    let all = updates(&[half, half, 1, 1]);
    let frames = frames_of(Protocol::V3, Compression::None, &all);
    let lens: Vec<usize> = frames.iter().map(Bytes::len).collect();
    assert_eq!(lens.len(), 2, "{lens:?}");
    assert!(lens.iter().all(|len| *len <= BATCH_BYTES), "{lens:?}");
}

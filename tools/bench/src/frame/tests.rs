use proptest::prelude::*;

use super::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ 0..=125 => out.push(u8::try_from(len).unwrap()),
        len @ 126..=65535 => {
            out.push(126);
            out.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

/// Feeds `bytes` in pieces of `piece` bytes; the events as text of opcode and payload.
fn events(bytes: &[u8], piece: usize) -> Result<Vec<(char, Vec<u8>)>, FrameError> {
    let mut inbox = Inbox::new(16);
    let mut found = Vec::new();
    for mut rest in bytes.chunks(piece) {
        while !rest.is_empty() {
            let space = inbox.space();
            let len = space.len().min(rest.len());
            assert_ne!(len, 0, "there is always space");
            space[..len].copy_from_slice(&rest[..len]);
            inbox.received(len);
            rest = &rest[len..];
            while let Some(event) = inbox.next()? {
                found.push(match event {
                    Event::Message(bytes) => ('m', bytes.to_vec()),
                    Event::Ping(bytes) => ('p', bytes.to_vec()),
                    Event::Close(bytes) => ('c', bytes.to_vec()),
                });
            }
        }
    }
    Ok(found)
}

#[test]
fn a_sent_frame_is_what_the_standard_shows() {
    // RFC 6455, 5.7: a masked "Hello" (here as a pong).
    let mut out = Vec::new();
    write_pong(b"Hello", MASK, &mut out);
    assert_eq!(
        out,
        [
            0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58
        ]
    );
}

#[test]
fn the_length_takes_the_shortest_form() {
    let head = |len: usize| {
        let mut out = Vec::new();
        write_binary(&vec![0; len], [0; 4], &mut out);
        out[..out.len() - len].to_vec()
    };
    assert_eq!(head(125), [0x82, 0xfd, 0, 0, 0, 0]);
    assert_eq!(head(126), [0x82, 0xfe, 0, 126, 0, 0, 0, 0]);
    assert_eq!(head(65535), [0x82, 0xfe, 255, 255, 0, 0, 0, 0]);
    assert_eq!(
        head(65536),
        [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn a_close_carries_the_normal_code() {
    let mut out = Vec::new();
    write_close([0; 4], &mut out);
    assert_eq!(out, [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
}

#[test]
fn messages_come_out_whole_however_they_arrive() {
    let mut bytes = server_frame(0x82, b"one");
    bytes.extend(server_frame(0x02, b"tw"));
    bytes.extend(server_frame(0x89, b"are you there"));
    bytes.extend(server_frame(0x00, b""));
    bytes.extend(server_frame(0x80, b"o"));
    bytes.extend(server_frame(0x8a, b"ignored"));
    bytes.extend(server_frame(0x82, &[7; 300]));
    bytes.extend(server_frame(0x02, b"th"));
    bytes.extend(server_frame(0x80, b"ree"));
    bytes.extend(server_frame(0x88, &[3, 232]));
    let expect = vec![
        ('m', b"one".to_vec()),
        ('p', b"are you there".to_vec()),
        ('m', b"two".to_vec()),
        ('m', vec![7; 300]),
        ('m', b"three".to_vec()),
        ('c', vec![3, 232]),
    ];
    for piece in [1, 2, 3, 7, 64, bytes.len()] {
        assert_eq!(events(&bytes, piece).unwrap(), expect, "pieces of {piece}");
    }
}

#[test]
fn what_a_server_must_not_send_is_refused() {
    let check = |bytes: &[u8], expect: FrameError| assert_eq!(events(bytes, 5), Err(expect));
    check(&[0xc2, 0], FrameError::ReservedBits(0x40));
    check(&[0x82, 0x80], FrameError::Masked);
    check(&[0x83, 0], FrameError::UnknownOpcode(3));
    check(&[0x09, 0], FrameError::BadControl);
    check(&[0x89, 126, 0, 126], FrameError::BadControl);
    check(&[0x80, 0], FrameError::BadContinuation);
    check(&[0x02, 0, 0x82, 0], FrameError::BadContinuation);
    check(&[0x81, 0], FrameError::Text);
    check(&[0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0], FrameError::TooLarge);
}

proptest! {
    #[test]
    fn masking_twice_changes_nothing(mask: [u8; 4], bytes: Vec<u8>) {
        let mut twice = bytes.clone();
        apply_mask(mask, &mut twice);
        for (i, byte) in twice.iter().enumerate() {
            prop_assert_eq!(*byte, bytes[i] ^ mask[i % 4]);
        }
        apply_mask(mask, &mut twice);
        prop_assert_eq!(twice, bytes);
    }

    #[test]
    fn any_bytes_are_refused_or_cut_into_events(bytes: Vec<u8>, piece in 1_usize..40) {
        // Must neither panic nor loop; and the size of the pieces must not matter.
        prop_assert_eq!(events(&bytes, piece), events(&bytes, 1));
    }
}

//! The loop against a server made of a thread a connection, which speaks just enough.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::*;
use crate::frame::apply_mask;
use crate::message::{Protocol, write_call};

/// Calls of a reducer without arguments; notes what is in flight.
#[derive(Default)]
struct Counted {
    waiting: HashSet<usize>,
    written: u64,
    committed: u64,
}

impl Calls for Counted {
    fn write(&mut self, place: usize, request_id: u32, out: &mut Vec<u8>) {
        // Failed calls leave their place without a word.
        self.waiting.insert(place);
        self.written += 1;
        write_call(request_id, "empty", b"", out);
    }

    fn committed(&mut self, place: usize) {
        assert!(self.waiting.remove(&place), "{place} was free");
        self.committed += 1;
    }
}

/// What the server does with a call.
#[derive(Clone, Copy)]
enum Answer {
    Commit,
    /// Every second call fails.
    FailHalf,
    /// Results carry an id that nobody waits for.
    WrongId,
    /// Closes the connection after some calls.
    Close,
}

/// Reads one client frame; `None` at the end of the connection.
fn read_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    assert_ne!(head[1] & 0x80, 0, "a client masks");
    let len = match head[1] & 0x7f {
        126 => {
            let mut len = [0; 2];
            stream.read_exact(&mut len).ok()?;
            usize::from(u16::from_be_bytes(len))
        }
        127 => panic!("no test sends that much"),
        len => usize::from(len),
    };
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).ok()?;
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload).ok()?;
    apply_mask(mask, &mut payload);
    Some((head[0] & 0x0f, payload))
}

fn send(stream: &mut TcpStream, opcode: u8, payload: &[u8]) {
    let mut out = vec![0x80 | opcode];
    match payload.len() {
        len @ 0..126 => out.push(u8::try_from(len).unwrap()),
        len => {
            out.push(126);
            out.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    // The client may be gone; its own assertions decide.
    let _ = stream.write_all(&out);
}

/// Serves one connection; returns the largest number of calls that came in one frame.
fn serve(mut stream: TcpStream, protocol: Protocol, answer: Answer) -> usize {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("GET /v1/database/db/subscribe?compression=None&confirmed=true"));
    assert!(head.contains("Authorization: Bearer secret\r\n"), "{head}");
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-protocol: {}\r\n\
         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        protocol.name()
    )
    .unwrap();
    send(&mut stream, 9, b"");
    send(&mut stream, 2, &[[0; 50].as_slice(), &[0; 4]].concat());
    let call_len = {
        let mut call = Vec::new();
        write_call(0, "empty", b"", &mut call);
        call.len()
    };
    let (mut calls, mut calls_max) = (0_u32, 0);
    while let Some((opcode, payload)) = read_frame(&mut stream) {
        if opcode == 8 {
            break;
        }
        assert_eq!(opcode, 2);
        calls_max = calls_max.max(payload.len() / call_len);
        let mut results = vec![0];
        for call in payload.chunks(call_len) {
            calls += 1;
            let id = match answer {
                Answer::WrongId => [0xff; 4],
                _ => [call[1], call[2], call[3], call[4]],
            };
            results.extend([&[6], id.as_slice(), &[0; 8]].concat());
            match answer {
                Answer::FailHalf if calls % 2 == 0 => results.extend(b"\x03\x01\0\0\0x"),
                _ => results.push(1),
            }
        }
        if matches!(answer, Answer::Close) && 20 < calls {
            send(&mut stream, 8, b"\x03\xf3tired");
            break;
        }
        send(&mut stream, 2, &results);
    }
    calls_max
}

fn run_against(answer: Answer, protocol: Protocol) -> (Result<Seen>, Vec<JoinHandle<usize>>) {
    const CONNECTIONS: u32 = 3;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target {
        address: listener.local_addr().unwrap(),
        host: "localhost".to_owned(),
        database: "db".to_owned(),
        token: "secret".to_owned(),
        protocol,
        confirmed: true,
    };
    let server = std::thread::spawn(move || {
        let accept = |_| {
            let (stream, _) = listener.accept().unwrap();
            std::thread::spawn(move || serve(stream, protocol, answer))
        };
        (0..CONNECTIONS).map(accept).collect::<Vec<_>>()
    });
    let pressure = Pressure {
        connections: CONNECTIONS,
        in_flight: 5,
        warm_up: Duration::from_millis(20),
        time: Duration::from_millis(100),
        seed: 1,
        server_pid: None,
    };
    let mut calls = Counted::default();
    let seen = run(&target, &pressure, &mut calls);
    if let Ok(seen) = &seen {
        let errors = calls.written - calls.committed;
        assert!(seen.latencies.count() <= calls.committed);
        assert!(seen.error_count <= errors, "every call has one end");
    }
    assert!(calls.waiting.len() <= 15, "places are used again");
    (seen, server.join().unwrap())
}

#[test]
fn calls_go_round_in_batches_and_are_counted() {
    let (seen, threads) = run_against(Answer::Commit, Protocol::V3);
    let seen = seen.unwrap();
    assert!(
        15 < seen.latencies.count(),
        "only {}",
        seen.latencies.count()
    );
    assert!(0 < seen.latencies.quantile(0.5));
    assert_eq!(seen.error_count, 0);
    assert!(Duration::from_millis(100) <= seen.time);
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 5, "the first calls go together");
    }
}

#[test]
fn the_older_protocol_gets_a_frame_for_every_call() {
    let (seen, threads) = run_against(Answer::Commit, Protocol::V2);
    assert!(15 < seen.unwrap().latencies.count());
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 1);
    }
}

#[test]
fn failed_calls_are_counted_apart() {
    let (seen, _) = run_against(Answer::FailHalf, Protocol::V3);
    let seen = seen.unwrap();
    assert!(0 < seen.error_count);
    assert!(seen.latencies.count().abs_diff(seen.error_count) < 100);
    assert_eq!(seen.first_error.as_deref(), Some("x"));
}

#[test]
fn a_result_for_no_call_ends_the_run() {
    let (seen, _) = run_against(Answer::WrongId, Protocol::V3);
    assert!(format!("{:#}", seen.unwrap_err()).contains("waits not"));
}

#[test]
fn the_reason_of_a_close_is_told() {
    let (seen, _) = run_against(Answer::Close, Protocol::V3);
    let error = format!("{:#}", seen.unwrap_err());
    assert!(error.contains("1011 tired"), "{error}");
}

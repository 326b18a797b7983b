//! Hostile input at the real server: over WebSocket, over HTTP, and over bare TCP.
//!
//! After every batch the process is alive, answers a ping, and serves an honest client. What is
//! sent comes from one seed (`SPACETIME_HOSTILE_SEED`).

mod harness;
mod wire;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use harness::{Login, Server, module};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use spacetime_types::bsatn::Encode as _;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use wire::{Event, Random, V1, V2, V3, Wire};

const SEED: &str = "SPACETIME_HOSTILE_SEED";
const DATABASE: &str = "bank";
/// How soon an honest call succeeds, whatever went before.
const HONEST_TIMEOUT: Duration = Duration::from_secs(30);
/// What the server may have to say to garbage.
const LISTEN_TIMEOUT: Duration = Duration::from_millis(150);

fn started() -> (Server, Login) {
    let server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &module("ledger"));
    (server, owner)
}

fn transfer_args(client: u32, seq: u64) -> Vec<u8> {
    let mut args = Vec::new();
    client.encode(&mut args);
    seq.encode(&mut args);
    1u32.encode(&mut args);
    2u32.encode(&mut args);
    5i64.encode(&mut args);
    args
}

/// The server is as well as before.
fn check_serves(server: &Server, owner: &Login, after: &str) {
    let begin = Instant::now();
    for route in ["ping", "health"] {
        let answer = server.send(server.http().get(server.v1(route)));
        assert!(answer.is_ok(), "{after}: {route}: {answer:?}");
    }
    let args = json!([1, 1, 1, 2, 5]);
    let called = server.call(owner, DATABASE, "transfer", args);
    assert!(called.is_ok(), "{after}: {called:?}\n{}", server.log());
    let balances = server.rows(owner, DATABASE, "SELECT balance FROM account");
    // Garbage may be a transfer of any amount; the sum stays, whatever its parts are.
    let balances = balances.iter().map(|row| row[0].as_i64().unwrap());
    let total = balances.fold(0, i64::wrapping_add);
    assert_eq!(total, 64_000, "{after}");
    assert!(
        begin.elapsed() < HONEST_TIMEOUT,
        "{after}: {:?}",
        begin.elapsed()
    );
    assert_eq!(
        server.log().matches("panicked").count(),
        0,
        "{after}\n{}",
        server.log()
    );
}

/// Valid messages of a protocol, to be spoiled.
fn valid_messages(protocol: &str) -> Vec<Vec<u8>> {
    let mut call = Vec::new();
    let mut subscribe = Vec::new();
    match protocol {
        V1 => {
            call.push(0);
            "transfer".encode(&mut call);
            transfer_args(9, 1).encode(&mut call);
            4u32.encode(&mut call);
            call.push(0);
            subscribe.push(4);
            1u32.encode(&mut subscribe);
            "SELECT * FROM account".encode(&mut subscribe);
            7u32.encode(&mut subscribe);
            8u32.encode(&mut subscribe);
        }
        _ => {
            wire::write_call(4, "transfer", &transfer_args(9, 1), &mut call);
            wire::write_subscribe(1, 7, &["SELECT * FROM account"], &mut subscribe);
        }
    }
    let mut one_off = vec![2];
    if protocol == V1 {
        vec![1u8, 2].encode(&mut one_off);
    } else {
        3u32.encode(&mut one_off);
    }
    "SELECT * FROM account WHERE id = 1".encode(&mut one_off);
    vec![call, subscribe, one_off]
}

/// One damage, or none at all of the original left.
fn spoil(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let len = bytes.len() as u64;
    match random.below(7) {
        0 => {
            let len = random.below(300) as usize;
            random.bytes(len)
        }
        1 => {
            bytes.truncate(random.below(len) as usize);
            bytes
        }
        2 => {
            // A length that nothing can have.
            let at = random.below(len.saturating_sub(4).max(1)) as usize;
            for byte in bytes.iter_mut().skip(at).take(4) {
                *byte = 0xff;
            }
            bytes
        }
        3 => {
            bytes[0] = random.next() as u8;
            bytes
        }
        4 => {
            let at = random.below(len) as usize;
            bytes[at] ^= 1 << random.below(8);
            bytes
        }
        5 => {
            let tail = random.below(64) as usize;
            bytes.extend(random.bytes(tail));
            bytes
        }
        _ => bytes.repeat(1 + random.below(40) as usize),
    }
}

#[test]
fn garbage_over_websocket_ends_only_its_own_connection() {
    let mut random = Random::from_environment(SEED);
    let (server, owner) = started();
    let runtime = Runtime::new().unwrap();
    let address = server.address();
    for protocol in [V1, V2, V3] {
        let valid = valid_messages(protocol);
        let mut tasks = Vec::new();
        for n in 0..60 {
            let mut random = random.fork();
            let original = valid[n % valid.len()].clone();
            tasks.push(runtime.spawn(async move {
                let socket = wire::open(address, DATABASE, protocol, None, "compression=None");
                let mut socket = socket.await.expect("the server lets everybody in");
                for _ in 0..4 {
                    let bytes = spoil(original.clone(), &mut random);
                    let message = match random.below(10) == 0 {
                        true => Message::text(String::from_utf8_lossy(&bytes).into_owned()),
                        false => Message::binary(bytes),
                    };
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
                let listen = async { while let Some(Ok(_)) = socket.next().await {} };
                let _ = tokio::time::timeout(LISTEN_TIMEOUT, listen).await;
            }));
        }
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        check_serves(&server, &owner, protocol);
    }
    let too_large = vec![0; 33 << 20];
    runtime.block_on(async {
        let mut socket = wire::open(address, DATABASE, V2, None, "").await.unwrap();
        let _ = socket.send(Message::binary(too_large)).await;
        let listen = async { while let Some(Ok(_)) = socket.next().await {} };
        let ended = tokio::time::timeout(HONEST_TIMEOUT, listen).await;
        assert!(ended.is_ok(), "the connection is closed");
    });
    check_serves(&server, &owner, "a message that is too large");
    for protocol in ["", "v9.bsatn.spacetimedb", "v2.bsatn", ",,,"] {
        let opened = runtime.block_on(wire::open(address, DATABASE, protocol, None, ""));
        assert!(opened.is_err(), "the protocol {protocol:?} was taken");
    }
    // Whoever was cut off has been seen off; the query itself is connected while it runs.
    wait_for(&server, || {
        server
            .rows(&owner, DATABASE, "SELECT * FROM st_client")
            .len()
            == 1
    });
}

fn wait_for(server: &Server, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "{}",
            server.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn connections_that_stop_half_way_keep_nobody_out() {
    let mut random = Random::from_environment(SEED);
    let (server, owner) = started();
    let upgrade = format!(
        "GET /v1/database/{DATABASE}/subscribe HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: {V2}\r\n\r\n"
    );
    // Frames: announced longer than anything, unmasked, reserved bits, a fragment with no begin.
    let frames: [&[u8]; 5] = [
        &[
            0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4,
        ],
        &[0x82, 0xfe, 0xff, 0xff, 1, 2, 3, 4, 9],
        &[0x82, 0x03, 1, 2, 3],
        &[0xf2, 0x80, 1, 2, 3, 4],
        &[0x80, 0x80, 1, 2, 3, 4],
    ];
    let mut held = Vec::new();
    for n in 0..100 {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let bytes = match n % 4 {
            0 => upgrade.as_bytes()[..random.below(upgrade.len() as u64) as usize].to_vec(),
            1 => [upgrade.as_bytes(), frames[n / 4 % frames.len()]].concat(),
            2 => random.bytes(500),
            _ => b"POST /v1/identity HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nx".to_vec(),
        };
        // The server may have hung up already.
        let _ = stream.write_all(&bytes);
        held.push(stream);
    }
    check_serves(&server, &owner, "half-open connections, held");
    for mut stream in held.drain(..).take(50) {
        let _ = stream.set_read_timeout(Some(Duration::from_millis(1)));
        let _ = stream.read(&mut [0; 100]);
    }
    check_serves(&server, &owner, "half-open connections, dropped");
}

/// Memory of the process that is in RAM, in KiB.
fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_never_reads_is_cut_off_and_the_others_are_served() {
    const CALLS: u32 = 30_000;
    const ROWS: u64 = 8;
    let (server, owner) = started();
    let runtime = Runtime::new().unwrap();
    let address = server.address();
    let memory_before = resident_kib(&server);
    runtime.block_on(async {
        let mut subscribe = Vec::new();
        wire::write_subscribe(1, 1, &["SELECT * FROM entry"], &mut subscribe);
        let connect = |protocol| Wire::connect(address, DATABASE, protocol, &owner.token);
        let mut deaf = connect(V2).await.unwrap();
        // Many queries, so that the kernel's buffers are full after few messages.
        let queries: Vec<String> = (0..8)
            .map(|n| format!("SELECT * FROM entry WHERE place > {n}"))
            .collect();
        let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
        let mut large = Vec::new();
        wire::write_subscribe(1, 1, &queries, &mut large);
        deaf.send(large).await.unwrap();
        assert_eq!(deaf.next().await.unwrap(), Event::SubscribeApplied);

        let mut reader = connect(V3).await.unwrap();
        reader.send(subscribe).await.unwrap();
        assert_eq!(reader.next().await.unwrap(), Event::SubscribeApplied);
        let heard = Arc::new(AtomicU32::new(0));
        let reading = tokio::spawn({
            let heard = Arc::clone(&heard);
            async move {
                while heard.load(Ordering::Relaxed) < CALLS {
                    assert_eq!(reader.next().await.unwrap(), Event::TransactionUpdate);
                    heard.fetch_add(1, Ordering::Relaxed);
                }
            }
        });

        let mut caller = connect(V3).await.unwrap();
        let mut answered = 0;
        for n in 0..CALLS {
            let mut frame = Vec::new();
            let mut args = Vec::new();
            (1_000_000 + u64::from(n) * ROWS).encode(&mut args);
            ROWS.encode(&mut args);
            wire::write_call(n, "flood", &args, &mut frame);
            caller.send(frame).await.unwrap();
            while n - answered > 256 {
                let Event::Result { request_id, error } = caller.next().await.unwrap() else {
                    panic!("not an answer");
                };
                assert_eq!((request_id, error), (answered, None));
                answered += 1;
            }
        }
        tokio::time::timeout(Duration::from_secs(60), reading)
            .await
            .unwrap_or_else(|_| panic!("the reader got {heard:?} of {CALLS} updates"))
            .unwrap();
        drop(caller);
        // Only the deaf client could be left, and it is not. It has not hung up itself.
        tokio::task::block_in_place(|| {
            wait_for(&server, || {
                server
                    .rows(&owner, DATABASE, "SELECT * FROM st_client")
                    .len()
                    == 1
            });
        });
        let mut last = deaf.next().await;
        while let Ok(event) = last {
            assert_eq!(event, Event::TransactionUpdate);
            last = deaf.next().await;
        }
    });
    let grown = resident_kib(&server).saturating_sub(memory_before);
    eprintln!("the server's memory grew by {grown} KiB");
    assert!(grown < 300 * 1024, "{grown} KiB");
    check_serves(&server, &owner, "a client that never reads");
}

#[test]
fn bad_requests_over_http_are_refused() {
    let mut random = Random::from_environment(SEED);
    let (server, owner) = started();
    let database = |rest: &str| server.v1(&format!("database/{DATABASE}/{rest}"));
    let deep = "[".repeat(200_000);
    let huge = format!("[1,1,1,2,{}]", "9".repeat(100_000));
    let bodies: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"{".to_vec(),
        b"[1,2".to_vec(),
        b"[1,1,1,2,\"x\"]".to_vec(),
        b"[1,1,1,2,5,6]".to_vec(),
        b"[-1,1,1,2,5]".to_vec(),
        b"[1e400,1,1,2,5]".to_vec(),
        deep.clone().into_bytes(),
        huge.into_bytes(),
        vec![0xff, 0xfe, 0x00],
        vec![b' '; 3 << 20],
        random.bytes(1000),
    ];
    for body in &bodies {
        for kind in ["application/json", "application/octet-stream", "x"] {
            let request = server.http().post(database("call/transfer"));
            let request = request
                .bearer_auth(&owner.token)
                .header("content-type", kind);
            check_refused(
                &server,
                request.body(body.clone()),
                &body[..body.len().min(20)],
            );
        }
    }
    check_serves(&server, &owner, "bad bodies");
    let name = "a".repeat(10_000);
    for route in ["%00", "..%2f..", &*name, "%ff%fe", "transfer%20", "init"] {
        let request = server
            .http()
            .post(database(&format!("call/{route}")))
            .body("[]");
        check_refused(&server, request.bearer_auth(&owner.token), route.as_bytes());
    }
    let long = "x OR ".repeat(50_000);
    let texts = [
        "".to_owned(),
        ";".repeat(1000),
        "SELECT".to_owned(),
        "SELECT * FROM nothing".to_owned(),
        "SELECT * FROM account WHERE".to_owned(),
        format!("SELECT * FROM account WHERE {}1 = 1", "(".repeat(100_000)),
        format!("SELECT * FROM account WHERE {long}"),
        format!("SELECT * FROM account WHERE {}", "NOT ".repeat(100_000)),
        format!("SELECT * FROM account WHERE id = {}", "9".repeat(100_000)),
        "SELECT * FROM account WHERE id = 'a\0b'".to_owned(),
        "DROP TABLE account".to_owned(),
        "INSERT INTO account VALUES (1)".to_owned(),
        "UPDATE counter SET committed = 'x'".to_owned(),
        "DELETE FROM st_module".to_owned(),
        format!("SELECT * FROM account /* {}", "/*".repeat(10_000)),
    ];
    for text in &texts {
        let request = server
            .http()
            .post(database("sql"))
            .bearer_auth(&owner.token);
        let answer = request.body(text.clone()).send().unwrap();
        let status = answer.status().as_u16();
        let fine =
            (400..500).contains(&status) || status == 200 && text.replace(';', "").is_empty();
        assert!(fine, "{status}: {:.60}: {}", text, answer.text().unwrap());
    }
    check_serves(&server, &owner, "bad SQL");
}

fn check_refused(server: &Server, request: reqwest::blocking::RequestBuilder, what: &[u8]) {
    // A body that is too large may be refused before it is read; then the answer may be lost.
    let Ok(answer) = request.send() else { return };
    let status = answer.status().as_u16();
    let text = answer.text().unwrap_or_default();
    let what = String::from_utf8_lossy(what);
    assert!(
        (400..500).contains(&status),
        "{status} {text}: {what}\n{}",
        server.log()
    );
}

#[test]
fn garbage_is_not_published() {
    let mut random = Random::from_environment(SEED);
    let (server, owner) = started();
    let good = module("ledger");
    let mut programs: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\0asm".to_vec(),
        b"\0asm\x01\0\0\0".to_vec(),
        // A function section that announces four thousand million functions.
        b"\0asm\x01\0\0\0\x03\x05\xff\xff\xff\xff\x0f".to_vec(),
        // An import of a function that no host has.
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x07\x01\x01x\x01y\0\0".to_vec(),
        // Exports with the names of a module's entry points, but a memory and no function.
        b"\0asm\x01\0\0\0\x05\x03\x01\0\x01\x07\x17\x01\x13__describe_module__\x02\0".to_vec(),
        // A memory of four GiB.
        b"\0asm\x01\0\0\0\x05\x05\x01\0\x80\x80\x04\x07\x0a\x01\x06memory\x02\0".to_vec(),
    ];
    programs.extend((0..10).map(|_| {
        let len = random.below(2000) as usize;
        random.bytes(len)
    }));
    programs.extend((0..6).map(|_| good[..random.below(good.len() as u64) as usize].to_vec()));
    for program in &programs {
        for database in ["fresh", DATABASE] {
            let refused = server.try_publish(&owner, database, "", program);
            let refused = refused.expect_err("garbage was published");
            assert!((400..500).contains(&refused.status), "{refused:?}");
        }
    }
    check_serves(&server, &owner, "garbage published");
    // A bit here and there may well leave a module that works, or one that misbehaves.
    for n in 0..6 {
        let mut program = good.clone();
        for _ in 0..=random.below(3) {
            let at = 8 + random.below(good.len() as u64 - 8) as usize;
            program[at] ^= 1 << random.below(8);
        }
        let database = format!("mutant-{n}");
        if server.try_publish(&owner, &database, "", &program).is_ok() {
            let _ = server.call(&owner, &database, "transfer", json!([1, 1, 1, 2, 5]));
            let _ = server.call(&owner, &database, "flood", json!([1, 10]));
            let _ = server.sql(&owner, &database, "SELECT * FROM account");
        }
        check_serves(&server, &owner, "a mutant");
    }
    let refused = server.sql(&owner, "fresh", "SELECT * FROM account");
    assert_eq!(
        refused.unwrap_err().status,
        404,
        "nothing is left of what was refused"
    );
}

#[test]
fn forged_tokens_are_refused() {
    let mut random = Random::from_environment(SEED);
    let (server, owner) = started();
    let read = |name: &str| std::fs::read(server.scratch().join("config").join(name)).unwrap();
    let (private, public) = (read("id_ecdsa"), read("id_ecdsa.pub"));
    let own = EncodingKey::from_ec_pem(&private).unwrap();
    let other = Server::start();
    let others = std::fs::read(other.scratch().join("config/id_ecdsa")).unwrap();
    let others = EncodingKey::from_ec_pem(&others).unwrap();
    let payload = owner.token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        changed
    };
    let sign = |claims: &Value, key: &EncodingKey| {
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), claims, key).unwrap()
    };
    let hmac = |secret: &[u8]| {
        let key = EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
    };
    let header = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let none = format!("{}.{payload}.", header(r#"{"typ":"JWT","alg":"none"}"#));
    let mut parts: Vec<String> = owner.token.split('.').map(str::to_owned).collect();
    parts[2] = URL_SAFE_NO_PAD.encode(random.bytes(64));
    let stranger = sign(&with("sub", json!("stranger")), &own);
    let swapped: Vec<&str> = stranger.split('.').collect();
    let swapped = format!("{}.{}.{}", swapped[0], payload, swapped[2]);
    let mut tokens = vec![
        ("no algorithm", none.clone()),
        ("no signature", none.replace("none", "ES256")),
        ("HMAC with the public key", hmac(&public)),
        ("HMAC with nothing", hmac(b"")),
        ("another server's", other.new_login().token),
        ("another key", sign(&claims, &others)),
        ("expired", sign(&with("exp", json!(1_000_000)), &own)),
        (
            "another issuer",
            sign(&with("iss", json!("elsewhere")), &own),
        ),
        ("no subject", sign(&with("sub", Value::Null), &own)),
        (
            "a wrong identity",
            sign(&with("hex_identity", json!("c2".repeat(32))), &own),
        ),
        ("a random signature", parts.join(".")),
        ("another's signature", swapped),
        ("dots", "..".to_owned()),
        ("a word", "token".to_owned()),
        ("very long", "a".repeat(20_000)),
    ];
    for _ in 0..20 {
        let len = random.below(200) as usize;
        tokens.push(("random", URL_SAFE_NO_PAD.encode(random.bytes(len + 1))));
    }
    let runtime = Runtime::new().unwrap();
    for (what, token) in &tokens {
        let request = server
            .http()
            .post(server.v1(&format!("database/{DATABASE}/call/transfer")));
        let answer = request
            .bearer_auth(token)
            .body("[1,1,1,2,5]")
            .send()
            .unwrap();
        let status = answer.status().as_u16();
        assert!(
            (400..500).contains(&status) && status != 404,
            "{what}: {status}"
        );
        let opened = wire::open(server.address(), DATABASE, V2, Some(token), "");
        assert!(runtime.block_on(opened).is_err(), "{what}: over WebSocket");
        let query = format!("token={token}");
        let opened = wire::open(server.address(), DATABASE, V2, None, &query);
        assert!(runtime.block_on(opened).is_err(), "{what}: in the query");
    }
    check_serves(&server, &owner, "forged tokens");
}

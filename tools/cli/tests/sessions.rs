//! Sessions in any order: requests that repeat, that name what does not exist, that stop at any
//! byte. None leaves anything behind, and an honest client beside them misses nothing.
//!
//! Everything goes over bare TCP, so that a session can end anywhere. What is sent comes from one
//! seed (`SPACETIME_HOSTILE_SEED`); `SPACETIME_SESSIONS` sets how many random sessions there are.

mod harness;
mod wire;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use harness::websocket::v2::Client;
use harness::{Login, Server, module};
use serde_json::json;
use spacetime_types::bsatn;
use wire::{Random, V1, V2, V3};

const SEED: &str = "SPACETIME_HOSTILE_SEED";
const DATABASE: &str = "bench";
const SESSIONS: u64 = 5000;
const THREADS: u64 = 4;
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The item that only the honest client changes.
const HONEST: u32 = 7;

fn upgrade(protocol: &str) -> Vec<u8> {
    format!(
        "GET /v1/database/{DATABASE}/subscribe?compression=None HTTP/1.1\r\nHost: x\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         Sec-WebSocket-Protocol: {protocol}\r\n\r\n"
    )
    .into_bytes()
}

/// One frame with a mask that changes nothing.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(len) if len < 126 => frame.push(0x80 | len),
        _ => {
            let len = u16::try_from(payload.len()).unwrap();
            frame.push(0x80 | 126);
            frame.extend_from_slice(&len.to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// A request of v2 or v3, sensible or not.
fn request(random: &mut Random) -> Vec<u8> {
    const QUERIES: [&str; 7] = [
        "SELECT * FROM item",
        "SELECT * FROM item WHERE id = 3",
        "SELECT item.* FROM item JOIN cell ON item.id = cell.key",
        "SELECT * FROM item ORDER BY id LIMIT 2",
        "SELECT * FROM nothing",
        "SELECT * FROM",
        "",
    ];
    // Ids repeat, and many were never given.
    let number = u32::try_from(random.below(4)).unwrap();
    let query = |random: &mut Random| QUERIES[usize::try_from(random.below(7)).unwrap()].to_owned();
    match random.below(12) {
        0..4 => {
            let queries: Vec<String> = (0..random.below(4)).map(|_| query(random)).collect();
            bsatn::to_vec(&(0_u8, number, number, queries))
        }
        4..7 => {
            let flags = u8::try_from(random.below(3)).unwrap();
            bsatn::to_vec(&(1_u8, number, number, flags))
        }
        7 => bsatn::to_vec(&(2_u8, number, query(random))),
        8 | 9 => {
            let arguments = match random.below(3) {
                0 => bsatn::to_vec(&(number, 9_u64)),
                1 => bsatn::to_vec(&(1000_u32, 9_u64)),
                _ => vec![1, 2, 3],
            };
            let reducer = ["touch", "nothing"][usize::from(random.below(5) == 0)].to_owned();
            let flags = u8::try_from(random.below(2)).unwrap();
            bsatn::to_vec(&(3_u8, number, flags, reducer, arguments))
        }
        10 => bsatn::to_vec(&(4_u8, number, 0_u8, "nothing".to_owned(), Vec::<u8>::new())),
        // No request at all.
        _ => {
            let len = usize::try_from(1 + random.below(40)).unwrap();
            random.bytes(len)
        }
    }
}

/// A few sensible requests of a protocol, each a frame.
fn sensible(protocol: &str) -> Vec<Vec<u8>> {
    let item = || "SELECT * FROM item".to_owned();
    let touch = || bsatn::to_vec(&(1_u32, 1_u64));
    match protocol {
        V1 => vec![
            bsatn::to_vec(&(1_u8, vec![item()], 1_u32)),
            bsatn::to_vec(&(4_u8, item(), 2_u32, 3_u32)),
            bsatn::to_vec(&(0_u8, "touch".to_owned(), touch(), 3_u32, 0_u8)),
            bsatn::to_vec(&(2_u8, vec![1_u8], item())),
        ],
        _ => vec![
            bsatn::to_vec(&(0_u8, 1_u32, 1_u32, vec![item()])),
            bsatn::to_vec(&(0_u8, 2_u32, 2_u32, vec![item(), item()])),
            bsatn::to_vec(&(3_u8, 3_u32, 0_u8, "touch".to_owned(), touch())),
            bsatn::to_vec(&(1_u8, 4_u32, 1_u32, 1_u8)),
            bsatn::to_vec(&(2_u8, 5_u32, item())),
        ],
    }
}

/// Sends these bytes, and stops: at once, or with the reading side open until the server ends it.
fn send(address: SocketAddr, bytes: &[u8], is_half_closed: bool) {
    let mut stream = TcpStream::connect(address).unwrap();
    // The server may have hung up already.
    let _ = stream.write_all(bytes);
    if is_half_closed {
        let _ = stream.shutdown(Shutdown::Write);
        stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        let is_late = end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!is_late, "the server keeps a connection that has ended");
    }
}

/// A session of random requests with a random end.
fn session(address: SocketAddr, random: &mut Random) {
    let protocol = [V2, V3][usize::try_from(random.below(2)).unwrap()];
    let mut bytes = upgrade(protocol);
    for _ in 0..random.below(12) {
        let message = request(random);
        bytes.extend(frame(2, &message));
    }
    match random.below(4) {
        0 => bytes.extend(frame(8, &1000_u16.to_be_bytes())),
        1 => bytes.truncate(usize::try_from(random.below(bytes.len() as u64)).unwrap()),
        _ => {}
    }
    send(address, &bytes, random.below(2) == 0);
}

/// An honest client that changes its own item and must hear of each change, in order.
struct Honest {
    client: Client,
    stamp: u64,
}

impl Honest {
    fn new(server: &Server, owner: &Login) -> Self {
        let mut client = Client::of(server, DATABASE, owner);
        let query = format!("SELECT * FROM item WHERE id = {HONEST}");
        client.subscribe(1, &[&query]).unwrap();
        Honest { client, stamp: 0 }
    }

    /// Nothing of what the others do is told, and each own change exactly once.
    fn change(&mut self) {
        self.stamp += 1;
        let arguments = bsatn::to_vec(&(HONEST, self.stamp));
        let changes = self.client.call("touch", &arguments).changes();
        let stamp = |row: &Vec<u8>| u64::from_le_bytes(row[4..12].try_into().unwrap());
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!(
            changes[0].inserts.iter().map(stamp).collect::<Vec<_>>(),
            [self.stamp]
        );
        let before = self.stamp - 1;
        assert_eq!(
            changes[0].deletes.iter().map(stamp).collect::<Vec<_>>(),
            [before]
        );
    }
}

/// Clients, subscriptions, distinct queries, and open files of the server.
fn left(server: &Server, owner: &Login) -> [usize; 4] {
    let text = server
        .send(server.http().get(server.v1("metrics")))
        .unwrap();
    let of = |name: &str| -> usize {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("{name} is not in\n{text}")) as usize
    };
    let clients = server.rows(owner, DATABASE, "SELECT * FROM st_client");
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.pid()));
    [
        clients.len(),
        of("spacetime_subscription_sets{"),
        of("spacetime_active_queries{"),
        files.map_or(0, Iterator::count),
    ]
}

fn started() -> (Server, Login) {
    let server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &module("transfers"));
    server
        .call(&owner, DATABASE, "fill_items", json!([20]))
        .unwrap();
    (server, owner)
}

/// Waits until nothing is left of the sessions but what was there before.
fn wait_until_clean(server: &Server, owner: &Login, before: [usize; 4], honest: &mut Honest) {
    let start = Instant::now();
    loop {
        honest.change();
        let now = left(server, owner);
        // Requests of the tests' own client keep connections open for a while.
        let is_clean = now[..3] == before[..3] && now[3] <= before[3] + 8;
        if is_clean {
            return;
        }
        let log = server.log();
        assert!(
            start.elapsed() < WAIT_MAX,
            "{now:?}, and were {before:?}\n{log}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn sessions_that_stop_at_any_byte_leave_nothing_behind() {
    let (server, owner) = started();
    let mut honest = Honest::new(&server, &owner);
    let before = left(&server, &owner);
    for protocol in [V1, V2, V3] {
        let head = upgrade(protocol);
        let mut bytes = head.clone();
        for message in sensible(protocol) {
            bytes.extend(frame(2, &message));
        }
        bytes.extend(frame(8, &1000_u16.to_be_bytes()));
        // The request for the upgrade is the same for all, but for one digit.
        let first = if protocol == V2 { 0 } else { head.len() };
        for cut in first..=bytes.len() {
            send(server.address(), &bytes[..cut], cut % 2 == 0);
            if cut % 50 == 0 {
                honest.change();
            }
        }
        wait_until_clean(&server, &owner, before, &mut honest);
    }
    honest.change();
    assert_eq!(
        server.log().matches("panicked").count(),
        0,
        "{}",
        server.log()
    );
}

#[test]
fn sessions_in_any_order_leave_nothing_behind() {
    let (server, owner) = started();
    let mut honest = Honest::new(&server, &owner);
    let before = left(&server, &owner);
    let sessions = std::env::var("SPACETIME_SESSIONS");
    let sessions = sessions.map_or(SESSIONS, |text| text.parse().unwrap());
    let (address, seeds) = (server.address(), Mutex::new(Random::from_environment(SEED)));
    std::thread::scope(|scope| {
        let run = || {
            for _ in 0..sessions.div_ceil(THREADS) {
                let mut random = seeds.lock().unwrap().fork();
                session(address, &mut random);
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        // Each change is answered while the others go on.
        while threads.iter().any(|thread| !thread.is_finished()) {
            honest.change();
        }
    });
    wait_until_clean(&server, &owner, before, &mut honest);
    honest.change();
    assert_eq!(
        server.log().matches("panicked").count(),
        0,
        "{}",
        server.log()
    );
    // Whoever asks for the next rows is told nothing of those who left.
    let rows = honest.client.query("SELECT * FROM item").unwrap();
    assert_eq!(rows[0].rows.len(), 20);
    assert_eq!(honest.stamp, changes_of(&rows[0].rows));
}

/// The stamp of the honest client's item.
fn changes_of(rows: &[Vec<u8>]) -> u64 {
    let own = rows.iter().find(|row| row[..4] == HONEST.to_le_bytes());
    u64::from_le_bytes(own.unwrap()[4..12].try_into().unwrap())
}

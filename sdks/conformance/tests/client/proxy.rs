//! A loopback proxy that cuts connections after a number of bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToClient,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that may still pass, each way, before all connections are cut.
    left: [AtomicUsize; 2],
    passed: [AtomicUsize; 2],
    is_down: AtomicBool,
    is_mute: AtomicBool,
    is_held: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    server: Mutex<String>,
}

/// Where clients connect to.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    state: Arc<State>,
}

impl Proxy {
    pub fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State::default());
        for way in [Way::ToServer, Way::ToClient] {
            state.left[way as usize].store(usize::MAX, Ordering::SeqCst);
        }
        let shared = state.clone();
        server.clone_into(&mut shared.server.lock().unwrap());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.is_down.load(Ordering::SeqCst) {
                    continue;
                }
                let server = shared.server.lock().unwrap().clone();
                // A server that is not there is a connection that is cut.
                let Ok(server) = TcpStream::connect(server) else {
                    continue;
                };
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                    let stream = stream.try_clone().unwrap();
                    shared.open.lock().unwrap().push(stream);
                }
                copy(&client, &server, Way::ToServer, &shared);
                copy(&server, &client, Way::ToClient, &shared);
            }
        });
        Proxy { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets so many bytes pass that way, and then cuts, once.
    pub fn cut_after(&self, way: Way, bytes: usize) {
        self.state.left[way as usize].store(bytes, Ordering::SeqCst);
    }

    /// How many bytes have passed.
    pub fn passed(&self, way: Way) -> usize {
        self.state.passed[way as usize].load(Ordering::SeqCst)
    }

    /// Where new connections go from now on.
    #[allow(dead_code, reason = "not every test moves its server")]
    pub fn aim(&self, server: &str) {
        server.clone_into(&mut self.state.server.lock().unwrap());
    }

    /// Cuts all connections, once.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn cut(&self) {
        self.state.cut();
    }

    /// Cuts all connections, and lets no new one through until `up`.
    pub fn down(&self) {
        self.state.is_down.store(true, Ordering::SeqCst);
        self.state.cut();
    }

    /// Swallows what comes from now on, without cutting anything.
    pub fn mute(&self) {
        self.state.is_mute.store(true, Ordering::SeqCst);
    }

    /// Reads nothing of what clients send, until it is let go.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn hold(&self, is_held: bool) {
        self.state.is_held.store(is_held, Ordering::SeqCst);
    }

    pub fn up(&self) {
        self.state.is_down.store(false, Ordering::SeqCst);
    }
}

impl State {
    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// How many of `bytes` may pass; the rest is lost, and the connection with it.
    fn admit(&self, way: Way, bytes: usize) -> usize {
        let left = &self.left[way as usize];
        let mut now = left.load(Ordering::SeqCst);
        loop {
            if now == usize::MAX {
                return bytes;
            }
            // Once cut, the next connection is not.
            let next = if bytes <= now {
                now - bytes
            } else {
                usize::MAX
            };
            match left.compare_exchange(now, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return bytes.min(now),
                Err(changed) => now = changed,
            }
        }
    }
}

fn copy(from: &TcpStream, to: &TcpStream, way: Way, state: &Arc<State>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let state = state.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        let wait = || {
            while way == Way::ToServer && state.is_held.load(Ordering::SeqCst) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        };
        wait();
        while let Ok(len @ 1..) = from.read(&mut buffer) {
            if state.is_mute.load(Ordering::SeqCst) {
                continue;
            }
            let admitted = state.admit(way, len);
            state.passed[way as usize].fetch_add(admitted, Ordering::SeqCst);
            let is_written = to.write_all(&buffer[..admitted]).is_ok();
            if !is_written || admitted < len {
                break;
            }
            wait();
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}

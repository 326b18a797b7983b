//! As much of an S3 store as a depot needs, on loopback: PUT, GET, HEAD and lists in pages, with
//! the bucket in the path. Nobody's signature is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Objects in one page of a list: few, so that there are several.
const PAGE_LEN: usize = 3;
const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

#[derive(Default)]
struct State {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    requests: Mutex<BTreeSet<String>>,
    refuses: AtomicBool,
}

/// A store in memory. Its threads end with the process.
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

impl Server {
    pub fn start() -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<State> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(&state, &stream));
            }
        });
        Server { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Keys of all objects in the bucket.
    pub fn objects(&self) -> Vec<String> {
        self.state.objects.lock().unwrap().keys().cloned().collect()
    }

    /// What was asked for.
    pub fn requests(&self) -> BTreeSet<String> {
        self.state.requests.lock().unwrap().clone()
    }

    /// From now on nothing is allowed.
    pub fn refuse(&self) {
        self.state.refuses.store(true, Ordering::Relaxed);
    }
}

/// Answers the requests of one connection, until it ends.
fn serve(state: &State, stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let mut len = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let Some((name, value)) = header.split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                len = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; len];
        reader.read_exact(&mut body).unwrap();
        let (status, headers, content) = answer(state, method, target, body);
        let is_head = method == "HEAD";
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n",
            content.len()
        );
        let mut stream = stream;
        stream.write_all(head.as_bytes()).unwrap();
        if !is_head {
            stream.write_all(&content).unwrap();
        }
    }
}

fn answer(
    state: &State,
    method: &str,
    target: &str,
    body: Vec<u8>,
) -> (&'static str, String, Vec<u8>) {
    let nothing = |status| (status, String::new(), Vec::new());
    if state.refuses.load(Ordering::Relaxed) {
        return nothing("403 Forbidden");
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = path.strip_prefix("/bucket").expect("the only bucket");
    let key = unescape(key.trim_start_matches('/'));
    let is_list = method == "GET" && key.is_empty();
    let asked = if is_list { "LIST" } else { method };
    state.requests.lock().unwrap().insert(asked.to_owned());
    let mut objects = state.objects.lock().unwrap();
    let described = |content: &[u8]| {
        let tag = blake3::hash(content).to_hex();
        format!("etag: \"{tag}\"\r\nlast-modified: {DATE}\r\n")
    };
    match method {
        "PUT" => {
            let headers = described(&body);
            objects.insert(key, body);
            ("200 OK", headers, Vec::new())
        }
        "GET" if is_list => {
            let kind = "content-type: application/xml\r\n".to_owned();
            ("200 OK", kind, list(&objects, query).into_bytes())
        }
        "GET" | "HEAD" => match objects.get(&key) {
            Some(content) => ("200 OK", described(content), content.clone()),
            None => nothing("404 Not Found"),
        },
        _ => nothing("405 Method Not Allowed"),
    }
}

/// A page of the objects that begin with the prefix.
fn list(objects: &BTreeMap<String, Vec<u8>>, query: &str) -> String {
    let mut parameters = query.split('&').filter_map(|pair| pair.split_once('='));
    let parameters: BTreeMap<&str, String> = parameters
        .by_ref()
        .map(|(name, value)| (name, unescape(value)))
        .collect();
    let prefix = parameters.get("prefix").map_or("", String::as_str);
    let after = parameters.get("continuation-token");
    let found = objects
        .iter()
        .filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| *key > after));
    let found: Vec<_> = found.collect();
    let page = &found[..found.len().min(PAGE_LEN)];
    let mut xml = "<ListBucketResult>".to_owned();
    for (key, content) in page {
        let _ = write!(
            xml,
            "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
             <ETag>\"x\"</ETag><Size>{}</Size></Contents>",
            content.len()
        );
    }
    let is_cut = page.len() < found.len();
    let _ = write!(xml, "<IsTruncated>{is_cut}</IsTruncated>");
    if let (true, Some((last, _))) = (is_cut, page.last()) {
        let _ = write!(xml, "<NextContinuationToken>{last}</NextContinuationToken>");
    }
    xml + "</ListBucketResult>"
}

/// Turns `%2F` into `/`.
fn unescape(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                let digits = str::from_utf8(&digits).unwrap();
                out.push(u8::from_str_radix(digits, 16).unwrap());
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).unwrap()
}

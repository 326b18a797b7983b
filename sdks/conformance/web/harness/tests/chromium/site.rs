//! A loopback web server for one page, which also hears what the page has to say.

use std::borrow::Cow;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::programs::Files;
use super::proxy::{Proxy, Way};

/// How often to look whether the browser is still there.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub struct Site {
    pub url: String,
    pub proxy_url: String,
    /// How the page ended: with nothing, or with what was wrong.
    done: Receiver<String>,
}

struct Shared {
    files: Vec<(String, &'static str, Vec<u8>)>,
    start: Instant,
    server: String,
    proxy: Proxy,
    /// The one that cuts, at the time.
    cutter: Mutex<Option<Proxy>>,
    done: Sender<String>,
}

impl Site {
    pub fn start(page: &str, program: Files, server: &str) -> Self {
        let proxy = Proxy::start(server);
        let script = "text/javascript";
        let mut files = program.files;
        for (path, kind, text) in [
            ("/", "text/html", page),
            ("/report.js", script, include_str!("../report.js")),
            ("/worker.js", script, include_str!("../worker.js")),
        ] {
            files.push((path.to_owned(), kind, text.as_bytes().to_vec()));
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let proxy_url = proxy.url();
        let (sender, done) = channel();
        let shared = Arc::new(Shared {
            files,
            start: Instant::now(),
            server: server.to_owned(),
            proxy,
            cutter: Mutex::new(None),
            done: sender,
        });
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                // A browser opens connections that it never uses.
                std::thread::spawn(move || shared.answer(&stream));
            }
        });
        Site {
            url,
            proxy_url,
            done,
        }
    }

    /// Waits until the page says how it ended.
    pub fn wait(
        &self,
        patience: Duration,
        mut is_running: impl FnMut() -> bool,
    ) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < patience {
            match self.done.recv_timeout(LOOK) {
                Ok(outcome) if outcome.is_empty() => return Ok(()),
                Ok(outcome) => return Err(outcome),
                Err(RecvTimeoutError::Timeout) if is_running() => {}
                Err(_) => return Err("the browser has ended".to_owned()),
            }
        }
        Err(format!("nothing within {} s", patience.as_secs()))
    }
}

impl Shared {
    /// One request, and its answer.
    fn answer(&self, mut stream: &TcpStream) {
        let mut lines = BufReader::new(stream);
        let mut request = String::new();
        if lines.read_line(&mut request).is_err() {
            return;
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).is_err() || line.trim_end().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = String::new();
        lines.take(length).read_to_string(&mut body).unwrap();
        let Some(path) = request.split(' ').nth(1) else {
            return;
        };
        let path = path.split('?').next().unwrap_or_default();
        let (status, kind, content) = self.respond(path, body);
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            content.len()
        );
        // A page that is gone does not matter.
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&content);
    }

    fn respond(&self, path: &str, body: String) -> (&str, &str, Cow<'_, [u8]>) {
        let mut answer = String::new();
        match path {
            "/say" => eprintln!("{:7.3} {body}", self.start.elapsed().as_secs_f64()),
            "/done" => drop(self.done.send(body)),
            "/proxy/down" => self.proxy.down(),
            "/proxy/up" => self.proxy.up(),
            "/proxy/hold" => self.proxy.hold(true),
            "/proxy/let-go" => self.proxy.hold(false),
            _ => match path.strip_prefix("/cuts/") {
                Some(what) => answer = self.cut(what),
                None => return self.file(path),
            },
        }
        ("200 OK", "text/plain", answer.into_bytes().into())
    }

    fn file(&self, path: &str) -> (&str, &str, Cow<'_, [u8]>) {
        let known = self.files.iter().find(|(known, _, _)| known == path);
        match known {
            Some((_, kind, content)) => ("200 OK", kind, content.into()),
            None => ("404 Not Found", "text/plain", b"no such file".into()),
        }
    }

    /// `server/12` makes a proxy that cuts after 12 bytes to the server, and tells its address;
    /// `server` tells how many have passed. Each proxy is used once: what a connection leaves
    /// behind is not counted for the next.
    fn cut(&self, what: &str) -> String {
        let (way, at) = what.split_once('/').unwrap_or((what, ""));
        let way = match way {
            "server" => Way::ToServer,
            _ => Way::ToClient,
        };
        let mut cutter = self.cutter.lock().unwrap();
        match at.parse() {
            Err(_) => cutter.as_ref().unwrap().passed(way).to_string(),
            Ok(at) => {
                let proxy = Proxy::start(&self.server);
                proxy.cut_after(way, at);
                cutter.insert(proxy).url()
            }
        }
    }
}

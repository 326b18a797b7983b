//! Two people in the room, each with the real program.

// Other tests use more of it.
#[allow(dead_code)]
#[path = "../../../sdks/conformance/tests/client/server.rs"]
mod server;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long a line may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A person at a terminal.
struct Person {
    program: Child,
    keyboard: ChildStdin,
    screen: Receiver<String>,
}

impl Person {
    fn come(server: &server::Server) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_chat-terminal"))
            .args(["--server", &server.url(), "--anonymous"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let keyboard = program.stdin.take().unwrap();
        let lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let (seen, screen) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = seen.send(line);
            }
        });
        Person {
            program,
            keyboard,
            screen,
        }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").unwrap();
    }

    /// Waits for a line that ends like this.
    fn sees(&self, end: &str) {
        let mut seen = Vec::new();
        loop {
            match self.screen.recv_timeout(PATIENCE) {
                Ok(line) if line.ends_with(end) => return,
                Ok(line) => seen.push(line),
                Err(error) => panic!("{end:?} did not appear ({error}), but {seen:?}"),
            }
        }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[test]
fn they_talk() {
    let Some(server) = server::server() else {
        return;
    };
    server.publish("chat", "chat");
    let mut ann = Person::come(&server);
    ann.sees("1 here; /name NAME, /quit");
    ann.types("/name Ann");
    ann.sees(" is now Ann");
    ann.types("hello");
    ann.sees("Ann: hello");

    let mut bob = Person::come(&server);
    bob.sees("Ann: hello");
    bob.sees("2 here; /name NAME, /quit");
    ann.sees(" is here");
    bob.types("/name Bob");
    ann.sees(" is now Bob");
    bob.types("hi Ann");
    ann.sees("Bob: hi Ann");
    ann.types("bye");
    ann.types("/quit");
    bob.sees("Ann: bye");
    bob.sees("Ann has left");
    assert!(ann.program.wait().unwrap().success());
}

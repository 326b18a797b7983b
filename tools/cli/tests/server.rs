//! The server as a process: how it starts, refuses and ends.

mod harness;

use harness::Server;

#[test]
fn answers_and_ends_cleanly() {
    let mut server = Server::start();
    let ping = server.http().get(server.v1("ping"));
    assert_eq!(server.send(ping).unwrap(), "");
    assert!(server.terminate().success(), "{}", server.log());
    assert!(!server.data_dir().join("spacetime.pid").exists());
}

//! Changes of what databases there are, while the server is killed.

use reqwest::blocking::RequestBuilder;
use spacetime_types::Hash;

use crate::DATABASE;
use crate::bank::number_of;
use crate::harness::{Login, Server};
use crate::wire::Random;

/// A database that comes and goes.
const SIDE: &str = "side";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Absent,
    Present,
}

/// A change of the databases while the server is killed.
pub enum Change {
    /// Another program for the bank.
    Republish(Vec<u8>),
    CreateSide(Vec<u8>),
    ClearSide(Vec<u8>),
    DeleteSide,
}

impl Change {
    pub fn for_round(
        round: u64,
        side: Side,
        program: &[u8],
        random: &mut Random,
    ) -> Option<Change> {
        match (round % 4, side) {
            (1, _) => Some(Change::Republish(another_program(program, random))),
            (3, Side::Absent) => Some(Change::CreateSide(another_program(program, random))),
            (3, Side::Present) if random.below(3) == 0 => Some(Change::DeleteSide),
            (3, Side::Present) => Some(Change::ClearSide(another_program(program, random))),
            _ => None,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Change::Republish(_) => "republish",
            Change::CreateSide(_) => "create",
            Change::ClearSide(_) => "clear",
            Change::DeleteSide => "delete",
        }
    }

    /// Asks for the change; the thread's value says whether it was confirmed.
    pub fn start(&self, server: &Server, owner: &Login) -> std::thread::JoinHandle<bool> {
        let route = |rest: &str| server.v1(&format!("database/{rest}"));
        let put =
            |rest: &str, program: &[u8]| server.http().put(route(rest)).body(program.to_vec());
        let request: RequestBuilder = match self {
            Change::Republish(program) => put(DATABASE, program),
            Change::CreateSide(program) => put(SIDE, program),
            Change::ClearSide(program) => put(&format!("{SIDE}?clear=true"), program),
            Change::DeleteSide => server.http().delete(route(SIDE)),
        };
        let request = request.bearer_auth(&owner.token);
        std::thread::spawn(move || match request.send() {
            Ok(answer) if answer.status().is_success() => true,
            Ok(answer) => panic!("{}: {}", answer.status(), answer.text().unwrap_or_default()),
            Err(_) => false,
        })
    }
}

/// The same module with a section that means nothing.
fn another_program(program: &[u8], random: &mut Random) -> Vec<u8> {
    let mut program = program.to_vec();
    program.extend([0, 9, 4]);
    program.extend(b"kill");
    program.extend((0..4).map(|_| b'a' + random.below(26) as u8));
    program
}

/// The side database is there as a whole or not at all.
pub fn check_side(
    server: &Server,
    owner: &Login,
    before: Side,
    change: &Change,
    done: bool,
) -> Side {
    let counter = server.sql(owner, SIDE, "SELECT committed FROM counter");
    let after = match &counter {
        Ok(_) => Side::Present,
        Err(refusal) if refusal.status == 404 => Side::Absent,
        Err(refusal) => panic!("neither there nor gone: {refusal:?}\n{}", server.log()),
    };
    let wanted = match change {
        Change::DeleteSide => Side::Absent,
        _ => Side::Present,
    };
    assert!(
        after == wanted || after == before && !done,
        "{before:?} {after:?}, done: {done}"
    );
    if after == Side::Present {
        let program = match change {
            Change::CreateSide(program) | Change::ClearSide(program) if done => program,
            _ => return after,
        };
        let found = server.rows(owner, SIDE, "SELECT program_hash FROM st_module");
        let found = found[0][0].to_string().replace('"', "");
        assert_eq!(found, number_of(Hash::of(program)));
    }
    after
}

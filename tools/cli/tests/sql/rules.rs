//! Visibility rules over time: who subscribes in which order, and rows that change hands (HV03 to
//! HV08). What rules let through at one time is in the table of cases.

use spacetime_types::bsatn::Reader;

use crate::cases::{Callers, fixture};
use crate::harness::Server;
use crate::harness::websocket::v2::{Change, Client, Rows};
use crate::program::program;

const DATABASE: &str = "rules";
const MESSAGES: &[&str] = &["SELECT * FROM msg"];

fn start() -> (Server, Callers) {
    let server = Server::start();
    let callers = Callers::new(&server);
    let module = fixture("rl", &callers);
    server.publish(callers.owner(), DATABASE, &program(&module));
    (server, callers)
}

/// The first column, sorted.
fn ids(rows: &[Vec<u8>]) -> Vec<u32> {
    let id = |row: &Vec<u8>| Reader::new(row).u32().unwrap();
    let mut ids: Vec<u32> = rows.iter().map(id).collect();
    ids.sort_unstable();
    ids
}

fn first(tables: &[Rows]) -> Vec<u32> {
    ids(&tables
        .iter()
        .flat_map(|table| table.rows.clone())
        .collect::<Vec<_>>())
}

/// What comes and what goes.
fn change(changes: &[Change]) -> (Vec<u32>, Vec<u32>) {
    let inserts: Vec<_> = changes
        .iter()
        .flat_map(|change| change.inserts.clone())
        .collect();
    let deletes: Vec<_> = changes
        .iter()
        .flat_map(|change| change.deletes.clone())
        .collect();
    (ids(&inserts), ids(&deletes))
}

#[test]
fn everybody_has_rows_of_their_own_under_the_same_text() {
    let (server, callers) = start();
    for order in [["own", "u1", "u2"], ["u2", "u1", "own"]] {
        let mut clients: Vec<Client> = Vec::new();
        for name in order {
            let mut client = Client::of(&server, DATABASE, callers.get(name));
            let rows = first(&client.subscribe(1, MESSAGES).unwrap());
            let expected: &[u32] = match name {
                "own" => &[10, 11, 12, 13],
                // Two rules let 10 through.
                "u1" => &[10, 10, 11, 12],
                _ => &[11, 12, 13],
            };
            assert_eq!(rows, expected, "{name}");
            clients.push(client);
        }
    }
}

#[test]
fn rows_that_change_hands_go_here_and_come_there() {
    let (server, callers) = start();
    let sql = |text: &str| server.sql(callers.owner(), DATABASE, text).unwrap();
    let mut clients = ["u1", "u2", "own"].map(|name| {
        let mut client = Client::of(&server, DATABASE, callers.get(name));
        client.subscribe(1, MESSAGES).unwrap();
        client
    });
    // From u2 to u1, in one transaction.
    let u1 = &callers.get("u1").identity;
    sql(&format!("UPDATE msg SET who = 0x{u1} WHERE id = 13"));
    let told = clients
        .each_mut()
        .map(|client| change(&client.next_update()));
    assert_eq!(told[0], (vec![13], vec![]));
    assert_eq!(told[1], (vec![], vec![13]));
    assert_eq!(told[2], (vec![13], vec![13]));
    // The seat that u1's second rule asks for moves to another room.
    sql(&format!("UPDATE seat SET room = 2 WHERE who = 0x{u1}"));
    assert_eq!(change(&clients[0].next_update()), (vec![12], vec![10, 11]));
    // Nobody else was told: the next thing they hear of is the next change.
    sql(
        "INSERT INTO msg (id, room, who, txt) VALUES (99, 2, 0x00, 'z')"
            .replace("0x00", &format!("0x{}", callers.owner().identity))
            .as_str(),
    );
    let told = clients
        .each_mut()
        .map(|client| change(&client.next_update()));
    assert_eq!(told, [(); 3].map(|()| (vec![99], vec![])));
}

#[test]
fn rules_that_cannot_be_are_refused_with_their_module() {
    let (server, callers) = start();
    for (rule, expected) in [
        (
            "SELECT * FROM pv",
            "Cannot define RLS rule on private table: pv. Please make table public if you wish \
             to restrict access using RLS.",
        ),
        ("SELECT * FORM post", "sql parser error"),
        (
            "SELECT * FROM post WHERE nope = 1",
            "`nope` is not in scope",
        ),
        ("SELECT id FROM post", ""),
    ] {
        let mut module = fixture("rl", &callers);
        module.rules.push(rule.to_owned());
        let refused = server.try_publish(callers.owner(), "refused", "", &program(&module));
        let refused = refused.expect_err(rule);
        assert_eq!(refused.status, 400, "{rule}: {refused:?}");
        assert!(refused.text.contains(expected), "{rule}: {refused:?}");
    }
    // A rule of nothing is no rule: the module without it is taken.
    let module = fixture("rl", &callers);
    server.publish(callers.owner(), "taken", &program(&module));
}

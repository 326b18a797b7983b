//! The arena: circles that eat, go away with their player and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use spacetimedb_sdk::{DbContext as _, EventTable as _, Table as _};

use super::arena::*;
use super::server::server;
use super::until;

fn connect(url: &str, token: Option<String>) -> DbConnection {
    let conn = DbConnection::builder()
        .with_uri(url)
        .with_database_name("arena")
        .with_token(token)
        .build()
        .unwrap();
    let is_applied = Arc::new(AtomicBool::new(false));
    let applied = is_applied.clone();
    conn.subscription_builder()
        .on_applied(move |_| applied.store(true, Ordering::Relaxed))
        .on_error(|_, error| panic!("{error}"))
        .subscribe([
            "SELECT * FROM config",
            "SELECT * FROM player",
            "SELECT * FROM entity",
            "SELECT * FROM circle",
            "SELECT * FROM food",
            "SELECT * FROM consumed",
        ]);
    until("the first rows", || {
        conn.frame_tick().unwrap();
        is_applied.load(Ordering::Relaxed)
    });
    conn
}

/// The circle and its entity, if this client has one.
fn own_circle(conn: &DbConnection) -> Option<(Circle, Entity)> {
    let player = conn.db.player().identity().find(&conn.identity())?;
    let circle = conn
        .db
        .circle()
        .iter()
        .find(|circle| circle.player == player.id)?;
    let entity = conn.db.entity().id().find(&circle.entity)?;
    Some((circle, entity))
}

/// Where the nearest food is, from here.
fn towards_food(conn: &DbConnection, from: &Entity) -> Option<Vector> {
    let entity = |food: Food| conn.db.entity().id().find(&food.entity);
    let way = |to: Entity| Vector {
        x: to.position.x - from.position.x,
        y: to.position.y - from.position.y,
    };
    let food = conn.db.food();
    let ways = food.iter().filter_map(entity).map(way);
    ways.min_by(|a, b| a.x.hypot(a.y).total_cmp(&b.x.hypot(b.y)))
}

#[test]
fn who_goes_away_finds_everything_again() {
    let Some(server) = server() else { return };
    server.publish("arena", "arena");
    let watcher = connect(&server.url(), None);
    let token = Arc::new(parking_lot::Mutex::new(None));
    let kept = token.clone();
    let conn = DbConnection::builder()
        .with_uri(server.url())
        .with_database_name("arena")
        .on_connect(move |_, _, token| *kept.lock() = Some(token.to_owned()))
        .build()
        .unwrap();
    until("a token", || {
        conn.frame_tick().unwrap();
        token.lock().is_some()
    });
    conn.disconnect().unwrap();
    let token = token.lock().clone();

    let player = connect(&server.url(), token.clone());
    let answer = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let said = answer.clone();
    player
        .reducers
        .enter_game_then(String::new(), move |_, outcome| {
            said.lock().push(outcome.unwrap());
        })
        .unwrap();
    player.reducers.enter_game("eve".to_owned()).unwrap();
    until("a circle", || {
        player.frame_tick().unwrap();
        own_circle(&player).is_some()
    });
    assert_eq!(*answer.lock(), [Err("a player has a name".to_owned())]);
    let mass = own_circle(&player).unwrap().1.mass;

    let eaten = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = eaten.clone();
    player
        .db
        .consumed()
        .on_insert(move |_, event| seen.lock().push(event.eater));
    let mut steered = std::time::Instant::now();
    player.reducers.player_split().unwrap();
    until("a meal", || {
        player.frame_tick().unwrap();
        let Some((circle, entity)) = own_circle(&player) else {
            return false;
        };
        if steered.elapsed().as_millis() > 50 {
            steered = std::time::Instant::now();
            if let Some(way) = towards_food(&player, &entity) {
                player.reducers.update_player_input(way).unwrap();
            }
        }
        eaten.lock().contains(&circle.entity) && mass < entity.mass
    });
    let (circle, entity) = own_circle(&player).unwrap();

    player.disconnect().unwrap();
    until("the circle to go", || {
        watcher.frame_tick().unwrap();
        watcher.db.entity().id().find(&entity.id).is_none()
    });
    assert_eq!(watcher.db.circle().count(), 0);

    let player = connect(&server.url(), token);
    let (again, _) = own_circle(&player).expect("it was put aside");
    assert_eq!(again.entity, circle.entity);
    until("the circle to come back", || {
        watcher.frame_tick().unwrap();
        watcher.db.circle().entity().find(&circle.entity).is_some()
    });
}

//! The steps of scenarios (`scenarios.json`), for the crate that is called `spacetimedb_sdk`.
//!
//!   * `connect CLIENT`, `disconnect CLIENT`
//!   * `subscribe CLIENT SET [SQL..]`, `unsubscribe CLIENT SET`
//!   * `call CLIENT REDUCER ARGUMENTS..`: those of [`Client::call`]
//!   * `see CLIENT [LINE..]`: callbacks told exactly this, in any order; `see in order`: in this
//!   * `rows CLIENT [LABEL..]`: the items that the client has
//!
//! How a connection is built and how time passes is `world`'s: threads in programs, futures in web
//! pages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use spacetimedb_sdk::{
    DbContext as _, Event, EventTable as _, SubscriptionHandle as _, Table as _,
    TableWithPrimaryKey as _,
};

use super::kitchen_sink::*;
use super::world;

/// How long a line may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long something that must not come is waited for.
const QUIET: Duration = Duration::from_millis(30);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

struct Client {
    conn: DbConnection,
    log: Log,
    sets: BTreeMap<String, SubscriptionHandle>,
}

fn because(event: &Event<Reducer>) -> &'static str {
    match event {
        Event::Reducer(_) => "reducer",
        Event::SubscribeApplied => "applied",
        Event::UnsubscribeApplied => "unsubscribed",
        Event::Transaction => "transaction",
        _ => "something else",
    }
}

fn listen(conn: &DbConnection, log: &Log) {
    let (inserts, deletes, updates, hits) = (log.clone(), log.clone(), log.clone(), log.clone());
    conn.db.item().on_insert(move |ctx, item| {
        inserts.push(format!("+{} {}", item.label, because(&ctx.event)));
    });
    conn.db.item().on_delete(move |ctx, item| {
        deletes.push(format!("-{} {}", item.label, because(&ctx.event)));
    });
    conn.db.item().on_update(move |ctx, old, new| {
        let event = because(&ctx.event);
        updates.push(format!("{}>{} {event}", old.label, new.label));
    });
    conn.db.hit().on_insert(move |ctx, hit| {
        let event = because(&ctx.event);
        hits.push(format!("hit {} {} {event}", hit.target, hit.strength));
    });
}

impl Client {
    async fn connect(url: &str, database: &str) -> Self {
        let log = Log::default();
        let (connected, ended) = (log.clone(), log.clone());
        let builder = DbConnection::builder()
            .with_uri(url)
            .with_database_name(database)
            .on_connect(move |_, _, _| connected.push("connected".to_owned()))
            .on_disconnect(move |_, error| {
                ended.push(if error.is_none() { "closed" } else { "broken" }.to_owned());
            });
        let conn = world::build(builder).await;
        listen(&conn, &log);
        let mut client = Client {
            conn,
            log,
            sets: BTreeMap::new(),
        };
        client.see(&["connected"], true).await;
        client
    }

    /// Drives until there are so many lines, and a little longer.
    async fn see(&mut self, expected: &[&str], in_order: bool) {
        let start = world::now();
        let mut complete = None;
        loop {
            // The end of the connection is a line, too.
            let _ = self.conn.frame_tick();
            if complete.is_none() && expected.len() <= self.log.len() {
                complete = Some(world::now());
            }
            if complete.is_some_and(|since| world::now() - since > QUIET)
                || world::now() - start > PATIENCE
            {
                break;
            }
            world::pause(Duration::from_millis(1)).await;
        }
        let mut seen = std::mem::take(&mut *self.log.0.lock().unwrap());
        let mut expected = expected.to_vec();
        if !in_order {
            seen.sort();
            expected.sort_unstable();
        }
        assert_eq!(seen, expected);
    }

    fn subscribe(&mut self, set: &str, queries: Vec<String>) {
        let (applied, refused) = (self.log.clone(), self.log.clone());
        let (applied_set, refused_set) = (set.to_owned(), set.to_owned());
        let handle = self
            .conn
            .subscription_builder()
            .on_applied(move |_| applied.push(format!("applied {applied_set}")))
            .on_error(move |_, _| refused.push(format!("refused {refused_set}")))
            .subscribe(queries);
        self.sets.insert(set.to_owned(), handle);
    }

    fn unsubscribe(&mut self, set: &str) {
        let handle = self.sets.remove(set).expect("the set was made");
        let (log, set) = (self.log.clone(), set.to_owned());
        handle
            .unsubscribe_then(Box::new(move |_| log.push(format!("ended {set}"))))
            .unwrap();
    }

    fn call(&self, reducer: &str, arguments: &[Value]) {
        let (log, name) = (self.log.clone(), reducer.to_owned());
        let done = move |_: &ReducerEventContext, outcome: Outcome<_>| {
            log.push(match outcome {
                Ok(Ok(())) => format!("{name} ok"),
                Ok(Err(error)) => format!("{name} error: {error}"),
                Err(_) => format!("{name} failure"),
            });
        };
        let text = |index: usize| arguments[index].as_str().unwrap().to_owned();
        let number = |index: usize| u32::try_from(arguments[index].as_u64().unwrap()).unwrap();
        let reducers = &self.conn.reducers;
        match reducer {
            "insert_item" => {
                let name = "a name".to_owned();
                reducers.insert_item_then(number(0), 0, name, 7, text(1), done)
            }
            "update_item" => {
                let item = self.conn.db.item().label().find(&text(0)).unwrap();
                let item = Item {
                    shelf: number(1),
                    label: text(2),
                    ..item
                };
                reducers.update_item_then(item, done)
            }
            "delete_item_by_label" => reducers.delete_item_by_label_then(text(0), done),
            "delete_items_by_owner" => {
                reducers.delete_items_by_owner_then(u64::from(number(0)), done)
            }
            "emit_hits" => reducers.emit_hits_then(number(0), number(1), done),
            "emit_hit_and_fail" => reducers.emit_hit_and_fail_then(number(0), done),
            "fail" => reducers.fail_then(text(0), done),
            "panic_now" => reducers.panic_now_then(text(0), done),
            unknown => panic!("no such reducer in the scenarios: {unknown}"),
        }
        .unwrap();
    }

    fn check_rows(&self, expected: &[&str]) {
        let items = self.conn.db.item();
        let mut labels: Vec<String> = items.iter().map(|item| item.label).collect();
        labels.sort();
        assert_eq!(labels, expected);
        assert_eq!(items.count(), u64::try_from(expected.len()).unwrap());
        for label in labels {
            let item = items.label().find(&label).unwrap();
            assert_eq!(items.id().find(&item.id).unwrap().label, label);
        }
    }
}

type Outcome<E> = Result<Result<(), String>, E>;

fn strings(value: &Value) -> Vec<&str> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_str().unwrap()).collect()
}

/// Runs one scenario, with a database of its own, which runs the module `kitchen_sink`.
pub async fn run(url: &str, database: &str, steps: &[Value]) {
    let mut clients: BTreeMap<&str, Client> = BTreeMap::new();
    for step in steps {
        let step = step.as_array().unwrap();
        let [what, name] = [0, 1].map(|index| step[index].as_str().unwrap());
        world::say(&format!("  {}", Value::from(step.clone())));
        if what == "connect" {
            clients.insert(name, Client::connect(url, database).await);
            continue;
        }
        let client = clients.get_mut(name).expect("the client was connected");
        match what {
            "disconnect" => client.conn.disconnect().unwrap(),
            "subscribe" => {
                let queries = strings(&step[3]).into_iter().map(str::to_owned);
                client.subscribe(step[2].as_str().unwrap(), queries.collect());
            }
            "unsubscribe" => client.unsubscribe(step[2].as_str().unwrap()),
            "call" => client.call(step[2].as_str().unwrap(), &step[3..]),
            "see" => client.see(&strings(&step[2]), false).await,
            "see in order" => client.see(&strings(&step[2]), true).await,
            "rows" => client.check_rows(&strings(&step[2])),
            unknown => panic!("no such step: {unknown}"),
        }
    }
}

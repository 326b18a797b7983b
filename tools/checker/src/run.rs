//! One run: a random schema, clients that come and go, subscribe and call, and every message that
//! they get compared with the model.
//!
//! Invariant: requests are queued by one task, and the database takes them in that order. So the
//! model knows the state at which each is carried out, without waiting for any answer; the server
//! is free to carry them out in batches and to read first rows on other threads.

mod reading;
mod requests;

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use spacetime_host::{CallReport, SqlError, SqlResult};
use spacetime_types::Identity;
use tokio::sync::oneshot;

use crate::activation::{Activations, Kind};
use crate::cache::Cache;
use crate::message::{CallEnd, Next};
use crate::model::{Changes, Model, OWNER, Subscriptions};
use crate::module;
use crate::query::random_pool;
use crate::random::Random;
use crate::schema::Schema;
use crate::script::{Author, Ids, Script};
use crate::server::{Connection, Database, Server};
use crate::state::State;

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Requests.
    pub steps: usize,
    pub clients_max: usize,
    pub tamper: Tamper,
    /// How many of 100 runs have visibility rules.
    pub rules_percent: u64,
    /// Every call of a client is first made with an error or a trap after each of its changes, and
    /// the tables and indexes are looked at after every batch.
    pub undone: bool,
    /// If there is a number, requests of the schedule leave private tables alone, and changes of
    /// private tables, made up from the number, come in between.
    pub hidden: Option<u64>,
    /// The client whose messages are written down.
    pub traced: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            steps: 300,
            clients_max: 24,
            tamper: Tamper::Nothing,
            rules_percent: 30,
            undone: false,
            hidden: None,
            traced: None,
        }
    }
}

/// Makes the run wrong on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tamper {
    Nothing,
    /// One update is not looked at.
    DropUpdate,
    /// One update counts twice.
    RepeatUpdate,
    /// One row of an answer is lost.
    DropRow,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    pub seed: u64,
    pub activations: Activations,
    /// Of all messages of all clients.
    pub hash: blake3::Hash,
    /// Of those of each client that does not belong to the owner, by name.
    pub public: Vec<(usize, blake3::Hash)>,
    /// The messages of the traced client.
    pub trace: Vec<String>,
    /// What was wrong.
    pub violation: Option<String>,
}

/// One of the clients.
struct Client {
    name: usize,
    connection: Connection,
    subscriptions: Subscriptions,
    cache: Cache,
    expected: VecDeque<Next>,
    /// It does not read before this step.
    asleep_until: usize,
    /// The queue holds few messages: it may be cut off.
    is_limited: bool,
    requests: u32,
    hasher: blake3::Hasher,
}

const SMALL_QUEUE: usize = 12;

/// An answer that does not go to a client.
enum Pending {
    Sql {
        sql: String,
        answer: oneshot::Receiver<Result<Vec<SqlResult>, SqlError>>,
        stats: Option<[u64; 3]>,
    },
    Call {
        answer: oneshot::Receiver<CallReport>,
        end: CallEnd,
    },
}

struct Run<'a> {
    settings: Settings,
    random: Random,
    hidden: Random,
    database: &'a Database,
    model: Model,
    ids: Ids,
    /// Tables that the schedule changes.
    writable: Vec<usize>,
    clients: Vec<Client>,
    names: usize,
    pending: Vec<Pending>,
    step: usize,
    /// A table with more rows than are read on the writer thread.
    large: Option<usize>,
    counts: Activations,
    /// What each client that is gone was told: its name, whether it is not the owner's, the hash.
    told: Vec<(usize, bool, blake3::Hash)>,
    tampered: bool,
    trace: Vec<String>,
}

/// Runs one seed.
pub async fn run_seed(server: &Server, seed: u64, settings: Settings) -> Result<Outcome> {
    let random = Random::new(seed);
    let mut draw = random.fork("schema");
    let people: Vec<Identity> = (0..6_u8)
        .map(|person| {
            let mut bytes = [person; 32];
            bytes[..2].copy_from_slice(&[0xc2, 0x00]);
            Identity::from_be_bytes(bytes)
        })
        .collect();
    let mut schema = Schema::random(&mut draw);
    if draw.chance(settings.rules_percent) {
        schema.add_rules(&mut draw, &people);
    }
    let writable: Vec<usize> = (0..schema.tables.len())
        .filter(|table| settings.hidden.is_none() || schema.tables[*table].is_public)
        .collect();
    let lasting: Vec<usize> = writable
        .iter()
        .copied()
        .filter(|table| !schema.tables[*table].is_event)
        .collect();
    let large = draw
        .chance(30)
        .then(|| schema.make_room(&mut draw, &lasting));
    let schema = Arc::new(schema);
    let pool = random_pool(&mut draw, &schema, &people, 40);
    let module = module::build(&schema.description())?;
    let identity = database_identity(seed, settings.hidden);
    let database = server
        .publish(people[OWNER], identity, module)
        .await
        .context("publishing the module")?;
    let ids = read_ids(&database, &schema).await?;
    let mut run = Run {
        settings,
        random: random.fork("schedule"),
        hidden: Random::new(settings.hidden.unwrap_or(0)).fork("hidden"),
        database: &database,
        model: Model::new(schema, people, pool),
        ids,
        writable,
        clients: Vec::new(),
        names: 0,
        pending: Vec::new(),
        step: 0,
        large,
        counts: Activations::default(),
        told: Vec::new(),
        tampered: false,
        trace: Vec::new(),
    };
    let violation = run.all_steps().await.err();
    let outcome = run.outcome(seed, violation.map(|error| format!("{error:#}")));
    server.delete(database).await?;
    Ok(outcome)
}

/// Databases that are alive at one time have different identities.
fn database_identity(seed: u64, hidden: Option<u64>) -> Identity {
    let mut bytes = [0xdb; 32];
    bytes[8..16].copy_from_slice(&seed.to_le_bytes());
    bytes[16..24].copy_from_slice(&hidden.unwrap_or(0).to_le_bytes());
    Identity::from_be_bytes(bytes)
}

/// What the server calls the tables and their indexes.
async fn read_ids(database: &Database, schema: &Schema) -> Result<Ids> {
    let tables = named_ids(database, "SELECT table_id, table_name FROM st_table").await?;
    let indexes = named_ids(database, "SELECT index_id, index_name FROM st_index").await?;
    let find = |list: &[(u32, String)], name: &str| {
        let found = list.iter().find(|(_, known)| known == name);
        found
            .map(|(id, _)| *id)
            .with_context(|| format!("there is no `{name}` in {list:?}"))
    };
    let mut ids = Ids {
        tables: Vec::new(),
        indexes: Vec::new(),
    };
    for table in &schema.tables {
        ids.tables.push(find(&tables, &table.name)?);
        let named = table.indexes.iter();
        let named = named.map(|index| find(&indexes, &table.index_name(index)));
        ids.indexes.push(named.collect::<Result<_>>()?);
    }
    Ok(ids)
}

async fn named_ids(database: &Database, sql: &str) -> Result<Vec<(u32, String)>> {
    let rows = database.rows(sql).await?;
    let read = rows.iter().map(|row| {
        let (id, rest) = row.split_first_chunk::<4>()?;
        let text = rest.get(4..)?;
        Some((
            u32::from_le_bytes(*id),
            String::from_utf8_lossy(text).into_owned(),
        ))
    });
    read.collect::<Option<_>>()
        .context("rows of a number and a text")
}

impl Run<'_> {
    async fn all_steps(&mut self) -> Result<()> {
        if let Some(table) = self.large {
            let len = self.random.between(600, 900);
            let author = Author {
                schema: &self.model.schema,
                people: &self.model.people,
                ids: &self.ids,
            };
            let mut random = self.random.fork("bulk");
            let script = author.bulk(&mut random, &self.model.state, table, len);
            self.outside(script).await?;
        }
        for _ in 0..self.random.between(3, self.settings.clients_max.max(3)) {
            self.arrive().await?;
        }
        while self.step < self.settings.steps {
            let batch = match self.random.chance(30) {
                true => 1,
                false => self.random.between(2, 12),
            };
            for _ in 0..batch {
                self.step += 1;
                let step = self.step;
                self.one_step()
                    .await
                    .with_context(|| format!("step {step}"))?;
                self.hidden_change().await?;
            }
            self.counts.count(Kind::Batch);
            self.settle(false).await?;
            if self.settings.undone {
                self.check_tables().await?;
                self.check_indexes().await?;
            }
        }
        self.settle(true).await?;
        self.say_goodbye().await
    }

    async fn one_step(&mut self) -> Result<()> {
        if self.clients.is_empty() {
            return self.arrive().await;
        }
        match self.random.weighted(&[46, 8, 12, 13, 8, 5, 3, 2, 3]) {
            0 => self.call().await,
            1 => {
                let script = self.random_script();
                self.outside(script).await
            }
            2 => self.statement().await,
            3 => {
                let position = self.random.index(self.clients.len());
                self.subscribe(position).await
            }
            4 => self.unsubscribe().await,
            5 => self.one_off().await,
            6 => self.reconnect().await,
            7 => self.bad_call().await,
            _ => {
                let client = self.random.index(self.clients.len());
                self.clients[client].asleep_until = self.step + self.random.between(10, 80);
                self.counts.count(Kind::SlowClient);
                Ok(())
            }
        }
    }

    fn random_script(&mut self) -> Script {
        let author = Author {
            schema: &self.model.schema,
            people: &self.model.people,
            ids: &self.ids,
        };
        author.script(&mut self.random, &self.model.state, &self.writable)
    }

    /// Takes a transaction's outcome over; all clients but the caller expect their updates.
    fn commit(&mut self, after: State, end: &CallEnd, caller: Option<usize>) -> Changes {
        match end {
            CallEnd::Committed => self.counts.count(Kind::Commit),
            CallEnd::Failed(_) => self.counts.count(Kind::Rollback),
            CallEnd::Broken(_) => self.counts.count(Kind::Trap),
        }
        if *end != CallEnd::Committed {
            return Changes::new();
        }
        let changes = self.model.commit(after);
        if changes.is_empty() {
            self.counts.count(Kind::NothingChanged);
        }
        for (position, client) in self.clients.iter_mut().enumerate() {
            if caller == Some(position) {
                continue;
            }
            let update = self.model.update(&client.subscriptions, &changes);
            client.expected.extend(update);
        }
        changes
    }

    fn outcome(mut self, seed: u64, violation: Option<String>) -> Outcome {
        self.told.sort_by_key(|(name, _, _)| *name);
        let mut all = blake3::Hasher::new();
        for (_, _, hash) in &self.told {
            all.update(hash.as_bytes());
        }
        let public = self.told.iter().filter(|(_, is_public, _)| *is_public);
        Outcome {
            seed,
            activations: self.counts,
            hash: all.finalize(),
            public: public.map(|(name, _, hash)| (*name, *hash)).collect(),
            trace: self.trace,
            violation,
        }
    }
}

fn has_rules(schema: &Schema) -> bool {
    schema.tables.iter().any(|table| !table.rules.is_empty())
}

impl Client {
    fn next_request(&mut self) -> u32 {
        self.requests += 1;
        self.requests
    }
}

//! The server's numbers at one moment, and what happened between two.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::session::Session;

/// What every name of ours starts with.
const PREFIX: &str = "spacetime_";
/// Databases whose names are asked for, of those that have none yet, at every look.
const NAMES_A_LOOK_MAX: usize = 64;

/// One look.
#[derive(Debug)]
pub(super) struct Sample {
    at: Instant,
    server: BTreeMap<String, f64>,
    databases: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Sample {
    pub(super) async fn take(session: &Session, names: &mut Names) -> Result<Self> {
        let answer = session.success(session.get("metrics")).await?;
        let text = answer.text().await.context("the answer was cut off")?;
        let sample = Self::read(&text, Instant::now());
        names.learn(session, sample.databases.keys()).await?;
        Ok(sample)
    }

    /// Reads the text format of Prometheus; what is not ours, or cannot be read, is left out.
    fn read(text: &str, at: Instant) -> Self {
        let mut sample = Sample {
            at,
            server: BTreeMap::new(),
            databases: BTreeMap::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let Ok(value) = value.parse::<f64>() else {
                continue;
            };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let name = name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
            match database_in(labels) {
                Some(database) => {
                    let database = sample.databases.entry(database.to_owned()).or_default();
                    *database.entry(name).or_default() += value;
                }
                None => *sample.server.entry(name).or_default() += value,
            }
        }
        sample
    }
}

fn database_in(labels: &str) -> Option<&str> {
    let (_, rest) = labels.split_once("database_identity=\"")?;
    rest.split_once('"').map(|(database, _)| database)
}

/// What databases are called; asked for once each.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    async fn learn(
        &mut self,
        session: &Session,
        databases: impl Iterator<Item = &String>,
    ) -> Result<()> {
        let new: Vec<&String> = databases
            .filter(|database| !self.0.contains_key(*database))
            .take(NAMES_A_LOOK_MAX)
            .collect();
        for database in new {
            let route = format!("database/{database}/names");
            let answer = session.json(session.get(&route)).await?;
            let name = answer["names"][0].as_str().map(str::to_owned);
            let name = name.unwrap_or_else(|| database.chars().take(16).collect());
            self.0.insert(database.clone(), name);
        }
        Ok(())
    }

    fn of(&self, database: &str) -> String {
        self.0
            .get(database)
            .cloned()
            .unwrap_or_else(|| database.chars().take(16).collect())
    }
}

/// What one database did. Rates are per second.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DatabaseActivity {
    pub(super) identity: String,
    pub(super) name: String,
    pub(super) clients: f64,
    pub(super) transactions: f64,
    /// Mean time that a transaction had the database, in milliseconds.
    pub(super) transaction_ms: f64,
    pub(super) queries: f64,
    pub(super) updates: f64,
    pub(super) rows: f64,
    pub(super) waiting: f64,
    pub(super) outgoing_bytes: f64,
    /// Memory of its module's instances.
    pub(super) memory_bytes: f64,
}

/// What all of them did.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Activity {
    pub(super) databases: Vec<DatabaseActivity>,
    pub(super) memory_bytes: Option<f64>,
    /// Processors in use.
    pub(super) cpus: Option<f64>,
}

impl Activity {
    pub(super) fn between(before: &Sample, now: &Sample, names: &Names) -> Self {
        let seconds = now.at.duration_since(before.at).as_secs_f64();
        let rate = |old: Option<&f64>, new: Option<&f64>| match (old, new) {
            // A counter that went back was begun anew.
            (Some(old), Some(new)) if old <= new && seconds > 0.0 => (new - old) / seconds,
            _ => 0.0,
        };
        let nothing = BTreeMap::new();
        let databases = now.databases.iter().map(|(identity, new)| {
            let old = before.databases.get(identity).unwrap_or(&nothing);
            let gauge = |name: &str| new.get(name).copied().unwrap_or_default();
            let counter = |name: &str| rate(old.get(name), new.get(name));
            let transactions = counter("transactions_total");
            let busy = counter("transaction_seconds_total");
            DatabaseActivity {
                identity: identity.clone(),
                name: names.of(identity),
                clients: gauge("connected_clients"),
                transactions,
                transaction_ms: if transactions > 0.0 {
                    busy / transactions * 1000.0
                } else {
                    0.0
                },
                queries: gauge("active_queries"),
                updates: counter("transaction_updates_total"),
                rows: counter("subscription_rows_total"),
                waiting: gauge("total_incoming_queue_length"),
                outgoing_bytes: gauge("outgoing_queue_bytes"),
                memory_bytes: gauge("module_memory_bytes"),
            }
        });
        let cpu = "process_cpu_seconds_total";
        let cpus = rate(before.server.get(cpu), now.server.get(cpu));
        Activity {
            databases: databases.collect(),
            memory_bytes: now.server.get("process_resident_memory_bytes").copied(),
            cpus: now.server.contains_key(cpu).then_some(cpus),
        }
    }

    /// The sum of one number over all databases.
    pub(super) fn sum(&self, of: impl Fn(&DatabaseActivity) -> f64) -> f64 {
        self.databases.iter().map(of).sum()
    }

    pub(super) fn to_json(&self, url: &str) -> Value {
        let databases = self.databases.iter().map(|it| {
            json!({
                "name": it.name,
                "identity": it.identity,
                "clients": it.clients,
                "transactions_per_second": it.transactions,
                "transaction_milliseconds": it.transaction_ms,
                "queries": it.queries,
                "updates_per_second": it.updates,
                "rows_per_second": it.rows,
                "requests_waiting": it.waiting,
                "outgoing_bytes": it.outgoing_bytes,
                "module_memory_bytes": it.memory_bytes,
            })
        });
        json!({
            "server": url,
            "memory_bytes": self.memory_bytes,
            "cpus": self.cpus,
            "databases": databases.collect::<Vec<Value>>(),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;

    fn text(transactions: u32, seconds: f64, cpu: f64) -> String {
        format!(
            "# HELP spacetime_transactions_total x\n\
             # TYPE spacetime_transactions_total counter\n\
             spacetime_transactions_total{{database_identity=\"aa\"}} {transactions}\n\
             spacetime_transaction_seconds_total{{database_identity=\"aa\"}} {seconds}\n\
             spacetime_connected_clients{{database_identity=\"aa\"}} 3\n\
             process_resident_memory_bytes 1048576\n\
             process_cpu_seconds_total {cpu}\n\
             damaged\nspacetime_x{{ y\n"
        )
    }

    pub(in super::super) fn activity() -> Activity {
        let start = Instant::now();
        let before = Sample::read(&text(100, 1.0, 5.0), start);
        let now = Sample::read(&text(300, 1.5, 6.0), start + Duration::from_secs(2));
        let names = Names([("aa".to_owned(), "chat".to_owned())].into());
        Activity::between(&before, &now, &names)
    }

    #[test]
    fn rates_are_differences_by_time() {
        let activity = activity();
        let [chat] = activity.databases.as_slice() else {
            panic!("{activity:?}");
        };
        assert_eq!((chat.name.as_str(), chat.clients), ("chat", 3.0));
        assert_eq!(chat.transactions, 100.0);
        assert_eq!(chat.transaction_ms, 2.5);
        assert_eq!(activity.memory_bytes, Some(1048576.0));
        assert_eq!(activity.cpus, Some(0.5));
        let json = activity.to_json("http://h");
        assert_eq!(json["databases"][0]["transactions_per_second"], 100.0);
    }

    #[test]
    fn a_counter_that_was_begun_anew_has_no_rate() {
        let start = Instant::now();
        let before = Sample::read(&text(100, 1.0, 5.0), start);
        let now = Sample::read(&text(3, 0.5, 1.0), start + Duration::from_secs(1));
        let activity = Activity::between(&before, &now, &Names::default());
        assert_eq!(activity.databases[0].transactions, 0.0);
        assert_eq!(activity.databases[0].name, "aa");
        let same = Activity::between(&now, &now, &Names::default());
        assert_eq!(same.databases[0].transactions, 0.0);
    }
}

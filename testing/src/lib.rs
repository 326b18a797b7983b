//! Tests of modules, without a server.
//!
//! A [`TestDatabase`] runs a module in the process of the test, on the same engine as a server
//! does: tables, constraints, views, subscriptions, schedules, procedures and logs are the real
//! ones. What is different is what a test wants to decide itself:
//!
//!   * **Time** stands still until the test moves it ([`TestDatabase::advance`]); due schedules run
//!     then, each at its own time. No test waits for real.
//!   * **Who calls**: identities are made from names ([`TestDatabase::identity`]), and
//!     connections come and go with [`TestDatabase::connect`] and [`Client::disconnect`], with the
//!     module's lifecycle reducers.
//!   * **Randomness** comes from time, as for any module, so the same test gives the same result;
//!     [`Builder::seed`] gives others.
//!   * **The disk** is in memory: no files, no ports, nothing to clean up. It can lose its power
//!     ([`TestDatabase::cut_power`]).
//!   * **The network** is a function of the test ([`Builder::http`]).
//!
//! Any `.wasm` file that runs on a server runs here, whatever language it was written in.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use serde_json::json;
//! use spacetime_testing::TestDatabase;
//!
//! // `cargo build`s the module in this folder for WebAssembly first.
//! let db = TestDatabase::from_folder(env!("CARGO_MANIFEST_DIR"))?;
//!
//! let alice = db.connect("alice")?;
//! alice.subscribe(&["SELECT * FROM message"])?;
//! alice.call("set_name", ("Alice",))?;
//! alice.call("send_message", json!(["hello"]))?;
//!
//! // What is in the tables.
//! let message = db.rows("message").one();
//! assert_eq!(message["text"], "hello");
//! assert_eq!(message.get::<spacetime_testing::Identity>("sender"), alice.identity());
//! // What clients were told.
//! assert_eq!(alice.take_changes().inserted("message").len(), 1);
//! // A reducer that says no.
//! let refused = alice.call("send_message", ("",)).unwrap_err();
//! assert_eq!(refused.to_string(), "a message must not be empty");
//!
//! // An hour later.
//! db.advance(Duration::from_secs(3600));
//! assert!(db.schedules().is_empty());
//! assert!(db.logs().iter().all(|line| !line.is_bad()), "{}", db.log_text());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything here waits until the database has come to rest: when a call has returned, whatever
//! it set off (calls that are due at once, procedures that do not sleep, messages to clients) has
//! happened as well. A database that cannot be used any more, and a misuse of this crate, panic:
//! in a test there is nothing else to do.
//!
//! Not here: sockets, tokens and HTTP parsing. What they do is tested with the server itself.

mod args;
mod builder;
mod client;
mod database;
mod http;
mod log;
mod modules;
mod outcome;
mod rows;
mod schedule;
mod time;

pub use args::{Bsatn, IntoArgs};
pub use builder::{Builder, OpenError};
pub use client::{Change, Changes, Client, ConnectError, SubscribeError};
pub use database::{QueryError, TestDatabase};
pub use http::{HttpAnswer, HttpQuestion, Routed};
pub use log::LogLine;
pub use modules::{WasmError, build_module, repository_module};
pub use outcome::CallError;
pub use rows::{ColumnType, Row, Rows};
pub use schedule::Scheduled;

// What tests meet in signatures.
pub use spacetime_host::{CallLimits, InsertRowsError, MigrationPolicy, Mode, PublishError};
pub use spacetime_types::{ConnectionId, Identity, TimeDuration, Timestamp};

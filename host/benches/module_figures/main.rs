//! What a call of a module costs, and what it costs to have one: prints a table.
//!
//! `cargo bench -p spacetime-host --bench module_figures [-- PART...]`, where PART is `abi`,
//! `calls`, `schedule`, `publish` or `start`; all without one. `SPACETIME_BENCH_LARGE_MB` is the
//! size of the large module (20).

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod module;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spacetime_host::{
    CacheKey, CallArgs, CallOutcome, Caller, Connect, DatabaseHandle, Host, HostConfig, Level,
    LogSettings, MigrationPolicy, Mode, OutboxLimits, OutboxMessage, Publish, PublishTarget,
    ReducerCall, ReducerOutcome, Request, RequestId, outbox,
};
use spacetime_types::{ConnectionId, Identity};

/// How often a loop's body runs in one call.
const TURNS: u32 = 100_000;
/// Calls of which the fastest counts.
const ROUNDS: usize = 5;
/// Calls of the empty reducer, and how many are on their way at once.
const CALLS: u32 = 100_000;
const IN_FLIGHT: u32 = 256;
const DUE_AT_ONCE: u32 = 10_000;

fn main() {
    let parts: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with('-'))
        .collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        if wanted("abi") {
            plain_wasmtime();
            abi().await;
        }
        if wanted("calls") {
            empty_reducer().await;
        }
        if wanted("schedule") {
            schedule().await;
        }
        if wanted("publish") || wanted("start") {
            let large = std::env::var("SPACETIME_BENCH_LARGE_MB");
            let large = large.map_or(20, |text| text.parse().expect("a number"));
            for megabytes in [0, 1, large] {
                publish_and_start(megabytes).await;
            }
        }
    });
}

fn say(what: &str, value: f64, unit: &str) {
    println!("{what:<52} {value:>12.1} {unit}");
}

fn owner() -> Caller {
    Caller {
        identity: Identity::from_be_bytes([7; 32]),
        connection_id: ConnectionId(1),
        claims_json: "{}".into(),
    }
}

async fn open(folder: &Path, keeps_code: bool) -> Arc<Host> {
    let mut config = HostConfig {
        logs: LogSettings {
            level: Level::Info,
            records_per_second_max: 0,
            ..LogSettings::default()
        },
        ..HostConfig::new(folder.to_owned())
    };
    config.call_limits.call_time_max = Duration::from_secs(600);
    config.compile.time_max = Duration::from_secs(3600);
    config.compile.cache_key = keeps_code.then(|| CacheKey::from_secret(b"bench"));
    Host::open(config).await.expect("a server")
}

async fn publish(host: &Host, program: Vec<u8>) -> DatabaseHandle {
    let published = host.publish(Publish {
        target: PublishTarget::Name("bench".into()),
        new_identity: Identity::from_be_bytes([9; 32]),
        caller: owner(),
        program: Some(program.into()),
        clear: false,
        mode: Mode::Automatic,
        policy: MigrationPolicy::default(),
    });
    let published = published.await.expect("a module");
    let running = host.database(published.database).expect("registered");
    running.expect("running")
}

/// Time of one call inside the database, the commit included.
async fn time_of(database: &DatabaseHandle, reducer: &str, count: u32) -> Duration {
    let args = CallArgs::Bsatn(count.to_le_bytes().to_vec().into());
    let name = module::identifier(reducer);
    let report = database
        .call_once(owner(), &name, args)
        .await
        .expect("running");
    let ended = &report.outcome;
    assert!(
        matches!(ended, CallOutcome::Reducer(ReducerOutcome::Committed)),
        "{reducer}: {ended:?}"
    );
    Duration::from_micros(report.duration_micros)
}

/// A call of the host and back, without a database.
fn plain_wasmtime() {
    use wasmtime::{Caller, Config, Engine, Linker, Module, Store};
    let text = r#"(module (import "h" "f" (func $f (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "run") (param $count i32) (local $n i32)
          (block $out (loop $in
            (br_if $out (i32.ge_u (local.get $n) (local.get $count)))
            (drop (call $f (local.get $n) (i32.const 32)))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br $in)))))"#;
    let wasm = wat::parse_str(text).expect("a module");
    let mut config = Config::new();
    config.epoch_interruption(true);
    let engine = Engine::new(&config).expect("an engine");
    let compiled = Module::new(&engine, wasm).expect("a module");
    for (what, writes) in [
        ("empty host call", false),
        ("host call that writes 4 bytes", true),
    ] {
        let mut linker: Linker<u32> = Linker::new(&engine);
        let linked = match writes {
            false => linker.func_wrap("h", "f", |_: i32, _: i32| 0i32).map(drop),
            true => linker
                .func_wrap(
                    "h",
                    "f",
                    |mut caller: Caller<'_, u32>, value: i32, at: i32| {
                        let memory = caller
                            .get_export("memory")
                            .and_then(wasmtime::Extern::into_memory);
                        let memory = memory.expect("exported");
                        let at = usize::try_from(at).expect("small");
                        memory.data_mut(&mut caller)[at..at + 4]
                            .copy_from_slice(&value.to_le_bytes());
                        0i32
                    },
                )
                .map(drop),
        };
        linked.expect("one import");
        let mut store = Store::new(&engine, 0);
        store.set_epoch_deadline(1_000_000);
        let instance = linker
            .instantiate(&mut store, &compiled)
            .expect("an instance");
        let run = instance
            .get_typed_func::<i32, ()>(&mut store, "run")
            .expect("exported");
        let best = (0..ROUNDS).map(|_| {
            let start = Instant::now();
            run.call(&mut store, 1_000_000).expect("no trap");
            start.elapsed().as_nanos()
        });
        let nanos = best.min().unwrap_or_default() as f64 / 1e6;
        say(&format!("plain wasmtime: {what}"), nanos, "ns");
    }
}

async fn abi() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = open(folder.path(), false).await;
    let database = publish(&host, module::build("")).await;
    for (name, _) in module::LOOPS.iter().filter(|(name, _)| *name != "plan") {
        // Rows come with the first call of `insert` and go with that of `delete`.
        let changes_rows = ["insert", "delete by key"].contains(name);
        let rounds = if changes_rows { 1 } else { ROUNDS };
        let mut best = Duration::MAX;
        for _ in 0..rounds {
            best = best.min(time_of(&database, name, TURNS).await);
        }
        let nanos = best.as_nanos() as f64 / f64::from(TURNS);
        say(
            &format!("{name} (a call of the ABI, with its commit)"),
            nanos,
            "ns",
        );
        if *name == "update by key" {
            scan(&database).await;
        }
    }
    host.shutdown().await;
}

async fn scan(database: &DatabaseHandle) {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        best = best.min(time_of(database, module::SCAN, 10).await);
    }
    let nanos = best.as_nanos() as f64 / 10.0 / f64::from(TURNS);
    say("scan, a row of 16 bytes", nanos, "ns");
}

async fn empty_reducer() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = open(folder.path(), false).await;
    let database = publish(&host, module::build("")).await;
    let (queue, mut answers) = outbox(OutboxLimits::default());
    let connect = Connect {
        caller: Caller {
            connection_id: ConnectionId(2),
            ..owner()
        },
        confirmed: false,
        event_tables: true,
        json: false,
        outbox: queue,
    };
    let client = database.connect(connect).await.expect("let in");
    for in_flight in [1, IN_FLIGHT] {
        let calls = if in_flight == 1 { CALLS / 10 } else { CALLS };
        let start = Instant::now();
        let (mut sent, mut heard) = (0, 0);
        let mut messages = Vec::new();
        while heard < calls {
            while sent < calls && sent - heard < in_flight {
                let call = Request::CallReducer {
                    client,
                    request_id: RequestId(sent),
                    call: ReducerCall {
                        reducer: module::EMPTY.into(),
                        args: CallArgs::Bsatn(Vec::new().into()),
                        quiet: false,
                        permit: None,
                    },
                };
                database.send(call).await.expect("running");
                sent += 1;
            }
            messages.clear();
            answers.recv_many(&mut messages, 256).await;
            let is_answer = |it: &&OutboxMessage| matches!(it, OutboxMessage::ReducerResult { .. });
            let found = messages.iter().filter(is_answer).count();
            heard += u32::try_from(found).expect("few");
        }
        let nanos = start.elapsed().as_nanos() as f64 / f64::from(calls);
        say(
            &format!("empty reducer, {in_flight} on the way"),
            nanos,
            "ns",
        );
    }
    host.shutdown().await;
}

async fn schedule() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = open(folder.path(), false).await;
    let database = publish(&host, module::build("")).await;
    for _ in 0..3 {
        let start = Instant::now();
        let planned = time_of(&database, "plan", DUE_AT_ONCE).await;
        loop {
            let query = "SELECT COUNT(*) AS left FROM timer";
            let left = database.sql(owner(), query, false).await.expect("a count");
            let count = left[0].rows.iter().next().map(<[u8]>::to_vec);
            if count.is_some_and(|count| count.iter().all(|byte| *byte == 0)) {
                break;
            }
        }
        let ran = start.elapsed().saturating_sub(planned);
        let micros = ran.as_micros() as f64 / f64::from(DUE_AT_ONCE);
        say(
            "10 k scheduled rows due at once: all have run after",
            ran.as_secs_f64() * 1e3,
            "ms",
        );
        say("  of that a row", micros, "us");
    }
    host.shutdown().await;
}

async fn publish_and_start(megabytes: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let ballast = module::ballast(megabytes << 20);
    let program = module::build(&ballast);
    let size = program.len() as f64 / f64::from(1 << 20);
    let name = format!("module of {size:.2} MiB");
    let host = open(folder.path(), true).await;
    let ms = |start: Instant| start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    publish(&host, program.clone()).await;
    say(&format!("{name}: first publish"), ms(start), "ms");
    let start = Instant::now();
    publish(&host, program.clone()).await;
    say(&format!("{name}: publish, unchanged"), ms(start), "ms");
    // A custom section makes it another program.
    let changed = [&program[..], &[0, 2, 1, b'x']].concat();
    let start = Instant::now();
    publish(&host, changed).await;
    say(&format!("{name}: publish, changed"), ms(start), "ms");
    host.shutdown().await;
    drop(host);
    for (what, keeps) in [("with the code cache", true), ("without", false)] {
        let start = Instant::now();
        let host = open(folder.path(), keeps).await;
        say(&format!("{name}: server start {what}"), ms(start), "ms");
        host.shutdown().await;
    }
}

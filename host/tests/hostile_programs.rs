//! Programs that no compiler makes: each is refused when it is published, or stopped when it is
//! called, in bounded time and memory; and a database beside it goes on.
//!
//! `SPACETIME_TEST_LARGE_MB` sets the size of the largest program (20).

use std::sync::Arc;
use std::time::{Duration, Instant};

use spacetime_host::{
    CallArgs, CallOutcome, Caller, DatabaseHandle, DatabaseSettings, Host, HostConfig,
    MigrationPolicy, Mode, Publish, PublishError, PublishTarget, ReducerOutcome,
};
use spacetime_types::{ConnectionId, Identity};

const CALL_TIME_MAX: Duration = Duration::from_millis(300);
const START_TIME_MAX: Duration = Duration::from_millis(500);
/// How much later than its limit a call may end here: other tests run beside it.
const LATE_MAX: Duration = Duration::from_secs(30);
const MEMORY_BYTES_MAX: usize = 16 << 20;

struct Server {
    host: Arc<Host>,
    _folder: tempfile::TempDir,
}

fn owner() -> Caller {
    Caller {
        identity: Identity::from_be_bytes([7; 32]),
        connection_id: ConnectionId(1),
        claims_json: "{}".into(),
    }
}

impl Server {
    async fn start() -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = HostConfig::new(folder.path().to_owned());
        config.call_limits.call_time_max = CALL_TIME_MAX;
        config.call_limits.init_time_max = START_TIME_MAX;
        config.call_limits.memory_bytes_max = MEMORY_BYTES_MAX;
        let with_time = |name: &str, time| DatabaseSettings {
            database: name.into(),
            call_time_max: Some(time),
            ..DatabaseSettings::default()
        };
        config.databases = vec![with_time("patient", 2 * CALL_TIME_MAX)];
        // What they do ends them, not the time.
        let endless = ["claims", "calls", "timers"];
        let endless = endless.map(|name| with_time(name, Duration::from_secs(60)));
        config.databases.extend(endless);
        let host = Host::open(config).await.expect("a server");
        Server {
            host,
            _folder: folder,
        }
    }

    async fn try_publish(
        &self,
        name: &str,
        program: Vec<u8>,
    ) -> Result<DatabaseHandle, PublishError> {
        let mut identity = [0; 32];
        let bytes = name.as_bytes();
        identity[..bytes.len()].copy_from_slice(bytes);
        let published = self.host.publish(Publish {
            target: PublishTarget::Name(name.into()),
            new_identity: Identity::from_be_bytes(identity),
            caller: owner(),
            program: Some(program.into()),
            clear: false,
            mode: Mode::Automatic,
            policy: MigrationPolicy::default(),
        });
        let running = self.host.database(published.await?.database);
        Ok(running.expect("registered").expect("running"))
    }
}

/// A module with one reducer, `go`, whose body is `go`; `more` is whatever else it has.
fn module(go: &str, more: &str) -> Vec<u8> {
    module_with("", go, more)
}

/// The same with one more import.
fn module_importing(import: &str, go: &str) -> Vec<u8> {
    assemble(import, "", go, "")
}

/// The same with something that is done before it describes itself.
fn module_with(describe: &str, go: &str, more: &str) -> Vec<u8> {
    assemble("", describe, go, more)
}

fn assemble(import: &str, describe: &str, go: &str, more: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
  {import}
  (import "spacetime_10.0" "bytes_sink_write" (func $write (param i32 i32 i32) (result i32)))
  {memory}
  (data (i32.const 64)
    "\02\01\00\00\00\03\01\00\00\00\02\00\00\00go\00\00\00\00\01\02\00\00\00\00\04")
  (func $describe (export "__describe_module__") (param $sink i32)
    {describe}
    (i32.store (i32.const 16) (i32.const 27))
    (drop (call $write (local.get $sink) (i32.const 64) (i32.const 16))))
  (func $go (export "__call_reducer__")
    (param i32 i64 i64 i64 i64 i64 i64 i64 i32 i32) (result i32)
    {go}
    (i32.const 0))
  {more})"#,
        memory = match more.contains("(memory") {
            true => "",
            false => "(memory (export \"memory\") 2)",
        },
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

async fn call(database: &DatabaseHandle) -> (CallOutcome, Duration) {
    let args = CallArgs::Bsatn(Vec::new().into());
    let report = database.call_once(owner(), "go", args);
    let report = report.await.expect("running");
    let took = Duration::from_micros(report.duration_micros);
    (report.outcome, took)
}

fn is_committed(outcome: &CallOutcome) -> bool {
    matches!(outcome, CallOutcome::Reducer(ReducerOutcome::Committed))
}

const LOOP: &str = "(loop $again (br $again))";
const RECURSE: &str = "(drop (call $deeper (i32.const 1)))";
const DEEPER: &str = "(func $deeper (param i32) (result i32)
    (i32.add (local.get 0) (call $deeper (i32.add (local.get 0) (i32.const 1)))))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_go_too_far_end_and_nothing_else_does() {
    let server = Server::start().await;
    let honest = server.try_publish("honest", module("", "")).await;
    let honest = honest.expect("a module");
    let grow = |what: &str| format!("(if (i32.ne ({what}) (i32.const -1)) (then unreachable))");
    let memory = grow("memory.grow (i32.const 65000)");
    let table = grow("table.grow $t (ref.null func) (i32.const 100000000)");
    // Each of them is refused more, and goes on.
    for (name, go, more) in [
        ("memory", &memory, ""),
        ("table", &table, "(table $t 1 funcref)"),
    ] {
        let database = server.try_publish(name, module(go, more)).await;
        let (outcome, _) = call(&database.expect(name)).await;
        assert!(is_committed(&outcome), "{name}: {outcome:?}");
    }
    let divide = "(drop (i32.div_u (i32.const 1) (i32.load (i32.const 8192))))";
    for (name, go, more) in [
        ("recursion", RECURSE, DEEPER),
        ("address", "(drop (i64.load (i32.const -8)))", ""),
        ("division", divide, ""),
        (
            "nobody",
            "(call_indirect (i32.const 5))",
            "(table $t 10 funcref)",
        ),
        ("trap", "unreachable", ""),
    ] {
        let database = server.try_publish(name, module(go, more)).await;
        let database = database.expect(name);
        for _ in 0..2 {
            let (outcome, took) = call(&database).await;
            let is_fatal = matches!(outcome, CallOutcome::Reducer(ReducerOutcome::Fatal(_)));
            assert!(is_fatal && took < LATE_MAX, "{name}: {outcome:?} {took:?}");
        }
        assert!(is_committed(&call(&honest).await.0), "{name}");
    }
    server.host.shutdown().await;
}

/// What the host keeps for a call is bounded, whatever a module asks for: each of these would have
/// it keep something more for every turn of a loop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_cannot_fill_the_memory_of_the_host() {
    let server = Server::start().await;
    let honest = server.try_publish("honest", module("", "")).await;
    let honest = honest.expect("a module");
    let endless = |ask: &str| format!("(loop $again {ask} (br $again))");
    for (name, import, ask, told) in [
        (
            "claims",
            r#"(import "spacetime_10.2" "get_jwt" (func $ask (param i32 i32) (result i32)))"#,
            // The connection is number 1.
            "(i32.store (i32.const 256) (i32.const 1))
             (drop (call $ask (i32.const 256) (i32.const 512)))",
            "and not read them",
        ),
        (
            "calls",
            r#"(import "spacetime_10.0" "volatile_nonatomic_schedule_immediate"
                 (func $ask (param i32 i32 i32 i32)))"#,
            "(call $ask (i32.const 78) (i32.const 2) (i32.const 256) (i32.const 100000))",
            "16777216 bytes of arguments",
        ),
        (
            "timers",
            r#"(import "spacetime_10.0" "console_timer_start"
                 (func $ask (param i32 i32) (result i32)))"#,
            "(drop (call $ask (i32.const 78) (i32.const 2)))",
            "1024 console timers",
        ),
    ] {
        let program = module_importing(import, &endless(ask));
        let database = server.try_publish(name, program).await.expect(name);
        let (outcome, _) = call(&database).await;
        let is_fatal = matches!(outcome, CallOutcome::Reducer(ReducerOutcome::Fatal(_)));
        assert!(is_fatal, "{name}: {outcome:?}");
        let (log, _) = database.log().tail(Some(5), None);
        let log = String::from_utf8_lossy(&log);
        assert!(log.contains(told), "{name}: {log}");
        assert!(is_committed(&call(&honest).await.0), "{name}");
    }
    server.host.shutdown().await;
}

/// The processor time that the writer thread of a database has had, if the system tells.
fn processor_time(database: &DatabaseHandle) -> Option<Duration> {
    let name = database.identity().to_abbreviated_hex();
    let name = format!("db-{}", &name[4..12]);
    let threads = std::fs::read_dir("/proc/self/task").ok()?;
    let thread = threads.filter_map(Result::ok).find(|thread| {
        let comm = std::fs::read_to_string(thread.path().join("comm"));
        comm.is_ok_and(|comm| comm.trim_end() == name)
    })?;
    let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
    let nanos = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// Asks the host for something, for ever.
const LOOP_IN_HOST: &str = "(loop $again
    (drop (call $write (i32.const 77) (i32.const 64) (i32.const 16)))
    (br $again))";

/// How late a call is stopped may be the machine's doing, so it is not asserted. That it is not
/// stopped early is (but for the ticks that are made up for at once on a loaded machine), and that
/// it does not compute for longer than it may: what it computes after its time is the host's doing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_has_the_time_that_it_is_given() {
    const EARLY_MAX: Duration = Duration::from_millis(105);
    const OVER_MAX: Duration = Duration::from_millis(100);
    let server = Server::start().await;
    let honest = server.try_publish("honest", module("", "")).await;
    let honest = honest.expect("a module");
    let forever = module(LOOP, "");
    let in_host = module(LOOP_IN_HOST, "");
    for (name, limit, program) in [
        ("endless", CALL_TIME_MAX, &forever),
        ("patient", 2 * CALL_TIME_MAX, &forever),
        ("in host", CALL_TIME_MAX, &in_host),
    ] {
        let database = server.try_publish(name, program.clone()).await;
        let database = database.expect(name);
        let before = processor_time(&database);
        let (outcome, took) = call(&database).await;
        let computed = processor_time(&database).zip(before);
        let is_stopped = matches!(outcome, CallOutcome::Reducer(ReducerOutcome::OutOfBudget));
        assert!(is_stopped, "{name}: {outcome:?}");
        assert!(took >= limit - EARLY_MAX, "{name}: {took:?}");
        if let Some((after, before)) = computed {
            let computed = after - before;
            assert!(computed < limit + OVER_MAX, "{name}: {computed:?}");
        }
        assert!(is_committed(&call(&honest).await.0), "{name}");
    }
    server.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_cannot_start_are_refused_in_time() {
    let server = Server::start().await;
    let honest = server.try_publish("honest", module("", "")).await;
    let honest = honest.expect("a module");
    let nested = format!("{} {}", "block ".repeat(20_000), "end ".repeat(20_000));
    let many_tables: String = (0..20)
        .map(|n| format!("(table $t{n} 1 funcref)"))
        .collect();
    let start = format!("(func $first {LOOP}) (start $first)");
    let preinit = format!("(func (export \"__preinit__10\") {LOOP})");
    let two_memories = "(memory (export \"memory\") 2) (memory 2)";
    let bad_byte = "(i32.store8 (i32.const 64) (i32.const 99))";
    let programs = [
        ("start", module("", &start)),
        ("describe", module_with(LOOP, "", "")),
        ("deep", module_with(RECURSE, "", DEEPER)),
        ("preinit", module("", &preinit)),
        ("initial", module("", "(memory (export \"memory\") 1000)")),
        ("memories", module("", two_memories)),
        ("tables", module("", &many_tables)),
        ("elements", module("", "(table 100000000 funcref)")),
        ("nothing", module_with("(return)", "", "")),
        ("garbage", module_with(bad_byte, "", "")),
    ];
    for (name, program) in programs {
        let start = Instant::now();
        let refused = server.try_publish(name, program).await;
        assert!(refused.is_err(), "{name} was published");
        let took = start.elapsed();
        assert!(took < START_TIME_MAX + LATE_MAX, "{name}: {took:?}");
        assert!(is_committed(&call(&honest).await.0), "{name}");
        // Nothing is left of it, and its name is free.
        let again = server.try_publish(name, module("", "")).await;
        assert!(again.is_ok(), "{name}: {again:?}");
    }
    // Odd, but a program like any other.
    let odd = server.try_publish("nested", module(&nested, "")).await;
    assert!(is_committed(&call(&odd.expect("it is valid")).await.0));
    server.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_program_runs_and_one_that_is_too_large_is_refused() {
    let megabytes = std::env::var("SPACETIME_TEST_LARGE_MB");
    let megabytes: usize = megabytes.map_or(20, |text| text.parse().expect("a number"));
    let server = Server::start().await;
    // A section that means nothing: its length is a number of five bytes.
    let padded = |bytes: usize| {
        let mut program = module("", "");
        let len = u32::try_from(bytes + 2).expect("less than 4 GiB");
        let seven_bits = |n: u32| u8::try_from(len >> (7 * n) & 0x7f).expect("seven bits");
        program.push(0);
        program.extend((0..4).map(|n| seven_bits(n) | 0x80));
        program.push(seven_bits(4));
        program.extend_from_slice(&[1, b'x']);
        program.resize(program.len() + bytes, 0);
        program
    };
    let large = server.try_publish("large", padded(megabytes << 20)).await;
    let large = large.expect("large, but honest");
    assert!(is_committed(&call(&large).await.0));
    let refused = server.try_publish("larger", padded(257 << 20)).await;
    let refused = refused.expect_err("more than is accepted").to_string();
    assert!(
        refused.contains("at most 268435456 are accepted"),
        "{refused}"
    );
    server.host.shutdown().await;
}

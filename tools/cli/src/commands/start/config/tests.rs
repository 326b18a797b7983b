//! What the file says, what it may not say, and what it says when it is made.

use spacetime_host::Level;

use super::*;

#[test]
fn the_file_that_is_made_is_all_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert_eq!(ServerConfig::load(&data).unwrap(), ServerConfig::default());
    assert_eq!(ServerConfig::load(&data).unwrap(), ServerConfig::default());
    assert_eq!(ServerConfig::default().log_filter("info"), "info");
}

#[test]
fn known_keys_count_and_unknown_ones_do_not_matter() {
    let config = ServerConfig::parse(
        "[certificate-authority]\njwt-priv-key-path = \"a\"\njwt-pub-key-path = \"b\"\n\
         [tls]\ncertificate-path = \"c\"\nkey-path = \"d\"\n\
         [logs]\nlevel = \"error\"\ndirectives = [\"x=debug\", \"y=info\"]\n\
         [websocket]\nping-interval = \"5s\"\nincoming-queue-length = 7\n\
         [limits]\nconnections-per-address = 9\nqueries-per-set = 0\noutgoing-bytes = 7\n\
         messages-per-second = 5\nheader-timeout = \"2s\"\nbody-timeout = \"3s\"\n\
         request-timeout = \"0\"\nrestore-bytes = 77\nquery-visits = 5\nquery-rows = 0\n\
         [v8-heap-policy]\nheap-limit-mb = 0\n\
         [commitlog]\nlog-format-version = 1\nmax-segment-size = 5000\nretention = \"remove\"\n\
         io = \"auto\"\n\
         [snapshots]\nlog-bytes = 7\nretain = 3\n\
         [module-http]\nenabled = false\n\
         [wasm]\nprocedure-instance-pool-size = 3\nprocedure-time-limit = \"5s\"\n\
         [module-logs]\nlevel = \"warn\"\n\
         [databases.chat]\nmemory-limit = \"1MiB\"\n",
    )
    .unwrap();
    let store = config.store();
    assert_eq!(store.log_retention, LogRetention::Remove);
    assert_eq!(store.backend, Backend::UringIfPossible);
    assert_eq!((store.snapshots.log_bytes, store.snapshots.retain), (7, 3));
    let transactions = StoreOptions::default().snapshots.transactions;
    assert_eq!(store.snapshots.transactions, transactions);
    assert!(config.outbound_http().unwrap().is_none());
    let limits = config.call_limits().unwrap();
    assert_eq!(config.module_logs().unwrap().level, Level::Warn);
    let databases = config.databases().unwrap();
    assert_eq!(databases.len(), 1);
    assert_eq!(&*databases[0].database, "chat");
    assert_eq!(databases[0].memory_bytes_max, Some(1 << 20));
    assert_eq!(limits.procedures_max, 3);
    assert_eq!(limits.procedure_time_max, Duration::from_secs(5));
    let log = store.durability.log;
    assert_eq!(log.segment_bytes_max, 5000);
    assert_eq!(
        log.preallocate,
        StoreOptions::default().durability.log.preallocate
    );
    assert_eq!(config.key_paths(), Some(("a".into(), "b".into())));
    assert_eq!(config.tls_paths(), Some(("c".as_ref(), "d".as_ref())));
    assert_eq!(config.log_filter("info"), "error,x=debug,y=info");
    let limits = config.api().unwrap().limits;
    assert_eq!(limits.connections_per_address, 9);
    assert_eq!(limits.outbox.bytes_max, 7);
    assert_eq!(limits.rate.messages_per_second, 5);
    assert_eq!(limits.header_timeout, Duration::from_secs(2));
    assert_eq!(limits.body_timeout, Duration::from_secs(3));
    assert_eq!(limits.request_timeout, None);
    assert_eq!(config.api().unwrap().restore_bytes_max, 77);
    let reads = config.read_limits();
    assert_eq!((reads.visits, reads.rows), (5, u64::MAX));
    assert_eq!(reads.bytes, ReadLimits::default().bytes);
    let per_client = config.client_limits();
    assert_eq!(per_client.queries_per_set, usize::MAX);
    assert_eq!(per_client.query_sets, ClientLimits::default().query_sets);
    let keep_alive = config.api().unwrap().keep_alive;
    assert_eq!(keep_alive.ping_interval, Duration::from_secs(5));
    assert_eq!(keep_alive.idle_timeout, Duration::from_secs(30));
}

#[test]
fn wrong_values_are_refused() {
    for text in [
        "[logs]\nlevel = 3",
        "[commitlog]\nretention = \"forget\"",
        "[certificate-authority]\njwt-priv-key-path = \"a\"",
        "[tls]\nkey-path = \"d\"",
        "[websocket]\nping-interval = \"soon\"",
        "[websocket]\nidle-timeout = \"0s\"",
        "[wasm]\nprocedure-instance-pool-size = 0",
        "[wasm]\nprocedure-time-limit = \"now\"",
        "[wasm]\nmemory-limit = \"much\"",
        "[module-logs]\nlevel = \"loud\"",
        "[databases.chat]\nmemory = 5",
        "[limits]\nheader-timeout = \"0s\"",
        "[limits]\nbody-timeout = \"0\"",
        "[limits]\nqueries-per-set = -1",
        "nonsense",
    ] {
        assert!(ServerConfig::parse(text).is_err(), "{text}");
    }
}

#[test]
fn durations() {
    for (text, millis) in [
        ("250ms", 250),
        ("15s", 15_000),
        ("1m 30s", 90_000),
        ("2 h", 7_200_000),
    ] {
        assert_eq!(
            duration(text).unwrap(),
            Duration::from_millis(millis),
            "{text}"
        );
    }
    for text in ["", "s", "5", "5x", "-1s", "99999999999s"] {
        assert!(duration(text).is_err(), "{text}");
    }
}

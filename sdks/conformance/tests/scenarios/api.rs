//! What programs may write, compiled against both crates: every name at the root of the crate and
//! in its modules, every method of connections, builders, handles, tables and contexts, with the
//! types that callbacks and results have; and what the values of both give.
//!
//! Not here: what any of it does over a connection (`steps`, and `client`).

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use spacetimedb_sdk::credentials::{CredentialFileError, File};
use spacetimedb_sdk::db_context::DbContext;
use spacetimedb_sdk::error::{Error, InternalError, Result};
use spacetimedb_sdk::event::{Event, ReducerEvent, Status};
use spacetimedb_sdk::table::{EventTable, Table, TableWithPrimaryKey};
use spacetimedb_sdk::{
    Compression, ConnectionId, DbConnectionBuilder, Identity, ScheduleAt, SubscriptionHandle as _,
    TimeDuration, Timestamp, Uuid, i256, u256,
};

use super::kitchen_sink::*;

#[allow(dead_code)]
fn a_connection() -> Result<DbConnection> {
    let token: Option<String> = File::new("a-program").load().unwrap_or_default();
    let builder: DbConnectionBuilder<RemoteModule> = DbConnection::builder();
    builder
        .with_uri("http://127.0.0.1:3000".to_owned())
        .with_database_name("kitchen-sink")
        .with_token(token)
        .with_token(None::<String>)
        .with_token(Some("a token"))
        .with_compression(Compression::default())
        .with_compression(Compression::Brotli)
        .with_confirmed_reads(true)
        .with_debug_to_file(PathBuf::from("debug.txt"))
        .on_connect(|conn: &DbConnection, _: Identity, token: &str| {
            let kept: std::result::Result<(), CredentialFileError> =
                File::new("a-program").save(token);
            assert!(kept.is_ok() && conn.is_active());
        })
        .on_connect_error(|_: &ErrorContext, error: Error| panic!("{error}"))
        .on_disconnect(|ctx: &ErrorContext, error: Option<Error>| {
            let same: &Option<Error> = &ctx.event;
            assert_eq!(same.is_some(), error.is_some());
        })
        .build()
}

#[allow(dead_code)]
async fn all_ways_to_drive(conn: DbConnection) -> Result<()> {
    conn.frame_tick()?;
    let _: bool = conn.advance_one_message()?;
    conn.advance_one_message_blocking()?;
    conn.advance_one_message_async().await?;
    conn.run_async().await?;
    let thread: std::thread::JoinHandle<()> = conn.run_threaded();
    thread.join().expect("the connection ended well");
    conn.disconnect()
}

/// For any context and any connection, as helpers of programs are.
#[allow(dead_code)]
fn anywhere(ctx: &impl RemoteDbContext) -> Result<()> {
    let _: u64 = ctx.db().item().count();
    ctx.reducers().fail("because".to_owned())?;
    let _: &RemoteProcedures = ctx.procedures();
    ctx.subscription_builder().subscribe_to_all_tables();
    let _: (Identity, Option<Identity>) = (ctx.identity(), ctx.try_identity());
    let _: (ConnectionId, Option<ConnectionId>) = (ctx.connection_id(), ctx.try_connection_id());
    if ctx.is_active() {
        ctx.disconnect()?;
    }
    Ok(())
}

#[allow(dead_code)]
fn rows(conn: &DbConnection) {
    let items: ItemTableHandle<'_> = conn.db.item();
    let _: Vec<Item> = items.iter().collect();
    let _: Option<Item> = items.id().find(&1);
    let _: Option<Item> = items.label().find(&"x".to_owned());
    let inserted = items.on_insert(|ctx: &EventContext, item: &Item| match &ctx.event {
        Event::Reducer(ReducerEvent {
            timestamp,
            status: Status::Committed | Status::Err(_) | Status::Panic(_),
            reducer: Reducer::InsertItem { label, .. },
            ..
        }) => assert!(*label == item.label && *timestamp > Timestamp::UNIX_EPOCH),
        Event::SubscribeApplied | Event::UnsubscribeApplied => {}
        Event::SubscribeError(error) => panic!("{error}"),
        Event::Disconnected | Event::Transaction => {}
        _ => {}
    });
    let deleted = items.on_delete(|ctx: &EventContext, _: &Item| drop(anywhere(ctx)));
    let updated = items.on_update(|_: &EventContext, old: &Item, new: &Item| {
        assert_eq!(old.id, new.id);
    });
    items.remove_on_insert(inserted);
    items.remove_on_delete(deleted);
    items.remove_on_update(updated);
    let hits = conn.db.hit();
    let hit = hits.on_insert(|_: &EventContext, hit: &Hit| assert!(hit.strength < 100));
    hits.remove_on_insert(hit);
    assert_eq!((hits.count(), hits.iter().count()), (0, 0));
}

/// Code for any table. These traits have methods with the names of those above.
mod any_table {
    use spacetimedb_sdk::table::{TableAccessor, TableLike, WithDelete, WithInsert, WithUpdate};

    use super::{EventContext, RemoteTables};

    #[allow(dead_code)]
    fn watch<T>(
        table: &T,
    ) -> (
        T::InsertCallbackId,
        T::DeleteCallbackId,
        T::UpdateCallbackId,
    )
    where
        T: TableLike<EventContext = EventContext> + WithInsert + WithDelete + WithUpdate,
    {
        assert_eq!(TableLike::count(table), 0);
        assert_eq!(TableLike::iter(table).count(), 0);
        let inserted = WithInsert::on_insert(table, |_: &EventContext, _: &T::Row| {});
        let deleted = WithDelete::on_delete(table, |_: &EventContext, _: &T::Row| {});
        let updated = WithUpdate::on_update(table, |_: &EventContext, _: &T::Row, _: &T::Row| {});
        (inserted, deleted, updated)
    }

    /// Without a connection at hand.
    #[allow(dead_code)]
    fn count_of<'db, A>(db: &'db RemoteTables) -> u64
    where
        A: TableAccessor<RemoteTables>,
        A::Handle<'db>: TableLike<Row = A::Row>,
    {
        A::get(db).count()
    }
}

#[allow(dead_code)]
fn subscriptions(conn: &DbConnection) -> Result<()> {
    let begin = || conn.subscription_builder();
    begin().subscribe("SELECT * FROM item");
    begin().subscribe(String::from("SELECT * FROM item"));
    begin().subscribe(Box::<str>::from("SELECT * FROM item"));
    begin().subscribe(["SELECT * FROM item", "SELECT * FROM hit"]);
    begin().subscribe(&["SELECT * FROM item"][..]);
    begin().subscribe(vec!["SELECT * FROM item".to_owned()]);
    begin().subscribe(Box::<[Box<str>]>::from(["SELECT * FROM item".into()]));
    let all: SubscriptionHandle = begin().subscribe_to_all_tables();
    all.unsubscribe()?;
    let handle: SubscriptionHandle = begin()
        .on_applied(|ctx: &SubscriptionEventContext| assert_eq!(ctx.db.item().count(), 0))
        .on_error(|_: &ErrorContext, error: Error| panic!("{error}"))
        .add_query(|q| {
            q.from
                .item()
                .filter(|item| item.shelf.eq(1).and(item.row.gt(2)))
        })
        .add_query(|q| {
            q.from
                .item()
                .r#where(|item| item.label.ne("x".to_owned()).not())
        })
        .add_query(|q| q.from.item())
        .subscribe();
    assert!(handle.clone().is_active() && !handle.is_ended());
    let ended: Result<()> = handle.unsubscribe_then(Box::new(|_: &SubscriptionEventContext| {}));
    match ended {
        Err(Error::AlreadyEnded | Error::AlreadyUnsubscribed | Error::Disconnected) => Ok(()),
        Err(Error::SubscriptionError { error }) => panic!("{error}"),
        Err(Error::FailedToConnect { source }) => panic!("{source}"),
        Err(Error::Internal(error)) => Err(Error::from(error)),
        other => other,
    }
}

#[allow(dead_code)]
fn calls(conn: &DbConnection) -> Result<()> {
    let reducers: &RemoteReducers = conn.reducers();
    reducers.fail("because".to_owned())?;
    reducers.fail_then(
        "because".to_owned(),
        |ctx: &ReducerEventContext,
         outcome: std::result::Result<std::result::Result<(), String>, InternalError>| {
            let event: &ReducerEvent<Reducer> = &ctx.event;
            assert!(matches!(event.reducer, Reducer::Fail { .. }));
            assert_eq!(outcome.is_ok(), matches!(event.status, Status::Err(_)));
        },
    )
}

fn is_send<T: Send>() {}
fn is_cloned<T: Clone + std::fmt::Debug>() {}
fn is_error<T: std::error::Error + Send + Sync + 'static>() {}

#[test]
fn bounds() {
    is_send::<DbConnection>();
    is_send::<DbConnectionBuilder<RemoteModule>>();
    is_send::<EventContext>();
    is_send::<SubscriptionHandle>();
    is_cloned::<Error>();
    is_cloned::<InternalError>();
    is_cloned::<Event<Reducer>>();
    is_cloned::<ReducerEvent<Reducer>>();
    is_cloned::<Status>();
    is_cloned::<Item>();
    is_error::<Error>();
    is_error::<InternalError>();
    is_error::<CredentialFileError>();
}

#[test]
fn identities() {
    let hex = "c200".to_owned() + &"ab".repeat(30);
    let identity = Identity::from_hex(&hex).unwrap();
    assert_eq!(identity.to_hex().to_string(), hex);
    assert_eq!(identity.to_string(), hex);
    assert_eq!(hex.parse::<Identity>().unwrap(), identity);
    assert_eq!(identity.abbreviate()[..2], [0xc2, 0x00]);
    assert_eq!(identity.to_abbreviated_hex().to_string(), hex[..16]);
    assert_eq!(identity.to_be_byte_array()[0], 0xc2);
    assert_eq!(identity.to_byte_array()[31], 0xc2);
    assert_eq!(
        Identity::from_be_byte_array(identity.to_be_byte_array()),
        identity
    );
    assert_eq!(
        Identity::from_byte_array(identity.to_byte_array()),
        identity
    );
    assert_eq!(Identity::from_u256(identity.to_u256()), identity);
    assert_eq!(Identity::ZERO.to_u256(), u256::new(0));
    assert_eq!(i256::new(-1) + i256::new(1), i256::new(0));
    let known = Identity::from_claims("http://localhost", "alice");
    assert_eq!(known, Identity::from_claims("http://localhost", "alice"));
    assert!(known.to_hex().starts_with("c200"));
    assert!(Identity::from_hex("c200").is_err());

    let id = ConnectionId::from_u128(0x0102);
    assert_eq!(
        (id.to_u128(), ConnectionId::from(0x0102_u128)),
        (0x0102, id)
    );
    assert_eq!(id.to_hex().to_string(), format!("{:032x}", 0x0102));
    assert_eq!(ConnectionId::from_hex(&id.to_hex()).unwrap(), id);
    assert_eq!(id.to_string(), format!("{:032x}", 0x0102));
    assert_eq!(id.as_le_byte_array()[..2], [2, 1]);
    assert_eq!(id.as_be_byte_array()[14..], [1, 2]);
    assert_eq!(ConnectionId::from_le_byte_array(id.as_le_byte_array()), id);
    assert_eq!(ConnectionId::from_be_byte_array(id.as_be_byte_array()), id);
    assert_eq!(id.abbreviate(), [0; 8]);
    assert_eq!(id.to_abbreviated_hex().to_string(), "0".repeat(16));
    assert_eq!(
        (id.none_if_zero(), ConnectionId::ZERO.none_if_zero()),
        (Some(id), None)
    );
}

#[test]
fn times() {
    let time = Timestamp::from_micros_since_unix_epoch(1_700_000_000_123_456);
    let span = TimeDuration::from_micros(1_500_000);
    assert_eq!(
        time.to_rfc3339().unwrap(),
        "2023-11-14T22:13:20.123456+00:00"
    );
    assert_eq!(time.to_string(), time.to_rfc3339().unwrap());
    let text = time.to_rfc3339().unwrap();
    assert_eq!(Timestamp::parse_from_rfc3339(&text).unwrap(), time);
    assert_eq!((time + span) - span, time);
    assert_eq!(
        (time + Duration::from_secs(1)) - Duration::from_secs(1),
        time
    );
    assert_eq!(time.checked_add(span), Some(time + span));
    assert_eq!(time.checked_sub(span), Some(time - span));
    assert_eq!(
        time.checked_add_duration(Duration::from_millis(1500)),
        Some(time + span)
    );
    assert_eq!(
        time.checked_sub_duration(Duration::from_millis(1500)),
        Some(time - span)
    );
    assert_eq!(
        (time + span).duration_since(time),
        Some(Duration::from_millis(1500))
    );
    assert_eq!((time + span).time_duration_since(time), Some(span));
    assert_eq!(time.duration_since(time + span), None);
    assert_eq!(Timestamp::from_system_time(time.to_system_time()), time);
    assert_eq!(Timestamp::from(SystemTime::from(time)), time);
    let since = time.to_time_duration_since_unix_epoch();
    assert_eq!(Timestamp::from_time_duration_since_unix_epoch(since), time);
    let since = time.to_duration_since_unix_epoch().unwrap();
    assert_eq!(Timestamp::from_duration_since_unix_epoch(since), time);
    assert!(time < Timestamp::now());
    let mut later = time;
    later += span;
    later -= Duration::from_millis(1500);
    assert_eq!(later.to_micros_since_unix_epoch(), 1_700_000_000_123_456);

    let negative = TimeDuration::ZERO - span;
    assert_eq!(span.to_duration(), Ok(Duration::from_millis(1500)));
    assert_eq!(negative.to_duration(), Err(Duration::from_millis(1500)));
    assert_eq!(
        Duration::try_from(negative),
        Err(Duration::from_millis(1500))
    );
    assert_eq!(negative.to_duration_abs(), Duration::from_millis(1500));
    assert_eq!(negative.to_duration_saturating(), Duration::ZERO);
    assert_eq!(
        (negative.abs(), span + negative),
        (span, TimeDuration::ZERO)
    );
    assert_eq!(TimeDuration::from(Duration::from_millis(1500)), span);
    assert_eq!(
        TimeDuration::from_duration(Duration::from_millis(1500)),
        span
    );
    assert_eq!(span.checked_add(negative), Some(TimeDuration::ZERO));
    assert_eq!(span.checked_sub(span), Some(TimeDuration::ZERO));
    assert_eq!(
        (span.to_string(), negative.to_string()),
        ("+1.500000".into(), "-1.500000".into())
    );
    for (micros, text) in [
        (0, "P0D"),
        (1_500_000, "PT1.5S"),
        (-1_000_000, "-PT1S"),
        (86_400_000_000, "PT86400S"),
        (1, "PT0.000001S"),
        (100_000, "PT0.1S"),
    ] {
        assert_eq!(TimeDuration::from_micros(micros).to_iso8601(), text);
    }

    assert!(matches!(ScheduleAt::from(span), ScheduleAt::Interval(known) if known == span));
    assert!(matches!(
        ScheduleAt::from(Duration::from_secs(1)),
        ScheduleAt::Interval(_)
    ));
    assert!(matches!(ScheduleAt::from(time), ScheduleAt::Time(known) if known == time));
    let at = ScheduleAt::from(time.to_system_time());
    assert_eq!(at.to_timestamp_from(time - span), time);
    assert_eq!(
        at.to_duration_from(time - span),
        Duration::from_millis(1500)
    );
    assert_eq!(at.to_duration_from(time + span), Duration::ZERO);
    let every = ScheduleAt::from(span);
    assert_eq!(every.to_timestamp_from(time), time + span);
    assert_eq!(every.to_duration_from(time), Duration::from_millis(1500));
}

#[test]
fn uuids() {
    let text = "01888d6e-5c00-7000-8000-000000000001";
    let uuid = Uuid::parse_str(text).unwrap();
    assert_eq!(uuid.to_string(), text);
    assert_eq!(Uuid::from_u128(uuid.as_u128()), uuid);
    assert_eq!(uuid.to_uuid().as_u128(), uuid.as_u128());
    assert!(Uuid::parse_str("nonsense").is_err());
    assert!(Uuid::NIL < uuid && uuid < Uuid::MAX);
    let random = Uuid::from_random_bytes_v4([0xff; 16]);
    assert_eq!(random.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    let counter = Cell::new(5);
    let now = Timestamp::from_micros_since_unix_epoch(1_700_000_000_123_456);
    let first = Uuid::from_counter_v7(&counter, now, &[1, 2, 3, 4]).unwrap();
    let second = Uuid::from_counter_v7(&counter, now, &[0; 4]).unwrap();
    assert!(first < second && counter.get() == 7);
    assert_eq!(first.to_string(), "018bcfe5-687b-7000-8000-000a01020304");
    for uuid in [random, first, Uuid::NIL, Uuid::MAX] {
        assert!(uuid.get_version().is_some());
    }
}

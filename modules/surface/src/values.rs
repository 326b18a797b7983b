//! Every method of the library's own types.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use spacetimedb::log_stopwatch::LogStopwatch;
use spacetimedb::sats::uuid::Version;
use spacetimedb::sats::{bsatn, i256, u256};
use spacetimedb::spacetimedb_lib::{self, hash_bytes, Hash};
use spacetimedb::{
    reducer, AlgebraicValue, ConnectionId, Deserialize, DeserializeOwned, FilterableValue,
    Identity, ReducerContext, ScheduleAt, Serialize, SpacetimeType, TableId, TimeDuration,
    Timestamp, Uuid,
};

pub fn times(ctx: &ReducerContext) -> Option<String> {
    let now: Timestamp = ctx.timestamp;
    let second = TimeDuration::from_micros(1_000_000);
    let minute = Duration::from_secs(60);
    let mut later = now + second;
    later += minute;
    later -= second;
    later -= minute;
    let earlier = later - second - minute;
    let _: Option<Duration> = later.duration_since(earlier);
    let _: Option<TimeDuration> = later.time_duration_since(earlier);
    let _ = now.checked_add(second)?.checked_sub(second)?;
    let _ = now
        .checked_add_duration(minute)?
        .checked_sub_duration(minute)?;
    let _ = Timestamp::from_micros_since_unix_epoch(now.to_micros_since_unix_epoch());
    let _ = Timestamp::from_time_duration_since_unix_epoch(now.to_time_duration_since_unix_epoch());
    let since: Result<Duration, Duration> = now.to_duration_since_unix_epoch();
    let _ = Timestamp::from_duration_since_unix_epoch(since.ok()?);
    let system: SystemTime = now.to_system_time();
    let _: Timestamp = Timestamp::from_system_time(system);
    let _: (SystemTime, Timestamp) = (now.into(), system.into());
    let parsed = Timestamp::parse_from_rfc3339("2024-01-02T03:04:05.678901Z").ok()?;
    let text = parsed.to_rfc3339().ok()?;
    let ordered = now < later && now.max(later) >= now && now == now.clone();
    let set: HashSet<Timestamp> = [now, later, Timestamp::UNIX_EPOCH].into();
    Some(format!("{now} {now:?} {text} {ordered} {}", set.len()))
}

pub fn durations() -> String {
    let one: TimeDuration = Duration::from_millis(1).into();
    let mut sum = one + TimeDuration::ZERO - TimeDuration::from_duration(Duration::ZERO);
    sum += one;
    sum -= one;
    let _: Result<Duration, Duration> = sum.to_duration();
    let _: Duration = sum.to_duration_abs() + sum.to_duration_saturating();
    let _: Result<Duration, _> = Duration::try_from(sum);
    let _: Option<TimeDuration> = sum.checked_add(one).and_then(|sum| sum.checked_sub(one));
    let _ = sum.abs().to_micros();
    format!("{sum} {sum:?} {} {}", sum.to_iso8601(), sum > one)
}

pub fn schedules(now: Timestamp) -> ScheduleAt {
    let _: ScheduleAt = Duration::from_secs(5).into();
    let _: ScheduleAt = TimeDuration::from_micros(5).into();
    let once: ScheduleAt = (now + Duration::from_secs(5)).into();
    match once {
        ScheduleAt::Interval(interval) => ScheduleAt::Interval(interval),
        ScheduleAt::Time(time) => ScheduleAt::Time(time),
    }
}

pub fn identities() -> Option<String> {
    let identity = Identity::from_claims("https://issuer", "subject");
    let text: String = identity.to_hex().to_string();
    let back = Identity::from_hex(&text).ok()?;
    let parsed: Identity = text.parse().ok()?;
    let _ = Identity::from_str(&text).ok()? == back && parsed == back;
    let _ = Identity::from_byte_array(identity.to_byte_array());
    let _ = Identity::from_be_byte_array(identity.to_be_byte_array());
    let _ = Identity::from_u256(identity.to_u256());
    let _: ([u8; 8], String) = (
        identity.abbreviate(),
        identity.to_abbreviated_hex().to_string(),
    );
    let known = [Identity::ZERO, Identity::ONE, Identity::default()];
    let ordered: BTreeMap<Identity, u8> = known.into_iter().zip(0..).collect();
    Some(format!(
        "{identity} {identity:?} {} {}",
        ordered.len(),
        identity.to_hex().as_str()
    ))
}

pub fn connections() -> Option<String> {
    let id = ConnectionId::from_u128(5);
    let _: u128 = id.to_u128();
    let _ = ConnectionId::from_le_byte_array(id.as_le_byte_array());
    let _ = ConnectionId::from_be_byte_array(id.as_be_byte_array());
    let _ = ConnectionId::from_be_slice(id.as_be_byte_array());
    let _ = ConnectionId::from_hex(&id.to_hex()).ok()?;
    let _: Option<ConnectionId> = ConnectionId::ZERO.none_if_zero();
    let _: (std::net::Ipv6Addr, String) = (id.to_ipv6(), id.to_ipv6_string());
    let set: HashSet<ConnectionId> = [id, 7u128.into()].into();
    let short = id.to_abbreviated_hex();
    Some(format!(
        "{id} {id:?} {short} {:?} {}",
        id.abbreviate(),
        set.len()
    ))
}

pub fn uuids(now: Timestamp) -> Option<String> {
    let counter = Cell::new(0);
    let v4 = Uuid::from_random_bytes_v4([7; 16]);
    let v7 = Uuid::from_counter_v7(&counter, now, &[1, 2, 3, 4]).ok()?;
    let parsed = Uuid::parse_str(&v4.to_string()).ok()?;
    let _ = Uuid::from_u128(parsed.as_u128());
    let version = match v7.get_version()? {
        Version::Nil | Version::Max => "special",
        Version::V4 => "random",
        Version::V7 => "ordered",
    };
    let _: [u8; 16] = v7.to_uuid().into_bytes();
    let ordered = Uuid::NIL < Uuid::MAX;
    Some(format!("{v4} {v7:?} {version} {ordered}"))
}

pub fn chrono(now: Timestamp) -> Option<i64> {
    let date = now.to_chrono_date_time().ok()?;
    Some(date.timestamp())
}

pub fn hashes() -> String {
    let hash: Hash = hash_bytes(b"text");
    let _ = Hash::from_u256(hash.to_u256());
    let _ = Hash::from_byte_array(hash.data);
    let _: &[u8; 16] = hash.abbreviate();
    let parsed = Hash::from_hex(hash.to_hex());
    let _ = spacetimedb_lib::hash::hash_bytes([1u8]) > Hash::ZERO;
    format!("{hash} {hash:?} {}", parsed.is_ok())
}

pub fn ids() -> u32 {
    let table = TableId(5);
    let other: TableId = 5u32.into();
    let number: u32 = other.into();
    let _ = format!("{table} {table:?} {}", table.idx());
    number
}

pub fn numbers() -> (i256, u256) {
    let small = i256::from(-5) + i256::new(3);
    let large = u256::from(5u8) * u256::MAX.min(u256::ONE);
    (small.wrapping_abs(), large.max(u256::from(7u64)))
}

/// Written and read, but not described.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Stored<T> {
    pub number: u32,
    pub value: T,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum Either<L, R> {
    Left(L),
    Right { value: R },
    Neither,
}

fn again<T: Serialize + DeserializeOwned>(value: &T) -> Option<T> {
    let bytes: Vec<u8> = bsatn::to_vec(value).ok()?;
    let mut buffer = Vec::new();
    bsatn::to_writer(&mut buffer, value).ok()?;
    spacetimedb::sats::bsatn::from_slice(&bytes).ok()
}

pub fn encodings() -> Option<bool> {
    let stored = Stored {
        number: 1,
        value: vec![Some(("text".to_owned(), 2u8)), None],
    };
    let either: Either<[u8; 4], Stored<bool>> = Either::Left([1, 2, 3, 4]);
    let tuple = (
        1u8,
        2u16,
        3u32,
        4u64,
        5i8,
        6i16,
        7i32,
        8i64,
        true,
        (),
        1.5f32,
        String::new(),
    );
    let bound = std::ops::Bound::Included(5u8);
    let text: std::borrow::Cow<'static, str> = "borrowed".into();
    let same = again(&stored)? == stored && again(&either)? == either && again(&tuple)? == tuple;
    Some(same && again(&bound)? == bound && again(&text.into_owned())?.len() == 8)
}

pub fn borrowed(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let text: &str = bsatn::from_slice(bytes).ok()?;
    let slice: &[u8] = bsatn::from_slice(bytes).ok()?;
    Some((text, slice))
}

pub fn any_values() -> Vec<AlgebraicValue> {
    vec![
        AlgebraicValue::Bool(true),
        AlgebraicValue::U8(1),
        AlgebraicValue::I64(-1),
        AlgebraicValue::String("text".into()),
        AlgebraicValue::unit(),
        AlgebraicValue::from(5u32),
        AlgebraicValue::from(true),
        "text".into(),
        String::from("text").into(),
        AlgebraicValue::OptionSome(7u8.into()),
        AlgebraicValue::OptionNone(),
        AlgebraicValue::Bytes(Box::new([1, 2])),
        AlgebraicValue::sum(1, AlgebraicValue::unit()),
        AlgebraicValue::product([1u8.into(), 2u16.into()]),
        AlgebraicValue::enum_simple(3),
        Identity::ONE.to_u256().into(),
    ]
}

fn column_of<T: FilterableValue<Column = String>>(_key: T) {}

fn described<T: SpacetimeType>() {}

#[reducer]
pub fn bounds_and_logs(ctx: &ReducerContext) {
    let watch = LogStopwatch::new("all");
    column_of("text");
    column_of(&String::new());
    described::<Option<Vec<Identity>>>();
    log::error!("error");
    log::warn!(target: "elsewhere", "warning {}", 1);
    log::info!("{:?} {:?} {}", times(ctx), identities(), durations());
    log::debug!("{:?} {:?}", connections(), uuids(ctx.timestamp));
    log::trace!("{} {} {:?}", hashes(), ids(), numbers());
    spacetimedb::log::info!("{:?} {:?}", chrono(ctx.timestamp), encodings());
    if log::log_enabled!(log::Level::Debug) {
        log::log!(log::Level::Debug, "{:?}", schedules(ctx.timestamp));
    }
    let _ = (any_values(), borrowed(&[0; 4]));
    watch.end();
    let _until_the_end = LogStopwatch::new("rest");
}

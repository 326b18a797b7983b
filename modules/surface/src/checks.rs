//! What can be seen of the library at run time, as text: an error's text, which says what was
//! found. Both libraries have to say the same.

use spacetimedb::sats::bsatn;
use spacetimedb::{
    reducer, AuthCtx, ConnectionId, Identity, ReducerContext, ScheduleAt, Serialize, Table,
    TimeDuration, Timestamp, Uuid,
};

use crate::contexts::made_contexts;
use crate::functions::{DIGITS, LONG, SHORT};
use crate::tables::{current, keyed};
use crate::types::{Borrowed, Level, Payloads, Scoped};
use crate::values;

fn hex<T: Serialize + ?Sized>(value: &T) -> String {
    let bytes = bsatn::to_vec(value).unwrap_or_default();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Texts of the special types.
#[reducer]
pub fn say_values(ctx: &ReducerContext) -> Result<(), String> {
    let said = [
        format!("{:?}", values::times(ctx)),
        values::durations(),
        format!("{:?}", values::identities()),
        format!("{:?}", values::connections()),
        format!("{:?}", values::uuids(ctx.timestamp)),
        values::hashes(),
        format!("{:?} {:?}", values::ids(), values::numbers()),
        format!(
            "{:?} {:?}",
            values::encodings(),
            values::chrono(ctx.timestamp)
        ),
        format!("{:?}", values::schedules(ctx.timestamp)),
        format!("{LONG:?} {SHORT:?} {DIGITS:?}"),
        format!("{:?}", values::borrowed(&[2, 0, 0, 0, b'o', b'k'])),
    ];
    Err(said.join("\n"))
}

/// Bytes of values of all kinds.
#[reducer]
pub fn say_bytes(ctx: &ReducerContext) -> Result<(), String> {
    let borrowed = Borrowed {
        text: "text",
        bytes: &[1, 2],
    };
    let mut said = vec![
        hex(&borrowed),
        hex(&Level::Middle),
        hex(&Payloads::Named {
            only: "x".to_owned(),
        }),
        hex(&Payloads::Deep(Some(Err(Level::High)))),
        hex(&Payloads::Boxed(Box::new(Payloads::Flag(true)))),
        hex(&Some(Ok::<Scoped, String>(Scoped { x: 1.0, y: 2.0 }))),
        hex(&(1u8, 2u16, "three", [4u32, 5])),
        hex(&ctx.timestamp),
        hex(&TimeDuration::from_micros(-1)),
        hex(&ScheduleAt::Interval(TimeDuration::ZERO)),
        hex(&ScheduleAt::Time(Timestamp::UNIX_EPOCH)),
        hex(&Identity::ONE),
        hex(&ConnectionId::from_u128(7)),
        hex(&Uuid::MAX),
        hex(&std::ops::Bound::Excluded(3u8)),
    ];
    said.extend(values::any_values().iter().map(hex));
    Err(said.join("\n"))
}

/// What texts and bytes are refused.
#[reducer]
pub fn say_refusals(_ctx: &ReducerContext) -> Result<(), String> {
    let texts = [
        "",
        "0x",
        "12",
        "zz",
        "2024-01-02",
        "2024-01-02T03:04:05+01:00",
    ];
    let of_texts = texts.map(|text| {
        [
            Identity::from_hex(text).is_ok(),
            ConnectionId::from_hex(text).is_ok(),
            Uuid::parse_str(text).is_ok(),
            Timestamp::parse_from_rfc3339(text).is_ok(),
        ]
    });
    let bytes: [&[u8]; 5] = [&[], &[1], &[2, 9], &[3, 0, 0, 0, 0xff, 0, 0], &[9; 40]];
    let of_bytes = bytes.map(|bytes| {
        [
            bsatn::from_slice::<bool>(bytes).is_ok(),
            bsatn::from_slice::<String>(bytes).is_ok(),
            bsatn::from_slice::<Vec<u64>>(bytes).is_ok(),
            bsatn::from_slice::<Payloads>(bytes).is_ok(),
            bsatn::from_slice::<Option<u8>>(bytes).is_ok(),
        ]
    });
    Err(format!("{of_texts:?}\n{of_bytes:?}"))
}

/// Who calls, by every way to ask.
#[reducer]
pub fn say_caller(ctx: &ReducerContext) -> Result<(), String> {
    let claims = |auth: &AuthCtx| {
        auth.jwt().map(|jwt| {
            let (subject, issuer) = (jwt.subject(), jwt.issuer());
            let identity = jwt.identity();
            format!(
                "{subject} {issuer} {:?} {identity} {}",
                jwt.audience(),
                jwt.raw_payload()
            )
        })
    };
    let auth = ctx.sender_auth();
    let (internal, made, view, _) = made_contexts();
    Err(format!(
        "{} {:?} {} {} {} {:?}\n{} {} {} {} {}",
        ctx.sender(),
        ctx.connection_id(),
        ctx.database_identity(),
        auth.is_internal(),
        auth.has_jwt(),
        claims(auth),
        internal.is_internal(),
        internal.has_jwt(),
        made.is_internal(),
        made.has_jwt(),
        view.sender(),
    ))
}

/// The first numbers that are drawn.
#[reducer]
pub fn say_random(ctx: &ReducerContext) -> Result<(), String> {
    use spacetimedb::rand::Rng;

    let numbers: (u8, u64, f64, bool, char) = ctx.random();
    let range: i32 = ctx.rng().gen_range(-100..100);
    let uuids = [ctx.new_uuid_v4(), ctx.new_uuid_v7(), ctx.new_uuid_v7()];
    let uuids = uuids.map(|uuid| uuid.unwrap_or(Uuid::NIL).to_string());
    Err(format!("{numbers:?} {range} {uuids:?}"))
}

/// What is said when a row is refused.
#[reducer]
pub fn say_try_insert(ctx: &ReducerContext) -> Result<(), String> {
    let row = crate::handles::stacked(1);
    ctx.db.current().try_insert(row)?;
    Ok(())
}

/// The same by a panic.
#[reducer]
pub fn panic_at_insert(ctx: &ReducerContext) {
    ctx.db.current().insert(crate::handles::stacked(1));
}

/// A row that is not there.
#[reducer]
pub fn panic_at_update(ctx: &ReducerContext) {
    ctx.db.current().id().update(crate::handles::stacked(1));
}

/// Counts.
#[reducer]
pub fn say_counts(ctx: &ReducerContext) -> Result<(), String> {
    let deleted = ctx.db.current().x().delete(1i32..);
    let found = ctx.db.keyed().level().find(Level::Low).is_some();
    Err(format!("{} {deleted} {found}", ctx.db.current().count()))
}

//! Every method of every context, and the traits that contexts share.

use spacetimedb::rand::distributions::{Alphanumeric, Distribution, Uniform};
use spacetimedb::rand::seq::SliceRandom;
use spacetimedb::rand::{Rng, RngCore};
use spacetimedb::{
    procedure, reducer, view, AnonymousViewContext, AuthCtx, ConnectionId, CtxDbRead, CtxDbWrite,
    CtxWithHttp, CtxWithRng, CtxWithSender, CtxWithSenderAuth, CtxWithTimestamp,
    CtxWithTxManagement, Identity, JwtClaims, Local, LocalReadOnly, ProcedureContext, QueryBuilder,
    ReducerContext, StdbRng, Table, Timestamp, TxContext, Uuid, ViewContext,
};

use crate::tables::{current, current__query, current__view, Stacked};

#[reducer]
pub fn reducer_context(ctx: &ReducerContext) -> anyhow::Result<()> {
    let db: &Local = &ctx.db;
    let timestamp: Timestamp = ctx.timestamp;
    let sender: Identity = ctx.sender();
    let connection: Option<ConnectionId> = ctx.connection_id();
    let database: Identity = ctx.database_identity();
    #[allow(deprecated)]
    let same: Identity = ctx.identity();
    anyhow::ensure!(database == same, "there is one identity");
    let v4: Uuid = ctx.new_uuid_v4()?;
    let v7: Uuid = ctx.new_uuid_v7()?;
    let view: ViewContext = ctx.as_read_only();
    let anonymous: AnonymousViewContext = ctx.as_anonymous_read_only();
    log::info!(
        "{} {timestamp} {sender} {connection:?} {v4} {v7} {} {}",
        db.current().count(),
        view.sender(),
        anonymous.db.current().count(),
    );
    claims(ctx.sender_auth());
    Ok(())
}

fn claims(auth: &AuthCtx) -> Option<(String, usize)> {
    if auth.is_internal() || !auth.has_jwt() {
        return None;
    }
    let jwt: &JwtClaims = auth.jwt()?;
    let audience: &[String] = jwt.audience();
    let identity: Identity = jwt.identity();
    let text = format!("{} {} {identity}", jwt.subject(), jwt.issuer());
    Some((text, audience.len() + jwt.raw_payload().len()))
}

/// Contexts of our own making.
pub fn made_contexts() -> (AuthCtx, AuthCtx, ViewContext, AnonymousViewContext) {
    (
        AuthCtx::internal(),
        AuthCtx::from_jwt_payload("{}".to_owned()),
        ViewContext::new(Identity::ZERO),
        AnonymousViewContext::default(),
    )
}

#[reducer]
pub fn randomness(ctx: &ReducerContext) {
    let rng: &StdbRng = ctx.rng();
    let _: u32 = ctx.random();
    let _ = ctx.random::<f64>();
    let _: [u8; 16] = ctx.random();
    let _: (bool, char) = ctx.random();
    let _: u8 = ctx.rng().gen_range(0..10);
    let _ = ctx.rng().gen_bool(0.5);
    let mut list = vec![1, 2, 3];
    list.shuffle(&mut ctx.rng());
    list.shuffle(&mut &*rng);
    let _ = list.choose(&mut ctx.rng());
    let _ = Uniform::new(0.0, 1.0).sample(&mut ctx.rng());
    let _: String = ctx
        .rng()
        .sample_iter(&Alphanumeric)
        .take(8)
        .map(char::from)
        .collect();
    let mut bytes = [0u8; 8];
    let mut by_value = ctx.rng();
    by_value.fill_bytes(&mut bytes);
    let _ = by_value.next_u32() ^ (by_value.next_u64() as u32);
    let _ = by_value.try_fill_bytes(&mut bytes);
}

#[view(accessor = view_context, public)]
pub fn view_context(ctx: &ViewContext) -> Option<Stacked> {
    let db: &LocalReadOnly = &ctx.db;
    let _: &QueryBuilder = &ctx.from;
    let _: u64 = db.current().count();
    let sender: Identity = ctx.sender();
    if sender == Identity::ZERO {
        return anonymous_view_context(&ctx.as_anonymous()).pop();
    }
    db.current().id().find(7)
}

#[view(accessor = anonymous_view_context, public)]
pub fn anonymous_view_context(ctx: &AnonymousViewContext) -> Vec<Stacked> {
    let _ = ctx.from.current().build().sql().len();
    ctx.db.current().x().filter(..=3i32).collect()
}

#[procedure]
pub fn procedure_context(ctx: &mut ProcedureContext, until: Timestamp) -> Result<u32, String> {
    let sender: Identity = ctx.sender();
    let connection: Option<ConnectionId> = ctx.connection_id();
    let database: Identity = ctx.database_identity();
    #[allow(deprecated)]
    let same: Identity = ctx.identity();
    let _: u64 = ctx.random();
    let _: u8 = ctx.rng().gen();
    let _ = (ctx.new_uuid_v4(), ctx.new_uuid_v7());
    ctx.sleep_until(until);
    ctx.sleep_until(ctx.timestamp + std::time::Duration::from_millis(1));
    let count = ctx.with_tx(|tx: &TxContext| tx.db.current().count());
    let outcome: Result<u32, String> = ctx.try_with_tx(|tx| {
        let by_reference: &ReducerContext = tx;
        let by_trait: &ReducerContext = tx.as_ref();
        reducer_context(by_reference).map_err(|error| error.to_string())?;
        tx.db.current().try_insert(row(by_trait.timestamp))?;
        Err(format!(
            "{count} {sender} {connection:?} {}",
            database == same
        ))
    });
    outcome
}

fn row(time: Timestamp) -> Stacked {
    let micros = time.to_micros_since_unix_epoch();
    Stacked {
        id: 0,
        x: micros as i32,
        y: 0,
        z: 0,
    }
}

fn reads(ctx: &impl CtxDbRead) -> u64 {
    ctx.db_read_only().current().count()
}

fn writes<C: CtxDbWrite>(ctx: &C) -> u64 {
    ctx.db().current().insert(row(Timestamp::UNIX_EPOCH));
    reads(ctx)
}

fn asks(ctx: &(impl CtxWithSender + CtxWithTimestamp)) -> String {
    format!("{} {}", ctx.sender(), ctx.timestamp())
}

fn draws(ctx: &impl CtxWithRng) -> u64 {
    ctx.random::<u64>() ^ ctx.rng().gen::<u64>()
}

fn authenticates(ctx: &impl CtxWithSenderAuth) -> bool {
    ctx.sender_auth().is_internal()
}

fn requests(ctx: &impl CtxWithHttp) -> bool {
    ctx.http().get("http://localhost/").is_ok()
}

fn transacts<C: CtxWithTxManagement>(ctx: &mut C) -> Result<u64, String> {
    let _ = ctx.with_tx(writes);
    ctx.try_with_tx(|tx| Ok(reads(tx) + u64::from(authenticates(tx))))
}

#[allow(deprecated)]
fn once(ctx: &impl spacetimedb::DbContext<DbView = Local>) -> u64 {
    ctx.db().current().count() + ctx.db_read_only().current().count()
}

#[reducer]
pub fn by_traits(ctx: &ReducerContext) {
    let _ = (reads(ctx), writes(ctx), asks(ctx), draws(ctx));
    let _ = (authenticates(ctx), once(ctx));
    let _ = reads(&ctx.as_read_only()) + reads(&ctx.as_anonymous_read_only());
    let _ = CtxWithSender::sender(&ctx.as_read_only());
}

#[procedure]
pub fn procedure_by_traits(ctx: &mut ProcedureContext) -> Option<u64> {
    let _ = (asks(ctx), draws(ctx), requests(ctx));
    transacts(ctx).ok()
}

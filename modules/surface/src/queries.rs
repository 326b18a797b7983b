//! Queries: all conditions, all kinds of values, all joins.

use spacetimedb::sats::{i256, u256};
use spacetimedb::{table, view, ConnectionId, Identity, Query, RawQuery, Timestamp, ViewContext};

/// A column for every kind of value.
#[table(accessor = subject, public, index(accessor = by_pair, btree(columns = [a, b])))]
#[derive(Clone, Debug)]
pub struct Subject {
    #[primary_key]
    pub id: u64,
    #[index(btree)]
    pub a: i32,
    #[index(hash)]
    pub b: u8,
    pub a8: i8,
    pub a16: i16,
    pub b16: u16,
    pub b32: u32,
    pub a64: i64,
    pub a128: i128,
    pub b128: u128,
    pub a256: i256,
    pub b256: u256,
    pub c32: f32,
    pub c64: f64,
    pub flag: bool,
    pub other_flag: bool,
    pub name: String,
    pub owner: Identity,
    pub connection: ConnectionId,
    pub time: Timestamp,
    pub bytes: Vec<u8>,
    pub more: u8,
}

#[table(accessor = partner, public)]
#[derive(Clone, Debug)]
pub struct Partner {
    #[unique]
    pub subject: u64,
    #[index(btree)]
    pub a: i32,
    pub text: String,
}

/// All conditions in one query.
#[view(accessor = conditions, public)]
pub fn conditions(ctx: &ViewContext) -> impl Query<Subject> {
    let sender = ctx.sender();
    ctx.from
        .subject()
        .filter(|row| row.id.eq(5u64).or(row.id.ne(6)).and(row.a.lt(-7)))
        .r#where(|row| row.a.lte(7).and(row.b.gt(8)).or(row.b.gte(9)))
        .filter(|row| row.flag)
        .filter(|row| row.flag.eq(row.other_flag))
        .filter(|row| row.flag.eq(true).or(row.other_flag.eq(false)))
        .filter(|row| row.flag.ne(true).not())
        .filter(|row| row.a.eq(1).not())
        .filter(|_| true)
        .filter(|row| row.b.eq(row.more))
        .filter(move |row| row.owner.eq(sender))
        .filter(|row| values(row))
        .build()
}

fn values(row: &SubjectCols) -> spacetimedb::query_builder::BoolExpr<Subject> {
    row.a8
        .eq(-1)
        .and(row.a16.eq(2))
        .and(row.b16.eq(3))
        .and(row.b32.eq(4))
        .and(row.a64.eq(-5))
        .and(row.a128.eq(6))
        .and(row.b128.eq(7))
        .and(row.a256.eq(i256::from(8)))
        .and(row.b256.eq(u256::from(9u8)))
        .and(row.c32.lt(1.5))
        .and(row.c64.gt(-2.25))
        .and(row.name.ne("it's".to_owned()))
        .and(row.owner.eq(Identity::ZERO))
        .and(row.connection.eq(ConnectionId::ZERO))
        .and(row.time.gte(Timestamp::UNIX_EPOCH))
        .and(row.bytes.eq(vec![1u8, 0xff]))
}

#[view(accessor = left_where, public)]
pub fn left_where(ctx: &ViewContext) -> impl Query<Subject> {
    ctx.from
        .subject()
        .filter(|subject| subject.b.gt(1))
        .left_semijoin(ctx.from.partner(), |subject, partner| {
            subject.a.eq(partner.a)
        })
        .filter(|subject| subject.b.lt(200))
        .r#where(|subject| subject.flag)
        .build()
}

#[view(accessor = right_where, public)]
pub fn right_where(ctx: &ViewContext) -> RawQuery<Partner> {
    ctx.from
        .subject()
        .r#where(|subject| subject.b.gt(1))
        .right_semijoin(ctx.from.partner(), |subject, partner| {
            subject.a.eq(partner.a)
        })
        .filter(|partner| partner.text.eq("x".to_string()))
        .r#where(|partner| partner.a.gt(0))
        .into_sql_query()
}

/// A trait of our own over queries.
trait IntoSqlQuery<T> {
    fn into_sql_query(self) -> RawQuery<T>;
}

impl<T, Q: Query<T>> IntoSqlQuery<T> for Q {
    fn into_sql_query(self) -> RawQuery<T> {
        RawQuery::new(self.into_sql())
    }
}

//! Every method of tables and indexes, every form of search.

use std::borrow::Cow;
use std::ops::Bound;

use spacetimedb::{
    reducer, table, AutoIncOverflow, Identity, PointIndex, RangedIndex, ReducerContext, Table,
    TryInsertError, UniqueColumn, UniqueConstraintViolation,
};

use crate::tables::{
    arguments, counted, current, current__TableHandle, current__view, dense, former, keyed, third,
    Arguments, Keyed, Stacked,
};
use crate::types::Level;

/// An index over as many columns as one can be searched by.
#[table(
    accessor = six,
    index(accessor = by_six, btree(columns = [a, b, c, d, e, f])),
    index(accessor = six_hash, hash(columns = [f, e, d, c, b, a])),
    index(accessor = by_name, btree(columns = [b, c]))
)]
#[derive(Clone, Debug)]
pub struct Six {
    pub a: u8,
    pub b: String,
    pub c: i64,
    pub d: bool,
    pub e: Level,
    pub f: Identity,
}

pub fn stacked(id: u32) -> Stacked {
    Stacked {
        id,
        x: 1,
        y: 2,
        z: 3,
    }
}

#[reducer]
pub fn table_methods(ctx: &ReducerContext) -> Result<(), String> {
    let table: &current__TableHandle = ctx.db.current();
    let row: Stacked = table.insert(stacked(0));
    let _: Stacked = table.try_insert(row.clone())?;
    let _: u64 = table.count();
    let _: bool = table.delete(row);
    for row in table.iter() {
        ctx.db.former().insert(row);
    }
    let _: u64 = ctx.db.third().clear();
    let _: Vec<Stacked> = table.iter().filter(|row| row.x > 0).collect();
    let _ = total(ctx.db.current()) + total(ctx.db.former());
    let _ = ctx.db.arguments().count() + ctx.db.counted().count();
    Ok(())
}

/// For any table at all.
fn total<T: Table>(table: &T) -> u64
where
    T::Row: Clone,
{
    let rows: Vec<T::Row> = table.iter().collect();
    table.count() + rows.len() as u64
}

#[reducer]
pub fn errors(ctx: &ReducerContext) -> anyhow::Result<()> {
    match ctx.db.current().try_insert(stacked(1)) {
        Ok(row) => log::debug!("{row:?}"),
        Err(TryInsertError::UniqueConstraintViolation(error)) => {
            let error: UniqueConstraintViolation = error;
            log::error!("{error} {error:?}");
        }
        Err(TryInsertError::AutoIncOverflow(AutoIncOverflow { .. })) => log::trace!("no more"),
    }
    let boxed: Result<_, Box<dyn std::error::Error>> =
        ctx.db.current().try_insert(stacked(1)).map_err(Into::into);
    let _ = boxed.map_err(|error| error.to_string());
    let result = ctx.db.current().try_insert(stacked(2));
    let text: Result<_, String> = result.map_err(String::from);
    let _ = text.is_ok();
    ctx.db
        .current()
        .try_insert(stacked(3))
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(())
}

#[reducer]
pub fn unique_columns(ctx: &ReducerContext) {
    let ids: UniqueColumn<_, u32, _> = ctx.db.current().id();
    let _: Option<Stacked> = ids.find(1);
    let _ = ids.find(&1);
    let _: bool = ids.delete(1);
    let _ = ids.delete(&1);
    let _: Stacked = ids.update(stacked(1));
    let _: Stacked = ids.insert_or_update(stacked(1));
    let _: Result<Stacked, TryInsertError<current__TableHandle>> =
        ids.try_insert_or_update(stacked(1));
    let keyed = ctx.db.keyed();
    let _ = keyed.name().find("a".to_owned());
    let _ = keyed.name().find(&"a".to_owned());
    let _ = keyed.name().delete(String::from("a"));
    let _ = keyed.name().find(Cow::<String>::Owned("a".to_owned()));
    let _ = keyed.identity().find(ctx.sender());
    let _ = keyed.identity().find(&ctx.sender());
    let _ = keyed.level().find(Level::Low);
    let _ = keyed.flag().find(true);
    let _ = keyed.uuid().find(spacetimedb::Uuid::NIL);
    let _ = keyed.time().find(ctx.timestamp);
    let _ = keyed.b256().find(spacetimedb::sats::u256::ONE);
    let _ = keyed.hash().find(spacetimedb::spacetimedb_lib::Hash::ZERO);
    let _: Option<Keyed> = keyed.connection().find(spacetimedb::ConnectionId::ZERO);
    let arguments = ctx.db.arguments();
    let _ = arguments.number().find(1);
    let _ = arguments.code().find(1u128);
    let _: Option<Arguments> = arguments.code().find(&1);
    let dense = ctx.db.dense();
    let _ = (
        dense.byte().find(1),
        dense.slot().find(1),
        dense.word().find(1),
    );
    let _ = (dense.long().find(1), dense.level().find(Level::High));
}

#[reducer]
pub fn ranges(ctx: &ReducerContext) {
    let index: RangedIndex<_, (i32,), _> = ctx.db.current().x();
    let _ = index.filter(1i32).count();
    let _ = index.filter(&1i32).count();
    let _ = index.filter(1i32..3).count();
    let _ = index.filter(1i32..=3).count();
    let _ = index.filter(..3i32).count();
    let _ = index.filter(..=3i32).count();
    let _ = index.filter(1i32..).count();
    let _ = index.filter((1i32,)).count();
    let _ = index.filter((1i32..5,)).count();
    let _ = index.filter(&1i32..&5).count();
    let _ = index
        .filter((Bound::Excluded(1i32), Bound::Included(2)))
        .count();
    let _ = index
        .filter((Bound::Unbounded, Bound::Included(&2i32)))
        .count();
    let _: u64 = index.delete(1i32);
    let _: u64 = index.delete(1i32..);
    let places = ctx.db.third().at_x();
    let _ = places.filter(1i32).count();
    let _ = places.filter(1i32..).count();
    let _ = places.filter((1i32, 2i32)).count();
    let _ = places.filter((&1i32, 2i32..)).count();
    let _ = places.delete((1i32, 2i32..=3));
}

#[reducer]
pub fn wide_ranges(ctx: &ReducerContext) {
    let six = ctx.db.six().by_six();
    let name = "b".to_owned();
    let sender = ctx.sender();
    let _ = six.filter(1u8).count();
    let _ = six.filter((1u8, "b")).count();
    let _ = six.filter((1u8, &name)).count();
    let _ = six.filter((1u8, "a".."c")).count();
    let _ = six.filter((1u8, "b", -1i64)).count();
    let _ = six.filter((1u8, &name, ..5i64)).count();
    let _ = six.filter((1u8, "b", -1i64, true)).count();
    let _ = six.filter((1u8, "b", -1i64, false..=true)).count();
    let _ = six.filter((1u8, "b", -1i64, true, Level::Low)).count();
    let _ = six
        .filter((1u8, "b", -1i64, true, Level::Low..=Level::High))
        .count();
    let _ = six
        .filter((1u8, "b", -1i64, true, Level::Low, sender))
        .count();
    let _ = six
        .filter((1u8, "b", -1i64, true, &Level::Low, &sender..))
        .count();
    let _ = six.delete((1u8, "b", -1i64, true, Level::Low, sender));
    let _ = ctx.db.six().by_name().filter(&name).count();
    let _ = ctx.db.six().by_name().filter("b").count();
    let _ = ctx.db.six().by_name().filter("a"..).count();
    let _ = ctx.db.six().by_name().filter(&name..&name).count();
}

#[reducer]
pub fn points(ctx: &ReducerContext) {
    let six = ctx.db.six().six_hash();
    let sender = ctx.sender();
    let _ = six
        .filter((sender, Level::Low, true, 5i64, "b", 1u8))
        .count();
    let _ = six
        .filter((&sender, &Level::Low, &true, &5i64, &String::new(), &1u8))
        .count();
    let _: u64 = six.delete((sender, Level::Low, true, 5i64, "b", 1u8));
    let levels: PointIndex<_, (Level,), _> = ctx.db.arguments().level_hash();
    let _ = levels.filter(Level::Low).count();
    let _ = levels.filter(&Level::Low).count();
    let _ = levels.filter((Level::Low,)).count();
    let _: u64 = levels.delete(Level::Low);
}

#[reducer]
pub fn read_only(ctx: &ReducerContext) {
    use crate::handles::six__view;
    use crate::tables::{arguments__view, keyed__view, third__view};

    let ctx = ctx.as_read_only();
    let _: Option<Stacked> = ctx.db.current().id().find(1);
    let _ = ctx.db.current().id().find(&1);
    let _ = ctx.db.current().x().filter(1i32..).count();
    let _ = ctx.db.third().at_x().filter((1i32, 2i32..)).count();
    let _ = ctx.db.keyed().name().find("a".to_owned());
    let _ = ctx.db.arguments().level_hash().filter(Level::Low).count();
    let _ = ctx.db.six().by_six().filter((1u8, "b")).count();
    let _: u64 = ctx.db.six().count();
}

//! Indexes over several columns, of every kind, read and written through.

use spacetimedb::{reducer, table, ReducerContext, SpacetimeType, Table};

/// The key of the direct index over a plain enum.
#[derive(SpacetimeType, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    First,
    Second,
    Third,
}

/// Ordered and hash indexes, over one column and over several.
#[table(
    accessor = item,
    public,
    index(accessor = by_place, btree(columns = [shelf, row, name])),
    index(accessor = by_owner_shelf, hash(columns = [owner, shelf])),
)]
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    #[index(btree)]
    pub shelf: u32,
    pub row: i16,
    pub name: String,
    #[index(hash)]
    pub owner: u64,
    #[unique]
    pub label: String,
}

/// Direct indexes: the key is the position. One table each, since a row can have one place only.
#[table(accessor = direct_u8, public)]
pub struct DirectU8 {
    #[unique]
    #[index(direct)]
    pub key: u8,
    pub value: i32,
}

#[table(accessor = direct_u16, public)]
pub struct DirectU16 {
    #[unique]
    #[index(direct)]
    pub key: u16,
    pub value: i32,
}

#[table(accessor = direct_u32, public)]
pub struct DirectU32 {
    #[primary_key]
    #[index(direct)]
    pub key: u32,
    pub value: i32,
}

#[table(accessor = direct_u64, public)]
pub struct DirectU64 {
    #[primary_key]
    #[index(direct)]
    pub key: u64,
    pub value: i32,
}

#[table(accessor = direct_enum, public)]
pub struct DirectEnum {
    #[unique]
    #[index(direct)]
    pub key: Slot,
    pub value: i32,
}

#[reducer]
pub fn insert_item(
    ctx: &ReducerContext,
    shelf: u32,
    row: i16,
    name: String,
    owner: u64,
    label: String,
) -> Result<(), String> {
    ctx.db.item().try_insert(Item {
        id: 0,
        shelf,
        row,
        name,
        owner,
        label,
    })?;
    Ok(())
}

#[reducer]
pub fn update_item(ctx: &ReducerContext, row: Item) {
    ctx.db.item().id().update(row);
}

#[reducer]
pub fn delete_item_by_id(ctx: &ReducerContext, id: u64) {
    ctx.db.item().id().delete(id);
}

#[reducer]
pub fn delete_item_by_label(ctx: &ReducerContext, label: String) {
    ctx.db.item().label().delete(label);
}

#[reducer]
pub fn delete_items_by_shelf_range(ctx: &ReducerContext, from: u32, to: u32) {
    ctx.db.item().shelf().delete(from..to);
}

#[reducer]
pub fn delete_items_by_owner(ctx: &ReducerContext, owner: u64) {
    ctx.db.item().owner().delete(owner);
}

/// Replaces all items by a known set, and reads it through every index in every way.
#[reducer]
pub fn check_item_indexes(ctx: &ReducerContext) -> Result<(), String> {
    let items = ctx.db.item();
    items.clear();
    for n in 0..60u32 {
        items.insert(Item {
            id: 0,
            shelf: n / 10,
            row: (n % 10) as i16 - 5,
            name: format!("name {}", n % 3),
            owner: u64::from(n % 7),
            label: format!("label {n}"),
        });
    }
    expect("one shelf", items.shelf().filter(2u32).count(), 10)?;
    expect("no shelf", items.shelf().filter(99u32).count(), 0)?;
    expect("from a shelf", items.shelf().filter(4u32..).count(), 20)?;
    expect("up to a shelf", items.shelf().filter(..4u32).count(), 40)?;
    expect(
        "up to and with a shelf",
        items.shelf().filter(..=4u32).count(),
        50,
    )?;
    expect("some shelves", items.shelf().filter(1u32..3).count(), 20)?;
    expect(
        "shelves inclusive",
        items.shelf().filter(1u32..=3).count(),
        30,
    )?;

    expect("prefix of one", items.by_place().filter(3u32).count(), 10)?;
    expect(
        "prefix of two",
        items.by_place().filter((3u32, -5i16)).count(),
        1,
    )?;
    expect(
        "range after a prefix",
        items.by_place().filter((3u32, -5i16..0)).count(),
        5,
    )?;
    expect(
        "open range after a prefix",
        items.by_place().filter((3u32, 0i16..)).count(),
        5,
    )?;
    expect(
        "all three",
        items.by_place().filter((0u32, -5i16, "name 0")).count(),
        1,
    )?;
    expect(
        "text range",
        items
            .by_place()
            .filter((0u32, -5i16, "name".."name 1"))
            .count(),
        1,
    )?;

    expect("hash of one", items.owner().filter(0u64).count(), 9)?;
    let of_owner_and_shelf = items.by_owner_shelf().filter((0u64, 0u32)).count();
    expect("hash of two", of_owner_and_shelf, 2)?;

    let last = items
        .label()
        .find("label 59".to_owned())
        .ok_or("label 59 is not found")?;
    expect("unique text", last.shelf as usize, 5)?;
    if items.label().find("label 60".to_owned()).is_some() {
        return Err("found a label that was never inserted".to_owned());
    }
    check_item_changes(ctx, last)
}

fn check_item_changes(ctx: &ReducerContext, item: Item) -> Result<(), String> {
    let items = ctx.db.item();
    let moved = Item {
        shelf: 77,
        label: "moved".to_owned(),
        ..item.clone()
    };
    items.id().update(moved.clone());
    expect("gone from its shelf", items.shelf().filter(5u32).count(), 9)?;
    if items.shelf().filter(77u32).next() != Some(moved) {
        return Err("the moved item is not on its shelf".to_owned());
    }
    expect(
        "deleted by range",
        items.shelf().delete(0u32..2) as usize,
        20,
    )?;
    expect("deleted by owner", items.owner().delete(3u64) as usize, 6)?;
    expect("left", items.count() as usize, 34)?;
    expect("left by iteration", items.iter().count(), 34)?;
    expect("cleared", items.clear() as usize, 34)?;
    expect("empty", items.iter().count(), 0)
}

/// Writes, reads and deletes through the direct indexes. (They have no ranges: the column is
/// unique, and the library offers only points on a unique column.)
#[reducer]
pub fn check_direct_indexes(ctx: &ReducerContext) -> Result<(), String> {
    let table = ctx.db.direct_u32();
    table.clear();
    for key in (0..2000u32).rev() {
        table.insert(DirectU32 {
            key,
            value: key as i32,
        });
    }
    table.key().update(DirectU32 { key: 5, value: -5 });
    expect_value(
        "updated u32",
        table.key().find(5).map(|row| row.value),
        Some(-5),
    )?;
    expect_value(
        "last u32",
        table.key().find(1999).map(|row| row.value),
        Some(1999),
    )?;
    expect_value("no u32", table.key().find(2000).map(|row| row.value), None)?;
    if !table.key().delete(5) || table.key().find(5).is_some() {
        return Err("the direct index kept a deleted row".to_owned());
    }
    if table.try_insert(DirectU32 { key: 6, value: 0 }).is_ok() {
        return Err("the direct index accepted a duplicate".to_owned());
    }

    let table = ctx.db.direct_u8();
    table.clear();
    table.insert(DirectU8 {
        key: u8::MAX,
        value: 1,
    });
    expect_value(
        "u8",
        table.key().find(u8::MAX).map(|row| row.value),
        Some(1),
    )?;

    let table = ctx.db.direct_u16();
    table.clear();
    table.insert(DirectU16 {
        key: u16::MAX,
        value: 1,
    });
    expect_value(
        "u16",
        table.key().find(u16::MAX).map(|row| row.value),
        Some(1),
    )?;

    // Keys far apart must not cost memory in proportion to the distance.
    let table = ctx.db.direct_u64();
    table.clear();
    table.insert(DirectU64 { key: 0, value: 1 });
    table.insert(DirectU64 {
        key: u64::MAX,
        value: 2,
    });
    expect_value(
        "u64",
        table.key().find(u64::MAX).map(|row| row.value),
        Some(2),
    )?;

    let table = ctx.db.direct_enum();
    table.clear();
    table.insert(DirectEnum {
        key: Slot::Third,
        value: 3,
    });
    table.insert(DirectEnum {
        key: Slot::First,
        value: 1,
    });
    expect_value(
        "no slot",
        table.key().find(Slot::Second).map(|row| row.value),
        None,
    )?;
    expect_value(
        "slot",
        table.key().find(Slot::Third).map(|row| row.value),
        Some(3),
    )
}

fn expect_value(what: &str, found: Option<i32>, expected: Option<i32>) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: found {found:?}, expected {expected:?}"))
    }
}

pub(crate) fn expect(what: &str, found: usize, expected: usize) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: found {found}, expected {expected}"))
    }
}

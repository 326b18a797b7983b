//! Views and procedures: what a module can offer besides tables and reducers.

mod names;
mod shapes;

use spacetimedb::{
    procedure, reducer, table, view, AnonymousViewContext, Identity, ProcedureContext, Query,
    ReducerContext, SpacetimeType, Table, ViewContext,
};

/// A player of some game.
#[table(accessor = player, public)]
#[derive(Clone, Debug, PartialEq)]
pub struct Player {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    #[unique]
    pub owner: Identity,
    #[index(btree)]
    pub level: u32,
    pub name: String,
}

/// Seen by nobody but through the views.
#[table(accessor = score)]
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    #[primary_key]
    pub player: u64,
    #[index(btree)]
    pub points: i64,
}

/// A row that no table has: joined by the view.
#[derive(SpacetimeType, Clone, Debug, PartialEq)]
pub struct Ranked {
    pub name: String,
    pub points: i64,
}

/// Makes a player for the caller, or changes theirs.
#[reducer]
pub fn join(ctx: &ReducerContext, name: String, level: u32) {
    let players = ctx.db.player();
    let owner = ctx.sender();
    match players.owner().find(owner) {
        Some(player) => drop(players.id().update(Player {
            name,
            level,
            ..player
        })),
        None => {
            let player = players.insert(Player {
                id: 0,
                owner,
                level,
                name,
            });
            ctx.db.score().insert(Score {
                player: player.id,
                points: 0,
            });
        }
    }
}

/// Gives points to the caller.
#[reducer]
pub fn win(ctx: &ReducerContext, points: i64) -> Result<(), String> {
    let player = ctx
        .db
        .player()
        .owner()
        .find(ctx.sender())
        .ok_or("join first")?;
    let score = ctx
        .db
        .score()
        .player()
        .find(player.id)
        .ok_or("there is no score")?;
    let points = score.points.checked_add(points).ok_or("too many points")?;
    ctx.db.score().player().update(Score { points, ..score });
    Ok(())
}

/// Removes the caller's player.
#[reducer]
pub fn leave(ctx: &ReducerContext) -> Result<(), String> {
    let player = ctx
        .db
        .player()
        .owner()
        .find(ctx.sender())
        .ok_or("join first")?;
    ctx.db.score().player().delete(player.id);
    ctx.db.player().id().delete(player.id);
    Ok(())
}

/// The caller's own player: differs from caller to caller.
#[view(accessor = my_player, public)]
pub fn my_player(ctx: &ViewContext) -> Option<Player> {
    ctx.db.player().owner().find(ctx.sender())
}

/// Everybody with points: the same for every caller, and made of two tables.
#[view(accessor = ranking, public)]
pub fn ranking(ctx: &AnonymousViewContext) -> Vec<Ranked> {
    let mut ranked: Vec<Ranked> = ctx
        .db
        .score()
        .points()
        .filter(1i64..)
        .filter_map(|score| {
            let player = ctx.db.player().id().find(score.player)?;
            Some(Ranked {
                name: player.name,
                points: score.points,
            })
        })
        .collect();
    ranked.sort_by_key(|row| std::cmp::Reverse(row.points));
    ranked
}

/// A view that is a query: the database runs it, not the module.
#[view(accessor = veteran, public)]
pub fn veteran(ctx: &AnonymousViewContext) -> impl Query<Player> {
    let players = ctx.from.player();
    players.filter(|player| player.level.gte(10u32))
}

/// A view that fails.
#[view(accessor = broken, public)]
pub fn broken(_ctx: &AnonymousViewContext) -> Vec<Player> {
    panic!("this view is broken")
}

/// Computes without touching the database.
#[procedure]
pub fn add(_ctx: &mut ProcedureContext, a: u32, b: u32) -> u64 {
    u64::from(a) + u64::from(b)
}

/// Opens a transaction, which commits, and returns what it saw.
#[procedure]
pub fn promote_all(ctx: &mut ProcedureContext) -> u64 {
    ctx.with_tx(|tx| {
        let players = tx.db.player();
        let all: Vec<Player> = players.iter().collect();
        let count = all.len() as u64;
        for player in all {
            players.id().update(Player {
                level: player.level + 1,
                ..player
            });
        }
        count
    })
}

/// Opens a transaction, which is undone.
#[procedure]
pub fn promote_nobody(ctx: &mut ProcedureContext) -> Option<String> {
    let outcome: Result<(), String> = ctx.try_with_tx(|tx| {
        tx.db.player().clear();
        Err("undo this".to_owned())
    });
    outcome.err()
}

/// Waits, without holding anything up.
#[procedure]
pub fn nap(ctx: &mut ProcedureContext, ms: u64) {
    let until = ctx.timestamp + std::time::Duration::from_millis(ms);
    ctx.sleep_until(until);
}

/// Fails.
#[procedure]
pub fn stumble(_ctx: &mut ProcedureContext, text: String) {
    panic!("{text}");
}

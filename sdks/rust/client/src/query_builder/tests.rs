//! The text of typed queries.

use super::*;
use crate::{Identity, Timestamp};

#[derive(Clone)]
struct Player;

struct PlayerCols {
    id: Col<Player, u32>,
    level: Col<Player, u32>,
    name: Col<Player, String>,
    online: Col<Player, bool>,
    owner: Col<Player, Identity>,
    seen: Col<Player, Timestamp>,
}

struct PlayerIxCols {
    id: IxCol<Player, u32>,
}

impl HasCols for Player {
    type Cols = PlayerCols;
    fn cols(table: &'static str) -> PlayerCols {
        PlayerCols {
            id: Col::new(table, "id"),
            level: Col::new(table, "level"),
            name: Col::new(table, "name"),
            online: Col::new(table, "online"),
            owner: Col::new(table, "owner"),
            seen: Col::new(table, "seen"),
        }
    }
}

impl HasIxCols for Player {
    type IxCols = PlayerIxCols;
    fn ix_cols(table: &'static str) -> PlayerIxCols {
        PlayerIxCols {
            id: IxCol::new(table, "id"),
        }
    }
}

impl CanBeLookupTable for Player {}

fn players() -> Table<Player> {
    Table::new("player")
}

fn check<E: IntoBoolExpr<Player>>(condition: impl FnOnce(&PlayerCols) -> E, expected: &str) {
    let sql = players().filter(condition).into_sql();
    assert_eq!(sql, format!("SELECT * FROM \"player\" WHERE {expected}"));
}

#[test]
fn comparisons() {
    assert_eq!(players().into_sql(), "SELECT * FROM \"player\"");
    check(|p| p.level.gt(10), "(\"player\".\"level\" > 10)");
    check(
        |p| p.level.ne(p.id),
        "(\"player\".\"level\" <> \"player\".\"id\")",
    );
    check(|p| p.name.eq("O'Hara"), "(\"player\".\"name\" = 'O''Hara')");
    check(|p| p.online, "(\"player\".\"online\" = TRUE)");
    check(|_| true, "(TRUE = TRUE)");
    let zeros = "0".repeat(64);
    check(
        |p| p.owner.eq(Identity::ZERO),
        &format!("(\"player\".\"owner\" = 0x{zeros})"),
    );
    let sql = players()
        .filter(|p| p.seen.lt(Timestamp::UNIX_EPOCH))
        .into_sql();
    assert!(sql.contains("< '1970-01-01T00:00:00"), "{sql}");
}

#[test]
fn conditions() {
    check(
        |p| p.id.eq(1).and(p.online.not()),
        "((\"player\".\"id\" = 1) AND (NOT (\"player\".\"online\" = TRUE)))",
    );
    let twice = players()
        .r#where(|p| p.id.gte(1))
        .filter(|p| p.id.lte(2).or(p.level.lt(3)));
    assert_eq!(
        twice.into_sql(),
        "SELECT * FROM \"player\" WHERE ((\"player\".\"id\" >= 1) AND \
         ((\"player\".\"id\" <= 2) OR (\"player\".\"level\" < 3)))"
    );
}

#[test]
fn joins() {
    let left = Table::<Player>::new("a").filter(|p| p.id.gt(1));
    let right = Table::<Player>::new("b").filter(|p| p.id.gt(2));
    let conditions = "WHERE (\"a\".\"id\" > 1) AND (\"b\".\"id\" > 2)";
    let from = "FROM \"a\" JOIN \"b\" ON \"a\".\"id\" = \"b\".\"id\"";
    let semijoin = left
        .clone()
        .left_semijoin(right.clone(), |l, r| l.id.eq(r.id));
    assert_eq!(
        semijoin.into_sql(),
        format!("SELECT \"a\".* {from} {conditions}")
    );
    let semijoin = left.right_semijoin(right, |l, r| l.id.eq(r.id));
    assert_eq!(
        semijoin.into_sql(),
        format!("SELECT \"b\".* {from} {conditions}")
    );
    let plain = Table::<Player>::new("a").left_semijoin(players(), |l, r| l.id.eq(r.id));
    assert_eq!(
        plain.into_sql(),
        "SELECT \"a\".* FROM \"a\" JOIN \"player\" ON \"a\".\"id\" = \"player\".\"id\""
    );
}

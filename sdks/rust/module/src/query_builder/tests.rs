//! The text of every form of query.

use super::*;
use crate::types::{Identity, Timestamp, Uuid};

#[derive(Debug)]
struct User;

struct UserCols {
    id: Col<User, u64>,
    name: Col<User, String>,
    nick: Col<User, String>,
    online: Col<User, bool>,
    score: Col<User, f64>,
    who: Col<User, Identity>,
    since: Col<User, Timestamp>,
    token: Col<User, Uuid>,
    key: Col<User, Vec<u8>>,
}

struct UserIxCols {
    id: IxCol<User, u64>,
}

impl HasCols for User {
    type Cols = UserCols;

    fn cols(table: &'static str) -> UserCols {
        UserCols {
            id: Col::new(table, "id"),
            name: Col::new(table, "name"),
            nick: Col::new(table, "nick"),
            online: Col::new(table, "online"),
            score: Col::new(table, "score"),
            who: Col::new(table, "who"),
            since: Col::new(table, "since"),
            token: Col::new(table, "token"),
            key: Col::new(table, "key"),
        }
    }
}

impl HasIxCols for User {
    type IxCols = UserIxCols;

    fn ix_cols(table: &'static str) -> UserIxCols {
        UserIxCols {
            id: IxCol::new(table, "id"),
        }
    }
}

impl CanBeLookupTable for User {}

fn users() -> Table<User> {
    Table::new("users")
}

fn check(query: impl Query<User>, sql: &str) {
    assert_eq!(query.into_sql(), sql);
}

/// The query for the rows with this condition.
fn check_where<P: CanBeBool<User>>(condition: impl Fn(&UserCols) -> P, sql: &str) {
    let expected = format!("SELECT * FROM \"users\" WHERE {sql}");
    check(users().filter(condition), &expected);
}

#[test]
fn tables_and_conditions() {
    check(users(), "SELECT * FROM \"users\"");
    check_where(|u| u.id.eq(10), "(\"users\".\"id\" = 10)");
    check(
        users().filter(|u| u.id.eq(10)).r#where(|u| u.score.gt(1.5)),
        "SELECT * FROM \"users\" WHERE \
         ((\"users\".\"id\" = 10) AND (\"users\".\"score\" > 1.5))",
    );
    check_where(
        |u| u.name.ne("Shub".to_owned()),
        "(\"users\".\"name\" <> 'Shub')",
    );
    check_where(
        |u| u.name.eq("Alice").not(),
        "(NOT (\"users\".\"name\" = 'Alice'))",
    );
    check_where(|u| u.online, "(\"users\".\"online\" = TRUE)");
    check_where(|_| true, "(TRUE = TRUE)");
    check_where(|_| false, "(FALSE = TRUE)");
    check_where(
        |u| u.name.eq(u.nick),
        "(\"users\".\"name\" = \"users\".\"nick\")",
    );
    check_where(
        |u| u.id.lt(1).or(u.id.gte(5).and(u.online)),
        "((\"users\".\"id\" < 1) OR ((\"users\".\"id\" >= 5) AND (\"users\".\"online\" = TRUE)))",
    );
}

#[test]
fn values_are_quoted() {
    check_where(
        |u| u.name.eq("O'Neil' OR ''"),
        "(\"users\".\"name\" = 'O''Neil'' OR ''''')",
    );
    let identity = Identity::from_byte_array([1; 32]);
    let digits = "01".repeat(32);
    check_where(
        |u| u.who.eq(identity),
        &format!("(\"users\".\"who\" = 0x{digits})"),
    );
    let time = Timestamp::from_micros_since_unix_epoch(1_700_000_000_123_456);
    check_where(
        |u| u.since.lte(time),
        "(\"users\".\"since\" <= '2023-11-14T22:13:20.123456+00:00')",
    );
    check_where(
        |u| u.token.eq(Uuid::NIL),
        "(\"users\".\"token\" = '00000000-0000-0000-0000-000000000000')",
    );
    check_where(|u| u.key.eq(vec![0, 255]), "(\"users\".\"key\" = 0x00ff)");
    check(Table::new("a\"b"), "SELECT * FROM \"a\"\"b\"");
}

#[test]
fn semijoins() {
    let other = Table::<User>::new("others");
    check(
        users().left_semijoin(other, |l, r| l.id.eq(r.id)),
        "SELECT \"users\".* FROM \"users\" JOIN \"others\" ON \"users\".\"id\" = \"others\".\"id\"",
    );
    check(
        users()
            .filter(|u| u.id.gt(1))
            .right_semijoin(other, |l, r| l.id.eq(r.id))
            .filter(|r| r.id.lt(9)),
        "SELECT \"others\".* FROM \"users\" JOIN \"others\" ON \"users\".\"id\" = \
         \"others\".\"id\" WHERE (\"users\".\"id\" > 1) AND (\"others\".\"id\" < 9)",
    );
    let raw: RawQuery<User> = users().filter(|u| u.online).build();
    assert_eq!(
        raw.sql(),
        "SELECT * FROM \"users\" WHERE (\"users\".\"online\" = TRUE)"
    );
}

//! What tables and indexes ask of the host, byte by byte, and what they make of its answers.
//!
//! The host here is a script: it writes down every call and answers with what the test gave it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use spacetimedb::sys::{Chunk, Errno, NativeHost, RangeArguments, set_native_host};
use spacetimedb::{CtxDbRead, CtxDbWrite, ReducerContext, SpacetimeType, Table, table};

#[derive(SpacetimeType, Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    A,
    B,
}

#[table(
    accessor = person,
    index(accessor = by_age_name, btree(columns = [age, name])),
    index(accessor = tagged, hash(columns = [tag, age]))
)]
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    #[primary_key]
    #[auto_inc]
    pub id: u32,
    #[unique]
    pub name: String,
    #[index(btree)]
    pub age: u8,
    pub tag: u64,
    #[index(btree)]
    pub kind: Kind,
}

/// Two tables of one row type, one of them with a name that is a word of the language.
#[table(accessor = r#type, public)]
#[table(accessor = second, index(accessor = pair, btree(columns = [a, b])))]
#[derive(Debug, PartialEq)]
pub struct Pair {
    pub a: u8,
    #[index(btree)]
    pub b: u16,
}

#[derive(Default)]
struct Script {
    calls: RefCell<Vec<String>>,
    /// What iterators give, and how an insert is answered.
    rows: RefCell<VecDeque<Chunk>>,
    row_bytes: RefCell<VecDeque<Vec<u8>>>,
    insert: RefCell<Option<Result<Vec<u8>, Errno>>>,
    open: Cell<u32>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Script {
    fn note(&self, call: String) {
        self.calls.borrow_mut().push(call);
    }

    fn scan(&self, call: String) -> Result<u32, Errno> {
        self.note(call);
        self.open.set(self.open.get() + 1);
        Ok(1)
    }

    fn range(range: RangeArguments<'_>) -> String {
        let RangeArguments {
            prefix,
            prefix_elems,
            start,
            end,
        } = range;
        format!("{prefix_elems}:{} {} {}", hex(prefix), hex(start), hex(end))
    }
}

impl NativeHost for Script {
    fn table_id_from_name(&self, name: &str) -> Result<u32, Errno> {
        self.note(format!("table {name}"));
        Ok(10)
    }

    fn index_id_from_name(&self, name: &str) -> Result<u32, Errno> {
        self.note(format!("index {name}"));
        Ok(20)
    }

    fn datastore_table_row_count(&self, _: u32) -> Result<u64, Errno> {
        Ok(3)
    }

    fn datastore_table_scan(&self, table: u32) -> Result<u32, Errno> {
        self.scan(format!("scan {table}"))
    }

    fn datastore_index_scan_point(&self, _: u32, point: &[u8]) -> Result<u32, Errno> {
        self.scan(format!("point {}", hex(point)))
    }

    fn datastore_index_scan_range(&self, _: u32, range: RangeArguments<'_>) -> Result<u32, Errno> {
        self.scan(format!("range {}", Script::range(range)))
    }

    fn datastore_delete_by_index_scan_point(&self, _: u32, point: &[u8]) -> Result<u32, Errno> {
        self.note(format!("delete point {}", hex(point)));
        Ok(1)
    }

    fn datastore_delete_by_index_scan_range(
        &self,
        _: u32,
        range: RangeArguments<'_>,
    ) -> Result<u32, Errno> {
        self.note(format!("delete range {}", Script::range(range)));
        Ok(4)
    }

    fn row_iter_advance(&self, _: u32, buffer: &mut [u8]) -> Chunk {
        let chunk = self.rows.borrow_mut().pop_front().unwrap_or(Chunk::Last(0));
        if let Chunk::More(len) | Chunk::Last(len) = chunk {
            let bytes = self.row_bytes.borrow_mut().pop_front().unwrap_or_default();
            assert_eq!(bytes.len(), len);
            buffer[..len].copy_from_slice(&bytes);
        }
        if matches!(chunk, Chunk::Last(_)) {
            self.open.set(self.open.get() - 1);
        }
        chunk
    }

    fn row_iter_close(&self, _: u32) -> Result<(), Errno> {
        self.open.set(self.open.get() - 1);
        Ok(())
    }

    fn datastore_insert(&self, _: u32, row: &mut [u8]) -> Result<usize, Errno> {
        self.note(format!("insert {}", hex(row)));
        let answer = self.insert.borrow_mut().take().unwrap_or(Ok(Vec::new()))?;
        row[..answer.len()].copy_from_slice(&answer);
        Ok(answer.len())
    }

    fn datastore_update(&self, table: u32, index: u32, row: &mut [u8]) -> Result<usize, Errno> {
        self.note(format!("update {table} {index} {}", hex(row)));
        let answer = self.insert.borrow_mut().take().unwrap_or(Ok(Vec::new()))?;
        row[..answer.len()].copy_from_slice(&answer);
        Ok(answer.len())
    }

    fn datastore_delete_all_by_eq(&self, _: u32, rows: &[u8]) -> Result<u32, Errno> {
        self.note(format!("delete rows {}", hex(rows)));
        Ok(1)
    }

    fn datastore_clear(&self, _: u32) -> Result<u64, Errno> {
        Ok(9)
    }
}

fn with_script<T>(body: impl FnOnce(&ReducerContext, &Script) -> T) -> T {
    let script = Rc::new(Script::default());
    set_native_host(Some(script.clone()));
    let result = body(&spacetimedb::rt::test_context(), &script);
    set_native_host(None);
    assert_eq!(script.open.get(), 0, "iterators are closed");
    result
}

/// The calls that `body` makes, without those that look up an id of `person`.
fn check<T>(body: impl FnOnce(&ReducerContext) -> T, expected: &[&str]) {
    with_script(|ctx, script| {
        body(ctx);
        let calls = script.calls.borrow();
        let calls: Vec<&str> = calls
            .iter()
            .map(String::as_str)
            .filter(|call| *call != "table person")
            .collect();
        assert_eq!(calls, expected);
    });
}

fn person() -> Person {
    Person {
        id: 0,
        name: "ab".to_owned(),
        age: 7,
        tag: 1,
        kind: Kind::B,
    }
}

const ROW: &str = "0000000002000000616207010000000000000001";

#[test]
fn rows_come_and_go() {
    check(
        |ctx| ctx.db.person().insert(person()),
        &[&format!("insert {ROW}")],
    );
    let deleted = format!("delete rows 01000000{ROW}");
    check(|ctx| ctx.db.person().delete(person()), &[&deleted]);
    let updated = format!("update 10 20 {ROW}");
    check(
        |ctx| ctx.db.person().id().update(person()),
        &["index person_id_idx_btree", &updated],
    );
    with_script(|ctx, _| {
        assert_eq!(ctx.db.person().count(), 3);
        assert_eq!(ctx.db.person().clear(), 9);
        assert_eq!(ctx.as_read_only().db.person().count(), 3);
    });
}

#[test]
fn generated_columns_come_back() {
    with_script(|ctx, script| {
        *script.insert.borrow_mut() = Some(Ok(vec![42, 0, 0, 0]));
        assert_eq!(
            ctx.db.person().insert(person()),
            Person { id: 42, ..person() }
        );
        let given = Person { id: 5, ..person() };
        assert_eq!(ctx.db.person().insert(given.clone()), given);
    });
}

#[test]
fn refused_rows_are_errors() {
    with_script(|ctx, script| {
        let refuse = |errno| {
            *script.insert.borrow_mut() = Some(Err(errno));
            String::from(ctx.db.person().try_insert(person()).unwrap_err())
        };
        assert_eq!(
            refuse(Errno::UNIQUE_ALREADY_EXISTS),
            "insertion error on table `person`:duplicate unique column"
        );
        assert_eq!(
            refuse(Errno::AUTO_INC_OVERFLOW),
            "insertion error on table `person`:auto-inc sequence overflowed its column type"
        );
        let refuse = |errno| {
            *script.insert.borrow_mut() = Some(Err(errno));
            String::from(ctx.db.person().id().try_update(person()).unwrap_err())
        };
        assert_eq!(
            refuse(Errno::NO_SUCH_ROW),
            "update error on table `person`: no row has this primary key"
        );
        assert_eq!(
            refuse(Errno::UNIQUE_ALREADY_EXISTS),
            "update error on table `person`: duplicate unique column"
        );
        assert_eq!(ctx.db.person().id().try_update(person()).unwrap(), person());
    });
}

#[test]
fn points_of_unique_columns() {
    check(
        |ctx| ctx.db.person().id().find(5),
        &["index person_id_idx_btree", "point 05000000"],
    );
    check(
        |ctx| ctx.db.person().id().delete(5),
        &["index person_id_idx_btree", "delete point 05000000"],
    );
    check(
        |ctx| ctx.db.person().name().find("ab".to_owned()),
        &["index person_name_idx_btree", "point 020000006162"],
    );
}

#[test]
fn values_and_ranges_of_one_column() {
    let age = |expected: &[&str], body: fn(&ReducerContext)| {
        let expected = [&["index person_age_idx_btree"], expected].concat();
        check(body, &expected);
    };
    age(&["point 12"], |ctx| {
        drop(ctx.db.person().age().filter(18u8));
    });
    age(&["point 12"], |ctx| {
        drop(ctx.db.person().age().filter((&18u8,)));
    });
    age(&["range 0: 0012 02"], |ctx| {
        drop(ctx.db.person().age().filter(18u8..));
    });
    age(&["range 0: 02 0112"], |ctx| {
        drop(ctx.db.person().age().filter(..18u8));
    });
    age(&["range 0: 0001 0003"], |ctx| {
        drop(ctx.db.person().age().filter(1u8..=3));
    });
    age(&["range 0: 0001 0103"], |ctx| {
        drop(ctx.db.person().age().filter(1u8..3));
    });
    age(&["delete range 0: 02 0003"], |ctx| {
        assert_eq!(ctx.db.person().age().delete(..=3u8), 4);
    });
    age(&["range 0: 0101 02"], |ctx| {
        use std::ops::Bound;
        drop(
            ctx.db
                .person()
                .age()
                .filter((Bound::Excluded(1u8), Bound::Unbounded)),
        );
    });
    check(
        |ctx| ctx.db.person().kind().filter(Kind::B).count(),
        &["index person_kind_idx_btree", "point 01"],
    );
}

#[test]
fn values_and_ranges_of_several_columns() {
    let both = |expected: &[&str], body: fn(&ReducerContext)| {
        let expected = [&["index person_age_name_idx_btree"], expected].concat();
        check(body, &expected);
    };
    both(&["range 0: 0012 0012"], |ctx| {
        drop(ctx.db.person().by_age_name().filter(18u8));
    });
    both(&["point 12020000006162"], |ctx| {
        drop(ctx.db.person().by_age_name().filter((18u8, "ab")));
    });
    both(&["range 1:12 000100000061 010100000062"], |ctx| {
        drop(ctx.db.person().by_age_name().filter((18u8, "a".."b")));
    });
    both(&["range 0: 0001 0102"], |ctx| {
        drop(ctx.db.person().by_age_name().filter((1u8..2,)));
    });
    let name = String::from("ab");
    check(
        |ctx| ctx.db.person().by_age_name().delete((&18u8, &name)),
        &[
            "index person_age_name_idx_btree",
            "delete point 12020000006162",
        ],
    );
    check(
        |ctx| ctx.db.person().tagged().filter((1u64, 2u8)).count(),
        &["index person_tag_age_idx_hash", "point 010000000000000002"],
    );
}

#[test]
fn views_read_through_the_same_indexes() {
    check(
        |ctx| ctx.as_read_only().db.person().age().filter(1u8..3).count(),
        &["index person_age_idx_btree", "range 0: 0001 0103"],
    );
    check(
        |ctx| {
            ctx.db_read_only()
                .person()
                .tagged()
                .filter((1u64, 2u8))
                .count()
        },
        &["index person_tag_age_idx_hash", "point 010000000000000002"],
    );
}

#[test]
fn two_tables_of_one_row_type() {
    check(
        |ctx| ctx.db().second().pair().filter((1u8, 2u16)).count(),
        &["index second_a_b_idx_btree", "point 010200"],
    );
    check(
        |ctx| ctx.db.r#type().b().filter(2u16).count(),
        &["index type_b_idx_btree", "point 0200"],
    );
}

#[test]
fn rows_arrive_in_pieces() {
    with_script(|ctx, script| {
        let pair = |a: u8| vec![a, 0, 1];
        *script.rows.borrow_mut() = [
            Chunk::More(6),
            Chunk::TooSmall(100_000),
            Chunk::More(3),
            Chunk::Last(3),
        ]
        .into();
        *script.row_bytes.borrow_mut() = [[pair(1), pair(2)].concat(), pair(3), pair(4)].into();
        let found: Vec<u8> = ctx.db.second().iter().map(|row| row.a).collect();
        assert_eq!(found, [1, 2, 3, 4]);
        // Dropped in the middle: the host's iterator is closed.
        *script.rows.borrow_mut() = [Chunk::More(3)].into();
        *script.row_bytes.borrow_mut() = [pair(9)].into();
        assert_eq!(ctx.db.second().iter().next(), Some(Pair { a: 9, b: 256 }));
    });
}

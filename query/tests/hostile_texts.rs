//! Texts that try to hang, overflow or crash the compiler.

mod fixture;

use std::time::{Duration, Instant};

use fixture::random::Random;
use fixture::{OWNER, caller, named};
use proptest::prelude::*;
use spacetime_query::{SubscriptionPlan, compile};
use spacetime_table::Datastore;

fn answer(datastore: &Datastore, sql: &str) -> Result<(), String> {
    let started = Instant::now();
    let outcome = compile(sql, datastore, &caller(OWNER));
    let _ = SubscriptionPlan::compile(sql, datastore, &caller(1));
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "slow: {:.100}",
        sql
    );
    outcome.map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn limits_are_refused_with_their_names() {
    let datastore = named("main");
    let parens = |n: usize| {
        format!(
            "SELECT id FROM item WHERE {}id = 1{}",
            "(".repeat(n),
            ")".repeat(n)
        )
    };
    let chain = |n: usize, word: &str| {
        let terms = vec!["id=1"; n];
        format!("SELECT id FROM item WHERE {}", terms.join(word))
    };
    let string = |len: usize, letter: &str| {
        let head = "SELECT id FROM item WHERE name = '";
        format!(
            "{head}{}'",
            letter.repeat((len - head.len() - 1) / letter.len())
        )
    };
    for sql in [
        parens(47),
        chain(1_600, " OR "),
        chain(5_000, " OR "),
        chain(5_000, " AND "),
        string(50_000, "x"),
        "SELECT id FROM item WHERE price = 1e10000000000".to_owned(),
        format!("INSERT INTO emp (id) VALUES (1){}", ",(-0)".repeat(9_900)),
    ] {
        assert_eq!(answer(&datastore, &sql), Ok(()), "{:.80}", sql);
    }
    let refused = [
        (parens(2_000), "sql parser error: recursion limit exceeded"),
        (parens(20_000), "sql parser error: recursion limit exceeded"),
        (
            string(50_001, "x"),
            "SQL query exceeds maximum allowed length: \"SELECT id",
        ),
        (
            string(60_001, "\u{e9}"),
            "SQL query exceeds maximum allowed length: \"SELECT id",
        ),
        (
            format!("SELECT id FROM item WHERE {} true", "NOT ".repeat(10_000)),
            "sql parser error: recursion limit exceeded",
        ),
        (
            format!("SELECT id FROM item WHERE true{}", " = true".repeat(6_000)),
            "sql parser error: recursion limit exceeded",
        ),
        (
            "SELECT id FROM item WHERE id = 1e10000000000".into(),
            "The literal expression",
        ),
        (
            "SELECT id FROM item WHERE id = 1e-10000000000".into(),
            "The literal expression",
        ),
        (
            format!("SELECT id FROM item WHERE id = {}", "9".repeat(40_000)),
            "The literal expression",
        ),
        ("SELECT * FROM itm".into(), "no such table: `itm`"),
    ];
    for (sql, start) in refused {
        let text = answer(&datastore, &sql).expect_err("refused");
        assert!(text.starts_with(start), "{:.80}: {text:.120}", sql);
    }
    let text = answer(&datastore, "SELECT * FROM itm").expect_err("refused");
    assert!(
        text.contains("Did you mean `item`?\n at line 1, column 15:\n"),
        "{text}"
    );
}

#[test]
fn copies_of_what_stands_before_a_list_do_not_double_for_ever() {
    let datastore = named("main");
    for nested in [" IN (true, false))", " BETWEEN false AND true)"] {
        let depth = 60;
        let sql = format!(
            "SELECT id FROM item WHERE {}active{}",
            "(".repeat(depth),
            nested.repeat(depth)
        );
        let text = answer(&datastore, &sql).expect_err("refused");
        assert!(text.contains("recursion limit exceeded"), "{text:.200}");
    }
}

#[test]
fn many_joins_compile() {
    let datastore = named("main");
    let joins: String = (1..200)
        .map(|at| format!(" JOIN emp e{at} ON e{}.id = e{at}.id", at - 1))
        .collect();
    assert_eq!(
        answer(&datastore, &format!("SELECT e0.id FROM emp e0{joins}")),
        Ok(())
    );
}

fn mutate(random: &mut Random, text: &str) -> String {
    const PIECES: [&str; 30] = [
        "(", ")", ",", ".", ";", "'", "\"", ":", "$$", "/*", "*/", "--", "0x", "1e", "-", "=", "<",
        "NOT ", " AND ", " OR ", " JOIN ", " ON ", "SELECT ", " FROM ", " WHERE ", "*", "\u{e9}",
        "\0", "E'", "[",
    ];
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..1 + random.below(4) {
        let at = random.below(chars.len() + 1);
        match random.below(4) {
            0 => chars.truncate(at),
            1 if at < chars.len() => {
                chars.remove(at);
            }
            2 => {
                let end = at + random.below(chars.len() + 1 - at);
                let copy = chars[at..end].to_vec();
                chars.splice(at..at, copy);
            }
            _ => {
                let piece = random.pick(&PIECES).chars();
                chars.splice(at..at, piece);
            }
        }
    }
    chars.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(60)
    })]

    #[test]
    fn changed_texts_are_answered(seed in any::<u64>()) {
        let datastore = named("main");
        let cases: Vec<&str> = include_str!("data/sql_cases.txt")
            .lines()
            .filter(|line| line.contains(' ') && !line.starts_with(['#', '[', '@']))
            .collect();
        let mut random = Random(seed);
        for _ in 0..100 {
            let case = *random.pick(&cases);
            let text = mutate(&mut random, case);
            let _ = answer(&datastore, &text);
        }
    }

    #[test]
    fn any_text_is_answered(text in ".{0,200}") {
        let datastore = named("main");
        let _ = answer(&datastore, &text);
        let _ = answer(&datastore, &format!("SELECT * FROM item WHERE {text}"));
    }
}

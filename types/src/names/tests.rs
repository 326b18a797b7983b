use super::*;

#[test]
fn accepts_identifiers() {
    for name in [
        "friends",
        "_x",
        "__",
        "\u{41c}\u{43e}\u{441}\u{43a}\u{432}\u{430}",
        "\u{6771}\u{4eac}",
        "a\u{b7}b",
        "a\u{200d}b",
        "select",
        "table",
        "type",
    ] {
        assert_eq!(check_identifier(name), Ok(()), "{name}");
    }
    assert_eq!(check_identifier(&"a".repeat(1_000)), Ok(()));
}

#[test]
fn refuses_other_names() {
    let check = |name: &str, expected: &str| {
        let error = check_identifier(name).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check("", "Empty identifiers are forbidden.");
    check("1a", "Identifier `1a`'s starting character '1' is neither");
    check(
        "a b",
        "Identifier `a b` contains a character ' ' that is not",
    );
    check("a-b", "Identifier `a-b` contains a character '-'");
    check("a.b", "Identifier `a.b` contains a character '.'");
    check(
        "A\u{30a}",
        "Identifier `A\u{30a}` is not in normalization form C according",
    );
    check(
        "\u{1f34c}",
        "Identifier `\u{1f34c}`'s starting character '\u{1f34c}'",
    );
}

#[test]
fn dotted_names_are_checked_by_segment() {
    assert_eq!(check_dotted_name("a"), Ok(()));
    assert_eq!(check_dotted_name("a.b.c"), Ok(()));
    assert!(check_dotted_name("a..c").is_err());
    assert!(check_dotted_name(".a").is_err());
    assert!(check_dotted_name("a.").is_err());
    let long = "a".repeat(64);
    assert_eq!(check_dotted_name(&format!("a.{long}")), Ok(()));
    assert!(check_dotted_name(&format!("{long}.a")).is_err());
}

fn check(name: &str, snake: &str, camel: &str, pascal: &str) {
    assert_eq!(snake_case(name), snake, "snake case of {name}");
    assert_eq!(camel_case(name), camel, "camel case of {name}");
    assert_eq!(pascal_case(name), pascal, "Pascal case of {name}");
}

#[test]
fn converts_case() {
    for name in ["PlayerState", "playerState", "player_state"] {
        check(name, "player_state", "playerState", "PlayerState");
    }
    check("player1", "player_1", "player1", "Player1");
    check(
        "Player2Score",
        "player_2_score",
        "player2Score",
        "Player2Score",
    );
    check("HTTPServer", "http_server", "httpServer", "HttpServer");
    check("userID", "user_id", "userId", "UserId");
    check("x1y2", "x_1_y_2", "x1Y2", "X1Y2");
    check(
        "iPhone15Pro",
        "i_phone_15_pro",
        "iPhone15Pro",
        "IPhone15Pro",
    );
    check("utf8_string", "utf_8_string", "utf8String", "Utf8String");
    check("_private", "private", "private", "Private");
    check("__x", "x", "x", "X");
    check("trailing_", "trailing", "trailing", "Trailing");
    check("a__b", "a_b", "aB", "AB");
    check("_", "", "", "");
    let apples = "\u{c4}pfel";
    check(apples, "\u{e4}pfel", "\u{e4}pfel", apples);
    let japan = "\u{65e5}\u{672c}";
    check(japan, japan, japan, japan);
    check("ABC", "abc", "abc", "Abc");
    check("aB", "a_b", "aB", "AB");
}

#[test]
fn marks_stay_with_what_they_mark() {
    // A digit with a mark is no longer a digit, and a marked separator does not separate.
    check("a1\u{301}b", "a1\u{301}b", "a1\u{301}b", "A1\u{301}b");
    check("a_\u{301}b", "a_\u{301}b", "a_\u{301}b", "A_\u{301}b");
    check("aX\u{301}b", "a_x\u{301}b", "aX\u{301}b", "AX\u{301}b");
}

//! Tokens that one of the two crates has kept, the other finds: in the same file, in the same form.

use std::process::Command;

/// Set in the process that has a home directory of its own.
const MARK: &str = "CREDENTIALS_TEST";

#[test]
fn both_crates_keep_tokens_alike() {
    if std::env::var_os(MARK).is_some() {
        exchange();
        return;
    }
    let home = std::env::temp_dir().join(format!("credentials-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let outcome = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "both_crates_keep_tokens_alike"])
        .env("HOME", &home)
        .env(MARK, "1")
        .status();
    std::fs::remove_dir_all(&home).unwrap();
    assert!(outcome.unwrap().success());
}

fn exchange() {
    use spacetime_client::credentials::File as Own;
    use spacetimedb_sdk::credentials::File as Official;
    assert_eq!(Official::new("nobody").load().unwrap(), None);
    assert_eq!(Own::new("nobody").load().unwrap(), None);
    Official::new("first").save("one token").unwrap();
    assert_eq!(
        Own::new("first").load().unwrap().as_deref(),
        Some("one token")
    );
    Own::new("second").save("another").unwrap();
    let other = Official::new("second").load().unwrap();
    assert_eq!(other.as_deref(), Some("another"));
}

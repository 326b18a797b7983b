use super::*;

const EDITED: &str = r#"# my servers
default_server = "local" # at home
listen_addr = "0.0.0.0:4000"
strange = [1, 2]

[colours] # not ours
dark = true

[[server_configs]]
host = "127.0.0.1:3000"
nickname = "local"
protocol = "http"
# a remark
note = "kept"

[[server_configs]]
host = "example.org"
protocol = "https"
"#;

fn file_with(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cli.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn entry_called(nickname: &str, host: &str) -> ServerEntry {
    ServerEntry {
        nickname: Some(nickname.into()),
        host: host.into(),
        protocol: "http".into(),
        fingerprint: None,
    }
}

#[test]
fn is_made_with_the_two_known_servers() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/cli.toml");
    assert!(CliToml::load_if_there(&path).unwrap().is_none());
    let file = CliToml::load(&path).unwrap();
    assert_eq!(file.default_server().as_deref(), Some("maincloud"));
    let urls: Vec<String> = file
        .servers()
        .unwrap()
        .iter()
        .map(ServerEntry::url)
        .collect();
    assert_eq!(
        urls,
        ["https://maincloud.spacetimedb.com", "http://127.0.0.1:3000"]
    );
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn saving_keeps_comments_order_and_unknown_keys() {
    let (_folder, path) = file_with(EDITED);
    let mut file = CliToml::load(&path).unwrap();
    file.update(|file| {
        file.set_token(Some("secret"));
        file.set_default_server(Some("example.org"));
        file.add_server(&entry_called("new", "localhost:1"));
        Ok(())
    })
    .unwrap();
    let expected = EDITED
        .replace("\"local\" # at home", "\"example.org\" # at home")
        .replace(
            "strange = [1, 2]\n",
            "strange = [1, 2]\nspacetimedb_token = \"secret\"\n",
        )
        + "\n[[server_configs]]\nnickname = \"new\"\nhost = \"localhost:1\"\nprotocol = \"http\"\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);

    file.update(|file| {
        file.set_token(None);
        file.set_default_server(Some("local"));
        assert!(file.remove_server("localhost:1")?);
        assert!(!file.remove_server("localhost:1")?);
        Ok(())
    })
    .unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), EDITED);
}

#[test]
fn an_entry_is_changed_in_place() {
    let (_folder, path) = file_with(EDITED);
    let mut file = CliToml::load(&path).unwrap();
    file.update(|file| {
        assert!(file.replace_server("local", &entry_called("home", "localhost:9"))?);
        Ok(())
    })
    .unwrap();
    assert_eq!(
        file.servers().unwrap()[0],
        entry_called("home", "localhost:9")
    );
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .contains("note = \"kept\"")
    );
}

#[test]
fn a_change_starts_from_what_is_on_disk_now() {
    let (_folder, path) = file_with(EDITED);
    let mut first = CliToml::load(&path).unwrap();
    let mut second = CliToml::load(&path).unwrap();
    let set_token = |file: &mut CliToml| {
        file.set_token(Some("one"));
        Ok(())
    };
    first.update(set_token).unwrap();
    let add = |file: &mut CliToml| {
        file.add_server(&entry_called("two", "h:2"));
        Ok(())
    };
    second.update(add).unwrap();
    let merged = CliToml::load(&path).unwrap();
    assert_eq!(merged.token().as_deref(), Some("one"));
    assert!(merged.find_server("two").unwrap().is_some());
}

#[test]
fn a_failed_change_leaves_the_file_alone() {
    let (_folder, path) = file_with(EDITED);
    let mut file = CliToml::load(&path).unwrap();
    let result = file.update(|file| {
        file.set_token(Some("never"));
        bail!("no")
    });
    assert!(result.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), EDITED);
}

#[test]
fn where_nothing_can_be_written_the_file_is_as_it_would_be() {
    let (folder, path) = file_with("");
    let inside_a_file = path.join("cli.toml");
    let mut file = CliToml::load(&inside_a_file).unwrap();
    assert_eq!(file.default_server().as_deref(), Some("maincloud"));
    assert!(file.update(|_| Ok(())).is_err());
    drop(folder);
}

#[test]
fn wrong_types_are_named() {
    for (text, expected) in [
        (
            "default_server = 3",
            "`default_server` has to be a string, but is integer",
        ),
        (
            "server_configs = 1",
            "`server_configs` has to be an array of tables, but is integer",
        ),
        (
            "[[server_configs]]\nhost = \"h\"",
            "an entry of `server_configs` has no `protocol`",
        ),
        (
            "[[server_configs]]\nhost = []",
            "`host` has to be a string, but is array",
        ),
        (
            "[[server_configs]]\nhost = \"h\"\nprotocol = \"ftp\"",
            "`protocol` in an entry of `server_configs` has to be http or https, not `ftp`",
        ),
    ] {
        let (_folder, path) = file_with(text);
        let error = CliToml::load(&path).unwrap_err();
        assert!(error.to_string().ends_with("is invalid"), "{error}");
        assert_eq!(error.root_cause().to_string(), expected);
    }
    let (_folder, path) = file_with("= nonsense");
    assert!(CliToml::load(&path).is_err());
}

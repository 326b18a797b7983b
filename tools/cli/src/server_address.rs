//! Which server a command talks to.

use anyhow::{Context, Result, bail};

use crate::cli_toml::CliToml;

/// Schemes that a server can be reached with.
const SCHEMES: [&str; 2] = ["http", "https"];

/// The URL, without a slash at its end, of the server that was asked for: a URL, or the nickname
/// or host of one in the file; the file's default otherwise.
pub(crate) fn resolve(file: &CliToml, asked: Option<&str>) -> Result<String> {
    let default = file.default_server();
    let Some(called) = asked.or(default.as_deref()) else {
        bail!(
            "No default server configuration.\n\
             Set one with `spacetime server set-default <SERVER>`, \
             or add one with `spacetime server add <NAME> --url <URL> --default`."
        );
    };
    if called.contains("://") {
        let (scheme, host) = split_url(called)?;
        return Ok(format!("{scheme}://{host}"));
    }
    let server = file.find_server(called)?.with_context(|| {
        format!(
            "No such saved server configuration: {called}\n\
             Add it with `spacetime server add {called} --url <URL>`, \
             or see what there is with `spacetime server list`."
        )
    })?;
    Ok(server.url())
}

/// Scheme and host (with port and path, if any) of a URL.
pub(crate) fn split_url(url: &str) -> Result<(&str, &str)> {
    let Some((scheme, host)) = url.split_once("://") else {
        bail!("`{url}` is not a URL; a server's looks like http://127.0.0.1:3000");
    };
    if !SCHEMES.contains(&scheme) {
        bail!("`{url}` does not start with http:// or https://");
    }
    let host = host.trim_end_matches('/');
    if host.is_empty() {
        bail!("`{url}` has no host");
    }
    Ok((scheme, host))
}

/// Whether a URL means this very machine.
pub(crate) fn is_local(url: &str) -> bool {
    let Ok((_, rest)) = split_url(url) else {
        return false;
    };
    let host = rest.split('/').next().unwrap_or(rest);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => host.split(':').next().unwrap_or(host),
    };
    matches!(host, "localhost" | "127.0.0.1" | "::1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> CliToml {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cli.toml");
        std::fs::write(&path, text).unwrap();
        CliToml::load(&path).unwrap()
    }

    fn servers() -> CliToml {
        file(
            "default_server = \"home\"\n\
             [[server_configs]]\nnickname = \"home\"\nhost = \"h:1\"\nprotocol = \"http\"\n\
             [[server_configs]]\nhost = \"example.org\"\nprotocol = \"https\"\n",
        )
    }

    #[test]
    fn urls_are_used_as_they_are_and_names_are_looked_up() {
        let file = servers();
        for (asked, expected) in [
            (None, "http://h:1"),
            (Some("home"), "http://h:1"),
            (Some("h:1"), "http://h:1"),
            (Some("example.org"), "https://example.org"),
            (Some("http://other:9"), "http://other:9"),
            (Some("http://other:9//"), "http://other:9"),
            (Some("https://other/behind/"), "https://other/behind"),
        ] {
            assert_eq!(resolve(&file, asked).unwrap(), expected, "{asked:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_an_error_with_advice() {
        let error = resolve(&servers(), Some("away")).unwrap_err().to_string();
        assert!(
            error.starts_with("No such saved server configuration: away\n"),
            "{error}"
        );
        assert!(error.contains("server add"), "{error}");
        let error = resolve(&file(""), None).unwrap_err().to_string();
        assert!(
            error.starts_with("No default server configuration."),
            "{error}"
        );
        assert!(resolve(&servers(), Some("ftp://h")).is_err());
        assert!(resolve(&servers(), Some("http:///")).is_err());
    }

    #[test]
    fn local_is_this_machine_only() {
        for url in [
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://[::1]:3000/x",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "http://localhost.example.org",
            "https://example.org",
            "127.0.0.1",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }
}

//! `.env.local`: where web clients are told their server and database by the tools that build them.
//!
//! Invariant: lines that are not ours stay as and where they are.

use std::path::Path;

use anyhow::{Context, Result};

/// The file's name.
pub(crate) const FILE: &str = ".env.local";

/// Each build tool hands over only variables with its own prefix.
const PREFIXES: [&str; 6] = [
    "SPACETIMEDB",
    "VITE_SPACETIMEDB",
    "NEXT_PUBLIC_SPACETIMEDB",
    "REACT_APP_SPACETIMEDB",
    "EXPO_PUBLIC_SPACETIMEDB",
    "PUBLIC_SPACETIMEDB",
];

/// Writes the twelve variables, in the place of those that are there. True if something changed.
pub(crate) fn upsert(folder: &Path, database: &str, host: &str) -> Result<bool> {
    let path = folder.join(FILE);
    let old = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    let new = upserted(&old, database, host);
    if new == old {
        return Ok(false);
    }
    std::fs::write(&path, new).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(true)
}

fn upserted(old: &str, database: &str, host: &str) -> String {
    let variables = PREFIXES.iter().flat_map(|prefix| {
        [
            (format!("{prefix}_DB_NAME"), database),
            (format!("{prefix}_HOST"), host),
        ]
    });
    let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
    for (key, value) in variables {
        let line = format!("{key}={value}");
        let sets = |line: &String| {
            let name = line.split('=').next().unwrap_or_default().trim();
            name.strip_prefix("export ").unwrap_or(name).trim() == key
        };
        match lines.iter_mut().find(|line| sets(line)) {
            Some(place) => *place = line,
            None => lines.push(line),
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_replaced_in_place_and_others_stay() {
        let old = "# mine\nVITE_SPACETIMEDB_HOST=old\nOTHER=1\n";
        let new = upserted(old, "db", "http://h:1");
        let lines: Vec<&str> = new.lines().collect();
        assert_eq!(lines[0], "# mine");
        assert_eq!(lines[1], "VITE_SPACETIMEDB_HOST=http://h:1");
        assert_eq!(lines[2], "OTHER=1");
        assert_eq!(lines.len(), 2 + 12);
        assert!(lines.contains(&"SPACETIMEDB_DB_NAME=db"));
        assert_eq!(upserted(&new, "db", "http://h:1"), new);
    }

    #[test]
    fn the_file_is_written_only_if_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        assert!(upsert(folder.path(), "a", "h").unwrap());
        assert!(!upsert(folder.path(), "a", "h").unwrap());
        assert!(upsert(folder.path(), "b", "h").unwrap());
    }
}

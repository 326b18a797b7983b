//! Where the program keeps its files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The places, as the global flags and the environment say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paths {
    config_dir: Option<PathBuf>,
    data_dir: Option<PathBuf>,
    config_path: Option<PathBuf>,
}

impl Paths {
    /// `--root-dir` and `--config-path` win over the environment.
    pub(crate) fn new(root_dir: Option<&Path>, config_path: Option<&Path>) -> Self {
        Self::from_environment(root_dir, config_path, &|name| std::env::var_os(name))
    }

    fn from_environment(
        root_dir: Option<&Path>,
        config_path: Option<&Path>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Self {
        let in_home = |set: &str, otherwise: &str, inner: &str| {
            let set = variable(set).filter(|folder| Path::new(folder).is_absolute());
            let folder = match set {
                Some(folder) => PathBuf::from(folder),
                None => PathBuf::from(variable("HOME")?).join(otherwise),
            };
            Some(folder.join(inner))
        };
        let (config_dir, data_dir) = match root_dir {
            Some(root) => (Some(root.join("config")), Some(root.join("data"))),
            None => (
                in_home("XDG_CONFIG_HOME", ".config", "spacetime"),
                in_home("XDG_DATA_HOME", ".local/share", "spacetime/data"),
            ),
        };
        let config_path = config_path.map(Path::to_owned);
        Paths {
            config_dir,
            data_dir,
            config_path,
        }
    }

    /// `cli.toml`.
    pub(crate) fn cli_toml(&self) -> Result<PathBuf> {
        match &self.config_path {
            Some(path) => Ok(path.clone()),
            None => Ok(self.config_dir()?.join("cli.toml")),
        }
    }

    /// The folder of `cli.toml` and, unless told otherwise, of the server's keys.
    pub(crate) fn config_dir(&self) -> Result<&Path> {
        let no_home = "there is no home directory; say where to keep files with --root-dir";
        self.config_dir.as_deref().context(no_home)
    }

    /// Where a server keeps its data unless told otherwise.
    pub(crate) fn data_dir(&self) -> Result<&Path> {
        let no_home = "there is no home directory; say where to keep data with --data-dir";
        self.data_dir.as_deref().context(no_home)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(root: Option<&str>, config: Option<&str>, variables: &[(&str, &str)]) -> Paths {
        let find = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(found.1))
        };
        Paths::from_environment(root.map(Path::new), config.map(Path::new), &find)
    }

    #[test]
    fn flags_win_over_the_environment_and_it_over_the_home_directory() {
        let home = ("HOME", "/h");
        let plain = paths(None, None, &[home]);
        assert_eq!(
            plain.cli_toml().unwrap(),
            Path::new("/h/.config/spacetime/cli.toml")
        );
        assert_eq!(
            plain.data_dir().unwrap(),
            Path::new("/h/.local/share/spacetime/data")
        );

        let xdg = [home, ("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "/d")];
        let named = paths(None, None, &xdg);
        assert_eq!(named.config_dir().unwrap(), Path::new("/c/spacetime"));
        assert_eq!(named.data_dir().unwrap(), Path::new("/d/spacetime/data"));

        let rooted = paths(Some("/r"), None, &xdg);
        assert_eq!(rooted.cli_toml().unwrap(), Path::new("/r/config/cli.toml"));
        assert_eq!(rooted.data_dir().unwrap(), Path::new("/r/data"));

        let file = paths(Some("/r"), Some("mine.toml"), &xdg);
        assert_eq!(file.cli_toml().unwrap(), Path::new("mine.toml"));
        assert_eq!(file.config_dir().unwrap(), Path::new("/r/config"));
    }

    #[test]
    fn without_a_home_only_named_places_are_known() {
        let nowhere = paths(None, Some("cli.toml"), &[]);
        assert!(nowhere.cli_toml().is_ok());
        assert!(
            nowhere
                .data_dir()
                .unwrap_err()
                .to_string()
                .contains("--data-dir")
        );
    }
}

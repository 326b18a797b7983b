//! Which databases are published to, and what to each: flags win over the configuration.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::{PublishArguments, configured_path, shown};
use crate::output::say;
use crate::project::{Project, Target};

/// One database and what goes into it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Job {
    pub(crate) name: Option<String>,
    pub(crate) server: Option<String>,
    pub(crate) module_path: Option<PathBuf>,
    pub(crate) bin_path: Option<PathBuf>,
    pub(crate) js_path: Option<PathBuf>,
    pub(crate) build_options: Option<String>,
    pub(crate) anonymous: bool,
    pub(crate) num_replicas: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) organization: Option<String>,
}

impl Job {
    /// Replaces the sources by what was built from them.
    pub(crate) fn set_program(&mut self, program: PathBuf) {
        let is_script = program.extension().is_some_and(|end| end == "js");
        let place = match is_script {
            true => &mut self.js_path,
            false => &mut self.bin_path,
        };
        *place = Some(program);
    }
}

/// All of them, in the order of the file.
pub(crate) fn jobs(arguments: &PublishArguments, project: Option<&Project>) -> Result<Vec<Job>> {
    let databases = project.map(Project::databases).unwrap_or_default();
    let Some(project) = project.filter(|_| !databases.is_empty()) else {
        let name = arguments.name.clone();
        return Ok(vec![from_arguments(arguments, name)]);
    };
    let chosen: Vec<(String, &Target)> = match (&arguments.name, databases.as_slice()) {
        (None, all) => all
            .iter()
            .map(|(name, target)| ((*name).to_owned(), *target))
            .collect(),
        (Some(pattern), all) => {
            let matching = all.iter().filter(|(name, _)| matches_glob(pattern, name));
            let matching: Vec<(String, &Target)> = matching
                .map(|(name, target)| ((*name).to_owned(), *target))
                .collect();
            match (matching.is_empty(), all) {
                (false, _) => matching,
                (true, [(_, only)]) => vec![(pattern.clone(), *only)],
                (true, _) => {
                    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
                    bail!(
                        "no database of the config file matches `{pattern}`; it has: {}",
                        names.join(", ")
                    )
                }
            }
        }
    };
    if chosen.len() > 1 {
        refuse_flags_of_one_module(arguments)?;
    }
    let jobs: Vec<Job> = chosen
        .into_iter()
        .map(|(name, target)| from_target(arguments, project, target, name))
        .collect::<Result<_>>()?;
    for job in &jobs {
        let name = job.name.as_deref().unwrap_or_default();
        if job.bin_path.is_some() || job.js_path.is_some() {
            say(format_args!(
                "Publishing precompiled module to database '{name}'"
            ));
        } else {
            let folder = shown(job.module_path.as_deref());
            say(format_args!(
                "Publishing module {folder} to database '{name}'"
            ));
        }
    }
    Ok(jobs)
}

fn refuse_flags_of_one_module(arguments: &PublishArguments) -> Result<()> {
    let given = [
        ("--module-path", arguments.module_path.is_some()),
        ("--build-options", arguments.build_options.is_some()),
        ("--bin-path", arguments.bin_path.is_some()),
        ("--js-path", arguments.js_path.is_some()),
        ("--num-replicas", arguments.num_replicas.is_some()),
        ("--native-aot", arguments.native_aot),
        ("--dotnet-version", arguments.dotnet_version.is_some()),
    ];
    let given: Vec<&str> = given
        .iter()
        .filter(|(_, is)| *is)
        .map(|(flag, _)| *flag)
        .collect();
    if given.is_empty() {
        return Ok(());
    }
    bail!(
        "{} cannot be used for several databases at once; name one of them",
        given.join(", ")
    )
}

fn from_arguments(arguments: &PublishArguments, name: Option<String>) -> Job {
    // `parent/child` is short for a name and its parent.
    let (parent, name) = match name.as_deref().and_then(|name| name.split_once('/')) {
        Some((parent, child)) => (Some(parent.to_owned()), Some(child.to_owned())),
        None => (None, name),
    };
    Job {
        name,
        server: arguments.server.server.clone(),
        module_path: arguments.module_path.clone(),
        bin_path: arguments.bin_path.clone(),
        js_path: arguments.js_path.clone(),
        build_options: arguments.build_options.clone(),
        anonymous: arguments.anonymous,
        num_replicas: arguments.num_replicas.map(|count| count.to_string()),
        parent: arguments.parent.clone().or(parent),
        organization: arguments.organization.clone(),
    }
}

fn from_target(
    arguments: &PublishArguments,
    project: &Project,
    target: &Target,
    name: String,
) -> Result<Job> {
    target.check_keys()?;
    let mut job = from_arguments(arguments, Some(name));
    let text = |key: &str| Ok::<_, anyhow::Error>(target.text(key)?.map(str::to_owned));
    if job.module_path.is_none() && job.bin_path.is_none() && job.js_path.is_none() {
        job.module_path = configured_path(project, target, "module-path")?;
        job.bin_path = configured_path(project, target, "bin-path")?;
        job.js_path = configured_path(project, target, "js-path")?;
        if job.module_path.is_none() && job.bin_path.is_none() && job.js_path.is_none() {
            let usual = project.path("spacetimedb");
            job.module_path = Some(if usual.is_dir() {
                usual
            } else {
                project.folder.clone()
            });
        }
    }
    job.server = job.server.or(text("server")?);
    job.build_options = job.build_options.or(text("build-options")?);
    job.parent = job.parent.or(text("parent")?);
    job.organization = job.organization.or(text("organization")?);
    job.num_replicas = job.num_replicas.or(target.number("num-replicas")?);
    job.anonymous |= target.flag("anonymous")?;
    Ok(job)
}

/// `*` stands for any text and `?` for any one letter.
pub(crate) fn matches_glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut pos) = (0, 0);
    // Where the last `*` was, and how much of the name it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while pos < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, pos));
                at += 1;
            }
            Some(letter) if *letter == b'?' || *letter == name[pos] => {
                at += 1;
                pos += 1;
            }
            _ => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    pos = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::super::{DeleteData, Yes};
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        publish: PublishArguments,
    }

    fn flags(words: &[&str]) -> PublishArguments {
        Flags::try_parse_from(["publish"].iter().chain(words))
            .unwrap()
            .publish
    }

    fn project(text: &str) -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("spacetime.json"), text).unwrap();
        let project = Project::find(folder.path(), None).unwrap().unwrap();
        (folder, project)
    }

    fn names(jobs: &[Job]) -> Vec<&str> {
        jobs.iter().filter_map(|job| job.name.as_deref()).collect()
    }

    #[test]
    fn without_a_configuration_flags_say_everything() {
        let jobs = jobs(
            &flags(&["p/db", "--bin-path", "a.wasm", "--server", "s"]),
            None,
        )
        .unwrap();
        let expected = Job {
            name: Some("db".into()),
            parent: Some("p".into()),
            server: Some("s".into()),
            bin_path: Some("a.wasm".into()),
            ..Job::default()
        };
        assert_eq!(jobs, [expected]);
        assert_eq!(super::jobs(&flags(&[]), None).unwrap(), [Job::default()]);
    }

    #[test]
    fn flags_win_over_the_configuration() {
        let (folder, project) =
            project(r#"{"database": "a", "server": "s", "module-path": "m", "num-replicas": 2}"#);
        let configured = jobs(&flags(&[]), Some(&project)).unwrap();
        assert_eq!(configured[0].module_path, Some(folder.path().join("m")));
        assert_eq!(configured[0].num_replicas.as_deref(), Some("2"));
        let given = jobs(
            &flags(&["other", "-b", "x.wasm", "-s", "t"]),
            Some(&project),
        )
        .unwrap();
        assert_eq!(names(&given), ["other"]);
        assert_eq!(given[0].bin_path, Some("x.wasm".into()));
        assert_eq!(given[0].module_path, None);
        assert_eq!(given[0].server.as_deref(), Some("t"));
    }

    #[test]
    fn several_databases_are_chosen_by_pattern() {
        let (_folder, project) = project(
            r#"{"bin-path": "m.wasm", "children": [
                {"database": "game-eu"}, {"database": "game-us"}, {"database": "lobby"}]}"#,
        );
        let chosen = |words: &[&str]| jobs(&flags(words), Some(&project));
        assert_eq!(
            names(&chosen(&[]).unwrap()),
            ["game-eu", "game-us", "lobby"]
        );
        assert_eq!(names(&chosen(&["game-*"]).unwrap()), ["game-eu", "game-us"]);
        assert_eq!(names(&chosen(&["lobby", "-b", "x"]).unwrap()), ["lobby"]);
        let error = chosen(&["other"]).unwrap_err().to_string();
        assert!(error.contains("game-eu, game-us, lobby"), "{error}");
        let error = chosen(&["-b", "x"]).unwrap_err().to_string();
        assert!(error.starts_with("--bin-path cannot be used"), "{error}");
    }

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*c*", "abcbd", true),
            ("*b", "abab", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("**x", "y", false),
        ] {
            assert_eq!(matches_glob(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn data_is_deleted_only_if_asked() {
        assert_eq!(flags(&["db"]).delete_data, DeleteData::Never);
        assert_eq!(flags(&["db", "-c"]).delete_data, DeleteData::Always);
        assert_eq!(
            flags(&["--clear-database", "db"]).delete_data,
            DeleteData::Always
        );
        let on_conflict = flags(&["--delete-data=on-conflict", "db"]);
        assert_eq!(on_conflict.delete_data, DeleteData::OnConflict);
        assert_eq!(on_conflict.name.as_deref(), Some("db"));
    }

    #[test]
    fn yes_is_for_all_questions_or_for_some() {
        let all = flags(&["--yes", "db"]);
        assert!(all.says_yes_to(Yes::Remote) && all.says_yes_to(Yes::DeleteData));
        assert_eq!(all.name.as_deref(), Some("db"));
        let some = flags(&["-y=remote,migrate", "db"]);
        assert!(some.says_yes_to(Yes::Remote) && !some.says_yes_to(Yes::BreakClients));
        assert!(flags(&["--break-clients"]).says_yes_to(Yes::BreakClients));
        assert!(!flags(&["db"]).says_yes_to(Yes::Remote));
    }
}

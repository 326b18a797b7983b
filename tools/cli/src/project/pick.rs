//! Which database the arguments of a command mean, when a configuration may name some.

use anyhow::{Result, bail};
use clap::error::ErrorKind;

use super::Project;

/// A database, and what the arguments after it are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picked {
    pub(crate) database: String,
    /// The configured server of it.
    pub(crate) server: Option<String>,
    pub(crate) rest: Vec<String>,
}

/// The parser's own words for arguments that are not there; ends the program with its status.
pub(crate) fn missing(command: &str, names: &str, usage: &str) -> anyhow::Error {
    let text = format!(
        "the following required arguments were not provided:\n  {names}\n\n\
         Usage: spacetime {command} {usage}\n\nFor more information, try '--help'.\n"
    );
    clap::Error::raw(ErrorKind::MissingRequiredArgument, text).into()
}

/// For commands with nothing but a database: one that is configured, or any other as it is given.
pub(crate) fn pick_by_first(
    project: Option<&Project>,
    given: Option<&str>,
    command: &str,
) -> Result<Picked> {
    let databases = project.map(Project::databases).unwrap_or_default();
    match (given, databases.as_slice()) {
        (Some(name), _) => Ok(named(project, name, Vec::new())),
        (None, [(name, _)]) => Ok(named(project, name, Vec::new())),
        (None, _) => Err(missing(command, "<DATABASE>", "[OPTIONS] <DATABASE>")),
    }
}

/// For commands whose other arguments are as many as one likes: the first argument is the database
/// only if it cannot be anything else.
pub(crate) fn pick_function(
    project: Option<&Project>,
    arguments: &[String],
    command: &str,
    usage: &str,
) -> Result<Picked> {
    let databases = project.map(Project::databases).unwrap_or_default();
    if databases.is_empty() {
        return match arguments {
            [database, rest @ ..] => Ok(named(project, database, rest.to_vec())),
            [] => Err(missing(command, "<DATABASE>", usage)),
        };
    }
    if let [first, rest @ ..] = arguments
        && databases.iter().any(|(name, _)| name == first)
    {
        return Ok(named(project, first, rest.to_vec()));
    }
    match databases.as_slice() {
        [(name, _)] => Ok(named(project, name, arguments.to_vec())),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            bail!(
                "the config file has several databases ({}): say which one, \
                 or pass --no-config to ignore it",
                names.join(", ")
            )
        }
    }
}

/// For SQL: a lone argument is the query if the configuration has one database.
pub(crate) fn pick_query(
    project: Option<&Project>,
    arguments: &[String],
    lone_is_database: bool,
) -> Result<Picked> {
    const USAGE: &str = "[OPTIONS] <DATABASE> <QUERY>";
    let databases = project.map(Project::databases).unwrap_or_default();
    match (arguments, databases.as_slice()) {
        ([database, rest @ ..], _) if !rest.is_empty() || lone_is_database => {
            Ok(named(project, database, rest.to_vec()))
        }
        (rest, [(name, _)]) if rest.len() == 1 || lone_is_database => {
            Ok(named(project, name, rest.to_vec()))
        }
        ([_], _) => Err(missing("sql", "<QUERY>", USAGE)),
        _ => Err(missing("sql", "<DATABASE>\n  <QUERY>", USAGE)),
    }
}

fn named(project: Option<&Project>, database: &str, rest: Vec<String>) -> Picked {
    let databases = project.map(Project::databases).unwrap_or_default();
    let target = databases.iter().find(|(name, _)| *name == database);
    let server = target.and_then(|(_, target)| target.server());
    Picked {
        database: database.to_owned(),
        server: server.map(str::to_owned),
        rest,
    }
}

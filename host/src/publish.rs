//! What publishing a module takes and gives.

use std::sync::Arc;

use bytes::Bytes;
use spacetime_table::migrate::{Mode, Refusal, Style};
use spacetime_types::module_def::ModuleDef;
use spacetime_types::{Hash, Identity, TxOffset};

use crate::request::{Caller, DatabaseGone};
use crate::wasm::{CreateInstanceError, LoadProgramError, Program};

/// Which database a module is for.
#[derive(Clone, Debug)]
pub enum PublishTarget {
    /// A new database without a name.
    New,
    /// The database of that name; it is made if there is none.
    Name(Box<str>),
    /// The database of that identity; it is made if there is none.
    Identity(Identity),
}

/// A module to publish.
#[derive(Clone, Debug)]
pub struct Publish {
    pub target: PublishTarget,
    /// The identity that a new database gets, unless the target names one. Identities are drawn
    /// at the edge: this crate makes no random numbers.
    pub new_identity: Identity,
    pub caller: Caller,
    /// The program; without one, the one in place is meant.
    pub program: Option<Bytes>,
    /// Delete the data of an existing database first.
    pub clear: bool,
    /// How an existing database is brought to the module's tables.
    pub mode: Mode,
    /// What this may do to connected clients.
    pub policy: MigrationPolicy,
}

/// What a migration may do to connected clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// They go on.
    #[default]
    Compatible,
    /// They may be disconnected, by the plan that this token was given out for.
    BreakClients { token: Hash },
}

/// What publishing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub database: Identity,
    pub created: bool,
    /// The last transaction before an explicit migration.
    pub restore_point: Option<TxOffset>,
}

/// A module for the place of another, and how it may get there.
#[derive(Clone, Debug)]
pub struct ModuleUpdate {
    pub module: PreparedModule,
    pub mode: Mode,
    pub policy: MigrationPolicy,
}

/// A question about what publishing would do to a database.
#[derive(Clone, Debug)]
pub struct PrePublish {
    pub database: Identity,
    pub caller: Caller,
    pub program: Bytes,
    pub mode: Mode,
    pub style: Style,
}

/// What publishing would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrePublished {
    pub outcome: Outlook,
    /// The module in place is of version 1, the other of version 2.
    pub major_version_upgrade: bool,
}

/// Whether the data can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// This is what would be done.
    Migrates {
        plan: Box<str>,
        breaks_clients: bool,
        /// What [`MigrationPolicy::BreakClients`] takes.
        token: Hash,
    },
    /// It would be refused for this reason.
    Refused { reason: Box<str> },
}

/// Why a module was not published. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("Identity {caller} is not authorized to perform this action on database {database}")]
    NotOwner {
        caller: Identity,
        database: Identity,
    },
    #[error("the name `{0}` belongs to another identity")]
    NameTaken(Box<str>),
    #[error(
        "Database is locked and cannot be reset with --delete-data. Run `spacetime unlock` first."
    )]
    Locked,
    /// The bytes are not a module that runs here.
    #[error(transparent)]
    Load(#[from] LoadProgramError),
    /// The module could not be started or described.
    #[error(transparent)]
    Create(#[from] CreateInstanceError),
    /// The module's description is not valid.
    #[error("invalid module definition: {0}")]
    Definition(Box<str>),
    /// The module uses something that this server cannot do.
    #[error("{0}")]
    Unsupported(Box<str>),
    /// The new module's tables differ from those that hold data.
    #[error("Database update rejected: {0}")]
    Rejected(Box<str>),
    /// A program is needed.
    #[error("there is no program to publish")]
    NoProgram,
    /// Creating the tables or `init` failed.
    #[error("Failed to create or update the database: {0}")]
    Failed(Box<str>),
    #[error(transparent)]
    Gone(#[from] DatabaseGone),
    #[error("the change could not be made durable: {0}")]
    NotDurable(Box<str>),
}

/// A module that was compiled, started once and described: what the writer thread needs to put it
/// in place without being held up.
#[derive(Clone, Debug)]
pub struct PreparedModule {
    pub program: Program,
    pub bytes: Bytes,
    pub hash: Hash,
    pub definition: Arc<ModuleDef>,
}

/// Ties a publish to the plan that was looked at. Anybody can compute it; it guards against
/// mistakes, not against people.
#[must_use]
pub fn migration_token(database: Identity, old: Hash, new: Hash, mode: &Mode) -> Hash {
    let mut text = [database.to_hex(), old.to_hex(), new.to_hex()].concat();
    if let Mode::Explicit(hints) = mode {
        // Each text with its length, so that no two lists of hints look the same.
        let mut push = |hint: &str| text.push_str(&format!("{}:{hint}", hint.len()));
        push("migrate");
        for rename in &hints.renames {
            push(&rename.old);
            push(&rename.new);
        }
        for value in &hints.values {
            push("=");
            push(&value.column);
            push(&value.literal);
        }
    }
    Hash::of(text.as_bytes())
}

/// All reasons why there is no plan, and what to do about them.
pub(crate) fn refusal_text(refusals: &[Refusal]) -> String {
    let mut lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    lines.dedup();
    let mut ways: Vec<String> = Vec::new();
    for refusal in refusals {
        let way = format!("  - {}", refusal.way_out());
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    format!(
        "Errors occurred:\n{}\nWhat you can do:\n{}",
        lines.join("\n"),
        ways.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use spacetime_table::migrate::{Hints, Rename};

    #[test]
    fn tokens_are_those_of_the_original() {
        let database = Identity::from_hex(&format!("{:064x}", 1)).expect("an identity");
        let [old, new] = [b"old", b"new"].map(|program| Hash::of(program));
        let token = migration_token(database, old, new, &Mode::Automatic);
        let expected = "ed0d0cc7c1cc3a31740ac07d39d23c426c244405e3b1528992169120e3bce3d0";
        assert_eq!(token.to_hex(), expected);
        let explicit = |renames: &[(&str, &str)]| {
            let renames = renames.iter().map(|(old, new)| Rename {
                old: (*old).into(),
                new: (*new).into(),
            });
            let mode = Mode::Explicit(Hints {
                renames: renames.collect(),
                values: Vec::new(),
            });
            migration_token(database, old, new, &mode)
        };
        assert_ne!(explicit(&[]), token);
        assert_ne!(explicit(&[("a", "bc")]), explicit(&[("ab", "c")]));
    }
}

//! What publishing a module takes and gives.

use std::sync::Arc;

use bytes::Bytes;
use spacetime_types::module_def::ModuleDef;
use spacetime_types::{Hash, Identity};

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
    pub program: Bytes,
    /// Delete the data of an existing database first.
    pub clear: bool,
}

/// What publishing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub database: Identity,
    pub created: bool,
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
    #[error("the database is locked; unlock it first")]
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

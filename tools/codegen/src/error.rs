//! Why bindings could not be made. The remedy is always a change of the module.

/// Why bindings could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// A type is used that has no name. Name it in the module.
    #[error("{place} has a type without a name, for which no code can be generated; name the type")]
    UnnamedType {
        /// Where it is used.
        place: String,
    },
    /// A reference to a type points nowhere. Rebuild the module.
    #[error("{place} refers to a type that the module does not define; rebuild the module")]
    DanglingType {
        /// Where it is used.
        place: String,
    },
    /// Two things of the module get the same name. Rename one of them.
    #[error("two things in the module would both be generated as {what}; rename one of them")]
    SameName {
        /// What they would both be.
        what: String,
    },
    /// The language has no such type. Use another in the module.
    #[error("{place} has the type {ty}, which {language} clients cannot have")]
    Unsupported {
        /// Where it is used.
        place: String,
        /// The type.
        ty: &'static str,
        /// The language.
        language: &'static str,
    },
}

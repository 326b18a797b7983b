//! Names of things in a module: which are allowed, and how their case is converted.
//!
//! Names are case-sensitive and have no length limit of their own.

mod case;

pub use case::{camel_case, pascal_case, snake_case};

use unicode_normalization::UnicodeNormalization;

/// Longest segment of a submodule's namespace, in bytes.
pub const NAMESPACE_SEGMENT_LEN_MAX: usize = 63;

/// Names that are refused, in upper case. None so far; the check is kept so that adding one
/// is a change of this line only.
const RESERVED: [&str; 0] = [];

/// Why a name cannot be used. Rename the entity in the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Names have at least one character.
    #[error("Empty identifiers are forbidden.")]
    Empty,
    /// Two spellings of one name would be two names.
    #[error(
        "Identifier `{name}` is not in normalization form C according to Unicode Standard Annex 15 \
         (http://www.unicode.org/reports/tr15/) and cannot be used for entities in a module."
    )]
    NotCanonicalized { name: Box<str> },
    /// The first character must be `_` or XID_Start.
    #[error(
        "Identifier `{name}`'s starting character '{character}' is neither an underscore ('_') nor \
         a Unicode XID_start character (according to Unicode Standard Annex 31, \
         https://www.unicode.org/reports/tr31/) and cannot be used for entities in a module."
    )]
    InvalidStart { name: Box<str>, character: char },
    /// The others must be XID_Continue.
    #[error(
        "Identifier `{name}` contains a character '{character}' that is not an XID_continue \
         character (according to Unicode Standard Annex 31, https://www.unicode.org/reports/tr31/) \
         and cannot be used for entities in a module."
    )]
    InvalidContinue { name: Box<str>, character: char },
    /// The name means something to the server.
    #[error(
        "Identifier `{name}` is reserved by spacetimedb and cannot be used for entities in a \
         module."
    )]
    Reserved { name: Box<str> },
    /// A segment of a namespace has a length limit.
    #[error(
        "Namespace segment `{name}` has {len} bytes, at most {NAMESPACE_SEGMENT_LEN_MAX} are \
         allowed."
    )]
    NamespaceTooLong { name: Box<str>, len: usize },
}

/// Checks the name of a table, column, function, type or the like.
pub fn check_identifier(name: &str) -> Result<(), IdentifierError> {
    if name.is_empty() {
        return Err(IdentifierError::Empty);
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts_with_digit = name.starts_with(|first: char| first.is_ascii_digit());
    let all_plain = !starts_with_digit && name.bytes().all(is_plain);
    if !all_plain {
        check_unicode(name)?;
    }
    if RESERVED.contains(&name.to_uppercase().as_str()) {
        return Err(IdentifierError::Reserved { name: name.into() });
    }
    Ok(())
}

fn check_unicode(name: &str) -> Result<(), IdentifierError> {
    if !name.nfc().eq(name.chars()) {
        return Err(IdentifierError::NotCanonicalized { name: name.into() });
    }
    for (index, character) in name.char_indices() {
        if index == 0 {
            if character != '_' && !unicode_ident::is_xid_start(character) {
                let name = name.into();
                return Err(IdentifierError::InvalidStart { name, character });
            }
        } else if !unicode_ident::is_xid_continue(character) {
            let name = name.into();
            return Err(IdentifierError::InvalidContinue { name, character });
        }
    }
    Ok(())
}

/// Checks a dotted name, such as that of a table of a submodule. Every segment but the last is
/// part of a namespace.
pub fn check_dotted_name(name: &str) -> Result<(), IdentifierError> {
    match name.rsplit_once('.') {
        Some((namespace, local)) => {
            for segment in namespace.split('.') {
                check_namespace_segment(segment)?;
            }
            check_identifier(local)
        }
        None => check_identifier(name),
    }
}

/// Checks one segment of a submodule's namespace.
pub fn check_namespace_segment(segment: &str) -> Result<(), IdentifierError> {
    check_identifier(segment)?;
    if segment.len() > NAMESPACE_SEGMENT_LEN_MAX {
        return Err(IdentifierError::NamespaceTooLong {
            name: segment.into(),
            len: segment.len(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;

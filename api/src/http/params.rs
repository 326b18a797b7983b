//! Names and identities in paths, hashes in queries.

use spacetime_host::DatabaseHandle;
use spacetime_types::{Hash, Identity, U256};

use super::ApiState;
use super::error::ApiError;

/// Why a text is not a database name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DatabaseNameError {
    #[error("database names cannot be empty")]
    Empty,
    #[error("database names cannot be identities")]
    Identity,
    #[error("invalid hyphen in database name")]
    Hyphen,
    #[error("invalid characters in database name")]
    Characters,
    #[error("database names have at most {NAME_LEN_MAX} characters")]
    TooLong,
}

/// Longest name.
const NAME_LEN_MAX: usize = 64;

/// Checks a name: groups of lower-case letters and digits, with single hyphens between them.
pub(super) fn check_database_name(name: &str) -> Result<(), DatabaseNameError> {
    if name.is_empty() {
        return Err(DatabaseNameError::Empty);
    }
    if parse_identity(name).is_some() {
        return Err(DatabaseNameError::Identity);
    }
    if name.len() > NAME_LEN_MAX {
        return Err(DatabaseNameError::TooLong);
    }
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.chars().all(known) {
        return Err(DatabaseNameError::Characters);
    }
    if name.split('-').any(str::is_empty) {
        return Err(DatabaseNameError::Hyphen);
    }
    Ok(())
}

/// 64 hex digits, perhaps after `0x`.
pub(super) fn parse_identity(text: &str) -> Option<Identity> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let is_identity = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_identity
        .then(|| Identity::from_hex(digits).ok())
        .flatten()
}

/// A path segment that names a database, resolved.
pub(super) struct Target<'a> {
    pub(super) identity: Identity,
    /// The name in the path, unless it was an identity.
    pub(super) name: Option<&'a str>,
}

/// What a path segment stands for. The database need not exist.
pub(super) fn resolve<'a>(state: &ApiState, segment: &'a str) -> Result<Target<'a>, ApiError> {
    if let Some(identity) = parse_identity(segment) {
        return Ok(Target {
            identity,
            name: None,
        });
    }
    check_database_name(segment).map_err(|error| ApiError::bad_request(error.to_string()))?;
    match state.host.control().resolve(segment) {
        Some(identity) => Ok(Target {
            identity,
            name: Some(segment),
        }),
        None => Err(ApiError::not_found(format!("`{segment}` not found"))),
    }
}

/// The running database that a path segment stands for.
pub(super) fn open(state: &ApiState, segment: &str) -> Result<DatabaseHandle, ApiError> {
    let target = resolve(state, segment)?;
    match state.host.database(target.identity) {
        Some(Ok(database)) => Ok(database),
        Some(Err(gone)) => Err(ApiError::gone(&gone)),
        None => Err(ApiError::not_found("No such database.")),
    }
}

/// A hash as JSON and queries show it: `0x` and the hex of its bytes as a little-endian number.
pub(super) fn hash_text(hash: Hash) -> String {
    let mut bytes = hash.0;
    bytes.reverse();
    format!("0x{}", Hash(bytes).to_hex())
}

/// Reads a hash in the form of [`hash_text`].
pub(super) fn parse_hash(text: &str) -> Option<Hash> {
    let digits = text.strip_prefix("0x")?;
    if digits.is_empty() || digits.len() > 64 {
        return None;
    }
    U256::from_str_radix(digits, 16)
        .ok()
        .map(|number| Hash(number.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_names() {
        for good in ["foo", "foo-bar", "a", "0", "9-9", "c200"] {
            assert_eq!(check_database_name(good), Ok(()), "{good}");
        }
        let identity = "c20035600353a2e93544d898c6ed0eac323e200c0468300f22958f8b472a265d";
        for (bad, error) in [
            ("", DatabaseNameError::Empty),
            ("-a", DatabaseNameError::Hyphen),
            ("a-", DatabaseNameError::Hyphen),
            ("a--b", DatabaseNameError::Hyphen),
            ("A", DatabaseNameError::Characters),
            ("a_b", DatabaseNameError::Characters),
            ("foo/bar", DatabaseNameError::Characters),
            (identity, DatabaseNameError::Identity),
            (&format!("0x{identity}"), DatabaseNameError::Identity),
            (&"a".repeat(65), DatabaseNameError::TooLong),
        ] {
            assert_eq!(check_database_name(bad), Err(error), "{bad}");
        }
    }

    #[test]
    fn identities_in_paths() {
        let digits = "c20035600353a2e93544d898c6ed0eac323e200c0468300f22958f8b472a265d";
        let identity = Identity::from_claims("localhost", "alice");
        assert_eq!(parse_identity(digits), Some(identity));
        assert_eq!(parse_identity(&format!("0x{digits}")), Some(identity));
        assert_eq!(parse_identity(&digits[1..]), None);
        assert_eq!(parse_identity(&digits.replace('c', "g")), None);
    }

    #[test]
    fn hashes_are_shown_as_little_endian_numbers() {
        let bytes: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).expect("small"));
        let text = "0x1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100";
        assert_eq!(hash_text(Hash(bytes)), text);
        assert_eq!(parse_hash(text), Some(Hash(bytes)));
        assert_eq!(parse_hash(&text[2..]), None);
        assert_eq!(parse_hash("0x"), None);
        assert_eq!(parse_hash(&format!("{text}0")), None);
    }
}

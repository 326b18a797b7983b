//! Identifiers that every language makes alike: the case conversions, and what to do about
//! reserved words.

pub(crate) use spacetime_types::names::{camel_case, pascal_case, snake_case};

/// Several names as one in Pascal case: `lib`, `my_type` is `LibMyType`.
pub(crate) fn pascal_path<S: AsRef<str>>(segments: &[S]) -> String {
    segments
        .iter()
        .map(|segment| pascal_case(segment.as_ref()))
        .collect()
}

/// `name` as a string literal of any of the languages. Names are identifiers, perhaps with dots,
/// so there is nothing to escape; the assertion keeps it so.
pub(crate) fn quoted(name: &str) -> String {
    let is_plain = |character: char| !character.is_control() && !"\"\\'".contains(character);
    assert!(
        name.chars().all(is_plain),
        "the definition was validated, so the name is an identifier"
    );
    format!("\"{name}\"")
}

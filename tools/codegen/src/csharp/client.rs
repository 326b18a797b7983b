//! Global file.
use super::Context;
use crate::GenerateError;
use crate::code::Files;
pub(super) fn generate(_c: Context<'_>, _v: &str, _f: &mut Files) -> Result<(), GenerateError> {
    Ok(())
}

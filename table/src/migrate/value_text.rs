//! Values as people read them in plans and errors.

use spacetime_types::bsatn::Reader;
use spacetime_types::{AlgebraicType, Typespace, satn};

/// Longest text of a value.
const TEXT_LEN_MAX: usize = 200;

/// A stored value as text; long ones are cut.
pub(super) fn value_text(value: &[u8], ty: &AlgebraicType) -> String {
    let mut text = String::new();
    let mut reader = Reader::new(value);
    let style = satn::Style::Console;
    if satn::write_bsatn(&Typespace::default(), ty, &mut reader, style, &mut text).is_err() {
        return "?".to_owned();
    }
    if let Some((end, _)) = text.char_indices().nth(TEXT_LEN_MAX) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

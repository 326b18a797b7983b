//! Questions with a yes or a no.

use std::io::BufRead as _;

use anyhow::{Context, Result};

use crate::output::{say, say_part};

/// Asks on stdout and reads one line. The end of the input is a no; `skip` is a yes.
pub(crate) fn yes_or_no(skip: bool, question: &str) -> Result<bool> {
    if skip {
        say("Skipping confirmation due to --yes");
        return Ok(true);
    }
    say_part(format_args!("{question} [y/N]"));
    Ok(is_yes(&line()?))
}

/// Asks for one word; `skip` counts as having typed it.
pub(crate) fn typed_word(skip: bool, question: &str, word: &str) -> Result<bool> {
    if skip {
        say("Skipping confirmation due to --yes");
        return Ok(true);
    }
    say_part(question);
    Ok(line()?.trim() == word)
}

fn line() -> Result<String> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("cannot read the answer")?;
    Ok(line)
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_yes_is_yes() {
        for answer in ["y", "Y\n", " yes ", "YES\r\n"] {
            assert!(is_yes(answer), "{answer:?}");
        }
        for answer in ["", "n", "yep", "yes please", "\n"] {
            assert!(!is_yes(answer), "{answer:?}");
        }
    }
}

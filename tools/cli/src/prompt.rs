//! Questions: with a yes or a no, with one word, or with one of a list.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::{Context, Result, bail};

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

/// Whether somebody is there who could answer.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Asks for a text; an empty line is `default`, as is the end of the input.
pub(crate) fn text(question: &str, default: &str) -> Result<String> {
    say_part(format_args!("{question} [{default}]: "));
    let answer = line()?;
    let answer = answer.trim();
    Ok(if answer.is_empty() { default } else { answer }.to_owned())
}

/// Asks for one of a list, by its number or name; the first is the default.
pub(crate) fn one_of(question: &str, choices: &[(&str, &str)]) -> Result<usize> {
    let Some(((first, _), _)) = choices.split_first() else {
        bail!("there is nothing to choose from");
    };
    say(question);
    let width = choices
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(0);
    for (at, (name, what)) in choices.iter().enumerate() {
        say(format_args!("  {}. {name:width$}  {what}", at + 1)
            .to_string()
            .trim_end());
    }
    loop {
        let answer = text("Number or name", first)?;
        let names = || choices.iter().map(|(name, _)| *name);
        let number = answer
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1));
        match number
            .filter(|at| *at < choices.len())
            .or(names().position(|it| it == answer))
        {
            Some(at) => return Ok(at),
            None => say(format_args!("There is no `{answer}` in the list.")),
        }
    }
}

fn line() -> Result<String> {
    let mut line = String::new();
    let len = std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("cannot read the answer")?;
    if len == 0 {
        // Nobody typed the end of the line of the question.
        say("");
    }
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

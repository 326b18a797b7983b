//! Snake, camel and Pascal case.
//!
//! A name is split into words at `_`, `-` and spaces, where the case rises, around digits, and
//! before the last capital of an acronym. Beware of digits: `x1` becomes `x_1`.

use unicode_normalization::char::is_combining_mark;

/// `player_state`
#[must_use]
pub fn snake_case(name: &str) -> String {
    let words: Vec<String> = words(name).iter().map(|word| word.to_lowercase()).collect();
    words.join("_")
}

/// `playerState`
#[must_use]
pub fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (index, word) in words(name).into_iter().enumerate() {
        if index == 0 {
            out.push_str(&word.to_lowercase());
        } else {
            push_capitalised(word, &mut out);
        }
    }
    out
}

/// `PlayerState`
#[must_use]
pub fn pascal_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for word in words(name) {
        push_capitalised(word, &mut out);
    }
    out
}

fn push_capitalised(word: &str, out: &mut String) {
    let first_len = clusters(word)
        .next()
        .map_or(0, |(_, cluster)| cluster.len());
    let (first, rest) = word.split_at(first_len);
    out.push_str(&first.to_uppercase());
    out.push_str(&rest.to_lowercase());
}

/// A character together with the marks that follow it, and its position. Marks never start
/// a word and never change the case of what they mark.
fn clusters(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, _) = chars.next()?;
        while chars
            .next_if(|(_, character)| extends_cluster(*character))
            .is_some()
        {}
        let end = chars.peek().map_or(text.len(), |(end, _)| *end);
        Some((start, &text[start..end]))
    })
}

fn extends_cluster(character: char) -> bool {
    const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];
    !character.is_ascii() && (is_combining_mark(character) || JOINERS.contains(&character))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Separator,
    Digit,
    Upper,
    Lower,
    Other,
}

fn class_of(cluster: &str) -> Class {
    let (lower, upper) = (cluster.to_lowercase(), cluster.to_uppercase());
    if matches!(cluster, "_" | "-" | " ") {
        Class::Separator
    } else if cluster.bytes().all(|byte| byte.is_ascii_digit()) {
        Class::Digit
    } else if cluster == upper && cluster != lower {
        Class::Upper
    } else if cluster == lower && cluster != upper {
        Class::Lower
    } else {
        Class::Other
    }
}

/// Whether a word ends between two neighbours.
fn cuts_between(left: Class, right: Class) -> bool {
    matches!(
        (left, right),
        (Class::Lower, Class::Upper | Class::Digit)
            | (Class::Upper, Class::Digit)
            | (Class::Digit, Class::Upper | Class::Lower)
    )
}

fn words(name: &str) -> Vec<&str> {
    let classes: Vec<(usize, usize, Class)> = clusters(name)
        .map(|(start, cluster)| (start, start + cluster.len(), class_of(cluster)))
        .collect();
    let mut words = Vec::new();
    let mut word_start = 0;
    for (index, &(start, end, class)) in classes.iter().enumerate() {
        if class == Class::Separator {
            words.push(&name[word_start..start]);
            word_start = end;
            continue;
        }
        let next = classes.get(index + 1).map(|next| next.2);
        let after_next = classes.get(index + 2).map(|next| next.2);
        let ends_acronym =
            class == Class::Upper && next == Some(Class::Upper) && after_next == Some(Class::Lower);
        if ends_acronym || next.is_some_and(|next| cuts_between(class, next)) {
            words.push(&name[word_start..end]);
            word_start = end;
        }
    }
    words.push(&name[word_start..]);
    words.retain(|word| !word.is_empty());
    words
}

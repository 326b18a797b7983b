//! Which of some names a person may have meant.

/// How many letters have to be put in, taken out or changed to get from one to the other.
pub(crate) fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

/// Whether `distance` is short enough for a slip of the keys in `typed`.
pub(crate) fn is_slip(typed: &str, distance: usize) -> bool {
    distance <= 1 + typed.len() / 4
}

/// The nearest of the names, if it is near enough.
pub(crate) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase();
    names
        .map(|name| (edit_distance(&typed, name), name))
        .min()
        .filter(|(distance, _)| is_slip(&typed, *distance))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "ab"), 2);
        assert_eq!(edit_distance("ab", "ab"), 0);
    }

    #[test]
    fn only_what_is_near_is_meant() {
        let names = || ["database", "server"].into_iter();
        assert_eq!(nearest("databse", names()), Some("database"));
        assert_eq!(nearest("Server", names()), Some("server"));
        assert_eq!(nearest("colour", names()), None);
        assert_eq!(nearest("x", std::iter::empty()), None);
    }
}

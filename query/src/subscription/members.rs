//! Small sorted sets: most have one element and take no memory of their own.

use std::collections::BTreeSet;

/// A set that is cheap while it has at most one element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Members<T> {
    #[default]
    None,
    One(T),
    Many(BTreeSet<T>),
}

impl<T: Copy + Ord> Members<T> {
    /// Whether it was not there.
    pub(super) fn insert(&mut self, member: T) -> bool {
        match self {
            Members::None => {
                *self = Members::One(member);
                true
            }
            Members::One(only) if *only == member => false,
            Members::One(only) => {
                *self = Members::Many(BTreeSet::from([*only, member]));
                true
            }
            Members::Many(members) => members.insert(member),
        }
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, member: &T) -> bool {
        match self {
            Members::None => false,
            Members::One(only) => {
                let is_there = only == member;
                if is_there {
                    *self = Members::None;
                }
                is_there
            }
            Members::Many(members) => {
                let was_there = members.remove(member);
                if members.len() <= 1 {
                    *self = members
                        .first()
                        .map_or(Members::None, |only| Members::One(*only));
                }
                was_there
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Members::None => 0,
            Members::One(_) => 1,
            Members::Many(members) => members.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Members::None)
    }

    /// Ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        let (one, many) = match self {
            Members::None => (None, None),
            Members::One(only) => (Some(*only), None),
            Members::Many(members) => (None, Some(members.iter().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

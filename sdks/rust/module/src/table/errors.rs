//! Why a row could not be added.

use std::convert::Infallible;
use std::fmt;

use super::Table;
use crate::sys::Errno;

/// A row with the same value of a unique column exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UniqueConstraintViolation;

/// A sequence has used up all values of its column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoIncOverflow;

impl fmt::Display for UniqueConstraintViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("duplicate unique column")
    }
}

impl fmt::Display for AutoIncOverflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("auto-inc sequence overflowed its column type")
    }
}

impl std::error::Error for UniqueConstraintViolation {}

impl std::error::Error for AutoIncOverflow {}

/// An error that some tables cannot have: for those it is `Infallible`.
#[doc(hidden)]
pub trait MaybeError<E = Self>: std::error::Error + Send + Sync + 'static + Sized {
    /// The error, if the table can have it.
    fn get() -> Option<Self>;
}

impl<E> MaybeError<E> for Infallible {
    fn get() -> Option<Self> {
        None
    }
}

impl MaybeError for UniqueConstraintViolation {
    fn get() -> Option<Self> {
        Some(UniqueConstraintViolation)
    }
}

impl MaybeError for AutoIncOverflow {
    fn get() -> Option<Self> {
        Some(AutoIncOverflow)
    }
}

/// Why [`Table::try_insert`] refused a row.
pub enum TryInsertError<T: Table> {
    /// A row with the same value of a unique column exists.
    UniqueConstraintViolation(T::UniqueConstraintViolation),
    /// A sequence has run out.
    AutoIncOverflow(T::AutoIncOverflow),
}

impl<T: Table> TryInsertError<T> {
    #[track_caller]
    pub(super) fn from_errno(errno: Errno) -> Self {
        let error = match errno {
            Errno::UNIQUE_ALREADY_EXISTS => {
                T::UniqueConstraintViolation::get().map(TryInsertError::UniqueConstraintViolation)
            }
            Errno::AUTO_INC_OVERFLOW => {
                T::AutoIncOverflow::get().map(TryInsertError::AutoIncOverflow)
            }
            _ => None,
        };
        error.unwrap_or_else(|| fail_insert(T::TABLE_NAME, errno))
    }

    fn reason(&self) -> &dyn fmt::Display {
        match self {
            TryInsertError::UniqueConstraintViolation(error) => error,
            TryInsertError::AutoIncOverflow(error) => error,
        }
    }
}

impl<T: Table> fmt::Display for TryInsertError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_refusal(T::TABLE_NAME, self.reason(), f)
    }
}

impl<T: Table> fmt::Debug for TryInsertError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TryInsertError({}: {})", T::TABLE_NAME, self.reason())
    }
}

impl<T: Table> std::error::Error for TryInsertError<T> {}

/// So that `?` works in a reducer whose errors are texts.
impl<T: Table> From<TryInsertError<T>> for String {
    fn from(error: TryInsertError<T>) -> String {
        error.to_string()
    }
}

/// Why [`UniqueColumn::try_update`](super::UniqueColumn::try_update) refused a row.
pub enum TryUpdateError<T: Table> {
    /// No row has this primary key.
    NoSuchRow,
    /// A row with the same value of another unique column exists.
    UniqueConstraintViolation(T::UniqueConstraintViolation),
    /// A sequence has run out.
    AutoIncOverflow(T::AutoIncOverflow),
}

impl<T: Table> TryUpdateError<T> {
    #[track_caller]
    pub(super) fn from_errno(errno: Errno) -> Self {
        let error = match errno {
            Errno::NO_SUCH_ROW => Some(TryUpdateError::NoSuchRow),
            Errno::UNIQUE_ALREADY_EXISTS => {
                T::UniqueConstraintViolation::get().map(TryUpdateError::UniqueConstraintViolation)
            }
            Errno::AUTO_INC_OVERFLOW => {
                T::AutoIncOverflow::get().map(TryUpdateError::AutoIncOverflow)
            }
            _ => None,
        };
        error.unwrap_or_else(|| fail_update(errno))
    }

    fn reason(&self) -> &dyn fmt::Display {
        match self {
            TryUpdateError::NoSuchRow => &"no row has this primary key",
            TryUpdateError::UniqueConstraintViolation(error) => error,
            TryUpdateError::AutoIncOverflow(error) => error,
        }
    }
}

impl<T: Table> fmt::Display for TryUpdateError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "update error on table `{}`: {}",
            T::TABLE_NAME,
            self.reason()
        )
    }
}

impl<T: Table> fmt::Debug for TryUpdateError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TryUpdateError({}: {})", T::TABLE_NAME, self.reason())
    }
}

impl<T: Table> std::error::Error for TryUpdateError<T> {}

impl<T: Table> From<TryUpdateError<T>> for String {
    fn from(error: TryUpdateError<T>) -> String {
        error.to_string()
    }
}

// Without a space after the colon: clients may compare the text.
fn write_refusal(
    table: &str,
    reason: &dyn fmt::Display,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    write!(f, "insertion error on table `{table}`:{reason}")
}

/// Ends the call.
#[cold]
#[track_caller]
pub(super) fn fail_insert(table: &str, errno: Errno) -> ! {
    let reason: &dyn fmt::Display = match errno {
        Errno::UNIQUE_ALREADY_EXISTS => &UniqueConstraintViolation,
        Errno::AUTO_INC_OVERFLOW => &AutoIncOverflow,
        _ => panic!("unexpected insertion error: {errno}"),
    };
    panic!("insertion error on table `{table}`:{reason}")
}

/// Ends the call.
#[cold]
#[track_caller]
pub(super) fn fail_update(errno: Errno) -> ! {
    panic!("unexpected update error: {errno}")
}

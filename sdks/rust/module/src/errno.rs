//! The numbers by which the host says what went wrong.

use std::fmt;

/// An error number of the host. See the constants for those that mean something to modules.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(u16);

macro_rules! numbers {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = concat!("\"", $text, "\"")]
            pub const $name: Errno = Errno($number);)*

            /// The name of the number.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// What it means.
            pub const fn message(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

numbers! {
    HOST_CALL_FAILURE = 1, "the host failed";
    NOT_IN_TRANSACTION = 2, "no transaction is open";
    BSATN_DECODE_ERROR = 3, "the bytes do not decode to the expected type";
    NO_SUCH_TABLE = 4, "there is no such table";
    NO_SUCH_INDEX = 5, "there is no such index";
    NO_SUCH_ITER = 6, "there is no such row iterator";
    NO_SUCH_CONSOLE_TIMER = 7, "there is no such timer";
    NO_SUCH_BYTES = 8, "there is no such byte source or sink";
    NO_SPACE = 9, "the byte sink has no more space";
    WRONG_INDEX_ALGO = 10, "the index has no order, so it has no ranges";
    BUFFER_TOO_SMALL = 11, "the buffer is too small for the next row";
    UNIQUE_ALREADY_EXISTS = 12, "a row with this value of a unique column exists";
    SCHEDULE_AT_DELAY_TOO_LONG = 13, "the scheduled time is too far away";
    INDEX_NOT_UNIQUE = 14, "the index is not unique";
    NO_SUCH_ROW = 15, "there is no row with this key";
    AUTO_INC_OVERFLOW = 16, "the sequence has run out of values";
    WOULD_BLOCK_TRANSACTION = 17, "it would block while a transaction is open";
    TRANSACTION_NOT_ANONYMOUS = 18, "the transaction was not begun by this function";
    TRANSACTION_IS_READ_ONLY = 19, "the transaction may only read";
    TRANSACTION_IS_MUT = 20, "the transaction may also write";
    HTTP_ERROR = 21, "the HTTP request failed";
}

impl Errno {
    /// From the number as the host gives it.
    pub const fn from_code(code: u16) -> Option<Errno> {
        match code {
            0 => None,
            code => Some(Errno(code)),
        }
    }

    /// The number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Ends the call: the host answered what it never should.
    #[cold]
    pub(crate) fn unexpected(self) -> ! {
        panic!("unexpected answer of the host: {self}")
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message().unwrap_or("an unknown error"))?;
        write!(f, " (error {})", self.0)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "Errno({name})"),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

impl std::error::Error for Errno {}

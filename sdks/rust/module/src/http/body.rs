//! The bytes of a request or a response.

use std::string::FromUtf8Error;

use bytes::Bytes;

/// The bytes of a request or a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    bytes: Bytes,
}

impl Body {
    /// No bytes.
    pub fn empty() -> Body {
        Body::default()
    }

    /// These bytes.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Body {
        Body {
            bytes: bytes.into(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The bytes as text, if they are UTF-8.
    pub fn into_string(self) -> Result<String, FromUtf8Error> {
        String::from_utf8(self.bytes.into())
    }

    /// The bytes as text; what is not UTF-8 is replaced.
    pub fn into_string_lossy(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }
}

macro_rules! from {
    ($($type:ty),*) => {$(
        impl From<$type> for Body {
            fn from(bytes: $type) -> Body {
                Body::from_bytes(bytes)
            }
        }
    )*};
}

from!(
    String,
    Vec<u8>,
    Box<[u8]>,
    &'static [u8],
    &'static str,
    Bytes
);

impl From<()> for Body {
    fn from((): ()) -> Body {
        Body::empty()
    }
}

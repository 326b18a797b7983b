//! What generated bindings know as `__lib` and `__sats`: types, and their BSATN form.
//!
//! Not here: the formats themselves (`spacetime-types`).

mod time;
mod uuid;

pub use spacetime_types::{ConnectionId, Hash, I256 as i256, Identity, U256 as u256};
pub use time::{ScheduleAt, TimeDuration, Timestamp, YearOutOfRange};
pub use uuid::Uuid;

/// Writing.
pub mod ser {
    pub use spacetime_client_macros::Serialize;
    pub use spacetime_types::bsatn::Encode as Serialize;
}

/// Reading.
pub mod de {
    pub use spacetime_client_macros::Deserialize;
    pub use spacetime_types::bsatn::Decode as Deserialize;

    /// What can be read without keeping the bytes.
    pub trait DeserializeOwned: for<'de> Deserialize<'de> {}

    impl<T: for<'de> Deserialize<'de>> DeserializeOwned for T {}
}

/// The binary form.
pub mod bsatn {
    use super::{de::DeserializeOwned, ser::Serialize};
    pub use spacetime_types::bsatn::{DecodeError, Reader};

    /// Why a value has no binary form. No value of bindings is like that.
    #[derive(Clone, Debug, thiserror::Error)]
    pub enum EncodeError {}

    /// The binary form of `value`.
    pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
        Ok(spacetime_types::bsatn::to_vec(value))
    }

    /// Reads a value that takes up all of `bytes`.
    pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
        spacetime_types::bsatn::from_slice_exact(bytes)
    }
}

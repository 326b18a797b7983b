//! Who a request comes from: the server's keys, tokens, and identities derived from them.
//!
//! Invariants
//!   * The algorithm that verifies a token is a property of the key, never of the token: a token
//!     that names another algorithm is refused.
//!   * Nothing is stored for an identity: it is derived from a token's issuer and subject.
//!   * Tokens do not reach logs or error texts.
//!
//! Not here: what an identity may do (the host decides), and fetching keys from issuers.

mod authority;
mod claims;
mod keys;
mod session;

pub use authority::{Authority, AuthorityError, OWN_ISSUER, TrustedIssuer, VerifyError};
pub use claims::{Claims, ClaimsError};
pub use keys::{KeyPair, KeyPairError};
pub use session::{Credentials, Session, credentials};

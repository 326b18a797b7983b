//! HTTP: requests to other servers, and (unstable) the module's own routes.
//!
//! Requests and responses are those of the crate `http`.

mod body;
mod client;
mod handler;
#[cfg_attr(not(feature = "unstable"), allow(dead_code))]
mod router;
mod wire;

pub use body::Body;
pub use client::{Error, HttpClient, Timeout};
#[cfg(not(feature = "unstable"))]
pub(crate) use handler::HandlerContext;
#[cfg(feature = "unstable")]
pub use handler::{Handler, HandlerContext};
#[cfg(feature = "unstable")]
pub use router::Router;

/// A function that answers requests; see [`router`](macro@router).
#[cfg(feature = "unstable")]
pub use spacetime_module_macros::http_handler as handler;
/// The function that says which handler answers which requests.
#[cfg(feature = "unstable")]
pub use spacetime_module_macros::http_router as router;

#[cfg(feature = "unstable")]
pub(crate) use wire::{decode_request, encode_response};

/// A request.
pub type Request<T = Body> = http::Request<T>;

/// A response.
pub type Response<T = Body> = http::Response<T>;

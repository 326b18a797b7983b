//! What authors of modules may write, all of it: each form of each attribute, each shape of type,
//! each method of the library. Both libraries have to compile this, and to describe it alike.
//!
//! Hardly anything here is called: that it compiles is the test. The functions of `checks` run,
//! and compare what they see with what is known.

#![allow(
    clippy::all,
    reason = "things are written in every way that there is, not in the shortest"
)]

mod checks;
mod contexts;
mod functions;
mod handles;
mod http;
mod queries;
mod tables;
mod types;
mod values;

//! The module the server's own tests drive: it uses everything a module can use.
//!
//! Many reducers check inside the module what they did, and answer with an error that says what
//! was wrong; a test then only has to see the call committed. The others fail on purpose, each
//! in one way.
//!
//! Invariant: no reducer has the name of a table, since the two would be one exported symbol.
//!
//! Not here: views and procedures (see the module `views`).

mod auto_inc;
mod caller;
mod columns;
mod events;
mod failures;
mod indexes;
mod keys;
mod lifecycle;
mod logging;
mod loops;
mod timers;
